use super::*;
use crate::audit::Outcome;
use crate::record::StaffRole;
use crate::service::StaffDraft;
use crate::service::bank::{Bank, PASSWORD};

const HERE: &str = "10.0.0.1";

async fn tried(bank: &Bank, number: &str, password: &str) -> Result<LoggedIn, Fault> {
    let digits = match bank.service.account_of_number(number).await.unwrap() {
        Some(_) => bank.digits(number).await,
        None => None,
    };
    bank.service.log_in(HERE, number, password.into(), digits.as_deref()).await
}

#[tokio::test]
async fn the_first_two_administrators_are_made_by_the_code_of_the_console_and_nobody_after_them() {
    let bank = Bank::new().await;
    let service = &bank.service;
    let draft = |number: &str| StaffDraft {
        staff_number: number.to_owned(),
        name: "王芳".into(),
        role: StaffRole::Other,
        branch: "a".to_owned(),
    };
    let code = service.open_setup().await.unwrap().unwrap();
    let refused = service.set_up(HERE, "AAAA", draft("SA1"), Role::SystemAdministrator).await;
    assert!(matches!(refused, Err(Fault::NotAccepted)));
    let refused = service.set_up(HERE, &code, draft("SA1"), Role::Auditor).await;
    assert!(matches!(refused, Err(Fault::NotAllowed(_))));
    let invitation = service.set_up(HERE, &code, draft("SA1"), Role::SystemAdministrator).await.unwrap();
    let twice = service.set_up(HERE, &code, draft("SA2"), Role::SystemAdministrator).await;
    assert!(matches!(twice, Err(Fault::NotAllowed(_))));
    service.set_up(HERE, &code, draft("SE1"), Role::SecurityAdministrator).await.unwrap();
    let closed = service.set_up(HERE, &code, draft("SE2"), Role::SecurityAdministrator).await;
    assert!(matches!(closed, Err(Fault::NotAccepted)));
    assert!(service.open_setup().await.unwrap().is_none());
    // The invitation: a second factor is taken in first, and then the password is set with its digits.
    let no_factor = service.accept_invitation(HERE, "SA1", &invitation, PASSWORD.into(), None).await;
    assert!(matches!(no_factor, Err(Fault::NotAccepted)));
    let address = service.offer_second_factor(HERE, "SA1", &invitation, "bank").await.unwrap();
    assert!(address.reveal().starts_with("otpauth://totp/bank:SA1?secret="));
    let digits = bank.digits("SA1").await;
    let weak =
        service.accept_invitation(HERE, "SA1", &invitation, "password1234".into(), digits.as_deref()).await;
    assert!(matches!(weak, Err(Fault::Invalid(_))));
    service.accept_invitation(HERE, "SA1", &invitation, PASSWORD.into(), digits.as_deref()).await.unwrap();
    let again = service.accept_invitation(HERE, "SA1", &invitation, PASSWORD.into(), digits.as_deref()).await;
    assert!(matches!(again, Err(Fault::NotAccepted)));
    // The digits that were used once are not used again.
    assert!(matches!(tried(&bank, "SA1", PASSWORD).await, Err(Fault::NotAccepted)));
    bank.wait(Duration::from_secs(60));
    assert!(tried(&bank, "SA1", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_setup_code_is_good_for_a_while_and_for_a_few_tries() {
    let bank = Bank::new().await;
    let code = bank.service.open_setup().await.unwrap().unwrap();
    for _ in 0..WRONG_CODES {
        assert!(!bank.service.is_setup_code("AAAA"));
    }
    assert!(!bank.service.is_setup_code(&code));
    let code = bank.service.open_setup().await.unwrap().unwrap();
    bank.wait(Duration::from_secs(30 * 60 + 1));
    assert!(!bank.service.is_setup_code(&code));
}

#[tokio::test]
async fn whoever_is_not_let_in_learns_nothing_and_is_locked_out_for_a_while() {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    for number in ["LM1", "nobody"] {
        for _ in 0..10 {
            assert!(matches!(tried(&bank, number, "wrong").await, Err(Fault::NotAccepted)));
        }
        assert!(matches!(tried(&bank, number, PASSWORD).await, Err(Fault::NotAccepted)), "{number}");
    }
    bank.wait(Duration::from_secs(30 * 60));
    let logged_in = tried(&bank, "LM1", PASSWORD).await.unwrap();
    assert_eq!((logged_in.failures_before, logged_in.last_login), (10, None));
    let told = bank.told().await;
    let refused = told
        .iter()
        .filter(|told| told.entry.action == "session.begin" && told.entry.outcome == Outcome::Refused);
    assert_eq!(refused.count(), 22);
}

#[tokio::test]
async fn each_further_failure_locks_for_longer() {
    let bank = Bank::new().await;
    for _ in 0..10 {
        bank.service.note_failure("x");
    }
    let locked_for = |bank: &Bank| {
        bank.service.remembered("x").unwrap().locked_until.saturating_sub(bank.service.monotonic())
    };
    assert_eq!(locked_for(&bank), Duration::from_secs(1800));
    bank.wait(Duration::from_secs(1800));
    bank.service.note_failure("x");
    assert_eq!(locked_for(&bank), Duration::from_secs(3600));
    for _ in 0..20 {
        bank.wait(Duration::from_secs(24 * 3600));
        bank.service.note_failure("x");
    }
    assert_eq!(locked_for(&bank), Duration::from_secs(24 * 3600));
}

#[tokio::test]
async fn sessions_end_with_the_account_and_do_not_move() {
    let bank = Bank::new().await;
    bank.employ("AR1", "a", &[Role::ApprovingReviewer]).await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let se = bank.person("SE1", &[Role::SecurityAdministrator]).await;
    let keys = tried(&bank, "AR1", PASSWORD).await.unwrap().keys;
    assert!(bank.service.identify(&keys.token, HERE).await.is_ok());
    // Somebody who may approve is one person in one place.
    assert!(matches!(bank.service.identify(&keys.token, "10.0.0.2").await, Err(Fault::NoSession)));
    assert!(matches!(bank.service.identify(&keys.token, HERE).await, Err(Fault::NoSession)));
    let keys = tried(&bank, "LM1", PASSWORD).await.unwrap().keys;
    let caller = bank.service.identify(&keys.token, "10.0.0.2").await.unwrap().caller;
    assert!(bank.service.goes_on(&caller));
    bank.service.disable_account(&se, "LM1").await.unwrap();
    assert!(matches!(bank.service.identify(&keys.token, HERE).await, Err(Fault::NoSession)));
    assert!(!bank.service.goes_on(&caller));
    assert!(matches!(tried(&bank, "LM1", PASSWORD).await, Err(Fault::NotAccepted)));
    // Nobody disables themselves, and somebody holds each power.
    assert!(matches!(bank.service.disable_account(&se, "SE1").await, Err(Fault::NotAllowed(_))));
    bank.employ("SA1", "a", &[Role::SystemAdministrator]).await;
    assert!(matches!(bank.service.disable_account(&se, "SA1").await, Err(Fault::NotAllowed(_))));
}

#[tokio::test]
async fn logging_out_ends_the_session_at_once() {
    let bank = Bank::new().await;
    let caller = bank.person("LM1", &[Role::LobbyManager]).await;
    bank.service.log_out(&caller, None).await.unwrap();
    assert!(!bank.service.goes_on(&caller));
    assert!(matches!(bank.service.log_out(&caller, None).await, Err(Fault::NotFound("session"))));
}

#[tokio::test]
async fn an_account_that_nobody_uses_cannot_be_used_any_more() {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    bank.wait(Duration::from_secs(89 * 24 * 3600));
    assert!(tried(&bank, "LM1", PASSWORD).await.is_ok());
    bank.wait(Duration::from_secs(90 * 24 * 3600));
    assert!(matches!(tried(&bank, "LM1", PASSWORD).await, Err(Fault::NotAccepted)));
}

#[tokio::test]
async fn a_proof_is_asked_for_again_after_a_while() {
    let bank = Bank::new().await;
    bank.employ("AR1", "a", &[Role::ApprovingReviewer]).await;
    let keys = tried(&bank, "AR1", PASSWORD).await.unwrap().keys;
    bank.wait(Duration::from_secs(6 * 60));
    let caller = bank.service.identify(&keys.token, HERE).await.unwrap().caller;
    assert!(matches!(caller.is_proved(), Err(Fault::ProofNeeded)));
    assert!(matches!(bank.service.prove(&caller, Some("wrong".into()), None).await, Err(Fault::NotAccepted)));
    let digits = bank.digits("AR1").await;
    bank.service.prove(&caller, None, digits.as_deref()).await.unwrap();
    assert!(bank.service.identify(&keys.token, HERE).await.unwrap().caller.is_proved().is_ok());
    let twice = bank.service.prove(&caller, None, digits.as_deref()).await;
    assert!(matches!(twice, Err(Fault::NotAccepted)), "digits are used once");
}

#[tokio::test]
async fn a_password_is_changed_with_the_one_before_and_ends_other_sessions() {
    let bank = Bank::new().await;
    let first = bank.person("LM1", &[Role::LobbyManager]).await;
    let second = bank.log_in("LM1", HERE).await;
    let new = "orbit lagoon thimble quartz";
    let wrong = bank.service.change_password(&second, "wrong".into(), new.into()).await;
    assert!(matches!(wrong, Err(Fault::NotAccepted)));
    bank.service.change_password(&second, PASSWORD.into(), new.into()).await.unwrap();
    assert!(!bank.service.goes_on(&first) && bank.service.goes_on(&second));
    assert!(matches!(tried(&bank, "LM1", PASSWORD).await, Err(Fault::NotAccepted)));
    assert!(tried(&bank, "LM1", new).await.is_ok());
}

#[tokio::test]
async fn nothing_secret_stands_in_the_trail() {
    let bank = Bank::new().await;
    bank.person("AR1", &[Role::ApprovingReviewer]).await;
    let _ = tried(&bank, "张小明", PASSWORD).await;
    let told =
        serde_json::to_string(&bank.told().await.iter().map(|told| &told.entry).collect::<Vec<_>>()).unwrap();
    for secret in [PASSWORD, "张小明", "argon2", "李静"] {
        assert!(!told.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn an_account_that_nobody_confirms_lapses_after_a_warning() {
    let bank = Bank::new().await;
    let service = &bank.service;
    let day = Duration::from_secs(24 * 3600);
    for (number, role) in [
        ("LM1", Role::LobbyManager),
        ("LM2", Role::LobbyManager),
        ("BS1", Role::BranchSupervisor),
        ("SE1", Role::SecurityAdministrator),
    ] {
        bank.employ(number, "a", &[role]).await;
    }
    bank.employ("LM3", "b", &[Role::LobbyManager]).await;
    assert_eq!(service.review_accounts().await.unwrap(), Reviewed::default());
    bank.wait(80 * day);
    for number in ["LM1", "LM2", "LM3", "BS1", "SE1"] {
        tried(&bank, number, PASSWORD).await.unwrap();
    }
    bank.wait(11 * day);
    // All of them are warned of, once, and go on as long.
    assert_eq!(service.review_accounts().await.unwrap(), Reviewed { warned: 5, lapsed: 0 });
    assert_eq!(service.review_accounts().await.unwrap(), Reviewed::default());
    let supervisor = bank.log_in("BS1", HERE).await;
    let accounts = service.accounts(&supervisor).await.unwrap();
    let of = |number: &str| {
        let found = accounts.iter().find(|(staff, _)| staff.record.number.to_string() == number);
        found.unwrap().1.clone()
    };
    assert!(of("LM1").record.warned.is_some());
    let version = of("LM1").version;
    service.confirm_account(&supervisor, "LM1", version).await.unwrap();
    // Not as it was before, not one's own, not another branch's, and not by who supervises nobody.
    let stale = service.confirm_account(&supervisor, "LM1", version).await;
    assert!(matches!(stale, Err(Fault::Conflict { .. })));
    let own = service.confirm_account(&supervisor, "BS1", of("BS1").version).await;
    assert!(matches!(own, Err(Fault::NotAllowed(_))));
    let elsewhere = service.confirm_account(&supervisor, "LM3", 1).await;
    assert!(matches!(elsewhere, Err(Fault::NotFound("account"))));
    let lobby = bank.log_in("LM2", "10.0.0.2").await;
    assert!(matches!(service.confirm_account(&lobby, "LM1", version).await, Err(Fault::Forbidden(_))));
    bank.wait(14 * day);
    assert_eq!(service.review_accounts().await.unwrap().lapsed, 0);
    bank.wait(Duration::from_secs(1));
    // The last security administrator stays, because somebody has to make the others usable again.
    assert_eq!(service.review_accounts().await.unwrap(), Reviewed { warned: 0, lapsed: 3 });
    assert!(!service.still_is(&lobby).await);
    assert!(matches!(tried(&bank, "LM2", PASSWORD).await, Err(Fault::NotAccepted)));
    assert!(tried(&bank, "LM1", PASSWORD).await.is_ok() && tried(&bank, "SE1", PASSWORD).await.is_ok());
    let told = bank.told().await;
    let lapses = told.iter().filter(|told| told.entry.action == "account.lapse");
    assert!(lapses.clone().all(|told| told.entry.by == Actor::Host) && lapses.count() == 3);
    // What has lapsed is not confirmed back to life.
    bank.wait(Duration::from_secs(60));
    let security = bank.log_in("SE1", "10.0.0.3").await;
    let late = service.confirm_account(&security, "LM2", 99).await;
    assert!(matches!(late, Err(Fault::NotAllowed(_))));
}

#[tokio::test]
async fn a_warning_comes_first_however_long_nobody_looked() {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    bank.wait(Duration::from_secs(400 * 24 * 3600));
    assert_eq!(bank.service.review_accounts().await.unwrap(), Reviewed { warned: 1, lapsed: 0 });
    assert_eq!(bank.service.review_accounts().await.unwrap(), Reviewed::default());
}

#[tokio::test]
async fn sessions_of_somebody_end_by_whoever_looks_after_them_and_they_log_in_again() {
    let bank = Bank::new().await;
    let service = &bank.service;
    let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let keys = bank.session("LM1", "10.0.0.9").await;
    let before = service.identify(&keys.token, "10.0.0.9").await.unwrap();
    assert!(matches!(service.end_sessions_of(&before.caller, "SE1").await, Err(Fault::Forbidden(_))));
    assert!(matches!(service.end_sessions_of(&security, "SE1").await, Err(Fault::NotAllowed(_))));
    assert!(matches!(service.end_sessions_of(&security, "XX1").await, Err(Fault::NotFound(_))));
    service.end_sessions_of(&security, "LM1").await.unwrap();
    assert!(matches!(service.identify(&keys.token, "10.0.0.9").await, Err(Fault::NoSession)));
    bank.session("LM1", "10.0.0.9").await;
    let told = bank.told().await;
    assert!(told.iter().any(|recorded| recorded.entry.action == "account.end_sessions"));
    // A supervisor of another branch does not find the person.
    bank.employ("BS2", "b", &[Role::BranchSupervisor]).await;
    let other = bank.log_in("BS2", "10.0.0.8").await;
    assert!(matches!(service.end_sessions_of(&other, "LM1").await, Err(Fault::NotFound(_))));
}

#[tokio::test]
async fn whoever_is_invited_is_told_what_it_takes_and_what_is_wrong_with_a_password() {
    let bank = Bank::new().await;
    let service = &bank.service;
    assert_eq!(service.missing_administrators().await.unwrap().len(), 2);
    assert!(!service.is_setup_open());
    let code = service.open_setup().await.unwrap().unwrap();
    assert!(service.is_setup_open());
    assert!(matches!(service.branches_for_setup("10.0.0.1", "no").await, Err(Fault::NotAccepted)));
    let branches = service.branches_for_setup("10.0.0.1", &code).await.unwrap();
    assert_eq!(branches.iter().map(|branch| branch.record.code.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let draft = |number: &str| StaffDraft {
        staff_number: number.to_owned(),
        name: "王芳".into(),
        role: StaffRole::Other,
        branch: "a".to_owned(),
    };
    let role = Role::SystemAdministrator;
    let invited = service.set_up("10.0.0.1", &code, draft("SA1"), role).await.unwrap();
    let told = service.invitation_of("10.0.0.1", "SA1", &invited).await.unwrap();
    assert!(told.needs_second_factor && told.shortest_password == 12 && told.roles == [role].into());
    let weigh = async |password: &str| {
        service.weigh_password_of_invited("10.0.0.1", ("SA1", &invited), &password.into()).await.unwrap()
    };
    assert_eq!(weigh("short").await, Some(Weak::Short(12)));
    assert_eq!(weigh("password1234").await, Some(Weak::Guessable));
    assert_eq!(weigh(PASSWORD).await, None);
    assert!(matches!(service.invitation_of("10.0.0.1", "SA1", "no").await, Err(Fault::NotAccepted)));
    service.set_up("10.0.0.1", &code, draft("SE1"), Role::SecurityAdministrator).await.unwrap();
    assert!(service.missing_administrators().await.unwrap().is_empty() && !service.is_setup_open());
}
