//! Requests; those of cards that are spoilt in `spoilt.rs`.

mod spoilt;

use rfid_core::{TagId, TagIdKind};

use super::*;
use crate::audit::Outcome;
use crate::record::{CardDraft, ConsentDraft, Customer, CustomerDraft, LocalDate};
use crate::rights::Role;
use crate::service::bank::{Bank, PASSWORD};
use crate::service::{BranchDraft, OnDesk};

fn customer(number: &str) -> CustomerDraft {
    CustomerDraft {
        customer_number: number.into(),
        name: "张小明".into(),
        id_number: Some("11010519491231002X".into()),
        employer: "".into(),
        vip_class: "gold".to_owned(),
        usual_business: "理财".into(),
        branch: "a".to_owned(),
        account_manager: None,
        notes: "".into(),
        consent: ConsentDraft::Given,
    }
}

fn day(text: &str) -> LocalDate {
    text.parse().unwrap()
}

fn card(replaces: Option<String>) -> Asked {
    let (valid_from, valid_until) = (day("2026-01-01"), day("2028-12-31"));
    let draft = CardDraft { epc_hex: None, uid_hex: None, valid_from, valid_until, branches: None };
    Asked::IssueCard { customer_number: "6001".into(), draft, replaces }
}

struct Desk {
    bank: Bank,
    clerk: Caller,
    reviewer: Caller,
}

impl Desk {
    async fn new() -> Self {
        let bank = Bank::new().await;
        let clerk = bank.person("IC1", &[Role::IssuingClerk]).await;
        let reviewer = bank.person("AR1", &[Role::ApprovingReviewer]).await;
        Self { bank, clerk, reviewer }
    }

    fn service(&self) -> &Service {
        &self.bank.service
    }

    /// Asks for something and submits it.
    async fn submitted(&self, asked: Asked) -> Stored<Request> {
        let drafted = self.service().draft_request(&self.clerk, asked).await.unwrap();
        self.service().submit_request(&self.clerk, drafted.record.id, drafted.version).await.unwrap()
    }

    async fn approved_by(&self, who: &Caller, request: &Stored<Request>) -> Result<Decided, Fault> {
        self.service().approve_request(who, request.record.id, &request.record.proposal.hash()).await
    }

    async fn opened(&self) -> Stored<Customer> {
        let request = self.submitted(Asked::OpenCustomer { draft: customer("6001") }).await;
        self.approved_by(&self.reviewer, &request).await.unwrap();
        self.bank.wait(Duration::from_secs(25 * 3600));
        self.service().customer_of_number(&Caller::console(), "6001").await.unwrap().stored
    }

    /// Those who have logged in again after a day.
    async fn next_day(&mut self) {
        self.clerk = self.bank.log_in("IC1", "10.0.0.11").await;
        self.reviewer = self.bank.log_in("AR1", "10.0.0.12").await;
    }

    async fn card_of(&self, request: &Request) -> Stored<crate::record::Card> {
        let Proposal::IssueCard { card, .. } = &request.proposal else { panic!() };
        self.service().get(Key::Card(*card), "card").await.unwrap()
    }
}

fn not_allowed<T>(outcome: Result<T, Fault>) -> String {
    match outcome {
        Err(Fault::NotAllowed(why)) => why,
        Err(Fault::Rule(rule)) => rule.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("allowed"),
    }
}

#[tokio::test]
async fn a_customer_is_opened_when_somebody_else_approves() {
    let desk = Desk::new().await;
    let request = desk.submitted(Asked::OpenCustomer { draft: customer("6001") }).await;
    let console = Caller::console();
    assert!(desk.service().customer_of_number(&console, "6001").await.is_err());
    let decided = desk.approved_by(&desk.reviewer, &request).await.unwrap();
    assert_eq!(decided.request.record.state, RequestState::Done);
    let opened = desk.service().customer_of_number(&console, "6001").await.unwrap();
    assert_eq!(opened.record.name.reveal(), "张小明");
    let twice = desk.approved_by(&desk.reviewer, &request).await;
    assert!(not_allowed(twice).contains("done"));
}

#[tokio::test]
async fn nobody_approves_what_they_had_a_hand_in() {
    let desk = Desk::new().await;
    let service = desk.service();
    let request = desk.submitted(Asked::OpenCustomer { draft: customer("6001") }).await;
    // The clerk's role approves nothing.
    assert!(matches!(desk.approved_by(&desk.clerk, &request).await, Err(Fault::Forbidden(_))));
    // The same person with another role since: what counts is who it is.
    let grant = crate::service::Grant::of_roles(
        [Role::ApprovingReviewer],
        "a".into(),
        desk.clerk.grant.who().unwrap(),
    );
    let turned = Caller {
        grant,
        session: desk.reviewer.session.clone(),
        from: "10.9.9.9".to_owned(),
        ..desk.clerk.clone()
    };
    assert!(not_allowed(desk.approved_by(&turned, &request).await).contains("had a hand in"));
    // From the same address, or in the same session.
    let near = Caller { from: desk.clerk.from.clone(), ..desk.reviewer.clone() };
    assert!(not_allowed(desk.approved_by(&near, &request).await).contains("same address"));
    let shared = Caller { session: desk.clerk.session.clone(), ..desk.reviewer.clone() };
    assert!(not_allowed(desk.approved_by(&shared, &request).await).contains("same session"));
    // The console is nobody in particular, and a reviewer of another branch learns nothing.
    assert!(matches!(desk.approved_by(&Caller::console(), &request).await, Err(Fault::NotFound(_))));
    desk.bank.employ("AR2", "b", &[Role::ApprovingReviewer]).await;
    let elsewhere = desk.bank.log_in("AR2", "10.0.1.1").await;
    assert!(matches!(desk.approved_by(&elsewhere, &request).await, Err(Fault::NotFound("request"))));
    assert!(matches!(service.request(&elsewhere, request.record.id).await, Err(Fault::NotFound("request"))));
    assert!(desk.approved_by(&desk.reviewer, &request).await.is_ok());
}

#[tokio::test]
async fn an_approval_needs_a_fresh_proof() {
    let desk = Desk::new().await;
    let request = desk.submitted(Asked::OpenCustomer { draft: customer("6001") }).await;
    let alias = desk.reviewer.session.clone().unwrap().alias;
    let session = Some(crate::service::SessionMark { alias, is_proved: false, acting: None });
    let tired = Caller { session, ..desk.reviewer.clone() };
    assert!(matches!(desk.approved_by(&tired, &request).await, Err(Fault::ProofNeeded)));
}

#[tokio::test]
async fn an_approval_names_what_it_approves() {
    let desk = Desk::new().await;
    let service = desk.service();
    let request = desk.submitted(Asked::OpenCustomer { draft: customer("6001") }).await;
    let id = request.record.id;
    let other = CustomerDraft { vip_class: "platinum".to_owned(), ..customer("6001") };
    let edited = service
        .edit_request(&desk.clerk, id, request.version, Asked::OpenCustomer { draft: other })
        .await
        .unwrap();
    assert_eq!(edited.record.state, RequestState::Draft);
    assert!(not_allowed(desk.approved_by(&desk.reviewer, &request).await).contains("draft"));
    service.submit_request(&desk.clerk, id, edited.version).await.unwrap();
    assert!(matches!(desk.approved_by(&desk.reviewer, &request).await, Err(Fault::Conflict { .. })));
    assert!(desk.approved_by(&desk.reviewer, &edited).await.is_ok());
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_does_a_hundred_times() {
    let desk = Desk::new().await;
    let second = desk.bank.person("AR2", &[Role::ApprovingReviewer]).await;
    for number in 0..100 {
        let request = desk.submitted(Asked::OpenCustomer { draft: customer(&format!("7{number:03}")) }).await;
        let edit = Asked::OpenCustomer {
            draft: CustomerDraft { notes: "x".into(), ..customer(&format!("7{number:03}")) },
        };
        let (one, other, edited) = tokio::join!(
            desk.approved_by(&desk.reviewer, &request),
            desk.approved_by(&second, &request),
            desk.service().edit_request(&desk.clerk, request.record.id, request.version, edit),
        );
        let winners = [one.is_ok(), other.is_ok(), edited.is_ok()];
        assert_eq!(winners.iter().filter(|won| **won).count(), 1, "{winners:?}");
        let there = desk.service().customer_of_number(&Caller::console(), &format!("7{number:03}")).await;
        assert_eq!(there.is_ok(), !winners[2]);
    }
    // What the trail says is what happened.
    let told = desk.bank.told().await;
    let undone: Vec<u64> = told.iter().filter_map(|told| told.entry.follows).collect();
    let done = |action: &str| {
        told.iter()
            .filter(|told| told.entry.action == action && told.entry.outcome == Outcome::Done)
            .filter(|told| !undone.contains(&told.number))
            .count()
    };
    assert_eq!(done("request.approve") + done("request.edit"), 100);
}

#[tokio::test]
async fn whoever_changed_the_customer_a_short_while_ago_does_not_approve_the_card() {
    let mut desk = Desk::new().await;
    let opened = desk.submitted(Asked::OpenCustomer { draft: customer("6001") }).await;
    desk.approved_by(&desk.reviewer, &opened).await.unwrap();
    // A second reviewer who had been a clerk in the morning, and wrote what was approved.
    let second = desk.bank.person("X1", &[Role::IssuingClerk]).await;
    let edited = CustomerDraft { notes: "x".into(), ..customer("6001") };
    let change = Asked::ChangeCustomer { customer_number: "6001".into(), version: 1, draft: edited };
    let drafted = desk.service().draft_request(&second, change).await.unwrap();
    let submitted = desk.service().submit_request(&second, drafted.record.id, drafted.version).await.unwrap();
    desk.approved_by(&desk.reviewer, &submitted).await.unwrap();
    let grant =
        crate::service::Grant::of_roles([Role::ApprovingReviewer], "a".into(), second.grant.who().unwrap());
    let second = Caller { grant, ..second };
    let request = desk.submitted(card(None)).await;
    assert!(not_allowed(desk.approved_by(&second, &request).await).contains("a short while ago"));
    // Who only approved had no hand in it.
    let other = desk.submitted(card(None)).await;
    assert!(desk.approved_by(&desk.reviewer, &other).await.is_ok());
    desk.bank.wait(Duration::from_secs(25 * 3600));
    desk.next_day().await;
    assert!(desk.approved_by(&second, &request).await.is_ok());
}

#[tokio::test]
async fn a_card_goes_from_being_asked_for_to_being_used() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    desk.next_day().await;
    let request = desk.submitted(card(None)).await;
    assert_eq!(desk.card_of(&request.record).await.record.state, CardState::Requested);
    let id = request.record.id;
    desk.bank.desk.lay(1);
    assert!(not_allowed(desk.service().encode_card(&desk.clerk, id, "desk").await).contains("submitted"));
    let approved = desk.approved_by(&desk.reviewer, &request).await.unwrap().request;
    assert_eq!(approved.record.state, RequestState::Approved);
    // The reviewer encodes nothing.
    assert!(matches!(desk.service().encode_card(&desk.reviewer, id, "desk").await, Err(Fault::Forbidden(_))));
    let encoded = desk.service().encode_card(&desk.clerk, id, "desk").await.unwrap();
    let made = desk.card_of(&encoded.record).await.record;
    assert_eq!((encoded.record.state, made.state), (RequestState::Encoded, CardState::Issued));
    assert!(made.epc.unwrap().hex().starts_with("2D"), "a GSRN-96");
    // Another card than the one that was encoded is not handed over.
    let right = desk.bank.desk.lies.lock().unwrap().clone();
    desk.bank.desk.lay(2);
    assert!(not_allowed(desk.service().verify_card(&desk.clerk, id, "desk").await).contains("another card"));
    *desk.bank.desk.lies.lock().unwrap() = right;
    let done = desk.service().verify_card(&desk.clerk, id, "desk").await.unwrap();
    assert_eq!(done.record.state, RequestState::Done);
    assert_eq!(desk.card_of(&done.record).await.record.state, CardState::Active);
}

#[tokio::test]
async fn a_card_torn_away_is_tried_again_and_no_two_chips_bear_one_number() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    desk.next_day().await;
    let request = desk.submitted(card(None)).await;
    let id = request.record.id;
    desk.approved_by(&desk.reviewer, &request).await.unwrap();
    let service = desk.service();
    // Nothing lies there; then a card is torn away half-way.
    assert!(matches!(service.encode_card(&desk.clerk, id, "desk").await, Err(Fault::Desk(_))));
    desk.bank.desk.lay(1);
    *desk.bank.desk.tears.lock().unwrap() = true;
    assert!(matches!(service.encode_card(&desk.clerk, id, "desk").await, Err(Fault::Desk(_))));
    let first = desk.card_of(&service.request(&desk.clerk, id).await.unwrap().record).await.record;
    assert_eq!((first.state, first.epc.is_some()), (CardState::Approved, true));
    // Another one is laid on: the number of the first goes with it.
    desk.bank.desk.lay(2);
    *desk.bank.desk.tears.lock().unwrap() = true;
    assert!(matches!(service.encode_card(&desk.clerk, id, "desk").await, Err(Fault::Desk(_))));
    let second = desk.card_of(&service.request(&desk.clerk, id).await.unwrap().record).await.record;
    assert_ne!((first.id, first.epc), (second.id, second.epc));
    let spoilt: Stored<crate::record::Card> = service.get(Key::Card(first.id), "card").await.unwrap();
    assert_eq!((spoilt.record.state, spoilt.record.replaced_by), (CardState::Spoilt, Some(second.id)));
    // The same one again gets the same number.
    let encoded = service.encode_card(&desk.clerk, id, "desk").await.unwrap();
    assert_eq!(desk.card_of(&encoded.record).await.record.epc, second.epc);
    // The spoilt one is no new card, whoever lays it on.
    let other = desk.submitted(card(None)).await;
    desk.approved_by(&desk.reviewer, &other).await.unwrap();
    let lies = OnDesk { epc: first.epc.unwrap(), uid: first.uid.unwrap(), number: None };
    *desk.bank.desk.lies.lock().unwrap() = Some(lies);
    let refused = service.encode_card(&desk.clerk, other.record.id, "desk").await;
    assert!(not_allowed(refused).contains("is a card already"));
}

#[tokio::test]
async fn a_customer_has_one_active_card_and_a_new_one_takes_its_place() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    desk.next_day().await;
    let first = desk.submitted(card(None)).await;
    desk.approved_by(&desk.reviewer, &first).await.unwrap();
    desk.bank.desk.lay(1);
    desk.service().encode_card(&desk.clerk, first.record.id, "desk").await.unwrap();
    desk.service().verify_card(&desk.clerk, first.record.id, "desk").await.unwrap();
    let second = desk.submitted(card(None)).await;
    assert!(not_allowed(desk.approved_by(&desk.reviewer, &second).await).contains("an active card already"));
    let old = desk.card_of(&first.record).await.record.id;
    let third = desk.submitted(card(Some(old.to_string()))).await;
    desk.approved_by(&desk.reviewer, &third).await.unwrap();
    desk.bank.desk.lay(3);
    desk.service().encode_card(&desk.clerk, third.record.id, "desk").await.unwrap();
    assert_eq!(desk.card_of(&first.record).await.record.state, CardState::Active);
    let done = desk.service().verify_card(&desk.clerk, third.record.id, "desk").await.unwrap();
    let new = desk.card_of(&done.record).await.record;
    let old = desk.card_of(&first.record).await.record;
    assert_eq!(
        (old.state, old.replaced_by, new.state),
        (CardState::Replaced, Some(new.id), CardState::Active)
    );
}

#[tokio::test]
async fn a_card_of_a_factory_is_verified_at_a_desk_before_it_is_used() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    desk.next_day().await;
    let Asked::IssueCard { customer_number, draft, .. } = card(None) else { panic!() };
    let draft =
        CardDraft { epc_hex: Some("E2000001".to_owned()), uid_hex: Some("04000001".to_owned()), ..draft };
    let asked = Asked::IssueCard { customer_number, draft, replaces: None };
    let request = desk.submitted(asked.clone()).await;
    // A number is on one card, also of two that are only asked for.
    let drafted = desk.service().draft_request(&desk.clerk, asked).await.unwrap();
    let taken = desk.service().submit_request(&desk.clerk, drafted.record.id, drafted.version).await;
    assert!(matches!(taken, Err(Fault::Taken("epc_hex"))));
    let approved = desk.approved_by(&desk.reviewer, &request).await.unwrap().request;
    assert_eq!(approved.record.state, RequestState::Encoded);
    desk.bank.desk.lay(1);
    desk.service().verify_card(&desk.clerk, request.record.id, "desk").await.unwrap();
    assert_eq!(desk.card_of(&request.record).await.record.state, CardState::Active);
}

#[tokio::test]
async fn what_nobody_goes_on_with_lapses_and_its_card_is_never_used() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    desk.next_day().await;
    let request = desk.submitted(card(None)).await;
    desk.approved_by(&desk.reviewer, &request).await.unwrap();
    assert_eq!(desk.service().lapse_requests().await.unwrap(), 0);
    desk.bank.wait(Duration::from_secs(73 * 3600));
    desk.next_day().await;
    desk.bank.desk.lay(1);
    let late = desk.service().encode_card(&desk.clerk, request.record.id, "desk").await;
    assert!(not_allowed(late).contains("lapsed"));
    assert_eq!(desk.service().lapse_requests().await.unwrap(), 1);
    assert_eq!(desk.card_of(&request.record).await.record.state, CardState::Revoked);
}

#[tokio::test]
async fn what_is_refused_or_given_up_leaves_no_card() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    desk.next_day().await;
    let service = desk.service();
    let refused = desk.submitted(card(None)).await;
    let hash = refused.record.proposal.hash();
    let own = service.refuse_request(&desk.clerk, refused.record.id, &hash, "".into()).await;
    assert!(matches!(own, Err(Fault::Forbidden(_))));
    service.refuse_request(&desk.reviewer, refused.record.id, &hash, "not yet".into()).await.unwrap();
    let cancelled = desk.submitted(card(None)).await;
    service.cancel_request(&desk.clerk, cancelled.record.id, "".into()).await.unwrap();
    for request in [refused, cancelled] {
        assert_eq!(desk.card_of(&request.record).await.record.state, CardState::Revoked);
        assert!(matches!(desk.approved_by(&desk.reviewer, &request).await, Err(Fault::Rule(_))));
    }
}

#[tokio::test]
async fn a_blocked_card_is_used_again_when_somebody_else_approves() {
    let mut desk = Desk::new().await;
    let customer = desk.opened().await.record.id;
    desk.next_day().await;
    let (service, console) = (desk.service(), Caller::console());
    let draft = CardDraft {
        epc_hex: Some("2D01".to_owned()),
        uid_hex: None,
        valid_from: day("2026-01-01"),
        valid_until: day("2028-12-31"),
        branches: None,
    };
    let bound = service.bind_card(&console, customer, draft).await.unwrap();
    let id = bound.record.id;
    let lost = service.change_card_state(&desk.clerk, id, bound.version, CardState::Lost).await.unwrap();
    let alone = service.change_card_state(&desk.clerk, id, lost.version, CardState::Active).await;
    assert!(matches!(alone, Err(Fault::Forbidden(_))));
    let request = desk.submitted(Asked::ReenableCard { card_id: id.to_string() }).await;
    desk.approved_by(&desk.reviewer, &request).await.unwrap();
    assert_eq!(service.card(&console, id).await.unwrap().record.state, CardState::Active);
    // What was asked for of a card that has changed since is not approved.
    let active = service.card(&console, id).await.unwrap();
    service.change_card_state(&desk.clerk, id, active.version, CardState::Suspended).await.unwrap();
    let stale = desk.submitted(Asked::ReenableCard { card_id: id.to_string() }).await;
    let now = service.card(&console, id).await.unwrap();
    service.change_card_state(&desk.clerk, id, now.version, CardState::Lost).await.unwrap();
    assert!(matches!(desk.approved_by(&desk.reviewer, &stale).await, Err(Fault::Conflict { .. })));
}

#[tokio::test]
async fn a_supervisor_stands_in_only_where_no_reviewer_is_on_duty() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    let supervisor = desk.bank.person("BS1", &[Role::BranchSupervisor]).await;
    desk.next_day().await;
    let request = desk.submitted(card(None)).await;
    desk.service().begin_duty(&desk.reviewer, "AR1").await.unwrap();
    assert!(not_allowed(desk.approved_by(&supervisor, &request).await).contains("is on duty"));
    desk.service().end_duty(&desk.reviewer, "AR1").await.unwrap();
    let decided = desk.approved_by(&supervisor, &request).await.unwrap();
    assert!(decided.request.record.stood_in);
}

#[tokio::test]
async fn an_account_is_asked_for_approved_and_opened_by_two_halves_of_a_code() {
    let desk = Desk::new().await;
    let (bank, service) = (&desk.bank, desk.service());
    let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
    let centre = bank.person("CS1", &[Role::CentreSupervisor]).await;
    let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
    let asked = |number: &str, roles: &[Role]| Asked::OpenAccount {
        staff_number: number.to_owned(),
        name: "王芳".into(),
        branch: "a".to_owned(),
        roles: roles.iter().copied().collect(),
    };
    let clash = asked("X1", &[Role::IssuingClerk, Role::ApprovingReviewer]);
    assert!(matches!(service.draft_request(&supervisor, clash).await, Err(Fault::Invalid(_))));
    let drafted = service.draft_request(&supervisor, asked("LM7", &[Role::LobbyManager])).await.unwrap();
    let request = service.submit_request(&supervisor, drafted.record.id, drafted.version).await.unwrap();
    let decided = desk.approved_by(&centre, &request).await.unwrap();
    let approvers = decided.code_half.unwrap();
    assert!(service.fetch_code(&centre, request.record.id).await.is_err());
    let askers = service.fetch_code(&supervisor, request.record.id).await.unwrap();
    assert!(matches!(service.fetch_code(&supervisor, request.record.id).await, Err(Fault::NotFound("code"))));
    for half in [&*askers, &*approvers] {
        let alone = service.accept_invitation("10.1.1.1", "LM7", half, PASSWORD.into(), None).await;
        assert!(matches!(alone, Err(Fault::NotAccepted)));
    }
    let whole = format!("{}-{}", *askers, *approvers);
    service.accept_invitation("10.1.1.1", "LM7", &whole, PASSWORD.into(), None).await.unwrap();
    bank.log_in("LM7", "10.1.1.1").await;
    // Roles of the centre are approved by a security administrator alone.
    let drafted = service.draft_request(&centre, asked("CS7", &[Role::CentreSupervisor])).await.unwrap();
    let request = service.submit_request(&centre, drafted.record.id, drafted.version).await.unwrap();
    let second = bank.person("CS2", &[Role::CentreSupervisor]).await;
    assert!(not_allowed(desk.approved_by(&second, &request).await).contains("security administrator"));
    assert!(desk.approved_by(&security, &request).await.is_ok());
}

#[tokio::test]
async fn the_third_account_is_approved_by_the_system_administrator_and_no_further_one() {
    let bank = Bank::new().await;
    let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
    let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
    let asked = |number: &str| Asked::OpenAccount {
        staff_number: number.to_owned(),
        name: "王芳".into(),
        branch: "a".to_owned(),
        roles: [Role::SecurityAdministrator].into(),
    };
    let submitted = async |number: &str| {
        let drafted = bank.service.draft_request(&security, asked(number)).await.unwrap();
        bank.service.submit_request(&security, drafted.record.id, drafted.version).await.unwrap()
    };
    let request = submitted("SE2").await;
    let hash = request.record.proposal.hash();
    let decided = bank.service.approve_request(&system, request.record.id, &hash).await.unwrap();
    assert!(decided.request.record.stood_in);
    let code = bank.service.fetch_code(&security, request.record.id).await.unwrap();
    let code = format!("{}{}", *code, *decided.code_half.unwrap());
    bank.service.offer_second_factor("10.1.1.1", "SE2", &code, "bank").await.unwrap();
    let digits = bank.digits("SE2").await;
    bank.service
        .accept_invitation("10.1.1.1", "SE2", &code, PASSWORD.into(), digits.as_deref())
        .await
        .unwrap();
    let request = submitted("SE3").await;
    let hash = request.record.proposal.hash();
    let refused = bank.service.approve_request(&system, request.record.id, &hash).await;
    assert!(not_allowed(refused).contains("somebody else of the centre"));
}

#[tokio::test]
async fn another_role_ends_the_sessions_and_nobody_gives_one_to_themselves() {
    let desk = Desk::new().await;
    let (bank, service) = (&desk.bank, desk.service());
    let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
    let second = bank.person("SE2", &[Role::SecurityAdministrator]).await;
    let lobby = bank.person("LM1", &[Role::LobbyManager]).await;
    let own = Asked::ChangeAccount { staff_number: "SE1".to_owned(), roles: [Role::CentreSupervisor].into() };
    assert!(not_allowed(service.draft_request(&security, own.clone()).await).contains("of their own"));
    // Nor do they approve what another asks for them.
    let drafted = service.draft_request(&second, own).await.unwrap();
    let request = service.submit_request(&second, drafted.record.id, drafted.version).await.unwrap();
    assert!(not_allowed(desk.approved_by(&security, &request).await).contains("of their own"));
    let asked = Asked::ChangeAccount { staff_number: "LM1".to_owned(), roles: [Role::AccountManager].into() };
    let drafted = service.draft_request(&second, asked).await.unwrap();
    let request = service.submit_request(&second, drafted.record.id, drafted.version).await.unwrap();
    desk.approved_by(&security, &request).await.unwrap();
    assert!(!service.goes_on(&lobby));
}

#[tokio::test]
async fn an_end_of_the_host_in_the_middle_is_told_by_the_trail() {
    let desk = Desk::new().await;
    let service = desk.service();
    let record =
        crate::record::Branch { code: "c".into(), name: "c".to_owned(), position: None, closed: false };
    // An act that never came to its commit, and one that did.
    service.begin_act(&Caller::console(), "branch.write", service.now(), &record.into(), 0).await.unwrap();
    let branch = BranchDraft { code: "d".into(), name: "d".to_owned(), position: None };
    service.take_branches(&Caller::console(), &[branch]).await.unwrap();
    assert_eq!(service.settle_trail().await.unwrap(), 1);
    assert_eq!(service.settle_trail().await.unwrap(), 0);
    let told = desk.bank.told().await;
    let last = &told.last().unwrap().entry;
    assert_eq!((last.outcome, last.object.as_deref()), (Outcome::NotDone, Some("branch c")));
}

#[tokio::test]
async fn numbers_of_cards_say_nothing_and_are_free() {
    let desk = Desk::new().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let epc: TagId = desk.service().free_epc().await.unwrap();
        assert_eq!((epc.kind(), epc.bytes().len()), (TagIdKind::Epc, 12));
        assert!(seen.insert(epc.hex()));
    }
}

#[tokio::test]
async fn the_file_of_a_person_is_made_for_who_asked_and_who_approved() {
    let mut desk = Desk::new().await;
    let customer = desk.opened().await.record;
    let supervisor = desk.bank.person("BS1", &[Role::BranchSupervisor]).await;
    let centre = desk.bank.person("CS1", &[Role::CentreSupervisor]).await;
    desk.next_day().await;
    let service = desk.service();
    service.customer(&desk.clerk, customer.id).await.unwrap();
    let asked = Asked::PersonFile { customer_number: "6001".into() };
    assert!(matches!(service.draft_request(&desk.clerk, asked.clone()).await, Err(Fault::Forbidden(_))));
    let drafted = service.draft_request(&supervisor, asked).await.unwrap();
    let request = service.submit_request(&supervisor, drafted.record.id, drafted.version).await.unwrap();
    let id = request.record.id;
    assert!(not_allowed(service.person_file(&supervisor, id).await).contains("not approved"));
    desk.approved_by(&centre, &request).await.unwrap();
    assert!(matches!(service.person_file(&desk.reviewer, id).await, Err(Fault::Forbidden(_))));
    let other = desk.bank.person("CS2", &[Role::CentreSupervisor]).await;
    assert!(matches!(service.person_file(&other, id).await, Err(Fault::NotFound("request"))));
    for caller in [&supervisor, &centre] {
        let file = service.person_file(caller, id).await.unwrap();
        assert_eq!(file["customer"]["id_number"], "11010519491231002X");
        let acts = file["acts"].as_array().unwrap();
        let by_clerk = serde_json::json!(["issuing_clerk"]);
        assert!(acts.iter().any(|act| act["action"] == "customer.see" && act["by"] == by_clerk));
        assert!(acts.iter().any(|act| act["action"] == "customer.file"));
    }
    desk.bank.wait(Duration::from_secs(25 * 3600));
    assert!(not_allowed(service.person_file(&supervisor, id).await).contains("longer than a day"));
}
