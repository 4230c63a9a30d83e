mod backups;

use std::sync::{Arc, Mutex, OnceLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use rfid_core::{ErrorKind, Name, ReadBuf, ReaderState, TagIdKind};
use rfid_service::account::second_factor;
use rfid_service::record::Personal;
use rfid_service::rights::Role;
use rfid_service::service::bank::{Bank, PASSWORD};
use rfid_service::service::{Caller, Grant, IssuingSettings, Scope, Service};
use tokio::sync::broadcast;

use super::super::trying::{Browser, Hall, Seen};
use crate::clients::{Client, Clients};
use crate::installation::*;

/// A host whose parts are made up.
struct MadeUp {
    heard: broadcast::Sender<Arc<ReadBuf>>,
    /// What reading the configuration anew comes to, and how often somebody did.
    answer: Mutex<Option<ConfigurationAnswer>>,
    reloads: Mutex<usize>,
    /// How backups are, how many somebody had made, and who says whether they may.
    backups: Mutex<BackupsCondition>,
    made: Mutex<usize>,
    service: OnceLock<Arc<Service>>,
}

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}'\"&";

impl MadeUp {
    fn new() -> Arc<Self> {
        let changes = vec![
            ConfigurationChange { kind: ChangeKind::Restarted, part: "readers.door_a".to_owned() },
            ConfigurationChange { kind: ChangeKind::Waits, part: "host.listen".to_owned() },
        ];
        let answer = Mutex::new(Some(Ok(changes)));
        let place = BackupPlace::Folder("/mnt/backup".into());
        Arc::new(Self {
            heard: broadcast::channel(4).0,
            answer,
            reloads: Mutex::new(0),
            backups: Mutex::new(BackupsCondition { place, under_way: None, runs: Vec::new() }),
            made: Mutex::new(0),
            service: OnceLock::new(),
        })
    }
}

impl Installation for MadeUp {
    fn host(&self) -> HostCondition {
        let complaints = vec!["reader door_b is down: no route to 10.9.9.9".to_owned()];
        HostCondition { name: "branch-host".to_owned(), version: "9.9.9", uptime_s: 7_300, complaints }
    }

    fn readers(&self) -> Vec<ReaderCondition> {
        let at = "2026-11-29T00:30:00Z".parse().unwrap();
        let reading = ReaderState::Reading { model: "Mercury4".into(), firmware: HOSTILE.into(), since: at };
        let down =
            ReaderState::Down { reason: "no route to 10.9.9.9".into(), kind: ErrorKind::Connect, since: at };
        let antenna =
            |port| AntennaCondition { port: Some(port), zone: "door".into(), is_listening: true, reads: 7 };
        let reader = |name: &str, branch: Option<&str>, state| ReaderCondition {
            name: name.into(),
            branch: branch.map(Into::into),
            driver: "mercury4".to_owned(),
            state,
            antennas: vec![antenna(1), antenna(2)],
            counts: vec![("reads".to_owned(), 41), ("lost_reads".to_owned(), 3)],
        };
        vec![
            reader("door_a", Some("a"), reading.clone()),
            reader("door_b", Some("b"), down),
            reader("store room", None, reading),
        ]
    }

    fn pipelines(&self) -> Vec<PipelineCondition> {
        vec![PipelineCondition {
            name: "branches".into(),
            readers: vec!["door_a".into()],
            sinks: vec!["visits".into()],
            is_running: true,
            counts: vec![("sightings".to_owned(), 5)],
        }]
    }

    fn sinks(&self) -> Vec<SinkCondition> {
        vec![SinkCondition {
            name: "visits".into(),
            kind: "log".to_owned(),
            error: Some("disk is full".to_owned()),
            failing_since: Some("2026-11-29T00:45:00Z".parse().unwrap()),
            backlog: 12,
            counts: vec![("delivered".to_owned(), 99)],
        }]
    }

    fn heard(&self, reader: &Name) -> Option<broadcast::Receiver<Arc<ReadBuf>>> {
        (reader.as_str() == "door_a").then(|| self.heard.subscribe())
    }

    fn stores(&self) -> Vec<StoreCondition> {
        vec![StoreCondition { name: "service".to_owned(), error: None }]
    }

    fn plugins(&self) -> Vec<PluginCondition> {
        vec![PluginCondition {
            file: "libacme.so".to_owned(),
            id: "acme.reader".to_owned(),
            version: "1.2".to_owned(),
            abi: "1.0".to_owned(),
            sha256: "ab".repeat(32),
            isolation: "process",
            used_by: vec!["door_a".into()],
            restarts: 2,
        }]
    }

    fn configuration(&self) -> Option<String> {
        Some("[host]\nname = \"branch-host\"\n".to_owned())
    }

    fn look_at_configuration(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>> {
        let answer = self.answer.lock().unwrap().clone();
        async move { answer }.boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>> {
        *self.reloads.lock().unwrap() += 1;
        self.look_at_configuration()
    }

    fn backups(&self) -> Option<BackupsCondition> {
        Some(self.backups.lock().unwrap().clone())
    }

    fn back_up<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<(), BackupRefusal>> {
        async {
            self.service.get().unwrap().may_back_up(caller).await?;
            let condition = self.backups.lock().unwrap().clone();
            match condition.place {
                BackupPlace::NotConfigured => Err(BackupRefusal::NotConfigured),
                BackupPlace::Database => Err(BackupRefusal::Database),
                BackupPlace::Folder(_) if condition.under_way.is_some() => Err(BackupRefusal::UnderWay),
                BackupPlace::Folder(_) => {
                    *self.made.lock().unwrap() += 1;
                    Ok(())
                }
            }
        }
        .boxed()
    }
}

/// Everybody: number, branch, role.
const STAFF: [(&str, &str, Role); 10] = [
    ("LM1", "a", Role::LobbyManager),
    ("AM1", "a", Role::AccountManager),
    ("IC1", "a", Role::IssuingClerk),
    ("AR1", "a", Role::ApprovingReviewer),
    ("BS1", "a", Role::BranchSupervisor),
    ("BS2", "b", Role::BranchSupervisor),
    ("CS1", "a", Role::CentreSupervisor),
    ("SA1", "a", Role::SystemAdministrator),
    ("SE1", "a", Role::SecurityAdministrator),
    ("AU1", "a", Role::Auditor),
];

async fn administered() -> (Hall, Arc<MadeUp>) {
    let bank = Bank::new().await;
    let mut clients = Clients::default();
    let grant = Grant::of_token([Scope::ReadVisits], None);
    let expires = Some("2026-12-10T00:00:00Z".parse().unwrap());
    let client = Client { name: "core-banking".to_owned(), grant, requests_per_minute: 60, expires };
    clients.add(&"t".repeat(40), client);
    // Everybody sits at one desk here.
    let issuing = IssuingSettings { one_desk: ["a".into(), "b".into()].into(), ..IssuingSettings::default() };
    let bank = bank.changed(|service| service.with_issuing(issuing));
    for (number, branch, role) in STAFF {
        bank.employ(number, branch, &[role]).await;
    }
    let made_up = MadeUp::new();
    assert!(made_up.service.set(Arc::clone(&bank.service)).is_ok());
    let installation: Arc<dyn Installation> = Arc::<MadeUp>::clone(&made_up);
    (Hall::over(bank, clients, Some(installation)), made_up)
}

#[tokio::test]
async fn each_role_sees_its_pages_and_no_others() {
    let (hall, _) = administered().await;
    // Pages in the order of the columns; people, readers, host, backups, tokens, policies, audit, rights.
    const PAGES: [&str; 8] =
        ["people", "readers", "host", "backups", "tokens", "policies", "audit", "rights"];
    for (number, seen) in [
        ("LM1", "..h....."),
        ("AM1", "........"),
        ("IC1", "........"),
        ("AR1", "........"),
        ("BS1", "prh...ar"),
        ("CS1", "prhbtpar"),
        ("SA1", "prhb...r"),
        ("SE1", "p.hbtp.r"),
        ("AU1", "..h...ar"),
    ] {
        let browser = hall.log_in(number).await;
        for (page, mark) in PAGES.into_iter().zip(seen.chars()) {
            let expected = if mark == '.' { 403 } else { 200 };
            let path = format!("/administration/{page}");
            let seen = browser.get(&path).await;
            assert_eq!(seen.status, expected, "{number} {page}: {}", seen.html);
            // What is in the bar can be opened, and what can be opened is in it, but for the lobby manager.
            let home = browser.get("/me").await.html;
            let has_any = home.contains("href=\"/administration\"");
            let is_linked = expected == 200 && number != "LM1";
            assert!(has_any || !is_linked, "{number} {page}");
            if expected == 200 {
                assert_eq!(
                    seen.html.contains(&format!("href=\"{path}\" aria-current=\"page\"")),
                    is_linked,
                    "{page}"
                );
            }
        }
        // What only some may do, by address alone.
        for (path, may) in [
            ("/administration/readers/door_a/reads", number == "SA1"),
            ("/administration/audit/verification", number == "AU1"),
            ("/administration/backups/now", ["CS1", "SA1", "SE1"].contains(&number)),
        ] {
            let (status, _) = hall.stream(path, &browser.cookie).await;
            assert_eq!(status == 200, may, "{number} {path}");
            assert!(may || status == 403, "{number} {path} {status}");
        }
        for (path, may) in [
            ("/administration/host/changes", number == "SA1"),
            ("/administration/host/reload", number == "SA1"),
            ("/administration/backups", number == "SA1"),
            ("/administration/audit/verification", number == "AU1"),
            ("/administration/people/LM1/end-sessions", ["BS1", "CS1", "SE1"].contains(&number)),
        ] {
            assert_eq!(browser.send(path, "").await.status == 200, may, "{number} {path}");
        }
        // No code of a second factor is taken twice.
        hall.bank.wait(std::time::Duration::from_secs(60));
    }
}

#[tokio::test]
async fn nobody_without_a_session_comes_to_any_page_and_no_frame_holds_one() {
    let (hall, _) = administered().await;
    for page in [
        "people",
        "people/LM1",
        "rights",
        "readers",
        "readers/door_a",
        "host",
        "backups",
        "tokens",
        "policies",
        "audit",
    ] {
        let seen = hall.ask("GET", &format!("/administration/{page}"), &[], "").await;
        assert_eq!((seen.status, &seen.headers["location"]), (303, &"/login".parse().unwrap()), "{page}");
    }
    let system = hall.log_in("SA1").await;
    system.send("/logout", "").await;
    // A cookie that somebody stole is worth nothing behind the log-out.
    for path in ["/administration/host", "/me", "/administration/readers/door_a/reads"] {
        let seen = system.get(path).await;
        assert_eq!((seen.status, &seen.headers["location"]), (303, &"/login".parse().unwrap()), "{path}");
    }
}

#[tokio::test]
async fn what_is_sent_from_elsewhere_or_without_proof_changes_nothing() {
    let (hall, made_up) = administered().await;
    let (system, security) = (hall.log_in("SA1").await, hall.log_in("SE1").await);
    let open = "staff_number=LM9&name=x&branch=a&role_lobby_manager=on";
    for (browser, path, form) in [
        (&system, "/administration/host/reload", ""),
        (&system, "/administration/backups", ""),
        (&security, "/administration/people", open),
        (&security, "/administration/people/LM1/disable", ""),
        (&security, "/administration/people/LM1/end-sessions", ""),
        (&security, "/me/password", "before=x&after=y&again=y"),
    ] {
        let cookie = ("cookie", &*browser.cookie);
        let with_proof = format!("proof={}&{form}", browser.proof);
        for (headers, form, status) in [
            (vec![], &*with_proof, 303),
            (vec![cookie], form, 422),
            (vec![cookie], &*format!("proof=0&{form}"), 403),
            (vec![cookie, ("origin", "https://elsewhere:1")], &*with_proof, 403),
            (vec![cookie, ("sec-fetch-site", "cross-site")], &*with_proof, 403),
        ] {
            assert_eq!(hall.ask("POST", path, &headers, form).await.status, status, "{path} {headers:?}");
        }
    }
    assert_eq!((*made_up.reloads.lock().unwrap(), *made_up.made.lock().unwrap()), (0, 0));
    assert!(hall.bank.service.account_requests(&Caller::console()).await.unwrap().is_empty());
    for path in ["/setup", "/setup/code", "/invitation", "/invitation/begin", "/invitation/password"] {
        let seen = hall.ask("POST", path, &[("origin", "https://elsewhere:1")], "code=x").await;
        assert_eq!(seen.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_branch_sees_its_own_people_and_readers_and_others_are_not_there() {
    let (hall, _) = administered().await;
    let supervisor = hall.log_in("BS1").await;
    let people = supervisor.get("/administration/people").await.html;
    assert!(people.contains("/administration/people/LM1") && !people.contains("/administration/people/BS2"));
    let [foreign, none] = ["/administration/people/BS2", "/administration/people/XX9"];
    let [foreign, none] = [supervisor.get(foreign).await, supervisor.get(none).await];
    assert_eq!((foreign.status, none.status, &foreign.html), (404, 404, &none.html));
    for act in ["disable", "end-sessions", "confirm", "roles", "reset"] {
        let form = "version=1&role_lobby_manager=on";
        let seen = supervisor.send(&format!("/administration/people/BS2/{act}"), form).await;
        assert_eq!(seen.status, 404, "{act}: {}", seen.html);
    }
    let readers = supervisor.get("/administration/readers").await.html;
    assert!(readers.contains("door_a") && !readers.contains("door_b") && !readers.contains("store room"));
    let [foreign, none] = ["/administration/readers/door_b", "/administration/readers/nothing"];
    let [foreign, none] = [supervisor.get(foreign).await, supervisor.get(none).await];
    assert_eq!((foreign.status, none.status, &foreign.html), (404, 404, &none.html));
    // Why the host is not ready names parts of others.
    let host = supervisor.get("/administration/host").await.html;
    assert!(!host.contains("10.9.9.9") && !host.contains("branches") && !host.contains("[host]"), "{host}");
}

#[tokio::test]
async fn security_resets_at_once_with_half_of_the_code_and_a_supervisor_has_the_other() {
    let (hall, _) = administered().await;
    let (security, supervisor) = (hall.log_in("SE1").await, hall.log_in("BS1").await);
    let lobby = hall.log_in("LM1").await;
    let reset = "/administration/people/LM1/reset-now";
    // Whoever asks for it only, is not offered it, and does not do it.
    assert!(!supervisor.get("/administration/people/LM1").await.html.contains("/reset-now"));
    assert_eq!(supervisor.send(reset, "").await.status, 403);
    assert!(!security.get("/administration/people/SE1").await.html.contains("/reset-now"));
    assert_eq!(security.send("/administration/people/SE1/reset-now", "").await.status, 409);
    assert!(security.get("/administration/people/LM1").await.html.contains("/reset-now"));
    hall.bank.wait(std::time::Duration::from_secs(400));
    let asked = security.send(reset, "").await;
    assert!(asked.status == 403 && asked.html.contains("action=\"/prove\""), "{}", asked.html);
    security.send("/prove", &format!("password={}", PASSWORD.replace(' ', "+"))).await;
    let done = security.send(reset, "").await;
    assert!(done.status == 200 && done.html.contains("已重置"), "{}", done.html);
    // At once: the session is over.
    assert_eq!(lobby.get("/lobby").await.status, 303);
    let half = |seen: &Seen| {
        let half = seen.html.split("id=\"code-half\">").nth(1).unwrap().split('<').next().unwrap();
        half.replace(' ', "")
    };
    let waits = supervisor.get("/administration/people").await.html;
    let id = waits.split("id=\"request-").nth(1).unwrap().split('"').next().unwrap();
    let code = format!("/administration/people/requests/{id}/code");
    assert!(waits.contains(&code) && waits.contains("LM1"), "{waits}");
    assert!(!security.get("/administration/people").await.html.contains(&code));
    assert_eq!(security.send(&code, "hash=&note=").await.status, 404);
    let fetched = supervisor.send(&code, "hash=&note=").await;
    assert_eq!(fetched.status, 200, "{}", fetched.html);
    let whole = format!("{}{}", half(&fetched), half(&done));
    let (service, password) = (&hall.bank.service, "ombre walnut trellis");
    service.accept_invitation("10.0.0.7", "LM1", &whole, password.into(), None).await.unwrap();
    service.log_in("10.0.0.7", "LM1", password.into(), None).await.unwrap();
}

#[tokio::test]
async fn security_asks_the_centre_approves_and_the_person_sets_a_password_with_both_halves() {
    let (hall, _) = administered().await;
    let security = hall.log_in("SE1").await;
    let open = "staff_number=LM9&name=%3Cb%3E%E5%88%98%E9%9D%99&branch=a&role_lobby_manager=on";
    let asked = security.send("/administration/people", open).await;
    assert!(asked.status == 200 && asked.html.contains("等待他人审批"), "{}", asked.html);
    // Twice is once, and a name is text.
    assert_eq!(security.send("/administration/people", open).await.status, 409);
    assert!(asked.html.contains("&#60;b&#62;刘静") && !asked.html.contains("<b>刘静"), "{}", asked.html);
    for (form, said) in [
        ("staff_number=LM8&name=x&branch=a", "至少选择一个岗位"),
        ("staff_number=LM8&name=x&branch=a&role_auditor=on&role_lobby_manager=on", "不能由一人兼任"),
        ("staff_number=LM8&name=x&branch=z&role_lobby_manager=on", "填写有误"),
    ] {
        let seen = security.send("/administration/people", form).await;
        assert!(seen.status == 422 && seen.html.contains(said), "{}", seen.html);
    }
    let id = asked.html.split("id=\"request-").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // Nobody approves what they asked for: it is not offered, and not done.
    assert!(!asked.html.contains(&format!("/requests/{id}/approve")));
    let centre = hall.log_in("CS1").await;
    let page = centre.get("/administration/people").await.html;
    let part = page.split(&format!("/requests/{id}/approve")).nth(2).unwrap();
    let hash = part.split("name=\"hash\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = format!("hash={hash}");
    let act = |act: &str| format!("/administration/people/requests/{id}/{act}");
    let refused = security.send(&act("approve"), &form).await;
    assert!(refused.status == 409 || refused.status == 403, "{}", refused.html);
    let other = centre.send(&act("approve"), "hash=0").await;
    assert_eq!(other.status, 409, "it says something else by now");
    // Later than a while ago a password is asked for, where they are.
    hall.bank.wait(std::time::Duration::from_secs(400));
    let proof = centre.send(&act("approve"), &form).await;
    assert!(proof.status == 403 && proof.html.contains("action=\"/prove\""), "{}", proof.html);
    centre.send("/prove", &format!("password={}", PASSWORD.replace(' ', "+"))).await;
    let approved = centre.send(&act("approve"), &form).await;
    assert_eq!(approved.status, 200, "{}", approved.html);
    let half = |seen: &Seen| {
        let half = seen.html.split("id=\"code-half\">").nth(1).unwrap().split('<').next().unwrap();
        half.replace(' ', "")
    };
    let second = half(&approved);
    assert_eq!(centre.send(&act("approve"), &form).await.status, 409, "a double click");
    let waiting = security.get("/administration/people").await.html;
    assert!(waiting.contains(&act("code")), "{waiting}");
    let first = half(&security.send(&act("code"), "").await);
    assert_eq!(security.send(&act("code"), "").await.status, 404, "it is told once");
    let code = format!("{first}+{second}");
    let begun = hall.ask("POST", "/invitation/begin", &[], &format!("staff_number=LM9&code={code}")).await;
    assert!(
        begun.status == 200 && !begun.html.contains("otpauth"),
        "a lobby manager needs none: {}",
        begun.html
    );
    let weighed = async |password: &str| {
        let form = format!("staff_number=LM9&code={code}&password={password}");
        hall.ask("POST", "/invitation/password", &[("hx-request", "true")], &form).await.html
    };
    assert!(weighed("short").await.contains("至少要 15 个字符"));
    assert!(weighed("aaaaaaaaaaaaaaaaaaaa").await.contains("太容易猜到"));
    assert!(weighed("trellis+ombre+fjord+walnut").await.contains("data-good=\"true\""));
    let form = |again: &str| {
        format!("staff_number=LM9&code={code}&password=trellis+ombre+fjord+walnut&again={again}")
    };
    assert_eq!(hall.ask("POST", "/invitation", &[], &form("other")).await.status, 422);
    let done = hall.ask("POST", "/invitation", &[], &form("trellis+ombre+fjord+walnut")).await;
    assert!(done.status == 200 && done.html.contains("账户已启用"), "{}", done.html);
    let again = hall.ask("POST", "/invitation", &[], &form("trellis+ombre+fjord+walnut")).await;
    assert_eq!(again.status, 401, "an invitation is used once");
    let lobby = hall.log_in("LM9").await;
    assert_eq!(lobby.get("/lobby").await.status, 200);
}

#[tokio::test]
async fn an_account_is_confirmed_locked_and_its_roles_changed_and_a_page_that_is_behind_says_so() {
    let (hall, _) = administered().await;
    let supervisor = hall.log_in("BS1").await;
    let lobby = hall.log_in("LM1").await;
    let page = supervisor.get("/administration/people/LM1").await.html;
    let version = page.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let confirm = format!("version={version}");
    let path = "/administration/people/LM1/confirm";
    let confirmed = supervisor.send(path, &confirm).await;
    assert!(confirmed.status == 200 && confirmed.html.contains("已确认"), "{}", confirmed.html);
    assert_eq!(supervisor.send(path, &confirm).await.status, 409, "it changed while the form was open");
    assert_eq!(supervisor.send(path, "version=x").await.status, 422);
    // One's own is looked after by others.
    let own = supervisor.get("/administration/people/BS1").await;
    assert!(own.status == 200 && !own.html.contains("/BS1/disable"), "{}", own.html);
    assert_eq!(supervisor.send("/administration/people/BS1/disable", "").await.status, 409);
    assert_eq!(supervisor.send("/administration/people/LM1/end-sessions", "").await.status, 200);
    assert_eq!(lobby.get("/lobby").await.status, 303);
    let changed = supervisor.send("/administration/people/LM1/roles", "role_account_manager=on").await;
    assert!(changed.status == 200 && changed.html.contains("等待他人审批"), "{}", changed.html);
    let locked = supervisor.send("/administration/people/LM1/disable", "").await;
    assert!(locked.status == 200 && locked.html.contains("已停用"), "{}", locked.html);
    // Without script it leads back to the page.
    let form = format!("proof={}", supervisor.proof);
    let headers = [("cookie", &*supervisor.cookie)];
    let seen = hall.ask("POST", "/administration/people/LM1/end-sessions", &headers, &form).await;
    assert_eq!(&seen.headers["location"], "/administration/people/LM1?done=sessions-ended");
    // The last of a power is not locked.
    let centre = hall.log_in("CS1").await;
    assert_eq!(centre.send("/administration/people/SE1/disable", "").await.status, 409);
    // Of whom somebody has to confirm the need, it is said, and they stand first.
    hall.bank.wait(std::time::Duration::from_secs(89 * 24 * 3600));
    let later = hall.log_in("CS1").await;
    hall.bank.wait(std::time::Duration::from_secs(0));
    assert!(!later.get("/administration/people").await.html.contains("已到期"));
    assert!(later.get("/administration/people?state=due").await.html.contains("没有符合条件的账户"));
    assert!(
        later.get("/administration/people?state=disabled").await.html.contains("/administration/people/LM1")
    );
}

#[tokio::test]
async fn readers_are_shown_as_they_are_and_what_they_say_is_text() {
    let (hall, _) = administered().await;
    let system = hall.log_in("SA1").await;
    let readers = system.get("/administration/readers").await.html;
    for said in ["door_a", "door_b", "no route to 10.9.9.9", "store%20room", "data-reader=\"down\""] {
        assert!(readers.contains(said), "{said}: {readers}");
    }
    assert!(!readers.contains("<img src=x"));
    let reader = system.get("/administration/readers/door_a").await.html;
    assert!(
        reader.contains("丢失的读取")
            && reader.contains("data-reads=\"/administration/readers/door_a/reads\"")
    );
    assert!(!reader.contains("<img src=x") && reader.contains("onerror=alert(1)"));
    assert_eq!(system.get("/administration/readers/store%20room").await.status, 200);
    let hostile = system.get("/administration/readers/%3Cimg%20src=x%3E").await;
    assert!(hostile.status == 404 && !hostile.html.contains("<img src=x>"));
    let centre = hall.log_in("CS1").await;
    assert!(!centre.get("/administration/readers/door_a").await.html.contains("id=\"live\""));
}

#[tokio::test]
async fn whoever_tunes_an_antenna_hears_it_by_the_ends_of_numbers_and_is_told_what_was_missed() {
    let (hall, made_up) = administered().await;
    let system = hall.log_in("SA1").await;
    let (status, mut body) =
        hall.stream("/administration/readers/door_a/reads?antenna=2", &system.cookie).await;
    assert_eq!(status, 200);
    let mut batch = ReadBuf::with_capacity(8);
    for port in [1, 2] {
        let read = batch.record(TagIdKind::Epc, &[0x30, 0x34, 0x25, 0x7B, 0xF7, 0x19, 0x4E, 0x40]).unwrap();
        read.set_antenna_port(port).set_rssi_cdbm(-5_450);
    }
    let batch = Arc::new(batch);
    made_up.heard.send(Arc::clone(&batch)).unwrap();
    let said = until(&mut body, "\"reads\":1").await;
    assert!(said.contains("\"ends\":\"4E40\"") && said.contains("\"rssi_cdbm\":-5450"), "{said}");
    assert!(
        !said.contains("3034") && said.contains("\"antenna\":2") && !said.contains("\"antenna\":1"),
        "{said}"
    );
    // The channel holds four batches: whoever takes none in time misses some.
    for _ in 0..10 {
        made_up.heard.send(Arc::clone(&batch)).unwrap();
    }
    assert!(until(&mut body, "event: missed").await.contains("\"batches\":"));
    for path in ["/administration/readers/door_b/reads", "/administration/readers/nothing/reads"] {
        assert_eq!(hall.stream(path, &system.cookie).await.0, 404, "{path}");
    }
    let told = hall.bank.told().await;
    assert!(told.iter().any(|recorded| recorded.entry.action == "readers.listen"));
}

/// What a stream says up to this.
async fn until(body: &mut axum::body::Body, wanted: &str) -> String {
    let mut said = String::new();
    while !said.contains(wanted) {
        let frame = body.frame().await.unwrap().unwrap();
        said.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
    }
    said
}

#[tokio::test]
async fn the_host_is_shown_and_reloaded_after_a_look_and_by_whoever_has_proved_who_they_are() {
    let (hall, made_up) = administered().await;
    let system = hall.log_in("SA1").await;
    let host = system.get("/administration/host").await.html;
    for said in [
        "9.9.9",
        "2 小时",
        "10.9.9.9",
        "disk is full",
        "libacme.so",
        "待送 12 条",
        "branch-host",
        "href=\"/administration/backups\"",
    ] {
        assert!(host.contains(said), "{said}: {host}");
    }
    let looked = system.send("/administration/host/changes", "").await;
    assert!(looked.status == 200 && looked.html.contains("readers.door_a"), "{}", looked.html);
    assert!(looked.html.contains("/administration/host/reload") && *made_up.reloads.lock().unwrap() == 0);
    let done = system.send("/administration/host/reload", "").await;
    assert!(done.status == 200 && done.html.contains("已重新载入"), "{}", done.html);
    *made_up.answer.lock().unwrap() = Some(Err(vec!["branch.toml:3: <b>no such driver".to_owned()]));
    let refused = system.send("/administration/host/reload", "").await;
    assert!(refused.html.contains("no such driver") && !refused.html.contains("<b>no"), "{}", refused.html);
    *made_up.answer.lock().unwrap() = None;
    assert!(system.send("/administration/host/changes", "").await.html.contains("不能重新载入"));
    hall.bank.wait(std::time::Duration::from_secs(400));
    let proof = system.send("/administration/host/reload", "").await;
    assert!(proof.status == 403 && proof.html.contains("action=\"/prove\""), "{}", proof.html);
    assert_eq!(*made_up.reloads.lock().unwrap(), 2);
    let told = hall.bank.told().await;
    let outcomes: Vec<_> = told
        .iter()
        .filter(|recorded| recorded.entry.action == "configuration.reload" && recorded.entry.facts.is_empty())
        .map(|recorded| recorded.entry.outcome)
        .collect();
    use rfid_service::audit::Outcome::{Done, NotDone};
    assert_eq!(outcomes, [Done, Done, NotDone]);
    // Security sees how the host is, and not what it is made of.
    let security = hall.log_in("SE1").await.get("/administration/host").await.html;
    assert!(
        security.contains("10.9.9.9") && !security.contains("libacme.so") && !security.contains("[host]")
    );
}

#[tokio::test]
async fn tokens_and_rules_are_told_to_security() {
    let (hall, _) = administered().await;
    let security = hall.log_in("SE1").await;
    let tokens = security.get("/administration/tokens").await.html;
    assert!(
        tokens.contains("core-banking") && tokens.contains("即将到期") && !tokens.contains("tttt"),
        "{tokens}"
    );
    hall.bank.service.keep_no_longer(None).await.unwrap();
    let policies = security.get("/administration/policies").await.html;
    for said in ["15 个字符", "30 分钟", "90 天", "13 个月", "accounts.idle_after", "没有已知的备份"]
    {
        assert!(policies.contains(said), "{said}: {policies}");
    }
    let rights = security.get("/administration/rights").await.html;
    assert!(
        rights.contains("读写器") && rights.contains("readers.listen") && rights.contains("class=\"own\"")
    );
}

#[tokio::test]
async fn the_trail_is_read_filtered_and_verified_and_names_nobody() {
    let (hall, _) = administered().await;
    hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let manager = hall.log_in("AM1").await;
    manager.get("/desk").await;
    manager.send("/desk/find", "text=zhangxm").await;
    let auditor = hall.log_in("AU1").await;
    let trail = auditor.get("/administration/audit").await.html;
    assert!(trail.contains("customer.search") && trail.contains(">AM1<"), "{trail}");
    for told in ["张小明", "西州电力", "不喝茶", "zhangxm", "11010519491231002X"] {
        assert!(!trail.contains(told), "{told}: {trail}");
    }
    let of_manager = auditor.send("/administration/audit", "by=AM1&action=session.").await.html;
    let rows = |html: &str| html.matches("data-outcome=").count();
    assert_eq!((rows(&of_manager), of_manager.contains("session.begin")), (1, true), "{of_manager}");
    for (form, is_empty) in [
        ("by=nobody", true),
        ("outcome=refused", false),
        ("outcome=not-done", true),
        ("from=2026-11-29&until=2026-11-29", false),
        ("from=2026-11-30", true),
        ("until=2026-11-28", true),
        ("branch=a&object=", false),
        ("from=yesterday&before=x&outcome=%3Cb%3E", false),
    ] {
        let seen = auditor.send("/administration/audit", form).await;
        assert_eq!((seen.status, rows(&seen.html) == 0), (200, is_empty), "{form}: {}", seen.html);
    }
    for _ in 0..60 {
        auditor.get("/administration/audit").await;
    }
    // What was only looked at is written behind that.
    hall.bank.told().await;
    let page = auditor.get("/administration/audit").await.html;
    let before = page.split("name=\"before\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let older = auditor.send("/administration/audit", &format!("before={before}")).await.html;
    assert!(rows(&page) == 50 && rows(&older) > 0);
    // Whoever supervises reads the acts of others in the branch.
    let supervisor = hall.log_in("BS2").await.get("/administration/audit").await;
    assert!(supervisor.status == 200 && !supervisor.html.contains("customer.search"), "{}", supervisor.html);
    let begun = auditor.send("/administration/audit/verification", "").await;
    assert_eq!(begun.status, 200);
    let whole = verified(&auditor).await;
    assert!(whole.contains("完整无误"), "{whole}");
    // A byte of the first record is another.
    let folder = hall.bank.folder.path().join("audit");
    let segment = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let segment =
        segment.filter(|path| path.is_file()).max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(13).position(|window| window == b"session.begin").unwrap();
    bytes[at] = b'S';
    std::fs::write(&segment, bytes).unwrap();
    auditor.send("/administration/audit/verification", "").await;
    let bad = verified(&auditor).await;
    assert!(bad.contains("条记录与当初写入的不符"), "{bad}");
}

async fn verified(auditor: &Browser<'_>) -> String {
    loop {
        let part = auditor.part("/administration/audit/verification").await.html;
        if !part.contains("hx-trigger") {
            return part;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_first_two_administrators_are_made_in_a_browser_and_then_the_door_is_closed() {
    let hall = Hall::over(Bank::new().await, Clients::default(), None);
    for path in ["/", "/login"] {
        let seen = hall.ask("GET", path, &[], "").await;
        let place = if path == "/" { "/login" } else { "/setup" };
        assert_eq!(&seen.headers["location"], place, "{path}");
    }
    let closed = hall.ask("GET", "/setup", &[], "").await.html;
    assert!(closed.contains("设置已关闭") && !closed.contains("action=\"/setup/code\""));
    let code = hall.bank.service.open_setup().await.unwrap().unwrap();
    let wrong = hall.ask("POST", "/setup/code", &[], "code=AAAA").await;
    assert!(wrong.status == 401 && wrong.html.contains("设置码不对"), "{}", wrong.html);
    let right = hall.ask("POST", "/setup/code", &[], &format!("code={}", *code)).await;
    assert!(
        right.html.contains("value=\"system_administrator\"") && right.html.contains("<option value=\"a\"")
    );
    let mut made = Vec::new();
    for (number, role) in [("SA1", "system_administrator"), ("SE1", "security_administrator")] {
        let who = |branch: &str| {
            format!(
                "code={}&staff_number={number}&name=%E7%8E%8B%E8%8A%B3&branch={branch}&role={role}",
                *code
            )
        };
        let invalid = hall.ask("POST", "/setup", &[], &who("z")).await;
        assert!(invalid.status == 422 && invalid.html.contains("填写有误"), "{}", invalid.html);
        let seen = hall.ask("POST", "/setup", &[], &who("a")).await;
        assert!(seen.status == 200 && seen.html.contains("class=\"qr\""), "{}", seen.html);
        let value = |name: &str| {
            let rest = seen.html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().replace("&#38;", "&")
        };
        let secret = value("address").split("secret=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let secret: Personal<String> = secret.into();
        let form = |digits: &str| {
            let address = value("address").replace('&', "%26");
            let password = "trellis+ombre+fjord+walnut";
            format!(
                "staff_number={number}&code={}&address={address}&password={password}&again={password}&digits={digits}",
                value("code")
            )
        };
        let wrong = hall.ask("POST", "/invitation", &[], &form("000000")).await;
        // What was scanned already stays.
        assert!(wrong.status == 401 && wrong.html.contains(secret.reveal()), "{}", wrong.html);
        let digits = second_factor::digits(&secret, hall.bank.service.now()).unwrap();
        let done = hall.ask("POST", "/invitation", &[], &form(&digits)).await;
        assert!(done.status == 200 && done.html.contains("账户已启用"), "{}", done.html);
        assert_eq!(done.html.contains("href=\"/setup\""), number == "SA1");
        made.push(number);
    }
    let closed = hall.ask("GET", "/setup", &[], "").await;
    assert_eq!(&closed.headers["location"], "/login");
    assert_eq!(hall.ask("GET", "/login", &[], "").await.status, 200);
    let late = hall.ask("POST", "/setup/code", &[], &format!("code={}", *code)).await;
    assert_eq!(&late.headers["location"], "/login");
    hall.bank.wait(std::time::Duration::from_secs(60));
    for number in made {
        assert_eq!(hall.log_in(number).await.get("/administration/people").await.status, 200);
    }
}

#[tokio::test]
async fn everybody_sees_and_ends_their_own_sessions_and_changes_their_password() {
    let (hall, _) = administered().await;
    let (one, other) = (hall.log_in("LM1").await, hall.log_in("LM1").await);
    let me = one.get("/me").await.html;
    let aliases: Vec<&str> =
        me.split("action=\"/me/sessions/").skip(1).map(|rest| rest.split('/').next().unwrap()).collect();
    assert_eq!(aliases.len(), 2);
    let weighed = one.send("/me/password/weigh", "after=short").await;
    assert!(weighed.html.contains("至少要 15 个字符"), "{}", weighed.html);
    let password = "lantern+quartz+meadow+violin";
    let now = PASSWORD.replace(' ', "+");
    for (form, status) in [
        (format!("before={now}&after={password}&again=x"), 422),
        (format!("before={now}&after=short&again=short"), 422),
        (format!("before=wrong&after={password}&again={password}"), 403),
    ] {
        assert_eq!(one.send("/me/password", &form).await.status, status, "{form}");
    }
    let changed = one.send("/me/password", &format!("before={now}&after={password}&again={password}")).await;
    assert!(changed.status == 200 && changed.html.contains("密码已更改"), "{}", changed.html);
    assert_eq!(other.get("/me").await.status, 303, "the other session has ended");
    assert_eq!(one.send("/me/sessions/ffffffffffff/end", "").await.status, 404);
    let this = aliases.iter().filter(|alias| changed.html.contains(**alias)).collect::<Vec<_>>();
    let ended = one.send(&format!("/me/sessions/{}/end", this[0]), "").await;
    assert_eq!((ended.status, &ended.headers["hx-redirect"]), (204, &"/login".parse().unwrap()));
    assert_eq!(one.get("/me").await.status, 303);
}

#[tokio::test]
async fn each_screen_has_its_guide_one_touch_away() {
    let (hall, _) = administered().await;
    let system = hall.log_in("SA1").await;
    let page = system.get("/administration/readers").await.html;
    assert!(page.contains("href=\"/help/administration-readers\""), "{page}");
    let guide = system.get("/help/administration-readers").await;
    assert!(guide.status == 200 && guide.html.contains("href=\"/administration/readers\""), "{}", guide.html);
    for name in ["nothing", "..%2Fmod", "%3Cb%3E"] {
        assert_eq!(system.get(&format!("/help/{name}")).await.status, 404, "{name}");
    }
}
