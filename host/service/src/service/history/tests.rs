use std::time::Duration;

use super::super::bank::Bank;
use super::*;
use crate::record::{ConsentDraft, CustomerDraft};
use crate::rights::Role;
use crate::service::Extent;

async fn bank() -> Bank {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    bank.employ("AM1", "a", &[Role::AccountManager]).await;
    for (number, class, branch) in [("6001", "gold", "a"), ("6002", "silver", "a"), ("6003", "gold", "b")] {
        let draft = CustomerDraft {
            customer_number: number.into(),
            name: "张小明".into(),
            id_number: None,
            employer: "".into(),
            vip_class: class.to_owned(),
            usual_business: "".into(),
            branch: branch.to_owned(),
            account_manager: (class == "silver").then(|| "AM1".to_owned()),
            notes: "".into(),
            consent: ConsentDraft::Given,
        };
        bank.service.open_customer(&Caller::console(), draft).await.unwrap();
    }
    bank
}

fn everything() -> HistoryFilter {
    let VisitFilter { from, until, .. } = VisitFilter::ALL;
    HistoryFilter { branch: None, from, until, class: None, state: None, manager: None, outcome: None }
}

#[tokio::test]
async fn all_visits_that_fit_are_found_and_no_other_however_many_pages_it_takes() {
    let bank = bank().await;
    let (service, console) = (&bank.service, Caller::console());
    // More than are read at once.
    for round in 0..300 {
        for (number, branch) in [("6001", "a"), ("6002", "a")] {
            let id = service.check_in(&console, number, branch, Some("LM1")).await.unwrap().record.id;
            if round % 100 == 0 {
                service.greet(&console, id, Some("LM1")).await.unwrap();
            }
            service.depart(&console, id).await.unwrap();
            bank.wait(Duration::from_secs(1));
        }
    }
    service.check_in(&console, "6003", "b", Some("LM1")).await.unwrap();
    let all = async |filter: HistoryFilter, limit| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = service.history(&console, &filter, after, limit).await.unwrap();
            found.extend(page.iter().map(|guest| guest.visit.record.id));
            match next {
                Some(place) => after = Some(place),
                None => return found,
            }
        }
    };
    let everybody = all(everything(), 200).await;
    assert_eq!(everybody.len(), 601);
    let mut once = everybody.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), 601);
    let manager = service.staff_of_number(&console, "AM1").await.unwrap().record.id;
    let lobby = service.staff_of_number(&console, "LM1").await.unwrap().record.id;
    for (filter, count) in [
        (HistoryFilter { branch: Some("b".into()), ..everything() }, 1),
        (HistoryFilter { class: Some("silver".into()), ..everything() }, 300),
        (HistoryFilter { state: Some(VisitState::Waiting), ..everything() }, 1),
        (HistoryFilter { state: Some(VisitState::Left), ..everything() }, 600),
        (HistoryFilter { manager: Some(manager), ..everything() }, 300),
        (HistoryFilter { manager: Some(lobby), ..everything() }, 6),
        (HistoryFilter { outcome: Some(Outcome::Recognised), ..everything() }, 601),
    ] {
        assert_eq!(all(filter.clone(), 7).await.len(), count, "{filter:?}");
    }
}

#[tokio::test]
async fn whoever_asks_says_why_and_sees_as_much_as_the_matrix_says() {
    let bank = bank().await;
    let (service, console) = (&bank.service, Caller::console());
    let id = service.check_in(&console, "6003", "b", Some("LM1")).await.unwrap().record.id;
    service.depart(&console, id).await.unwrap();
    bank.wait(Duration::from_secs(48 * 3600));
    let centre = bank.person("CS1", &[Role::CentreSupervisor]).await;
    let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
    for caller in [&centre, &supervisor] {
        let without = service.history(caller, &everything(), None, 9).await;
        assert!(matches!(without, Err(Fault::ReasonNeeded(_))));
    }
    let because = |caller: &Caller| Caller { reason: Some("a complaint".to_owned()), ..caller.clone() };
    let seen = service.history(&because(&centre), &everything(), None, 9).await.unwrap().0;
    assert_eq!(seen.len(), 1);
    assert!(matches!(seen[0].customer, Some((_, Extent::Shortened))));
    // Of another branch there is nothing.
    assert!(service.history(&because(&supervisor), &everything(), None, 9).await.unwrap().0.is_empty());
    let lobby = bank.log_in("LM1", "10.0.0.9").await;
    assert!(matches!(
        service.history(&because(&lobby), &everything(), None, 9).await,
        Err(Fault::Forbidden(_))
    ));
    let told = bank.told().await;
    let last =
        told.iter().rev().find(|one| one.entry.action == "visits.history" && one.entry.count.is_some());
    assert_eq!(last.unwrap().entry.reason.as_deref(), Some("a complaint"));
}
