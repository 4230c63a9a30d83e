//! Exports: visits that somebody carries out of the service as a file, and that nobody else opens.
//!
//! A few visits, shortened, one person exports alone; more, or with who came, when somebody else has
//! approved a request. The file is made by one task, lies on the disk of this host under a key that only
//! who asked is told, is given out once, and is gone after a day.
//!
//! * `asking.rs`: what may be asked for, alone and by a request.
//! * `making.rs`: the task that makes files, one after the other, and ends what is over.
//! * `sealed.rs`: the file as it lies on the disk.
//! * `fetching.rs`: giving it out, once.
//! * `view.rs`: what is shown of an export.

mod asking;
mod fetching;
mod making;
mod sealed;
mod view;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rfid_core::Name;
use tokio::sync::{Semaphore, mpsc};

use super::fault::Fault;
use super::grant::Mode;
use super::{Caller, Service};
use crate::record::{Export, ExportId, Key, Kind, StaffId};
use crate::rights::Action;
use crate::store::{Among, Listing, Place, Stored};

pub use asking::{BegunExport, ExportDraft};
pub use fetching::FetchedExport;
pub use view::ExportView;

use making::Job;

/// The folder of files in the data folder of a host.
pub const FOLDER: &str = "exports";
/// Exports that wait to be made.
const WAITING: usize = 8;
/// Files that are opened at the same time: each is in memory as long.
const OPENED_AT_ONCE: usize = 2;

/// How much is exported, and for how long. Each figure is a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// Visits in an export that one person makes alone.
    pub alone_rows: u64,
    /// The same of all of them within a day, so that nobody gets in parts what they do not get at once.
    pub alone_rows_a_day: u64,
    /// Visits in any export.
    pub most_rows: u64,
    /// A file that nobody fetches is gone after so long, and an approval is over.
    pub kept_for: Duration,
}

impl Default for ExportSettings {
    fn default() -> Self {
        Self {
            alone_rows: 500,
            alone_rows_a_day: 2_000,
            most_rows: 50_000,
            kept_for: Duration::from_secs(24 * 3600),
        }
    }
}

/// Where files are kept, and what is under way.
pub(super) struct Exports {
    settings: ExportSettings,
    folder: PathBuf,
    host: Name,
    queue: mpsc::Sender<Job>,
    /// Taken by the task that makes them.
    jobs: Mutex<Option<mpsc::Receiver<Job>>>,
    under_way: UnderWay,
    opening: Semaphore,
}

/// Exports that are asked for, wait or are made, each with who asked.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<HashMap<ExportId, StaffId>>>);

impl UnderWay {
    /// A turn for who asks; nobody has two at once, so that what one person may export alone is added up
    /// one after the other.
    fn begin(&self, id: ExportId, asker: StaffId) -> Result<Turn, Fault> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(&id) || all.values().any(|other| *other == asker) {
            return asking::refused("an export of yours is being made: wait for that");
        }
        all.insert(id, asker);
        Ok(Turn { id, of: self.clone() })
    }

    fn has(&self, id: ExportId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }
}

/// One of them, for as long as this is held.
struct Turn {
    id: ExportId,
    of: UnderWay,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Service {
    /// How much is exported; nothing where nothing is.
    pub(super) fn export_settings(&self) -> Option<ExportSettings> {
        self.exports.as_ref().map(|exports| exports.settings.clone())
    }

    /// The same, with a folder for the files of exports, which nobody else uses. `host` tells this host
    /// apart from others at the same store. They are made while [`Service::keep_exports`] runs.
    #[must_use]
    pub fn with_exports(self, folder: PathBuf, host: Name, settings: ExportSettings) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING);
        let exports = Exports {
            settings,
            folder,
            host,
            queue,
            jobs: Mutex::new(Some(jobs)),
            under_way: UnderWay::default(),
            opening: Semaphore::new(OPENED_AT_ONCE),
        };
        Self { exports: Some(exports), ..self }
    }

    fn kept_exports(&self) -> Result<&Exports, Fault> {
        self.exports.as_ref().ok_or_else(|| Fault::NotAllowed("this host keeps no exports".to_owned()))
    }

    /// The export of this id, for who asked for it and for who approves exports of its branch.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Store`.
    pub async fn export(&self, caller: &Caller, id: ExportId) -> Result<Stored<Export>, Fault> {
        self.may_know_exports(caller).await?;
        let found: Option<Stored<Export>> = self.find(Key::Export(id)).await?;
        let Some(export) = found.filter(|export| sees(caller, &export.record)) else {
            return Err(self.nothing(caller, Action::ExportVisits, "export").await);
        };
        self.saw(caller, "export.see", Some(&Key::Export(id)), Some(&export.record.branch), 1).await?;
        Ok(export)
    }

    /// One's own exports, and those that one might have approved, the latest first, behind `after`; at most
    /// `limit` of them, and where the list goes on.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn exports(
        &self,
        caller: &Caller,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Stored<Export>>, Option<Place>), Fault> {
        self.may_know_exports(caller).await?;
        let among = match caller.grant.who() {
            Some(me) if !approves(caller) => Among::Of(Key::Staff(me)),
            _ => Among::All,
        };
        let listing = Listing::ever(Kind::Export, among);
        let (mut found, mut place) = (Vec::new(), after);
        loop {
            let page = self.store.list(&listing, place.clone(), limit.max(1)).await?;
            let is_last = page.len() < limit.max(1);
            for export in page.into_iter().filter_map(Stored::typed::<Export>) {
                place = Some(Place { at: export.record.asked_at, key: Key::Export(export.record.id) });
                if sees(caller, &export.record) {
                    found.push(export);
                }
                if found.len() >= limit {
                    self.saw(caller, "export.list", None, None, found.len()).await?;
                    return Ok((found, place));
                }
            }
            if is_last {
                self.saw(caller, "export.list", None, None, found.len()).await?;
                return Ok((found, None));
            }
        }
    }

    /// Whoever neither exports nor approves that has nothing to do with exports.
    async fn may_know_exports(&self, caller: &Caller) -> Result<(), Fault> {
        match caller.grant.knows(Action::ExportVisits) || caller.grant.knows(Action::RequestExports) {
            true => Ok(()),
            false => self.may(caller, Action::ExportVisits).await.map(drop),
        }
    }
}

fn approves(caller: &Caller) -> bool {
    caller.grant.may(Action::RequestExports, Mode::Approve, true).is_ok()
}

/// Whether an export is any business of the caller's. Who is no person here is the console.
fn sees(caller: &Caller, export: &Export) -> bool {
    caller.grant.who().is_none_or(|me| me == export.asker)
        || caller
            .grant
            .may(Action::RequestExports, Mode::Approve, true)
            .is_ok_and(|may| may.in_branch(&export.branch).is_some())
}

#[cfg(test)]
mod tests;
