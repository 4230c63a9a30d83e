//! What becomes of cards on a pad behind presence, with the settings of a desk.

use std::time::Duration;

use rfid_core::presence::{Outcome, Presence, PresenceSettings, ReaderIndex, ReaderPlace, ZoneMap};
use rfid_core::{
    DynSession, Event, EventKind, Listening, Name, ReadBuf, ReaderSetup, Settings, Stamp, TagId, TagIdKind,
    UtcTime,
};
use rfid_driver_mifare::model::Uid;
use rfid_driver_mifare::session_over;
use rfid_driver_mifare::sim::{SimulatedCard, SimulatedPad};
use tokio::time::Instant;

/// As the front page of the crate recommends.
const DESK: &str =
    "confirm_reads = 1\nlost_after = \"1s\"\nrevisit_within = \"0s\"\nstationary_after = \"40d\"\n";

struct Desk {
    pad: SimulatedPad,
    session: Box<dyn DynSession>,
    presence: Presence,
    began: Instant,
    /// How often the session was asked.
    turns: u32,
}

const READER: ReaderIndex = ReaderIndex(0);

impl Desk {
    async fn new(more: &str) -> Self {
        let pad = SimulatedPad::default();
        let settings = Settings::from_toml(&format!("transport = \"pcsc\"\n{more}")).unwrap();
        let mut session = session_over(&settings, &ReaderSetup::named("desk"), pad.clone()).unwrap();
        session.open().await.unwrap();
        session.start().await.unwrap();
        let rules: PresenceSettings = Settings::from_toml(DESK).unwrap().parse().unwrap();
        let place = ReaderPlace {
            reader: Name::from("desk"),
            branch: None,
            zones: ZoneMap::ByPort(vec![(1, Name::from("pad"))]),
        };
        let began = Instant::now();
        let mut presence = Presence::new(Name::from("desk"), rules, &[place]);
        presence.set_listening(READER, &Listening::All, stamp(began));
        Self { pad, session, presence, began, turns: 0 }
    }

    /// What presence says while this long passes.
    async fn wait(&mut self, millis: u64) -> Vec<Event> {
        let end = Instant::now() + Duration::from_millis(millis);
        let (mut buf, mut outcome) = (ReadBuf::with_capacity(8), Outcome::default());
        while Instant::now() < end {
            let due = self.presence.next_due().map(|due| self.began + due).unwrap_or(end).min(end);
            let due = due.max(Instant::now() + Duration::from_millis(1));
            if let Ok(outcome) = tokio::time::timeout_at(due, self.session.read(&mut buf)).await {
                outcome.unwrap();
                self.turns += 1;
            }
            buf.set_received(stamp(self.began));
            self.presence.observe(READER, &buf, &mut outcome);
            buf.clear();
            while self.presence.advance(stamp(self.began), 100, &mut outcome) {}
        }
        outcome.events
    }

    async fn said(&mut self, millis: u64) -> Vec<(EventKind, TagId)> {
        self.wait(millis).await.into_iter().map(|event| (event.kind, event.tag)).collect()
    }
}

fn stamp(began: Instant) -> Stamp {
    let monotonic = began.elapsed();
    Stamp { monotonic, utc: UtcTime::from_nanos(1_800_000_000_000_000_000).plus(monotonic) }
}

fn card(number: u8) -> SimulatedCard {
    SimulatedCard::classic_1k(Uid::try_from([number, 2, 3, 4].as_slice()).unwrap())
}

fn id(number: u8) -> TagId {
    TagId::new(TagIdKind::Iso14443Uid, &[number, 2, 3, 4]).unwrap()
}

use EventKind::{Arrived, Departed};

#[tokio::test(start_paused = true)]
async fn a_card_arrives_once_stays_without_a_word_and_departs_once() {
    let mut desk = Desk::new("").await;
    desk.pad.lay(card(1));
    assert_eq!(desk.said(100).await, [(Arrived, id(1))]);
    assert_eq!(desk.said(3_600_000).await, [], "an hour on the pad");
    desk.pad.lift();
    assert_eq!(desk.said(700).await, []);
    assert_eq!(desk.said(10_000).await, [(Departed, id(1))]);
    desk.pad.lay(card(1));
    let again = desk.wait(100).await;
    assert_eq!((again[0].kind, again[0].revisit), (Arrived, false), "another visit");
}

#[tokio::test(start_paused = true)]
async fn a_card_at_the_edge_of_the_field_neither_departs_nor_arrives_again() {
    let mut desk = Desk::new("").await;
    desk.pad.lay(card(1));
    assert_eq!(desk.said(1_000).await, [(Arrived, id(1))]);
    for _ in 0..20 {
        let card = desk.pad.lift().unwrap();
        assert_eq!(desk.said(400).await, []);
        desk.pad.lay(card);
        assert_eq!(desk.said(300).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_swap_without_a_gap_is_a_departure_and_an_arrival() {
    let mut desk = Desk::new("").await;
    desk.pad.lay(card(1));
    assert_eq!(desk.said(1_000).await, [(Arrived, id(1))]);
    desk.pad.lay(card(2));
    assert_eq!(desk.said(5_000).await, [(Arrived, id(2)), (Departed, id(1))]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_pad_costs_next_to_nothing() {
    let mut desk = Desk::new("").await;
    assert_eq!(desk.said(60_000).await, []);
    assert!(desk.turns <= 60, "{} turns in a minute", desk.turns);
}

#[tokio::test(start_paused = true)]
async fn a_uid_that_the_card_made_up_is_nobody() {
    let mut desk = Desk::new("").await;
    desk.pad.lay(card(8));
    assert_eq!(desk.said(10_000).await, []);
    let counts = desk.presence.counts();
    assert!(counts.no_identity > 9, "it was read, and counted as nobody: {counts:?}");
    assert_eq!((counts.tracked, counts.present), (0, 0), "nothing is kept of it");
    desk.pad.lay(card(1));
    assert_eq!(desk.said(100).await, [(Arrived, id(1))], "the next one is somebody");
}

#[tokio::test(start_paused = true)]
async fn a_card_without_a_signature_arrives_in_doubt() {
    let mut desk = Desk::new(
        "read_secret = \"0102030405060708090a0b0c0d0e0f10\"\nrecord_secret = \"1112131415161718191a1b1c1d1e1f20\"\n",
    )
    .await;
    desk.pad.lay(card(1));
    let events = desk.wait(1_000).await;
    assert_eq!((events.len(), events[0].authentic), (1, Some(false)));
}
