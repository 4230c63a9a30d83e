//! One run of one program.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::generator::{Generator, Layout, Pace, Probe, lock};
use crate::machine::{self, Cpus, Memory};
use crate::program::{Ceiling, Counts, Daemon, DaemonSetting, Log, Program};
use crate::rows::EPC_BEGINS;

/// Nothing that is waited for takes longer unless it is broken.
const LIMIT: Duration = Duration::from_secs(120);

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Tags a second that are shown for the first time, to see how soon they are told of: so many come
/// to a busy branch.
const PROBES: f64 = 100.0;

/// How long a program runs at its pace before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long a program may take for what is still under way when readers are stilled.
const SETTLES: Duration = Duration::from_secs(20);

/// Descriptors of a reader in the generator, and room for everything else.
const DESCRIPTORS: u64 = 2;
const OTHER_DESCRIPTORS: u64 = 256;

/// What runs can have in common: the machine, a folder, the customers.
pub(crate) struct Bench<'a> {
    pub(crate) binary: PathBuf,
    folder: tempfile::TempDir,
    customers: PathBuf,
    directory: PathBuf,
    customer_count: u32,
    pub(crate) cpus: Cpus,
    stopped: &'a AtomicBool,
}

/// Which program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Daemon,
    /// The program at this path.
    Ceiling(&'a Path),
}

/// What a program is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) layout: Layout,
    pub(crate) log: Log,
    pub(crate) measured: Duration,
    /// How many times the rate is sent while it is measured.
    pub(crate) burst: f64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Measured {
    /// Reads that the program judged while it was measured.
    pub(crate) reads: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// CPU time of the generator in the same time, as a share of one CPU.
    pub(crate) generator_share: f64,
    pub(crate) latency: Option<Latency>,
    pub(crate) resident_bytes: u64,
    pub(crate) peak_bytes: u64,
    /// Reads that went out in the whole run, and what became of them.
    pub(crate) sent: u64,
    pub(crate) missing: u64,
    pub(crate) dropped: u64,
    pub(crate) merged: u64,
    pub(crate) arrivals: u64,
    pub(crate) missing_arrivals: u64,
}

/// Times in milliseconds, from the last row that makes a tag present to the subscriber.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// Tags whose way was timed.
    pub(crate) tags: u64,
}

impl Measured {
    /// The median of each figure; of what must not be, the worst.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let figure = |of: fn(&Self) -> f64| middle(rounds.iter().map(of).collect());
        let count = |of: fn(&Self) -> u64| middle(rounds.iter().map(|one| of(one) as f64).collect()) as u64;
        let worst = |of: fn(&Self) -> u64| rounds.iter().map(of).max().unwrap_or_default();
        let latencies: Vec<Latency> = rounds.iter().filter_map(|one| one.latency).collect();
        let time = |of: fn(&Latency) -> f64| middle(latencies.iter().map(of).collect());
        // Reads and CPU time are those of one round, so that they belong together.
        let mut by_cost: Vec<&Self> = rounds.iter().collect();
        by_cost.sort_by(|a, b| a.reads_per_cpu_second().total_cmp(&b.reads_per_cpu_second()));
        let one = by_cost.get(by_cost.len() / 2).map(|one| **one).unwrap_or_default();
        Self {
            generator_share: figure(|one| one.generator_share),
            latency: (!latencies.is_empty()).then(|| Latency {
                p50_ms: time(|one| one.p50_ms),
                p99_ms: time(|one| one.p99_ms),
                p999_ms: time(|one| one.p999_ms),
                tags: latencies.iter().map(|one| one.tags).sum(),
            }),
            resident_bytes: count(|one| one.resident_bytes),
            peak_bytes: worst(|one| one.peak_bytes),
            missing: worst(|one| one.missing),
            dropped: worst(|one| one.dropped),
            missing_arrivals: worst(|one| one.missing_arrivals),
            ..one
        }
    }

    pub(crate) fn reads_per_second(&self) -> f64 {
        self.reads as f64 / self.seconds
    }

    pub(crate) fn reads_per_cpu_second(&self) -> f64 {
        self.reads as f64 / self.cpu_seconds.max(1e-9)
    }

    pub(crate) fn cpu_seconds_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / (self.reads as f64).max(1.0)
    }

    /// Share of one CPU.
    pub(crate) fn cpu_share(&self) -> f64 {
        self.cpu_seconds / self.seconds
    }
}

impl<'a> Bench<'a> {
    /// Makes ready what all runs need; everything is in one folder in `parent`, which goes with
    /// this.
    pub(crate) fn new(
        binary: PathBuf,
        parent: &Path,
        customer_count: u32,
        stopped: &'a AtomicBool,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("rfid-bench-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("no folder can be made in {}", parent.display()))?;
        let customers = folder.path().join("customers.csv");
        let mut text = String::from("tag,name,number,class\n");
        for number in 0..customer_count {
            use std::fmt::Write as _;
            // Writing to a string does not fail.
            let _ = writeln!(text, "{EPC_BEGINS}{number:08X},Customer {number},C-{number:08},gold");
        }
        std::fs::write(&customers, text)?;
        let directory = folder.path().join("template");
        crate::program::import(&binary, &customers, &directory)?;
        Ok(Self { binary, folder, customers, directory, customer_count, cpus: Cpus::found()?, stopped })
    }

    /// Runs one program from its start to its end.
    pub(crate) fn run(&self, subject: Subject<'_>, case: &Case) -> Result<Measured> {
        machine::raise_descriptors(u64::from(case.layout.readers) * DESCRIPTORS + OTHER_DESCRIPTORS)?;
        let folder = tempfile::tempdir_in(self.folder.path())?;
        let tags = case.layout.tags.max(case.layout.readers);
        let mut generator = Generator::start(case.layout, tags, self.cpus)?;
        let mut program: Box<dyn Program> = match subject {
            Subject::Daemon => Box::new(Daemon::start(
                &DaemonSetting {
                    binary: &self.binary,
                    folder: folder.path(),
                    directory: (self.customer_count > 0).then_some(&self.directory),
                    readers: generator.addresses(),
                    protocol: case.layout.protocol,
                    mode: case.layout.mode,
                    log: case.log,
                    max_tags: tags.saturating_mul(2).max(100_000),
                },
                &self.cpus,
            )?),
            Subject::Ceiling(binary) => Box::new(Ceiling::start(
                binary,
                &self.customers,
                &folder.path().join("visits.log"),
                case.log == Log::Ledger,
                generator.addresses(),
                &self.cpus,
            )?),
        };
        let readers = u64::from(case.layout.readers);
        self.until("the program listens to all readers", &mut generator, |generator| {
            Ok(generator.listening() == readers)
        })?;
        let pace = |times: f64| case.layout.rate.map_or(Pace::Full, |rate| Pace::Rate(rate * times));
        let probes_per_second = if case.layout.rate.is_some() { PROBES } else { 0.0 };
        generator.set_pace(Pace::Full, 0.0);
        let arriving = u64::from(tags);
        self.until("all tags arrive", &mut generator, |generator| {
            Ok(generator.sent() >= 3 * arriving && program.counts()?.events >= arriving)
        })?;
        // What was sent to let them arrive is no part of the pace.
        self.settle(&mut generator, program.as_mut())?;
        generator.set_pace(pace(1.0), probes_per_second);
        self.wait(WARM_UP, &mut generator)?;
        let mut probes = generator.take_probes();
        let before = Sample::take(program.as_mut(), &generator)?;
        generator.set_pace(pace(case.burst), probes_per_second);
        self.wait(case.measured, &mut generator)?;
        let after = Sample::take(program.as_mut(), &generator)?;

        let (sent, end) = self.settle(&mut generator, program.as_mut())?;
        probes.extend(generator.take_probes());
        let all_heard = self.until_limit(Duration::from_secs(5), &mut generator, |_| {
            let heard = lock(program.heard());
            Ok(probes.iter().all(|(number, _)| heard.contains_key(number)))
        });
        all_heard?;
        let (latency, unheard) = latency(&probes, program.as_ref());
        let arrivals = arriving + probes.len() as u64;
        let seconds = after.at.duration_since(before.at).as_secs_f64();
        Ok(Measured {
            reads: after.counts.reads - before.counts.reads,
            seconds,
            cpu_seconds: (after.cpu - before.cpu).as_secs_f64(),
            generator_share: (after.generator_cpu - before.generator_cpu).as_secs_f64() / seconds,
            latency,
            resident_bytes: after.memory.resident,
            peak_bytes: after.memory.peak,
            sent,
            missing: sent.saturating_sub(end.reads + end.dropped),
            dropped: end.dropped,
            merged: end.merged,
            arrivals,
            missing_arrivals: unheard.max(arrivals.saturating_sub(end.events)),
        })
    }

    /// Stills the readers and waits until all that they sent is judged; says what went out and what
    /// was counted.
    fn settle(&self, generator: &mut Generator, program: &mut dyn Program) -> Result<(u64, Counts)> {
        generator.set_pace(Pace::Still, 0.0);
        self.until("readers come to rest", generator, |generator| Ok(generator.is_at_rest()))?;
        let sent = generator.sent();
        let mut counts = Counts::default();
        // What is missing then is said.
        self.until_limit(SETTLES, generator, |_| {
            counts = program.counts()?;
            Ok(counts.reads + counts.dropped >= sent)
        })?;
        Ok((sent, counts))
    }

    /// Waits so long, and looks whether all goes well meanwhile.
    fn wait(&self, span: Duration, generator: &mut Generator) -> Result<()> {
        self.until_limit(span, generator, |_| Ok(false)).map(drop)
    }

    fn until(
        &self,
        what: &str,
        generator: &mut Generator,
        condition: impl FnMut(&Generator) -> Result<bool>,
    ) -> Result<()> {
        match self.until_limit(LIMIT, generator, condition)? {
            true => Ok(()),
            false => bail!("waited in vain for this: {what}"),
        }
    }

    /// Waits for the condition, no longer than `limit`; whether it came.
    fn until_limit(
        &self,
        limit: Duration,
        generator: &mut Generator,
        mut condition: impl FnMut(&Generator) -> Result<bool>,
    ) -> Result<bool> {
        let begun = Instant::now();
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                bail!("told to stop");
            }
            generator.check()?;
            if condition(generator)? {
                return Ok(true);
            }
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(LOOK.min(left));
        }
    }
}

/// The median; 0 of nothing.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What is known at one moment.
struct Sample {
    counts: Counts,
    cpu: Duration,
    generator_cpu: Duration,
    memory: Memory,
    at: Instant,
}

impl Sample {
    fn take(program: &mut dyn Program, generator: &Generator) -> Result<Self> {
        Ok(Self {
            counts: program.counts()?,
            cpu: program.cpu_time()?,
            generator_cpu: generator.cpu_time(),
            memory: program.memory()?,
            at: Instant::now(),
        })
    }
}

/// How soon new tags were told of, and how many were not.
fn latency(probes: &[Probe], program: &dyn Program) -> (Option<Latency>, u64) {
    let heard = lock(program.heard());
    let mut times: Vec<f64> = probes
        .iter()
        .filter_map(|(number, shown)| Some(heard.get(number)?.duration_since(*shown).as_secs_f64() * 1e3))
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied();
    let latency = at(0.5).zip(at(0.99)).zip(at(0.999)).map(|((p50, p99), p999)| Latency {
        p50_ms: p50,
        p99_ms: p99,
        p999_ms: p999,
        tags: times.len() as u64,
    });
    (latency, (probes.len() - times.len()) as u64)
}
