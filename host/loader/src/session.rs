//! A driver from outside, as the framework sees any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rfid_abi::extension as ext;
use rfid_core::abilities::{Bank, Gpio, LockTarget, PinLevel, TagAccess, TagTarget, Tune};
use rfid_core::{
    AirProtocol, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, Listening, ReadBuf,
    ReaderInfo, ReaderSetup, Result, Session, Settings,
};

use crate::instance::PluginInstance;
use crate::line::Line;
use crate::message::{Answer, Call, Fault, Kind, OpenedReader, ReaderEvent, Setup, TagCall, millis, shown};
use crate::plugins::Loaded;
use crate::raw::TAG_LIMIT_MS;

const OPEN_LIMIT: Duration = Duration::from_secs(10);
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// What the interface gives calls that have no limit of their own.
const START_LIMIT: Duration = Duration::from_secs(1);
/// Ending takes no longer than this, with what the interface allows beyond it; a host that stops
/// waits for nobody.
const END_LIMIT: Duration = Duration::from_secs(1);
const END_PATIENCE: Duration = Duration::from_millis(1_500);
/// An instance that has not returned from a read for so long never will.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// Later than that, so that the reason is known.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);

/// A driver of a plugin.
pub(crate) struct PluginDriver {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) description: Description,
}

impl Driver for PluginDriver {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let setup = Setup {
            kind: Kind::Driver,
            component: self.description.name.to_owned(),
            name: reader.reader.to_string(),
            antenna_ports: reader.antenna_ports.clone(),
            data_dir: self.plugin.data_dir_of(&reader.reader),
            options: self.plugin.revealed(settings, &self.description.schema)?,
        };
        let instance =
            PluginInstance::create(Arc::clone(&self.plugin), setup).map_err(Fault::into_config_faults)?;
        Ok(Box::new(PluginSession {
            instance,
            antennas: Antennas { wanted: reader.antenna_ports.clone(), ..Antennas::default() },
            inputs: BTreeMap::new(),
            noticed: Vec::new(),
        }))
    }
}

/// A session with a reader through an instance of a plugin.
struct PluginSession {
    instance: PluginInstance,
    antennas: Antennas,
    inputs: BTreeMap<u8, bool>,
    /// What the reader noticed, to go with the next reads: what belongs together came before them.
    noticed: Vec<ReaderEvent>,
}

/// Which antennas listen, as far as the plugin says.
#[derive(Default)]
struct Antennas {
    /// Those that belong to a zone, or none if all do.
    wanted: Vec<u16>,
    /// Those that the reader says it has.
    there: Vec<u16>,
    heard: Heard,
}

/// What was said of the antennas since the session was opened.
enum Heard {
    /// All listen but these.
    AllBut(BTreeSet<u16>),
    /// These listen.
    Only(BTreeSet<u16>),
}

impl Default for Heard {
    fn default() -> Self {
        Self::AllBut(BTreeSet::new())
    }
}

impl Antennas {
    /// An antenna listens or does not; port 0 stands for all.
    fn set(&mut self, port: u16, listens: bool) {
        match (&mut self.heard, port, listens) {
            (heard, 0, true) => *heard = Heard::default(),
            (heard, 0, false) => *heard = Heard::Only(BTreeSet::new()),
            (Heard::AllBut(ports), port, false) | (Heard::Only(ports), port, true) => {
                ports.insert(port);
            }
            (Heard::AllBut(ports), port, true) | (Heard::Only(ports), port, false) => {
                ports.remove(&port);
            }
        }
    }

    /// What that makes of all of them. Nothing where it is known only which do not listen.
    fn listening(&self) -> Option<Listening> {
        let known = if self.there.is_empty() { &self.wanted } else { &self.there };
        match &self.heard {
            Heard::AllBut(down) if down.is_empty() && self.there.is_empty() => Some(Listening::All),
            Heard::AllBut(_) if known.is_empty() => None,
            Heard::AllBut(down) => {
                Some(Listening::Ports(known.iter().copied().filter(|port| !down.contains(port)).collect()))
            }
            Heard::Only(ports) if ports.is_empty() => Some(Listening::None),
            Heard::Only(ports) => Some(Listening::Ports(ports.iter().copied().collect())),
        }
    }
}

impl PluginSession {
    /// Adds what the reader noticed to the reads that came with it.
    fn hand_over_noticed(&mut self, buf: &mut ReadBuf) {
        let (mut antennas, mut inputs) = (false, false);
        for event in self.noticed.drain(..) {
            match event {
                ReaderEvent::Antenna { port, listens } => {
                    self.antennas.set(port, listens);
                    antennas = true;
                }
                ReaderEvent::Input { pin, high } => {
                    self.inputs.insert(pin, high);
                    inputs = true;
                }
                ReaderEvent::Lost { reads } => buf.add_lost(reads),
            }
        }
        if antennas && let Some(listening) = self.antennas.listening() {
            buf.notice_listening(listening);
        }
        if inputs {
            buf.notice_inputs(self.inputs.iter().map(|(&pin, &high)| PinLevel { pin, high }).collect());
        }
    }

    /// A call that ends something. An instance that does not come back from it is given up.
    async fn end(&mut self, op: &'static str, call: Call) -> Result<()> {
        let ended = tokio::time::timeout(END_PATIENCE, self.instance.call(op, call, END_LIMIT)).await;
        let Ok(ended) = ended else {
            self.instance.give_up();
            return Err(Error::new(ErrorKind::Timeout, op).with_detail("the plugin does not return"));
        };
        ended.map(drop)
    }

    fn info(&mut self, opened: OpenedReader) -> ReaderInfo {
        self.antennas.there.clone_from(&opened.antenna_ports);
        self.antennas.heard = Heard::default();
        ReaderInfo {
            model: shown(if opened.model.is_empty() { "reader of a plugin" } else { &opened.model }),
            firmware: shown(if opened.firmware.is_empty() { "unknown" } else { &opened.firmware }),
            serial: opened.serial.as_deref().map(shown),
            protocols: opened.protocols.into_iter().filter_map(AirProtocol::from_number).collect(),
            antenna_ports: opened.antenna_ports,
            silence_limit: SILENCE_LIMIT,
        }
    }
}

impl Session for PluginSession {
    async fn open(&mut self) -> Result<ReaderInfo> {
        let limit_ms = millis(OPEN_LIMIT);
        self.inputs.clear();
        self.noticed.clear();
        self.instance.present().map(Line::forget_noticed);
        match self.instance.call("open", Call::Open { limit_ms }, OPEN_LIMIT).await? {
            Answer::Opened(opened) => Ok(self.info(opened)),
            _ => Err(out_of_turn("open")),
        }
    }

    async fn start(&mut self) -> Result<()> {
        // What an earlier inventory left behind is not of this one. It is over: whoever starts has
        // waited for the end of all that was asked before.
        if let Some(Err(no_answer)) = self.instance.present().map(Line::discard_reads) {
            return Err(self.instance.fail(no_answer, "start"));
        }
        self.instance.call("start", Call::Start, START_LIMIT).await?;
        self.instance.present().map(Line::forget_end);
        Ok(())
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        let Some(line) = self.instance.present() else {
            return Err(Error::new(ErrorKind::Connect, "read").with_detail("the session is not open"));
        };
        let outcome = line.read(buf, &mut self.noticed, STUCK_AFTER).await;
        self.hand_over_noticed(buf);
        outcome.map_err(|no_answer| self.instance.fail(no_answer, "read"))
    }

    async fn stop(&mut self) -> Result<()> {
        self.end("stop", Call::Stop).await
    }

    async fn close(&mut self) -> Result<()> {
        let Some(line) = self.instance.present() else { return Ok(()) };
        line.cancel();
        // The session is closed in any case.
        let _ = self.end("close", Call::Close { limit_ms: millis(END_LIMIT) }).await;
        Ok(())
    }

    fn tune(&mut self) -> Option<&mut dyn Tune> {
        if self.instance.abilities.tune { Some(self) } else { None }
    }

    fn gpio(&mut self) -> Option<&mut dyn Gpio> {
        if self.instance.abilities.gpio { Some(self) } else { None }
    }

    fn tag_access(&mut self) -> Option<&mut dyn TagAccess> {
        if self.instance.abilities.tag_access { Some(self) } else { None }
    }
}

fn out_of_turn(op: &'static str) -> Error {
    Error::new(ErrorKind::Internal, op).with_detail("the plugin answered another question")
}

#[async_trait]
impl Tune for PluginSession {
    async fn read_power_cdbm(&mut self) -> Result<i16> {
        self.power(Call::Power { port: 0 }).await
    }

    async fn set_read_power_cdbm(&mut self, cdbm: i16) -> Result<i16> {
        self.power(Call::SetPower { port: 0, cdbm }).await
    }

    async fn read_power_of_port_cdbm(&mut self, port: u16) -> Result<i16> {
        self.power(Call::Power { port }).await
    }

    async fn set_read_power_of_port_cdbm(&mut self, port: u16, cdbm: i16) -> Result<i16> {
        self.power(Call::SetPower { port, cdbm }).await
    }
}

impl PluginSession {
    async fn power(&mut self, call: Call) -> Result<i16> {
        match self.instance.call("tune", call, CALL_LIMIT).await? {
            Answer::Power(cdbm) => Ok(cdbm),
            _ => Err(out_of_turn("tune")),
        }
    }

    async fn tag(&mut self, op: &'static str, call: TagCall) -> Result<Vec<u8>> {
        let limit = Duration::from_millis(TAG_LIMIT_MS.into());
        match self.instance.call(op, Call::Tag(call), limit).await? {
            Answer::Memory(bytes) => Ok(bytes),
            _ => Err(out_of_turn(op)),
        }
    }
}

#[async_trait]
impl Gpio for PluginSession {
    async fn inputs(&mut self) -> Result<Vec<PinLevel>> {
        match self.instance.call("inputs", Call::Inputs, CALL_LIMIT).await? {
            Answer::Inputs(pins) => Ok(pins.into_iter().map(|(pin, high)| PinLevel { pin, high }).collect()),
            _ => Err(out_of_turn("inputs")),
        }
    }

    async fn set_output(&mut self, level: PinLevel) -> Result<()> {
        let PinLevel { pin, high } = level;
        self.instance.call("set output", Call::SetOutput { pin, high }, CALL_LIMIT).await.map(drop)
    }
}

fn tag_call(kind: u32, tag: &TagTarget) -> TagCall {
    TagCall {
        kind,
        tag: tag.id,
        password: tag.password,
        antenna: tag.antenna_port,
        protocol: tag.protocol as u8,
        bank: 0,
        count: 0,
        address: 0,
        kill_password: 0,
        lock_mask: 0,
        lock_action: 0,
        data: Vec::new(),
    }
}

#[async_trait]
impl TagAccess for PluginSession {
    async fn read_memory(
        &mut self,
        tag: &TagTarget,
        bank: Bank,
        address: u32,
        count: u16,
    ) -> Result<Vec<u8>> {
        let call = TagCall { bank: bank as u8, address, count, ..tag_call(ext::TAG_READ_MEMORY, tag) };
        self.tag("read memory", call).await
    }

    async fn write_memory(&mut self, tag: &TagTarget, bank: Bank, address: u32, data: &[u8]) -> Result<()> {
        let data = data.to_vec();
        let call = TagCall { bank: bank as u8, address, data, ..tag_call(ext::TAG_WRITE_MEMORY, tag) };
        self.tag("write memory", call).await.map(drop)
    }

    async fn write_id(&mut self, tag: &TagTarget, id: &[u8]) -> Result<()> {
        let call = TagCall { data: id.to_vec(), ..tag_call(ext::TAG_WRITE_ID, tag) };
        self.tag("write id", call).await.map(drop)
    }

    async fn lock(&mut self, tag: &TagTarget, lock: LockTarget) -> Result<()> {
        let call = match lock {
            LockTarget::Gen2(lock) => TagCall {
                lock_mask: lock.mask(),
                lock_action: lock.action(),
                ..tag_call(ext::TAG_LOCK_GEN2, tag)
            },
            LockTarget::Whole => tag_call(ext::TAG_LOCK_WHOLE, tag),
            LockTarget::Byte(address) => TagCall { address, ..tag_call(ext::TAG_LOCK_BYTE, tag) },
        };
        self.tag("lock", call).await.map(drop)
    }

    async fn kill(&mut self, tag: &TagTarget, password: u32) -> Result<()> {
        let call = TagCall { kill_password: password, ..tag_call(ext::TAG_KILL, tag) };
        self.tag("kill", call).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn antennas_that_are_down_are_left_out_of_those_that_are_known() {
        let mut antennas = Antennas { wanted: vec![1, 2, 3], ..Antennas::default() };
        antennas.set(2, false);
        assert_eq!(antennas.listening(), Some(Listening::Ports(vec![1, 3])));
        antennas.set(2, true);
        assert_eq!(antennas.listening(), Some(Listening::All));
        let mut unknown = Antennas::default();
        unknown.set(2, false);
        assert_eq!(unknown.listening(), None, "nobody knows which others there are");
        unknown.set(2, true);
        assert_eq!(unknown.listening(), Some(Listening::All));
    }

    #[test]
    fn antenna_0_stands_for_all() {
        let mut antennas = Antennas { there: vec![1, 2], ..Antennas::default() };
        antennas.set(0, false);
        assert_eq!(antennas.listening(), Some(Listening::None));
        antennas.set(2, true);
        assert_eq!(antennas.listening(), Some(Listening::Ports(vec![2])));
        antennas.set(0, true);
        assert_eq!(antennas.listening(), Some(Listening::Ports(vec![1, 2])));
    }
}
