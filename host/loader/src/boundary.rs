//! The boundary alone, for whoever measures it: an instance read on the caller's thread.

use std::sync::Arc;

use rfid_core::{Driver, ReadBuf, ReaderSetup, Settings};

use crate::host_side::Told;
use crate::message::{Call, Kind, LogLine, ReaderEvent, Setup};
use crate::plugins::Plugin;
use crate::raw::{Cancel, Instance};
use crate::ring::{Filler, Memory, Taker};

/// An instance of a driver that was loaded into this process, with nothing around it but both ends
/// of its ring.
pub struct Bare {
    instance: Instance,
    filler: Filler,
    taker: Taker,
}

impl Bare {
    /// An instance whose inventory runs.
    ///
    /// # Errors
    /// What the plugin says.
    pub fn start(plugin: &Plugin, driver: &dyn Driver, settings: &Settings) -> Result<Self, String> {
        let reader = ReaderSetup::named("bare");
        let setup = Setup {
            kind: Kind::Driver,
            component: driver.describe().name.to_owned(),
            name: reader.reader.to_string(),
            antenna_ports: reader.antenna_ports,
            data_dir: String::new(),
            options: settings.as_json().clone(),
        };
        let module = plugin.module().ok_or("the plugin is not in this process")?;
        let made = Instance::create(module, &setup, Arc::new(Nobody), Cancel::default());
        let (mut instance, _) = made.map_err(|fault| fault.message)?;
        for call in [Call::Open { limit_ms: 1_000 }, Call::Start] {
            instance.call(call).map_err(|fault| fault.message)?;
        }
        let (_, memory) = Memory::new().map_err(|error| error.to_string())?;
        let memory = Arc::new(memory);
        Ok(Self { instance, filler: Filler::new(Arc::clone(&memory)), taker: Taker::new(memory) })
    }

    /// One `read`, whose reads are looked at where the plugin put them and not copied: how many there
    /// were, and the strongest signal in hundredths of a dBm.
    ///
    /// # Errors
    /// What the plugin says.
    pub fn read_in_place(&mut self) -> Result<(u64, i16), String> {
        self.instance.read(&mut self.filler, 250).map_err(|fault| fault.message)?;
        self.taker.pass_over().map_err(|refused| format!("{refused:?}"))
    }

    /// One `read` into the buffer.
    ///
    /// # Errors
    /// What the plugin says.
    pub fn read(&mut self, buf: &mut ReadBuf) -> Result<(), String> {
        self.instance.read(&mut self.filler, 250).map_err(|fault| fault.message)?;
        self.taker
            .look()
            .and_then(|()| self.taker.take(buf, u64::MAX, u64::MAX))
            .map_err(|refused| format!("{refused:?}"))?;
        Ok(())
    }
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bare")
    }
}

/// Nobody listens to what the instance says.
struct Nobody;

impl Told for Nobody {
    fn log_enabled(&self, _: u32) -> bool {
        false
    }

    fn log(&self, _: LogLine) {}

    fn reader_event(&self, _: ReaderEvent) {}
}
