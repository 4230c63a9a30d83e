use std::sync::Arc;

use super::*;
use crate::record::{ConsentDraft, CustomerDraft, CustomerId, VisitId};
use crate::service::bank::Bank;
use crate::store::{Change, Commit, MemoryStore, Store, suite};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn draft(number: &str) -> CustomerDraft {
    CustomerDraft {
        customer_number: number.into(),
        name: "张小明".into(),
        id_number: None,
        employer: "".into(),
        vip_class: "gold".to_owned(),
        usual_business: "".into(),
        branch: "a".to_owned(),
        account_manager: None,
        notes: "likes tea".into(),
        consent: ConsentDraft::Given,
    }
}

async fn visits(store: &dyn Store) -> Vec<Visit> {
    let all = store.scan(Kind::Visit, None, 10_000).await.unwrap();
    all.into_iter().filter_map(|stored| stored.record.try_into().ok()).collect()
}

fn at(text: &str) -> UtcTime {
    text.parse().unwrap()
}

#[tokio::test]
async fn visits_are_nobodys_after_thirteen_months_and_count_as_before() {
    let bank = Bank::over(Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap()).await;
    let (service, store) = (&bank.service, bank.service.store());
    assert_eq!(service.visits_kept_from().unwrap(), at("2025-10-28T16:00:00Z"));
    let mut came = Vec::new();
    for number in 0..700u64 {
        // The days on both sides of the edge, and those long before.
        let arrived_at = at("2025-10-29T04:00:00Z").plus(DAY * u32::try_from(number % 3).unwrap());
        let arrived_at = UtcTime::from_nanos(arrived_at.as_nanos() - (number % 2) * 86_400_000_000_000 * 30);
        let id = VisitId::from_bytes(u128::from(number + 1).to_be_bytes());
        let visit = suite::visit(1, u8::try_from(number % 5).unwrap(), 0, false);
        let card = Some(suite::card(1, 1, 1).id);
        let business = vec!["loan".into()];
        came.push(Visit { id, arrived_at, last_seen: arrived_at, card, business, ..visit });
    }
    for visit in came.clone() {
        let commit = Commit { origin: suite::origin(1), changes: vec![Change::new(visit)] };
        store.commit(commit).await.unwrap();
    }
    let old = came.iter().filter(|visit| visit.arrived_at < at("2025-10-28T16:00:00Z")).count();
    assert!(old > 300 && old < 700);
    let done = service.keep_no_longer(None).await.unwrap();
    assert_eq!(done, Retained { visits: old as u64, ..Retained::default() });
    let mut persons = std::collections::BTreeSet::new();
    for now in visits(store.as_ref()).await {
        let before = came.iter().find(|visit| visit.id == now.id).unwrap();
        if before.arrived_at >= at("2025-10-28T16:00:00Z") {
            assert_eq!(now, *before);
            continue;
        }
        assert!(now.customer.is_stand_in() && persons.insert(now.customer));
        let customer = now.customer;
        let expected =
            Visit { customer, card: None, business: Vec::new(), present: Vec::new(), ..before.clone() };
        assert_eq!(now, expected);
    }
    for person in 0..5 {
        let of = Among::Of(Key::Customer(suite::customer(person, 1).id));
        let listing = Listing { until: at("2025-10-28T16:00:00Z"), ..Listing::ever(Kind::Visit, of) };
        assert_eq!(store.list(&listing, None, 10).await.unwrap(), []);
    }
    // The next one has nothing to do; a day later it is a day more.
    assert_eq!(service.keep_no_longer(None).await.unwrap(), Retained::default());
    let looked = service.visits_kept_from().unwrap();
    bank.wait(DAY);
    assert!(service.keep_no_longer(Some(looked)).await.unwrap().visits > 100);
    let told = bank.told().await;
    let runs: Vec<_> = told.iter().filter(|told| told.entry.action == "retention.run").collect();
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[0].entry.facts.get("visits"), Some(&old.to_string()));
    service.verify_trail(&Caller::console()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_ledger_and_the_master_secret_nobody_knows_whose_old_visits_were() {
    use crate::randomness::SystemRandomness;
    use crate::seal::looting::looted;
    use crate::seal::{Keys, PersonKeys};
    use crate::store::Rows;
    use crate::store::embedded::{EmbeddedStore, LEDGER, PERSONS};
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_owned();
    let keys = || Keys::new(&zeroize::Zeroizing::new([7; 32]), &[]).unwrap();
    let clock = Arc::new(rfid_core::SystemClock::new());
    let rows = Rows::new(Arc::new(keys()), Arc::new(SystemRandomness));
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&data_dir, rows, clock).await.unwrap());
    let bank = Bank::over(Arc::clone(&store), folder).await;
    // In the month that is over and in the one that is not.
    let came = [(1, at("2025-09-20T04:00:00Z")), (2, at("2025-11-20T04:00:00Z"))];
    for (number, arrived_at) in came {
        let visit = Visit { arrived_at, last_seen: arrived_at, ..suite::visit(number, number, 0, false) };
        let commit = Commit { origin: suite::origin(1), changes: vec![Change::new(visit)] };
        store.commit(commit).await.unwrap();
    }
    let is_known = |number| {
        let persons =
            PersonKeys::from_sealed(&keys(), &std::fs::read(data_dir.join(PERSONS)).unwrap()).unwrap();
        let files = std::fs::read_dir(data_dir.join(LEDGER)).unwrap().map(|entry| entry.unwrap().path());
        let mut is_known = false;
        for path in files {
            let bytes = std::fs::read(path).unwrap();
            let id = suite::customer(number, 1).id;
            let text = id.to_string();
            let mut loot = looted(&keys(), &persons, &bytes);
            loot.push(bytes);
            is_known |= loot.iter().any(|bytes| {
                bytes.windows(16).any(|part| part == id.to_bytes())
                    || bytes.windows(32).any(|part| part == text.as_bytes())
            });
        }
        is_known
    };
    assert!(is_known(1) && is_known(2));
    assert_eq!(bank.service.keep_no_longer(None).await.unwrap().visits, 1);
    assert!(!is_known(1) && is_known(2));
    store.close().await;
}

#[tokio::test]
async fn photo_and_notes_go_thirty_days_after_the_consent_or_the_relation() {
    let bank = Bank::over(Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap()).await;
    let (service, console) = (&bank.service, Caller::console());
    let mut picture = Vec::new();
    let format = image::ImageFormat::Png;
    image::RgbImage::new(64, 64).write_to(&mut std::io::Cursor::new(&mut picture), format).unwrap();
    let mut ids: Vec<CustomerId> = Vec::new();
    for number in ["1", "2", "3"] {
        service.open_customer(&console, draft(number)).await.unwrap();
        ids.push(service.take_photo(&console, number, 1, picture.clone()).await.unwrap().record.id);
    }
    service.note_consent(&console, "1", ConsentDraft::OptedOut).await.unwrap();
    service.close_customer(&console, ids[1], 2).await.unwrap();
    bank.wait(DAY * 30);
    assert_eq!(service.keep_no_longer(None).await.unwrap().customers, 0);
    bank.wait(DAY);
    assert_eq!(service.keep_no_longer(None).await.unwrap().customers, 2);
    for (at, id) in ids.iter().enumerate() {
        let customer = service.customer(&console, *id).await.unwrap();
        let is_kept = at == 2;
        assert_eq!((customer.record.photo.is_some(), !customer.record.notes.is_empty()), (is_kept, is_kept));
        assert_eq!(customer.record.name.reveal(), "张小明");
    }
    assert_eq!(service.store().photos(None, 9).await.unwrap().len(), 1);
    assert_eq!(service.keep_no_longer(None).await.unwrap(), Retained::default());
}
