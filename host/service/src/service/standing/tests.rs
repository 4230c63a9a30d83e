use super::super::bank::Bank;
use super::*;
use crate::record::{AlarmKind, CardId, ConsentDraft, CustomerDraft, CustomerId, Refusal, Way};
use crate::rights::Role;
use crate::store::{Actor, Change, Commit, Origin};

async fn bank() -> Bank {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    for (number, class) in [("6001", "gold"), ("6002", "gold"), ("6003", "silver")] {
        let draft = CustomerDraft {
            customer_number: number.into(),
            name: "张小明".into(),
            id_number: None,
            employer: "".into(),
            vip_class: class.to_owned(),
            usual_business: "".into(),
            branch: "a".to_owned(),
            account_manager: None,
            notes: "".into(),
            consent: ConsentDraft::Given,
        };
        bank.service.open_customer(&Caller::console(), draft).await.unwrap();
    }
    bank
}

async fn of(bank: &Bank, caller: &Caller, code: &str) -> BranchStanding {
    let all = bank.service.standing(caller).await.unwrap();
    all.into_iter().find(|branch| branch.code.as_str() == code).unwrap()
}

/// A visit of somebody whose card was refused just now, as recognition writes it.
async fn refuse(bank: &Bank, branch: &str, id: u8) {
    let now = bank.service.now();
    let visit = Visit {
        id: VisitId::from_bytes([id; 16]),
        customer: CustomerId::from_bytes([1; 16]),
        vip_class: "gold".into(),
        account_manager: None,
        card: Some(CardId::from_bytes([1; 16])),
        branch: branch.into(),
        way: Way::Heard { reader: "door".into(), antenna_port: Some(1), zone: "door".into() },
        outcome: Outcome::Refused(Refusal::Lost),
        arrived_at: now,
        last_seen: now,
        revisits: 0,
        desk_read: None,
        greeted: None,
        served: None,
        business: Vec::new(),
        present: Vec::new(),
        departed_at: None,
    };
    write(bank, Change::new(visit.clone())).await;
    bank.service.tell(Notice::Visit(std::sync::Arc::new(Stored { version: 1, record: visit })));
}

async fn write(bank: &Bank, change: Change) {
    let origin = Origin { by: Actor::Host, at: bank.service.now(), from: "host".to_owned() };
    bank.service.store().commit(Commit { origin, changes: vec![change] }).await.unwrap();
}

#[tokio::test]
async fn it_is_kept_up_with_what_is_written_and_the_same_as_if_it_were_read_anew() {
    let bank = bank().await;
    let (service, console) = (&bank.service, Caller::console());
    let before = of(&bank, &console, "a").await;
    assert_eq!(before.inside(), 0);
    let mut ids = Vec::new();
    for number in ["6001", "6002", "6003"] {
        ids.push(service.check_in(&console, number, "a", Some("LM1")).await.unwrap().record.id);
        bank.wait(Duration::from_secs(60));
    }
    service.greet(&console, ids[1], Some("LM1")).await.unwrap();
    service.serve(&console, ids[2], Some("LM1")).await.unwrap();
    refuse(&bank, "a", 7).await;
    let day = local_day(service.now(), &service.recognition.settings().zone);
    service.recognition.counters().note(&"a".into(), None, day);
    let alarm = Alarm {
        id: AlarmId::from_bytes([9; 16]),
        card: CardId::from_bytes([8; 16]),
        branch: "a".into(),
        at: service.now(),
        kind: AlarmKind::NotAuthentic,
        acknowledged: None,
    };
    write(&bank, Change::new(alarm.clone())).await;
    service.tell(Notice::Alarm(std::sync::Arc::new(Stored { version: 1, record: alarm.clone() })));
    let draft = crate::service::StaffDraft {
        staff_number: "LM2".to_owned(),
        name: "赵丽".into(),
        role: StaffRole::LobbyManager,
        branch: "a".to_owned(),
    };
    service.add_staff(&console, draft).await.unwrap();
    for number in ["LM1", "LM2"] {
        service.begin_duty(&console, number).await.unwrap();
    }
    bank.wait(Duration::from_secs(6));
    let seen = of(&bank, &console, "a").await;
    assert_eq!((seen.waiting, seen.greeted, seen.served), (1, 1, 1));
    assert_eq!(seen.inside, [("gold".into(), 2), ("silver".into(), 1)].into());
    assert_eq!((seen.refused, seen.unknown, seen.alarms), (1, 1, 1));
    // LM1 is entered as somebody else.
    assert_eq!(seen.on_duty, ["赵丽"]);
    *service.standing.0.lock().await = None;
    assert_eq!(of(&bank, &console, "a").await, seen);
    assert_eq!(of(&bank, &console, "b").await.inside(), 0);
    service.depart(&console, ids[0]).await.unwrap();
    service.acknowledge(&console, alarm.id, Some("LM1")).await.unwrap();
    let seen = of(&bank, &console, "a").await;
    assert_eq!((seen.inside(), seen.waiting, seen.waits_since, seen.alarms), (2, 0, None, 0));
    // A new day begins with nothing refused and nobody unknown.
    bank.wait(Duration::from_secs(24 * 3600));
    let seen = of(&bank, &console, "a").await;
    assert_eq!((seen.refused, seen.unknown, seen.inside()), (0, 0, 2));
}

#[tokio::test]
async fn whoever_fell_behind_reads_it_anew_and_an_older_version_changes_nothing() {
    let bank = bank().await;
    let (service, console) = (&bank.service, Caller::console());
    let visit = service.check_in(&console, "6001", "a", Some("LM1")).await.unwrap();
    assert_eq!(of(&bank, &console, "a").await.inside(), 1);
    service.depart(&console, visit.record.id).await.unwrap();
    service.tell(Notice::Visit(std::sync::Arc::new(visit.clone())));
    assert_eq!(of(&bank, &console, "a").await.inside(), 0);
    for _ in 0..2_000 {
        service.tell(Notice::Visit(std::sync::Arc::new(visit.clone())));
    }
    assert_eq!(of(&bank, &console, "a").await.inside(), 0);
}

#[tokio::test]
async fn each_sees_the_branches_whose_reports_they_see() {
    let bank = bank().await;
    let centre = bank.person("CS1", &[Role::CentreSupervisor]).await;
    let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
    let auditor = bank.person("AU1", &[Role::Auditor]).await;
    let codes = async |caller: &Caller| -> Vec<String> {
        let all = bank.service.standing(caller).await.unwrap();
        all.into_iter().map(|branch| branch.code.to_string()).collect()
    };
    assert_eq!(codes(&centre).await, ["a", "b"]);
    assert_eq!(codes(&supervisor).await, ["a"]);
    assert!(matches!(bank.service.standing(&auditor).await, Err(Fault::Forbidden(_))));
}
