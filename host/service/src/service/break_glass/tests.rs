use super::super::bank::Bank;
use super::super::{Asked, Caller, Fault};
use super::*;
use crate::audit::Outcome;
use crate::record::{CustomerDraft, Request, RequestState};
use crate::rights::Role;
use crate::service::ConsentDraft;

const HOUR: Duration = Duration::from_secs(3600);

fn asked(right: &str, minutes: u16) -> Asked {
    Asked::BreakGlass { right: right.to_owned(), minutes, reason: "the supervisor is ill".into() }
}

async fn submitted(bank: &Bank, who: &Caller, asked: Asked) -> Stored<Request> {
    let draft = bank.service.draft_request(who, asked).await.unwrap();
    bank.service.submit_request(who, draft.record.id, draft.version).await.unwrap()
}

async fn approve(bank: &Bank, who: &Caller, request: &Stored<Request>) -> Result<(), Fault> {
    let hash = request.record.proposal.hash();
    bank.service.approve_request(who, request.record.id, &hash).await.map(drop)
}

fn with_reason(caller: &Caller) -> Caller {
    Caller { reason: Some("fire in the branch".to_owned()), ..caller.clone() }
}

/// Logs in again: the digits of before are not taken twice.
async fn again(bank: &Bank, number: &str) -> Caller {
    bank.wait(Duration::from_secs(30));
    // From a desk of their own.
    bank.log_in(number, &format!("10.0.1.{}", number.bytes().map(u32::from).sum::<u32>() % 250)).await
}

async fn customer(bank: &Bank, branch: &str) {
    let draft = CustomerDraft {
        customer_number: "6001".into(),
        name: "张小明".into(),
        id_number: Some("11010519491231002X".into()),
        employer: "".into(),
        vip_class: "gold".to_owned(),
        usual_business: "".into(),
        branch: branch.to_owned(),
        account_manager: None,
        notes: "".into(),
        consent: ConsentDraft::Given,
    };
    bank.service.open_customer(&Caller::console(), draft).await.unwrap();
}

#[tokio::test]
async fn a_right_is_lent_by_somebody_else_and_ends_by_itself() {
    let bank = Bank::new().await;
    customer(&bank, "a").await;
    let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
    let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
    let auditor = bank.person("AU1", &[Role::Auditor]).await;
    assert!(matches!(
        bank.service.customer_of_number(&with_reason(&system), "6001").await,
        Err(Fault::Forbidden(_))
    ));
    let request = submitted(&bank, &system, asked("customers.see", 60)).await;
    assert!(bank.service.lent_rights().is_empty());
    // Nobody lends a right to themselves, and who only looks lends none.
    assert!(approve(&bank, &system, &request).await.is_err());
    assert!(approve(&bank, &auditor, &request).await.is_err());
    approve(&bank, &security, &request).await.unwrap();
    // A power changes, so the session from before is over.
    assert!(!bank.service.still_is(&system).await);
    let holder = again(&bank, "SA1").await;
    // With a reason, and nothing but what was lent.
    assert!(matches!(bank.service.customer_of_number(&holder, "6001").await, Err(Fault::ReasonNeeded(_))));
    let with = with_reason(&holder);
    assert!(!bank.service.customer_of_number(&with, "6001").await.unwrap().is_masked);
    assert!(matches!(bank.service.unmasked_id_number(&with, "6001").await, Err(Fault::Forbidden(_))));
    let lent = bank.service.break_glass(&auditor).await.unwrap();
    assert_eq!(lent.len(), 1);
    assert_eq!(
        (lent[0].0.record.number.to_string().as_str(), lent[0].1.right),
        ("SA1", Action::SeeCustomers)
    );
    assert!(matches!(bank.service.break_glass(&system).await, Err(Fault::Forbidden(_))));
    assert_eq!(bank.service.lent_rights().len(), 1);
    assert_eq!(bank.service.end_break_glass().await.unwrap(), 0);
    // Shortly before it is over, and then.
    bank.wait(HOUR - Duration::from_secs(90));
    let late = again(&bank, "SA1").await;
    assert!(bank.service.customer_of_number(&with_reason(&late), "6001").await.is_ok());
    assert!(bank.service.goes_on(&late));
    bank.wait(Duration::from_secs(30));
    // Before anybody has taken it back.
    assert!(!bank.service.goes_on(&late) && !bank.service.still_is(&late).await);
    let after = again(&bank, "SA1").await;
    assert!(matches!(
        bank.service.customer_of_number(&with_reason(&after), "6001").await,
        Err(Fault::Forbidden(_))
    ));
    assert!(bank.service.lent_rights().is_empty());
    assert_eq!(bank.service.end_break_glass().await.unwrap(), 1);
    assert_eq!(bank.service.end_break_glass().await.unwrap(), 0);
    assert!(!bank.service.still_is(&after).await);
    let told = bank.told().await;
    let approved = told
        .iter()
        .find(|told| told.entry.action == "request.approve" && told.entry.outcome == Outcome::Done);
    let facts = &approved.unwrap().entry.facts;
    assert_eq!((facts["right"].as_str(), facts["minutes"].as_str()), ("customers.see", "60"));
    assert_eq!(facts["why"], "the supervisor is ill");
    let used: Vec<_> = told
        .iter()
        .filter(|told| told.entry.facts.contains_key("break_glass"))
        .map(|told| &told.entry)
        .collect();
    assert!(used.iter().any(|entry| entry.action == "customer.see" && entry.reason.is_some()), "{used:?}");
    assert!(told.iter().any(|told| told.entry.action == "break_glass.end"));
}

#[tokio::test]
async fn a_right_of_a_branch_stays_in_the_branch_and_nobody_is_lent_an_approval() {
    let bank = Bank::new().await;
    customer(&bank, "b").await;
    let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
    let centre = bank.person("CS1", &[Role::CentreSupervisor]).await;
    for (wrong, field) in [
        (asked("cards.request", 60), "right"),
        (asked("break_glass.request", 60), "right"),
        (asked("audit.verify", 60), "right"),
        (asked("everything", 60), "right"),
        (asked("cards.see", 241), "minutes"),
        (asked("cards.see", 0), "minutes"),
        (Asked::BreakGlass { right: "cards.see".to_owned(), minutes: 9, reason: "".into() }, "reason"),
    ] {
        let refused = bank.service.draft_request(&supervisor, wrong).await.unwrap_err();
        assert!(refused.to_string().starts_with(field), "{refused}");
    }
    let request = submitted(&bank, &supervisor, asked("customers.unmask", 240)).await;
    // What was read is approved, and nothing else.
    assert!(matches!(
        bank.service.approve_request(&centre, request.record.id, &"0".repeat(64)).await,
        Err(Fault::Conflict { .. })
    ));
    approve(&bank, &centre, &request).await.unwrap();
    let holder = with_reason(&again(&bank, "BS1").await);
    // Of another branch there is nobody.
    assert!(matches!(bank.service.unmasked_id_number(&holder, "6001").await, Err(Fault::NotFound(_))));
    // One at a time.
    let second = submitted(&bank, &holder, asked("cards.block", 60)).await;
    assert!(matches!(approve(&bank, &centre, &second).await, Err(Fault::NotAllowed(_))));
    bank.wait(4 * HOUR);
    let centre = again(&bank, "CS1").await;
    approve(&bank, &centre, &second).await.unwrap();
    let done = bank.service.request(&centre, second.record.id).await.unwrap();
    assert_eq!(done.record.state, RequestState::Done);
    assert_eq!(bank.service.lent_rights()[0].lent.right, Action::BlockCards);
}
