//! What is watched of a trail while its host runs.

use std::sync::{Mutex, PoisonError};

use rfid_core::UtcTime;

use super::archive::Archives;
use super::central::Copying;
use super::space::SpaceWatch;

/// What is watched of a trail.
#[derive(Debug)]
pub struct Watch {
    /// Takes it to where those of all hosts are, where there is such a place.
    pub copying: Option<Copying>,
    /// By what this host could change what is there.
    pub could_change: Vec<&'static str>,
    /// The disk that it lies on.
    pub space: SpaceWatch,
    /// Its signed anchors, where they are signed.
    pub signing: Option<SigningState>,
    /// Its archives, where there are any.
    pub archiving: Option<ArchivingState>,
}

impl Watch {
    /// Everything that is wrong.
    pub fn complaints(&self) -> Vec<String> {
        let copying = self.copying.as_ref().and_then(Copying::complaint);
        let signing = self.signing.as_ref().and_then(SigningState::complaint);
        let archiving = self.archiving.as_ref().and_then(ArchivingState::complaint);
        [copying, self.space.complaint(), signing, archiving].into_iter().flatten().collect()
    }
}

/// How signing the end of the trail goes.
#[derive(Debug, Default)]
pub struct SigningState(Mutex<Signing>);

#[derive(Debug, Default)]
struct Signing {
    last: Option<UtcTime>,
    error: Option<String>,
}

impl SigningState {
    /// Begins with when the last signed anchor was made, if there is one.
    pub fn new(last: Option<UtcTime>) -> Self {
        Self(Mutex::new(Signing { last, error: None }))
    }

    /// Notes that an anchor was signed and kept.
    pub fn signed(&self, at: UtcTime) {
        *self.lock() = Signing { last: Some(at), error: None };
    }

    /// Notes that one could not be.
    pub fn failed(&self, why: String) {
        self.lock().error = Some(why);
    }

    /// When the last signed anchor was made.
    pub fn last(&self) -> Option<UtcTime> {
        self.lock().last
    }

    /// What is wrong.
    pub fn complaint(&self) -> Option<String> {
        let error = self.lock().error.clone()?;
        Some(format!("the end of the audit trail cannot be signed: {error}"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Signing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How taking old records out into archives goes.
#[derive(Debug)]
pub struct ArchivingState {
    archives: Archives,
    state: Mutex<Archiving>,
}

#[derive(Debug, Default)]
struct Archiving {
    looked: Option<UtcTime>,
    last: Option<(UtcTime, String)>,
    error: Option<String>,
}

impl ArchivingState {
    /// Begins with when the last archive was made, and its name, if there is one.
    pub fn new(archives: Archives, last: Option<(UtcTime, String)>) -> Self {
        Self { archives, state: Mutex::new(Archiving { last, ..Archiving::default() }) }
    }

    /// Where they are.
    pub fn archives(&self) -> &Archives {
        &self.archives
    }

    /// Notes that a run has ended well, and the last archive if it made any.
    pub fn ran(&self, at: UtcTime, made: Option<(UtcTime, String)>) {
        let mut state = self.lock();
        state.looked = Some(at);
        state.last = made.or(state.last.take());
        state.error = None;
    }

    /// Notes that a run could not be brought to its end.
    pub fn failed(&self, why: String) {
        self.lock().error = Some(why);
    }

    /// When a run last ended well.
    pub fn looked(&self) -> Option<UtcTime> {
        self.lock().looked
    }

    /// When the last archive was made, and its name.
    pub fn last(&self) -> Option<(UtcTime, String)> {
        self.lock().last.clone()
    }

    /// What is wrong.
    pub fn complaint(&self) -> Option<String> {
        let error = self.lock().error.clone()?;
        Some(format!("old records of the audit trail cannot be archived: {error}"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Archiving> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
