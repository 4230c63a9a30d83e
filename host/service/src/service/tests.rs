use rfid_core::SystemClock;

use super::*;
use crate::randomness::SystemRandomness;
use crate::record::{CardState, CustomerId, Outcome, StaffRole, VisitId};
use crate::search::SearchFilter;
use crate::service::view::{CardView, CustomerView};
use crate::store::MemoryStore;

async fn service() -> Service {
    let store = Arc::new(MemoryStore::new());
    let (clock, randomness) = (Arc::new(SystemClock::new()), Arc::new(SystemRandomness));
    let service = Service::new(store, RecognitionSettings::default(), clock, randomness);
    let branch = |code: &str| BranchDraft { code: code.into(), name: code.to_owned(), position: None };
    assert_eq!(service.take_branches(&Caller::console(), &[branch("a"), branch("b")]).await.unwrap(), 2);
    service
}

fn draft(number: &str) -> CustomerDraft {
    CustomerDraft {
        customer_number: number.into(),
        name: "张小明".into(),
        id_number: Some("11010519491231002X".into()),
        employer: "西州电力".into(),
        vip_class: "gold".to_owned(),
        usual_business: "理财".into(),
        branch: "a".to_owned(),
        account_manager: None,
        notes: "".into(),
        consent: ConsentDraft::Given,
    }
}

fn card(epc: &str) -> CardDraft {
    CardDraft {
        epc_hex: Some(epc.to_owned()),
        uid_hex: None,
        valid_from: "2026-01-01".parse().unwrap(),
        valid_until: "2028-12-31".parse().unwrap(),
        branches: None,
    }
}

/// Whoever greets in a branch.
fn lobby_manager(branch: &str) -> StaffDraft {
    StaffDraft {
        staff_number: "S1".to_owned(),
        name: "李静".into(),
        role: StaffRole::LobbyManager,
        branch: branch.to_owned(),
    }
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_customer_is_said_at_once() {
    let service = service().await;
    let wrong = CustomerDraft {
        customer_number: "6 1".into(),
        name: " ".into(),
        id_number: Some("110105194912310021".into()),
        employer: "长".repeat(201).into(),
        notes: "a\u{7}".into(),
        branch: "c".to_owned(),
        account_manager: Some("nobody".to_owned()),
        ..draft("1")
    };
    let Err(Fault::Invalid(faults)) = service.open_customer(&Caller::console(), wrong).await else {
        panic!()
    };
    let fields: Vec<_> = faults.iter().map(|fault| fault.field).collect();
    assert_eq!(
        fields,
        ["customer_number", "id_number", "name", "employer", "notes", "branch", "account_manager"]
    );
    assert!(faults.iter().all(|fault| !fault.to_string().contains("110105")), "{faults:?}");
}

#[tokio::test]
async fn a_customer_is_found_by_number_and_by_id_number() {
    let service = service().await;
    let opened = service.open_customer(&Caller::console(), draft("6001")).await.unwrap();
    assert_eq!(service.customer_of_number(&Caller::console(), "6001").await.unwrap().stored, opened);
    assert_eq!(
        service.customers_of_id_number(&Caller::console(), "11010519491231002x").await.unwrap().len(),
        1
    );
    assert!(matches!(
        service.customer_of_number(&Caller::console(), "6002").await,
        Err(Fault::NotFound("customer"))
    ));
    assert!(matches!(
        service.open_customer(&Caller::console(), draft("6001")).await,
        Err(Fault::Taken("customer_number"))
    ));
    let shown = serde_json::to_string(&CustomerView::whole(&opened)).unwrap();
    assert!(shown.contains("1****************X") && !shown.contains("11010519491231002X"), "{shown}");
}

#[tokio::test]
async fn who_changes_what_another_has_changed_is_told_by_whom() {
    let service = service().await;
    let opened = service.open_customer(&Caller::console(), draft("6001")).await.unwrap();
    let id = opened.record.id;
    let clerk = Caller::new(Actor::Machine("core".to_owned()), "10.0.0.7", Grant::everything());
    let gold = CustomerDraft { vip_class: "platinum".to_owned(), ..draft("6001") };
    let changed = service.change_customer(&clerk, id, 1, gold.clone()).await.unwrap();
    assert_eq!((changed.version, changed.record.consent), (2, opened.record.consent));
    let Err(Fault::Conflict { found: 2, by: Some(by) }) =
        service.change_customer(&Caller::console(), id, 1, gold).await
    else {
        panic!()
    };
    assert_eq!((by.by, by.from.as_str()), (Actor::Machine("core".to_owned()), "10.0.0.7"));
    let past = service.store().history(&Key::Customer(id), None, 9).await.unwrap();
    assert_eq!(past.len(), 2);
}

#[tokio::test]
async fn a_card_goes_only_where_its_life_leads() {
    let service = service().await;
    let console = Caller::console();
    let customer = service.open_customer(&console, draft("6001")).await.unwrap().record.id;
    let bound = service.bind_card(&console, customer, card("2D0000000000000000000001")).await.unwrap();
    let (id, version) = (bound.record.id, bound.version);
    assert_eq!(CardView::of(&bound).epc_ends.as_deref(), Some("0001"));
    assert!(matches!(
        service.bind_card(&console, customer, card("2D0000000000000000000001")).await,
        Err(Fault::Taken("epc_hex"))
    ));
    let issued = service.change_card_state(&console, id, version, CardState::Issued).await;
    assert!(matches!(issued, Err(Fault::Rule(_))));
    let lost = service.change_card_state(&console, id, version, CardState::Lost).await.unwrap();
    assert!(matches!(
        service.change_card_state(&console, id, version, CardState::Active).await,
        Err(Fault::Conflict { found: 2, .. })
    ));
    assert_eq!(service.cards_of(&console, customer).await.unwrap(), [lost]);
    let late = CardDraft { valid_until: "2025-01-01".parse().unwrap(), ..card("2D02") };
    assert!(matches!(service.bind_card(&console, customer, late).await, Err(Fault::Invalid(_))));
}

#[tokio::test]
async fn a_customer_without_a_card_is_checked_in_greeted_served_and_leaves() {
    let service = service().await;
    let console = Caller::console();
    service.open_customer(&console, draft("6001")).await.unwrap();
    let lobby = lobby_manager("a");
    let (one, other) = (lobby.clone(), StaffDraft { staff_number: "S2".to_owned(), ..lobby });
    service.add_staff(&console, one).await.unwrap();
    service.add_staff(&console, other).await.unwrap();
    let visit = service.check_in(&console, "6001", "a", Some("S1")).await.unwrap().record;
    assert_eq!(visit.outcome, Outcome::Recognised);
    assert!(matches!(service.check_in(&console, "6001", "a", Some("S1")).await, Err(Fault::NotAllowed(_))));
    service.greet(&console, visit.id, Some("S1")).await.unwrap();
    let again = service.greet(&console, visit.id, Some("S1")).await.unwrap();
    assert_eq!(again.version, 2, "greeting twice is greeting once");
    assert!(matches!(service.greet(&console, visit.id, Some("S2")).await, Err(Fault::NotAllowed(_))));
    service.serve(&console, visit.id, Some("S2")).await.unwrap();
    service.note_business(&console, visit.id, vec!["存款".to_owned()]).await.unwrap();
    let here = VisitFilter { branch: Some("a".into()), open: true, ..VisitFilter::ALL };
    assert_eq!(service.visits(&console, &here, None, 9).await.unwrap().0.len(), 1);
    service.depart(&console, visit.id).await.unwrap();
    assert_eq!(service.visits(&console, &here, None, 9).await.unwrap().0.len(), 0);
    let nowhere = service.visit(&console, VisitId::from_bytes([9; 16])).await;
    assert!(matches!(nowhere, Err(Fault::NotFound("visit"))));
}

#[tokio::test]
async fn duty_begins_once_and_ends_once() {
    let service = service().await;
    let console = Caller::console();
    service.add_staff(&console, lobby_manager("b")).await.unwrap();
    let begun = service.begin_duty(&console, "S1").await.unwrap();
    assert_eq!(service.begin_duty(&console, "S1").await.unwrap(), begun);
    assert!(service.end_duty(&console, "S1").await.unwrap().record.until.is_some());
    assert!(matches!(service.end_duty(&console, "S1").await, Err(Fault::NotAllowed(_))));
}

#[tokio::test]
async fn a_branch_that_left_the_configuration_is_closed_and_comes_back() {
    let service = service().await;
    let branch = |code: &str| BranchDraft { code: code.into(), name: code.to_owned(), position: None };
    assert_eq!(service.take_branches(&Caller::console(), &[branch("a")]).await.unwrap(), 1);
    assert!(matches!(service.branch(&Caller::console(), "b").await, Err(Fault::NotFound("branch"))));
    assert_eq!(service.branches(&Caller::console()).await.unwrap().len(), 2);
    assert_eq!(service.take_branches(&Caller::console(), &[branch("a"), branch("b")]).await.unwrap(), 1);
    assert_eq!(service.take_branches(&Caller::console(), &[branch("a"), branch("b")]).await.unwrap(), 0);
}

#[tokio::test]
async fn another_branchs_customer_is_as_if_there_were_none() {
    let service = service().await;
    let console = Caller::console();
    let opened = service.open_customer(&console, draft("6001")).await.unwrap().record.id;
    let bound = service.bind_card(&console, opened, card("2D01")).await.unwrap();
    service.add_staff(&console, lobby_manager("a")).await.unwrap();
    let visit = service.check_in(&console, "6001", "a", Some("S1")).await.unwrap().record.id;
    let other = Caller { grant: Grant::of_token(Scope::ALL, Some(["b".into()].into())), ..console };
    let (nobody, never) = (CustomerId::from_bytes([9; 16]), VisitId::from_bytes([9; 16]));
    let no_card = crate::record::CardId::from_bytes([9; 16]);
    fn said<T>(outcome: Result<T, Fault>) -> String {
        outcome.err().unwrap().to_string()
    }
    assert_eq!(said(service.customer(&other, opened).await), said(service.customer(&other, nobody).await));
    assert_eq!(
        said(service.change_customer(&other, opened, 1, draft("6001")).await),
        said(service.change_customer(&other, nobody, 1, draft("6001")).await)
    );
    assert_eq!(
        said(service.customer_of_number(&other, "6001").await),
        said(service.customer_of_number(&other, "6002").await)
    );
    assert_eq!(said(service.visit(&other, visit).await), said(service.visit(&other, never).await));
    assert_eq!(said(service.depart(&other, visit).await), said(service.depart(&other, never).await));
    assert_eq!(said(service.card(&other, bound.record.id).await), said(service.card(&other, no_card).await));
    assert!(service.customers_of_id_number(&other, "11010519491231002X").await.unwrap().is_empty());
    assert!(service.visits(&other, &VisitFilter::ALL, None, 9).await.unwrap().0.is_empty());
    assert_eq!(service.branches(&other).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_done_without_its_right() {
    let service = service().await;
    let nobody = Caller { grant: Grant::of_token([], None), ..Caller::console() };
    let customer = CustomerId::from_bytes([1; 16]);
    let visit = VisitId::from_bytes([1; 16]);
    let forbidden = |fault: Option<Fault>| matches!(fault, Some(Fault::Forbidden(_)));
    assert!(forbidden(service.open_customer(&nobody, draft("1")).await.err()));
    assert!(forbidden(service.change_customer(&nobody, customer, 1, draft("1")).await.err()));
    assert!(forbidden(service.close_customer(&nobody, customer, 1).await.err()));
    assert!(forbidden(service.customer(&nobody, customer).await.err()));
    assert!(forbidden(service.customer_of_number(&nobody, "1").await.err()));
    assert!(forbidden(service.customers_of_id_number(&nobody, "x").await.err()));
    assert!(forbidden(service.bind_card(&nobody, customer, card("2D")).await.err()));
    assert!(forbidden(service.cards_of(&nobody, customer).await.err()));
    assert!(forbidden(service.visits(&nobody, &VisitFilter::ALL, None, 1).await.err()));
    assert!(forbidden(service.visit(&nobody, visit).await.err()));
    assert!(forbidden(service.check_in(&nobody, "1", "a", Some("S1")).await.err()));
    assert!(forbidden(service.greet(&nobody, visit, Some("S1")).await.err()));
    assert!(forbidden(service.serve(&nobody, visit, Some("S1")).await.err()));
    assert!(forbidden(service.note_business(&nobody, visit, Vec::new()).await.err()));
    assert!(forbidden(service.depart(&nobody, visit).await.err()));
    assert!(forbidden(service.open_alarms(&nobody, None, 1).await.err()));
    assert!(forbidden(service.begin_duty(&nobody, "S1").await.err()));
    assert!(forbidden(service.end_duty(&nobody, "S1").await.err()));
    assert!(forbidden(service.staff_of_number(&nobody, "S1").await.err()));
}

#[tokio::test]
async fn a_customer_is_found_by_name_from_the_moment_it_is_written() {
    let service = service().await;
    let console = Caller::console();
    service.open_customer(&console, draft("6001")).await.unwrap();
    let find = async |service: &Service, caller: &Caller, text: &str| {
        let found = service.search_customers(caller, text, &SearchFilter::default(), None, 9).await.unwrap();
        found.0.len()
    };
    assert_eq!([find(&service, &console, "zxm").await, find(&service, &console, "电力").await], [1, 1]);
    // A service that begins over the same store finds nobody before it has read them.
    let (clock, randomness) = (Arc::new(SystemClock::new()), Arc::new(SystemRandomness));
    let again = Service::new(Arc::clone(service.store()), RecognitionSettings::default(), clock, randomness);
    assert_eq!(find(&again, &console, "zxm").await, 0);
    assert_eq!(again.fill_search().await.unwrap(), 1);
    assert_eq!(find(&again, &console, "zxm").await, 1);
    let other = Caller { grant: Grant::of_token(Scope::ALL, Some(["b".into()].into())), ..console };
    assert_eq!(find(&again, &other, "zxm").await, 0);
    let nobody = Caller { grant: Grant::of_token([], None), ..Caller::console() };
    let forbidden = again.search_customers(&nobody, "zxm", &SearchFilter::default(), None, 9).await;
    assert!(matches!(forbidden, Err(Fault::Forbidden(_))));
}

#[tokio::test]
async fn a_photo_that_nobody_has_is_forgotten_when_it_is_seen_twice() {
    use crate::record::PhotoId;
    use crate::store::Photo;
    let (service, console) = (service().await, Caller::console());
    service.open_customer(&console, draft("6001")).await.unwrap();
    let mut picture = Vec::new();
    image::RgbImage::new(64, 64)
        .write_to(&mut std::io::Cursor::new(&mut picture), image::ImageFormat::Png)
        .unwrap();
    let customer = service.take_photo(&console, "6001", 1, picture.clone()).await.unwrap();
    let kept = customer.record.photo.unwrap();
    // The same again is no change.
    assert_eq!(service.take_photo(&console, "6001", 2, picture).await.unwrap().version, 2);
    let stray = PhotoId::from_bytes([9; 32]);
    service
        .store()
        .put_photo(
            stray,
            crate::record::CustomerId::from_bytes([9; 16]),
            Photo { large: vec![1], small: vec![1] },
        )
        .await
        .unwrap();
    let suspects = service.forget_stray_photos(&Default::default()).await.unwrap();
    assert_eq!(suspects, [stray].into());
    assert_eq!(service.store().photos(None, 9).await.unwrap().len(), 2);
    assert_eq!(service.forget_stray_photos(&suspects).await.unwrap(), [].into());
    assert_eq!(service.store().photos(None, 9).await.unwrap(), [kept]);
    service.remove_photo(&console, "6001", 2).await.unwrap();
    assert_eq!(service.store().photos(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn whoever_takes_the_consent_back_is_on_no_screen_any_more() {
    let (service, console) = (service().await, Caller::console());
    service.open_customer(&console, draft("6001")).await.unwrap();
    service.add_staff(&console, lobby_manager("a")).await.unwrap();
    let visit = service.check_in(&console, "6001", "a", Some("S1")).await.unwrap();
    let mut notices = service.recognition().notices().subscribe();
    let customer = service.customer_of_number(&console, "6001").await.unwrap();
    let opted_out = CustomerDraft { consent: ConsentDraft::OptedOut, ..draft("6001") };
    service.change_customer(&console, customer.record.id, 1, opted_out).await.unwrap();
    let Ok(Notice::Visit(told)) = notices.try_recv() else { panic!("nobody was told") };
    assert_eq!((told.record.id, told.record.departed_at.is_some()), (visit.record.id, true));
    let open = VisitFilter { open: true, ..VisitFilter::ALL };
    assert!(service.visits(&console, &open, None, 9).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn whoever_has_not_agreed_to_be_recognised_is_not_checked_in_by_hand_either() {
    let (service, console) = (service().await, Caller::console());
    service.add_staff(&console, lobby_manager("a")).await.unwrap();
    let mut notices = service.recognition().notices().subscribe();
    let consents = [("6001", ConsentDraft::OptedOut), ("6002", ConsentDraft::NotAsked)];
    for (number, consent) in consents {
        service.open_customer(&console, CustomerDraft { consent, ..draft(number) }).await.unwrap();
        let refused = service.check_in(&console, number, "a", Some("S1")).await;
        assert!(matches!(refused, Err(Fault::Rule(Rule::NoConsent))), "{number}");
    }
    // Nobody is told, and nothing is kept.
    assert!(notices.try_recv().is_err());
    assert!(service.visits(&console, &VisitFilter::ALL, None, 9).await.unwrap().0.is_empty());
    // From the moment on that the customer agrees it is a visit like any other.
    for (number, _) in consents {
        service.note_consent(&console, number, ConsentDraft::Given).await.unwrap();
        service.check_in(&console, number, "a", Some("S1")).await.unwrap();
        assert!(matches!(notices.try_recv(), Ok(Notice::Visit(_))));
    }
}

/// A disk of which a test says how full it is.
struct ToldDisk(std::sync::atomic::AtomicU64);

impl crate::audit::space::Disk for ToldDisk {
    fn room(&self, _: &std::path::Path) -> Result<crate::audit::space::Room> {
        let used = self.0.load(std::sync::atomic::Ordering::SeqCst);
        Ok(crate::audit::space::Room { used, left: 100 - used })
    }
}

#[tokio::test]
async fn how_full_the_disk_of_the_trail_is_stands_in_the_trail_when_it_changes() {
    use crate::audit::space::{SpaceLimits, SpaceWatch};

    let disk = Arc::new(ToldDisk(10.into()));
    let space = SpaceWatch::new(std::path::Path::new("/trail"), disk.clone(), SpaceLimits::default());
    let watch =
        audit::Watch { copying: None, could_change: Vec::new(), space, signing: None, archiving: None };
    let watch = Arc::new(watch);
    let bank = super::bank::Bank::new().await.changed(|service| service.with_watch(watch.clone()));
    for used in [10, 79, 80, 85, 95, 95, 100, 60] {
        disk.0.store(used, std::sync::atomic::Ordering::SeqCst);
        bank.service.look_at_space().await.unwrap();
        assert_eq!(watch.complaints().is_empty(), used < 95, "{used}");
    }
    let told = bank.told().await;
    let states: Vec<(&str, &str)> = told
        .iter()
        .filter(|told| told.entry.action == "audit.space")
        .map(|told| (told.entry.facts["state"].as_str(), told.entry.facts["percent"].as_str()))
        .collect();
    assert_eq!(states, [("warning", "80"), ("alarm", "95"), ("full", "100"), ("fine", "60")]);
}
