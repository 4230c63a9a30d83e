//! Who may log in, what each may do, and what they did.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use rfid_core::UtcTime;
use rfid_service::record::LocalDate;

use super::ServicePlace;

#[derive(Debug, Subcommand)]
pub(crate) enum UserAct {
    /// Make the first system administrator, or the first security administrator
    #[command(after_help = "Example:
  rfid-host user add S900 --name 王芳 --role security-administrator --branch hubin --config branch.toml

Prints a code with which the person sets a password. All further accounts are asked for and approved by
two people, over HTTP. Stop the daemon for as long, where the store is embedded; or use the code that it
writes to setup-code in its data folder when it starts and nobody administers it yet.")]
    Add {
        #[command(flatten)]
        place: ServicePlace,
        /// The bank's staff number
        number: String,
        /// Name
        #[arg(long)]
        name: String,
        /// Which of the two
        #[arg(long, value_enum)]
        role: AdministratorName,
        /// Code of a branch
        #[arg(long, value_name = "CODE")]
        branch: String,
    },
    /// List accounts: who, as what, and whether they can be used
    List {
        #[command(flatten)]
        place: ServicePlace,
    },
    /// Disable an account
    #[command(after_help = "Example:
  rfid-host user disable S001 --config branch.toml")]
    Disable {
        #[command(flatten)]
        place: ServicePlace,
        /// The bank's staff number
        number: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AdministratorName {
    /// Hosts, readers, configuration
    SystemAdministrator,
    /// Accounts, roles, policies
    SecurityAdministrator,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditAct {
    /// Go through the whole audit trail: is each record what was written, and none missing
    #[command(after_help = "Examples:
  rfid-host audit verify --data-dir /var/lib/rfid-host/data
  rfid-host audit verify --config branch.toml --anchors /mnt/other/anchors.jsonl

The daemon may run meanwhile. Names the first bad record, and ends with 1, if something is wrong. Without
anchors an end that was cut off cannot be noticed; those of the configuration are looked at by themselves.

Archives of the trail (audit.archives, or --archives) are gone through as well, as one chain with what is
online: one that is missing or was changed is named.

Where the store is PostgreSQL, the trail is compared with the central one there, and the first difference is
named. With a public key, signed anchors have to be of that key.")]
    Verify {
        #[command(flatten)]
        audited: Audited,
        /// The public half of the key under which anchors are signed, in PEM, in place of the one of the
        /// configuration
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// Leave the central trail in the database alone
        #[arg(long)]
        without_table: bool,
        /// Id of a trail of this host that the central one has and that is known to be gone, as after the
        /// loss of its disk
        #[arg(long, value_name = "ID")]
        replaced: Vec<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the last records, or those of a time, the first first
    #[command(after_help = "Examples:
  rfid-host audit show --last 20 --config branch.toml | jq .
  rfid-host audit show --from 2026-01-01 --until 2026-02-01 --config branch.toml

What is of a time is looked for in the archives, too (audit.archives, or --archives).")]
    Show {
        #[command(flatten)]
        audited: Audited,
        /// How many at most, the last ones; 50 if no time is named
        #[arg(long, value_name = "COUNT")]
        last: Option<usize>,
        /// From when on: a day, as in 2026-11-01, or a moment, as in 2026-11-01T08:00:00+08:00
        #[arg(long, value_name = "TIME")]
        from: Option<When>,
        /// Until before when
        #[arg(long, value_name = "TIME")]
        until: Option<When>,
    },
    /// Take old records out of the trail into a sealed archive
    #[command(after_help = "Examples:
  rfid-host audit archive --dry-run --config branch.toml
  rfid-host audit archive --console --before 2026-01-01 --config branch.toml
  rfid-host audit archive --to /mnt/archives --before 2026-01-01 --data-dir /var/lib/rfid-host/data

A host that runs does this by itself once a day where audit.archives names a folder, for its own trail and
for that of the commands; nobody else can do it to its own as long. Whole segments of the trail are taken out,
of a month at most, and never the last 256 records. The archive is written, read back and noted in the trail
before anything is removed: what was interrupted is gone on with by the next run. Archives are sealed under the
master secret of the host, so keep that, too.")]
    Archive {
        #[command(flatten)]
        audited: Audited,
        /// Records from before: a day, as in 2026-11-01, or a moment; by audit.online_for if left out
        #[arg(long, value_name = "TIME")]
        before: Option<When>,
        /// The folder for the archive, in place of audit.archives; it has to be there
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        /// Say what would be taken out, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// A day of the bank, or a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Day(LocalDate),
    At(UtcTime),
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = text.parse().map(Self::Day).ok();
        day.or_else(|| text.parse().map(Self::At).ok())
            .ok_or("is neither a day, as in 2026-11-01, nor a moment, as in 2026-11-01T08:00:00+08:00")
    }
}

#[derive(Debug, Args)]
pub(crate) struct Audited {
    #[command(flatten)]
    pub(crate) place: ServicePlace,
    /// A file of anchors, besides those of the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) anchors: Vec<PathBuf>,
    /// A folder of archives, in place of that of the configuration
    #[arg(long, value_name = "FOLDER")]
    pub(crate) archives: Option<PathBuf>,
    /// The trail of what was done by commands, not that of the daemon
    #[arg(long)]
    pub(crate) console: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RightsLanguage {
    /// English
    #[default]
    En,
    /// Chinese
    Zh,
}
