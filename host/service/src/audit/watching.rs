//! What is watched of a trail while its host runs.

use std::sync::{Mutex, PoisonError};

use rfid_core::UtcTime;

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
}

impl Watch {
    /// Everything that is wrong.
    pub fn complaints(&self) -> Vec<String> {
        let copying = self.copying.as_ref().and_then(Copying::complaint);
        let signing = self.signing.as_ref().and_then(SigningState::complaint);
        [copying, self.space.complaint(), signing].into_iter().flatten().collect()
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
