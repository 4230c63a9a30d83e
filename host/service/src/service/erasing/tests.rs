use std::path::Path;
use std::time::Duration;

use rfid_core::{Event, EventId, EventKind, TagId, TagIdKind};
use rfid_sink_lookup::Directory;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::audit;
use crate::randomness::SystemRandomness;
use crate::record::{CardDraft, ConsentDraft, CustomerDraft, Unique};
use crate::rights::Role;
use crate::seal::looting::looted;
use crate::seal::{Keys, PersonKeys};
use crate::search::SearchFilter;
use crate::service::bank::Bank;
use crate::service::{Asked, Decided, StaffDraft};
use crate::store::embedded::{EmbeddedStore, PERSONS};
use crate::store::{Erasure, MemoryStore, Rows, Store, Tally, TallyAsk};

/// What nobody else has, in every field in which somebody writes something.
const CANARIES: [&str; 7] =
    ["CANARY6001", "卡纳瑞雀", "11010519491231002X", "金丝雀电力", "金丝雀理财", "金丝雀备注", "金丝雀拒绝"];
const EPC: [u8; 12] = [0x30, 0xCA, 0x4A, 0x17, 5, 6, 7, 8, 9, 10, 11, 12];

fn canary() -> CustomerDraft {
    CustomerDraft {
        customer_number: CANARIES[0].into(),
        name: CANARIES[1].into(),
        id_number: Some(CANARIES[2].into()),
        employer: CANARIES[3].into(),
        vip_class: "gold".to_owned(),
        usual_business: CANARIES[4].into(),
        branch: "a".to_owned(),
        account_manager: None,
        notes: CANARIES[5].into(),
        consent: ConsentDraft::Given,
    }
}

fn keys() -> Keys {
    Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap()
}

async fn embedded(folder: &Path) -> Arc<dyn Store> {
    let rows = Rows::new(Arc::new(keys()), Arc::new(SystemRandomness));
    let clock = Arc::new(rfid_core::SystemClock::new());
    Arc::new(EmbeddedStore::open(folder, rows, clock).await.unwrap())
}

fn tag() -> TagId {
    TagId::new(TagIdKind::Epc, &EPC).unwrap()
}

fn arrival(bank: &Bank, number: u32) -> Event {
    let at = bank.service.now().plus(Duration::from_secs(u64::from(number)));
    Event {
        event_id: EventId::derive("a", &tag(), at, number),
        kind: EventKind::Arrived,
        time: at,
        branch: Some("a".into()),
        tag: tag(),
        first_seen: at,
        last_seen: at,
        authentic: None,
        record: None,
        ..Event::sample()
    }
}

/// A bank with a customer who has everything that a customer can have, and another one.
struct World {
    bank: Bank,
    supervisor: Caller,
    centre: Caller,
    person: CustomerId,
}

impl World {
    async fn new(store: Arc<dyn Store>, folder: TempDir) -> Self {
        let bank = Bank::over(store, folder).await;
        let (service, console) = (&bank.service, Caller::console());
        let clerk = bank.person("IC1", &[Role::IssuingClerk]).await;
        let reviewer = bank.person("AR1", &[Role::ApprovingReviewer]).await;
        let staff = |number: &str| StaffDraft {
            staff_number: number.to_owned(),
            name: "李静".into(),
            role: crate::record::StaffRole::LobbyManager,
            branch: "a".to_owned(),
        };
        service.add_staff(&console, staff("S1")).await.unwrap();
        let submitted = async |asked| {
            let drafted = service.draft_request(&clerk, asked).await.unwrap();
            service.submit_request(&clerk, drafted.record.id, drafted.version).await.unwrap()
        };
        let opening = submitted(Asked::OpenCustomer { draft: canary() }).await;
        let hash = opening.record.proposal.hash();
        service.approve_request(&reviewer, opening.record.id, &hash).await.unwrap();
        let other = CustomerDraft { customer_number: "6002".into(), name: "李四".into(), ..canary() };
        let (employer, usual_business) = ("西州电力".into(), "理财".into());
        let other = CustomerDraft { id_number: None, notes: "".into(), employer, usual_business, ..other };
        service.open_customer(&console, other).await.unwrap();
        let changing = submitted(Asked::ChangeCustomer {
            customer_number: CANARIES[0].into(),
            version: 1,
            draft: CustomerDraft { vip_class: "platinum".to_owned(), ..canary() },
        })
        .await;
        let hash = changing.record.proposal.hash();
        service.refuse_request(&reviewer, changing.record.id, &hash, CANARIES[6].into()).await.unwrap();
        for (version, side) in [(1, 64), (2, 70)] {
            let mut picture = Vec::new();
            let format = image::ImageFormat::Png;
            image::RgbImage::new(side, side)
                .write_to(&mut std::io::Cursor::new(&mut picture), format)
                .unwrap();
            service.take_photo(&console, CANARIES[0], version, picture).await.unwrap();
        }
        let person = service.customer_of_number(&console, CANARIES[0]).await.unwrap().record.id;
        let epc_hex = Some(EPC.iter().map(|byte| format!("{byte:02X}")).collect());
        let (valid_from, valid_until) = ("2026-01-01".parse().unwrap(), "2028-12-31".parse().unwrap());
        let card = CardDraft { epc_hex, uid_hex: None, valid_from, valid_until, branches: None };
        service.bind_card(&console, person, card).await.unwrap();
        service.check_in(&console, CANARIES[0], "b", Some("S1")).await.unwrap();
        service.recognition().find(&[arrival(&bank, 1)]).await.unwrap();
        bank.wait(Duration::from_secs(25 * 3600));
        let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
        let centre = bank.person("CS1", &[Role::CentreSupervisor]).await;
        let supervisor = Caller { reason: Some("the customer wrote a letter".to_owned()), ..supervisor };
        Self { bank, supervisor, centre, person }
    }

    fn service(&self) -> &Service {
        &self.bank.service
    }

    async fn asked(&self) -> Stored<Request> {
        let asked = Asked::ErasePerson { customer_number: CANARIES[0].into() };
        let drafted = self.service().draft_request(&self.supervisor, asked).await.unwrap();
        self.service().submit_request(&self.supervisor, drafted.record.id, drafted.version).await.unwrap()
    }

    async fn approved(&self, request: &Stored<Request>) -> Result<Decided, Fault> {
        let hash = request.record.proposal.hash();
        self.service().approve_request(&self.centre, request.record.id, &hash).await
    }

    /// Nothing of the person is found, and what is not of the person is as it was.
    async fn is_gone(&self) {
        let (service, console) = (self.service(), Caller::console());
        assert!(matches!(service.customer_of_number(&console, CANARIES[0]).await, Err(Fault::NotFound(_))));
        assert!(matches!(service.customer(&console, self.person).await, Err(Fault::NotFound(_))));
        assert!(service.customers_of_id_number(&console, CANARIES[2]).await.unwrap().is_empty());
        for text in ["卡纳", "knrq", "金丝雀"] {
            let found =
                service.search_customers(&console, text, &SearchFilter::default(), None, 9).await.unwrap().0;
            assert!(found.iter().all(|found| found.record.id != self.person), "{text}");
        }
        let store = service.store();
        assert_eq!(store.holders(&[tag()]).await.unwrap(), [None]);
        let card: Stored<Card> =
            store.find(&Unique::CardTag(tag())).await.unwrap().and_then(Stored::typed).unwrap();
        assert_eq!((card.record.state, card.record.replaced_by), (CardState::Revoked, None));
        assert_ne!(card.record.customer, self.person);
        assert!(store.cards_of(self.person).await.unwrap().is_empty());
        let visits = store.scan(Kind::Visit, None, 100).await.unwrap();
        let visits: Vec<Visit> =
            visits.into_iter().filter_map(|stored| stored.record.try_into().ok()).collect();
        assert_eq!(visits.len(), 2);
        assert!(visits.iter().all(|visit| {
            visit.customer == visits[0].customer
                && visit.customer != self.person
                && visit.card.is_none()
                && visit.departed_at.is_some()
                && visit.present.is_empty()
        }));
        let past = store.history(&Key::Customer(self.person), None, 100).await.unwrap();
        assert!(past.iter().all(|past| past.before.is_none() && past.after.is_none()), "{past:?}");
        assert_eq!(store.photos(None, 100).await.unwrap(), []);
        assert_eq!(store.count(Kind::Customer).await.unwrap(), 1);
        assert_eq!(service.recognition().find(&[arrival(&self.bank, 9)]).await.unwrap(), [None]);
        let erased = store.erasures().await.unwrap();
        assert_eq!(erased, [Erasure { person: self.person, is_done: true }]);
    }
}

fn visits_counted(tallied: Vec<(crate::store::TallyKey, Tally)>) -> u64 {
    tallied.iter().map(|(_, tally)| tally.visits).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_is_found_nowhere_and_the_trail_keeps_the_act() {
    let world = World::new(Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap()).await;
    let service = world.service();
    let ask = TallyAsk {
        edges: vec![rfid_core::UtcTime::from_nanos(0), rfid_core::UtcTime::from_nanos(u64::MAX)],
        labels: Vec::new(),
        branches: None,
        by: [crate::store::By::Customer].into(),
        figures: crate::store::Figures::All,
    };
    let before = service.store().tally(&ask).await.unwrap();
    // Without a reason nobody asks, and whoever asks does not approve.
    let hasty = Caller { reason: None, ..world.supervisor.clone() };
    let asked = Asked::ErasePerson { customer_number: CANARIES[0].into() };
    assert!(matches!(service.draft_request(&hasty, asked.clone()).await, Err(Fault::ReasonNeeded(_))));
    assert!(matches!(service.draft_request(&world.centre, asked).await, Err(Fault::Forbidden(_))));
    let request = world.asked().await;
    let hash = request.record.proposal.hash();
    assert!(service.approve_request(&world.supervisor, request.record.id, &hash).await.is_err());
    let mut notices = service.recognition().notices().subscribe();
    let decided = world.approved(&request).await.unwrap().request;
    assert_eq!(decided.record.state, RequestState::Done);
    // Whoever looks on is told that nobody is there any more.
    assert!(
        matches!(notices.recv().await.unwrap(), Notice::Visit(visit) if visit.record.departed_at.is_some())
    );
    world.is_gone().await;
    let after = service.store().tally(&ask).await.unwrap();
    assert_eq!((after.len(), visits_counted(after)), (before.len(), visits_counted(before)));
    // Only the request itself says that there was somebody.
    let (requests, _) = service.requests(&world.centre, &Default::default(), None, 100).await.unwrap();
    assert_eq!(requests.iter().map(|request| request.record.id).collect::<Vec<_>>(), [request.record.id]);
    let told = world.bank.told().await;
    let of_person = Key::Customer(world.person).to_string();
    let acts: Vec<&str> = told
        .iter()
        .filter(|recorded| recorded.entry.object.as_deref() == Some(&of_person))
        .map(|recorded| recorded.entry.action.as_str())
        .filter(|action| action.contains("eras"))
        .collect();
    assert_eq!(acts, ["customer.erase", "customer.erased"]);
    let done = told.iter().find(|recorded| recorded.entry.action == "customer.erased").unwrap();
    let counts = [("visits", "2"), ("cards", "1"), ("requests", "2"), ("photos", "1"), ("left", "0")];
    for (name, count) in counts {
        assert_eq!(done.entry.facts.get(name).map(String::as_str), Some(count), "{name}");
    }
    let asked = told.iter().find(|recorded| recorded.entry.action == "request.submit").unwrap();
    assert!(asked.entry.reason.is_none());
    assert!(
        told.iter().any(|recorded| recorded.entry.reason.as_deref() == Some("the customer wrote a letter"))
    );
    service.verify_trail(&Caller::console()).await.unwrap();
    // A second time there is nobody to ask it of, and nothing to go on with.
    let again = Asked::ErasePerson { customer_number: CANARIES[0].into() };
    assert!(matches!(service.draft_request(&world.supervisor, again).await, Err(Fault::NotFound(_))));
    assert_eq!(service.finish_erasures().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_cut_short_is_gone_on_with_and_not_given_up() {
    let world = World::new(Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap()).await;
    let (service, request) = (world.service(), world.asked().await);
    // As if the host had ended right behind the approval, and then in the middle.
    let approved = Request { state: RequestState::Approved, ..request.record.clone() };
    let approved = service.put(&world.centre, "request.approve", approved, request.version).await.unwrap();
    let given_up = service.cancel_request(&world.supervisor, approved.record.id, "".into()).await;
    assert!(matches!(given_up, Err(Fault::NotAllowed(_))));
    world.bank.wait(Duration::from_secs(100 * 3600));
    assert_eq!(service.lapse_requests().await.unwrap(), 0);
    service.store().shut(world.person).await.unwrap();
    let origin = Origin { by: Actor::Host, at: service.now(), from: "host".to_owned() };
    let stand_in = service.stand_in().unwrap();
    service.retire_cards(&origin, world.person, stand_in, &mut Removed::default()).await.unwrap();
    assert!(service.finish_erasures().await.unwrap() > 0);
    let done: Stored<Request> = service.find(Key::Request(request.record.id)).await.unwrap().unwrap();
    assert_eq!(done.record.state, RequestState::Done);
    let card = service.store().find(&Unique::CardTag(tag())).await.unwrap();
    assert!(card.is_some());
    assert_eq!(service.finish_erasures().await.unwrap(), 0);
    service.verify_trail(&Caller::console()).await.unwrap();
}

/// Everything that somebody finds who has all of these bytes and the master secret.
fn is_found(canary: &[u8], bytes: &[u8], loot: &[Vec<u8>]) -> bool {
    let has = |bytes: &[u8]| bytes.windows(canary.len()).any(|part| part == canary);
    has(bytes) || loot.iter().any(|opened| has(opened))
}

fn all_files(folder: &Path, found: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_files(&path, found);
        } else {
            // What is kept free for the day on which the disk is full is nothing to look through.
            let bytes = std::fs::read(&path).unwrap();
            let parts = bytes.chunks(512).filter(|part| part.iter().any(|byte| *byte != 0));
            parts.for_each(|part| found.extend(part));
        }
    }
}

/// A JPEG begins so: that much is random bytes now and then, but not at the beginning of what was opened.
const PHOTO: &[u8] = &[0xFF, 0xD8, 0xFF];

/// Which canaries are found.
fn found_in(bytes: &[u8], loot: &[Vec<u8>]) -> Vec<&'static str> {
    let is_there = |canary: &&&str| is_found(canary.as_bytes(), bytes, loot);
    let photo = loot.iter().any(|opened| opened.starts_with(PHOTO)).then_some("photo");
    CANARIES.iter().filter(is_there).copied().chain(photo).collect()
}

fn all_canaries() -> Vec<&'static str> {
    CANARIES.iter().copied().chain(["photo"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_file_and_the_master_secret_nobody_reads_whoever_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_owned();
    let store = embedded(&data_dir).await;
    let world = World::new(Arc::clone(&store), folder).await;
    let look = || {
        let mut bytes = Vec::new();
        all_files(&data_dir, &mut bytes);
        let persons =
            PersonKeys::from_sealed(&keys(), &std::fs::read(data_dir.join(PERSONS)).unwrap()).unwrap();
        let loot = looted(&keys(), &persons, &bytes);
        (bytes, loot)
    };
    let (bytes, loot) = look();
    assert_eq!(found_in(&bytes, &loot), all_canaries());
    let request = world.asked().await;
    world.approved(&request).await.unwrap();
    world.is_gone().await;
    for is_closed in [false, true] {
        if is_closed {
            store.close().await;
        }
        let (bytes, loot) = look();
        assert_eq!(found_in(&bytes, &loot), Vec::<&str>::new());
        // It is no fault of the looking: the other one is there.
        assert!(is_found("李四".as_bytes(), &bytes, &loot));
    }
    world.service().verify_trail(&Caller::console()).await.unwrap();
    // The index is made anew from a ledger in which the person cannot be read any more.
    for is_anew in [false, true] {
        if is_anew {
            std::fs::remove_dir_all(data_dir.join(crate::store::embedded::INDEX)).unwrap();
        }
        let again = embedded(&data_dir).await;
        assert_eq!(again.count(Kind::Customer).await.unwrap(), 1);
        assert_eq!(again.get(&[Key::Customer(world.person)]).await.unwrap(), [None]);
        assert!(again.find(&Unique::CardTag(tag())).await.unwrap().is_some());
        assert_eq!(again.count(Kind::Visit).await.unwrap(), 2);
        again.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_knows_the_person_is_restored_without() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, copies) = (folder.path().to_owned(), tempfile::tempdir().unwrap());
    let store = embedded(&data_dir).await;
    let world = World::new(Arc::clone(&store), folder).await;
    let clock: Arc<dyn rfid_core::Clock> = world.bank.clock.clone();
    let backup = copies.path().join("backup");
    crate::backup::back_up(&data_dir, &backup, Arc::clone(&clock), crate::backup::go_on).await.unwrap();
    let request = world.asked().await;
    world.approved(&request).await.unwrap();
    store.close().await;
    for part in
        [crate::store::embedded::LEDGER, crate::store::embedded::INDEX, crate::store::embedded::PHOTOS]
    {
        std::fs::remove_dir_all(data_dir.join(part)).unwrap();
    }
    crate::backup::restore(&backup, &data_dir, clock, crate::backup::go_on).await.unwrap();
    let restored = embedded(&data_dir).await;
    assert!(restored.get(&[Key::Customer(world.person)]).await.unwrap()[0].is_some());
    assert_eq!(restored.erasures().await.unwrap(), []);
    // Before anybody is served.
    let trail =
        audit::Trail::open(&data_dir.join("audit-again"), Arc::new(keys()), world.bank.clock.clone()).await;
    let service = Service::new(
        Arc::clone(&restored),
        crate::recognition::RecognitionSettings::default(),
        world.bank.clock.clone(),
        Arc::new(SystemRandomness),
    )
    .with_trail(Arc::new(trail.unwrap()))
    .with_erased_list(ErasedList::in_folder(&data_dir));
    assert_eq!(service.finish_erasures().await.unwrap(), 1);
    let world = World { bank: Bank { service: Arc::new(service), ..world.bank }, ..world };
    world.is_gone().await;
    assert_eq!(world.service().finish_erasures().await.unwrap(), 0);
    let (mut bytes, persons) = (Vec::new(), std::fs::read(data_dir.join(PERSONS)).unwrap());
    all_files(&data_dir, &mut bytes);
    let loot = looted(&keys(), &PersonKeys::from_sealed(&keys(), &persons).unwrap(), &bytes);
    assert_eq!(found_in(&bytes, &loot), Vec::<&str>::new());
    restored.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_takes_along_who_was_erased_and_nothing_of_them() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = embedded(folder.path()).await;
    let world = World::new(Arc::clone(&store), folder).await;
    let request = world.asked().await;
    world.approved(&request).await.unwrap();
    let to = embedded(other.path()).await;
    for _ in 0..2 {
        let moved = crate::moving::move_all(store.as_ref(), to.as_ref(), &mut |_| {}).await.unwrap();
        assert!(moved.records.contains(&(Kind::Customer, 1)), "{moved:?}");
    }
    assert_eq!(to.erasures().await.unwrap(), store.erasures().await.unwrap());
    assert!(to.history(&Key::Customer(world.person), None, 10).await.unwrap().is_empty());
    to.close().await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_arrives_while_being_erased_leaves_nothing_behind() {
    for round in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = match round % 2 {
            0 => embedded(folder.path()).await,
            _ => Arc::new(MemoryStore::new()),
        };
        let world = World::new(store, folder).await;
        let request = world.asked().await;
        let events: Vec<Event> = (0..60).map(|number| arrival(&world.bank, 10_000 * (number + 1))).collect();
        let service = Arc::clone(&world.bank.service);
        let arriving = tokio::spawn(async move {
            for event in events {
                service.recognition().find(&[event]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        tokio::time::sleep(Duration::from_millis(round)).await;
        world.approved(&request).await.unwrap();
        arriving.await.unwrap();
        let store = world.service().store();
        let listing = Listing::visits_of(world.person);
        assert_eq!(store.list(&listing, None, 10).await.unwrap(), []);
        assert_eq!(store.get(&[Key::Customer(world.person)]).await.unwrap(), [None]);
        let open = Listing::ever(Kind::Visit, Among::Open);
        assert_eq!(store.list(&open, None, 10).await.unwrap(), []);
        world.service().verify_trail(&Caller::console()).await.unwrap();
        store.close().await;
    }
}

/// As somebody has them who dumps the database.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn with_a_dump_of_the_database_and_the_master_secret_nobody_reads_whoever_was_erased() {
    use crate::store::postgres::PostgresStore;
    use crate::store::postgres::cluster::Cluster;
    let cluster = Cluster::start(&["fsync=off"]);
    let rows = Rows::new(Arc::new(keys()), Arc::new(SystemRandomness));
    let clock = Arc::new(rfid_core::SystemClock::new());
    let store = PostgresStore::open(&cluster.database("bank"), rows, clock).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let world = World::new(Arc::clone(&store), tempfile::tempdir().unwrap()).await;
    let look = || {
        let mut bytes = Vec::new();
        for table in ["record", "visit", "past", "photo", "unique_value", "id_number", "meta", "person_keys"]
        {
            let dumped = cluster.psql("bank", &format!("select t from {table} t")).unwrap();
            bytes.extend(dumped.as_bytes());
            // What is binary stands there in hexadecimal digits.
            for part in dumped.split("\\x").skip(1) {
                let digits: Vec<u8> = part.bytes().take_while(u8::is_ascii_hexdigit).collect();
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
                bytes.extend(digits.chunks_exact(2).map(byte));
            }
        }
        let sealed = cluster.psql("bank", "select encode(sealed, 'hex') from person_keys").unwrap();
        let byte = |at: usize| u8::from_str_radix(&sealed[at..at + 2], 16).unwrap();
        let sealed: Vec<u8> = (0..sealed.len()).step_by(2).map(byte).collect();
        let loot = looted(&keys(), &PersonKeys::from_sealed(&keys(), &sealed).unwrap(), &bytes);
        (bytes, loot)
    };
    let (bytes, loot) = look();
    assert_eq!(found_in(&bytes, &loot), all_canaries());
    let request = world.asked().await;
    world.approved(&request).await.unwrap();
    world.is_gone().await;
    let (bytes, loot) = look();
    assert_eq!(found_in(&bytes, &loot), Vec::<&str>::new());
    assert!(is_found("李四".as_bytes(), &bytes, &loot));
    store.close().await;
}

#[test]
fn the_trail_is_verified_by_whoever_has_its_folder_alone() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = runtime.block_on(async {
        let world = World::new(Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap()).await;
        let request = world.asked().await;
        world.approved(&request).await.unwrap();
        world.service().trail().unwrap().close().await;
        world.bank.folder
    });
    assert!(audit::verify(&folder.path().join("audit"), None, &[], |_| {}).unwrap().records > 10);
}
