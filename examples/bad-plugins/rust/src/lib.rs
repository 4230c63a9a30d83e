//! Drivers that are ill in one place each, to see what a host makes of it.
//!
//! None needs a reader: antenna 1 sees one tag, twenty times a second, until the fault comes, which is
//! in the read after `after` others or, with `in_open`, in `open`. What a driver in safe Rust cannot do
//! wrong, the plugins in C beside these do.
#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::Duration;

use rfid_core::settings::schema_of;
use rfid_core::{
    AirProtocol, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, ReadBuf, ReaderInfo,
    ReaderSetup, Result, Session, Settings, TagIdKind, UtcTime,
};
use schemars::JsonSchema;
use serde::Deserialize;

rfid_plugin::export! {
    id: "com.example.bad",
    vendor: "rfid-host",
    drivers: [
        Bad { name: "panics", summary: "panics", fault: Fault::Panic },
        Bad { name: "panics-in-thread", summary: "panics on a thread of its own", fault: Fault::ThreadPanic },
        Bad { name: "hangs", summary: "blocks for ever, whatever limit and cancel say", fault: Fault::Hang },
        Bad { name: "leaks", summary: "loses 16 MiB of memory with each read", fault: Fault::Leak },
        Bad { name: "floods", summary: "reads new tags as fast as it is asked", fault: Fault::Flood },
        Bad { name: "lies", summary: "reads at an antenna that is not there, in 2100", fault: Fault::Lie },
    ],
    sinks: [],
}

/// From one tag to the next.
const EVERY: Duration = Duration::from_millis(50);

/// What is lost with each read.
const LEAK_BYTES: usize = 16 * 1024 * 1024;

/// The first moment of 2100, in nanoseconds since 1970.
const IN_2100: u64 = 4_102_444_800_000_000_000;

#[derive(Clone, Copy)]
enum Fault {
    Panic,
    ThreadPanic,
    Hang,
    Leak,
    Flood,
    Lie,
}

#[derive(Clone, Copy)]
struct Bad {
    name: &'static str,
    summary: &'static str,
    fault: Fault,
}

/// The options of all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Reads before the fault.
    after: u32,
    /// The fault is in `open`, and not in `read`.
    in_open: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { after: 3, in_open: false }
    }
}

impl Driver for Bad {
    fn describe(&self) -> Description {
        Description {
            name: self.name,
            summary: self.summary,
            schema: schema_of::<Config>(),
            example: "after = 3   # reads before the fault\n",
        }
    }

    fn session(&self, settings: &Settings, _: &ReaderSetup) -> Result<Box<dyn DynSession>, ConfigFaults> {
        Ok(Box::new(Reader { config: settings.parse()?, fault: self.fault, reads: 0, tags: 0 }))
    }
}

struct Reader {
    config: Config,
    fault: Fault,
    reads: u32,
    tags: u64,
}

impl Reader {
    /// The fault, as far as it is one of the code and not of what it reads.
    fn break_down(&self, op: &'static str) -> Result<()> {
        match self.fault {
            Fault::Panic => panic!("nobody thought of {op} after {} reads", self.reads),
            Fault::ThreadPanic => {
                let work = || panic!("nobody thought of this thread");
                let begun = rfid_plugin::thread("breaks", work);
                begun.map_err(|error| Error::new(ErrorKind::Internal, op).with_source(error))?;
            }
            Fault::Hang => loop {
                sleep(Duration::from_secs(1));
            },
            // Ones, since memory that was never written to is not there yet.
            Fault::Leak => std::mem::forget(vec![1_u8; LEAK_BYTES]),
            Fault::Flood | Fault::Lie => {}
        }
        Ok(())
    }
}

impl Session for Reader {
    async fn open(&mut self) -> Result<ReaderInfo> {
        self.reads = 0;
        if self.config.in_open {
            self.break_down("open")?;
        }
        Ok(ReaderInfo {
            model: "Bad".into(),
            firmware: "1".into(),
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
        let is_ill = !self.config.in_open && self.reads >= self.config.after;
        if is_ill {
            self.break_down("read")?;
        }
        if is_ill && matches!(self.fault, Fault::Flood) {
            while let Ok(read) = buf.record(TagIdKind::Epc, &self.tags.to_be_bytes()) {
                read.set_antenna_port(1);
                self.tags += 1;
            }
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
        if let Ok(read) = buf.record(TagIdKind::Epc, &[0xBA, 0xD0]) {
            read.set_antenna_port(1).set_protocol(AirProtocol::Gen2).set_rssi_cdbm(-5500);
            if is_ill && matches!(self.fault, Fault::Lie) {
                read.set_antenna_port(200).set_reader_time(UtcTime::from_nanos(IN_2100));
            }
        }
        self.reads += 1;
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
