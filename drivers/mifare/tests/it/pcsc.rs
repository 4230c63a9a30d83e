//! Cards on a real PC/SC service with a virtual reader.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::abilities::SectorKey;
use rfid_core::{Driver, ErrorKind, ReadBuf, Settings, TagId, TagIdKind};
use rfid_driver_mifare::coupler::{Coupler, Pad, ValueChange};
use rfid_driver_mifare::model::{CardKind, Key, KeySlot, SecretKey, Sector, Uid, ValueBlock};
use rfid_driver_mifare::sim::{Family, PcscService, SimulatedCard, VirtualReader};
use rfid_driver_mifare::{Mifare, PcscCoupler};

use crate::service::{SECRETS, open, session, settings, started};

pub(crate) const UID: [u8; 7] = [4, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6];

/// How long the service may take to notice a card.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn card_with(uid: &[u8]) -> SimulatedCard {
    SimulatedCard::classic_1k(Uid::try_from(uid).unwrap())
}

pub(crate) fn id(uid: &[u8]) -> TagId {
    TagId::new(TagIdKind::Iso14443Uid, uid).unwrap()
}

struct PcscRig {
    service: PcscService,
    reader: VirtualReader,
}

#[async_trait]
impl Rig for PcscRig {
    fn driver(&self) -> &dyn Driver {
        &Mifare
    }

    fn settings(&self) -> Settings {
        settings("")
    }

    fn settings_to_nowhere(&self) -> Settings {
        Settings::from_toml("transport = \"pcsc\"\nreader = \"no such reader\"").unwrap()
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        self.reader.lift();
        if count == 0 {
            return Vec::new();
        }
        self.reader.lay(card_with(&UID)).unwrap();
        vec![id(&UID)]
    }

    fn most_tags(&self) -> usize {
        1
    }

    async fn cut(&mut self) {
        let card = self.reader.lift();
        self.service.restart().unwrap();
        if let Some(card) = card {
            self.reader.lay(card).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_for_all_drivers() {
    let service = started();
    let reader = service.reader(Family::Acs);
    check(&mut PcscRig { service, reader }).await.assert_passed(4);
}

/// Reads of the session until one comes.
pub(crate) async fn next_read(session: &mut dyn rfid_core::DynSession) -> (TagId, Option<bool>) {
    let mut buf = ReadBuf::with_capacity(1);
    while buf.is_empty() {
        session.read(&mut buf).await.unwrap();
    }
    let sighting = buf.iter().next().unwrap();
    (sighting.id.to_owned(), sighting.read.authentic())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_personalised_and_known_again_on_readers_of_each_family() {
    for family in [Family::Acs, Family::Acr128, Family::Scm] {
        let service = started();
        let mut reader = service.reader(family);
        reader.lay(card_with(&UID)).unwrap();
        let mut session = session(SECRETS);
        open(&mut *session).await;
        session.start().await.unwrap();
        assert_eq!(next_read(&mut *session).await, (id(&UID), Some(false)), "{family:?}");
        session.stop().await.unwrap();

        let access = session.card_access().unwrap();
        let card = access.card().await.unwrap();
        assert_eq!((card.id, card.kind, card.sectors), (id(&UID), "Mifare Classic 1K", 16));
        let plan = access.plan_number(&card.id, "8812").await.unwrap();
        assert!(plan.changes_keys);
        assert_eq!(access.write_number(&card.id, "8812").await.unwrap(), plan, "{family:?}");
        let again = access.write_number(&card.id, "8813").await.unwrap();
        assert_eq!((again.replaces.as_deref(), again.changes_keys), (Some("8812"), false), "{family:?}");

        let denied = access.read_sector(&card.id, 1, &SectorKey::Factory).await.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::Denied, "{family:?}: {denied:#}");
        let blocks = access.read_sector(&card.id, 1, &SectorKey::Reading).await.unwrap();
        assert_eq!(blocks[1][3..11], 8813u64.to_be_bytes(), "{family:?}");
        assert_eq!(blocks[3][..6], [0; 6], "keys are not shown");

        session.start().await.unwrap();
        assert_eq!(next_read(&mut *session).await, (id(&UID), Some(true)), "{family:?}");
        session.stop().await.unwrap();
        let access = session.card_access().unwrap();
        access.format(&card.id).await.unwrap();
        let blocks = access.read_sector(&card.id, 1, &SectorKey::Factory).await.unwrap();
        assert_eq!(blocks[..3], [[0; 16]; 3], "{family:?}");
        session.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_would_keep_keys_for_ever_is_refused_with_its_reason() {
    let service = started();
    let mut reader = service.reader(Family::Omnikey5321);
    reader.lay(card_with(&UID)).unwrap();
    let mut session = session(SECRETS);
    open(&mut *session).await;
    let access = session.card_access().unwrap();
    let card = access.card().await.unwrap();
    let refused = access.read_sector(&card.id, 1, &SectorKey::Factory).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("volatile memory"), "{refused}");
    session.close().await.unwrap();
}

/// `scriptor` of pcsc-tools knows nothing of us: it gets the documented commands and keys that were
/// derived for this card.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_personalised_is_read_by_another_program() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    reader.lay(card_with(&UID)).unwrap();
    let mut session = session(SECRETS);
    open(&mut *session).await;
    let access = session.card_access().unwrap();
    access.card().await.unwrap();
    access.write_number(&id(&UID), "1234567890").await.unwrap();
    session.close().await.unwrap();

    let secret = SecretKey::from_hex("0102030405060708090a0b0c0d0e0f10").unwrap();
    let key = secret.card_key(&Uid::try_from(&UID[..]).unwrap(), Sector::of_block(4), KeySlot::A);
    let key = key.reveal().map(|byte| format!("{byte:02X}")).join(" ");
    let script =
        format!("FF CA 00 00 00\nFF 82 00 00 06 {key}\nFF 86 00 00 05 01 00 04 60 00\nFF B0 00 04 10\n");
    let mut scriptor = Command::new("scriptor")
        .args(["-r", "Virtual PCD 00 00"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scriptor is missing; apt-get install pcsc-tools");
    scriptor.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = scriptor.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("< 04 A1 B2 C3 D4 E5 F6 90 00"), "{said}");
    // Layout 1, sequence 0, a number, 1234567890.
    assert!(said.contains("01 00 01 00 00 00 00 49 96 02 D2 00"), "{said}");
}

/// A coupler to a service that may still be coming up.
async fn opened() -> PcscCoupler {
    let mut coupler = PcscCoupler::new(Some("Virtual PCD 00 00".to_owned()));
    while coupler.open().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    coupler
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_card_and_length_of_uid_is_told() {
    let service = started();
    let mut reader = service.reader(Family::Acs);
    let mut coupler = opened().await;
    let ten = [0x04, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    for (kind, uid) in [
        (CardKind::Classic1K, &UID[..]),
        (CardKind::Classic4K, &[0xDE, 0xAD, 0xBE, 0xEF]),
        (CardKind::Mini, &[1, 2, 3, 4]),
        (CardKind::Ultralight, &ten),
        (CardKind::Part4, &[8, 2, 3, 4]),
    ] {
        reader.lay(SimulatedCard::new(Uid::try_from(uid).unwrap(), kind)).unwrap();
        let seen = coupler.look(&Pad::Empty, PATIENCE).await.unwrap();
        let Pad::Card(target) = seen else { panic!("{kind:?}: {seen:?}") };
        assert_eq!((target.kind, target.uid.bytes()), (kind, uid));
        reader.lift();
        assert_eq!(coupler.look(&seen, PATIENCE).await.unwrap(), Pad::Empty);
    }
    coupler.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_changed_in_the_readers_dialect() {
    for family in [Family::Acs, Family::Scm] {
        let service = started();
        let mut card = card_with(&UID);
        card.set_block(5, ValueBlock { value: 100, address: 5 }.encode());
        card.set_block(6, ValueBlock { value: 0, address: 6 }.encode());
        let mut reader = service.reader(family);
        reader.lay(card).unwrap();
        let mut coupler = opened().await;
        let uid = Uid::try_from(&UID[..]).unwrap();
        assert_ne!(coupler.look(&Pad::Empty, PATIENCE).await.unwrap(), Pad::Empty);
        coupler.select(&uid).await.unwrap();
        coupler.authenticate(4, KeySlot::A, &Key::transport()).await.unwrap();
        coupler.change_value(5, ValueChange::Increment(7)).await.unwrap();
        coupler.change_value(5, ValueChange::Decrement(10)).await.unwrap();
        let value = ValueBlock::decode(&coupler.read_block(5).await.unwrap());
        assert_eq!(value, Some(ValueBlock { value: 97, address: 5 }), "{family:?}");
        let copied = coupler.copy_value(5, 6).await;
        assert_eq!(copied.is_ok(), family == Family::Acs, "{family:?}: {copied:?}");
        coupler.close().await;
    }
}
