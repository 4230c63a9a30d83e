//! Presence against a model that is too simple to be wrong: no wheel, no slab, every tag looked
//! at in every tick, covered time counted tick by tick, all silences kept in a list.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rfid_core::Listening;
use rfid_core::presence::{
    LostAdaptive, Outcome, Presence, PresenceSettings, ReaderIndex, ReaderPlace, VisitCheckpoint, ZoneMap,
    ZoneSettings,
};
use rfid_core::{DurationText, Event, Name, ReadBuf, Stamp, TagId, TagIdKind, UtcTime};

const TICK: u64 = 100;
const ZONES: [&str; 2] = ["door", "hall"];

#[derive(Clone, Debug)]
enum Step {
    Read { tag: u8, zone: usize, count: u16 },
    Pass { ticks: u64 },
    Listen { zone: usize, listening: bool },
}

/// What is compared of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    at: u64,
    tag: u8,
    kind: &'static str,
    zone: &'static str,
    reads: u64,
    revisit: bool,
    dwell: u64,
    gap: u64,
}

#[derive(Clone, Debug)]
struct Visit {
    zone: usize,
    reads: u64,
    first: u64,
    last: u64,
    last_covered: u64,
    arrived: u64,
    said_at: u64,
    here: u64,
    elsewhere: Option<(u64, u64)>,
    /// When each silence ended, and how long it was while somebody listened.
    silences: Vec<(u64, u64)>,
}

#[derive(Clone, Debug)]
struct Glimpse {
    since: u64,
    reads: u64,
    lately: u64,
    lately_reads: u64,
}

#[derive(Clone, Debug)]
enum Stay {
    Present,
    Aside,
    Away(u64),
}

#[derive(Clone, Debug, Default)]
struct Tag {
    visit: Option<(Visit, Option<Stay>)>,
    glimpse: Option<Glimpse>,
}

struct Model {
    settings: PresenceSettings,
    now: u64,
    covered: [u64; 2],
    listening: [bool; 2],
    tags: BTreeMap<u8, Tag>,
    said: Vec<Said>,
}

fn millis(span: DurationText) -> u64 {
    span.0.as_millis() as u64
}

impl Model {
    fn own(&self, zone: usize) -> ZoneSettings {
        self.settings.zones.get(ZONES[zone]).cloned().unwrap_or_default()
    }

    fn lost_after(&self, visit: &Visit) -> u64 {
        let own = self.own(visit.zone);
        let adaptive = match (own.lost_adaptive, own.lost_after) {
            (Some(adaptive), _) => Some(adaptive),
            (None, Some(_)) => None,
            (None, None) => self.settings.lost_adaptive,
        };
        let Some(LostAdaptive { at_least, at_most }) = adaptive else {
            return millis(own.lost_after.unwrap_or(self.settings.lost_after));
        };
        // Whole tenths of a second, half of them for each two minutes of the visit since.
        let turn = |at: u64| (at - visit.first) / 120_000;
        let latest = turn(visit.last);
        let faded =
            |(at, silence): &(u64, u64)| (silence.div_ceil(100) >> (latest - turn(*at)).min(63)) * 100;
        let longest = visit.silences.iter().map(faded).max().unwrap_or(0);
        (3 * longest).max(millis(at_least)).min(millis(at_most).max(millis(at_least)))
    }

    fn revisit_within(&self, zone: usize) -> u64 {
        millis(self.own(zone).revisit_within.unwrap_or(self.settings.revisit_within))
    }

    fn stationary_after(&self, zone: usize) -> u64 {
        millis(self.own(zone).stationary_after.unwrap_or(self.settings.stationary_after))
    }

    fn say(&mut self, tag: u8, kind: &'static str, visit: &mut Visit, revisit: bool) {
        self.say_at(self.now, tag, kind, visit, revisit);
    }

    fn say_at(&mut self, at: u64, tag: u8, kind: &'static str, visit: &mut Visit, revisit: bool) {
        let silence = at - visit.last;
        self.said.push(Said {
            at,
            tag,
            kind,
            zone: ZONES[visit.zone],
            reads: visit.reads,
            revisit,
            dwell: visit.last - visit.first,
            gap: silence - (self.covered[visit.zone] - visit.last_covered).min(silence),
        });
        visit.said_at = at;
    }

    fn read(&mut self, number: u8, zone: usize, count: u64) {
        self.catch_up(number);
        let mut tag = self.tags.remove(&number).unwrap_or_default();
        match tag.visit.take() {
            Some((visit, Some(Stay::Present))) => {
                tag.visit = Some((self.hear(number, zone, count, visit), Some(Stay::Present)));
            }
            Some((mut visit, Some(Stay::Aside))) => {
                visit.silences.push((self.now, self.covered[visit.zone] - visit.last_covered));
                if visit.zone != zone {
                    visit.silences.clear();
                }
                (visit.reads, visit.last, visit.zone) = (visit.reads + count, self.now, zone);
                visit.last_covered = self.covered[zone];
                tag.visit = Some((visit, Some(Stay::Aside)));
            }
            away => {
                let now = self.now;
                let new = Glimpse { since: now, reads: 0, lately: now, lately_reads: 0 };
                let glimpse = tag.glimpse.get_or_insert(new);
                if now - glimpse.lately >= 2000 {
                    (glimpse.lately, glimpse.lately_reads) = (now, 0);
                }
                glimpse.reads += count;
                glimpse.lately_reads += count;
                let Glimpse { since, reads, lately, lately_reads } = *glimpse;
                let own = self.own(zone);
                let confirmed = reads >= u64::from(own.confirm_reads.unwrap_or(self.settings.confirm_reads))
                    || (lately_reads >= 2
                        && self.now - lately
                            >= millis(own.confirm_within.unwrap_or(self.settings.confirm_within)));
                tag.visit = away;
                if confirmed {
                    tag.glimpse = None;
                    let before = tag.visit.take().map(|(visit, _)| visit);
                    tag.visit = Some((self.arrive(number, zone, since, reads, before), Some(Stay::Present)));
                }
            }
        }
        self.tags.insert(number, tag);
    }

    fn arrive(&mut self, tag: u8, zone: usize, since: u64, reads: u64, before: Option<Visit>) -> Visit {
        let revisit = before.is_some();
        let (first, earlier) = before.map_or((since, 0), |visit| (visit.first, visit.reads));
        let mut visit = Visit {
            zone,
            reads: earlier + reads,
            first,
            last: self.now,
            last_covered: self.covered[zone],
            arrived: self.now,
            said_at: 0,
            here: self.now,
            elsewhere: None,
            silences: Vec::new(),
        };
        self.say(tag, "arrived", &mut visit, revisit);
        visit
    }

    fn hear(&mut self, tag: u8, zone: usize, count: u64, mut visit: Visit) -> Visit {
        visit.silences.push((self.now, self.covered[visit.zone] - visit.last_covered));
        visit.reads += count;
        visit.last = self.now;
        let mut moved = false;
        if zone == visit.zone {
            visit.here = self.now;
        } else {
            let (reads, last) = visit.elsewhere.unwrap_or((0, self.now));
            let reads = if self.now - last >= 2000 { 0 } else { reads } + count;
            visit.elsewhere = Some((reads, self.now));
            // Without signal strength: six decibels are gone 1.25 s after the old zone was heard.
            moved = reads >= 2 && self.now - visit.here > 1250;
        }
        if moved {
            visit.zone = zone;
            visit.here = self.now;
            visit.elsewhere = None;
            visit.silences.clear();
        }
        visit.last_covered = self.covered[visit.zone];
        let every = self.own(visit.zone).repeat_every.or(self.settings.repeat_every);
        if moved {
            self.say(tag, "moved", &mut visit, false);
        } else if every.is_some_and(|every| self.now - visit.said_at >= millis(every)) {
            self.say(tag, "seen", &mut visit, false);
        }
        visit
    }

    fn tick(&mut self) {
        self.now += TICK;
        for zone in 0..ZONES.len() {
            self.covered[zone] += if self.listening[zone] { TICK } else { 0 };
        }
        let numbers: Vec<u8> = self.tags.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.catch_up(number));
    }

    fn catch_up(&mut self, number: u8) {
        let Some(mut tag) = self.tags.remove(&number) else { return };
        tag.glimpse =
            tag.glimpse.filter(|glimpse| self.now - glimpse.since < millis(self.settings.glimpse_lasts));
        if let Some((visit, stay)) = &mut tag.visit {
            let is_lost = self.covered[visit.zone] - visit.last_covered >= self.lost_after(visit);
            let aside_at = (visit.arrived + self.stationary_after(visit.zone)).max(visit.said_at);
            let is_aside = aside_at <= self.now && (!is_lost || aside_at < self.now);
            if let Some(Stay::Present) = stay
                && is_aside
            {
                self.say_at(aside_at, number, "set aside", visit, false);
                *stay = Some(Stay::Aside);
            }
            if let Some(Stay::Present) = stay
                && is_lost
            {
                self.say(number, "departed", visit, false);
            }
            if let Some(Stay::Present | Stay::Aside) = stay
                && is_lost
            {
                *stay = Some(Stay::Away(self.now));
            }
            // What has just departed may be over for good in the same tick.
            if let Some(Stay::Away(gone)) = stay
                && self.now - *gone >= self.revisit_within(visit.zone)
                && tag.glimpse.is_none()
            {
                *stay = None;
            }
        }
        tag.visit = tag.visit.filter(|(_, stay)| stay.is_some());
        if tag.visit.is_some() || tag.glimpse.is_some() {
            self.tags.insert(number, tag);
        }
    }

    fn counts(&self) -> (u64, u64, u64) {
        let stays = |wanted: fn(&Stay) -> bool| {
            let stays = self.tags.values().filter_map(|tag| tag.visit.as_ref()?.1.as_ref());
            stays.filter(|stay| wanted(stay)).count() as u64
        };
        let glimpses = self.tags.values().filter(|tag| tag.glimpse.is_some()).count() as u64;
        let tracked = stays(|_| true) + glimpses;
        (tracked, stays(|stay| matches!(stay, Stay::Present)), stays(|stay| matches!(stay, Stay::Aside)))
    }
}

struct Real {
    presence: Presence,
    now: Duration,
    outcome: Outcome,
}

impl Real {
    fn new(settings: PresenceSettings) -> Self {
        let places: Vec<ReaderPlace> = ZONES
            .iter()
            .map(|zone| ReaderPlace {
                reader: Name::from(*zone),
                branch: None,
                zones: ZoneMap::Whole(Name::from(*zone)),
            })
            .collect();
        let presence = Presence::new(Name::from("model"), settings, &places);
        Self { presence, now: Duration::ZERO, outcome: Outcome::default() }
    }

    fn stamp(&self) -> Stamp {
        Stamp { monotonic: self.now, utc: UtcTime::default().plus(self.now) }
    }

    fn read(&mut self, tag: u8, zone: usize, count: u16) {
        let mut batch = ReadBuf::with_capacity(1);
        batch.record(TagIdKind::Epc, &[tag]).unwrap().set_count(count);
        batch.set_received(self.stamp());
        self.presence.observe(ReaderIndex(zone as u16), &batch, &mut self.outcome);
    }

    fn listen(&mut self, zone: usize, listening: bool) {
        let listening = if listening { Listening::All } else { Listening::None };
        self.presence.set_listening(ReaderIndex(zone as u16), &listening, self.stamp());
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        while self.presence.advance(self.stamp(), 1, &mut self.outcome) {}
    }

    fn said(&mut self) -> Vec<Said> {
        let events = std::mem::take(&mut self.outcome.events);
        let said = |event: Event| Said {
            at: event.time.as_nanos() / 1_000_000,
            tag: event.tag.bytes()[0],
            kind: if event.set_aside { "set aside" } else { event.kind.name() },
            zone: ZONES[usize::from(event.zone.as_str() == ZONES[1])],
            reads: event.read_count,
            revisit: event.revisit,
            dwell: event.dwell_ms,
            gap: event.coverage_gap_ms,
        };
        events.into_iter().map(said).collect()
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (0u8..4, 0usize..2, 1u16..4).prop_map(|(tag, zone, count)| Step::Read { tag, zone, count }),
        20 => (1u64..8).prop_map(|ticks| Step::Pass { ticks }),
        5 => (10u64..120).prop_map(|ticks| Step::Pass { ticks }),
        1 => (800u64..1500).prop_map(|ticks| Step::Pass { ticks }),
        5 => (0usize..2, any::<bool>()).prop_map(|(zone, listening)| Step::Listen { zone, listening }),
    ]
}

fn ticks(ticks: u64) -> DurationText {
    DurationText(Duration::from_millis(ticks * TICK))
}

fn adaptive() -> impl Strategy<Value = LostAdaptive> {
    (1u64..20, 10u64..60)
        .prop_map(|(at_least, at_most)| LostAdaptive { at_least: ticks(at_least), at_most: ticks(at_most) })
}

/// Figures of one zone, most of them left out.
fn zone() -> impl Strategy<Value = ZoneSettings> {
    use proptest::option::weighted;
    let parts = (
        weighted(0.4, 1u16..5),
        weighted(0.4, 1u64..6),
        weighted(0.4, 1u64..50),
        weighted(0.2, adaptive()),
        weighted(0.4, 0u64..80),
        weighted(0.4, 1u64..30),
        weighted(0.4, 1u64..100),
    );
    parts.prop_map(
        |(confirm_reads, confirm_within, lost, lost_adaptive, revisit, repeat_every, stationary)| {
            ZoneSettings {
                confirm_reads,
                confirm_within: confirm_within.map(ticks),
                lost_after: lost.map(ticks),
                lost_adaptive,
                revisit_within: revisit.map(ticks),
                repeat_every: repeat_every.map(ticks),
                stationary_after: stationary.map(ticks),
            }
        },
    )
}

fn settings() -> impl Strategy<Value = PresenceSettings> {
    use proptest::option::of;
    let zones = proptest::collection::btree_map(0usize..ZONES.len(), zone(), 0..=ZONES.len());
    let pipeline =
        (1u16..5, 1u64..6, 20u64..60, 1u64..50, of(adaptive()), 0u64..80, of(1u64..30), 1u64..400, zones);
    pipeline.prop_map(
        |(confirm_reads, confirm_within, glimpse, lost, adaptive, revisit, repeat, stationary, zones)| {
            PresenceSettings {
                confirm_reads,
                confirm_within: ticks(confirm_within),
                glimpse_lasts: ticks(glimpse),
                lost_after: ticks(lost),
                lost_adaptive: adaptive,
                revisit_within: ticks(revisit),
                repeat_every: repeat.map(ticks),
                stationary_after: ticks(stationary),
                max_tags: 100,
                zones: zones.into_iter().map(|(zone, own)| (ZONES[zone].to_owned(), own)).collect(),
                ..PresenceSettings::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn says_what_the_model_says(
        settings in settings(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut model = Model {
            settings: settings.clone(),
            now: 0,
            covered: [0; 2],
            listening: [false; 2],
            tags: BTreeMap::new(),
            said: Vec::new(),
        };
        let mut real = Real::new(settings);
        for step in steps {
            match step {
                Step::Read { tag, zone, count } => {
                    model.read(tag, zone, u64::from(count));
                    real.read(tag, zone, count);
                }
                Step::Pass { ticks } => {
                    for _ in 0..ticks {
                        model.tick();
                        real.pass(Duration::from_millis(TICK));
                    }
                }
                Step::Listen { zone, listening } => {
                    model.listening[zone] = listening;
                    real.listen(zone, listening);
                }
            }
            let mut expected = std::mem::take(&mut model.said);
            let mut said = real.said();
            expected.sort();
            said.sort();
            prop_assert_eq!(said, expected);
        }
        let counts = real.presence.counts();
        prop_assert_eq!((counts.tracked, counts.present, counts.set_aside), model.counts());
    }

    /// Whoever has every event and no checkpoint knows the same of the visits.
    #[test]
    fn events_tell_what_a_checkpoint_would(
        settings in settings(),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut real = Real::new(settings);
        let mut told: BTreeMap<TagId, VisitCheckpoint> = BTreeMap::new();
        for step in steps {
            let is_read = matches!(step, Step::Read { .. });
            match step {
                Step::Read { tag, zone, count } => real.read(tag, zone, count),
                Step::Pass { ticks } => real.pass(Duration::from_millis(ticks * TICK)),
                Step::Listen { zone, listening } => real.listen(zone, listening),
            }
            let Outcome { events, forgotten } = std::mem::take(&mut real.outcome);
            for event in &events {
                let before = told.get(&event.tag);
                prop_assert_eq!(VisitCheckpoint::after("another", before, event), None);
                let after = VisitCheckpoint::after("model", before, event);
                prop_assert!(after.is_some(), "{event:?} follows {before:?}");
                prop_assert_eq!(VisitCheckpoint::after("model", after.as_ref(), event), None);
                told.extend(after.map(|visit| (event.tag, visit)));
            }
            for tag in forgotten {
                told.remove(&tag);
            }
            prop_assert_eq!(real.presence.checkpoints().count(), told.len());
            for (tag, told) in &told {
                let kept = real.presence.checkpoint(tag).unwrap();
                // What comes between events is told with the next one.
                let heard_last =
                    events.last().filter(|event| is_read && event.tag == *tag && !event.set_aside);
                let expected = VisitCheckpoint {
                    departed: kept.departed.filter(|_| told.set_aside).or(told.departed),
                    set_aside: told.set_aside && kept.set_aside,
                    read_count: heard_last.map_or(kept.read_count, |event| event.read_count),
                    dwell_ms: heard_last.map_or(kept.dwell_ms, |event| Some(event.dwell_ms)),
                    last_seen: heard_last.map_or(kept.last_seen, |event| event.last_seen),
                    // Who is set aside moves in silence.
                    zone: if told.set_aside { kept.zone.clone() } else { told.zone.clone() },
                    reader: if told.set_aside { kept.reader.clone() } else { told.reader.clone() },
                    ..told.clone()
                };
                prop_assert_eq!(kept, expected);
            }
        }
    }

    /// Who notices late says the same as who looks every moment, in the same words.
    #[test]
    fn what_is_said_does_not_depend_on_when_time_is_looked_at(
        settings in settings(),
        steps in proptest::collection::vec((step(), 0u64..100_000_000), 1..120),
        often in 1u64..3_000,
    ) {
        let (mut seldom, mut busy) = (Real::new(settings.clone()), Real::new(settings));
        for (step, odd_nanos) in steps {
            match step {
                Step::Read { tag, zone, count } => {
                    seldom.read(tag, zone, count);
                    busy.read(tag, zone, count);
                }
                Step::Pass { ticks } => {
                    let span = Duration::from_nanos(ticks * 100_000_000 + odd_nanos);
                    seldom.now += span;
                    let end = busy.now + span;
                    while busy.now + Duration::from_millis(often) < end {
                        busy.pass(Duration::from_millis(often));
                    }
                    busy.now = end;
                }
                // What is due is said before it is known that nobody listens any more.
                Step::Listen { zone, listening } => {
                    seldom.pass(Duration::ZERO);
                    busy.pass(Duration::ZERO);
                    seldom.listen(zone, listening);
                    busy.listen(zone, listening);
                }
            }
        }
        for real in [&mut seldom, &mut busy] {
            real.pass(Duration::from_secs(100));
            real.pass(Duration::from_secs(500));
            real.outcome.events.sort_by_key(|event| (event.tag, event.time, event.event_id));
        }
        prop_assert_eq!(&seldom.outcome.events, &busy.outcome.events);
    }
}
