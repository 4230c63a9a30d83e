//! Programs that listen to readers: the daemon, and another one to compare it with.

mod ceiling;
mod daemon;

use std::collections::HashMap;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::generator::lock;
use crate::machine::{self, Memory};
pub(crate) use ceiling::Ceiling;
pub(crate) use daemon::{Daemon, Log, Setting as DaemonSetting, import};

/// When tags were first said to be present.
pub(crate) type Heard = Arc<Mutex<HashMap<u32, Instant>>>;

/// What a program has counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Reads that it has judged.
    pub(crate) reads: u64,
    /// Of these, reads that were merged with others because the program was behind.
    pub(crate) merged: u64,
    /// Reads that it dropped.
    pub(crate) dropped: u64,
    /// Arrivals that it has registered or told.
    pub(crate) events: u64,
}

/// A program at work.
pub(crate) trait Program {
    fn pid(&self) -> u32;

    /// What it has counted by now; asking costs it something.
    fn counts(&mut self) -> Result<Counts>;

    /// When tags were first said to be present.
    fn heard(&self) -> &Heard;

    fn cpu_time(&self) -> Result<Duration> {
        machine::cpu_time(self.pid())
    }

    fn memory(&self) -> Result<Memory> {
        machine::memory(self.pid())
    }
}

/// A process that is killed when this is dropped.
struct Running(Child);

impl Running {
    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Notes the first time that a tag is heard of.
fn note(heard: &Heard, number: u32) {
    let now = Instant::now();
    lock(heard).entry(number).or_insert(now);
}

/// What is said of a program that is not there.
fn cannot_start(binary: &Path) -> String {
    format!("{} cannot be started", binary.display())
}
