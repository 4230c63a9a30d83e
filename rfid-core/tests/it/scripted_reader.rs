//! A reader that does what a test tells it to, and a sink that remembers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::presence::{ReaderPlace, ZoneMap};
use rfid_core::{
    DynSession, Error, ErrorKind, Event, EventBatch, Name, ReadBuf, ReaderInfo, Result, Session, Sink,
    TagIdKind,
};

/// What the reader does next.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The connection cannot be made.
    Refuse,
    /// The session is open from here on.
    Accept,
    /// The same, with a reader of this serial number.
    AcceptWithSerial(&'static str),
    /// Reports this tag this many times in one batch.
    Tag(u8, u16),
    /// Lets time pass.
    Wait(Duration),
    /// Says nothing any more and does not end.
    Hang,
    /// Breaks the connection.
    Break,
    /// Panics in the driver's code.
    Panic,
}

/// The script, shared by all sessions of the reader.
pub(crate) type Script = Arc<Mutex<VecDeque<Act>>>;

pub(crate) fn script(acts: impl IntoIterator<Item = Act>) -> Script {
    Arc::new(Mutex::new(acts.into_iter().collect()))
}

pub(crate) struct ScriptedReader {
    script: Script,
}

impl ScriptedReader {
    pub(crate) fn make(script: Script) -> Result<Box<dyn DynSession>> {
        Ok(Box::new(Self { script }))
    }

    fn next(&self) -> Option<Act> {
        self.script.lock().unwrap().pop_front()
    }
}

impl Session for ScriptedReader {
    async fn open(&mut self) -> Result<ReaderInfo> {
        let (act, serial) = match self.next() {
            Some(Act::AcceptWithSerial(serial)) => (Some(Act::Accept), Some(serial.to_owned())),
            act => (act, None),
        };
        match act {
            Some(Act::Refuse) => Err(Error::new(ErrorKind::Connect, "open").with_detail("refused")),
            Some(Act::Accept) => Ok(ReaderInfo {
                model: "scripted".into(),
                firmware: "1".into(),
                serial,
                protocols: vec![],
                antenna_ports: vec![],
                silence_limit: Duration::from_secs(5),
            }),
            None => std::future::pending().await,
            other => panic!("the script goes on with {other:?} where a session is opened"),
        }
    }

    async fn start(&mut self) -> Result<()> {
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        match self.next() {
            Some(Act::Tag(tag, count)) => {
                let read = buf.record(TagIdKind::Epc, &[0x30, tag]).unwrap();
                read.set_antenna_port(1).set_count(count);
                Ok(())
            }
            Some(Act::Wait(time)) => {
                // In steps, as a reader gives empty rounds: each is a sign of life.
                let step = time.min(Duration::from_millis(250));
                tokio::time::sleep(step).await;
                if time > step {
                    self.script.lock().unwrap().push_front(Act::Wait(time - step));
                }
                Ok(())
            }
            Some(Act::Break) => Err(Error::new(ErrorKind::Io, "read").with_detail("connection reset")),
            Some(Act::Panic) => panic!("a fault of the driver"),
            Some(Act::Hang) | None => std::future::pending().await,
            other => panic!("the script goes on with {other:?} where reads are due"),
        }
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Remembers every event.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    events: Arc<Mutex<Vec<Event>>>,
}

impl Memory {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Waits until this many events are there, in a test's paused time.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Event> {
        tokio::time::timeout(Duration::from_secs(3600), async {
            while self.events().len() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{count} events were awaited, these came: {:#?}", self.events()));
        self.events()
    }
}

#[async_trait]
impl Sink for Memory {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        self.events.lock().unwrap().extend(batch.events.iter().cloned());
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn door(reader: &str) -> ReaderPlace {
    ReaderPlace { reader: Name::from(reader), branch: None, zones: ZoneMap::Whole(Name::from("door")) }
}
