//! Arguments of the commands about the tag before a reader.

use clap::{Args, Subcommand, ValueEnum};

use super::ReaderAddress;

#[derive(Debug, Subcommand)]
pub(crate) enum TagAct {
    /// Read memory
    Read {
        #[command(flatten)]
        place: TagPlace,
        /// Memory bank
        #[arg(long, value_enum, default_value_t = BankName::Tid)]
        bank: BankName,
        /// First word (byte of an ISO 18000-6B tag)
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u32,
        /// Words (bytes of an ISO 18000-6B tag)
        #[arg(long, value_name = "N", default_value_t = 2)]
        count: u16,
    },
    /// Write memory
    Write {
        #[command(flatten)]
        place: TagPlace,
        /// Memory bank
        #[arg(long, value_enum, default_value_t = BankName::User)]
        bank: BankName,
        /// First word (byte of an ISO 18000-6B tag)
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u32,
        /// What to write, in hexadecimal digits
        #[arg(value_name = "HEX")]
        data: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Give the tag another EPC
    WriteEpc {
        #[command(flatten)]
        place: TagPlace,
        /// The new EPC: hexadecimal digits, a tag URI, a pure identity URI or a GS1 key
        #[arg(value_name = "EPC")]
        epc: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Lock or unlock fields of the tag
    Lock {
        #[command(flatten)]
        place: TagPlace,
        /// kill-password, access-password, epc, tid, user = open, open-forever, password, never;
        /// all=never for an EPC Class 1 tag, N=never for byte N of an ISO 18000-6B tag
        #[arg(value_name = "FIELD=STATE", required = true)]
        locks: Vec<String>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Silence the tag for ever
    Kill {
        #[command(flatten)]
        place: TagPlace,
        /// The tag's kill password: env:NAME, file:PATH or hexadecimal digits
        #[arg(long, value_name = "SECRET")]
        kill_password: String,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Which tag, and where it lies.
#[derive(Debug, Args)]
pub(crate) struct TagPlace {
    #[command(flatten)]
    pub(crate) reader: ReaderAddress,
    /// The tag's EPC or UID as it is now; the only one there if left out
    #[arg(long, value_name = "HEX")]
    pub(crate) tag: Option<String>,
    /// Password that opens what is locked: env:NAME, file:PATH or hexadecimal digits
    #[arg(long, value_name = "SECRET")]
    pub(crate) password: Option<String>,
}

/// Whether something may be done.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Consent {
    /// Look at reader and tag, say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before locking and killing
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum BankName {
    /// Passwords
    Reserved,
    /// Check code, PC word, EPC
    Epc,
    /// Maker, model and serial number
    Tid,
    /// Whatever the user keeps there
    User,
}
