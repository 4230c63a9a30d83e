//! What belongs to the customer service.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rfid_core::UtcTime;

use super::DaemonConfig;

/// Whose customers: those of a configuration, which says where they are kept and under which secret,
/// or of the data folder --data-dir, ./data if left out.
#[derive(Debug, Args)]
pub(crate) struct ServicePlace {
    #[command(flatten)]
    pub(crate) daemon: DaemonConfig,
}

#[derive(Debug, Args)]
pub(crate) struct ImportFile {
    #[command(flatten)]
    pub(crate) place: ServicePlace,
    /// The CSV file, UTF-8 or GB 18030
    pub(crate) file: PathBuf,
    /// Check everything and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportVisits {
    #[command(flatten)]
    pub(crate) place: ServicePlace,
    /// Only arrivals of this time or later
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<UtcTime>,
    /// Only arrivals before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<UtcTime>,
    /// Only of this branch
    #[arg(long, value_name = "CODE")]
    pub(crate) branch: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: VisitFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VisitFormat {
    /// One JSON object a line
    #[default]
    Jsonl,
    /// A table with a head, for spreadsheets
    Csv,
    /// A workbook
    Xlsx,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StaffAct {
    /// Enter a member of staff
    #[command(after_help = "Example:
  rfid-host staff add S001 --name 李静 --role lobby-manager --branch hubin --config branch.toml")]
    Add {
        #[command(flatten)]
        place: ServicePlace,
        /// The bank's staff number
        number: String,
        /// Name
        #[arg(long)]
        name: String,
        /// What the person does
        #[arg(long, value_enum)]
        role: StaffRoleName,
        /// Code of the branch
        #[arg(long, value_name = "CODE")]
        branch: String,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum StaffRoleName {
    /// Greets in the hall
    LobbyManager,
    /// Looks after certain customers
    AccountManager,
    /// Opens customers and issues cards
    IssuingClerk,
    /// Something else
    Other,
}
