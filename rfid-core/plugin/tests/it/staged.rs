//! A driver whose reader does what its options say.

use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::abilities::{Bank, Gpio, LockTarget, PinLevel, TagAccess, TagTarget, Tune};
use rfid_core::{
    AirProtocol, ConfigFault, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, Listening,
    ReadBuf, ReaderInfo, ReaderSetup, Result, Session, Settings, TagIdKind,
};
use serde_json::json;

#[derive(Default)]
pub(crate) struct Staged;

/// What happens when the inventory runs.
const PLAYS: [&str; 14] = [
    "counts",
    "counts short ids",
    "idles",
    "is flooded",
    "panics",
    "hangs",
    "thread panics",
    "task panics",
    "is silent",
    "breaks",
    "notices",
    "speaks",
    "counts and waits",
    "panics when dropped",
];

impl Driver for Staged {
    fn describe(&self) -> Description {
        Description {
            name: "staged",
            summary: "does what its options say",
            schema: json!({ "type": "object", "additionalProperties": false,
                "properties": { "play": { "type": "string", "description": "What it does." } } }),
            example: "play = \"counts\"\n",
        }
    }

    fn session(&self, settings: &Settings, _: &ReaderSetup) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let play = settings.as_json()["play"].as_str().unwrap_or_default().to_owned();
        if play == "panics at once" {
            panic!("no session today");
        }
        if !PLAYS.contains(&play.as_str()) {
            return Err(ConfigFault::new("/play", "this is not played").into());
        }
        Ok(Box::new(Stage { play, next: 0, power: 3000, memory: vec![0; 8] }))
    }
}

struct Stage {
    play: String,
    next: u32,
    power: i16,
    memory: Vec<u8>,
}

/// Id number `number`: every third is longer than a record can hold.
pub(crate) fn id(number: u32) -> Vec<u8> {
    if number % 3 == 2 { digits(number).take(62).collect() } else { short_id(number) }
}

/// The same where a record can hold all of them.
pub(crate) fn short_id(number: u32) -> Vec<u8> {
    digits(number).take(12).collect()
}

fn digits(number: u32) -> impl Iterator<Item = u8> {
    number.to_be_bytes().into_iter().cycle()
}

impl Stage {
    fn count(&mut self, buf: &mut ReadBuf, most: u32) {
        for _ in 0..most {
            let mut id = [0; 62];
            id.iter_mut().zip(digits(self.next)).for_each(|(to, digit)| *to = digit);
            let is_long = self.next % 3 == 2 && self.play != "counts short ids";
            let id = if is_long { &id[..] } else { &id[..12] };
            let Ok(read) = buf.record(TagIdKind::Epc, id) else { break };
            read.set_antenna_port(2).set_rssi_cdbm(-5500).set_protocol(AirProtocol::Gen2);
            self.next += 1;
        }
    }
}

impl Session for Stage {
    async fn open(&mut self) -> Result<ReaderInfo> {
        Ok(ReaderInfo {
            model: "Stage ä".into(),
            firmware: "1".into(),
            serial: Some("42".into()),
            protocols: vec![AirProtocol::Gen2],
            antenna_ports: vec![1, 2],
            silence_limit: match self.play.as_str() {
                "is silent" | "idles" | "is flooded" => Duration::from_millis(300),
                _ => Duration::from_secs(60),
            },
        })
    }

    async fn start(&mut self) -> Result<()> {
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        match self.play.as_str() {
            "counts" | "counts short ids" => self.count(buf, 5),
            // A sign of life and nothing else, always.
            "idles" => {}
            // What comes is of no interest, and there is always more of it.
            "is flooded" => loop {
                tokio::task::coop::consume_budget().await;
            },
            "counts and waits" if self.next < 5 => self.count(buf, 5),
            "panics" => panic!("no such antenna: {}", 7),
            "breaks" if self.next < 3 => {
                self.count(buf, 3);
                buf.add_lost(2);
                return Err(Error::new(ErrorKind::Io, "read").with_detail("the cable was pulled"));
            }
            "notices" if self.next == 0 => {
                self.next = 1;
                buf.notice_listening(Listening::Ports(vec![1, 3]));
                buf.notice_inputs(vec![PinLevel { pin: 4, high: true }]);
            }
            "speaks" if self.next == 0 => {
                self.next = 1;
                let span = tracing::info_span!("session", address = "here", try_number = 2);
                let _inside = span.enter();
                tracing::info!(try_number = 3, "connected");
                tracing::debug!("of no interest");
            }
            "thread panics" => {
                let work = || panic!("the library broke");
                let begun = rfid_plugin::thread("library", work);
                begun.map_err(|error| Error::new(ErrorKind::Internal, "read").with_source(error))?;
                pending().await
            }
            "task panics" => {
                rfid_plugin::spawn(async {
                    tracing::info!("about to break");
                    panic!("the task broke");
                });
                pending().await
            }
            _ => pending().await,
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.next = 0;
        Ok(())
    }

    fn tune(&mut self) -> Option<&mut dyn Tune> {
        (self.play != "hangs").then_some(self)
    }

    fn gpio(&mut self) -> Option<&mut dyn Gpio> {
        (self.play != "hangs").then_some(self)
    }

    fn tag_access(&mut self) -> Option<&mut dyn TagAccess> {
        (self.play != "hangs").then_some(self)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.play == "panics when dropped" {
            panic!("it cannot be let go");
        }
    }
}

#[async_trait]
impl Tune for Stage {
    async fn read_power_cdbm(&mut self) -> Result<i16> {
        Ok(self.power)
    }

    async fn set_read_power_cdbm(&mut self, cdbm: i16) -> Result<i16> {
        self.power = cdbm.min(3150);
        Ok(self.power)
    }
}

#[async_trait]
impl Gpio for Stage {
    async fn inputs(&mut self) -> Result<Vec<PinLevel>> {
        Ok(vec![PinLevel { pin: 1, high: false }, PinLevel { pin: 2, high: true }])
    }

    async fn set_output(&mut self, level: PinLevel) -> Result<()> {
        match level.pin {
            5 => Ok(()),
            _ => Err(Error::new(ErrorKind::Unsupported, "gpio").with_detail("pin 5 is the output")),
        }
    }
}

#[async_trait]
impl TagAccess for Stage {
    async fn read_memory(
        &mut self,
        tag: &TagTarget,
        bank: Bank,
        address: u32,
        count: u16,
    ) -> Result<Vec<u8>> {
        assert_eq!((tag.antenna_port, tag.password, bank), (2, Some(0xDEAD_BEEF), Bank::User));
        Ok(self.memory.iter().skip(address as usize * 2).take(usize::from(count) * 2).copied().collect())
    }

    async fn write_memory(&mut self, _: &TagTarget, _: Bank, address: u32, data: &[u8]) -> Result<()> {
        self.memory[address as usize * 2..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    async fn write_id(&mut self, _: &TagTarget, _: &[u8]) -> Result<()> {
        Err(Error::new(ErrorKind::TagLost, "write_id"))
    }

    async fn lock(&mut self, _: &TagTarget, lock: LockTarget) -> Result<()> {
        assert_eq!(lock, LockTarget::Byte(3));
        Ok(())
    }

    async fn kill(&mut self, _: &TagTarget, _: u32) -> Result<()> {
        pending().await
    }
}
