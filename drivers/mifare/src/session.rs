//! A session with one pad: what lies there becomes reads.

use std::fmt;
use std::time::Duration;

use rfid_core::abilities::CardAccess;
use rfid_core::{AirProtocol, Error, ErrorKind, ReadBuf, ReaderInfo, Result, Session, TagIdKind};
use tokio::time::Instant;

use crate::card::{Card, error};
use crate::config::Checked;
use crate::coupler::{CardFault, Coupler, Pad, Target};
use crate::model::Uid;

/// How long an empty pad is waited for in one go; after it `read` returns as a sign of life.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a card that lies there and answers only in part is read before it counts as one that
/// proves nothing (§6).
const CHECKS: u32 = 3;

/// The one antenna of a pad.
const ANTENNA: u16 = 1;

/// A session with one pad.
pub(crate) struct MifareSession {
    pub(crate) coupler: Box<dyn Coupler>,
    pub(crate) config: Checked,
    phase: Phase,
}

/// Where the session stands.
#[derive(Debug)]
enum Phase {
    Closed,
    Idle,
    Reading(Watched),
}

/// What lies on the pad, and what is known of it.
#[derive(Debug, Default)]
struct Watched {
    pad: Pad,
    proof: Proof,
    /// When `read` returns at the latest: with the card once more, or as a sign of life. Kept while
    /// calls are dropped.
    due: Option<Instant>,
    /// Whether the card was reported at all.
    is_known: bool,
}

impl Watched {
    /// Whether a card was seen and its first read not handed over: the call was dropped in between,
    /// or the buffer was full.
    fn owes_a_read(&self) -> bool {
        matches!(self.pad, Pad::Card(_)) && !self.is_known
    }
}

/// Whether the card proved to be the one that its UID names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Not known yet, after so many tries.
    Open(u32),
    /// `None` where there is no key to check with.
    Known(Option<bool>),
}

impl Default for Proof {
    fn default() -> Self {
        Self::Open(0)
    }
}

impl fmt::Debug for MifareSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MifareSession").field("config", &self.config).finish_non_exhaustive()
    }
}

impl MifareSession {
    pub(crate) fn new(config: Checked, coupler: Box<dyn Coupler>) -> Self {
        Self { coupler, config, phase: Phase::Closed }
    }
}

impl Session for MifareSession {
    async fn open(&mut self) -> Result<ReaderInfo> {
        let info = self.coupler.open().await?;
        self.phase = Phase::Idle;
        Ok(ReaderInfo {
            model: info.model,
            firmware: info.firmware,
            serial: info.serial,
            protocols: vec![AirProtocol::Iso14443a],
            antenna_ports: vec![ANTENNA],
            silence_limit: 5 * PATIENCE,
        })
    }

    async fn start(&mut self) -> Result<()> {
        match self.phase {
            Phase::Closed => Err(not_open("start")),
            Phase::Idle | Phase::Reading(_) => {
                self.coupler.release().await;
                self.phase = Phase::Reading(Watched::default());
                Ok(())
            }
        }
    }

    /// A card is reported as soon as it is known whether it is authentic, and again and again as
    /// long as it lies there: whoever lifts it falls silent, which presence notices.
    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        let Phase::Reading(watched) = &mut self.phase else { return Err(not_open("read")) };
        let due = *watched.due.get_or_insert_with(|| Instant::now() + PATIENCE);
        let pad = if watched.owes_a_read() {
            watched.pad.clone()
        } else {
            self.coupler.look(&watched.pad, due.saturating_duration_since(Instant::now())).await?
        };
        let is_due = Instant::now() >= due;
        if is_due {
            watched.due = None;
        }
        if pad != watched.pad {
            say(&pad);
            *watched = Watched { pad, ..Watched::default() };
        }
        let Pad::Card(target) = watched.pad else { return Ok(()) };
        if watched.is_known && !is_due {
            return Ok(());
        }
        if let Proof::Open(tries) = watched.proof {
            let checked = match &self.config.reading {
                // The keys are derived from the UID, and of this one nobody knows anything.
                _ if target.uid.is_random() => Ok(None),
                None => Ok(None),
                Some(keys) => {
                    let checked = match Card::select(&mut *self.coupler, target.uid).await {
                        Ok(mut card) => keys.is_authentic(&mut card).await.map(Some),
                        Err(fault) => Err(fault),
                    };
                    self.coupler.release().await;
                    checked
                }
            };
            watched.proof = match checked {
                Ok(authentic) => Proof::Known(authentic),
                Err(CardFault::Coupler(error)) => return Err(error),
                // Gone again: the next look says so.
                Err(CardFault::Gone) => {
                    watched.pad = Pad::Empty;
                    return Ok(());
                }
                Err(_) if tries + 1 < CHECKS => Proof::Open(tries + 1),
                // What cannot be read proves nothing.
                Err(_) => Proof::Known(Some(false)),
            };
        }
        let Proof::Known(authentic) = watched.proof else { return Ok(()) };
        if authentic == Some(false) && !watched.is_known {
            tracing::warn!(uid = %target.uid, "a card carries no record that was signed for it");
        }
        if report(buf, &target, authentic) {
            watched.is_known = true;
            watched.due = Some(Instant::now() + self.config.repeat);
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        if let Phase::Reading(_) = self.phase {
            self.phase = Phase::Idle;
            self.coupler.release().await;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.phase = Phase::Closed;
        self.coupler.close().await;
        Ok(())
    }

    /// While no inventory runs: a reader does one thing at a time.
    fn card_access(&mut self) -> Option<&mut dyn CardAccess> {
        matches!(self.phase, Phase::Idle).then_some(self as _)
    }
}

/// Adds a read to the buffer; whether it fitted.
fn report(buf: &mut ReadBuf, target: &Target, authentic: Option<bool>) -> bool {
    let Ok(read) = buf.record(TagIdKind::Iso14443Uid, target.uid.bytes()) else { return false };
    read.set_antenna_port(ANTENNA).set_protocol(AirProtocol::Iso14443a);
    if target.uid.is_random() {
        read.set_random_id();
    }
    if let Some(authentic) = authentic {
        read.set_authentic(authentic);
    }
    true
}

/// Says once what makes no visit.
fn say(pad: &Pad) {
    match pad {
        Pad::Card(target) if target.uid.is_random() => {
            tracing::debug!(kind = target.kind.name(), "a card makes up its UID and so names nobody");
        }
        Pad::Several => tracing::warn!("several cards lie on the pad; lay on one only"),
        Pad::Unreadable => tracing::warn!("something lies on the pad and does not answer; lay it flat"),
        Pad::Card(_) | Pad::Empty => {}
    }
}

fn not_open(op: &'static str) -> Error {
    Error::new(ErrorKind::Internal, op).with_detail("the session is not open or its inventory does not run")
}

/// The card on the pad.
///
/// # Errors
/// `TagLost` unless exactly one card lies there and answers.
pub(crate) async fn only_card(op: &'static str, coupler: &mut dyn Coupler) -> Result<Target> {
    let detail = match coupler.look(&Pad::Empty, Duration::from_secs(1)).await? {
        Pad::Card(target) => return Ok(target),
        Pad::Empty => "no card lies on the pad",
        Pad::Several => {
            let detail = "several cards lie on the pad; lay on one only";
            return Err(Error::new(ErrorKind::TagLost, op).with_detail(detail).with_source(SeveralCards));
        }
        Pad::Unreadable => "what lies on the pad does not answer; lay it flat, or try another card",
    };
    Err(Error::new(ErrorKind::TagLost, op).with_detail(detail))
}

/// Why nothing is done with a card: it does not lie there alone. The source of an error, for whoever tells that from
/// an empty pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeveralCards;

impl std::fmt::Display for SeveralCards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("more than one card answers")
    }
}

impl std::error::Error for SeveralCards {}

/// The card with this UID, ready for commands.
pub(crate) async fn named_card<'a>(
    op: &'static str,
    coupler: &'a mut dyn Coupler,
    id: &rfid_core::TagId,
) -> Result<Card<'a>> {
    let named = match id.kind() {
        TagIdKind::Iso14443Uid => Uid::try_from(id.bytes()).ok(),
        _ => None,
    };
    // At once, without waiting for the next search: a dump asks for each sector.
    if let Some(uid) = named {
        match coupler.select(&uid).await {
            Ok(_) => return Ok(Card::selected(coupler, uid)),
            Err(CardFault::Gone) => {}
            Err(fault) => return Err(error(op, fault)),
        }
    }
    let target = only_card(op, coupler).await?;
    if named != Some(target.uid) {
        let detail = format!("another card lies on the pad: {}", target.uid);
        return Err(Error::new(ErrorKind::TagLost, op).with_detail(detail));
    }
    Card::select(coupler, target.uid).await.map_err(|fault| error(op, fault))
}
