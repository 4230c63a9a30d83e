//! One client: commands in, answers out, continuous reading in between.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rfid_emulated_field::{Heard, NotDone, TagMemory};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::Profile;
use super::module::{Fields, Module, PORTS, POWER, lock, record};
use crate::proto::command::{STREAMING, WITH_METADATA, opcode};
use crate::proto::frame::{crc, reply};
use crate::proto::{Metadata, Status};

/// The version of an M6e with Gen2 and ISO 18000-6B (§C, 03); that of an M5e has another byte for
/// its hardware.
const VERSION: [u8; 20] = [
    0x12, 0x12, 0x13, 0x00, 0x18, 0x00, 0x00, 0x01, 0x20, 0x14, 0x06, 0x30, 0x01, 0x13, 0x00, 0x20, 0, 0, 0,
    0x14,
];

/// While nothing is heard, the module says so about this often (§F).
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Bytes of records in one frame at most.
const MOST_RECORD_BYTES: usize = 240;

/// What a command comes to: data, or the status instead.
type Outcome = Result<Vec<u8>, Status>;

const WRONG_DATA: Status = Status(0x0100);
const BAD_PARAMETER: Status = Status(0x0105);

/// Continuous reading.
#[derive(Clone, Debug)]
struct Streaming {
    /// Code, length of a search and fields of records, for each protocol.
    searches: Vec<(u8, Duration, Metadata)>,
    next: usize,
    /// When the search that runs is over, and when it began in the module's time.
    ends: Instant,
    began: Duration,
    last_frame: Instant,
}

pub(super) struct Connection<S> {
    stream: S,
    module: Arc<Module>,
    received: Vec<u8>,
    out: Vec<u8>,
    ports: Vec<u8>,
    protocol: u8,
    streaming: Option<Streaming>,
    /// What searches have found and nobody has fetched.
    found: VecDeque<Heard>,
    commands: u32,
    frames: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, module: Arc<Module>) -> Self {
        Self {
            stream,
            module,
            received: Vec::new(),
            out: Vec::new(),
            ports: vec![1],
            protocol: 5,
            streaming: None,
            found: VecDeque::new(),
            commands: 0,
            frames: 0,
        }
    }

    /// Serves the client until it goes. What it left running ends with it: how a real module,
    /// which knows no connections, would go on is seen by the next client on a serial line.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        let mut chunk = [0; 1024];
        loop {
            while let Some((opcode, data)) = self.next_command() {
                let faults = self.module.scenario().faults.clone();
                self.commands += 1;
                if faults.silent_after.is_some_and(|most| self.commands > most) {
                    while self.stream.read(&mut chunk).await? > 0 {}
                    return Ok(());
                }
                if let Some(delay) = faults.answer_delay {
                    tokio::time::sleep(delay.0).await;
                }
                self.out.extend(std::iter::repeat_n(0xFF, faults.noise));
                let answer = match self.carry_out(opcode, &data).await {
                    Ok(data) => reply(opcode, 0, &data),
                    Err(Status(status)) => reply(opcode, status, &[]),
                };
                self.out.extend(answer);
                self.send().await?;
            }
            let search_ends = self.streaming.as_ref().map(|streaming| streaming.ends);
            tokio::select! {
                biased;
                count = self.stream.read(&mut chunk) => match count? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => self.received.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                },
                () = tokio::time::sleep_until(search_ends.unwrap_or_else(Instant::now)), if search_ends.is_some() => {
                    self.end_search();
                    self.send().await?;
                }
            }
        }
    }

    /// Takes the next whole command with a right check code; everything else is skipped.
    fn next_command(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let start = self.received.iter().position(|byte| *byte == 0xFF).unwrap_or(self.received.len());
            self.received.drain(..start);
            let len = usize::from(*self.received.get(1)?);
            if len > 0xFA {
                self.received.remove(0);
                continue;
            }
            let frame = self.received.get(..len + 5)?;
            let (said, code) = frame.split_at(len + 3);
            if crc(said.get(1..).unwrap_or_default()).to_be_bytes() == code {
                let opcode = said.get(2).copied().unwrap_or_default();
                let data = said.get(3..).unwrap_or_default().to_vec();
                self.received.drain(..len + 5);
                return Some((opcode, data));
            }
            self.received.remove(0);
        }
    }

    async fn carry_out(&mut self, opcode: u8, data: &[u8]) -> Outcome {
        // Other commands while it reads are wrapped in later firmware; here they are refused.
        if self.streaming.is_some() && opcode != opcode::CONTINUOUS {
            return Err(BAD_PARAMETER);
        }
        match (opcode, data) {
            (opcode::VERSION, []) => Ok(self.version()),
            (opcode::BOOT_FIRMWARE, []) => {
                *lock(&self.module.is_booted) = true;
                Ok(self.version())
            }
            (opcode::PROGRAM, []) => Ok(vec![if *lock(&self.module.is_booted) { 0x12 } else { 0x11 }]),
            (opcode::CONTINUOUS, _) if self.module.profile == Profile::M5e => Err(Status::INVALID_OPCODE),
            (opcode::CONTINUOUS, data) => self.continuous(data),
            // A bootloader knows no radio.
            _ if !*lock(&self.module.is_booted) => Err(Status::INVALID_OPCODE),
            (opcode::CLEAR_TAGS, []) => {
                self.found.clear();
                Ok(Vec::new())
            }
            (opcode::READ_TAGS, [0x00, flags @ .., high, low]) if flags.len() == 2 => {
                let span = Duration::from_millis(u64::from(u16::from_be_bytes([*high, *low])));
                self.search(flags, span).await
            }
            (opcode::FETCH_TAGS, [high, low, _]) => {
                Ok(self.fetch(Metadata(u16::from_be_bytes([*high, *low]))))
            }
            (opcode::GET_ANTENNAS, [0x05]) => {
                let (scenario, elapsed) = (self.module.scenario(), self.module.elapsed());
                let is_there = |port: u8| u8::from(!scenario.is_off(u16::from(port), elapsed));
                Ok([0x05].into_iter().chain(PORTS.flat_map(|port| [port, is_there(port)])).collect())
            }
            (opcode::SET_ANTENNAS, [0x02, pairs @ ..]) if !pairs.is_empty() => self.set_ports(pairs),
            (opcode::SET_ANTENNAS, pair @ [_, _]) => self.set_ports(pair),
            (opcode::GET_READ_POWER, [option]) => {
                let power = *lock(&self.module.power_cdbm);
                let limits: &[i16] = if *option == 0x01 { &POWER } else { &[] };
                let words = std::iter::once(&power).chain(limits);
                Ok(std::iter::once(*option).chain(words.flat_map(|word| word.to_be_bytes())).collect())
            }
            (opcode::SET_READ_POWER, [high, low]) => {
                let power = i16::from_be_bytes([*high, *low]);
                let [highest, lowest] = POWER;
                match power {
                    power if power > highest => Err(Status(0x0103)),
                    power if power < lowest => Err(Status(0x0106)),
                    power => {
                        *lock(&self.module.power_cdbm) = power;
                        Ok(Vec::new())
                    }
                }
            }
            (opcode::SET_PROTOCOL, [0x00, code @ (3 | 5)]) => {
                self.protocol = *code;
                Ok(Vec::new())
            }
            (opcode::SET_PROTOCOL, [_, _]) => Err(Status(0x0402)),
            (opcode::SET_REGION, [0x01..=0x0F | 0xFF]) => Ok(Vec::new()),
            (opcode::SET_REGION, [_]) => Err(Status(0x010B)),
            (opcode::SET_OPTION, [0x01, _, _, ..]) => Ok(Vec::new()),
            (opcode::GET_GPIO, [0x01]) => Ok(self.pins()),
            (opcode::SET_GPIO, [pin @ (1 | 2), level]) => {
                if let Some(output) = lock(&self.module.outputs).get_mut(usize::from(*pin) - 1) {
                    *output = *level != 0;
                }
                Ok(Vec::new())
            }
            (opcode::SET_GPIO, [_, _]) => Err(BAD_PARAMETER),
            (
                opcode::READ_DATA | opcode::WRITE_DATA | opcode::WRITE_ID | opcode::LOCK | opcode::KILL,
                data,
            ) => self.operate(opcode, data).await,
            (
                opcode::VERSION
                | opcode::PROGRAM
                | opcode::GET_ANTENNAS
                | opcode::SET_ANTENNAS
                | opcode::SET_PROTOCOL
                | opcode::SET_REGION,
                _,
            ) => Err(WRONG_DATA),
            _ => Err(Status::INVALID_OPCODE),
        }
    }

    fn version(&self) -> Vec<u8> {
        let mut version = VERSION;
        if self.module.profile == Profile::M5e {
            let [_, _, _, _, hardware, ..] = &mut version;
            *hardware = 0x00;
        }
        version.to_vec()
    }

    /// Searches once (§D).
    async fn search(&mut self, flags: &[u8], span: Duration) -> Outcome {
        let from = self.module.elapsed();
        tokio::time::sleep(span).await;
        self.found.extend(self.module.hear(self.protocol, &self.ports, from, span));
        if self.found.is_empty() {
            return Err(Status::NO_TAGS);
        }
        let count = self.found.len() as u32;
        let is_large = flags.last().is_some_and(|flags| flags & 0x10 != 0);
        let count = if is_large { count.to_be_bytes().to_vec() } else { vec![count.min(255) as u8] };
        Ok([&[0x00], flags, &count].concat())
    }

    /// Gives as many records as fit a frame.
    fn fetch(&mut self, metadata: Metadata) -> Vec<u8> {
        let mut records = Vec::new();
        let mut count = 0;
        while let Some(heard) = self.found.front() {
            let record = record(heard, metadata);
            if records.len() + record.len() > MOST_RECORD_BYTES {
                break;
            }
            records.extend(record);
            count += 1;
            self.found.pop_front();
        }
        [&metadata.0.to_be_bytes(), &[0x00, count][..], &records].concat()
    }

    fn set_ports(&mut self, pairs: &[u8]) -> Outcome {
        let (pairs, []) = pairs.as_chunks::<2>() else { return Err(WRONG_DATA) };
        if pairs.iter().any(|[transmits, receives]| transmits != receives || !PORTS.contains(transmits)) {
            return Err(Status(0x0507));
        }
        self.ports = pairs.iter().map(|[port, _]| *port).collect();
        Ok(Vec::new())
    }

    /// Pins 1 and 2 are outputs, 3 and 4 the scenario's inputs 0 and 1.
    fn pins(&self) -> Vec<u8> {
        let scenario = self.module.scenario();
        let high: Vec<u8> = scenario.high_inputs(self.module.elapsed()).collect();
        let [one, two] = *lock(&self.module.outputs);
        let input = |pin: u8| u8::from(high.contains(&pin));
        vec![0x01, 1, 1, u8::from(one), 2, 1, u8::from(two), 3, 0, input(0), 4, 0, input(1)]
    }

    fn continuous(&mut self, data: &[u8]) -> Outcome {
        match data {
            [_, _, 0x02] => {
                if self.streaming.is_some() {
                    self.end_search();
                }
                self.streaming = None;
                Ok(vec![0x02])
            }
            [_, _, 0x01, opcode::READ_TAGS, _, _, searches @ ..] => {
                let mut fields = Fields(searches);
                let mut searches = Vec::new();
                while let Some(protocol) = fields.byte() {
                    let search = (|| {
                        let ([0x07, opcode::READ_TAGS, WITH_METADATA], STREAMING) =
                            (fields.take()?, fields.word()?)
                        else {
                            return None;
                        };
                        let span = Duration::from_millis(u64::from(fields.word()?.max(1)));
                        Some((protocol, span, Metadata(fields.word()?)))
                    })();
                    searches.push(search.ok_or(BAD_PARAMETER)?);
                }
                let (_, span, _) = *searches.first().ok_or(Status(0x0401))?;
                let now = Instant::now();
                self.streaming = Some(Streaming {
                    searches,
                    next: 0,
                    ends: now + span,
                    began: self.module.elapsed(),
                    last_frame: now,
                });
                Ok(vec![0x01])
            }
            _ => Err(WRONG_DATA),
        }
    }

    /// Sends what the search that is over has heard and begins the next one.
    ///
    /// A real module sends each tag as it hears it; here they come when a search ends.
    fn end_search(&mut self) {
        let Some(streaming) = &mut self.streaming else { return };
        let Some((protocol, _, metadata)) = streaming.searches.get(streaming.next).copied() else { return };
        let elapsed = self.module.elapsed();
        let heard =
            self.module.hear(protocol, &self.ports, streaming.began, elapsed.saturating_sub(streaming.began));
        let corrupt = self.module.scenario().faults.corrupt_every;
        for heard in &heard {
            let mut data = vec![WITH_METADATA];
            data.extend(STREAMING.to_be_bytes());
            data.extend(metadata.0.to_be_bytes());
            data.push(0x01);
            data.extend(record(heard, metadata));
            let mut frame = reply(opcode::READ_TAGS, 0, &data);
            self.frames += 1;
            if corrupt.is_some_and(|every| every > 0 && self.frames.is_multiple_of(every))
                && let Some(byte) = frame.last_mut()
            {
                *byte ^= 0x01;
            }
            self.out.extend(frame);
        }
        let now = Instant::now();
        if !heard.is_empty() {
            streaming.last_frame = now;
        } else if now - streaming.last_frame >= KEEP_ALIVE {
            streaming.last_frame = now;
            self.out.extend(reply(opcode::READ_TAGS, Status::NO_TAGS.0, &[]));
        }
        streaming.next = (streaming.next + 1) % streaming.searches.len().max(1);
        let span = streaming.searches.get(streaming.next).map_or(Duration::ZERO, |(_, span, _)| *span);
        streaming.began = elapsed;
        streaming.ends = now + span;
    }

    /// Looks for a tag and does what an operation asks.
    async fn operate(&mut self, opcode: u8, data: &[u8]) -> Outcome {
        let mut fields = Fields(data);
        let (Some(time_out), Some(option)) = (fields.word(), fields.byte()) else { return Err(WRONG_DATA) };
        let act = operation(opcode, option, fields).ok_or(BAD_PARAMETER)?;
        let (from, span) = (self.module.elapsed(), Duration::from_millis(u64::from(time_out)));
        tokio::time::sleep(span).await;
        match self.module.with_tag(self.protocol, &self.ports, from, span, act) {
            None => Err(Status::NO_TAGS),
            Some(Ok(data)) if opcode == opcode::READ_DATA => Ok([&[option], &*data].concat()),
            Some(Ok(_)) => Ok(Vec::new()),
            Some(Err(NotDone)) => Err(match opcode {
                opcode::READ_DATA => Status(0x0423),
                opcode::WRITE_DATA | opcode::WRITE_ID => Status(0x0406),
                opcode::KILL => Status(0x040C),
                _ => Status(0x0424),
            }),
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        match self.module.scenario().faults.split_every {
            Some(size) => {
                for piece in self.out.chunks(size.max(1)) {
                    self.stream.write_all(piece).await?;
                    self.stream.flush().await?;
                    tokio::task::yield_now().await;
                }
            }
            None => {
                self.stream.write_all(&self.out).await?;
                self.stream.flush().await?;
            }
        }
        self.out.clear();
        Ok(())
    }
}

/// Something that is done to a tag and may give data.
type Act<'a> = Box<dyn FnOnce(&mut TagMemory) -> Result<Vec<u8>, NotDone> + Send + 'a>;

/// What an operation does to its tag; `None` if its fields are not those of the operation.
fn operation(opcode: u8, option: u8, mut fields: Fields<'_>) -> Option<Act<'_>> {
    Some(match opcode {
        opcode::READ_DATA => {
            let (bank, address, words) = (fields.byte()?, fields.long()?, fields.byte()?);
            let password = fields.password(option)?;
            Box::new(move |tag| tag.read(bank.into(), address.into(), words.into(), password))
        }
        opcode::WRITE_DATA => {
            let (address, bank) = (fields.long()?, fields.byte()?);
            let (password, words) = (fields.password(option)?, fields.0);
            Box::new(move |tag| tag.write(bank.into(), address.into(), words, password).map(|()| Vec::new()))
        }
        opcode::WRITE_ID => {
            let (password, id) = (fields.password(option)?, fields.0);
            Box::new(move |tag| tag.write_id(id, password).map(|()| Vec::new()))
        }
        opcode::LOCK => {
            let (password, mask, action) = (fields.long()?, fields.word()?, fields.word()?);
            Box::new(move |tag| tag.lock(mask, action, Some(password)).map(|()| Vec::new()))
        }
        opcode::KILL => {
            let password = fields.long()?;
            Box::new(move |tag| tag.kill(password).map(|()| Vec::new()))
        }
        _ => return None,
    })
}
