//! Memory, threads, descriptors and time of a process, from `/proc`.

use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel's ticks a second, which it has told all programs for decades.
const TICKS_PER_SECOND: u64 = 100;

/// What a process holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) rss_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Processor time used so far.
    pub(crate) cpu: Duration,
}

impl Sample {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the daemon is gone")?;
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold blanks; user and system time are fields 14 and 15.
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = behind_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        Ok(Self {
            rss_kib: number("VmRSS:"),
            threads: number("Threads:"),
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
            cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
        })
    }

    /// Part of one processor used since an earlier sample.
    pub(crate) fn load_since(&self, earlier: &Self, elapsed: Duration) -> f64 {
        self.cpu.saturating_sub(earlier.cpu).as_secs_f64() / elapsed.as_secs_f64().max(0.001)
    }
}
