//! Looking on at a daemon that runs.

use std::time::Duration;

use clap::Args;
use rfid_core::{DurationText, EventKind};

use super::DaemonConfig;

/// Which daemon.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// Where the daemon serves HTTP; host.listen of --config or 127.0.0.1:8460 if left out
    #[arg(long, value_name = "HOST:PORT", env = "RFID_AT", conflicts_with = "config")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) daemon: DaemonConfig,
}

/// `rfid-host tap`.
#[derive(Debug, Args)]
pub(crate) struct Tap {
    /// A reader, whose reads are shown before presence, or a pipeline, whose events are
    #[arg(value_name = "READER|PIPELINE")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// Only events of these types
    #[arg(long = "event", value_name = "TYPE,…", value_delimiter = ',', value_parser = parse_kind)]
    pub(crate) events: Vec<EventKind>,
    /// Only tags whose digits begin with these
    #[arg(long, value_name = "HEX")]
    pub(crate) tag: Option<String>,
    /// Only events in this zone
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Only this antenna port
    #[arg(long, value_name = "PORT")]
    pub(crate) antenna: Option<u16>,
    /// End after so many
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// One JSON object a line, also on a terminal
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rfid-host top`.
#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) at: At,
    /// How often the daemon is asked
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_every)]
    pub(crate) every: Duration,
    /// Print the tables once, with the rates of one interval, and end
    #[arg(long)]
    pub(crate) once: bool,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let every = DurationText::parse(text)?.0;
    if every < Duration::from_millis(100) { Err("at least 100ms".to_owned()) } else { Ok(every) }
}

fn parse_kind(text: &str) -> Result<EventKind, String> {
    [EventKind::Arrived, EventKind::Seen, EventKind::Moved, EventKind::Departed]
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| "write arrived, seen, moved or departed".to_owned())
}
