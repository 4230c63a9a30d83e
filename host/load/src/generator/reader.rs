//! One emulated reader.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Result;
use rustix::event::epoll::{self, EventFlags};
use std::os::fd::OwnedFd;

use super::Mode;
use crate::protocol::{Protocol, Wish};

/// Rows that are written beforehand, at least, so that a packet can be large.
const ROWS_BEFOREHAND: usize = 1_000;

/// Tags that arrive in one packet.
const ARRIVING: usize = 32;

/// Reads that make a tag present, as presence has it where nothing else is said.
const READS_TO_CONFIRM: u64 = 3;

/// Bytes that are written at once. More would let one reader keep the others waiting.
const MOST_AT_ONCE: usize = 256 * 1024;

pub(super) struct Reader {
    listener: TcpListener,
    client: Option<Client>,
    protocol: Protocol,
    mode: Mode,
    /// All its tags in rounds, over and over.
    rounds: Vec<u8>,
    rows_of_round: usize,
    rows_of_rounds: u64,
    tags: Vec<u32>,
    sent: u64,
}

/// Whoever is connected.
struct Client {
    stream: TcpStream,
    protocol: Protocol,
    said: Vec<u8>,
    answers: Vec<u8>,
    may_have_room: bool,
    is_told_to_read: bool,
    /// Rounds that were asked for.
    asked: u32,
    /// Tags that have been shown at all.
    arrived: usize,
    /// Rows that go out before the rounds, and how much of them has.
    first: Vec<u8>,
    first_at: usize,
    /// Place in the rounds.
    at: usize,
}

impl Reader {
    pub(super) fn new(
        listener: TcpListener,
        tags: impl Iterator<Item = u32>,
        rows: u32,
        protocol: Protocol,
        mode: Mode,
    ) -> Self {
        let tags: Vec<u32> = tags.collect();
        let times = ROWS_BEFOREHAND.div_ceil(tags.len().max(1));
        let mut rounds = Vec::with_capacity(times * tags.len() * protocol.read_bytes() * 2);
        let mut count = 0;
        for _ in 0..times {
            for number in &tags {
                protocol.read(*number, &mut rounds);
                count += 1;
                if count % u64::from(rows) == 0 {
                    rounds.extend_from_slice(protocol.end_of_round());
                }
            }
        }
        if count % u64::from(rows) != 0 {
            rounds.extend_from_slice(protocol.end_of_round());
        }
        rounds.shrink_to_fit();
        Self {
            listener,
            client: None,
            protocol,
            mode,
            rounds,
            rows_of_round: rows as usize,
            rows_of_rounds: count,
            tags,
            sent: 0,
        }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn is_listening(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.is_told_to_read)
    }

    pub(super) fn on_event(&mut self, epoll: &OwnedFd, number: u64, flags: EventFlags) -> Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                epoll::add(epoll, &stream, epoll::EventData::new_u64(number), flags)?;
                // What the one before has not taken is not sent again.
                self.client = Some(Client::new(stream, self.protocol));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let Some(client) = &mut self.client else { return Ok(()) };
        if flags.contains(EventFlags::OUT) {
            client.may_have_room = true;
        }
        if client.listen()? {
            client.answer()?;
        } else {
            self.client = None;
        }
        Ok(())
    }

    /// Sends up to so many rows, fewer if the client has no room; returns how many went out whole.
    pub(super) fn send(&mut self, rows: u64) -> Result<u64> {
        let before = self.sent;
        while self.sent - before < rows {
            let Some(client) = self.client.as_mut().filter(|client| client.can_send()) else { break };
            if client.first_at < client.first.len() {
                self.sent += client.send_first()?;
            } else if client.arrived < self.tags.len() {
                if self.mode == Mode::Poll && !client.takes_round() {
                    break;
                }
                client.arrive(&self.tags);
            } else {
                if self.mode == Mode::Poll && self.is_between_rounds() && !self.takes_round() {
                    break;
                }
                self.sent += self.send_rounds(rows - (self.sent - before))?;
                // The others want their turn.
                break;
            }
        }
        Ok(self.sent - before)
    }

    fn takes_round(&mut self) -> bool {
        self.client.as_mut().is_some_and(Client::takes_round)
    }

    fn block(&self) -> usize {
        self.rows_of_round * self.protocol.read_bytes() + self.protocol.end_of_round().len()
    }

    fn is_between_rounds(&self) -> bool {
        self.client
            .as_ref()
            .is_some_and(|client| client.at % self.block() == 0 || client.at == self.rounds.len())
    }

    /// Rows that are whole before this place.
    fn rows_before(&self, at: usize) -> u64 {
        let (rounds, rest) = (at / self.block(), at % self.block());
        (rounds * self.rows_of_round + (rest / self.protocol.read_bytes()).min(self.rows_of_round)) as u64
    }

    /// Sends from the rounds, at most to their end; returns how many rows became whole.
    fn send_rounds(&mut self, rows: u64) -> Result<u64> {
        let at = match self.client.as_ref().map(|client| client.at) {
            Some(at) if at < self.rounds.len() => at,
            _ => 0,
        };
        let mut end = match self.mode {
            // No further than the round that was asked for.
            Mode::Poll => (at / self.block() + 1) * self.block(),
            Mode::Autonomous => {
                let target = self.rows_before(at).saturating_add(rows);
                let (rounds, rest) = (target / self.rows_of_round as u64, target % self.rows_of_round as u64);
                let rest = rest as usize * self.protocol.read_bytes();
                (rounds as usize).saturating_mul(self.block()).saturating_add(rest)
            }
        };
        end = end.min(self.rounds.len()).min(at + MOST_AT_ONCE);
        let Some(part) = self.rounds.get(at..end) else { return Ok(0) };
        let Some(client) = &mut self.client else { return Ok(0) };
        let written = client.write(part)?;
        client.at = at + written;
        Ok(match client.at == self.rounds.len() {
            true => self.rows_of_rounds - self.rows_before(at),
            false => self.rows_before(at + written) - self.rows_before(at),
        })
    }

    /// Brings what was begun to the end of a row and of a round; whether that is done.
    pub(super) fn rest(&mut self, says: bool) -> Result<bool> {
        let Some(mid_round) = self.client.as_ref().map(|client| {
            let at = client.at;
            at % self.block() != 0 && at != self.rounds.len()
        }) else {
            return Ok(true);
        };
        if mid_round && self.mode == Mode::Autonomous {
            let left =
                self.rows_of_round as u64 - self.rows_before(self.client_at()) % self.rows_of_round as u64;
            self.send(left)?;
            return Ok(false);
        }
        let Some(client) = &mut self.client else { return Ok(true) };
        if client.first_at < client.first.len() {
            self.sent += client.send_first()?;
            return Ok(false);
        }
        if says && client.is_told_to_read && (self.mode == Mode::Autonomous || client.takes_round()) {
            client.write(&self.protocol.sign_of_life())?;
        }
        Ok(true)
    }

    fn client_at(&self) -> usize {
        self.client.as_ref().map_or(0, |client| client.at)
    }

    /// Whether a tag can be shown now: nothing is half sent.
    pub(super) fn can_show(&self) -> bool {
        let Some(client) = &self.client else { return false };
        let is_whole = (client.at % self.block()).is_multiple_of(self.protocol.read_bytes())
            || client.at == self.rounds.len();
        self.mode == Mode::Autonomous
            && is_whole
            && client.can_send()
            && client.first_at == client.first.len()
            && client.arrived == self.tags.len()
    }

    /// Shows a tag that was not there before, as often as makes it present.
    pub(super) fn show(&mut self, number: u32) -> Result<()> {
        let Some(client) = &mut self.client else { return Ok(()) };
        client.first.clear();
        for _ in 0..READS_TO_CONFIRM {
            self.protocol.read(number, &mut client.first);
        }
        client.first_at = 0;
        self.sent += client.send_first()?;
        Ok(())
    }
}

impl Client {
    fn new(stream: TcpStream, protocol: Protocol) -> Self {
        Self {
            stream,
            protocol,
            said: Vec::new(),
            answers: protocol.greeting(),
            may_have_room: true,
            is_told_to_read: false,
            asked: 0,
            arrived: 0,
            first: Vec::new(),
            first_at: 0,
            at: 0,
        }
    }

    /// Takes in what the client says; whether it is still there.
    fn listen(&mut self) -> Result<bool> {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(count) => self.said.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        while let Some(wish) = self.protocol.next_wish(&mut self.said, &mut self.answers)? {
            match wish {
                Wish::Nothing => {}
                Wish::Round => {
                    self.is_told_to_read = true;
                    self.asked += 1;
                }
                Wish::Begins => self.is_told_to_read = true,
                Wish::Ends => self.is_told_to_read = false,
            }
        }
        Ok(true)
    }

    /// Answers are short and wait for nothing but their turn.
    fn answer(&mut self) -> Result<()> {
        let answers = std::mem::take(&mut self.answers);
        let written = self.write(&answers)?;
        self.answers = answers.get(written..).unwrap_or_default().to_vec();
        Ok(())
    }

    fn can_send(&self) -> bool {
        self.is_told_to_read && self.may_have_room && self.answers.is_empty()
    }

    fn takes_round(&mut self) -> bool {
        let is_asked = self.asked > 0;
        self.asked = self.asked.saturating_sub(1);
        is_asked
    }

    /// Makes ready the first rows of the tags that have not been shown.
    fn arrive(&mut self, tags: &[u32]) {
        self.first.clear();
        for number in tags.iter().skip(self.arrived).take(ARRIVING) {
            for _ in 0..READS_TO_CONFIRM {
                self.protocol.read(*number, &mut self.first);
            }
        }
        self.first.extend_from_slice(self.protocol.end_of_round());
        self.arrived = (self.arrived + ARRIVING).min(tags.len());
        self.first_at = 0;
    }

    /// Sends of the rows that go first; returns how many became whole.
    fn send_first(&mut self) -> Result<u64> {
        let first = std::mem::take(&mut self.first);
        let written = self.write(first.get(self.first_at..).unwrap_or_default());
        self.first = first;
        let before = self.first_at;
        self.first_at += written?;
        let bytes = self.protocol.read_bytes();
        Ok((self.first_at / bytes - before / bytes) as u64)
    }

    /// Writes what there is room for.
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        match self.stream.write(bytes) {
            Ok(written) => {
                self.may_have_room = written == bytes.len();
                Ok(written)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.may_have_room = false;
                Ok(0)
            }
            // Whoever reads from it hears of it.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.may_have_room = false;
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }
}
