//! The screens in a real browser, with the emulated readers of the demo behind them.

mod administration;
mod announcing;
mod backups;
mod browser;
mod centre;
mod demo;
mod display;
mod hostile;
mod issuing;
mod line;
mod look;
mod outlasting;
mod serving;
mod states;

use serde_json::json;

use self::browser::{Browser, eventually};
use self::demo::Demo;
use self::line::Line;
use self::look::look;

const HANDHELD: (u32, u32) = (360, 740);
const PC: (u32, u32) = (1366, 768);
const CHINESE: &str = "zh-CN";
const ENGLISH: &str = "en-GB";

#[tokio::test(flavor = "multi_thread")]
async fn a_lobby_manager_greets_whoever_walks_in_and_nobody_covers_another() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    assert!(handheld.page.current_url().await.unwrap().path().ends_with("/lobby"));
    handheld.click("button.duty").await;
    handheld.until_says("button.duty[aria-pressed=true]", "在岗").await;

    demo.place("6001", "door");
    handheld.until_says("article .name", "王小明").await;
    handheld.until_says("article", "存款").await;
    // The photo is painted, not only asked for.
    eventually("the photo", async || {
        let script = "const photo = document.querySelector('article img'); return photo?.complete && photo.naturalWidth > 0";
        (handheld.run(script).await == json!(true)).then_some(())
    })
    .await;
    // It fits on the screen: nothing is wider, and the button that matters is on it.
    let script = "const one = document.querySelector('.greet').getBoundingClientRect(); \
                  return [document.documentElement.scrollWidth <= innerWidth, one.bottom <= innerHeight, one.height >= 44]";
    assert_eq!(handheld.run(script).await, json!([true, true, true]));

    demo.place("6005", "hall");
    demo.place("6002", "door");
    for name in ["王小明", "周建国", "李芳"] {
        handheld.until_says("#board", name).await;
    }
    handheld.click("article .greet").await;
    handheld.until_says("article [data-state=greeted], #here-title", "").await;
    eventually("two who wait", async || {
        let waiting = handheld.texts("article .greet, .queue li[id^=wait]").await;
        (waiting.len() == 2).then_some(())
    })
    .await;
    // A lost card is told discreetly, without a name.
    demo.place("6004", "door");
    handheld.until_says(".refused", "卡片已挂失").await;
    assert!(!handheld.texts("#board").await.concat().contains("赵敏"));

    handheld.click("details.find summary").await;
    handheld.write("details.find [name=text]", "李").await;
    handheld.click("details.find form button").await;
    handheld.until_says("#found", "李芳").await;
    handheld.click("form[action='/logout'] button").await;
    handheld.find("main [name=password]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_manager_works_by_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    demo.place("6001", "door");
    pc.until_says("#current .name", "王小明").await;
    pc.until_says("#current", "1****************X").await;
    pc.press("g").await;
    pc.until_says("#current [data-state]", "已迎接").await;
    pc.press("s").await;
    pc.until_says("#current [data-state]", "服务中").await;
    // Whoever comes meanwhile takes nobody's place.
    demo.place("6002", "door");
    pc.until_says("#recent", "李芳").await;
    pc.until_says("#current .name", "王小明").await;
    pc.press("d").await;
    pc.until_says("#current [data-state]", "已离开").await;
    pc.until_says("#day tr[data-state=left]", "存款").await;
    // Through the day with the arrows, and Enter makes somebody current.
    pc.run("document.querySelector('#day').focus()").await;
    pc.find("#day").await.send_keys("\u{e015}").await.unwrap();
    let first = "return document.activeElement.matches('tr[data-visit]')";
    assert_eq!(pc.run(first).await, json!(true));
    pc.page.active_element().await.unwrap().send_keys("\u{e007}").await.unwrap();
    pc.until_says("#current .name", "李芳").await;
    // A customer who phoned ahead, and comes without a card.
    pc.press("/").await;
    pc.page.active_element().await.unwrap().send_keys("zhangw\u{e007}").await.unwrap();
    pc.click("#found a").await;
    pc.until_says("#current .name", "张伟").await;
    pc.click("#current button.primary").await;
    pc.until_says("#current", "人工登记").await;
}

/// Answers about the current customer come late, those to what was done to them later still, and they are counted as
/// they come.
const SLOW_ANSWERS: &str = "window.asked = 0; window.refreshes = 0; window.answered = 0; \
    const real = window.fetch.bind(window); const later = (ms) => new Promise((over) => setTimeout(over, ms)); \
    window.fetch = async (to, how) => { \
        const isAct = String(to).startsWith('/acts/'); const isRefresh = String(to).startsWith('/desk/current/'); \
        if (!isAct && !isRefresh) return real(to, how); \
        window.asked += 1; \
        if (isRefresh) { window.refreshes += 1; await later(1_000); } \
        try { \
            const answer = await real(to, how); \
            if (isAct) await later(3_000); \
            return answer; \
        } finally { window.answered += 1; } }";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_chosen_is_not_replaced_by_an_answer_about_somebody_else_that_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    demo.place("6001", "door");
    pc.until_says("#current .name", "王小明").await;
    demo.place("6002", "door");
    pc.until_says("#recent", "李芳").await;
    pc.run(SLOW_ANSWERS).await;
    // The screen refreshes whom it shows, and somebody else is chosen before the answer is there.
    pc.press("g").await;
    eventually("a refresh", async || (pc.run("return refreshes").await.as_u64() > Some(0)).then_some(()))
        .await;
    pc.run(
        "[...document.querySelectorAll('#recent a')].find((one) => one.textContent.includes('李芳')).click()",
    )
    .await;
    // What happens meanwhile refreshes whom the screen still shows, and its own answer comes last of all.
    pc.press("s").await;
    pc.until_says("#current .name", "李芳").await;
    eventually("all answers", async || pc.run("return asked === answered").await.as_bool()?.then_some(()))
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(pc.texts("#current .name").await, ["李芳"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_dead_spot_what_was_missed_is_shown_as_missed() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let host = demo.screens.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let line = Line::to(host).await;
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    handheld.log_in(&format!("http://{}/", line.address), "S001", &demo.password).await;
    demo.place("6002", "door");
    handheld.until_says("article .name", "李芳").await;
    line.cut();
    handheld.find("#line[data-state=off]").await;
    demo.place("6001", "door");
    // It is registered while the handheld hears nothing.
    let watcher = Browser::open(HANDHELD, CHINESE).await;
    watcher.log_in(&demo.screens, "S001", &demo.password).await;
    watcher.until_says("#board", "王小明").await;
    handheld.run("document.querySelector('#announce').textContent = ''").await;
    line.mend();
    handheld.find("#line[data-state=on]").await;
    handheld.until_says("#board [data-visit]:has(.missed:not([hidden]))", "王小明").await;
    // Nothing is announced as new, and nobody stands there twice.
    assert_eq!(handheld.texts("#announce").await, [""]);
    assert_eq!(handheld.texts("#board [data-visit] .name").await.len(), 2);
    demo.place("6005", "door");
    handheld.until_says("#board", "周建国").await;
    handheld.until_says("#announce", "有客户到访").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_the_middle_of_a_form_loses_nothing_that_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    demo.place("6001", "door");
    pc.until_says("#current .name", "王小明").await;
    let business = "#current [name=business]";
    pc.find(business).await.clear().await.unwrap();
    pc.write(business, "外汇、保险").await;
    // As if it had ended by itself: the stream does not tell before it looks again.
    let script = "const told = arguments[arguments.length - 1]; \
        const proof = document.querySelector('[name=proof]').value; \
        fetch('/api/v1/session', { method: 'DELETE', headers: { 'X-Session-Proof': proof } }) \
            .then((said) => told(said.status))";
    assert_eq!(pc.page.execute_async(script, Vec::new()).await.unwrap(), json!(204));
    pc.click("#current .done button").await;
    pc.until_says("#notice", "登录已失效").await;
    let typed = pc.find(business).await.prop("value").await.unwrap();
    assert_eq!(typed.as_deref(), Some("外汇、保险"));
}

#[tokio::test(flavor = "multi_thread")]
async fn double_clicks_the_back_button_and_a_second_tab_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    demo.place("6001", "door");
    pc.until_says("#current .name", "王小明").await;
    let tab = pc.page.new_window(true).await.unwrap().handle;
    let first = pc.page.window().await.unwrap();
    pc.page.switch_to_window(tab).await.unwrap();
    pc.page.goto(&demo.screens).await.unwrap();
    pc.until_says("#current .name", "王小明").await;
    // Twice in one tab, and once more in the other, which does not know it yet.
    pc.run("const one = document.querySelector('[data-key=g]'); one.click(); one.click()").await;
    pc.until_says("#current [data-state]", "已迎接").await;
    pc.page.switch_to_window(first).await.unwrap();
    pc.until_says("#current [data-state]", "已迎接").await;
    assert_eq!(pc.texts("#notice .notice").await, Vec::<String>::new());
    pc.page.goto(&format!("{}lobby", demo.screens)).await.unwrap();
    pc.until_says("#board", "王小明").await;
    pc.page.back().await.unwrap();
    // The page is as it is now, not as it was.
    pc.until_says("#current [data-state]", "已迎接").await;
    pc.click("form[action='/logout'] button").await;
    pc.find("main [name=password]").await;
    pc.page.back().await.unwrap();
    eventually("nothing of a customer", async || {
        let shown = pc.texts("#current .name, #board .name").await;
        shown.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_languages_are_whole_and_each_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, ENGLISH).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    demo.place("6005", "door");
    pc.until_says("#current .name", "周建国").await;
    pc.until_says("#current", "Usual business").await;
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for said in pc.texts("h2, dt, label, th, button:not(.plain), .tag, .hint").await {
        let own = ["周建国", "对公结算", "刘静"];
        assert!(!is_chinese(&said) || own.iter().any(|word| said.contains(word)), "{said}");
    }
    pc.click("button[value=zh-CN]").await;
    pc.until_says("#current", "常办业务").await;
    pc.page.refresh().await.unwrap();
    pc.until_says("h2", "当前客户").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_and_state_keeps_the_rules_of_accessibility() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let host = demo.screens.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let line = Line::to(host).await;
    let through_line = format!("http://{}/", line.address);
    let (pc, handheld) = (Browser::open(PC, CHINESE).await, Browser::open(HANDHELD, CHINESE).await);
    pc.page.goto(&demo.screens).await.unwrap();
    look(&pc, "log-in").await;
    pc.write("[name=staff_number]", "S002").await;
    pc.write("[name=password]", "not it").await;
    pc.click("main button.primary").await;
    pc.until_says(".notice", "工号").await;
    look(&pc, "log-in-refused").await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    handheld.log_in(&through_line, "S001", &demo.password).await;
    look(&pc, "desk-empty").await;
    look(&handheld, "lobby-empty").await;
    for (number, place) in [("6001", "door"), ("6002", "hall"), ("6004", "door"), ("6005", "desk")] {
        demo.place(number, place);
    }
    for name in ["王小明", "李芳", "周建国"] {
        // The lists of a screen are asked for one by one.
        pc.until_says("#day", name).await;
        pc.until_says("#recent", name).await;
        handheld.until_says("#board", name).await;
    }
    handheld.until_says(".refused", "卡片已挂失").await;
    look(&handheld, "lobby-many").await;
    // Who of them was heard first is not said.
    pc.run("[...document.querySelectorAll('#recent a')].find((one) => one.textContent.includes('王小明')).click()")
        .await;
    pc.until_says("#current .name", "王小明").await;
    look(&pc, "desk-many").await;
    pc.press("s").await;
    pc.until_says("#current [data-state]", "服务中").await;
    pc.write("#find", "zhao").await;
    pc.click(".find form button").await;
    pc.until_says("#found", "赵敏").await;
    look(&pc, "desk-served-and-found").await;
    pc.click("#day tr[data-state=refused] a").await;
    pc.until_says("#current", "请勿在客户面前提及").await;
    look(&pc, "desk-refused-card").await;
    line.cut();
    handheld.find("#line[data-state=off]").await;
    look(&handheld, "lobby-offline").await;
    let dark = Browser::open_dark(PC, ENGLISH).await;
    dark.log_in(&demo.screens, "S002", &demo.password).await;
    dark.until_says("#current .name", "").await;
    look(&dark, "desk-dark-english").await;
}
