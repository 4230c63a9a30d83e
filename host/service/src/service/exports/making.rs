//! The task that makes the files of exports, one after the other, and ends what is over.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rfid_core::Error;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::super::fault::Fault;
use super::super::view::VisitView;
use super::super::{Caller, Service};
use super::sealed::{self, FileKey};
use super::{Exports, Turn};
use crate::export::{ExportFault, Table};
use crate::hex::hex;
use crate::mask;
use crate::off_runtime::io_off_runtime;
use crate::randomness::Randomness;
use crate::record::{
    Customer, CustomerId, Export, ExportFormat, ExportId, ExportState, Key, Kind, MadeFile, Visit,
};
use crate::store::{Actor, Among, Listing, Stored};

/// How often it is looked for what is over.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Visits that are read at once, and portions of them that wait to be written.
const READ_AT_ONCE: usize = 256;
const WAITING: usize = 4;

/// An export that waits to be made.
pub(super) struct Job {
    pub(super) turn: Turn,
    pub(super) key: FileKey,
}

/// What the thread that writes is given.
enum Portion {
    Rows(Vec<Row>),
    /// That was all. Without it the rows stop because something went wrong.
    End,
}

/// A visit and what stands before it.
struct Row {
    visit: VisitView,
    before: Vec<String>,
}

/// A file that lies on the disk.
struct Written {
    rows: u64,
    bytes: u64,
    sha256: String,
}

/// Why an export was not made, in words that may be shown.
const TOO_MANY: &str = "there are more visits by now than were asked for";
const NOTHING: &str = "there are no visits any more";
const ENDED: &str = "the host ended before it was made";

impl Service {
    /// Makes exports, one after the other, and ends those that are over, for as long as it runs. Only the
    /// first caller does anything.
    pub async fn keep_exports(&self) {
        let Some(exports) = &self.exports else { return };
        let jobs = exports.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut jobs) = jobs else { return };
        // What a start finds is over at once.
        let mut look = Instant::now();
        loop {
            match tokio::time::timeout_at(look, jobs.recv()).await {
                Ok(Some(job)) => self.make_export(exports, job).await,
                Ok(None) => return,
                Err(_) => {}
            }
            if Instant::now() >= look {
                match self.end_exports().await {
                    Ok(0) => {}
                    Ok(ended) => tracing::info!(ended, "exports are over, and their files are gone"),
                    Err(fault) => tracing::warn!(%fault, "exports that are over cannot be ended"),
                }
                look = Instant::now() + LOOK_EVERY;
            }
        }
    }

    pub(super) async fn make_export(&self, exports: &Exports, job: Job) {
        let id = job.turn.id;
        let Err(why) = self.written_export(exports, &job).await else { return };
        tracing::warn!(export = %id, why, "an export was not made");
        let gone = remove(exports, id).await;
        let failed = match gone {
            Ok(()) => self.fail_export(id, &why).await,
            Err(error) => Err(error.into()),
        };
        // The next look ends it, for the host gives it no turn any more.
        if let Err(fault) = failed {
            tracing::warn!(%fault, export = %id, "that an export was not made cannot be written down");
        }
    }

    /// Makes one, and says what went wrong.
    async fn written_export(&self, exports: &Exports, job: &Job) -> Result<(), String> {
        let in_words = |fault: Fault| {
            tracing::warn!(%fault, export = %job.turn.id, "an export cannot be made");
            "the store did not answer".to_owned()
        };
        let export: Stored<Export> = self.get(Key::Export(job.turn.id), "export").await.map_err(in_words)?;
        let (portions, waiting) = mpsc::channel(WAITING);
        let writing = Writing {
            folder: exports.folder.clone(),
            id: job.turn.id,
            key: job.key.text(),
            format: export.record.content.format,
            unmasked: export.record.content.unmasked,
            randomness: Arc::clone(&self.randomness),
        };
        let writing = tokio::task::spawn_blocking(move || writing.run(waiting));
        let read = self.read_export(&export.record, portions).await;
        let written = writing.await.unwrap_or_else(|_| Err("the file could not be written".to_owned()));
        read.map_err(|fault| match fault {
            Fault::NotAllowed(why) => why,
            other => in_words(other),
        })?;
        let Written { rows, bytes, sha256 } = written?;
        let made = Some(MadeFile { at: self.now(), rows, bytes, sha256 });
        let ready = Export { state: ExportState::Ready, made, ..export.record };
        self.put(&host(), "export.make", ready, export.version).await.map(drop).map_err(in_words)
    }

    /// Reads the visits and hands them to the thread that writes.
    async fn read_export(&self, export: &Export, portions: mpsc::Sender<Portion>) -> Result<(), Fault> {
        let (listing, mut after, mut count) = (self.visits_of_export(&export.content), None, 0);
        loop {
            let page = self.store.list(&listing, after, READ_AT_ONCE).await?;
            let is_last = page.len() < READ_AT_ONCE;
            after = page.last().and_then(|last| last.record.place());
            let visits: Vec<Stored<Visit>> = page.into_iter().filter_map(Stored::typed).collect();
            count += visits.len() as u64;
            if count > export.content.rows {
                return Err(Fault::NotAllowed(TOO_MANY.to_owned()));
            }
            let rows = self.rows_of(export, &visits).await?;
            // Whoever writes has stopped because that failed, and says so.
            if portions.send(Portion::Rows(rows)).await.is_err() {
                return Ok(());
            }
            if is_last {
                break;
            }
        }
        if count == 0 {
            return Err(Fault::NotAllowed(NOTHING.to_owned()));
        }
        let _ = portions.send(Portion::End).await;
        Ok(())
    }

    /// What is written of visits. Who came stands there as far as was approved, and never an ID number.
    async fn rows_of(&self, export: &Export, visits: &[Stored<Visit>]) -> Result<Vec<Row>, Fault> {
        let views: Vec<VisitView> = visits.iter().map(VisitView::of).collect();
        let ids: Vec<CustomerId> = visits.iter().map(|visit| visit.record.customer).collect();
        // Many come again: each is opened once.
        let keys: BTreeSet<Key> = ids.iter().copied().map(Key::Customer).collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let customers = self.store.get(&keys).await?;
        let customers: HashMap<CustomerId, Customer> = customers
            .into_iter()
            .flatten()
            .filter_map(Stored::typed::<Customer>)
            .map(|customer| (customer.record.id, customer.record))
            .collect();
        let number = export.id.to_string();
        let row = |(view, id): (VisitView, CustomerId)| {
            // Of a card that was refused it is not told whose it was.
            let customer = view.customer_id.as_ref().and_then(|_| customers.get(&id));
            let name = customer.map_or("", |customer| customer.name.reveal());
            if export.content.unmasked {
                let of = customer.map_or_else(String::new, |customer| customer.number.to_string());
                return Row { visit: view, before: vec![number.clone(), of, name.to_owned()] };
            }
            let visit = VisitView { customer_id: None, card_id: None, ..view };
            Row { visit, before: vec![number.clone(), mask::name(name)] }
        };
        Ok(views.into_iter().zip(ids).map(row).collect())
    }

    async fn fail_export(&self, id: ExportId, why: &str) -> Result<(), Fault> {
        let export: Stored<Export> = self.get(Key::Export(id), "export").await?;
        let failed =
            Export { state: ExportState::Failed, failure: Some(why.to_owned()), made: None, ..export.record };
        self.put(&host(), "export.fail", failed, export.version).await.map(drop)
    }

    /// Ends exports of this host that nobody fetched in time, and those that it no longer makes because it
    /// ended half-way; removes every file that no longer belongs to one. Returns how many it ended.
    ///
    /// # Errors
    /// `Store`, `Unaudited`.
    pub async fn end_exports(&self) -> Result<usize, Fault> {
        let Some(exports) = &self.exports else { return Ok(0) };
        let mut ended = 0;
        let open: Vec<Stored<Export>> = self.all_of(&Listing::ever(Kind::Export, Among::Open)).await?;
        for export in open.into_iter().filter(|export| export.record.host == exports.host) {
            let id = export.record.id;
            let outcome = match export.record.state {
                ExportState::Pending if !exports.under_way.has(id) => {
                    remove(exports, id).await?;
                    self.fail_export(id, ENDED).await
                }
                ExportState::Ready if self.is_over(exports, &export.record) => {
                    let expired = Export { state: ExportState::Expired, ..export.record };
                    self.put(&host(), "export.expire", expired, export.version).await.map(drop)
                }
                _ => continue,
            };
            match outcome {
                Ok(()) => ended += 1,
                // Somebody fetches it, or it is made, just now.
                Err(Fault::Conflict { .. }) => continue,
                Err(fault) => return Err(fault),
            }
        }
        self.remove_strays(exports).await?;
        Ok(ended)
    }

    /// Removes files of exports that are over, or of which nothing is known.
    async fn remove_strays(&self, exports: &Exports) -> Result<(), Fault> {
        let folder = exports.folder.clone();
        let there = io_off_runtime("export", move || sealed::there(&folder)).await?;
        for id in there.into_iter().filter(|id| !exports.under_way.has(*id)) {
            let export: Option<Stored<Export>> = self.find(Key::Export(id)).await?;
            if export.is_none_or(|export| export.record.state != ExportState::Ready) {
                remove(exports, id).await?;
            }
        }
        Ok(())
    }

    /// Whether the time of a file is over.
    pub(super) fn is_over(&self, exports: &Exports, export: &Export) -> bool {
        export.made.as_ref().is_none_or(|made| self.now().since(made.at) > exports.settings.kept_for)
    }
}

/// What the thread that writes knows.
struct Writing {
    folder: PathBuf,
    id: ExportId,
    key: Zeroizing<String>,
    format: ExportFormat,
    unmasked: bool,
    randomness: Arc<dyn Randomness>,
}

impl Writing {
    fn run(self, portions: mpsc::Receiver<Portion>) -> Result<Written, String> {
        self.write(portions).map_err(|fault| {
            tracing::warn!(%fault, export = %self.id, "the file of an export cannot be written");
            "the file could not be written".to_owned()
        })
    }

    /// Writes everything in memory, which the most rows of an export bound, and then the sealed file: what
    /// tells who came is never on the disk as it is.
    fn write(&self, mut portions: mpsc::Receiver<Portion>) -> Result<Written, ExportFault> {
        let columns: &[&str] = match self.unmasked {
            true => &["export_number", "customer_number", "customer_name"],
            false => &["export_number", "customer_name"],
        };
        let mut plain = Zeroizing::new(Vec::new());
        let (mut table, mut rows) = (Table::in_memory(self.format, &mut *plain, columns)?, 0);
        loop {
            match portions.blocking_recv() {
                Some(Portion::Rows(portion)) => {
                    for Row { visit, before } in portion {
                        table.add(&visit, &before)?;
                        rows += 1;
                    }
                }
                Some(Portion::End) => break,
                None => return Err(std::io::Error::other("the rows stopped half-way").into()),
            }
        }
        table.end()?;
        let key = FileKey::from_text(&self.key).ok_or_else(|| std::io::Error::other("the key is none"))?;
        let sealed = key.seal(self.id, &plain, self.randomness.as_ref()).map_err(std::io::Error::other)?;
        sealed::write(&self.folder, self.id, &sealed)?;
        Ok(Written { rows, bytes: plain.len() as u64, sha256: hex(&Sha256::digest(&*plain)) })
    }
}

/// This host, by itself.
fn host() -> Caller {
    Caller { actor: Actor::Host, from: "host".to_owned(), ..Caller::console() }
}

pub(super) async fn remove(exports: &Exports, id: ExportId) -> Result<(), Error> {
    let folder = exports.folder.clone();
    io_off_runtime("export", move || sealed::remove(&folder, id)).await
}
