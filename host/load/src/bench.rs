//! The daemon by itself: what it does on this machine.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;

use crate::generator::{Layout, Mode};
use crate::measure::{Bench, Case, Measured, Subject};
use crate::program::Log;
use crate::protocol::Protocol;
use crate::report::{Figure, Report};

/// Readers and tags that memory is compared with.
const FEW_READERS: u32 = 1;
const FEW_TAGS: u32 = 1_000;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The daemon's binary.
    pub daemon: PathBuf,
    /// Where a folder for the runs is made; the daemon's data is in it.
    pub parent: PathBuf,
    /// Emulated readers.
    pub readers: u32,
    /// Tags in the field, spread over the readers.
    pub tags: u32,
    /// Records in the directory.
    pub customers: u32,
    /// What the readers speak.
    pub protocol: Protocol,
    /// Who begins rounds where readers send all that they can.
    pub mode: Mode,
    /// Reads a second at which the way to the subscriber is timed; half of what the daemon can do if
    /// there is none.
    pub rate: Option<f64>,
    /// Readers, and tags, at which memory is looked at: less is lost in what a process has anyway.
    pub for_memory: (u32, u32),
    /// How long each run is measured.
    pub measured: Duration,
    /// How often each run is repeated.
    pub rounds: usize,
}

impl Settings {
    /// Measures the daemon; `says` is told how far it is.
    ///
    /// # Errors
    /// The daemon cannot be started or does not do what is asked, or `stopped` was set.
    pub fn run(&self, stopped: &AtomicBool, says: &mut dyn FnMut(&str)) -> Result<Report> {
        says("customers are imported");
        let bench = Bench::new(self.daemon.clone(), &self.parent, self.customers, stopped)?;
        let mut report = Report::new(&bench.cpus, self.rounds, self.customers);
        let layout = Layout {
            readers: self.readers,
            tags: self.tags,
            protocol: self.protocol,
            mode: self.mode,
            rate: None,
        };
        let mut measure = |what: String, layout: Layout, log: Log| -> Result<Measured> {
            says(&what);
            let case = Case { layout, log, measured: self.measured, burst: 1.0 };
            let rounds: Result<Vec<Measured>> =
                (0..self.rounds).map(|_| bench.run(Subject::Daemon, &case)).collect();
            let measured = Measured::median(&rounds?);
            report.run(&what, "daemon", measured);
            Ok(measured)
        };
        let most = measure(format!("{} readers, all that they can", self.readers), layout, Log::Ledger)?;
        let rate = self.rate.unwrap_or(most.reads_per_second() / 2.0);
        // Rounds that are asked for come when they are asked for.
        let paced = Layout { mode: Mode::Autonomous, rate: Some(rate), ..layout };
        for (what, log) in [("without log", Log::None), ("with log", Log::Ledger)] {
            measure(format!("{} readers, {rate:.0} reads/s, {what}", self.readers), paced, log)?;
        }
        let slow = Layout { tags: FEW_TAGS, rate: Some(10_000.0), ..paced };
        let (many_readers, many_tags) = self.for_memory;
        let few = Layout { readers: FEW_READERS, ..slow };
        let few = measure(format!("{FEW_READERS} reader, {FEW_TAGS} tags"), few, Log::Ledger)?;
        let readers = Layout { readers: many_readers, ..slow };
        let readers = measure(format!("{many_readers} readers, {FEW_TAGS} tags"), readers, Log::Ledger)?;
        let tags = Layout { readers: FEW_READERS, tags: many_tags, ..slow };
        let tags = measure(format!("{FEW_READERS} reader, {many_tags} tags"), tags, Log::Ledger)?;
        let a_reader = growth(&few, &readers, many_readers - FEW_READERS);
        report.figure(Figure::new("memory of a reader", a_reader / 1024.0, "KiB"));
        report.figure(Figure::new(
            "memory of the whole daemon for a tracked tag",
            growth(&few, &tags, many_tags - FEW_TAGS),
            "bytes",
        ));
        Ok(report)
    }
}

/// Bytes that each of so many more costs.
pub(crate) fn growth(few: &Measured, many: &Measured, more: u32) -> f64 {
    (many.resident_bytes as f64 - few.resident_bytes as f64) / f64::from(more.max(1))
}
