//! A reader in your own program: a Mercury 4, presence, and what happens on your terminal.
//!
//! `cargo run -p rfid-examples --example embed -- 192.168.10.20:8080`; without an address it emulates a reader.

use std::sync::Arc;

use rfid_core::presence::{ReaderPlace, ZoneMap};
use rfid_core::{
    Driver, EventBatch, Name, Pipeline, ReaderSetup, Settings, SinkHandle, Supervisor, SystemClock,
};
use rfid_driver_mercury4::Mercury4;
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};

struct Print;

#[async_trait::async_trait]
impl rfid_core::Sink for Print {
    async fn open(&mut self) -> rfid_core::Result<()> {
        Ok(())
    }
    async fn deliver(&mut self, batch: &mut EventBatch) -> rfid_core::Result<()> {
        for event in &batch.events {
            println!("{} {} in {}", event.tag, event.kind.name(), event.zone);
        }
        Ok(())
    }
    async fn flush(&mut self) -> rfid_core::Result<()> {
        Ok(())
    }
    async fn close(&mut self) -> rfid_core::Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario = Scenario::from_toml("[[tag]]\nepc = \"2D0000000000000000000001\"\nfor = \"1s\"\n")?;
    let emulator = Emulator::bind("127.0.0.1:0", Profile::M4, scenario).await?;
    let address = std::env::args().nth(1).unwrap_or(emulator.local_addr().to_string());

    let place =
        ReaderPlace { reader: Name::from("door"), branch: None, zones: ZoneMap::Whole(Name::from("hall")) };
    let print = SinkHandle::spawn(Name::from("print"), Box::new(Print));
    let pipeline = Pipeline::builder("mine").reader(place).sink(print.clone()).start().await?;

    let settings = Settings::from_toml(&format!("address = \"{address}\""))?;
    let make = move |_: &_| Ok(Mercury4.session(&settings, &ReaderSetup::named("door"))?);
    let outlets = pipeline.outlet("door").into_iter().collect();
    let reader =
        Supervisor::spawn(Name::from("door"), None, Box::new(make), outlets, Arc::new(SystemClock::new()), 1);

    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    reader.stop().await;
    pipeline.stop().await;
    print.close().await;
    Ok(())
}
