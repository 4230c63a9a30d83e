//! What `rfid-host bench` is asked.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How the daemon is measured.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Emulated readers
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) readers: u32,
    /// Tags in the field, spread over the readers
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) tags: u32,
    /// Reads a second at which the way to a subscriber is timed; half of what the daemon can do if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// How long each run is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) seconds: u32,
    /// Records in the directory
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) customers: u32,
    /// What the readers speak
    #[arg(long, value_enum, default_value_t)]
    pub(crate) protocol: BenchProtocol,
    /// Who begins a round where readers send all that they can
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mode: BenchMode,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure everything that performance is judged by beside this program, in several minutes
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["readers", "tags", "rate", "seconds", "customers", "protocol", "mode"])]
    pub(crate) against: Option<PathBuf>,
    /// So short that it shows only that everything works
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchProtocol {
    /// As a Mercury 4
    #[default]
    Rql,
    /// As almost all others, a report for each read; nobody asks them for rounds
    Llrp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchMode {
    /// The reader
    #[default]
    Autonomous,
    /// The daemon
    Poll,
}
