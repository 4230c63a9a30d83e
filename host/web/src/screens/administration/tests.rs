mod accounts;
mod backups;
mod made_up;

use std::sync::Arc;

use http_body_util::BodyExt as _;
use rfid_core::{ReadBuf, TagIdKind};
use rfid_service::account::second_factor;
use rfid_service::record::Personal;
use rfid_service::rights::Role;
use rfid_service::service::bank::{Bank, PASSWORD};
use rfid_service::service::{Caller, Grant, IssuingSettings, Scope};

use self::made_up::MadeUp;
use super::super::trying::{Browser, Hall, Seen};
use crate::clients::{Client, Clients};
use crate::installation::*;

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}'\"&";

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
