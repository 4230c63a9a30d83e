//! Recording a reader.

use std::path::{Path, PathBuf};

use clap::Args;
use rfid_core::{DurationText, Settings};

use super::{At, options};

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
    /// The driver is one of this plugin's
    #[arg(long, value_name = "FILE", requires = "driver")]
    plugin: Option<PathBuf>,
    /// Where that reader is, as the driver's option `address`, if it has one
    #[arg(long, value_name = "HOST[:PORT]", requires = "driver")]
    address: Option<String>,
    /// Antenna ports that it listens on; all that there are if left out
    #[arg(long, value_name = "PORT,…", value_delimiter = ',', requires = "driver")]
    antennas: Vec<u16>,
    /// Another option of the driver, as in a configuration; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "driver")]
    options: Vec<String>,
}

/// A reader that the command line names.
pub(crate) struct DirectReader<'a> {
    pub(crate) driver: &'a str,
    /// File of the plugin that has the driver, unless it is built in.
    pub(crate) plugin: Option<&'a Path>,
    pub(crate) antennas: &'a [u16],
    pub(crate) settings: Settings,
}

impl Record {
    /// The reader that is to be opened without a daemon, if one is.
    pub(crate) fn direct(&self) -> anyhow::Result<Option<DirectReader<'_>>> {
        let Direct { driver, plugin, address, antennas, options: pairs } = &self.direct;
        let Some(driver) = driver else { return Ok(None) };
        let address = address.as_deref().map(|address| ("address".to_owned(), address.into()));
        let all = serde_json::Map::from_iter(address.into_iter().chain(options(pairs)?));
        let settings = Settings::new(all.into());
        Ok(Some(DirectReader { driver, plugin: plugin.as_deref(), antennas, settings }))
    }
}
