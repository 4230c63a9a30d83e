//! Reading by searches that are asked for one after another, for modules that cannot read
//! continuously (§D).

use std::time::Duration;

use rfid_core::{Error, ErrorKind, ReadBuf, Result};
use rfid_driver_link::Stream;
use tokio::time::Instant;

use crate::proto::command::{self, opcode};
use crate::proto::{Metadata, Reply, Status, record};
use crate::wire::{PATIENCE, Wire, no_frames};

/// What the module is to answer next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// That it uses the protocol.
    Protocol,
    /// That its buffer of tags is empty.
    Cleared,
    /// How many tags it has found.
    Found,
    /// Some of them, of so many that are left.
    Records(u32),
}

/// Searches over one protocol after another. Dropping a call of [`Polling::read`] loses nothing.
#[derive(Debug)]
pub(crate) struct Polling {
    protocols: Vec<u8>,
    next_protocol: usize,
    cycle_ms: u16,
    awaited: Awaited,
    deadline: Instant,
    /// Records that were received and did not fit the buffer.
    rest: Vec<u8>,
    rest_metadata: Metadata,
}

/// Whether a call should return.
enum Step {
    GoOn,
    RoundEnd,
}

impl Polling {
    pub(crate) fn start<S: Stream>(wire: &mut Wire<S>, protocols: &[u8], cycle_ms: u16) -> Self {
        let mut polling = Self {
            protocols: protocols.to_vec(),
            next_protocol: 0,
            cycle_ms,
            awaited: Awaited::Protocol,
            deadline: Instant::now(),
            rest: Vec::new(),
            rest_metadata: Metadata::USED,
        };
        polling.next_search(wire);
        polling
    }

    /// See [`rfid_core::Session::read`]. Returns at the end of each search, also of an empty one.
    pub(crate) async fn read<S: Stream>(&mut self, wire: &mut Wire<S>, buf: &mut ReadBuf) -> Result<()> {
        const OP: &str = "read";
        loop {
            self.take_rest(buf);
            if buf.is_full() {
                return Ok(());
            }
            wire.send(OP).await?;
            let Some(reply) = wire.frames.next_frame().map_err(|error| no_frames(OP, error))? else {
                if !buf.is_empty() {
                    return Ok(());
                }
                wire.receive_answer(OP, self.deadline).await?;
                continue;
            };
            let (opcode, status, data) = (reply.opcode, reply.status, reply.data.to_vec());
            match self.take_reply(wire, Reply { opcode, status, data: &data })? {
                Step::GoOn => {}
                Step::RoundEnd => {
                    self.take_rest(buf);
                    return wire.send(OP).await;
                }
            }
        }
    }

    /// Goes on behind an answer. What nobody waits for is passed over.
    fn take_reply<S: Stream>(&mut self, wire: &mut Wire<S>, reply: Reply<'_>) -> Result<Step> {
        match (self.awaited, reply) {
            (Awaited::Protocol, Reply { opcode: opcode::SET_PROTOCOL, status: 0, .. }) => {
                self.await_next(wire, Awaited::Cleared, &command::plain(opcode::CLEAR_TAGS), 0);
            }
            (Awaited::Cleared, Reply { opcode: opcode::CLEAR_TAGS, status: 0, .. }) => {
                self.await_next(wire, Awaited::Found, &command::search(self.cycle_ms), self.cycle_ms);
            }
            (Awaited::Found, Reply { opcode: opcode::READ_TAGS, status: 0, data }) => match found(data) {
                0 => {
                    self.next_search(wire);
                    return Ok(Step::RoundEnd);
                }
                count => self.await_next(wire, Awaited::Records(count), &command::fetch_tags(), 0),
            },
            (Awaited::Found, Reply { opcode: opcode::READ_TAGS, status, .. })
                if Status(status) == Status::NO_TAGS =>
            {
                self.next_search(wire);
                return Ok(Step::RoundEnd);
            }
            (Awaited::Records(left), Reply { opcode: opcode::FETCH_TAGS, status: 0, data }) => {
                let [high, low, _, count, records @ ..] = data else {
                    return Err(
                        Error::new(ErrorKind::Protocol, "read").with_detail("a reply with records has none")
                    );
                };
                self.rest_metadata = Metadata(u16::from_be_bytes([*high, *low]));
                self.rest.extend_from_slice(records);
                match left.saturating_sub(u32::from(*count).max(1)) {
                    0 => {
                        self.next_search(wire);
                        return Ok(Step::RoundEnd);
                    }
                    left => self.await_next(wire, Awaited::Records(left), &command::fetch_tags(), 0),
                }
            }
            (_, Reply { status: 0, .. }) => {}
            (_, Reply { status, .. }) => return Err(Status(status).error("read")),
        }
        Ok(Step::GoOn)
    }

    /// Puts records into the buffer as far as they fit.
    fn take_rest(&mut self, buf: &mut ReadBuf) {
        while !self.rest.is_empty() && !buf.is_full() {
            match record::decode(self.rest_metadata, &self.rest, buf) {
                Ok(left) => {
                    let taken = self.rest.len() - left.len();
                    self.rest.drain(..taken);
                }
                Err(fault) => {
                    // Where the next record would begin is not known.
                    buf.add_lost(1);
                    tracing::debug!(%fault, "a record is not one");
                    self.rest.clear();
                }
            }
        }
    }

    fn next_search<S: Stream>(&mut self, wire: &mut Wire<S>) {
        let code = self.protocols.get(self.next_protocol).copied().unwrap_or_default();
        self.next_protocol = (self.next_protocol + 1) % self.protocols.len().max(1);
        self.await_next(wire, Awaited::Protocol, &command::set_protocol(code), 0);
    }

    fn await_next<S: Stream>(&mut self, wire: &mut Wire<S>, awaited: Awaited, command: &[u8], takes_ms: u16) {
        wire.queue(command);
        self.awaited = awaited;
        self.deadline = Instant::now() + Duration::from_millis(u64::from(takes_ms)) + PATIENCE;
    }
}

/// Tags found by a search: behind option and flags a number of four bytes in large populations,
/// of one otherwise (§D).
pub(crate) fn found(data: &[u8]) -> u32 {
    let count = data.get(3..).unwrap_or_default();
    count.iter().take(4).fold(0, |count, byte| count << 8 | u32::from(*byte))
}
