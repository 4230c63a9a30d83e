//! What has been registered.

use clap::{Args, Subcommand, ValueEnum};
use rfid_core::UtcTime;

use super::{DaemonConfig, ExportVisits};

/// Whose ledger it is: that of a configuration, or of the data folder --data-dir, ./data if left
/// out.
#[derive(Debug, Args)]
pub(crate) struct LedgerPlace {
    #[command(flatten)]
    pub(crate) daemon: DaemonConfig,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Exported {
    /// The events of the ledger, each with its number, and what is known to be missing
    #[command(after_help = "Examples:
  rfid-host export events > events.jsonl
  rfid-host export events --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z --format csv
  rfid-host export events --after 120000 --follow | jq .sequence

The daemon may run meanwhile. Records that lookup added are not kept and not exported.
Ends with 1 if a part of the ledger cannot be read; everything else is exported all the same.")]
    Events(ExportEvents),
    /// The visits of the customer service, the latest first
    #[command(after_help = "Examples:
  rfid-host export visits --config branch.toml --format csv > visits.csv
  rfid-host export visits --from 2026-11-01T00:00:00+08:00 --to 2026-12-01T00:00:00+08:00 --branch hubin

A visit names nobody: it has the id of its customer.")]
    Visits(ExportVisits),
}

#[derive(Debug, Args)]
pub(crate) struct ExportEvents {
    #[command(flatten)]
    pub(crate) place: LedgerPlace,
    /// Only events of this time or later
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<UtcTime>,
    /// Only events before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<UtcTime>,
    /// Only what has a higher number
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
    pub(crate) after: u64,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportFormat,
    /// Go on with what comes, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line
    #[default]
    Jsonl,
    /// A table with a head, for spreadsheets
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerAct {
    /// Go through all of it: is every number accounted for, is every seal whole
    #[command(after_help = "Example:
  rfid-host ledger verify --data-dir /var/lib/rfid-host/data

The daemon may run meanwhile. Ends with 1 if something is wrong.")]
    Verify {
        #[command(flatten)]
        place: LedgerPlace,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}
