//! What the machine says of a process, and which CPU it runs on.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Which CPUs the program and the generator have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpus {
    /// CPUs that this process may use.
    pub(crate) count: usize,
    program: Option<CpuSet>,
    generator: Option<CpuSet>,
}

impl Cpus {
    /// One CPU for each where there are two, none in particular otherwise.
    pub(crate) fn found() -> Result<Self> {
        let all = sched_getaffinity(None).context("the CPUs of this process are not known")?;
        let mut numbers = (0..CpuSet::MAX_CPU).filter(|number| all.is_set(*number));
        let only = |number: usize| {
            let mut set = CpuSet::new();
            set.set(number);
            set
        };
        let (generator, program) = (numbers.next(), numbers.next());
        let apart = generator.zip(program);
        Ok(Self {
            count: all.count() as usize,
            program: apart.map(|(_, program)| only(program)),
            generator: apart.map(|(generator, _)| only(generator)),
        })
    }

    /// Whether program and generator have a CPU each.
    pub(crate) fn are_apart(&self) -> bool {
        self.program.is_some()
    }

    /// Keeps this thread on the generator's CPU.
    pub(crate) fn enter_generator(&self) {
        // Without it figures are less steady, which the bench says.
        let _ = self.generator.map(|set| sched_setaffinity(None, &set));
    }

    /// Runs `start` on the program's CPU: a process that it starts stays there.
    pub(crate) fn on_program<T>(&self, start: impl FnOnce() -> T) -> T {
        let before = sched_getaffinity(None);
        let _ = self.program.map(|set| sched_setaffinity(None, &set));
        let started = start();
        if let Ok(before) = before {
            let _ = sched_setaffinity(None, &before);
        }
        started
    }
}

/// Lets this process and those that it starts have as many descriptors as the machine allows it.
pub(crate) fn raise_descriptors(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |most: Option<u64>| most.is_none_or(|most| most >= needed);
    anyhow::ensure!(
        enough(limit.maximum),
        "{needed} open files are needed and {} are allowed; see `ulimit -Hn`",
        limit.maximum.unwrap_or_default()
    );
    if !enough(limit.current) {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
            .context("the limit on open files cannot be raised")?;
    }
    Ok(())
}

/// CPU time that the process has used, by all its threads. The kernel counts it in hundredths of
/// a second.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The second field is a name in brackets, which may have blanks.
    let behind = text.rsplit_once(')').map(|(_, behind)| behind).with_context(|| path.clone())?;
    let field =
        |number: usize| behind.split_whitespace().nth(number).and_then(|field| field.parse::<u64>().ok());
    let ticks = field(11).zip(field(12)).map(|(user, system)| user + system).context(path)?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident at present.
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// Memory that the process has.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (resident, peak) = kib("VmRSS:").zip(kib("VmHWM:")).context(path)?;
    Ok(Memory { resident: resident * 1024, peak: peak * 1024 })
}
