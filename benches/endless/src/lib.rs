//! A driver whose reader always has something: as many reads as are asked for, made as fast as
//! they can be.
#![forbid(unsafe_code)]

use std::time::Duration;

use rfid_core::settings::schema_of;
use rfid_core::{
    AirProtocol, ConfigFaults, Description, Driver, DynSession, ReadBuf, ReaderInfo, ReaderSetup, Result,
    Session, Settings, TagIdKind, UtcTime,
};
use schemars::JsonSchema;
use serde::Deserialize;

rfid_plugin::export! {
    id: "org.rfid-host.endless",
    vendor: "rfid-host",
    drivers: [Endless],
    sinks: [],
}

/// The driver.
#[derive(Debug)]
pub struct Endless;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Reads that are delivered at once.
    #[schemars(range(min = 1))]
    batch: u32,
}

impl Driver for Endless {
    fn describe(&self) -> Description {
        Description {
            name: "endless",
            summary: "A reader that always has something",
            schema: schema_of::<Options>(),
            example: "batch = 16\n",
        }
    }

    fn session(&self, settings: &Settings, _: &ReaderSetup) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let Options { batch } = settings.parse()?;
        Ok(Box::new(Inventory { batch: batch as usize, made: 0 }))
    }
}

struct Inventory {
    batch: usize,
    made: u64,
}

impl Session for Inventory {
    async fn open(&mut self) -> Result<ReaderInfo> {
        Ok(ReaderInfo {
            model: "Endless".to_owned(),
            firmware: "1".to_owned(),
            serial: None,
            protocols: vec![AirProtocol::Gen2],
            antenna_ports: vec![1],
            silence_limit: Duration::from_secs(5),
        })
    }

    async fn start(&mut self) -> Result<()> {
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        for _ in 0..self.batch {
            let mut epc = [0x30; 12];
            epc[4..].copy_from_slice(&self.made.to_be_bytes());
            let Ok(read) = buf.record(TagIdKind::Epc, &epc) else { break };
            read.set_antenna_port(1)
                .set_protocol(AirProtocol::Gen2)
                .set_reader_time(UtcTime::from_nanos(1 + self.made))
                .set_frequency_khz(865_700)
                .set_rssi_cdbm(-5_500);
            self.made += 1;
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
