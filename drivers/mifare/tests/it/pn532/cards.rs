//! What lies on the pad, and what is done to it.

use rfid_driver_mifare::coupler::{CardFault, Coupler, Pad, ValueChange};
use rfid_driver_mifare::model::{CardKind, Key, KeySlot, ValueBlock};
use std::time::Duration;
use tokio::time::Instant;

use super::{LONG, classic, content_of, open, read_alone, uid};

#[tokio::test(start_paused = true)]
async fn a_card_is_seen_when_it_is_laid_on_and_when_it_is_lifted() {
    let mut coupler = open("[[card]]\nuid = \"DEADBEEF\"\nat = \"3s\"\nfor = \"4s\"").await;
    let start = Instant::now();
    let seen = coupler.look(&Pad::Empty, LONG).await.unwrap();
    assert_eq!(seen, classic("DEADBEEF"));
    let after = start.elapsed() - Duration::from_secs(3);
    assert!(after <= Duration::from_millis(110), "{after:?}");
    assert_eq!(coupler.look(&seen, LONG).await.unwrap(), Pad::Empty);
    let after = start.elapsed() - Duration::from_secs(7);
    assert!((Duration::from_millis(300)..Duration::from_secs(1)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn with_nothing_new_a_look_takes_its_time() {
    let mut coupler = open("[[card]]\nuid = \"DEADBEEF\"").await;
    let card = coupler.look(&Pad::Empty, LONG).await.unwrap();
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(coupler.look(&card, Duration::from_millis(130)).await.unwrap(), card);
    }
    let took = start.elapsed();
    assert!((Duration::from_millis(1290)..Duration::from_millis(1320)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_swap_without_a_gap_shows_the_other_card_and_two_cards_are_not_one() {
    let cards = "[[card]]\nuid = \"DEADBEEF\"\nfor = \"2s\"\n[[card]]\nuid = \"CAFEBABE\"\nat = \"2s\"\n";
    let mut coupler =
        open(&format!("{cards}[[card]]\nuid = \"04A1B2C3D4E5F6\"\nat = \"4s\"\nfor = \"1s\"")).await;
    let mut seen = vec![Pad::Empty];
    while seen.len() < 5 {
        seen.push(coupler.look(seen.last().unwrap(), LONG).await.unwrap());
    }
    assert_eq!(seen[1..], [classic("DEADBEEF"), classic("CAFEBABE"), Pad::Several, classic("CAFEBABE")]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_look_is_gone_on_with() {
    let mut coupler =
        open("[[card]]\nuid = \"DEADBEEF\"\nat = \"1s\"\n[faults]\nanswer_delay = \"40ms\"").await;
    let mut seen = Pad::Empty;
    let start = Instant::now();
    while seen == Pad::Empty {
        // Shorter than any search takes.
        if let Ok(outcome) = tokio::time::timeout(Duration::from_millis(7), coupler.look(&seen, LONG)).await {
            seen = outcome.unwrap();
        }
        assert!(start.elapsed() < LONG, "nothing was seen");
    }
    assert_eq!(seen, classic("DEADBEEF"));
    assert!(start.elapsed() < Duration::from_millis(1200), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn all_lengths_of_uids_and_all_kinds_are_reached() {
    for (hex, kind, name, last) in [
        ("DEADBEEF", CardKind::Classic1K, "1k", 62),
        ("04A1B2C3D4E5F6", CardKind::Classic4K, "4k", 254),
        ("0102030405060708090A", CardKind::Mini, "mini", 18),
    ] {
        let mut coupler = open(&format!("[[card]]\nuid = \"{hex}\"\nkind = \"{name}\"")).await;
        let Pad::Card(target) = coupler.look(&Pad::Empty, LONG).await.unwrap() else { panic!("no card") };
        assert_eq!((target.uid, target.kind), (uid(hex), kind));
        let selected = coupler.select(&target.uid).await.unwrap();
        assert_eq!(selected, target);
        coupler.authenticate(last, KeySlot::A, &Key::transport()).await.unwrap();
        coupler.write_block(last, &content_of(last)).await.unwrap();
        assert_eq!(coupler.read_block(last).await.unwrap(), content_of(last));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sector_is_opened_by_its_key_and_by_no_other() {
    let mut coupler = open("[[card]]\nuid = \"DEADBEEF\"").await;
    let card = uid("DEADBEEF");
    coupler.select(&card).await.unwrap();
    assert!(matches!(coupler.read_block(4).await, Err(CardFault::AccessRefused)));
    coupler.select(&card).await.unwrap();
    let wrong = Key::new([1, 2, 3, 4, 5, 6]);
    assert!(matches!(coupler.authenticate(4, KeySlot::A, &wrong).await, Err(CardFault::KeyRefused)));
    // The card is silent now, also for the right key.
    let right = Key::transport();
    assert!(matches!(coupler.authenticate(4, KeySlot::A, &right).await, Err(CardFault::KeyRefused)));
    assert_eq!(read_alone(&mut coupler, &card, 4).await.unwrap(), [0; 16]);
    assert!(matches!(coupler.read_block(8).await, Err(CardFault::AccessRefused)), "another sector is closed");
}

#[tokio::test(start_paused = true)]
async fn values_are_changed_and_copied() {
    let mut coupler = open("[[card]]\nuid = \"DEADBEEF\"").await;
    coupler.select(&uid("DEADBEEF")).await.unwrap();
    coupler.authenticate(5, KeySlot::A, &Key::transport()).await.unwrap();
    let value = ValueBlock { value: 100, address: 5 };
    coupler.write_block(5, &value.encode()).await.unwrap();
    coupler.change_value(5, ValueChange::Increment(7)).await.unwrap();
    coupler.change_value(5, ValueChange::Decrement(2)).await.unwrap();
    coupler.copy_value(5, 6).await.unwrap();
    let copy = coupler.read_block(6).await.unwrap();
    assert_eq!(ValueBlock::decode(&copy), Some(ValueBlock { value: 105, address: 5 }));
    assert!(matches!(
        coupler.change_value(4, ValueChange::Increment(1)).await,
        Err(CardFault::AccessRefused)
    ));
}

#[tokio::test(start_paused = true)]
async fn another_card_is_not_taken_for_the_one_that_is_selected() {
    let mut coupler = open("[[card]]\nuid = \"CAFEBABE\"").await;
    assert!(matches!(coupler.select(&uid("DEADBEEF")).await, Err(CardFault::Gone)));
    let key = Key::transport();
    assert!(matches!(coupler.authenticate(4, KeySlot::A, &key).await, Err(CardFault::Gone)));
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_mute_is_not_there() {
    let mut coupler = open("[[card]]\nuid = \"DEADBEEF\"\nmute = true").await;
    assert_eq!(coupler.look(&Pad::Empty, Duration::from_secs(3)).await.unwrap(), Pad::Empty);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_taken_away_in_the_middle_is_gone_and_comes_again() {
    let first = "[[card]]\nuid = \"DEADBEEF\"\nfor = \"5s\"\ngone_after = 2\n";
    let mut coupler = open(&format!("{first}[[card]]\nuid = \"DEADBEEF\"\nat = \"6s\"")).await;
    let card = coupler.look(&Pad::Empty, LONG).await.unwrap();
    coupler.authenticate(4, KeySlot::A, &Key::transport()).await.unwrap();
    coupler.read_block(4).await.unwrap();
    assert!(matches!(coupler.read_block(5).await, Err(CardFault::Gone)));
    assert!(matches!(coupler.select(&uid("DEADBEEF")).await, Err(CardFault::Gone)));
    assert_eq!(coupler.look(&card, LONG).await.unwrap(), Pad::Empty);
    assert_eq!(coupler.look(&Pad::Empty, LONG).await.unwrap(), card);
}

#[tokio::test(start_paused = true)]
async fn a_torn_write_is_an_error_and_leaves_what_it_left() {
    let first = "[[card]]\nuid = \"DEADBEEF\"\nfor = \"5s\"\ntorn_write = { after = 1, bytes = 7 }\n";
    let mut coupler = open(&format!("{first}[[card]]\nuid = \"DEADBEEF\"\nat = \"6s\"")).await;
    let card = coupler.look(&Pad::Empty, LONG).await.unwrap();
    coupler.authenticate(4, KeySlot::A, &Key::transport()).await.unwrap();
    coupler.write_block(4, &[0x11; 16]).await.unwrap();
    assert!(matches!(coupler.write_block(4, &[0x22; 16]).await, Err(CardFault::Gone)));
    assert_eq!(coupler.look(&card, LONG).await.unwrap(), Pad::Empty);
    coupler.look(&Pad::Empty, LONG).await.unwrap();
    let left = read_alone(&mut coupler, &uid("DEADBEEF"), 4).await.unwrap();
    assert_eq!((&left[..7], &left[7..]), (&[0x22; 7][..], &[0x11; 9][..]));
}

#[tokio::test(start_paused = true)]
async fn a_card_is_left_to_others_and_found_again() {
    let mut coupler = open("[[card]]\nuid = \"DEADBEEF\"").await;
    let card = coupler.look(&Pad::Empty, LONG).await.unwrap();
    coupler.release().await;
    assert!(matches!(coupler.read_block(4).await, Err(CardFault::Garbled)), "none is selected");
    assert_eq!(coupler.look(&Pad::Empty, LONG).await.unwrap(), card);
}
