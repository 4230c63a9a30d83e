use super::*;
use crate::clock::UtcTime;
use crate::event::{EventId, EventKind};
use crate::settings::DurationText;
use crate::tag_id::TagIdKind;

const CARD: &[u8] = &[0x2D, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// A door with a zone of its own and a hall behind it, on one reader.
struct Door {
    presence: Presence,
    now: Stamp,
    outcome: Outcome,
}

const READER: ReaderIndex = ReaderIndex(0);

impl Door {
    fn new() -> Self {
        Self::with(PresenceSettings::default())
    }

    fn with(settings: PresenceSettings) -> Self {
        let place = ReaderPlace {
            reader: Name::from("hubin_door"),
            branch: Some(Name::from("hubin")),
            zones: ZoneMap::ByPort(vec![
                (1, Name::from("door")),
                (2, Name::from("door")),
                (3, Name::from("hall")),
            ]),
        };
        let now = Stamp { monotonic: Duration::ZERO, utc: UtcTime::from_nanos(1_800_000_000_000_000_000) };
        let mut presence = Presence::new(Name::from("hubin"), settings, &[place]);
        presence.set_listening(READER, &Listening::All, now);
        Self { presence, now, outcome: Outcome::default() }
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        for _ in 0..millis.div_ceil(100) {
            let step = Duration::from_millis(100);
            self.now = Stamp { monotonic: self.now.monotonic + step, utc: self.now.utc.plus(step) };
            while self.presence.advance(self.now, 1000, &mut self.outcome) {}
        }
        self
    }

    fn read(&mut self, port: u16) -> &mut Self {
        self.read_tag(CARD, port, None)
    }

    fn read_tag(&mut self, id: &[u8], port: u16, rssi_cdbm: Option<i16>) -> &mut Self {
        let mut batch = ReadBuf::with_capacity(1);
        let read = batch.record(TagIdKind::Epc, id).unwrap();
        read.set_antenna_port(port);
        if let Some(rssi) = rssi_cdbm {
            read.set_rssi_cdbm(rssi);
        }
        batch.set_received(self.now);
        self.presence.observe(READER, &batch, &mut self.outcome);
        self
    }

    /// Reads of these tags in one batch.
    fn read_together(&mut self, ids: &[&[u8]]) -> &mut Self {
        let mut batch = ReadBuf::with_capacity(ids.len());
        for id in ids {
            batch.record(TagIdKind::Epc, id).unwrap().set_antenna_port(1);
        }
        batch.set_received(self.now);
        self.presence.observe(READER, &batch, &mut self.outcome);
        self
    }

    fn listening(&mut self, listening: Listening) -> &mut Self {
        self.presence.set_listening(READER, &listening, self.now);
        self
    }

    /// Kinds and zones of the events since the last call.
    fn said(&mut self) -> Vec<(EventKind, String)> {
        let events = std::mem::take(&mut self.outcome.events);
        events.into_iter().map(|event| (event.kind, event.zone.to_string())).collect()
    }

    fn event(&mut self) -> Event {
        assert_eq!(self.outcome.events.len(), 1, "{:?}", self.outcome.events);
        self.outcome.events.remove(0)
    }
}

fn said(kind: EventKind, zone: &str) -> (EventKind, String) {
    (kind, zone.to_owned())
}

#[test]
fn three_reads_are_an_arrival() {
    let mut door = Door::new();
    door.read(1).read(1);
    assert_eq!(door.said(), []);
    let event = door.read(2).event();
    assert_eq!((event.kind, event.read_count), (EventKind::Arrived, 3));
    assert_eq!(event.antenna_port, Some(2));
    assert_eq!(event.branch.as_deref(), Some("hubin"));
    door.read(1);
    assert_eq!(door.said(), [], "an arrival is said once");
}

#[test]
fn a_tag_that_arrives_in_the_middle_of_a_batch_is_known_to_the_rest_of_it() {
    let mut door = Door::new();
    let event = door.read_together(&[CARD; 7]).event();
    assert_eq!((event.kind, event.read_count), (EventKind::Arrived, 3));
    assert_eq!(door.presence.counts().tracked, 1, "the reads behind its arrival are no glimpse");
    assert_eq!(door.wait(25_000).event().read_count, 7);
}

#[test]
fn a_place_that_changes_hands_in_the_middle_of_a_batch_is_not_taken_for_the_tag_that_was_there() {
    let other = [0x30; 12];
    let mut door = Door::new();
    door.read_together(&[CARD; 3]).wait(60_000);
    assert_eq!(door.said(), [said(EventKind::Arrived, "door"), said(EventKind::Departed, "door")]);
    // The visit is to be forgotten by now, and nobody has looked.
    let day = Duration::from_secs(86_400);
    door.now = Stamp { monotonic: door.now.monotonic + day, utc: door.now.utc.plus(day) };
    door.read_together(&[CARD, &other, &other, &other, CARD, CARD]);
    let arrived: Vec<TagId> = door.outcome.events.iter().map(|event| event.tag).collect();
    assert_eq!(arrived.iter().map(|tag| tag.bytes()).collect::<Vec<_>>(), [&other[..], CARD]);
}

#[test]
fn two_reads_that_lie_apart_are_an_arrival() {
    let event = Door::new().read(1).wait(300).read(1).event();
    assert_eq!((event.kind, event.read_count, event.dwell_ms), (EventKind::Arrived, 2, 300));
}

#[test]
fn a_ghost_read_is_forgotten_and_counted() {
    let glimpse_lasts = DurationText(Duration::from_secs(2));
    let mut door = Door::with(PresenceSettings { glimpse_lasts, ..PresenceSettings::default() });
    door.read(1).wait(2000);
    assert_eq!(door.presence.counts().unconfirmed, 1);
    assert_eq!(door.presence.counts().tracked, 0);
    door.read(1).read(1);
    assert_eq!(door.said(), [], "the first ghost does not count towards a later one");
}

#[test]
fn three_reads_in_five_minutes_are_an_arrival_and_two_that_lie_far_apart_are_none() {
    let mut door = Door::new();
    door.read(1).wait(10_000).read(1);
    assert_eq!(door.said(), [], "two reads support each other only within two seconds");
    let event = door.wait(10_000).read(1).event();
    assert_eq!((event.kind, event.read_count, event.dwell_ms), (EventKind::Arrived, 3, 20_000));
}

#[test]
fn merged_reads_count_as_many_as_they_stand_for() {
    let mut door = Door::new();
    let mut batch = ReadBuf::with_capacity(1);
    batch.record(TagIdKind::Epc, CARD).unwrap().set_antenna_port(1).set_count(40);
    batch.set_received(door.now);
    door.presence.observe(READER, &batch, &mut door.outcome);
    assert_eq!(door.event().read_count, 40);
}

#[test]
fn a_departure_comes_after_the_silence_and_tells_when_the_tag_was_last_heard() {
    let mut door = Door::new();
    let arrived = door.read(1).read(1).read(1).event();
    door.wait(5000).read(1).wait(19_900);
    assert_eq!(door.said(), []);
    let departed = door.wait(200).event();
    assert_eq!(departed.kind, EventKind::Departed);
    assert_eq!(departed.dwell_ms, 5000);
    assert_eq!(departed.last_seen, arrived.time.plus(Duration::from_secs(5)));
    assert_eq!(departed.coverage_gap_ms, 0);
    assert_eq!(door.presence.counts().present, 0);
}

#[test]
fn an_outage_is_not_an_exit() {
    let mut door = Door::new();
    door.read(1).read(1).read(1).said();
    door.wait(1000).listening(Listening::None).wait(3_600_000);
    assert_eq!(door.said(), [], "nobody leaves while nobody listens");
    door.listening(Listening::All).wait(10_000).read(1);
    assert_eq!(door.said(), [], "still the same visit");
    door.listening(Listening::None).wait(5_000).listening(Listening::All);
    let departed = door.wait(20_100).event();
    assert_eq!(departed.kind, EventKind::Departed);
    assert_eq!(departed.coverage_gap_ms, 5_000);
}

#[test]
fn one_listening_antenna_covers_its_zone_and_no_other() {
    let mut door = Door::new();
    door.read(1).read(1).read(1).said();
    door.listening(Listening::Ports(vec![3])).wait(60_000);
    assert_eq!(door.said(), [], "the hall's antenna says nothing about the door");
    door.listening(Listening::Ports(vec![2])).wait(21_000);
    assert_eq!(door.said(), [said(EventKind::Departed, "door")]);
}

#[test]
fn a_return_within_the_time_continues_the_visit_under_new_event_ids() {
    let mut door = Door::new();
    let first = door.read(1).read(1).read(1).event();
    door.wait(21_000);
    let departed = door.event();
    door.wait(60_000).read(1).read(1);
    assert_eq!(door.said(), [], "a return is confirmed like an arrival");
    let again = door.read(1).event();
    assert_eq!((again.kind, again.revisit, again.read_count), (EventKind::Arrived, true, 6));
    assert_eq!(again.first_seen, first.first_seen);
    assert!(first.event_id != departed.event_id && departed.event_id != again.event_id);
}

#[test]
fn a_return_that_is_not_confirmed_leaves_the_departure_as_it_was() {
    let mut door = Door::new();
    door.read(1).read(1).read(1);
    door.wait(21_000).said();
    door.wait(1000).read(1).wait(300_000);
    assert_eq!(door.said(), []);
    assert_eq!(door.presence.counts().unconfirmed, 1);
    let checkpoint = door.presence.checkpoints().next().unwrap();
    assert!(checkpoint.departed.is_some());
    assert_eq!(checkpoint.read_count, 3, "the ghost does not belong to the visit");
}

#[test]
fn a_return_after_the_time_is_a_new_visit() {
    let mut door = Door::new();
    door.read(1).read(1).read(1);
    door.wait(21_000).said();
    door.wait(601_000);
    assert_eq!(door.outcome.forgotten.len(), 1);
    assert_eq!(door.presence.counts().tracked, 0);
    let event = door.read(1).read(1).read(1).event();
    assert!(!event.revisit);
}

#[test]
fn without_signal_strength_a_move_comes_when_the_old_zone_is_silent() {
    let mut door = Door::new();
    door.read(1).read(1).read(1).said();
    door.wait(500).read(3).wait(500).read(3);
    assert_eq!(door.said(), [], "the door was heard too lately");
    let moved = door.wait(400).read(3).event();
    assert_eq!((moved.kind, moved.zone.as_str(), moved.antenna_port), (EventKind::Moved, "hall", Some(3)));
    assert_eq!(moved.zone_before.as_deref(), Some("door"));
}

#[test]
fn a_stronger_zone_takes_the_tag_at_once_and_a_little_stronger_one_does_not() {
    let mut door = Door::new();
    for _ in 0..3 {
        door.read_tag(CARD, 1, Some(-6000));
    }
    door.said();
    door.wait(100).read_tag(CARD, 3, Some(-5600)).read_tag(CARD, 3, Some(-5600));
    assert_eq!(door.said(), [], "four decibels are not six");
    door.read_tag(CARD, 1, Some(-6000));
    door.wait(2000).read_tag(CARD, 1, Some(-6000));
    door.wait(100).read_tag(CARD, 3, Some(-5000));
    assert_eq!(door.said(), [], "one read is not two");
    door.read_tag(CARD, 3, Some(-5000));
    assert_eq!(door.said(), [said(EventKind::Moved, "hall")]);
}

#[test]
fn repeats_come_only_when_asked_for() {
    let mut door = Door::with(PresenceSettings {
        repeat_every: Some(DurationText(Duration::from_secs(5))),
        ..PresenceSettings::default()
    });
    door.read(1).read(1).read(1).said();
    for _ in 0..10 {
        door.wait(1000).read(1);
    }
    assert_eq!(door.said(), [said(EventKind::Seen, "door"), said(EventKind::Seen, "door")]);
}

#[test]
fn reads_of_an_antenna_without_a_zone_are_counted_and_not_used() {
    let mut door = Door::new();
    door.read(4).read(4).read(4);
    assert_eq!(door.said(), []);
    assert_eq!(door.presence.counts().without_zone, 3);
}

#[test]
fn the_limit_on_tags_holds_and_known_tags_go_on() {
    let mut door = Door::with(PresenceSettings { max_tags: 1, ..PresenceSettings::default() });
    door.read(1).read(1).read(1);
    for _ in 0..4 {
        door.read_tag(&[9; 12], 1, None);
    }
    door.read(1);
    assert_eq!(door.said(), [said(EventKind::Arrived, "door")]);
    assert_eq!(door.presence.counts().over_limit, 2, "from the confirming read on");
    assert_eq!(door.presence.counts().present, 1);
    door.wait(300_000);
    assert_eq!(door.presence.counts().tracked, 1, "who was one too many is forgotten");
}

#[test]
fn a_flood_of_made_up_tags_keeps_nobody_out_and_stays_bounded() {
    let mut door = Door::new();
    let mut number = 0u32;
    let mut flood = |door: &mut Door, tags: u32| {
        for _ in 0..tags {
            number += 1;
            door.read_tag(&number.to_be_bytes(), 1, None);
        }
    };
    door.read(1);
    flood(&mut door, 100_000);
    door.read(1).read(1);
    assert_eq!(door.said(), [said(EventKind::Arrived, "door")], "in the midst of it");
    flood(&mut door, 200_000);
    let counts = door.presence.counts();
    assert!(counts.tracked <= 131_072 + 1, "{counts:?}");
    assert_eq!(counts.crowded_out, 300_000 - 131_072);
    door.read(1).wait(300_000);
    assert_eq!(door.said(), [said(EventKind::Departed, "door")]);
    assert_eq!(door.presence.counts().tracked, 1, "all of it is forgotten");
}

#[test]
fn a_tag_that_stays_too_long_is_set_aside_once_and_free_when_it_has_been_gone() {
    let settings = PresenceSettings {
        stationary_after: DurationText(Duration::from_secs(60)),
        ..PresenceSettings::default()
    };
    let mut door = Door::with(settings);
    door.read(1).read(1).read(1);
    for _ in 0..59 {
        door.wait(1000).read(1);
    }
    assert_eq!(door.said(), [said(EventKind::Arrived, "door")]);
    let aside = door.wait(1000).read(1).event();
    assert!(aside.kind == EventKind::Departed && aside.set_aside);
    assert_eq!(aside.time, aside.first_seen.plus(Duration::from_secs(60)));
    assert_eq!((door.presence.counts().present, door.presence.counts().set_aside), (0, 1));
    for _ in 0..300 {
        door.wait(1000).read(3);
    }
    assert_eq!(door.said(), [], "nothing more of it");

    let kept: Vec<VisitCheckpoint> = door.presence.checkpoints().collect();
    let mut after = Door::with(PresenceSettings::default());
    after.now.utc = door.now.utc;
    assert_eq!(after.presence.restore(kept, after.now), []);
    after.wait(1000).read(1);
    assert_eq!(after.said(), [], "after a restart neither");

    after.wait(20_000);
    assert_eq!(after.said(), []);
    assert_eq!(after.presence.counts().set_aside, 0, "it is gone");
    let again = after.read(1).read(1).read(1).event();
    assert!(again.kind == EventKind::Arrived && again.revisit);
}

#[test]
fn the_silence_of_a_departure_can_follow_the_tag() {
    let settings =
        PresenceSettings { lost_adaptive: Some(LostAdaptive::default()), ..PresenceSettings::default() };
    let mut door = Door::with(settings);
    door.read(1).read(1).read(1).said();
    for _ in 0..20 {
        door.wait(500).read(1);
    }
    door.wait(9_900);
    assert_eq!(door.said(), []);
    door.wait(200);
    assert_eq!(door.said(), [said(EventKind::Departed, "door")], "one that is heard well is gone after 10 s");
    door.read(1).read(1).read(1).said();
    door.wait(9_000).read(1).wait(26_900);
    assert_eq!(door.said(), [], "one that was silent for nine seconds may be silent for 27");
    door.wait(200);
    assert_eq!(door.said(), [said(EventKind::Departed, "door")]);
}

#[test]
fn a_departure_tells_when_the_silence_was_long_enough_however_late_it_is_noticed() {
    let mut door = Door::new();
    let arrived = door.read(1).read(1).read(1).event();
    door.now.monotonic += Duration::from_millis(33_333);
    door.now.utc = door.now.utc.plus(Duration::from_millis(33_333));
    door.wait(100);
    assert_eq!(door.event().time, arrived.time.plus(Duration::from_secs(20)));
}

#[test]
fn a_doubt_lasts_as_long_as_the_visit() {
    let settings = PresenceSettings { confirm_reads: 1, ..PresenceSettings::default() };
    let mut pad = Door::with(settings);
    let lay = |pad: &mut Door, authentic: Option<bool>| {
        let mut batch = ReadBuf::with_capacity(1);
        let read = batch.record(TagIdKind::Iso14443Uid, &[4; 7]).unwrap();
        read.set_antenna_port(1);
        authentic.map(|authentic| read.set_authentic(authentic));
        batch.set_received(pad.now);
        pad.presence.observe(READER, &batch, &mut pad.outcome);
        pad.wait(100);
    };
    lay(&mut pad, None);
    assert_eq!(pad.event().authentic, None, "nobody checked");
    lay(&mut pad, Some(true));
    assert_eq!(pad.wait(20_000).event().authentic, Some(true));
    lay(&mut pad, Some(false));
    assert_eq!(pad.event().authentic, Some(false), "another visit, another card under the same id");
    lay(&mut pad, Some(true));
    assert_eq!(pad.wait(20_000).event().authentic, Some(false));
}

#[test]
fn what_cannot_be_a_tag_is_counted_and_not_remembered() {
    let settings = PresenceSettings { epc_headers: EpcHeaders::Known, ..PresenceSettings::default() };
    let mut door = Door::with(settings);
    let mut batch = ReadBuf::with_capacity(4);
    batch.record(TagIdKind::Epc, CARD).unwrap().set_antenna_port(1).set_count(9).set_check_failed();
    let made_up = [8, 1, 2, 3];
    batch.record(TagIdKind::Iso14443Uid, &made_up).unwrap().set_antenna_port(1).set_random_id();
    batch.record(TagIdKind::Epc, &[0xE2; 12]).unwrap().set_antenna_port(1).set_count(9);
    let gen2 = crate::air_protocol::AirProtocol::Gen2;
    batch.record(TagIdKind::Epc, &[0x30; 11]).unwrap().set_antenna_port(1).set_count(9).set_protocol(gen2);
    batch.set_received(door.now);
    door.presence.observe(READER, &batch, &mut door.outcome);
    assert_eq!(door.said(), []);
    let counts = door.presence.counts();
    assert_eq!((counts.check_failed, counts.unknown_header, counts.impossible_length), (1, 1, 1));
    assert_eq!((counts.no_identity, counts.tracked, counts.sightings), (1, 0, 28));
}

#[test]
fn a_passage_tells_who_enters_and_who_leaves() {
    use crate::event::Direction;
    let passage = Passage { outer: "door".to_owned(), inner: "hall".to_owned() };
    let mut door = Door::with(PresenceSettings { passages: vec![passage], ..PresenceSettings::default() });
    for _ in 0..8 {
        door.wait(200).read(1);
    }
    let arrived = door.event();
    assert_eq!(arrived.heading, None, "one zone says nothing");
    for _ in 0..10 {
        door.wait(200).read(3);
    }
    let entering = door.event();
    let heading = entering.heading.unwrap();
    assert_eq!((entering.kind, heading.direction), (EventKind::Moved, Direction::Entering));
    assert!(heading.confidence > 0.9, "{heading:?}");
    for _ in 0..60 {
        door.wait(1000).read(3);
    }
    for _ in 0..4 {
        door.wait(200).read(1);
    }
    let leaving = door.wait(21_000).event();
    let heading = leaving.heading.unwrap();
    assert_eq!((leaving.kind, leaving.zone.as_str()), (EventKind::Departed, "hall"));
    assert_eq!(heading.direction, Direction::Leaving, "the door was heard last, too shortly for a move");
}

#[test]
fn who_is_heard_again_in_time_continues_the_visit_though_it_is_confirmed_later() {
    let settings = PresenceSettings {
        revisit_within: DurationText(Duration::from_secs(30)),
        ..PresenceSettings::default()
    };
    let mut door = Door::with(settings);
    door.read(1).read(1).read(1).wait(20_000).said();
    door.wait(29_900).read(1).wait(200).read(1).read(1);
    assert!(door.event().revisit);
}

#[test]
fn a_restart_neither_announces_anew_nor_forgets_who_is_inside() {
    let mut door = Door::new();
    let arrived = door.read(1).read(1).read(1).event();
    door.wait(2000).read(1);
    let kept: Vec<VisitCheckpoint> = door.presence.checkpoints().collect();
    let json = serde_json::to_string(&kept).unwrap();

    let mut after = Door::new();
    after.now.utc = door.now.utc.plus(Duration::from_secs(3600));
    let kept: Vec<VisitCheckpoint> = serde_json::from_str(&json).unwrap();
    assert_eq!(after.presence.restore(kept, after.now), []);
    after.wait(19_000).read(1);
    assert_eq!(after.said(), [], "still inside, nothing to say");
    let departed = after.wait(21_000).event();
    assert_eq!(departed.kind, EventKind::Departed);
    assert_eq!(departed.first_seen, arrived.first_seen);
    assert_eq!(departed.event_id, EventId::derive("hubin", &departed.tag, arrived.first_seen, 1));
}

#[test]
fn a_restart_sets_nobody_aside_for_a_clock_that_was_wrong_or_a_night_that_nobody_listened() {
    let year = Duration::from_secs(365 * 86_400);
    let morning = Door::new().now.utc;
    for (came_at, set_to) in [
        (UtcTime::from_nanos(0), Some(morning)),
        (morning.plus(year), Some(morning)),
        (UtcTime::from_nanos(0), None),
        (morning.minus(Duration::from_secs(14 * 3600)), None),
    ] {
        let mut door = Door::new();
        door.now.utc = came_at;
        door.read(1).read(1).read(1).said();
        door.now.utc = set_to.unwrap_or(came_at);
        door.wait(1000).read(1);
        let kept: Vec<VisitCheckpoint> = door.presence.checkpoints().collect();

        let mut after = Door::new();
        after.now.utc = morning;
        assert_eq!(after.presence.restore(kept, after.now), []);
        after.wait(1000).read(1).wait(15_000).read(1);
        assert_eq!(after.said(), [], "{came_at}: still inside, nothing to say");
        let departed = after.wait(21_000).event();
        assert!(departed.kind == EventKind::Departed && !departed.set_aside, "{departed:?}");
    }
}

#[test]
fn a_stay_goes_on_through_a_restart() {
    let mut door = Door::new();
    door.read(1).read(1).read(1);
    for _ in 0..3 * 360 {
        door.wait(10_000).read(1);
    }
    door.said();
    let kept: Vec<VisitCheckpoint> = door.presence.checkpoints().collect();
    let mut after = Door::new();
    after.now.utc = door.now.utc.plus(Duration::from_secs(60));
    assert_eq!(after.presence.restore(kept, after.now), []);
    for _ in 0..359 {
        after.wait(10_000).read(1);
    }
    assert_eq!(after.said(), []);
    assert!(after.wait(10_000).read(1).event().set_aside, "after four hours in all");
}

#[test]
fn a_restart_drops_visits_that_are_over_or_have_no_place_any_more() {
    let mut door = Door::new();
    door.read(1).read(1).read(1);
    door.wait(21_000).said();
    let away: Vec<VisitCheckpoint> = door.presence.checkpoints().collect();
    let mut elsewhere = away.clone();
    elsewhere[0].zone = Name::from("a zone of long ago");

    let mut soon = Door::new();
    soon.now.utc = door.now.utc.plus(Duration::from_secs(60));
    assert_eq!(soon.presence.restore(away.clone(), soon.now), []);
    assert!(soon.read(1).read(1).read(1).event().revisit);

    let mut late = Door::new();
    late.now.utc = door.now.utc.plus(Duration::from_secs(3600));
    assert_eq!(late.presence.restore(away, late.now).len(), 1);
    assert_eq!(late.presence.restore(elsewhere, late.now).len(), 1);
}

#[test]
fn a_wall_clock_that_is_set_changes_no_time_out() {
    let mut door = Door::new();
    door.read(1).read(1).read(1).said();
    door.now.utc = UtcTime::from_nanos(0);
    door.wait(10_000).read(1).wait(15_000);
    assert_eq!(door.said(), []);
    door.wait(6_000);
    assert_eq!(door.said(), [said(EventKind::Departed, "door")]);
}

#[test]
fn without_a_time_for_revisits_a_departure_ends_the_visit_at_once() {
    let mut door = Door::with(PresenceSettings {
        revisit_within: DurationText(Duration::ZERO),
        ..PresenceSettings::default()
    });
    door.read(1).read(1).read(1).wait(20_000);
    assert_eq!(door.said(), [said(EventKind::Arrived, "door"), said(EventKind::Departed, "door")]);
    assert_eq!(door.presence.counts().tracked, 0);
}

#[test]
fn many_departures_at_once_are_given_in_portions() {
    let mut door = Door::new();
    for tag in 0u32..500 {
        for _ in 0..3 {
            door.read_tag(&tag.to_be_bytes(), 1, None);
        }
    }
    door.said();
    door.now.monotonic += Duration::from_secs(30);
    let mut portions = 0;
    while door.presence.advance(door.now, 64, &mut door.outcome) {
        portions += 1;
        assert!(door.outcome.events.len() <= 64 * portions);
    }
    assert_eq!(door.said().len(), 500);
}
