//! What goes wrong between a card and the PC/SC service.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rfid_core::abilities::{CardAccess, SectorKey};
use rfid_core::{ErrorKind, ReadBuf, Retry, Secret, TagId};
use rfid_driver_mifare::model::{CardKind, Key, Uid};
use rfid_driver_mifare::sim::{
    CardFaults, Family, Notice, PcscService, SimulatedCard, TornWrite, VirtualReader,
};

use crate::pcsc::{UID, card_with, id, next_read};
use crate::service::{SECRETS, open, session, started};

/// Lifts the card, and waits until the service noticed.
async fn lift(reader: &mut VirtualReader, access: &mut dyn CardAccess) -> SimulatedCard {
    let card = reader.lift().unwrap();
    while access.card().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    card
}

/// The card that counts, once it is there.
async fn card(access: &mut dyn CardAccess) -> TagId {
    for _ in 0..50 {
        match access.card().await {
            Ok(card) => return card.id,
            Err(error) => assert_eq!(error.kind(), ErrorKind::TagLost, "{error:#}"),
        }
    }
    panic!("no card came")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_pulled_away_at_any_command_can_be_finished() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    let mut session = session(SECRETS);
    open(&mut *session).await;
    let mut pulled = 0;
    // A new card gets some 15 commands; the property test on the simulated pad plays them all.
    for gone_after in [0, 1, 4, 6, 9, 12] {
        let mut new = card_with(&UID);
        new.faults.gone_after = Some(gone_after);
        reader.lay(new).unwrap();
        let access = session.card_access().unwrap();
        let id = card(access).await;
        if let Err(error) = access.write_number(&id, "1").await {
            pulled += 1;
            assert!(
                matches!(error.kind(), ErrorKind::TagLost | ErrorKind::Damaged),
                "{gone_after}: {error:#}"
            );
        }
        let mut left = lift(&mut reader, access).await;
        left.faults = CardFaults::default();
        reader.lay(left).unwrap();
        let id = card(access).await;
        let plan = access.write_number(&id, "2").await;
        assert!(plan.is_ok(), "{gone_after}: {plan:?}");
        lift(&mut reader, access).await;
    }
    assert!(pulled > 4, "the card was pulled away {pulled} times only");
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_write_leaves_the_number_that_was_there() {
    let service = started();
    let mut reader = service.reader(Family::Scm);
    let mut session = session(SECRETS);
    open(&mut *session).await;
    reader.lay(card_with(&UID)).unwrap();
    let access = session.card_access().unwrap();
    let id = card(access).await;
    access.write_number(&id, "1").await.unwrap();
    let mut left = lift(&mut reader, access).await;
    left.faults.torn_write = Some(TornWrite { after: 0, bytes: 7 });
    reader.lay(left).unwrap();
    card(access).await;
    let error = access.write_number(&id, "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TagLost, "{error:#}");
    let left = lift(&mut reader, access).await;
    reader.lay(left).unwrap();
    card(access).await;
    assert_eq!(access.plan_number(&id, "2").await.unwrap().replaces.as_deref(), Some("1"));
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_shows_both_cards_and_a_lifted_one_falls_silent() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    reader.lay(card_with(&UID)).unwrap();
    let mut session = session("");
    open(&mut *session).await;
    session.start().await.unwrap();
    assert_eq!(next_read(&mut *session).await, (id(&UID), None), "nobody checks without a key");
    reader.lift();
    // As long as the service may take to look again.
    tokio::time::sleep(Duration::from_millis(450)).await;
    reader.lay(card_with(&[1, 2, 3, 4])).unwrap();
    while next_read(&mut *session).await.0 != id(&[1, 2, 3, 4]) {}
    reader.lift();
    // Half a second behind what the service needs to notice.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut buf = ReadBuf::with_capacity(8);
    session.read(&mut buf).await.unwrap();
    buf.clear();
    let silence = tokio::time::timeout(Duration::from_millis(500), session.read(&mut buf)).await;
    assert!(silence.is_err() && buf.is_empty(), "{silence:?}, {} reads", buf.len());
    session.close().await.unwrap();
}

/// Some swaps the service sees as an empty reader between two looks, of the others it never hears.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_without_a_gap_shows_the_other_card_and_never_the_first_one_again() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    reader.lay(card_with(&[1, 2, 3, 4])).unwrap();
    let mut session = session("");
    open(&mut *session).await;
    session.start().await.unwrap();
    while next_read(&mut *session).await.0 != id(&[1, 2, 3, 4]) {}
    for turn in 2..10u8 {
        // Of the same kind or of another, each time at another moment between two looks.
        let other = Uid::try_from(&[turn, 2, 3, 4][..]).unwrap();
        let kind = if turn % 3 == 0 { CardKind::Mini } else { CardKind::Classic1K };
        tokio::time::sleep(Duration::from_millis(u64::from(turn) * 70)).await;
        let card = SimulatedCard::new(other, kind);
        if turn % 4 < 2 {
            reader.lay(card).unwrap();
        } else {
            reader.swap_unseen(card).unwrap();
        }
        let mut seen = next_read(&mut *session).await.0;
        // Three seconds at most.
        for _ in 0..60 {
            if seen == id(&[turn - 1, 2, 3, 4]) {
                seen = next_read(&mut *session).await.0;
            }
        }
        for _ in 0..20 {
            assert_eq!(seen, id(&[turn, 2, 3, 4]), "swap {turn}");
            seen = next_read(&mut *session).await.0;
        }
    }
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_uid_is_read_and_flagged_as_no_identity() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    reader.lay(card_with(&[8, 2, 3, 4])).unwrap();
    let mut session = session(SECRETS);
    open(&mut *session).await;
    session.start().await.unwrap();
    let mut buf = ReadBuf::with_capacity(1);
    while buf.is_empty() {
        session.read(&mut buf).await.unwrap();
    }
    let sighting = buf.iter().next().unwrap();
    assert_eq!(sighting.id.to_owned(), id(&[8, 2, 3, 4]));
    assert_eq!((sighting.read.has_random_id(), sighting.read.authentic()), (true, None));
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_card_and_one_that_babbles_end_no_session() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    let mut session = session(SECRETS);
    open(&mut *session).await;
    session.start().await.unwrap();
    let mut mute = card_with(&UID);
    mute.faults.mute = true;
    reader.lay(mute).unwrap();
    let mut buf = ReadBuf::with_capacity(8);
    for _ in 0..2 {
        session.read(&mut buf).await.unwrap();
    }
    assert!(buf.is_empty(), "what gives no UID is nobody");
    reader.lift();
    tokio::time::sleep(Duration::from_millis(450)).await;
    session.stop().await.unwrap();
    reader.lay(card_with(&UID)).unwrap();
    let access = session.card_access().unwrap();
    let ours = card(access).await;
    access.write_number(&ours, "1").await.unwrap();
    reader.set_babbling(true);
    let error = access.read_sector(&ours, 1, &SectorKey::Reading).await.unwrap_err();
    assert!(error.to_string().contains("BEEF"), "{error}");
    session.start().await.unwrap();
    assert_eq!(next_read(&mut *session).await, (ours, Some(false)), "what cannot be read proves nothing");
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_waited_for() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    reader.set_delay(Duration::from_millis(100));
    reader.lay(card_with(&UID)).unwrap();
    let mut session = session(SECRETS);
    open(&mut *session).await;
    let access = session.card_access().unwrap();
    let id = card(access).await;
    access.write_number(&id, "1").await.unwrap();
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_late_or_again_is_found() {
    let mut service = PcscService::stopped(Notice::Looks).unwrap();
    let mut reader = service.reader(Family::Acs);
    let mut session = session("");
    let absent = session.open().await.unwrap_err();
    assert_eq!((absent.kind(), absent.retry()), (ErrorKind::Connect, Retry::Reconnect));
    assert!(absent.to_string().contains("start pcscd"), "{absent}");
    session.close().await.unwrap();
    service.restart().unwrap();
    for uid in [1, 2, 3, 4] {
        open(&mut *session).await;
        session.start().await.unwrap();
        reader.lay(card_with(&[uid, 2, 3, 4])).unwrap();
        while next_read(&mut *session).await.0 != id(&[uid, 2, 3, 4]) {}
        service.kill().unwrap();
        let mut buf = ReadBuf::with_capacity(8);
        let lost = loop {
            if let Err(error) = session.read(&mut buf).await {
                break error;
            }
            buf.clear();
        };
        assert_eq!(lost.retry(), Retry::Reconnect, "{lost:#}");
        session.close().await.unwrap();
        reader.lift();
        service.restart().unwrap();
    }
}

/// Where log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_stands_in_a_log_line_or_an_error() {
    const SENTINEL: [u8; 6] = [0xC0, 0xFF, 0xEE, 0xC0, 0xDE, 0x5A];
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let service = started();
    let mut session = session(SECRETS);
    open(&mut *session).await;
    let mut said = String::new();
    for (family, faults) in [
        (Family::Acs, CardFaults::default()),
        (Family::Scm, CardFaults { gone_after: Some(1), ..CardFaults::default() }),
        (Family::Omnikey5321, CardFaults::default()),
    ] {
        let mut reader = service.reader(family);
        let mut new = SimulatedCard::classic_1k(Uid::try_from(&UID[..]).unwrap());
        new.faults = faults;
        reader.lay(new).unwrap();
        let access = session.card_access().unwrap();
        let id = card(access).await;
        let key = SectorKey::B(Secret::new("C0FFEEC0DE5A"));
        said += &format!("{key:?} {:?} ", Key::new(SENTINEL));
        for outcome in [
            access.read_sector(&id, 1, &key).await.map(drop),
            access.write_block(&id, 5, &key, &[0; 16]).await,
            access.write_number(&id, "1").await.map(drop),
            access.format(&id).await,
        ] {
            said += &outcome.map_or_else(|error| format!("{error:#} {error:?} "), |()| String::new());
        }
        lift(&mut reader, access).await;
    }
    session.close().await.unwrap();
    said += &String::from_utf8_lossy(&lines.0.lock().unwrap());
    let said = said.to_uppercase();
    let derived = ["0102030405060708", "01, 02, 03", "1, 2, 3, 4, 5"];
    for shape in ["C0FFEE", "C0 FF EE", "C0, FF, EE", "192, 255, 238", "WP/UWN5A"].iter().chain(&derived) {
        assert!(!said.contains(shape), "{shape} in: {said}");
    }
    assert!(said.contains("THE KEY DOES NOT OPEN"), "the test said nothing: {said}");
}
