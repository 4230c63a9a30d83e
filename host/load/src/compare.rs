//! The daemon beside the least program that does the same, in one run.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::bench::growth;
use crate::generator::{Layout, Mode};
use crate::measure::{Bench, Case, Measured, Subject};
use crate::program::Log;
use crate::protocol::Protocol;
use crate::report::{Figure, Report};

/// Reads a second of a busy branch.
const BUSY_BRANCH: f64 = 10_000.0;

/// How many times that a burst is.
const BURST: f64 = 100.0;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The daemon's binary.
    pub daemon: PathBuf,
    /// The program to compare with: `benches/src/bin/ceiling.rs`.
    pub ceiling: PathBuf,
    /// Where a folder for the runs is made; the daemon's data is in it.
    pub parent: PathBuf,
    /// How long each run is measured.
    pub measured: Duration,
    /// How long a burst lasts.
    pub burst: Duration,
    /// Rounds, in which the programs alternate.
    pub rounds: usize,
    /// Records in the directory.
    pub customers: u32,
    /// Numbers of readers that send all that they can.
    pub readers: Vec<u32>,
    /// Readers of a busy branch.
    pub busy_branch: u32,
    /// Few, and many, readers whose cost and memory is compared.
    pub few_and_many_readers: (u32, u32),
    /// Tags in the field.
    pub tags: u32,
    /// Numbers of tracked tags, ascending.
    pub tracked: Vec<u32>,
}

struct Rounds<'a> {
    comparison: &'a Comparison,
    bench: Bench<'a>,
    report: Report,
    says: &'a mut dyn FnMut(&str),
}

impl Comparison {
    /// Everything that performance is judged by.
    pub fn whole(daemon: PathBuf, ceiling: PathBuf, parent: PathBuf) -> Self {
        Self {
            daemon,
            ceiling,
            parent,
            measured: Duration::from_secs(2),
            burst: Duration::from_secs(10),
            rounds: 5,
            customers: 100_000,
            readers: vec![1, 8, 64, 512],
            busy_branch: 64,
            few_and_many_readers: (8, 1_000),
            tags: 200,
            tracked: vec![1_000, 100_000],
        }
    }

    /// The same, so short that it shows only that everything works.
    pub fn quick(daemon: PathBuf, ceiling: PathBuf, parent: PathBuf) -> Self {
        Self {
            measured: Duration::from_millis(200),
            burst: Duration::from_millis(200),
            rounds: 1,
            customers: 1_000,
            readers: vec![1, 8],
            busy_branch: 8,
            few_and_many_readers: (2, 16),
            tracked: vec![100, 1_000],
            ..Self::whole(daemon, ceiling, parent)
        }
    }

    /// Runs all of it; `says` is told how far it is.
    ///
    /// # Errors
    /// The customers cannot be imported, or `stopped` was set. A part that fails is told in the report.
    pub fn run(&self, stopped: &AtomicBool, says: &mut dyn FnMut(&str)) -> Result<Report> {
        says("customers are imported");
        let bench = Bench::new(self.daemon.clone(), &self.parent, self.customers, stopped)?;
        let report = Report::new(&bench.cpus, self.rounds, self.customers);
        let mut rounds = Rounds { comparison: self, bench, report, says };
        let parts: [fn(&mut Rounds<'_>) -> Result<()>; 6] = [
            |rounds| rounds.saturated(),
            |rounds| rounds.busy_branch(),
            |rounds| rounds.half_load(),
            |rounds| rounds.many_readers(),
            |rounds| rounds.many_tags(),
            |rounds| rounds.burst(),
        ];
        for part in parts {
            // What was measured before is worth minutes and is told in any case.
            if let Err(error) = part(&mut rounds) {
                if stopped.load(Ordering::Relaxed) {
                    return Err(error);
                }
                rounds.report.failed(format!("{error:#}"));
            }
        }
        Ok(rounds.report)
    }
}

impl Rounds<'_> {
    fn layout(&self, readers: u32) -> Layout {
        Layout {
            readers,
            tags: self.comparison.tags,
            protocol: Protocol::Rql,
            mode: Mode::Autonomous,
            rate: None,
        }
    }

    /// A busy branch, at so many reads a second.
    fn busy(&self, rate: f64) -> Layout {
        Layout { rate: Some(rate), ..self.layout(self.comparison.busy_branch) }
    }

    fn case(&self, layout: Layout, log: Log) -> Case {
        Case { layout, log, measured: self.comparison.measured, burst: 1.0 }
    }

    /// Daemon and ceiling in turn.
    fn both(&mut self, what: &str, case: &Case) -> Result<(Measured, Measured)> {
        (self.says)(what);
        let (mut daemons, mut ceilings) = (Vec::new(), Vec::new());
        for _ in 0..self.comparison.rounds {
            ceilings.push(self.bench.run(Subject::Ceiling(&self.comparison.ceiling), case)?);
            daemons.push(self.bench.run(Subject::Daemon, case)?);
        }
        let (daemon, ceiling) = (Measured::median(&daemons), Measured::median(&ceilings));
        self.report.run(what, "ceiling", ceiling);
        self.report.run(what, "daemon", daemon);
        Ok((daemon, ceiling))
    }

    /// The daemon in both cases in turn.
    fn alternate(&mut self, cases: &[(String, Case)]) -> Result<Vec<Measured>> {
        let mut all = vec![Vec::new(); cases.len()];
        for (what, _) in cases {
            (self.says)(what);
        }
        for _ in 0..self.comparison.rounds {
            for (measured, (_, case)) in all.iter_mut().zip(cases) {
                measured.push(self.bench.run(Subject::Daemon, case)?);
            }
        }
        let medians: Vec<Measured> = all.iter().map(|rounds| Measured::median(rounds)).collect();
        for (measured, (what, _)) in medians.iter().zip(cases) {
            self.report.run(what, "daemon", *measured);
        }
        Ok(medians)
    }

    fn saturated(&mut self) -> Result<()> {
        for readers in &self.comparison.readers {
            let what = format!("{readers} readers, all that they can");
            let (daemon, ceiling) = self.both(&what, &self.case(self.layout(*readers), Log::Ledger))?;
            let share = 100.0 * ratio(&daemon, &ceiling);
            self.report.figure(
                Figure::new(format!("P1 of the ceiling, {readers} readers"), share, "%").at_least(60.0),
            );
        }
        Ok(())
    }

    fn busy_branch(&mut self) -> Result<()> {
        let layout = self.busy(BUSY_BRANCH);
        let what = format!("{} readers, 10,000 reads/s", layout.readers);
        let (daemon, ceiling) = self.both(&what, &self.case(layout, Log::Ledger))?;
        let share = 100.0 * ratio(&daemon, &ceiling);
        self.report.figure(Figure::new("P3 of the ceiling, 10,000 reads/s", share, "%").at_least(75.0));
        if let (Some(ours), Some(least)) = (daemon.latency, ceiling.latency) {
            let times = ours.p50_ms / least.p50_ms;
            self.report.figure(Figure::new("P4 p50 against the ceiling's", times, "times").at_most(1.3));
            self.report.figure(Figure::new("P4 p99", ours.p99_ms, "ms").at_most(2.0));
        }
        let cases = [("without log", Log::None), ("with log", Log::Ledger)]
            .map(|(log, how)| (format!("{what}, {log}"), self.case(layout, how)));
        if let [without, with] = self.alternate(&cases)?.as_slice()
            && let (Some(without), Some(with)) = (without.latency, with.latency)
        {
            let times = with.p50_ms / without.p50_ms;
            self.report.figure(Figure::new("P8 p50 with the log", times, "times").at_most(1.5));
        }
        Ok(())
    }

    fn half_load(&mut self) -> Result<()> {
        let readers = self.comparison.busy_branch;
        let cases = [("without log", Log::None), ("with log", Log::Ledger)].map(|(log, how)| {
            (format!("{readers} readers, all that they can, {log}"), self.case(self.layout(readers), how))
        });
        let all = self.alternate(&cases)?;
        let [without, with] = all.as_slice() else { return Ok(()) };
        let share = 100.0 * ratio(with, without);
        self.report.figure(Figure::new("P8 reads with the log", share, "%").at_least(95.0));
        let layout = self.busy(without.reads_per_second() / 2.0);
        let cases = [("without log", Log::None), ("with log", Log::Ledger)]
            .map(|(log, how)| (format!("{readers} readers, half of that, {log}"), self.case(layout, how)));
        for (measured, (bar, (what, _))) in self.alternate(&cases)?.iter().zip([2.0, 10.0].iter().zip(&cases))
        {
            if let Some(latency) = measured.latency {
                self.report.figure(Figure::new(format!("p99, {what}"), latency.p99_ms, "ms").at_most(*bar));
            }
        }
        Ok(())
    }

    fn many_readers(&mut self) -> Result<()> {
        let (few, many) = self.comparison.few_and_many_readers;
        let cases = [few, many].map(|readers| {
            (format!("{readers} readers, all that they can"), self.case(self.layout(readers), Log::Ledger))
        });
        if let [of_few, of_many] = self.alternate(&cases)?.as_slice() {
            let share = 100.0 * ratio(of_many, of_few);
            self.report
                .figure(Figure::new(format!("P7 {many} readers against {few}"), share, "%").at_least(85.0));
        }
        let cases = [few, many].map(|readers| {
            let layout = Layout { rate: Some(BUSY_BRANCH), ..self.layout(readers) };
            (format!("{readers} readers, 10,000 reads/s"), self.case(layout, Log::Ledger))
        });
        if let [of_few, of_many] = self.alternate(&cases)?.as_slice() {
            let bytes = growth(of_few, of_many, many - few);
            self.report.figure(Figure::new("memory of a reader", bytes / 1024.0, "KiB").at_most(32.0));
        }
        Ok(())
    }

    fn many_tags(&mut self) -> Result<()> {
        let mut all = Vec::new();
        for tags in &self.comparison.tracked {
            let layout = Layout { tags: *tags, ..self.layout(8) };
            let what = format!("8 readers, all that they can, {tags} tags");
            all.push((*tags, self.both(&what, &self.case(layout, Log::Ledger))?));
        }
        if let (Some((few, (daemon_few, ceiling_few))), Some((many, (daemon_many, ceiling_many)))) =
            (all.first(), all.last())
        {
            let slower = ratio(daemon_few, daemon_many) / ratio(ceiling_few, ceiling_many);
            let name = format!("read with {many} tags against {few}, beyond the ceiling's");
            self.report.figure(Figure::new(name, slower, "times").at_most(2.0));
            let bytes = growth(daemon_few, daemon_many, many - few);
            self.report.figure(Figure::new("memory of the whole daemon for a tracked tag", bytes, "bytes"));
        }
        Ok(())
    }

    fn burst(&mut self) -> Result<()> {
        let layout = self.busy(BUSY_BRANCH);
        let quiet = self.case(layout, Log::Ledger);
        let burst = Case { burst: BURST, measured: self.comparison.burst, ..quiet };
        let what = format!("{} readers, burst of 100 times 10,000 reads/s", layout.readers);
        (self.says)(&what);
        let quiet = self.bench.run(Subject::Daemon, &quiet)?;
        let burst = self.bench.run(Subject::Daemon, &burst)?;
        self.report.run(&what, "daemon", burst);
        let more = (burst.peak_bytes as f64 - quiet.peak_bytes as f64) / (1024.0 * 1024.0);
        self.report.figure(Figure::new("burst, more memory", more, "MiB").at_most(64.0));
        self.report.figure(Figure::new("burst, reads merged", burst.merged as f64, "reads"));
        let missing = (burst.missing + burst.dropped + burst.missing_arrivals) as f64;
        self.report.figure(Figure::new("burst, reads and arrivals missing", missing, "").at_most(0.0));
        Ok(())
    }
}

/// Reads per CPU second of one against those of the other.
fn ratio(one: &Measured, other: &Measured) -> f64 {
    one.reads_per_cpu_second() / other.reads_per_cpu_second()
}
