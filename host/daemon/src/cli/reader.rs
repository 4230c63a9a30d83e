//! Readers and pads that the command line names.

use anyhow::Context;
use clap::Args;
use rfid_core::Settings;
use rfid_core::abilities::PinLevel;

/// What `PIN=high` and `PIN=low` ask of an output.
pub(super) fn parse_level(text: &str) -> Result<PinLevel, String> {
    let pin = |text: &str| text.parse().map_err(|_| format!("\"{text}\" is not the number of a pin"));
    match text.split_once('=') {
        Some((number, "high")) => Ok(PinLevel { pin: pin(number)?, high: true }),
        Some((number, "low")) => Ok(PinLevel { pin: pin(number)?, high: false }),
        _ => Err("write PIN=high or PIN=low".to_owned()),
    }
}

/// A reader that the command line names.
#[derive(Debug, Args)]
pub(crate) struct ReaderAddress {
    /// The driver; `rfid-host drivers` lists them
    pub(crate) driver: String,
    /// Where the reader is, as the driver's option `address`
    #[arg(value_name = "HOST[:PORT]")]
    pub(crate) address: String,
    /// Antenna ports to listen on; all that there are if left out
    #[arg(long, value_name = "PORT,…", value_delimiter = ',')]
    pub(crate) antennas: Vec<u16>,
    /// Another option of the driver, as in a configuration; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
}

impl ReaderAddress {
    /// The driver's options.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let mut all = serde_json::Map::from_iter([("address".to_owned(), self.address.clone().into())]);
        all.extend(options(&self.options)?);
        Ok(Settings::new(all.into()))
    }
}

/// A reader that has an address or is told otherwise where it is.
#[derive(Debug, Args)]
pub(crate) struct AnyReader {
    /// The driver; `rfid-host drivers` lists them
    pub(crate) driver: String,
    /// Where the reader is, as the driver's option `address`, if it has one
    #[arg(value_name = "HOST[:PORT]")]
    address: Option<String>,
    /// Antenna ports to listen on; all that there are if left out
    #[arg(long, value_name = "PORT,…", value_delimiter = ',')]
    pub(crate) antennas: Vec<u16>,
    #[command(flatten)]
    pad: Pad,
}

impl AnyReader {
    /// The driver's options.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let address = self.address.as_deref().map(|address| ("address".to_owned(), address.into()));
        Ok(Settings::new(serde_json::Map::from_iter(address.into_iter().chain(self.pad.options()?)).into()))
    }

    /// What it is called in errors.
    pub(crate) fn name(&self) -> &str {
        self.address.as_deref().unwrap_or_else(|| self.pad.name())
    }
}

/// A pad that the command line names.
#[derive(Debug, Args)]
pub(crate) struct Pad {
    /// What reaches the cards, as the driver's option `transport`: pcsc or pn532
    #[arg(long)]
    transport: Option<String>,
    /// The serial device, as the driver's option `port`
    #[arg(long, value_name = "PATH")]
    port: Option<String>,
    /// Another option of the driver, as in a configuration; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    options: Vec<String>,
}

impl Pad {
    /// The driver's options.
    pub(crate) fn options(&self) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
        let mut all = serde_json::Map::new();
        for (key, value) in [("transport", &self.transport), ("port", &self.port)] {
            all.extend(value.as_deref().map(|value| (key.to_owned(), value.into())));
        }
        all.extend(options(&self.options)?);
        Ok(all)
    }

    /// What it is called in errors.
    pub(crate) fn name(&self) -> &str {
        self.port.as_deref().or(self.transport.as_deref()).unwrap_or("pad")
    }
}

/// The options of `--set KEY=VALUE`, repeated.
pub(crate) fn options(pairs: &[String]) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    let mut options = serde_json::Map::new();
    for pair in pairs {
        let (key, value) = pair.split_once('=').context("--set takes KEY=VALUE")?;
        // What is no TOML value, as in mode=autonomous, is text without its quotes.
        let value = toml::from_str::<serde_json::Map<String, _>>(&format!("it = {value}"))
            .map_or(value.into(), |mut table| table.remove("it").unwrap_or_default());
        options.insert(key.trim().to_owned(), value);
    }
    Ok(options)
}
