use super::*;
use crate::account::kept;
use crate::audit::Outcome;
use crate::record::StaffRole;
use crate::rights::Action;
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
        bank.service.note_failure("x").await.unwrap();
    }
    let locked_for =
        async || bank.service.failures_of("x").await.unwrap().locked_until.since(bank.service.now());
    assert_eq!(locked_for().await, Duration::from_secs(1800));
    bank.wait(Duration::from_secs(1800));
    bank.service.note_failure("x").await.unwrap();
    assert_eq!(locked_for().await, Duration::from_secs(3600));
    for _ in 0..20 {
        bank.wait(Duration::from_secs(24 * 3600));
        bank.service.note_failure("x").await.unwrap();
    }
    assert_eq!(locked_for().await, Duration::from_secs(24 * 3600));
}

#[tokio::test]
async fn a_lock_holds_on_the_other_host_and_after_a_start() {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    // Another host of the same store, as one that was started anew is.
    let other = Bank::over(bank.store.clone(), tempfile::tempdir().unwrap()).await;
    for at in 0..10 {
        let host = if at % 2 == 0 { &bank } else { &other };
        assert!(matches!(tried(host, "LM1", "wrong").await, Err(Fault::NotAccepted)));
    }
    for host in [&bank, &other] {
        assert!(matches!(tried(host, "LM1", PASSWORD).await, Err(Fault::NotAccepted)));
        host.wait(Duration::from_secs(30 * 60));
    }
    assert_eq!(tried(&other, "LM1", PASSWORD).await.unwrap().failures_before, 10);
    assert_eq!(tried(&bank, "LM1", PASSWORD).await.unwrap().failures_before, 0);
}

#[tokio::test]
async fn a_number_that_nobody_has_asks_no_less_of_the_store() {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    // Of how many answers of the store a refusal is made: one fewer, and it fails.
    let mut needed = Vec::new();
    for number in ["LM1", "nobody"] {
        let mut answers = 0;
        loop {
            bank.store.break_after(answers);
            let outcome = bank.service.log_in(HERE, number, "wrong".into(), None).await;
            bank.store.mend();
            match outcome {
                Err(Fault::NotAccepted) => break,
                Err(Fault::Store(_)) => answers += 1,
                other => panic!("{number}: {:?}", other.err()),
            }
        }
        needed.push(answers);
    }
    assert!(needed[0] > 2 && needed[0] == needed[1], "{needed:?}");
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

/// A display of branch a, and the code with which a machine becomes it.
async fn display_code(bank: &Bank) -> String {
    let draft = StaffDraft {
        staff_number: "D1".to_owned(),
        name: "大堂显示屏".into(),
        role: StaffRole::Other,
        branch: "a".to_owned(),
    };
    let staff = bank.service.add_staff(&Caller::console(), draft).await.unwrap().record.id;
    let (invitation, [first, second]) = bank.service.invitation().unwrap();
    let account = bank.service.new_account(staff, BTreeSet::from([Role::Display]), invitation);
    bank.service.put(&Caller::console(), "account.open", account, 0).await.unwrap();
    format!("{}{}", *first, *second)
}

#[tokio::test]
async fn a_display_is_let_in_by_its_key_from_where_it_was_set_up_until_that_is_taken_back() {
    let bank = Bank::new().await;
    let service = &bank.service;
    let code = display_code(&bank).await;
    // It is no person: there is no password, and no second factor.
    let password = service.accept_invitation("10.0.0.9", "D1", &code, PASSWORD.into(), None).await;
    assert!(matches!(password, Err(Fault::NotAccepted)));
    let second = service.offer_second_factor("10.0.0.9", "D1", &code, "x").await;
    assert!(matches!(second, Err(Fault::NotAccepted)));
    assert!(matches!(service.pair_display("10.0.0.9", "D1", "wrong").await, Err(Fault::NotAccepted)));
    let key = service.pair_display("10.0.0.9", "D1", &code).await.unwrap();
    assert!(matches!(service.pair_display("10.0.0.9", "D1", &code).await, Err(Fault::NotAccepted)));
    let log_in =
        async |from: &str, key: &str| service.log_in_display(from, key).await.map(|logged| logged.keys);
    let first = log_in("10.0.0.9", &key).await.unwrap();
    let caller = service.identify(&first.token, "10.0.0.9").await.unwrap().caller;
    assert!(caller.grant.does(Action::SeeArrivals) && !caller.grant.knows(Action::ListVisits));
    // A key that was copied to another machine lets nobody in, nor does one that was made up.
    let other = format!("{}.{}", key.split('.').next().unwrap(), "0".repeat(64));
    for (from, key) in [("10.0.0.8", &**key), ("10.0.0.9", &*other), ("10.0.0.9", "x"), ("10.0.0.9", "")] {
        assert!(matches!(log_in(from, key).await, Err(Fault::NotAccepted)), "{from} {key}");
    }
    // A day at a time, and the next day by itself.
    bank.wait(Duration::from_secs(24 * 3600 - 1));
    assert!(service.still_is(&caller).await);
    bank.wait(Duration::from_secs(1));
    assert!(!service.still_is(&caller).await);
    let next = log_in("10.0.0.9", &key).await.unwrap();
    let caller = service.identify(&next.token, "10.0.0.9").await.unwrap().caller;
    service.disable_account(&Caller::console(), "D1").await.unwrap();
    assert!(!service.still_is(&caller).await);
    assert!(matches!(service.identify(&next.token, "10.0.0.9").await, Err(Fault::NoSession)));
    assert!(matches!(log_in("10.0.0.9", &key).await, Err(Fault::NotAccepted)));
    let told = bank.told().await;
    let count = |action: &str, outcome| {
        told.iter().filter(|one| one.entry.action == action && one.entry.outcome == outcome).count()
    };
    assert_eq!(count("display.pair", Outcome::Done), 1);
    assert_eq!(count("session.begin", Outcome::Done), 2);
    assert_eq!(count("session.begin", Outcome::Refused), 3);
}

#[tokio::test]
async fn a_person_is_no_display() {
    let bank = Bank::new().await;
    let draft = StaffDraft {
        staff_number: "LM9".to_owned(),
        name: "x".into(),
        role: StaffRole::Other,
        branch: "a".to_owned(),
    };
    let staff = bank.service.add_staff(&Caller::console(), draft).await.unwrap().record.id;
    let (invitation, [first, second]) = bank.service.invitation().unwrap();
    let account = bank.service.new_account(staff, BTreeSet::from([Role::LobbyManager]), invitation);
    bank.service.put(&Caller::console(), "account.open", account, 0).await.unwrap();
    let paired = bank.service.pair_display("10.0.0.9", "LM9", &format!("{}{}", *first, *second)).await;
    assert!(matches!(paired, Err(Fault::NotAccepted)));
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let id = bank.service.account_of_number("LM1").await.unwrap().unwrap().0.record.id;
    let by_key = bank.service.log_in_display("10.0.0.9", &format!("{id}.{PASSWORD}")).await;
    assert!(matches!(by_key.map(drop), Err(Fault::NotAccepted)));
}

/// A machine whose start and age are set.
struct Machine(std::sync::Mutex<kept::Run>);

impl kept::Uptime for Machine {
    fn now(&self) -> Option<kept::Run> {
        Some(self.0.lock().unwrap().clone())
    }
}

impl Machine {
    fn runs(boot: &str, seconds: u64) -> Arc<Self> {
        let run = kept::Run { boot: boot.to_owned(), lasted: Duration::from_secs(seconds) };
        Arc::new(Self(std::sync::Mutex::new(run)))
    }
}

/// The bank as its host starts anew: with the store of before, and nothing of what was in memory.
async fn started(bank: &Bank, key: u8, machine: Arc<Machine>) -> Service {
    let keys = Arc::new(crate::seal::Keys::new(&zeroize::Zeroizing::new([key; 32]), &[]).unwrap());
    let randomness = Arc::new(crate::randomness::SystemRandomness);
    let file = SessionFile::in_folder(bank.folder.path(), keys, randomness.clone(), machine);
    let settings = crate::recognition::RecognitionSettings::default();
    let cost = crate::account::password::Cost { memory_kib: 64, passes: 1 };
    Service::new(bank.store.clone(), settings, bank.clock.clone(), randomness)
        .with_session_file(file)
        .with_accounts(AccountSettings { cost, ..AccountSettings::default() })
}

#[tokio::test]
async fn whoever_is_logged_in_still_is_when_the_host_starts_anew_and_whoever_was_ended_is_not() {
    let bank = Bank::new().await;
    for number in ["LM1", "LM2", "LM3", "LM4"] {
        bank.employ(number, "a", &[Role::LobbyManager]).await;
    }
    let machine = Machine::runs("a", 100);
    let before = started(&bank, 7, machine.clone()).await;
    assert_eq!(before.take_over_sessions().await.unwrap(), 0);
    let log_in =
        async |number: &str| before.log_in("10.0.0.1", number, PASSWORD.into(), None).await.unwrap().keys;
    let [goes_on, logged_out, disabled, same] =
        [log_in("LM1").await, log_in("LM2").await, log_in("LM3").await, log_in("LM4").await];
    let caller = before.identify(&logged_out.token, "10.0.0.1").await.unwrap().caller;
    before.log_out(&caller, None).await.unwrap();
    // Of three sessions of one person the first is over, and stays so.
    bank.wait(Duration::from_secs(1));
    let (_, third) = (log_in("LM4").await, log_in("LM4").await);
    // Nothing of who it is, and no reference, can be read from the file.
    let bytes = std::fs::read(bank.folder.path().join(kept::FILE)).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(!text.contains(&*goes_on.token) && !text.contains(&goes_on.proof) && !text.contains("10.0.0.1"));
    // Killed: nothing more is written, and another host disables somebody meanwhile.
    drop(before);
    bank.service.disable_account(&Caller::console(), "LM3").await.unwrap();
    bank.wait(Duration::from_secs(60));
    let after = started(&bank, 7, machine.clone()).await;
    after.take_over_sessions().await.unwrap();
    let found = after.identify(&goes_on.token, "10.0.0.1").await.unwrap();
    assert_eq!(found.proof, goes_on.proof);
    assert!(after.identify(&third.token, "10.0.0.1").await.is_ok());
    for over in [&logged_out, &disabled, &same] {
        assert!(matches!(after.identify(&over.token, "10.0.0.1").await, Err(Fault::NoSession)));
    }
    // A quarter of an hour without the host is one without the person.
    after.save_sessions().await.unwrap();
    bank.wait(Duration::from_secs(15 * 60));
    let later = started(&bank, 7, machine).await;
    assert_eq!(later.take_over_sessions().await.unwrap(), 0);
}

#[tokio::test]
async fn neither_a_clock_that_is_set_back_nor_another_secret_nor_a_changed_file_lets_anybody_go_on() {
    let bank = Bank::new().await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let before = started(&bank, 7, Machine::runs("a", 100)).await;
    let keys = before.log_in("10.0.0.1", "LM1", PASSWORD.into(), None).await.unwrap().keys;
    let goes_on = async |service: &Service| service.identify(&keys.token, "10.0.0.1").await.is_ok();
    // The clock says that no time has passed, and the machine that it was an hour.
    let after = started(&bank, 7, Machine::runs("a", 3700)).await;
    assert_eq!(after.take_over_sessions().await.unwrap(), 0);
    let after = started(&bank, 7, Machine::runs("a", 101)).await;
    assert_eq!(after.take_over_sessions().await.unwrap(), 1);
    assert!(goes_on(&after).await);
    let after = started(&bank, 8, Machine::runs("a", 101)).await;
    assert_eq!(after.take_over_sessions().await.unwrap_err().kind(), rfid_core::ErrorKind::Denied);
    assert!(!goes_on(&after).await);
    let path = bank.folder.path().join(kept::FILE);
    let sealed = std::fs::read(&path).unwrap();
    for at in [0, 5, 20, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        std::fs::write(&path, changed).unwrap();
        let after = started(&bank, 7, Machine::runs("a", 101)).await;
        assert!(after.take_over_sessions().await.is_err(), "byte {at}");
        assert!(!goes_on(&after).await);
    }
    for cut in [0, 1, 40] {
        std::fs::write(&path, &sealed[..cut]).unwrap();
        assert!(started(&bank, 7, Machine::runs("a", 101)).await.take_over_sessions().await.is_err());
    }
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
