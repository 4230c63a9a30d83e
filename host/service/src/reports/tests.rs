use std::time::Duration;

use super::*;
use crate::record::{CardState, ConsentDraft, CustomerDraft};
use crate::rights::Role;
use crate::service::bank::Bank;
use crate::service::{CardDraft, Grant, Scope};
use crate::store::Actor;

fn ask(report: ReportKind) -> ReportAsk {
    let (from, to) = ("2026-11-29".parse().unwrap(), "2026-11-30".parse().unwrap());
    ReportAsk { report, from, to, branch: None, by: Vec::new(), days: None }
}

fn rows(report: &Report) -> Vec<serde_json::Value> {
    report.to_json()["rows"].as_array().unwrap().clone()
}

/// A bank on whose first day two customers came, and on whose second one of them again.
async fn two_days() -> Bank {
    let bank = Bank::new().await;
    let (service, console) = (&bank.service, Caller::console());
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    bank.employ("AM1", "a", &[Role::AccountManager]).await;
    for (number, class) in [("6001", "gold"), ("6002", "platinum"), ("6003", "gold")] {
        let draft = CustomerDraft {
            customer_number: number.into(),
            name: "张小明".into(),
            id_number: None,
            employer: "".into(),
            vip_class: class.to_owned(),
            usual_business: "".into(),
            branch: "a".to_owned(),
            account_manager: Some("AM1".to_owned()),
            notes: "".into(),
            consent: ConsentDraft::Given,
        };
        service.open_customer(&console, draft).await.unwrap();
    }
    service.begin_duty(&console, "LM1").await.unwrap();
    for number in ["6001", "6002"] {
        let visit = service.check_in(&console, number, "a", Some("LM1")).await.unwrap().record.id;
        bank.wait(Duration::from_secs(30));
        service.greet(&console, visit, Some("LM1")).await.unwrap();
        bank.wait(Duration::from_secs(270));
        service.serve(&console, visit, Some("AM1")).await.unwrap();
        bank.wait(Duration::from_secs(600));
        service.depart(&console, visit).await.unwrap();
    }
    service.end_duty(&console, "LM1").await.unwrap();
    bank.wait(Duration::from_secs(24 * 3600));
    service.check_in(&console, "6001", "a", Some("LM1")).await.unwrap();
    bank
}

#[tokio::test]
async fn visits_are_counted_by_what_is_asked_for() {
    let bank = two_days().await;
    let (service, console) = (&bank.service, Caller::console());
    let report = service.report(&console, &ask(ReportKind::Visits)).await.unwrap();
    assert_eq!(
        rows(&report),
        [
            serde_json::json!({
                "day": "2026-11-29", "visits": 2, "greeted": 2, "mean_greeting_s": 30, "served": 2,
                "mean_serving_s": 300, "mean_stay_s": 900, "refused": 0,
            }),
            serde_json::json!({
                "day": "2026-11-30", "visits": 1, "greeted": 0, "mean_greeting_s": null, "served": 0,
                "mean_serving_s": null, "mean_stay_s": null, "refused": 0,
            }),
        ]
    );
    let by = ReportAsk { by: vec![Part::VipClass, Part::Hour], ..ask(ReportKind::Visits) };
    let report = service.report(&console, &by).await.unwrap();
    let shown: Vec<(i64, &str, i64)> = rows(&report)
        .iter()
        .map(|row| {
            (
                row["hour"].as_i64().unwrap(),
                row["vip_class"].as_str().unwrap().to_owned(),
                row["visits"].as_i64().unwrap(),
            )
        })
        .map(|(hour, class, visits)| (hour, if class == "gold" { "gold" } else { "platinum" }, visits))
        .collect();
    // Nine o'clock in Shanghai on both days: both customers on the first, one on the second.
    assert_eq!(shown, [(9, "gold", 2), (9, "platinum", 1)]);
    let by = ReportAsk { by: vec![Part::AccountManager, Part::Branch], ..ask(ReportKind::Visits) };
    let report = service.report(&console, &by).await.unwrap();
    assert_eq!(
        (&rows(&report)[0]["account_manager"], &rows(&report)[0]["branch"]),
        (&"AM1".into(), &"a".into())
    );
}

#[tokio::test]
async fn customers_are_counted_by_how_often_they_came_and_missed_when_they_did_not() {
    let bank = two_days().await;
    let (service, console) = (&bank.service, Caller::console());
    let report = service.report(&console, &ask(ReportKind::Frequency)).await.unwrap();
    let shown: Vec<String> = rows(&report)
        .iter()
        .map(|row| format!("{} {} {}", row["vip_class"], row["visits_from"], row["customers"]))
        .collect();
    assert_eq!(shown, ["\"gold\" 2 1", "\"platinum\" 1 1"]);
    let missed = async |days| {
        let ask = ReportAsk { days: Some(days), ..ask(ReportKind::Absent) };
        let report = service.report(&console, &ask).await.unwrap();
        rows(&report)
            .iter()
            .map(|row| row["customer_number"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(missed(1).await, ["6003", "6002"]);
    assert_eq!(missed(30).await, ["6003"]);
}

#[tokio::test]
async fn what_people_did_stands_beside_how_long_they_were_on_duty() {
    let bank = two_days().await;
    let (service, console) = (&bank.service, Caller::console());
    let report = service.report(&console, &ask(ReportKind::Staff)).await.unwrap();
    let rows_of = rows(&report);
    assert_eq!(
        rows_of[1],
        serde_json::json!({
            "staff_number": "LM1", "role": "other", "branch": "a", "greeted": 2, "mean_greeting_s": 30,
            "longest_greeting_s": 30, "served": 0, "mean_serving_s": null, "duty_h": 0.5, "acts_per_duty_h": 4,
        })
    );
    assert_eq!((&rows_of[0]["staff_number"], &rows_of[0]["served"]), (&"AM1".into(), &2.into()));
    let report = service.report(&console, &ask(ReportKind::Duty)).await.unwrap();
    let only = &rows(&report)[0];
    assert_eq!(
        (&only["day"], &only["people"], &only["covered_h"]),
        (&"2026-11-29".into(), &1.into(), &0.5.into())
    );
}

#[tokio::test]
async fn refused_cards_are_told_by_why() {
    let bank = two_days().await;
    let (service, console) = (&bank.service, Caller::console());
    let customer = service.customer_of_number(&console, "6003").await.unwrap().record.id;
    let draft = CardDraft {
        epc_hex: Some("2D01".to_owned()),
        uid_hex: None,
        valid_from: "2026-01-01".parse().unwrap(),
        valid_until: "2028-01-01".parse().unwrap(),
        branches: None,
    };
    let card = service.bind_card(&console, customer, draft).await.unwrap();
    service.change_card_state(&console, card.record.id, card.version, CardState::Lost).await.unwrap();
    let report = service.report(&console, &ask(ReportKind::Recognition)).await.unwrap();
    let all = rows(&report);
    assert_eq!(
        (&all[0]["branch"], &all[0]["recognised"], &all[0]["lost"]),
        (&"a".into(), &3.into(), &0.into())
    );
    assert_eq!(all[1]["share_recognised"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_report_is_of_the_branches_that_may_be_seen_and_of_days_that_there_are() {
    let bank = two_days().await;
    let service = &bank.service;
    let grant = Grant::of_token([Scope::ReadReports], Some(["b".into()].into()));
    let of_b = Caller::new(Actor::Machine("b".to_owned()), "10.0.0.1", grant);
    let report = service.report(&of_b, &ask(ReportKind::Visits)).await.unwrap();
    assert!(report.rows.is_empty());
    let of_a = ReportAsk { branch: Some("a".to_owned()), ..ask(ReportKind::Visits) };
    assert!(matches!(service.report(&of_b, &of_a).await, Err(Fault::NotFound("branch"))));
    let backwards = ReportAsk { to: "2026-11-28".parse().unwrap(), ..ask(ReportKind::Visits) };
    assert!(matches!(service.report(&of_b, &backwards).await, Err(Fault::Invalid(_))));
    let nobody =
        Caller::new(Actor::Machine("n".to_owned()), "10.0.0.1", Grant::of_token([Scope::ReadCards], None));
    assert!(matches!(service.report(&nobody, &of_a).await, Err(Fault::Forbidden(_))));
}

#[tokio::test]
async fn a_report_is_a_table_in_each_format() {
    let bank = two_days().await;
    let report = bank.service.report(&Caller::console(), &ask(ReportKind::Visits)).await.unwrap();
    let csv = String::from_utf8(report.write(ReportFormat::Csv).unwrap()).unwrap();
    assert!(csv.starts_with("\u{feff}day,visits,"), "{csv}");
    assert!(csv.contains("2026-11-29,2,2,30,2,300,900,0"), "{csv}");
    assert!(report.write(ReportFormat::Xlsx).unwrap().starts_with(b"PK"));
}
