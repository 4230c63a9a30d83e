//! What is recorded on a line is played on another, and gives the same events.

use std::time::Duration;

use rfid_core::EventKind;
use rfid_core::recording::{Happened, Kept};
use rfid_driver_replay::format::Header;
use tokio::time::Instant;

use crate::theatre::{Reader, Recorded, count, kinds, moments, play, record, sorted, write};

/// Two people: one comes and goes and comes again, one walks from outside to inside and stays.
const PEOPLE: &str = r#"
[[tag]]
epc = "2D0000000000000000000001"
antenna = 1
at = "1s"
for = "3s"
reads_per_second = 30
[[tag]]
epc = "2D0000000000000000000001"
antenna = 1
at = "12s"
for = "2s"
reads_per_second = 30
[[tag]]
epc = "2D0000000000000000000002"
antenna = 1
at = "2s"
for = "4s"
reads_per_second = 20
[[tag]]
epc = "2D0000000000000000000002"
antenna = 2
at = "6s"
for = "60s"
reads_per_second = 20
"#;

const STAYS: &str = r#"
[[tag]]
epc = "2D0000000000000000000003"
antenna = 1
at = "1s"
for = "10m"
reads_per_second = 20
"#;

const AS_FAST_AS_POSSIBLE: f64 = 1e9;

/// The recording of these readers gives the same events at two speeds.
async fn gives_the_same(readers: &[Reader], lasts: Duration) -> Recorded {
    let recorded = record(readers, lasts).await;
    let fast = play(&recorded.files, AS_FAST_AS_POSSIBLE).await.unwrap();
    assert_eq!(sorted(fast.clone()), sorted(recorded.events.clone()));
    let slow = play(&recorded.files, 3.0).await.unwrap();
    assert_eq!(slow, fast);
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_recorded_mercury_4_gives_the_same_events() {
    let recorded = gives_the_same(&[Reader::mercury4(PEOPLE)], Duration::from_secs(25)).await;
    let mut expected = [
        EventKind::Arrived,
        EventKind::Arrived,
        EventKind::Departed,
        EventKind::Moved,
        EventKind::Arrived,
        EventKind::Departed,
    ];
    let mut found = kinds(&recorded.events);
    found.sort_by_key(|kind| kind.name());
    expected.sort_by_key(|kind| kind.name());
    assert_eq!(found, expected);
    let (_, moments) = moments(&recorded.files[0].1);
    assert!(count(&moments, |what| matches!(what, Happened::Asked(_))) > 50, "the inputs are asked for");
}

#[tokio::test(start_paused = true)]
async fn a_recorded_module_gives_the_same_events() {
    let options = "address = \"module:1\"\n";
    let module = Reader { driver: "thingmagic", options, ..Reader::mercury4(PEOPLE) };
    let recorded = gives_the_same(&[module], Duration::from_secs(25)).await;
    assert!(kinds(&recorded.events).contains(&EventKind::Departed), "{:?}", recorded.events);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_llrp_reader_gives_the_same_events() {
    for options in ["address = \"reader\"\n", "address = \"reader\"\nreport_every = 7\nkeepalive = \"1s\"\n"]
    {
        let reader = Reader { driver: "llrp", options, ..Reader::mercury4(PEOPLE) };
        let recorded = gives_the_same(&[reader], Duration::from_secs(25)).await;
        assert!(kinds(&recorded.events).contains(&EventKind::Departed), "{:?}", recorded.events);
    }
}

/// Its times are found out from when its messages came, which is as it was when they are played.
#[tokio::test(start_paused = true)]
async fn a_recorded_reader_without_a_clock_gives_the_same_times() {
    const SCENARIO: &str = r#"
[faults]
no_utc_clock = true
[[tag]]
epc = "2D0000000000000000000001"
antenna = 1
at = "1s"
for = "3s"
reads_per_second = 30
"#;
    let options = "address = \"reader\"\n";
    let reader = Reader { driver: "llrp", options, ..Reader::mercury4(SCENARIO) };
    let recorded = gives_the_same(&[reader], Duration::from_secs(25)).await;
    let arrived = recorded.events.iter().find(|event| event.kind == EventKind::Arrived).unwrap();
    let age = arrived.time.since(arrived.reader_time.unwrap());
    assert!(age < Duration::from_secs(1), "{arrived:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_departure_in_a_replay_either() {
    let away = Some((Duration::from_secs(5), Duration::from_secs(40)));
    let reader = Reader { away, ..Reader::mercury4(STAYS) };
    let recorded = gives_the_same(&[reader], Duration::from_secs(60)).await;
    assert_eq!(kinds(&recorded.events), [EventKind::Arrived], "{:?}", recorded.events);
    let (_, moments) = moments(&recorded.files[0].1);
    assert_eq!(count(&moments, |what| matches!(what, Happened::Up { .. })), 2, "it came back");
    assert!(count(&moments, |what| matches!(what, Happened::Down { .. })) > 3, "it was tried in vain");
}

/// As of a plugin or a pad, whose driver nobody could play to.
fn of_an_unknown_driver(reader: Reader) -> Reader {
    Reader { kept: Kept::Delivered, ..reader }
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_delivered_gives_the_same_events() {
    let reader = of_an_unknown_driver(Reader::mercury4(PEOPLE));
    let recorded = gives_the_same(&[reader], Duration::from_secs(25)).await;
    assert_eq!(recorded.events.len(), 6, "{:?}", recorded.events);
    let file = &recorded.files[0].1;
    let (header, moments) = moments(file);
    assert_eq!(count(&moments, |what| matches!(what, Happened::Reading(_))), 1);
    let noticed = |what: &Happened| matches!(what, Happened::Delivered(batch) if batch.has_noticed());
    assert!(count(&moments, noticed) > 0, "the inputs are asked for");
    let is_of_bytes = |what: &Happened| {
        !matches!(what, Happened::Reading(_) | Happened::Delivered(_) | Happened::Down { .. })
    };
    assert_eq!(count(&moments, is_of_bytes), 0);

    // The build that plays it need not have the driver.
    write(file, &Header { driver: "acme".to_owned(), ..header }, &moments);
    let played = play(&recorded.files, AS_FAST_AS_POSSIBLE).await.unwrap();
    assert_eq!(sorted(played), sorted(recorded.events));
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_noticed_of_its_antennas_is_played_as_well() {
    const CABLE_OFF: &str = r#"
[[outage]]
antenna = 2
at = "5s"
for = "20s"
[[tag]]
epc = "2D0000000000000000000001"
antenna = 2
at = "1s"
for = "10m"
reads_per_second = 20
"#;
    let options = "address = \"reader\"\n";
    for kept in [Kept::Bytes, Kept::Delivered] {
        let reader = Reader { driver: "llrp", options, kept, ..Reader::mercury4(CABLE_OFF) };
        let recorded = gives_the_same(&[reader], Duration::from_secs(40)).await;
        assert_eq!(kinds(&recorded.events), [EventKind::Arrived], "{:?}", recorded.events);
        let (_, moments) = moments(&recorded.files[0].1);
        let noticed = |what: &Happened| {
            matches!(what, Happened::Delivered(batch)
                if batch.noticed().is_some_and(|noticed| noticed.listening.is_some()))
        };
        let times = if kept == Kept::Bytes { 0 } else { 2 };
        assert_eq!(count(&moments, noticed), times, "the cable is off, and on again");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_reader_whose_bytes_are_unknown_is_no_departure_either() {
    let away = Some((Duration::from_secs(5), Duration::from_secs(40)));
    let reader = of_an_unknown_driver(Reader { away, ..Reader::mercury4(STAYS) });
    let recorded = gives_the_same(&[reader], Duration::from_secs(60)).await;
    assert_eq!(kinds(&recorded.events), [EventKind::Arrived], "{:?}", recorded.events);
    let (_, moments) = moments(&recorded.files[0].1);
    assert_eq!(count(&moments, |what| matches!(what, Happened::Reading(_))), 2, "it came back");
}

#[tokio::test(start_paused = true)]
async fn damage_in_what_was_delivered_is_named_and_a_torn_batch_passed_over() {
    torn_is_passed_over_and_damage_named(of_an_unknown_driver(Reader::mercury4(STAYS))).await;
}

#[tokio::test(start_paused = true)]
async fn batches_among_bytes_are_refused() {
    let file = |recorded: &Recorded| recorded.files[0].1.clone();
    let bytes = record(&[Reader::mercury4(STAYS)], Duration::from_secs(3)).await;
    let delivered = record(&[of_an_unknown_driver(Reader::mercury4(STAYS))], Duration::from_secs(3)).await;
    let (of_bytes, of_batches) = (moments(&file(&bytes)), moments(&file(&delivered)));
    for (header, moments) in [(&of_bytes.0, &of_batches.1), (&of_batches.0, &of_bytes.1)] {
        write(&file(&bytes), header, moments);
        let why = play(&bytes.files, AS_FAST_AS_POSSIBLE).await.unwrap_err();
        assert!(why.contains("in an order in which they cannot have happened"), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_recordings_are_played_in_the_order_of_their_moments() {
    // Rounds of different lengths: what is heard at the same moment has no order.
    let options = |time_out: &str| format!("address = \"reader\"\ntime_out = \"{time_out}\"\n").leak();
    let away = Some((Duration::ZERO, Duration::from_millis(8_003)));
    let readers = [
        Reader::mercury4(PEOPLE),
        Reader { name: "hall", options: options("47ms"), away, ..Reader::mercury4(PEOPLE) },
        of_an_unknown_driver(Reader { name: "back", options: options("53ms"), ..Reader::mercury4(STAYS) }),
    ];
    gives_the_same(&readers, Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn the_speed_is_what_was_asked_for() {
    let recorded = record(&[Reader::mercury4(STAYS)], Duration::from_secs(20)).await;
    let began = Instant::now();
    play(&recorded.files, 4.0).await.unwrap();
    let took = began.elapsed();
    assert!((4_900..5_200).contains(&took.as_millis()), "20 s at four times the speed took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_departs_because_the_recording_ends() {
    let recorded = record(&[Reader::mercury4(STAYS)], Duration::from_secs(5)).await;
    let events = play(&recorded.files, 1.0).await.unwrap();
    assert_eq!(kinds(&events), [EventKind::Arrived]);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_says_something_else_is_told_where() {
    let recorded = record(&[Reader::mercury4(STAYS)], Duration::from_secs(5)).await;
    let file = &recorded.files[0].1;
    let (mut header, moments) = moments(file);
    header.options["time_out"] = "60ms".into();
    write(file, &header, &moments);
    let why = play(&recorded.files, AS_FAST_AS_POSSIBLE).await.unwrap_err();
    assert!(
        why.contains("at statement ") && why.contains("time_out=60") && why.contains("time_out=50"),
        "{why}"
    );
    assert!(why.contains("record anew"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_torn_tail_is_passed_over_and_damage_is_named() {
    torn_is_passed_over_and_damage_named(Reader::mercury4(STAYS)).await;
}

async fn torn_is_passed_over_and_damage_named(reader: Reader) {
    let recorded = record(&[reader], Duration::from_secs(5)).await;
    let file = &recorded.files[0].1;
    let bytes = std::fs::read(file).unwrap();
    std::fs::write(file, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(kinds(&play(&recorded.files, AS_FAST_AS_POSSIBLE).await.unwrap()), [EventKind::Arrived]);

    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(file, damaged).unwrap();
    let why = play(&recorded.files, AS_FAST_AS_POSSIBLE).await.unwrap_err();
    assert!(why.contains("the recording is damaged at byte"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn one_recording_waits_for_another_and_says_so() {
    let recorded = record(&[Reader::mercury4(STAYS)], Duration::from_secs(5)).await;
    let absent = recorded.folder.path().join("absent.rfidrec");
    let files = [("hall", absent), recorded.files[0].clone()];
    let why = play(&files, 1.0).await.unwrap_err();
    assert!(why.contains("absent.rfidrec cannot be opened"), "{why}");
}
