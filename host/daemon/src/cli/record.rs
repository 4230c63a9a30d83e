//! Recording a reader.

use std::path::PathBuf;

use clap::Args;
use rfid_core::DurationText;

use super::{At, ReaderAddress};

/// `rfid-host record`.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The reader, by its name in the daemon's configuration; with --driver, a name for it
    #[arg(value_name = "READER", required_unless_present = "show")]
    pub(crate) reader: Option<String>,
    /// Where to; a file that is there is left as it is
    #[arg(value_name = "FILE", required_unless_present = "show")]
    pub(crate) file: Option<PathBuf>,
    /// End by itself after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = DurationText::parse)]
    pub(crate) lasts: Option<DurationText>,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    direct: Direct,
    /// Say what a recording holds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reader", "file", "lasts", "driver"])]
    pub(crate) show: Option<PathBuf>,
    /// Write what --show shows as a capture for Wireshark, too; a file that is there is left as it is
    #[arg(long, value_name = "FILE", requires = "show")]
    pub(crate) pcap: Option<PathBuf>,
}

/// A reader that no daemon has.
#[derive(Debug, Args)]
struct Direct {
    /// Open the reader without a daemon, with this driver
    #[arg(long, conflicts_with = "config")]
    driver: Option<String>,
    /// Where that reader is, as the driver's option `address`
    #[arg(long, value_name = "HOST[:PORT]", requires = "driver")]
    address: Option<String>,
    /// Antenna ports that it listens on; all that there are if left out
    #[arg(long, value_name = "PORT,…", value_delimiter = ',', requires = "driver")]
    antennas: Vec<u16>,
    /// Another option of the driver, as in a configuration; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "driver")]
    options: Vec<String>,
}

impl Record {
    /// The driver, where the reader is to be opened without a daemon.
    pub(crate) fn driver(&self) -> Option<&str> {
        self.direct.driver.as_deref()
    }

    /// That reader, if it is said where it is.
    pub(crate) fn direct(&self) -> Option<ReaderAddress> {
        let Direct { driver, address, antennas, options } = &self.direct;
        let (driver, address) = driver.clone().zip(address.clone())?;
        Some(ReaderAddress { driver, address, antennas: antennas.clone(), options: options.clone() })
    }
}
