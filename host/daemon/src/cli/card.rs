//! `rfid-host card`.

use clap::{Args, Subcommand};

use super::{Consent, Pad};

#[derive(Debug, Subcommand)]
pub(crate) enum CardAct {
    /// Print what stands in the sectors, as far as the keys open them
    #[command(after_help = "Examples:
  rfid-host card dump --transport pcsc
  rfid-host card dump --transport pcsc --key-b file:shop.key
  rfid-host card dump --transport pn532 --port /dev/ttyUSB0 --set read_secret=file:read.key \\
      --set record_secret=file:record.key
  rfid-host card dump --transport pcsc --json | jq '.sectors[] | select(.opened_by == null)'

The factory's key is tried where nothing else opens a sector. Keys are never printed.")]
    Dump {
        #[command(flatten)]
        pad: Pad,
        /// Key A to try: env:NAME, file:PATH or 12 hexadecimal digits
        #[arg(long, value_name = "SECRET")]
        key_a: Option<String>,
        /// Key B to try
        #[arg(long, value_name = "SECRET")]
        key_b: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write a customer number, signed, and give a new card keys of its own
    #[command(after_help = "Examples:
  rfid-host card write-number 1234567890 --transport pcsc --dry-run \\
      --set read_secret=file:read.key --set record_secret=file:record.key --set write_secret=file:write.key

What was there before is never written over; after an error the same command goes on from there.
Leave the card on the pad until the command has ended.")]
    WriteNumber {
        #[command(flatten)]
        pad: Pad,
        /// A number, or up to eight characters
        #[arg(value_name = "NUMBER")]
        number: String,
        #[command(flatten)]
        target: CardTarget,
    },
    /// Make the sector of the customer number what it was at the factory
    #[command(after_help = "Example:
  rfid-host card format --transport pcsc \\
      --set read_secret=file:read.key --set record_secret=file:record.key --set write_secret=file:write.key")]
    Format {
        #[command(flatten)]
        pad: Pad,
        #[command(flatten)]
        target: CardTarget,
    },
}

/// Which card, and whether something may be done to it.
#[derive(Debug, Args)]
pub(crate) struct CardTarget {
    /// The UID that the card must have; whichever lies there if left out
    #[arg(long, value_name = "HEX")]
    pub(crate) card: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
