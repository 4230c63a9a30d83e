use std::time::Duration;

use super::*;
use crate::rights::Role;
use crate::service::VisitFilter;
use crate::service::bank::Bank;

const FROM: &str = "10.0.0.7";

struct Centre {
    bank: Bank,
    token: String,
}

impl Centre {
    async fn new() -> Self {
        let bank = Bank::new().await;
        bank.employ("CS1", "a", &[Role::CentreSupervisor]).await;
        let token = bank.session("CS1", FROM).await.token.to_string();
        Self { bank, token }
    }

    async fn now(&self) -> Identified {
        self.bank.service.identify(&self.token, FROM).await.unwrap()
    }

    async fn choose(&self, code: &str, reason: Option<&str>) -> Result<(), Fault> {
        let caller = Caller { reason: reason.map(str::to_owned), ..self.now().await.caller };
        self.bank.service.choose_branch(&caller, code).await
    }
}

fn here(branch: &str) -> VisitFilter {
    VisitFilter { branch: Some(branch.into()), open: true, ..VisitFilter::ALL }
}

#[tokio::test]
async fn whoever_is_central_looks_at_one_branch_and_says_why() {
    let centre = Centre::new().await;
    let service = &centre.bank.service;
    assert!(matches!(centre.choose("b", None).await, Err(Fault::ReasonNeeded(_))));
    assert!(matches!(centre.choose("nowhere", Some("x")).await, Err(Fault::NotFound("branch"))));
    let long = "x".repeat(Entry::LONGEST_REASON + 1);
    for reason in ["two\nlines", &long] {
        assert!(matches!(centre.choose("b", Some(reason)).await, Err(Fault::Invalid(_))), "{reason}");
    }
    assert_eq!(centre.now().await.acting, None);
    centre.choose("b", Some("a complaint of Monday")).await.unwrap();
    let there = centre.now().await;
    assert_eq!(there.acting.as_ref().unwrap().branch.as_str(), "b");
    // Why stands in the session; another branch is not reached by asking for it.
    assert!(service.visits(&there.caller, &here("b"), None, 9).await.is_ok());
    assert!(there.caller.grant.reaches("b") && !there.caller.grant.reaches("a"));
    let all = service.visits(&there.caller, &VisitFilter { open: true, ..VisitFilter::ALL }, None, 9).await;
    assert!(all.unwrap().0.is_empty());
    assert_eq!(service.chooses_branches(&there), Some(true));
    // Another choice takes its place, by the rights of the person.
    centre.choose("a", Some("another")).await.unwrap();
    assert_eq!(centre.now().await.acting.unwrap().branch.as_str(), "a");
    assert!(!service.still_looks(&there.caller));
    service.leave_branch(&centre.now().await.caller).await.unwrap();
    service.leave_branch(&centre.now().await.caller).await.unwrap();
    let back = centre.now().await;
    assert_eq!(back.acting, None);
    let without = service.visits(&back.caller, &here("b"), None, 9).await;
    assert!(matches!(without, Err(Fault::ReasonNeeded(_))));
}

#[tokio::test]
async fn the_trail_tells_of_the_choice_its_reason_and_its_end() {
    let centre = Centre::new().await;
    centre.choose("b", Some("a complaint of Monday")).await.unwrap();
    let service = &centre.bank.service;
    let caller = centre.now().await.caller;
    service.visits(&caller, &here("b"), None, 9).await.unwrap();
    service.leave_branch(&caller).await.unwrap();
    let told = centre.bank.told().await;
    for action in ["branch.choose", "arrivals.see", "branch.leave"] {
        let one = told.iter().find(|one| one.entry.action == action).unwrap();
        assert_eq!(one.entry.reason.as_deref(), Some("a complaint of Monday"), "{action}");
        assert_eq!(one.entry.branch.as_deref(), Some("b"), "{action}");
    }
}

#[tokio::test]
async fn nobody_else_chooses_and_the_choice_ends_with_the_session() {
    let centre = Centre::new().await;
    let bank = &centre.bank;
    for (number, role) in [
        ("BS1", Role::BranchSupervisor),
        ("LM1", Role::LobbyManager),
        ("SE1", Role::SecurityAdministrator),
        ("AU1", Role::Auditor),
    ] {
        let caller = Caller { reason: Some("x".to_owned()), ..bank.person(number, &[role]).await };
        let refused = bank.service.choose_branch(&caller, "b").await;
        assert!(matches!(refused, Err(Fault::NotFound("branch") | Fault::Forbidden(_))), "{number}");
    }
    centre.choose("b", Some("x")).await.unwrap();
    let caller = centre.now().await.caller;
    bank.service.log_out(&caller, None).await.unwrap();
    assert!(!bank.service.still_looks(&caller));
    assert!(matches!(bank.service.choose_branch(&caller, "b").await, Err(Fault::NoSession)));
    // No code of a second factor is taken twice.
    bank.wait(Duration::from_secs(60));
    let again = bank.session("CS1", FROM).await;
    assert_eq!(bank.service.identify(&again.token, FROM).await.unwrap().acting, None);
}
