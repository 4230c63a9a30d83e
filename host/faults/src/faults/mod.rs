//! The faults, one file each.

mod bad_plugins;
mod clock;
mod corrupt;
mod disk_full;
mod few_files;
mod garbage;
mod half_open;
mod invented_tags;
mod kill;
mod load;
mod pad;
mod powercut;
mod read_only;
mod reader_clocks;
mod reader_reboot;
mod reload;
mod service;
mod slow_subscriber;
mod split;
mod storm;
mod terminate;
mod twice;
mod unplugged;
mod webhooks;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;

use crate::dice::Dice;
use crate::oracle::Verdict;

/// What became of a run.
#[derive(Debug)]
pub(crate) enum Outcome {
    Played(Verdict),
    /// It cannot be played here, for this reason.
    Skipped(String),
}

/// One run of a fault.
#[derive(Debug)]
pub(crate) struct Play {
    pub(crate) binary: PathBuf,
    pub(crate) dice: Dice,
    pub(crate) trials: u64,
    pub(crate) seconds: u64,
    pub(crate) readers: Option<usize>,
    pub(crate) quick: bool,
}

impl Play {
    pub(crate) fn new(
        fault: &Fault,
        binary: &Path,
        seed: u64,
        quick: bool,
        [trials, seconds]: [Option<u64>; 2],
        readers: Option<usize>,
    ) -> Self {
        let usual = |(full, short): (u64, u64)| if quick { short } else { full };
        Self {
            binary: binary.to_owned(),
            dice: Dice::new(seed),
            trials: trials.unwrap_or_else(|| usual(fault.trials)),
            seconds: seconds.unwrap_or_else(|| usual(fault.seconds)),
            readers,
            quick,
        }
    }

    pub(crate) fn lasts(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

type Playing = Pin<Box<dyn Future<Output = Result<Outcome>>>>;

/// A fault that can be played.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Trials of a full and of a quick run; 1 where it is one long run.
    trials: (u64, u64),
    /// Seconds of a full and of a quick run; 0 where trials say how long it is.
    seconds: (u64, u64),
    play: fn(Play) -> Playing,
}

/// Plays a fault; what could not be played to its end counts as wrong.
pub(crate) async fn play(fault: &Fault, play: Play) -> Outcome {
    match (fault.play)(play).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let mut verdict = Verdict::default();
            verdict.wrong(format!("it could not be played to its end: {error:#}"));
            Outcome::Played(verdict)
        }
    }
}

macro_rules! faults {
    ($($name:literal, $about:literal, $trials:expr, $seconds:expr, $play:path;)*) => {
        /// All of them, as `all` plays them.
        pub(crate) const FAULTS: &[Fault] = &[$(Fault {
            name: $name,
            about: $about,
            trials: $trials,
            seconds: $seconds,
            play: |play| Box::pin($play(play)),
        }),*];
    };
}

faults! {
    "kill", "kill -9 at random moments under load", (100, 4), (0, 0), kill::play;
    "terminate", "SIGTERM at random moments", (100, 4), (0, 0), terminate::play;
    "powercut", "the disk keeps what was synced and nothing else", (100, 3), (0, 0), powercut::play;
    "disk-full", "no space left, then space again; a start without space", (1, 1), (0, 0), disk_full::play;
    "read-only", "the disk fails every write, then another one is there", (1, 1), (0, 0), read_only::play;
    "twice", "a second host on the same data folder", (20, 2), (0, 0), twice::play;
    "few-files", "fewer descriptors than people who connect", (1, 1), (20, 3), few_files::play;
    "reader-reboot", "readers forget everything in mid-inventory", (50, 4), (0, 0), reader_reboot::play;
    "half-open", "links that are open and dead", (3, 1), (0, 0), half_open::play;
    "unplugged", "readers that refuse, again and again", (100, 8), (0, 0), unplugged::play;
    "garbage", "flipped bits and bytes of garbage from the readers", (1, 1), (60, 5), garbage::play;
    "split", "segments of 1 to 7 bytes, and joined ones", (30, 4), (0, 0), split::play;
    "storm", "8 readers with 2,000 reads a second each", (1, 1), (60, 5), storm::play;
    "invented-tags", "a reader that makes up a million tags", (1_000_000, 150_000), (0, 0), invented_tags::play;
    "reader-clocks", "readers whose clocks are wrong by years", (20, 3), (0, 0), reader_clocks::play;
    "bad-plugins", "plugins that crash, hang, leak, lie and flood", (1, 1), (60, 25), bad_plugins::play;
    "slow-subscriber", "subscribers that do not read", (6000, 300), (0, 0), slow_subscriber::play;
    "dead-webhook", "a receiver that refuses", (24_000, 100), (0, 0), webhooks::dead;
    "slow-webhook", "a receiver that takes two seconds", (200, 10), (0, 0), webhooks::slow;
    "reload", "SIGHUP storms under load, good files and spoilt ones", (100, 10), (0, 0), reload::play;
    "clock", "the wall clock jumps", (1, 1), (0, 0), clock::play;
    "service-kill", "kill -9 while customers are changed and come in", (100, 4), (0, 0), service::killed;
    "service-kill-pg", "the same, with the customers in PostgreSQL", (100, 4), (0, 0), service::killed_on_postgres;
    "database", "PostgreSQL is stopped and killed under load", (20, 2), (0, 0), service::database;
    "corrupt", "flipped, cut and zeroed files of a stopped store", (200, 12), (0, 0), corrupt::play;
    "pad", "cards on a PN532 whose port vanishes and returns", (1000, 10), (0, 0), pad::pn532;
    "pad-pcsc", "cards on a PC/SC reader whose service dies and returns", (1000, 10), (0, 0), pad::pcsc;
    "load", "many readers for a long time", (1, 1), (300, 8), load::play;
}
