//! The daemon beside the least program that does the same, in one run.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::generator::{Layout, Mode};
use crate::measure::{Bench, Case, Measured, Subject};
use crate::program::Log;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The daemon's binary.
    pub daemon: PathBuf,
    /// The program to compare with.
    pub ceiling: PathBuf,
    /// Where a folder for the runs is made.
    pub parent: PathBuf,
    /// How long each program is measured in each round.
    pub measured: Duration,
    /// Rounds, in which the programs alternate.
    pub rounds: usize,
    /// Records in the directory.
    pub customers: u32,
    /// Numbers of readers.
    pub readers: Vec<u32>,
    /// Tags in the field.
    pub tags: u32,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    what: String,
    daemon: Measured,
    ceiling: Measured,
    ratio: f64,
}

impl Comparison {
    /// Runs all of it; `says` is told how far it is.
    pub fn run(&self, stopped: &AtomicBool, mut says: impl FnMut(&str)) -> Result<Vec<Line>> {
        let bench = Bench::new(self.daemon.clone(), &self.parent, self.customers, stopped)?;
        let mut lines = Vec::new();
        for readers in &self.readers {
            let layout = Layout { readers: *readers, tags: self.tags, mode: Mode::Autonomous, rate: None };
            let case = Case { layout, log: Log::Ledger, measured: self.measured, probes: 0.0 };
            says(&format!("{readers} readers, all that they can"));
            lines.push(self.side_by_side(&bench, &format!("{readers} readers, saturated"), &case)?);
        }
        for (what, log) in [("no log", Log::None), ("durable log", Log::Ledger)] {
            let layout = Layout { readers: 64, tags: self.tags, mode: Mode::Autonomous, rate: Some(10_000.0) };
            let case = Case { layout, log, measured: self.measured, probes: 100.0 };
            says(&format!("10,000 reads/s, {what}"));
            lines.push(self.side_by_side(&bench, &format!("10,000 reads/s, 64 readers, {what}"), &case)?);
        }
        Ok(lines)
    }

    fn side_by_side(&self, bench: &Bench<'_>, what: &str, case: &Case) -> Result<Line> {
        let ceiling: &Path = &self.ceiling;
        let (mut daemons, mut ceilings) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            ceilings.push(bench.run(Subject::Ceiling(ceiling), case)?);
            daemons.push(bench.run(Subject::Daemon, case)?);
        }
        let (daemon, ceiling) = (median(daemons), median(ceilings));
        let (Some(daemon), Some(ceiling)) = (daemon, ceiling) else { anyhow::bail!("no rounds") };
        let ratio = daemon.reads_per_cpu_second() / ceiling.reads_per_cpu_second();
        let line = Line { what: what.to_owned(), daemon, ceiling, ratio };
        eprintln!("{}", line.text());
        Ok(line)
    }
}

impl Line {
    fn text(&self) -> String {
        let one = |measured: &Measured| {
            let latency = measured.latency.map_or(String::new(), |latency| {
                format!(" p50 {:.3} p99 {:.3} p99.9 {:.3} ms", latency.p50, latency.p99, latency.p999)
            });
            format!(
                "{:>11.0}/s {:>11.0}/CPU-s {:>6.3} CPU-s/M cpu {:>4.0}% gen {:>4.0}% {:>4.0} MiB missing {} dropped {} merged {} arrivals {} missing {}{latency}",
                measured.reads_per_second(),
                measured.reads_per_cpu_second(),
                measured.cpu_seconds_per_million(),
                measured.cpu_share() * 100.0,
                measured.generator_share * 100.0,
                measured.peak_bytes as f64 / 1048576.0,
                measured.missing,
                measured.dropped,
                measured.merged,
                measured.arrivals,
                measured.missing_arrivals,
            )
        };
        format!(
            "{}: daemon {:.1} % of the ceiling\n  daemon  {}\n  ceiling {}",
            self.what,
            self.ratio * 100.0,
            one(&self.daemon),
            one(&self.ceiling)
        )
    }
}

/// The run whose reads per CPU second are the median.
fn median(mut runs: Vec<Measured>) -> Option<Measured> {
    runs.sort_by(|a, b| a.reads_per_cpu_second().total_cmp(&b.reads_per_cpu_second()));
    runs.get(runs.len() / 2).copied()
}
