//! What belongs to the customer service.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rfid_core::UtcTime;
use rfid_service::record::LocalDate;

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

#[derive(Debug, Args)]
pub(crate) struct MakeReport {
    #[command(flatten)]
    pub(crate) place: ServicePlace,
    /// Which report
    #[arg(value_enum)]
    pub(crate) report: ReportName,
    /// First day, as in 2026-11-01
    #[arg(long, value_name = "DAY")]
    pub(crate) from: LocalDate,
    /// Last day, as in 2026-11-30
    #[arg(long, value_name = "DAY")]
    pub(crate) to: LocalDate,
    /// Only this branch
    #[arg(long, value_name = "CODE")]
    pub(crate) branch: Option<String>,
    /// Of visits: by what they are counted apart; by day if left out
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) by: Vec<PartName>,
    /// Of absent: customers who were not here for so many days
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub(crate) days: u16,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TableFormat,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum ReportName {
    /// Visits, by day, hour, branch, VIP class or account manager
    Visits,
    /// How many customers came how often
    Frequency,
    /// Customers who have not come for long
    Absent,
    /// How many cards were recognised, and how many refused and why
    Recognition,
    /// Greeting and serving, by member of staff
    Staff,
    /// When somebody was on duty
    Duty,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum PartName {
    /// Day of the bank's calendar
    Day,
    /// Hour of the day
    Hour,
    /// Branch
    Branch,
    /// VIP class
    VipClass,
    /// Account manager of the customer
    AccountManager,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableFormat {
    /// A table with a head, for spreadsheets
    #[default]
    Csv,
    /// One JSON object
    Json,
    /// A workbook
    Xlsx,
}
