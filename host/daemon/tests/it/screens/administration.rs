//! Administration in a real browser: from an empty data folder to the first accounts, and the day of those who
//! watch over a host.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rfid_core::{Clock, SystemClock};
use rfid_service::account::second_factor;
use rfid_service::record::Personal;
use serde_json::{Value, json};

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::line::Line;
use super::look::look;
use super::{CHINESE, ENGLISH, HANDHELD, PC};
use crate::daemon::Daemon;
use crate::plugins::Vendor;

const PASSWORD: &str = "trellis ombre fjord walnut";
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const SPACE: &str = "\u{e00d}";

/// What an authenticator shows now, or that which comes next: none is taken twice.
fn digits(secret: &str, is_next: bool) -> String {
    let secret: Personal<String> = secret.replace(' ', "").into();
    let now = SystemClock::new().now().utc;
    let at = if is_next { now.plus(Duration::from_secs(30)) } else { now };
    second_factor::digits(&secret, at).unwrap()
}

/// Digits of somebody who works in the demo of this folder.
pub(super) fn digits_in_demo(folder: &Path, number: &str) -> String {
    let people = std::fs::read_to_string(Demo::data_dir(folder).join("demo-people.json")).unwrap();
    let people: Value = serde_json::from_str(&people).unwrap();
    let person = people.as_array().unwrap().iter().find(|person| person["number"] == number).unwrap();
    // Whoever administers the demo has used those of the start already.
    digits(person["secret"].as_str().unwrap(), true)
}

/// Goes on in another window with the session of somebody who has logged in.
pub(super) async fn take_over(session: &Browser, browser: &Browser, screens: &str) {
    let cookie = session.page.get_named_cookie("__Host-rfid-session").await.unwrap();
    browser.page.goto(&format!("{screens}login")).await.unwrap();
    browser.page.add_cookie(cookie).await.unwrap();
}

async fn only_text(browser: &Browser, selector: &str) -> String {
    browser.find(selector).await;
    browser.texts(selector).await.concat().trim().to_owned()
}

/// Nothing is wider than the screen.
pub(super) async fn fits(browser: &Browser, what: &str) {
    let script = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.run(script).await, json!(true), "{what} is wider than its screen");
}

/// Goes from control to control until one of this selector has the focus.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..120 {
        let script = format!("return document.activeElement.matches({})", json!(selector));
        if browser.run(&script).await == json!(true) {
            return;
        }
        browser.page.active_element().await.unwrap().send_keys(TAB).await.unwrap();
    }
    panic!("no way by keys to {selector}");
}

async fn type_here(browser: &Browser, keys: &str) {
    browser.page.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

/// Makes one of the first two accounts, on the page for it.
async fn set_up(browser: &Browser, code: &str, (number, role, name): (&str, &str, &str)) {
    browser.write("[name=code]", code).await;
    browser.click("main button.primary").await;
    browser.click(&format!("[name=role][value={role}]")).await;
    browser.write("[name=staff_number]", number).await;
    browser.write("[name=name]", name).await;
    browser.click("main button.primary").await;
    browser.find("#factor-secret").await;
}

/// Sets the password of whoever was invited and stands before the page for it. Returns the secret.
async fn enrol(browser: &Browser) -> String {
    let secret = only_text(browser, "#factor-secret").await;
    browser.find("svg.qr path").await;
    browser.write("[name=digits]", &digits(&secret, false)).await;
    browser.write("[name=password]", "short").await;
    browser.until_says("#weighed", "至少").await;
    browser.find("[name=password]").await.clear().await.unwrap();
    browser.write("[name=password]", PASSWORD).await;
    browser.find("#weighed [data-good=true]").await;
    browser.write("[name=again]", PASSWORD).await;
    browser.click("main button.primary").await;
    browser.until_says("h1", "账户已启用").await;
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_host_comes_to_its_two_administrators_who_open_the_first_account() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = folder.path().join("branch.toml");
    // The reader is not there yet, which keeps no host from starting.
    let text = format!(
        "[host]\nname = \"xizhou\"\ndata_dir = '{}'\nlisten = \"127.0.0.1:0\"\n\n[branches.hubin]\nname = \"湖滨支行\"\n\n\
         [readers.door]\ndriver = \"mercury4\"\naddress = \"127.0.0.1:1\"\nbranch = \"hubin\"\nantennas = {{ 1 = \"door\" }}\n\n\
         [sinks.customers]\ntype = \"lookup\"\nsource = \"service\"\n\n\
         [sinks.visits]\ntype = \"log\"\npath = '{}'\n\n\
         [pipelines.hall]\nreaders = [\"door\"]\nsinks = [\"customers\", \"visits\"]\n",
        data.display(),
        folder.path().join("events.jsonl").display()
    );
    std::fs::write(&config, text).unwrap();
    let daemon = Daemon::run(&config);
    let screens = format!("http://{}/", daemon.http);
    let code = std::fs::read_to_string(data.join("setup-code")).unwrap().trim().to_owned();

    let pc = Browser::open(PC, CHINESE).await;
    let mut secrets = Vec::new();
    for (number, role, name) in
        [("SA1", "system_administrator", "罗维"), ("SE1", "security_administrator", "何安")]
    {
        // While there is nobody at all everything leads there; the first of the two can log in already.
        let path = if number == "SA1" { "" } else { "setup" };
        pc.page.goto(&format!("{screens}{path}")).await.unwrap();
        pc.until_says("h1", "首次设置").await;
        assert!(pc.page.current_url().await.unwrap().path().ends_with("/setup"));
        if number == "SA1" {
            look(&pc, "setup").await;
        }
        set_up(&pc, &code, (number, role, name)).await;
        if number == "SA1" {
            look(&pc, "setup-second-factor").await;
        }
        secrets.push(enrol(&pc).await);
    }
    pc.page.goto(&screens).await.unwrap();
    pc.find("main [name=password]").await;

    // Each sits at a desk of their own.
    let line = Line::from_to([127, 0, 0, 2].into(), daemon.http).await;
    let system_screens = format!("http://{}/", line.address);
    let system = Browser::open(PC, CHINESE).await;
    pc.log_in_with(&screens, "SE1", PASSWORD, &digits(&secrets[1], true)).await;
    system.log_in_with(&system_screens, "SA1", PASSWORD, &digits(&secrets[0], true)).await;
    assert!(pc.page.current_url().await.unwrap().path().ends_with("/administration/people"));
    // No page of anybody else puts one of these into a frame of its own.
    for path in ["/administration/people", "/me", "/setup", "/invitation"] {
        let script = "const told = arguments[arguments.length - 1]; \
            fetch(arguments[0]).then((said) => told(said.headers.get('content-security-policy')))";
        let policy = pc.page.execute_async(script, vec![json!(path)]).await.unwrap();
        let policy = policy.as_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self'"),
            "{policy}"
        );
    }

    // Security asks, by keys alone.
    tab_to(&pc, "[name=staff_number]").await;
    type_here(&pc, "LM1").await;
    tab_to(&pc, "input[name=name]").await;
    type_here(&pc, "刘静").await;
    tab_to(&pc, "[name=role_lobby_manager]").await;
    type_here(&pc, SPACE).await;
    tab_to(&pc, "form[action='/administration/people'] button.primary").await;
    type_here(&pc, ENTER).await;
    pc.until_says(".done", "等待他人审批").await;
    pc.until_says(".requests", "刘静").await;
    look(&pc, "administration-people-asked").await;

    system.page.goto(&format!("{system_screens}administration/people")).await.unwrap();
    system.until_says(".requests", "刘静").await;
    look(&system, "administration-people-waiting").await;
    system.click("form[action$='/approve'] button").await;
    let second = only_text(&system, "#code-half").await;
    look(&system, "administration-people-code").await;
    pc.page.refresh().await.unwrap();
    pc.click("form[action$='/code'] button").await;
    let first = only_text(&pc, "#code-half").await;

    let handheld = Browser::open(HANDHELD, CHINESE).await;
    handheld.page.goto(&format!("{screens}invitation")).await.unwrap();
    look(&handheld, "invitation-handheld").await;
    handheld.write("[name=staff_number]", "LM1").await;
    handheld.write("[name=code]", &format!("{first}{second}")).await;
    handheld.click("main button.primary").await;
    handheld.write("[name=password]", PASSWORD).await;
    handheld.find("#weighed [data-good=true]").await;
    handheld.write("[name=again]", PASSWORD).await;
    fits(&handheld, "the page of an invitation").await;
    handheld.click("main button.primary").await;
    handheld.until_says("h1", "账户已启用").await;
    handheld.log_in(&screens, "LM1", PASSWORD).await;
    assert!(handheld.page.current_url().await.unwrap().path().ends_with("/lobby"));

    // The system administrator changes the configuration in its file, looks, and reloads.
    system.page.goto(&format!("{system_screens}administration/host")).await.unwrap();
    let before = std::fs::read_to_string(&config).unwrap();
    let changed =
        before.replace("\"visits\"]", "\"visits\", \"screens\"]") + "\n[sinks.screens]\ntype = \"notify\"\n";
    std::fs::write(&config, &changed).unwrap();
    system.click("form[action$='/changes'] button").await;
    system.until_says("#changes", "sinks.screens").await;
    look(&system, "administration-host-changes").await;
    system.click("#changes button.primary").await;
    system.until_says("#changes", "已重新载入").await;
    assert!(daemon.get("/api/v1/status").1.contains("\"screens\""));
    std::fs::write(&config, changed.replace("\"notify\"", "\"notifly\"")).unwrap();
    system.click("form[action$='/changes'] button").await;
    system.until_says("#changes .notice", "notifly").await;
    assert!(daemon.terminate().success());
}

/// The system administrator of a host that has nobody yet, logged in.
pub(super) async fn first_administrator(screens: &str, data: &Path) -> Browser {
    let code = std::fs::read_to_string(data.join("setup-code")).unwrap();
    let pc = Browser::open(PC, CHINESE).await;
    pc.page.goto(screens).await.unwrap();
    set_up(&pc, code.trim(), ("SA1", "system_administrator", "罗维")).await;
    let secret = enrol(&pc).await;
    pc.log_in_with(screens, "SA1", PASSWORD, &digits(&secret, true)).await;
    pc
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_runs_stands_on_the_page_of_the_host_and_so_does_that_it_was_started_again() {
    let vendor = Vendor::new(&["good-minimal"]);
    let config = vendor.configure(
        "good-minimal",
        "branch = \"hubin\"\n\n[branches.hubin]\nname = \"湖滨支行\"\n\n\
         [sinks.customers]\ntype = \"lookup\"\nsource = \"service\"",
    );
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("sinks = [\"events\"]", "sinks = [\"customers\", \"events\"]");
    std::fs::write(&config, text).unwrap();
    let daemon = Daemon::run(&config);
    vendor.first_event();
    let screens = format!("http://{}/", daemon.http);
    let pc = first_administrator(&screens, &vendor.data()).await;
    pc.page.goto(&format!("{screens}administration/host")).await.unwrap();
    let row = "section[aria-labelledby=plugins-title] tbody tr";
    pc.until_says(row, "good-minimal.so").await;
    let sum = Command::new("sha256sum").arg(vendor.plugin("good-minimal")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let said = pc.texts(row).await.concat();
    for word in ["独立进程", "door", sum.split_whitespace().next().unwrap()] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let restarts = async || pc.texts(&format!("{row} td.figure")).await;
    assert_eq!(restarts().await, ["0"]);
    pc.run("document.querySelector('#plugins-title').scrollIntoView({ block: 'center' })").await;
    look(&pc, "administration-host-plugin").await;
    // Its process ends, as one that crashes; a new one takes its place.
    let killed = daemon.plugin_process();
    assert!(Command::new("kill").args(["-KILL", &killed.to_string()]).status().unwrap().success());
    eventually("another process of the plugin", async || {
        pc.page.refresh().await.ok()?;
        (restarts().await == ["1"]).then_some(())
    })
    .await;
    assert_ne!(daemon.plugin_process(), killed);
    assert!(daemon.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_administrator_tunes_an_antenna_by_what_it_hears() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in_with(&demo.screens, "S902", &demo.password, &digits_in_demo(folder.path(), "S902")).await;
    pc.page.goto(&format!("{}administration/readers", demo.screens)).await.unwrap();
    pc.until_says("table", "hubin_door").await;
    pc.until_says("[data-reader=reading]", "读取中").await;
    look(&pc, "administration-readers").await;
    pc.click("a[href$='/readers/hubin_door']").await;
    pc.find("#live").await;
    demo.place("6001", "door");
    pc.until_says("#tags tbody", "…").await;
    pc.find("#chart path.series").await;
    eventually("a line of several points", async || {
        let path = pc.run("return document.querySelector('#chart path')?.getAttribute('d') ?? ''").await;
        (path.as_str()?.matches('L').count() >= 8).then_some(())
    })
    .await;
    // Of the tag its end is shown and no more.
    let cells = pc.texts("#tags tbody td:nth-child(2)").await;
    assert!(cells.iter().all(|cell| cell.chars().count() == 5), "{cells:?}");
    assert!(only_text(&pc, "#rate").await.parse::<f64>().unwrap() > 0.0);
    // Four times a second at most.
    let script = "const told = arguments[arguments.length - 1]; let drawn = 0; \
        const watch = new MutationObserver(() => { drawn += 1; }); \
        watch.observe(document.querySelector('#chart'), { childList: true }); \
        setTimeout(() => told(drawn), 3000)";
    // A machine that is busy tells late, and then what it owes at once; one that is not is as it should be.
    eventually("four drawings a second at most", async || {
        let drawn = pc.page.execute_async(script, Vec::new()).await.ok()?.as_u64()?;
        (3..=14).contains(&drawn).then_some(())
    })
    .await;
    look(&pc, "administration-reader").await;
    // At the other antenna nobody stands.
    pc.page.find(fantoccini::Locator::Css("#antenna")).await.unwrap().select_by_value("2").await.unwrap();
    pc.until_says("#live-state", "没有读到标签").await;
    assert_eq!(pc.texts("#tags tbody tr").await, Vec::<String>::new());
    demo.place("6001", "hall");
    pc.until_says("#tags tbody", "…").await;
    pc.click("#pause").await;
    pc.find("#pause[aria-pressed=true]").await;
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    take_over(&pc, &handheld, &demo.screens).await;
    handheld.page.goto(&format!("{}administration/readers/hubin_door", demo.screens)).await.unwrap();
    handheld.until_says("#tags tbody", "…").await;
    fits(&handheld, "the page of a reader").await;
    look(&handheld, "administration-reader-handheld").await;
    handheld.page.goto(&format!("{}administration/host", demo.screens)).await.unwrap();
    handheld.until_says("h2", "配置").await;
    fits(&handheld, "the page of the host").await;
    pc.page.goto(&format!("{}administration/host", demo.screens)).await.unwrap();
    pc.until_says("h2", "处理流程").await;
    look(&pc, "administration-host").await;
    pc.click("a.help").await;
    pc.until_says(".guide h3", "未就绪时").await;
    look(&pc, "guide").await;
    pc.page.goto(&format!("{}me", demo.screens)).await.unwrap();
    pc.until_says("h2", "我的会话").await;
    look(&pc, "me").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_and_verifies_the_trail_by_keys_in_light_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in_with(&demo.screens, "S006", &demo.password, &digits_in_demo(folder.path(), "S006")).await;
    pc.page.goto(&format!("{}administration/audit", demo.screens)).await.unwrap();
    tab_to(&pc, "form[action$='/verification'] button").await;
    type_here(&pc, ENTER).await;
    pc.until_says("#verification .done", "完整无误").await;
    tab_to(&pc, "[name=action]").await;
    type_here(&pc, "session.").await;
    type_here(&pc, ENTER).await;
    eventually("the records of sessions alone", async || {
        let said = pc.texts("table.trail tbody td:nth-child(5)").await;
        (!said.is_empty() && said.iter().all(|action| action.starts_with("session."))).then_some(())
    })
    .await;
    look(&pc, "administration-audit").await;

    let dark = Browser::open_dark(PC, ENGLISH).await;
    dark.log_in_with(&demo.screens, "S901", &demo.password, &digits_in_demo(folder.path(), "S901")).await;
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for (page, heading) in [
        ("people", "Accounts"),
        ("tokens", "Tokens"),
        ("policies", "Passwords"),
        ("rights", "Rights"),
        ("host", "demo"),
        ("backups", "Backup"),
    ] {
        dark.page.goto(&format!("{}administration/{page}", demo.screens)).await.unwrap();
        dark.until_says("h2", heading).await;
        for said in dark.texts("h2, h3, dt, label, th, legend, button:not(.plain), .tag, .hint").await {
            assert!(!is_chinese(&said) || said.contains("湖滨"), "{page}: {said}");
        }
        look(&dark, &format!("administration-{page}-dark-english")).await;
    }
    dark.page.goto(&format!("{}administration/people/S002", demo.screens)).await.unwrap();
    dark.until_says("h2", "陈强").await;
    look(&dark, "administration-person-dark-english").await;
    let wide = Browser::open((2560, 1440), CHINESE).await;
    take_over(&dark, &wide, &demo.screens).await;
    wide.page.goto(&format!("{}administration/people", demo.screens)).await.unwrap();
    wide.until_says("table", "S002").await;
    fits(&wide, "the people on a wide screen").await;
    look(&wide, "administration-people-wide").await;
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    take_over(&dark, &handheld, &demo.screens).await;
    for page in ["people", "tokens", "policies", "rights"] {
        handheld.page.goto(&format!("{}administration/{page}", demo.screens)).await.unwrap();
        handheld.find("main.sheets").await;
        fits(&handheld, page).await;
    }
    look(&handheld, "administration-rights-handheld").await;
}
