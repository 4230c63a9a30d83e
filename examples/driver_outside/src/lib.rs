//! A driver outside the tree: a "reader" that hears what a program puts into its field.
//!
//! It depends on `rfid-core` alone. `tests/conformance.rs` puts it through the suite that every
//! driver in the tree passes, and CONTRIBUTING.md begins a new driver with a copy of it.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::settings::schema_of;
use rfid_core::{
    AirProtocol, ConfigFault, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, ReadBuf,
    ReaderInfo, ReaderSetup, Result, Session, Settings, TagId,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The driver: configuration in, sessions out, no I/O.
#[derive(Clone, Debug, Default)]
pub struct Imaginary {
    field: SharedField,
}

type SharedField = Arc<Mutex<Field>>;

/// The field before the antenna, which in a real driver is the world.
#[derive(Debug, Default)]
struct Field {
    tags: Vec<TagId>,
    breaks: u32,
}

impl Imaginary {
    /// Puts exactly these tags into the field.
    pub fn lay_tags(&self, tags: &[TagId]) {
        lock(&self.field).tags = tags.to_vec();
    }

    /// Breaks every connection, as a pulled cable does. New ones are accepted.
    pub fn cut(&self) {
        lock(&self.field).breaks += 1;
    }
}

fn lock(field: &SharedField) -> MutexGuard<'_, Field> {
    field.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Its options; their descriptions are the reference.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where the reader is: "here" or "nowhere".
    address: String,
}

impl Driver for Imaginary {
    fn describe(&self) -> Description {
        Description {
            name: "imaginary",
            summary: "hears what a program imagines",
            schema: schema_of::<Config>(),
            example: "address = \"here\"\n",
        }
    }

    fn session(&self, settings: &Settings, _: &ReaderSetup) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let config: Config = settings.parse()?;
        if !["here", "nowhere"].contains(&config.address.as_str()) {
            return Err(ConfigFault::new("/address", "write \"here\" or \"nowhere\"").into());
        }
        let (field, is_there) = (Arc::clone(&self.field), config.address == "here");
        Ok(Box::new(Connection { field, is_there, breaks: 0, heard: Vec::new() }))
    }
}

/// A session with the reader. What it has heard and not yet handed over is kept in it, so that
/// a `read` which is dropped loses nothing.
struct Connection {
    field: SharedField,
    is_there: bool,
    breaks: u32,
    heard: Vec<TagId>,
}

impl Session for Connection {
    async fn open(&mut self) -> Result<ReaderInfo> {
        if !self.is_there {
            return Err(Error::new(ErrorKind::Connect, "open").with_detail("nobody answers"));
        }
        self.breaks = lock(&self.field).breaks;
        Ok(ReaderInfo {
            model: "Imaginary 1".into(),
            firmware: "1.0".into(),
            serial: None,
            protocols: vec![AirProtocol::Gen2],
            antenna_ports: vec![1],
            silence_limit: Duration::from_secs(1),
        })
    }

    async fn start(&mut self) -> Result<()> {
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        if self.heard.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if lock(&self.field).breaks != self.breaks {
                return Err(Error::new(ErrorKind::Io, "read").with_detail("the cable was pulled"));
            }
            self.heard.clone_from(&lock(&self.field).tags);
        }
        while !buf.is_full()
            && let Some(tag) = self.heard.pop()
        {
            if let Ok(read) = buf.record(tag.kind(), tag.bytes()) {
                read.set_antenna_port(1).set_protocol(AirProtocol::Gen2).set_rssi_cdbm(-5500);
            }
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.heard.clear();
        Ok(())
    }
}
