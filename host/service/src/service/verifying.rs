//! Going through the audit trail while somebody waits: how far it is, and what came of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::{Error, UtcTime};

use super::fault::Fault;
use super::{Caller, Service};
use crate::audit::anchors::{self, Anchor};
use crate::audit::{self, Verified};
use crate::off_runtime::off_runtime;
use crate::rights::Action;

/// Files in which the ends of a trail are kept.
#[derive(Clone, Debug, Default)]
pub struct AnchorFiles {
    /// What the trail is called in them.
    pub trail: String,
    /// Where they are.
    pub files: Vec<PathBuf>,
}

/// A verification of the trail, under way or over.
#[derive(Clone, Debug)]
pub struct Verification {
    /// When it was begun.
    pub began: UtcTime,
    /// The record that it has reached.
    pub reached: u64,
    /// The last record when it was begun.
    pub last: u64,
    /// Anchors that there are, wherever.
    pub anchors: usize,
    /// What came of it, once it is over; in English why it could not be ended.
    pub outcome: Option<Result<Verified, String>>,
}

/// The verification of this host: one at a time, whoever asked for it.
#[derive(Clone, Default)]
pub(super) struct Verifying(Arc<Mutex<Option<Under>>>);

#[derive(Clone)]
struct Under {
    verification: Verification,
    reached: Arc<AtomicU64>,
}

impl Verifying {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Under>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> Option<Verification> {
        self.lock().as_ref().map(|under| Verification {
            reached: under.reached.load(Ordering::Relaxed),
            ..under.verification.clone()
        })
    }
}

impl Service {
    /// Goes through the whole trail to see whether it is what was written, and agrees with its anchors.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` where there is no trail; `Store`.
    pub async fn verify_trail(&self, caller: &Caller) -> Result<Verified, Fault> {
        self.may(caller, Action::VerifyAudit).await?;
        let known = self.anchors_known().await?;
        self.go_through(caller, known, Arc::default()).await
    }

    /// Begins to go through the trail and returns; one that is under way goes on instead.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` where there is no trail; `Store`.
    pub async fn begin_verification(self: &Arc<Self>, caller: &Caller) -> Result<(), Fault> {
        self.may(caller, Action::VerifyAudit).await?;
        let trail = self.trail.as_ref().ok_or(Fault::NotFound("audit trail"))?;
        let last = trail.head().await?.number;
        let known = self.anchors_known().await?;
        let reached = Arc::new(AtomicU64::new(0));
        {
            let mut under = self.verifying.lock();
            if under.as_ref().is_some_and(|under| under.verification.outcome.is_none()) {
                return Ok(());
            }
            let verification =
                Verification { began: self.now(), reached: 0, last, anchors: known.len(), outcome: None };
            *under = Some(Under { verification, reached: Arc::clone(&reached) });
        }
        let (service, caller) = (Arc::clone(self), caller.clone());
        tokio::spawn(async move {
            let outcome = service.go_through(&caller, known, reached).await;
            if let Some(under) = service.verifying.lock().as_mut() {
                under.verification.outcome = Some(outcome.map_err(|fault| fault.to_string()));
            }
        });
        Ok(())
    }

    /// The last verification that somebody began since the start of the host.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn verification(&self, caller: &Caller) -> Result<Option<Verification>, Fault> {
        self.may(caller, Action::VerifyAudit).await?;
        Ok(self.verifying.seen())
    }

    /// The latest anchors of the trail, the latest first.
    ///
    /// # Errors
    /// `Forbidden`; `Store` where a file cannot be read.
    pub async fn anchors(&self, caller: &Caller, limit: usize) -> Result<Vec<Anchor>, Fault> {
        self.may(caller, Action::VerifyAudit).await?;
        let mut known = self.anchors_known().await?;
        known.sort_by_key(|anchor| std::cmp::Reverse(anchor.at));
        known.truncate(limit);
        Ok(known)
    }

    async fn anchors_known(&self) -> Result<Vec<Anchor>, Fault> {
        let AnchorFiles { trail, files } = self.anchors.clone();
        let read = move || {
            let mut known = Vec::new();
            for path in files {
                known.extend(anchors::read(&path, &trail)?);
            }
            Ok::<_, Error>(known)
        };
        Ok(off_runtime("verify", read).await?)
    }

    async fn go_through(
        &self,
        caller: &Caller,
        known: Vec<Anchor>,
        reached: Arc<AtomicU64>,
    ) -> Result<Verified, Fault> {
        let trail = self.trail.as_ref().ok_or(Fault::NotFound("audit trail"))?;
        let folder = trail.folder().to_owned();
        // What is on its way is written first.
        trail.head().await?;
        let archives = self.watch().and_then(|watch| Some(watch.archiving.as_ref()?.archives().clone()));
        let verified = off_runtime("verify", move || {
            let progress = |number| reached.store(number, Ordering::Relaxed);
            audit::verify(&folder, archives.as_ref(), &known, progress)
        });
        let verified = verified.await?;
        self.did(caller, "audit.verify", |entry| {
            entry.count = Some(verified.records);
            entry.facts.insert("head".to_owned(), verified.head.hash.to_string());
            if let Some(fault) = &verified.fault {
                entry.facts.insert("first_bad".to_owned(), fault.number.to_string());
            }
        })
        .await?;
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Head;
    use crate::rights::Role;
    use crate::service::bank::Bank;

    async fn ended(service: &Service, caller: &Caller) -> Verification {
        loop {
            let seen = service.verification(caller).await.unwrap().unwrap();
            if seen.outcome.is_some() {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_auditor_sees_how_far_it_is_what_came_of_it_and_the_first_bad_record() {
        let bank = Bank::new().await;
        let file = bank.folder.path().join("anchors");
        let anchors = AnchorFiles { trail: "bank audit".to_owned(), files: vec![file.clone()] };
        let bank = bank.changed(|service| service.with_anchors(anchors));
        let auditor = bank.person("AU1", &[Role::Auditor]).await;
        let service = &bank.service;
        assert!(service.verification(&auditor).await.unwrap().is_none());
        service.begin_verification(&auditor).await.unwrap();
        let seen = ended(service, &auditor).await;
        let verified = seen.outcome.unwrap().unwrap();
        assert!(verified.fault.is_none() && seen.reached >= seen.last && seen.last > 0);
        // An anchor of an end that is not there.
        let head = Head { number: 10_000, hash: verified.head.hash };
        let anchor = Anchor { trail: "bank audit".to_owned(), at: service.now(), head, signature: None };
        anchors::add(&file, &anchor).unwrap();
        assert_eq!(service.anchors(&auditor, 10).await.unwrap(), [anchor]);
        service.begin_verification(&auditor).await.unwrap();
        let seen = ended(service, &auditor).await;
        let fault = seen.outcome.unwrap().unwrap().fault.unwrap();
        assert!(fault.what.contains("10000") && seen.anchors == 1, "{fault:?}");
        let told = bank.told().await;
        let last = told.iter().rfind(|recorded| recorded.entry.action == "audit.verify").unwrap();
        assert_eq!(last.entry.facts["first_bad"], fault.number.to_string());
    }

    #[tokio::test]
    async fn nobody_else_verifies() {
        let bank = Bank::new().await;
        let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
        assert!(matches!(bank.service.begin_verification(&security).await, Err(Fault::Forbidden(_))));
        assert!(matches!(bank.service.verification(&security).await, Err(Fault::Forbidden(_))));
        assert!(matches!(bank.service.anchors(&security, 1).await, Err(Fault::Forbidden(_))));
    }
}
