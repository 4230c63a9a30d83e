//! What came of a bench, for people and for scripts.

use std::fmt;

use serde::Serialize;

use crate::machine::Cpus;
use crate::measure::Measured;

/// A share of a CPU from which on somebody has no more of it.
const BUSY: f64 = 0.9;

/// What came of a bench.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    machine: Machine,
    /// Medians of so many rounds.
    rounds: usize,
    customers: u32,
    runs: Vec<Run>,
    figures: Vec<Figure>,
    /// What the figures are not worth, if anything.
    remarks: Vec<String>,
    /// Why parts could not be measured.
    failures: Vec<String>,
}

/// What it ran on.
#[derive(Clone, Copy, Debug, Serialize)]
struct Machine {
    cpus: usize,
    /// Whether the program and the readers have a CPU each.
    cpu_each: bool,
}

/// One program in one situation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    what: String,
    program: &'static str,
    reads_per_second: f64,
    reads_per_cpu_second: f64,
    cpu_seconds_per_million_reads: f64,
    cpu_share: f64,
    #[serde(flatten)]
    measured: Measured,
}

/// A figure with the bar that it is to reach, if there is one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_met: Option<bool>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, at_least: None, at_most: None, is_met: None }
    }

    pub(crate) fn at_least(self, bar: f64) -> Self {
        Self { at_least: Some(bar), is_met: Some(self.value >= bar), ..self }
    }

    pub(crate) fn at_most(self, bar: f64) -> Self {
        Self { at_most: Some(bar), is_met: Some(self.value <= bar), ..self }
    }
}

impl Report {
    pub(crate) fn new(cpus: &Cpus, rounds: usize, customers: u32) -> Self {
        let machine = Machine { cpus: cpus.count, cpu_each: cpus.are_apart() };
        let mut remarks = Vec::new();
        if !machine.cpu_each {
            remarks.push("the program and the readers share one CPU: no figure is worth much".to_owned());
        }
        Self {
            machine,
            rounds,
            customers,
            runs: Vec::new(),
            figures: Vec::new(),
            remarks,
            failures: Vec::new(),
        }
    }

    /// Adds a run, and says what is wrong with it.
    pub(crate) fn run(&mut self, what: &str, program: &'static str, measured: Measured) {
        let share = measured.cpu_share();
        let mut remark = |remark: String| self.remarks.push(format!("{what}, {program}: {remark}"));
        if measured.generator_share > BUSY && share < BUSY {
            remark("the generator is the limit".to_owned());
        }
        if measured.missing > 0 {
            remark(format!("{} reads are missing", measured.missing));
        }
        if measured.dropped > 0 {
            remark(format!("{} reads were dropped", measured.dropped));
        }
        if measured.missing_arrivals > 0 {
            remark(format!("{} arrivals were not told", measured.missing_arrivals));
        }
        self.runs.push(Run {
            what: what.to_owned(),
            program,
            reads_per_second: measured.reads_per_second(),
            reads_per_cpu_second: measured.reads_per_cpu_second(),
            cpu_seconds_per_million_reads: measured.cpu_seconds_per_million(),
            cpu_share: share,
            measured,
        });
    }

    pub(crate) fn figure(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// A part could not be measured, for this reason.
    pub(crate) fn failed(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Why parts could not be measured; empty if all were.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Reads and arrivals that are missing, over all runs.
    pub fn missing(&self) -> u64 {
        self.runs.iter().map(|run| run.measured.missing + run.measured.missing_arrivals).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpus, cpu_each } = self.machine;
        let where_from =
            if cpu_each { "one CPU for the program, one for the readers" } else { "nothing pinned" };
        writeln!(
            f,
            "{cpus} CPUs, {where_from}; {} customers; medians of {}; only ratios of one run are worth comparing\n",
            grouped(f64::from(self.customers)),
            if self.rounds == 1 { "one round".to_owned() } else { format!("{} rounds", self.rounds) },
        )?;
        let wide = self.runs.iter().map(|run| run.what.len()).max().unwrap_or_default();
        writeln!(
            f,
            "{:wide$}  {:8}{:>12}{:>14}{:>10}{:>7}{:>9}{:>8}{:>9}{:>9}{:>9}",
            "",
            "",
            "reads/s",
            "reads/CPU s",
            "CPU s/M",
            "CPU",
            "readers'",
            "MiB",
            "p50 ms",
            "p99 ms",
            "p99.9 ms"
        )?;
        for run in &self.runs {
            write!(
                f,
                "{:wide$}  {:8}{:>12}{:>14}{:>10.3}{:>6.0}%{:>8.0}%{:>8.1}",
                run.what,
                run.program,
                grouped(run.reads_per_second),
                grouped(run.reads_per_cpu_second),
                run.cpu_seconds_per_million_reads,
                run.cpu_share * 100.0,
                run.measured.generator_share * 100.0,
                run.measured.peak_bytes as f64 / (1024.0 * 1024.0),
            )?;
            match run.measured.latency {
                Some(latency) => {
                    writeln!(f, "{:>9.2}{:>9.2}{:>9.2}", latency.p50_ms, latency.p99_ms, latency.p999_ms)?;
                }
                None => writeln!(f)?,
            }
        }
        writeln!(f)?;
        let wide = self.figures.iter().map(|figure| figure.name.len()).max().unwrap_or_default();
        for figure in &self.figures {
            let value = match figure.value {
                value if value.abs() >= 100.0 => grouped(value),
                value => format!("{value:.2}"),
            };
            write!(f, "{:wide$}  {value:>10} {:6}", figure.name, figure.unit)?;
            let bar =
                figure.at_least.map(|bar| ("at least", bar)).or(figure.at_most.map(|bar| ("at most", bar)));
            match (bar, figure.is_met) {
                (Some((which, bar)), Some(is_met)) => {
                    writeln!(f, "  {} ({which} {bar})", if is_met { "reached" } else { "MISSED" })?;
                }
                _ => writeln!(f)?,
            }
        }
        writeln!(f)?;
        for remark in &self.remarks {
            writeln!(f, "{remark}")?;
        }
        for failure in &self.failures {
            writeln!(f, "not measured: {failure}")?;
        }
        if self.missing() == 0 {
            writeln!(f, "every read was judged and every arrival was told")?;
        }
        Ok(())
    }
}

/// `1,234,567`.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts: Vec<String> = [0.0, 999.4, 1_000.0, 1_234_567.0, -12_345.0].map(grouped).to_vec();
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567", "-12,345"]);
    }

    #[test]
    fn a_figure_on_its_bar_has_reached_it() {
        let met = [1.9, 2.0, 2.1].map(|value| Figure::new("", value, "").at_least(2.0).is_met);
        assert_eq!(met, [Some(false), Some(true), Some(true)]);
        let met = [1.9, 2.0, 2.1].map(|value| Figure::new("", value, "").at_most(2.0).is_met);
        assert_eq!(met, [Some(true), Some(true), Some(false)]);
    }
}
