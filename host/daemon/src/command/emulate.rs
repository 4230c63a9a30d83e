//! `rfid-host emulate`.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use rfid_driver_mercury4::emulator as mercury4;
use rfid_driver_thingmagic::emulator as thingmagic;

use crate::cli::{Emulated, Field};

/// What comes and goes where no scenario is given.
const USUAL: &str = include_str!("emulate_scenario.toml");

/// Largest scenario that is read.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

pub(crate) async fn run(reader: Emulated) -> anyhow::Result<()> {
    match reader {
        Emulated::Mercury4 { field: Field { listen, scenario }, profile } => {
            let scenario = read(scenario.as_deref(), mercury4::Scenario::from_toml)?;
            let emulator = mercury4::Emulator::bind(listen, profile, scenario).await;
            let emulator = emulator.with_context(|| cannot_be_used(listen))?;
            serve_until_told("Mercury 4", emulator.local_addr()).await?;
            emulator.shutdown().await;
        }
        Emulated::Thingmagic { field: Field { listen, scenario }, profile } => {
            let scenario = read(scenario.as_deref(), thingmagic::Scenario::from_toml)?;
            let emulator = thingmagic::Emulator::bind(listen, profile, scenario).await;
            let emulator = emulator.with_context(|| cannot_be_used(listen))?;
            serve_until_told("ThingMagic module", emulator.local_addr()).await?;
            emulator.shutdown().await;
        }
    }
    Ok(())
}

async fn serve_until_told(what: &str, address: SocketAddr) -> anyhow::Result<()> {
    println!("an emulated {what} listens on {address}; Ctrl-C ends it");
    super::told_to_stop().await
}

fn cannot_be_used(address: SocketAddr) -> String {
    format!("{address} cannot be used")
}

fn read<S, E: Display>(path: Option<&Path>, parse: impl Fn(&str) -> Result<S, E>) -> anyhow::Result<S> {
    let Some(path) = path else {
        return parse(USUAL).map_err(|fault| anyhow::anyhow!("the built-in scenario:{fault}"));
    };
    let name = path.display();
    let length = std::fs::metadata(path).with_context(|| name.to_string())?.len();
    anyhow::ensure!(length <= LARGEST_FILE, "{name}: at most {LARGEST_FILE} bytes are read");
    let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
    parse(&text).map_err(|fault| anyhow::anyhow!("{name}:{fault}"))
}
