use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_conformance::{Outcome, Report};
use rfid_core::settings::schema_of;
use rfid_core::{
    AirProtocol, Clock, ConfigFault, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind,
    ReadBuf, ReaderInfo, ReaderSetup, Result, Retry, Session, Settings, SystemClock, TagId, TagIdKind,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is wrong with a driver.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    TakesUnknownKeys,
    Silent,
    DropsWhatDoesNotFit,
    LosesReadsWhenInterrupted,
    NoAntennaPort,
    WrongRetry,
    CannotOpenTwice,
    SwallowsTheBreak,
    KeepsReportingOldTags,
    WrongAntennaPort,
    FutureTimes,
    OneAtATime,
    LeavesTasks,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where the reader is.
    #[allow(dead_code)]
    address: String,
}

#[derive(Deserialize, JsonSchema)]
struct OpenConfig {
    /// Where the reader is.
    #[allow(dead_code)]
    address: String,
}

/// The reader: tags in the field, how often its connections were cut, and how many there are.
#[derive(Default)]
struct Reader {
    tags: Vec<TagId>,
    cuts: u32,
    sessions: u32,
}

struct MemoryDriver {
    fault: Fault,
    reader: Arc<Mutex<Reader>>,
}

impl Driver for MemoryDriver {
    fn describe(&self) -> Description {
        let schema = match self.fault {
            Fault::TakesUnknownKeys => schema_of::<OpenConfig>(),
            _ => schema_of::<Config>(),
        };
        Description { name: "memory", summary: "tags in memory", schema, example: "address = \"here\"" }
    }

    fn session(&self, settings: &Settings, _: &ReaderSetup) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let config: Config = settings.parse()?;
        if config.address.is_empty() {
            return Err(ConfigFault::new("/address", "an address is not empty").into());
        }
        Ok(Box::new(MemorySession {
            fault: self.fault,
            nowhere: config.address == "nowhere",
            reader: Arc::clone(&self.reader),
            opened: 0,
            cuts: 0,
            waiting: Vec::new(),
        }))
    }
}

struct MemorySession {
    fault: Fault,
    nowhere: bool,
    reader: Arc<Mutex<Reader>>,
    opened: u32,
    cuts: u32,
    waiting: Vec<TagId>,
}

impl Session for MemorySession {
    async fn open(&mut self) -> Result<ReaderInfo> {
        let refused = Error::new(ErrorKind::Connect, "open");
        if self.nowhere && self.fault == Fault::WrongRetry {
            return Err(refused.with_retry(Retry::Never));
        }
        self.opened += 1;
        if self.nowhere || (self.fault == Fault::CannotOpenTwice && self.opened > 1) {
            return Err(refused);
        }
        if self.fault == Fault::LeavesTasks {
            tokio::spawn(std::future::pending::<()>());
        }
        let mut reader = self.reader.lock().unwrap();
        self.cuts = reader.cuts;
        reader.sessions += 1;
        if self.fault == Fault::OneAtATime && reader.sessions > 1 {
            return Err(refused);
        }
        Ok(ReaderInfo {
            model: "memory".into(),
            firmware: "1".into(),
            serial: None,
            protocols: vec![AirProtocol::Gen2],
            antenna_ports: vec![1],
            silence_limit: Duration::from_millis(100),
        })
    }

    async fn start(&mut self) -> Result<()> {
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        if self.waiting.is_empty() {
            if self.fault == Fault::LosesReadsWhenInterrupted {
                self.waiting = self.reader.lock().unwrap().tags.clone();
                let taken = std::mem::take(&mut self.waiting);
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.waiting = taken;
            } else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let reader = self.reader.lock().unwrap();
                if reader.cuts != self.cuts && self.fault != Fault::SwallowsTheBreak {
                    return Err(Error::new(ErrorKind::Io, "read"));
                }
                self.waiting = reader.tags.clone();
            }
        }
        if self.waiting.is_empty() && self.fault == Fault::Silent {
            return std::future::pending().await;
        }
        while !buf.is_full()
            && let Some(tag) = self.waiting.pop()
        {
            let read = buf.record(tag.kind(), tag.bytes()).unwrap();
            read.set_protocol(AirProtocol::Gen2);
            match self.fault {
                Fault::NoAntennaPort => {}
                Fault::WrongAntennaPort => _ = read.set_antenna_port(9),
                _ => _ = read.set_antenna_port(1),
            }
            if self.fault == Fault::FutureTimes {
                read.set_reader_time(SystemClock::new().now().utc.plus(Duration::from_secs(3_600)));
            }
        }
        if self.fault == Fault::DropsWhatDoesNotFit {
            self.waiting.clear();
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.waiting.clear();
        self.reader.lock().unwrap().sessions = 0;
        Ok(())
    }
}

struct MemoryRig {
    driver: MemoryDriver,
    fault: Fault,
}

#[async_trait]
impl Rig for MemoryRig {
    fn driver(&self) -> &dyn Driver {
        &self.driver
    }

    fn settings(&self) -> Settings {
        Settings::from_toml("address = \"here\"").unwrap()
    }

    fn settings_to_nowhere(&self) -> Settings {
        Settings::from_toml("address = \"nowhere\"").unwrap()
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        let tags: Vec<TagId> =
            (0..count).map(|tag| TagId::new(TagIdKind::Epc, &tag.to_be_bytes()).unwrap()).collect();
        if self.fault != Fault::KeepsReportingOldTags || count > 0 {
            self.driver.reader.lock().unwrap().tags.clone_from(&tags);
        }
        tags
    }

    async fn cut(&mut self) {
        self.driver.reader.lock().unwrap().cuts += 1;
    }
}

async fn run(fault: Fault) -> Report {
    let driver = MemoryDriver { fault, reader: Arc::default() };
    check(&mut MemoryRig { driver, fault }).await
}

fn failed(report: &Report) -> Vec<&'static str> {
    report
        .cases()
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
        .map(|(name, _)| *name)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_good_driver_passes() {
    run(Fault::None).await.assert_passed(4);
}

#[tokio::test(start_paused = true)]
async fn each_fault_fails_its_case() {
    for (fault, case) in [
        (Fault::TakesUnknownKeys, "schema describes a closed table"),
        (Fault::Silent, "an empty field gives signs of life"),
        (Fault::DropsWhatDoesNotFit, "a small buffer loses nothing"),
        (Fault::LosesReadsWhenInterrupted, "an interrupted read loses nothing"),
        (Fault::NoAntennaPort, "every tag in the field is reported"),
        (Fault::WrongRetry, "a reader that is not there fails to open"),
        (Fault::CannotOpenTwice, "sessions can be opened again and again"),
        (Fault::SwallowsTheBreak, "a broken connection is said and mended"),
        (Fault::KeepsReportingOldTags, "stopping leaves nothing running"),
        (Fault::WrongAntennaPort, "reads tell antenna and time as they are"),
        (Fault::FutureTimes, "reads tell antenna and time as they are"),
        (Fault::OneAtATime, "ten sessions read at the same time"),
        (Fault::LeavesTasks, "a hundred connections leave nothing behind"),
    ] {
        let report = run(fault).await;
        assert!(failed(&report).contains(&case), "{fault:?} is not caught by {case:?}:\n{report}");
    }
}
