//! What goes wrong between chip and host.

use std::time::Duration;

use rfid_core::{ErrorKind, Retry};
use rfid_driver_mifare::coupler::{CardFault, Coupler, Pad};
use rfid_driver_mifare::model::{Key, KeySlot};
use tokio::time::{Instant, timeout};

use super::{LONG, classic, content_of, coupler, open, read_alone, uid};

#[tokio::test(start_paused = true)]
async fn what_a_chip_is() {
    let info = coupler("").open().await.unwrap();
    assert_eq!((info.model.as_str(), info.firmware.as_str(), info.serial), ("NXP PN532", "1.6", None));
}

/// Writes and reads three sectors.
async fn visit(faults: &str) -> Duration {
    let mut coupler = open(&format!("[[card]]\nuid = \"DEADBEEF\"\n[faults]\n{faults}")).await;
    let start = Instant::now();
    assert_eq!(coupler.look(&Pad::Empty, LONG).await.unwrap(), classic("DEADBEEF"), "{faults}");
    for block in [4, 5, 8, 9, 60] {
        coupler.authenticate(block, KeySlot::A, &Key::transport()).await.unwrap();
        coupler.write_block(block, &content_of(block)).await.unwrap();
    }
    for block in [4, 5, 8, 9, 60] {
        let read = read_alone(&mut coupler, &uid("DEADBEEF"), block).await.unwrap();
        assert_eq!(read, content_of(block), "{faults}");
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_bad_line_is_not_even_noticed() {
    for faults in [
        "split_every = 1",
        "noise = 5",
        "noise = 7",
        "extended = true",
        "answer_delay = \"90ms\"",
        "lose_ack_every = 2",
        "lose_ack_every = 3",
        "lose_answer_every = 2",
        "lose_answer_every = 3",
        "damage_answer_every = 2",
        "damage_answer_every = 3",
        "split_every = 3\nnoise = 7\nlose_ack_every = 5\nlose_answer_every = 7\ndamage_answer_every = 3",
    ] {
        let took = visit(faults).await;
        assert!(took < Duration::from_secs(30), "{faults}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_answer_is_asked_for_again_at_once() {
    let took = visit("damage_answer_every = 2").await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chip_that_was_reset_is_told_everything_anew() {
    // Without its radio it finds nobody, and without its retries it does not say so.
    let mut coupler =
        open("[[card]]\nuid = \"DEADBEEF\"\nat = \"2s\"\nfor = \"3s\"\n[faults]\nreset_every = 11").await;
    let card = classic("DEADBEEF");
    assert_eq!(coupler.look(&Pad::Empty, LONG).await.unwrap(), card);
    let start = Instant::now();
    assert_eq!(coupler.look(&card, LONG).await.unwrap(), Pad::Empty);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reset_in_the_middle_of_a_card_is_mended_by_selecting_it() {
    let mut coupler = open("[[card]]\nuid = \"DEADBEEF\"\n[faults]\nreset_every = 17").await;
    let card = uid("DEADBEEF");
    let mut failures = 0;
    for turn in 0..40 {
        // Making it ready again takes commands too, and meets the next reset at times.
        let mut attempts = 0;
        loop {
            attempts += 1;
            match read_alone(&mut coupler, &card, 4).await {
                Ok(content) => break assert_eq!(content, [0; 16]),
                Err(CardFault::Coupler(error)) => panic!("{error:#}"),
                Err(fault) => assert!(attempts < 3, "turn {turn}: {fault:?}"),
            }
        }
        failures += attempts - 1;
    }
    assert!(failures > 0, "no reset was met");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_not_understood_is_told() {
    let mut coupler = coupler("[[card]]\nuid = \"DEADBEEF\"\n[faults]\nmisunderstand_every = 9");
    coupler.open().await.unwrap();
    let card = uid("DEADBEEF");
    let mut told = Vec::new();
    for _ in 0..20 {
        match read_alone(&mut coupler, &card, 4).await {
            Ok(content) => assert_eq!(content, [0; 16]),
            Err(CardFault::Unsupported) => told.push(None),
            Err(CardFault::Coupler(error)) => told.push(Some((error.kind(), error.retry()))),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(told.contains(&None), "{told:?}");
    assert!(told.iter().flatten().all(|told| *told == (ErrorKind::Protocol, Retry::Reconnect)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_port_without_a_chip_is_given_up() {
    let start = Instant::now();
    let error = coupler("[faults]\nmute = true").open().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Reconnect));
    assert!(error.to_string().contains("switched to HSU"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_an_interrupted_command_no_answer_is_taken_for_anothers() {
    let mut coupler =
        open("[[card]]\nuid = \"DEADBEEF\"\n[faults]\nanswer_delay = \"9ms\"\nsplit_every = 2").await;
    let card = uid("DEADBEEF");
    for block in [4, 5] {
        coupler.select(&card).await.unwrap();
        coupler.authenticate(block, KeySlot::A, &Key::transport()).await.unwrap();
        coupler.write_block(block, &content_of(block)).await.unwrap();
    }
    // Read on its own and behind a search, at once and when the answer lies there unread.
    for turn in 0..60u64 {
        let (after, pause) = (Duration::from_micros(turn * 500), Duration::from_millis(turn % 3 * 10));
        let _ = timeout(after, read_alone(&mut coupler, &card, 4)).await;
        tokio::time::sleep(pause).await;
        let read = read_alone(&mut coupler, &card, 5).await.unwrap();
        assert_eq!(read, content_of(5), "interrupted after {after:?}, asked again after {pause:?}");
        let _ = timeout(after, coupler.read_block(4)).await;
        tokio::time::sleep(pause).await;
        let read = coupler.read_block(5).await.unwrap();
        assert_eq!(read, content_of(5), "interrupted after {after:?}, asked again after {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_interrupted_search_no_card_is_taken_for_another() {
    let cards = "[[card]]\nuid = \"DEADBEEF\"\n[[card]]\nuid = \"CAFEBABE\"\n";
    let mut coupler = open(&format!("{cards}[faults]\nanswer_delay = \"9ms\"\nsplit_every = 2")).await;
    for turn in 0..40u64 {
        let (after, pause) = (Duration::from_micros(turn * 500), Duration::from_millis(turn % 3 * 10));
        let _ = timeout(after, coupler.select(&uid("DEADBEEF"))).await;
        tokio::time::sleep(pause).await;
        let selected = coupler.select(&uid("CAFEBABE")).await;
        let selected = selected.map(|target| target.uid).ok();
        assert_eq!(
            selected,
            Some(uid("CAFEBABE")),
            "interrupted after {after:?}, asked again after {pause:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_names_no_key() {
    let sentinel = Key::new([0xA7; 6]);
    for faults in ["misunderstand_every = 8", "reset_every = 9", "lose_answer_every = 3"] {
        let mut coupler = open(&format!("[[card]]\nuid = \"DEADBEEF\"\n[faults]\n{faults}")).await;
        let mut said = format!("{coupler:?}");
        for _ in 0..10 {
            said += &match coupler.select(&uid("DEADBEEF")).await {
                Ok(_) => format!("{:?}", coupler.authenticate(4, KeySlot::A, &sentinel).await),
                Err(fault) => format!("{fault:?}"),
            };
        }
        let said = said.to_lowercase();
        for form in ["a7a7", "a7 a7", "a7, a7", "167, 167"] {
            assert!(!said.contains(form), "{said}");
        }
    }
}
