//! Arguments of the emulated readers.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use rfid_driver_llrp::emulator as llrp;
use rfid_driver_mercury4::emulator::Profile;
use rfid_driver_thingmagic::emulator as thingmagic;

#[derive(Debug, Subcommand)]
pub(crate) enum Emulated {
    /// A ThingMagic Mercury 4 that speaks RQL over TCP
    #[command(after_help = "Examples:
  rfid-host emulate mercury4 --listen 127.0.0.1:8080
  rfid-host emulate mercury4 --listen 127.0.0.1:8080 --scenario examples/scenario.toml

Without a scenario, two tags come and go every half minute.")]
    Mercury4 {
        #[command(flatten)]
        field: Field,
        /// Which reader to be: m4, mercury5 or astra
        #[arg(long, default_value = "m4")]
        profile: Profile,
    },
    /// A ThingMagic module whose serial line is carried over TCP
    #[command(after_help = "Examples:
  rfid-host emulate thingmagic --listen 127.0.0.1:9761
  rfid-host read thingmagic 127.0.0.1:9761

Without a scenario, two tags come and go every half minute.")]
    Thingmagic {
        #[command(flatten)]
        field: Field,
        /// Which module to be: m6e or m5e
        #[arg(long, default_value = "m6e")]
        profile: thingmagic::Profile,
    },
    /// A reader that speaks LLRP: Impinj, Zebra or Alien
    #[command(after_help = "Examples:
  rfid-host emulate llrp --listen 127.0.0.1:5084
  rfid-host emulate llrp --listen 127.0.0.1:5084 --profile fx9600 --scenario examples/scenario.toml

Without a scenario, two tags come and go every half minute.")]
    Llrp {
        #[command(flatten)]
        field: Field,
        /// Which reader to be: r420, fx9600 or alr-f800
        #[arg(long, default_value = "r420")]
        profile: llrp::Profile,
    },
    /// A PN532 on a pseudo-terminal, with Mifare cards on its pad
    #[command(after_help = "Examples:
  rfid-host emulate pn532 --link /tmp/pn532
  rfid-host emulate pn532 --link /tmp/pn532 --scenario examples/pad.toml

Without a scenario, two cards come and go every twenty seconds.")]
    Pn532 {
        /// Name of the serial port: a link to the pseudo-terminal, gone when the emulator ends
        #[arg(long, value_name = "PATH")]
        link: PathBuf,
        /// Which cards come and go, and what goes wrong
        #[arg(long, value_name = "FILE")]
        scenario: Option<PathBuf>,
    },
}

/// Where an emulated reader listens and what it hears.
#[derive(Debug, Args)]
pub(crate) struct Field {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Which tags come and go, and what goes wrong
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
}
