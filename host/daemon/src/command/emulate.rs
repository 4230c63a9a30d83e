//! `rfid-host emulate`.

use std::net::SocketAddr;

use anyhow::Context;
use rfid_driver_mercury4::emulator as mercury4;
use rfid_driver_thingmagic::emulator as thingmagic;

use crate::cli::{Emulated, Field};
use crate::scenarios;

pub(crate) async fn run(reader: Emulated) -> anyhow::Result<()> {
    match reader {
        Emulated::Mercury4 { field: Field { listen, scenario }, profile } => {
            let scenario = scenarios::read(scenario.as_deref(), mercury4::Scenario::from_toml)?;
            let emulator = mercury4::Emulator::bind(listen, profile, scenario).await;
            let emulator = emulator.with_context(|| cannot_be_used(listen))?;
            serve_until_told("Mercury 4", emulator.local_addr()).await?;
            emulator.shutdown().await;
        }
        Emulated::Thingmagic { field: Field { listen, scenario }, profile } => {
            let scenario = scenarios::read(scenario.as_deref(), thingmagic::Scenario::from_toml)?;
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
