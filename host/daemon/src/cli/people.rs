//! Who may log in, what each may do, and what they did.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
    /// Print the last records, the first first
    #[command(after_help = "Example:
  rfid-host audit show --last 20 --config branch.toml | jq .")]
    Show {
        #[command(flatten)]
        audited: Audited,
        /// How many
        #[arg(long, default_value_t = 50, value_name = "COUNT")]
        last: usize,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Audited {
    #[command(flatten)]
    pub(crate) place: ServicePlace,
    /// A file of anchors, besides those of the configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) anchors: Vec<PathBuf>,
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
