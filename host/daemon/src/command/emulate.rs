//! `rfid-host emulate`.

use std::fmt::Display;

use anyhow::Context;
use rfid_driver_llrp::emulator as llrp;
use rfid_driver_mercury4::emulator as mercury4;
use rfid_driver_mifare::pn532::emulator as pn532;
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
        Emulated::Llrp { field: Field { listen, scenario }, profile } => {
            let scenario = scenarios::read(scenario.as_deref(), llrp::Scenario::from_toml)?;
            let emulator = llrp::Emulator::bind(listen, profile, scenario).await;
            let emulator = emulator.with_context(|| cannot_be_used(listen))?;
            serve_until_told("LLRP reader", emulator.local_addr()).await?;
            emulator.shutdown().await;
        }
        Emulated::Pn532 { link, scenario } => {
            let scenario = scenarios::cards(scenario.as_deref())?;
            let emulator = pn532::Emulator::start(&link, scenario).await;
            let emulator = emulator.with_context(|| cannot_be_used(link.display()))?;
            serve_until_told("PN532", link.display()).await?;
            emulator.shutdown().await;
        }
    }
    Ok(())
}

async fn serve_until_told(what: &str, address: impl Display) -> anyhow::Result<()> {
    println!("an emulated {what} listens on {address}; Ctrl-C ends it");
    super::told_to_stop().await
}

fn cannot_be_used(address: impl Display) -> String {
    format!("{address} cannot be used")
}
