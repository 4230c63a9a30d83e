//! The coupler: what lies on the pad, and commands to it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_link::{Connect, Stream};
use tokio::time::{Instant, timeout};

use super::command::{self, Command, FirmwareVersion, Found};
use super::port::cannot_be_opened;
use super::status::Status;
use super::wire::{Answer, PLAIN, Wire};
use crate::coupler::{CardFault, Coupler, CouplerInfo, Pad, Target, ValueChange};
use crate::model::{Block, Key, KeySlot, Uid};

/// How often a search tries again by itself (§6).
const SEARCH_RETRIES: u8 = 1;

/// How long a search, and an exchange with a card, may take (§2.7).
const SEARCH: Duration = Duration::from_millis(500);
const EXCHANGE: Duration = Duration::from_millis(300);

/// A card is lifted when it has missed so many searches in a row, and for so long (§6).
const LIFTED_AFTER_MISSES: u32 = 3;
const LIFTED_AFTER: Duration = Duration::from_millis(500);

/// How long a chip is waited for that is left.
const FAREWELL: Duration = Duration::from_millis(300);

/// How the pad is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time from one search of an empty pad to the next; a pad on which a card lies is searched
    /// half as often.
    pub poll_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { poll_interval: Duration::from_millis(100) }
    }
}

/// A PN532 over connections that somebody makes.
pub struct Pn532<C: Connect> {
    connect: C,
    options: Options,
    wire: Option<Wire<C::Stream>>,
    pad: WatchedPad,
    next_search: Instant,
    /// Whether a search of [`Coupler::look`] has begun and not ended.
    is_searching: bool,
    /// Whether it is made because the one before was doubtful.
    is_second_search: bool,
    /// The card that the chip has selected.
    selected: Option<Target>,
}

impl<C: Connect> fmt::Debug for Pn532<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pn532")
            .field("options", &self.options)
            .field("pad", &self.pad)
            .finish_non_exhaustive()
    }
}

impl<C: Connect> Pn532<C> {
    /// Over these connections: a [`SerialPort`](super::SerialPort), most often.
    pub fn new(connect: C, options: Options) -> Self {
        Self {
            connect,
            options,
            wire: None,
            pad: WatchedPad::default(),
            next_search: Instant::now(),
            is_searching: false,
            is_second_search: false,
            selected: None,
        }
    }

    /// Searches once and says what lies there now. *Cancel safety*: the next call goes on.
    async fn search(&mut self, op: &'static str) -> Result<Pad> {
        let wire = self.wire.as_mut().ok_or_else(|| not_open(op))?;
        if !self.is_searching {
            self.selected = None;
            begin_search(wire, op, &command::search()).await?;
            self.is_searching = true;
        }
        let outcome = end_search(wire, op).await;
        self.is_searching = false;
        let now = Instant::now();
        self.is_second_search = !self.is_second_search && is_doubtful(&outcome, wire);
        if self.is_second_search {
            self.next_search = now;
            return Ok(self.pad.lies.clone());
        }
        let seen = match outcome? {
            Found { count: 0, .. } => Pad::Empty,
            Found { count: 1, first: Some(target) } => {
                self.selected = Some(target);
                Pad::Card(target)
            }
            Found { count: 1, first: None } => Pad::Unreadable,
            Found { .. } => Pad::Several,
        };
        self.pad.sees(seen, now);
        let interval = self.options.poll_interval;
        self.next_search = now + if self.pad.has_card() { interval * 2 } else { interval };
        Ok(self.pad.lies.clone())
    }

    /// Carries a command to the selected card and gives what it answers behind the status.
    async fn exchange(&mut self, op: &'static str, command: &Command) -> Result<&[u8], CardFault> {
        self.is_searching = false;
        let wire = self.wire.as_mut().ok_or_else(|| CardFault::Coupler(not_open(op)))?;
        match wire.ask(op, command, EXCHANGE).await.map_err(CardFault::Coupler)? {
            Answer::NotUnderstood => Err(CardFault::Unsupported),
            Answer::Data([status, data @ ..]) => Status::of(*status).fault(op).map_or(Ok(data), Err),
            Answer::Data([]) => Err(CardFault::Coupler(no_answer(op))),
        }
    }

    fn selected(&self) -> Result<Target, CardFault> {
        self.selected.ok_or(CardFault::Gone)
    }
}

/// Begins a search, by a chip that has not forgotten what it was told.
async fn begin_search<S: Stream>(wire: &mut Wire<S>, op: &'static str, search: &Command) -> Result<()> {
    if wire.may_be_reset() {
        configure(wire, op).await?;
    }
    wire.begin(op, search, SEARCH).await
}

/// Waits for what it finds. *Cancel safety*: nothing is lost; call it again.
async fn end_search<S: Stream>(wire: &mut Wire<S>, op: &'static str) -> Result<Found> {
    command::found(wire.finish().await?.data(op)?).ok_or_else(|| no_answer(op))
}

/// Whether a chip that was reset would have found the same: without its mode it has no radio, and
/// without its retries it does not say so.
fn is_doubtful<S: Stream>(outcome: &Result<Found>, wire: &Wire<S>) -> bool {
    match outcome {
        Ok(found) => found.count == 0 && wire.may_be_reset(),
        Err(error) => error.kind() == ErrorKind::Timeout,
    }
}

/// Wakes a chip and puts it into a known state (§2.3).
async fn configure<S: Stream>(wire: &mut Wire<S>, op: &'static str) -> Result<FirmwareVersion> {
    wire.wake(op, &command::sam_configuration()).await?;
    let version = wire.ask(op, &command::get_firmware_version(), PLAIN).await?.data(op)?;
    let version = command::firmware_version(version).ok_or_else(|| no_answer(op))?;
    for command in [
        command::set_parameters(),
        command::search_retries(SEARCH_RETRIES),
        command::timings(),
        command::field(true),
    ] {
        wire.ask(op, &command, PLAIN).await?.data(op)?;
    }
    wire.is_configured();
    Ok(version)
}

/// Searches, and once more if the outcome is doubtful.
async fn find<S: Stream>(wire: &mut Wire<S>, op: &'static str, search: &Command) -> Result<Found> {
    begin_search(wire, op, search).await?;
    let outcome = end_search(wire, op).await;
    if !is_doubtful(&outcome, wire) {
        return outcome;
    }
    begin_search(wire, op, search).await?;
    end_search(wire, op).await
}

#[async_trait]
impl<C: Connect> Coupler for Pn532<C> {
    async fn open(&mut self) -> Result<CouplerInfo> {
        const OP: &str = "open";
        self.close().await;
        let stream = self.connect.connect().await.map_err(|error| cannot_be_opened(OP, error))?;
        let version = configure(self.wire.insert(Wire::new(stream)), OP).await?;
        self.pad = WatchedPad::default();
        self.next_search = Instant::now();
        Ok(CouplerInfo {
            model: match version.chip {
                0x32 => "NXP PN532".to_owned(),
                chip => format!("NXP PN5{chip:02X}"),
            },
            firmware: format!("{}.{}", version.version, version.revision),
            serial: None,
        })
    }

    async fn look(&mut self, known: &Pad, patience: Duration) -> Result<Pad> {
        const OP: &str = "look";
        let end = Instant::now() + patience;
        let mut has_looked = false;
        loop {
            if !self.is_searching {
                let wire = self.wire.as_mut().ok_or_else(|| not_open(OP))?;
                wire.rest(OP, self.next_search.min(end)).await?;
                if has_looked && self.next_search > end {
                    return Ok(self.pad.lies.clone());
                }
            }
            let lies = self.search(OP).await?;
            if lies != *known {
                return Ok(lies);
            }
            has_looked = true;
        }
    }

    async fn select(&mut self, uid: &Uid) -> Result<Target, CardFault> {
        const OP: &str = "select";
        self.is_searching = false;
        self.selected = None;
        let wire = self.wire.as_mut().ok_or_else(|| CardFault::Coupler(not_open(OP)))?;
        let found = find(wire, OP, &command::select(uid)).await.map_err(CardFault::Coupler)?;
        self.selected = found.first.filter(|target| target.uid == *uid);
        self.selected()
    }

    async fn authenticate(&mut self, block: u8, slot: KeySlot, key: &Key) -> Result<(), CardFault> {
        let uid = self.selected()?.uid;
        self.exchange("authenticate", &command::authenticate(block, slot, key, &uid)).await.map(drop)
    }

    async fn read_block(&mut self, block: u8) -> Result<Block, CardFault> {
        let data = self.exchange("read", &command::read(block)).await?;
        command::block(data).ok_or(CardFault::Garbled)
    }

    async fn write_block(&mut self, block: u8, content: &Block) -> Result<(), CardFault> {
        self.exchange("write", &command::write(block, content)).await.map(drop)
    }

    async fn change_value(&mut self, block: u8, change: ValueChange) -> Result<(), CardFault> {
        const OP: &str = "change value";
        let (operation, amount) = match change {
            ValueChange::Increment(amount) => (command::card::INCREMENT, amount),
            ValueChange::Decrement(amount) => (command::card::DECREMENT, amount),
        };
        self.exchange(OP, &command::change(operation, block, amount)).await?;
        self.exchange(OP, &command::transfer(block)).await.map(drop)
    }

    async fn copy_value(&mut self, from: u8, to: u8) -> Result<(), CardFault> {
        const OP: &str = "copy value";
        self.exchange(OP, &command::restore(from)).await?;
        self.exchange(OP, &command::transfer(to)).await.map(drop)
    }

    async fn release(&mut self) {
        self.selected = None;
        // Whoever looks or selects next finds out if the chip is gone.
        let _ = self.exchange("release", &command::release()).await;
    }

    async fn close(&mut self) {
        const OP: &str = "close";
        self.selected = None;
        self.is_searching = false;
        let Some(mut wire) = self.wire.take() else { return };
        // A chip that does not take it any more is left all the same.
        let _ = timeout(FAREWELL, async {
            for command in [command::release(), command::field(false), command::power_down()] {
                wire.ask(OP, &command, PLAIN).await?;
            }
            Ok::<_, Error>(())
        })
        .await;
        wire.end().await;
    }
}

/// What lies on the pad, from what single searches see: a card at the edge of the field misses some.
#[derive(Debug, Default)]
struct WatchedPad {
    lies: Pad,
    misses: u32,
    last_seen: Option<Instant>,
}

impl WatchedPad {
    fn sees(&mut self, seen: Pad, now: Instant) {
        if seen == Pad::Empty && self.lies != Pad::Empty {
            self.misses += 1;
            let for_long =
                self.last_seen.is_none_or(|seen| now.saturating_duration_since(seen) >= LIFTED_AFTER);
            if self.misses < LIFTED_AFTER_MISSES || !for_long {
                return;
            }
        } else if seen != Pad::Empty {
            self.last_seen = Some(now);
        }
        self.misses = 0;
        self.lies = seen;
    }

    /// Whether something lies there and does not seem to be on its way out.
    fn has_card(&self) -> bool {
        self.lies != Pad::Empty && self.misses == 0
    }
}

fn not_open(op: &'static str) -> Error {
    Error::new(ErrorKind::Internal, op).with_detail("the coupler is not open")
}

fn no_answer(op: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, op).with_detail("the PN532 answers with too few bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CardKind;

    fn card(first: u8) -> Pad {
        let uid = Uid::try_from(&[first, 2, 3, 4][..]).unwrap();
        Pad::Card(Target { uid, kind: CardKind::Classic1K })
    }

    /// What a pad shows after each of these searches, at these milliseconds.
    fn shown(searches: &[(u64, Pad)]) -> Vec<Pad> {
        let start = Instant::now();
        let mut pad = WatchedPad::default();
        let show = |(at, seen): &(u64, Pad)| {
            pad.sees(seen.clone(), start + Duration::from_millis(*at));
            pad.lies.clone()
        };
        searches.iter().map(show).collect()
    }

    #[test]
    fn a_card_is_lifted_after_three_misses_and_half_a_second_whichever_is_later() {
        let quick =
            [(0, card(1)), (100, Pad::Empty), (200, Pad::Empty), (300, Pad::Empty), (500, Pad::Empty)];
        assert_eq!(shown(&quick), [card(1), card(1), card(1), card(1), Pad::Empty]);
        let slow = [(0, card(1)), (1000, Pad::Empty), (2000, Pad::Empty), (3000, Pad::Empty)];
        assert_eq!(shown(&slow), [card(1), card(1), card(1), Pad::Empty]);
    }

    #[test]
    fn a_hit_in_between_counts_from_the_beginning_and_a_swap_is_seen_at_once() {
        let edge = [
            (0, card(1)),
            (300, Pad::Empty),
            (600, Pad::Empty),
            (700, card(1)),
            (1000, Pad::Empty),
            (1300, card(2)),
            (1400, Pad::Several),
        ];
        let lies = shown(&edge);
        assert_eq!(lies[..5], [card(1), card(1), card(1), card(1), card(1)]);
        assert_eq!(lies[5..], [card(2), Pad::Several]);
    }
}
