//! States that a screen is in for a moment, or for a few customers: something that takes long, a card that may be a
//! copy, and somebody who does not want to be recognised.

use std::time::Duration;

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use serde_json::json;

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::look::look;
use super::{CHINESE, HANDHELD, PC};

/// What the page asks for is held back while it is told to, and let go at once.
const HOLDABLE: &str = "(() => { \
    const real = window.fetch.bind(window); const held = []; let holds = false; \
    window.fetch = async (...asked) => { \
        if (holds) await new Promise((go) => { go.asked = String(asked[0]); held.push(go); }); \
        return real(...asked); }; \
    window.hold = () => { holds = true; }; \
    window.letGo = () => { holds = false; held.splice(0).forEach((go) => go()); }; \
    window.isHeld = (part) => held.some((go) => go.asked.includes(part)); \
})()";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_an_answer_sees_where_it_will_be() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let (pc, handheld) = (Browser::open(PC, CHINESE).await, Browser::open(HANDHELD, CHINESE).await);
    for (browser, number) in [(&pc, "S002"), (&handheld, "S001")] {
        browser.before_each_page(HOLDABLE);
        browser.log_in(&demo.screens, number, &demo.password).await;
    }
    demo.place("6007", "door");
    pc.until_says("#current .name", "马超").await;
    handheld.until_says("article .name", "马超").await;
    demo.place("6008", "door");
    pc.until_says("#recent", "欧阳娜").await;
    handheld.until_says("#board .queue", "马超").await;
    let is_quiet = async |browser: &Browser| {
        let said = browser.texts("#loading").await.concat();
        said.is_empty() && browser.texts("[aria-busy]").await.is_empty()
    };
    assert!(is_quiet(&pc).await && is_quiet(&handheld).await);

    pc.run("hold()").await;
    pc.run(
        "[...document.querySelectorAll('#recent a')].find((one) => one.textContent.includes('欧阳娜')).click()",
    )
    .await;
    pc.until_says("#loading", "正在读取").await;
    pc.find("#current[aria-busy=true]").await;
    // Whoever was there stays until the answer is.
    assert_eq!(pc.texts("#current .name").await, ["马超"]);
    look(&pc, "desk-loading").await;
    pc.run("letGo()").await;
    pc.until_says("#current .name", "欧阳娜").await;
    eventually("nothing that is waited for", async || is_quiet(&pc).await.then_some(())).await;

    handheld.run("hold()").await;
    handheld.click("article .greet").await;
    handheld.find("#board[aria-busy=true]").await;
    handheld.until_says("#loading", "正在读取").await;
    look(&handheld, "lobby-loading").await;
    handheld.run("letGo()").await;
    handheld.until_says("#board li[id^=here]", "欧阳娜").await;
    eventually("nothing that is waited for", async || is_quiet(&handheld).await.then_some(())).await;
    // A screen that refreshes itself says nothing of it, however long it takes.
    handheld.run("hold()").await;
    // What was announced before still stands there.
    handheld.run("document.querySelector('#announce').textContent = ''").await;
    demo.place("6009", "door");
    handheld.until_says("#announce", "有客户到访").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(is_quiet(&handheld).await);
    handheld.run("letGo()").await;
    handheld.until_says("#board", "林志远").await;
}

/// The stream of the page is where a test can tell it something.
const TELLABLE: &str = "window.EventSource = class extends EventSource { \
    constructor(...asked) { super(...asked); window.stream = this; } }; \
    window.tell = (visit) => stream.dispatchEvent(new MessageEvent('visit', { data: JSON.stringify(visit) }));";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_while_the_last_one_is_refreshed_becomes_current() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.before_each_page(HOLDABLE);
    pc.before_each_page(TELLABLE);
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    demo.place("6001", "door");
    pc.until_says("#current .name", "王小明").await;
    for (key, state) in [("g", "已迎接"), ("s", "服务中"), ("d", "已离开")] {
        pc.press(key).await;
        pc.until_says("#current [data-state]", state).await;
    }
    let visit = pc.run("return document.querySelector('#current article').dataset.visit").await;
    let visit = visit.as_str().unwrap();
    let change = async |version: u32| {
        let changed =
            json!({ "id": visit, "version": version, "arrived_at": "2026-11-30T01:00:00Z", "greeted": {} });
        pc.run(&format!("tell({changed})")).await;
    };
    let is_asked = async || pc.run(&format!("return isHeld('/desk/current/{visit}')")).await.as_bool();
    // The screen asks for whoever has left, somebody comes, and there is news of the other again.
    pc.run("hold()").await;
    change(1_000).await;
    eventually("the one question", async || is_asked().await?.then_some(())).await;
    demo.place("6002", "door");
    pc.until_says("#announce", "有客户到访").await;
    // Longer than changes are gathered.
    tokio::time::sleep(Duration::from_millis(400)).await;
    change(1_001).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    pc.run("letGo()").await;
    pc.until_says("#current .name", "李芳").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_below_the_cover_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    handheld.before_each_page(HOLDABLE);
    handheld.before_each_page(TELLABLE);
    handheld.with_movable_clock();
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    demo.place("6001", "door");
    handheld.until_says("article .name", "王小明").await;
    // Something changes just before the cover falls, and nobody is on the screen at that moment.
    handheld.move_clock(Duration::from_secs(100)).await;
    handheld.run("hold(); document.querySelector('#board').replaceChildren()").await;
    let changed = json!({ "id": "1", "version": 2, "arrived_at": "2026-11-30T01:00:00Z", "greeted": {} });
    handheld.run(&format!("tell({changed})")).await;
    eventually("the question", async || {
        handheld.run("return isHeld('/lobby/board')").await.as_bool()?.then_some(())
    })
    .await;
    handheld.move_clock(Duration::from_secs(21)).await;
    handheld.find("#cover:not([hidden])").await;
    handheld.run("letGo()").await;
    eventually("the answer", async || {
        let answers = "return performance.getEntriesByType('resource').some((one) => one.name.includes('/lobby/board?') || one.name.endsWith('/lobby/board'))";
        handheld.run(answers).await.as_bool()?.then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let board = handheld.run("return document.querySelector('#board').textContent").await;
    assert_eq!(board, json!(""));
    handheld.click("#cover").await;
    handheld.until_says("article .name", "王小明").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_not_lost_to_an_answer_that_comes_while_the_button_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.before_each_page(HOLDABLE);
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    demo.place("6007", "door");
    pc.until_says("#current .name", "马超").await;
    demo.place("6008", "door");
    pc.until_says("#recent", "欧阳娜").await;
    // Somebody else is asked for, and before the answer is there the button of whoever is shown goes down.
    pc.run(
        "window.answered = 0; document.addEventListener('htmx:finally:request', ({ detail: { ctx } }) => { \
            if (ctx.request.action.startsWith('/desk/current/')) window.answered += 1; }); \
         hold(); \
         [...document.querySelectorAll('#recent a')].find((one) => one.textContent.includes('欧阳娜')).click()",
    )
    .await;
    let element = pc.find("#current [data-key=g]").await;
    let mouse = || MouseActions::new("mouse".to_owned());
    let onto = PointerAction::MoveToElement { element, duration: None, x: 0.0, y: 0.0 };
    let down = mouse().then(onto).then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
    pc.page.perform_actions(down).await.unwrap();
    pc.run("letGo()").await;
    eventually("the answer", async || (pc.run("return answered").await.as_u64() > Some(0)).then_some(()))
        .await;
    assert_eq!(pc.texts("#current .name").await, ["马超"]);
    let up = mouse().then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
    pc.page.perform_actions(up).await.unwrap();
    pc.until_says("#day tr[data-state=greeted]", "马超").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_want_to_be_recognised_is_announced_nowhere_and_said_so_where_somebody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let (pc, handheld) = (Browser::open(PC, CHINESE).await, Browser::open(HANDHELD, CHINESE).await);
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    demo.place("6013", "door");
    demo.until_come("hubin", "unknown").await;
    demo.place("6005", "hall");
    pc.until_says("#day", "周建国").await;
    handheld.until_says("#board", "周建国").await;
    for browser in [&pc, &handheld] {
        let page = browser.run("return document.body.textContent").await.to_string();
        assert!(!page.contains("孙婉清") && !page.contains("6013"), "{page}");
    }

    pc.write("#find", "6013\u{e007}").await;
    pc.until_says("#found .no-consent", "不同意被识别").await;
    pc.click("#found a").await;
    pc.until_says("#current .name", "孙婉清").await;
    pc.until_says("#current .no-consent", "不同意被识别").await;
    pc.until_says("#current .apart", "请照常接待").await;
    // There is nothing to be done that would put the customer on other screens.
    assert!(pc.texts("#current form").await.is_empty());
    look(&pc, "desk-opted-out").await;

    handheld.click("details.find summary").await;
    handheld.write("details.find [name=text]", "6013").await;
    handheld.click("details.find form button").await;
    handheld.click("#found form[action='/acts/check-in'] button").await;
    handheld.until_says("#notice", "没有同意被识别").await;
    // It is seen where somebody pressed, however far down that was.
    let script = "const said = document.querySelector('#notice .notice').getBoundingClientRect(); \
        return [scrollY > 100, said.top >= 0 && said.bottom <= innerHeight]";
    assert_eq!(handheld.run(script).await, json!([true, true]));
    look(&handheld, "lobby-opted-out").await;
    let told = [pc.texts("#day").await, handheld.texts("#board").await].concat().concat();
    assert!(!told.contains("孙婉清") && told.contains("周建国"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_in_two_branches_at_once_is_said_until_somebody_has_seen_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let (pc, handheld) = (Browser::open(PC, CHINESE).await, Browser::open(HANDHELD, CHINESE).await);
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    demo.place("6005", "elsewhere");
    demo.until_come("dongmen", "recognised").await;
    demo.place("6005", "door");
    for (browser, customer) in [(&pc, "#current"), (&handheld, "#board article")] {
        browser.until_says(".alarm", "有卡片疑似被复制，请核对客户身份").await;
        browser.until_says(&format!("{customer} .name"), "周建国").await;
        browser.until_says(&format!("{customer} .suspect"), "疑似复制卡").await;
    }
    look(&pc, "desk-suspected-clone").await;
    look(&handheld, "lobby-suspected-clone").await;
    let script = "const one = document.querySelector('.alarm button').getBoundingClientRect(); return one.width > one.height";
    assert_eq!(handheld.run(script).await, json!(true), "what is pressed is written across");
    // An account manager is told; a lobby manager sees to it.
    assert_eq!(pc.run("return document.querySelectorAll('.alarm button').length").await, json!(0));
    handheld.click(".alarm button").await;
    for browser in [&pc, &handheld] {
        eventually("no alarm", async || (browser.texts(".alarm, .suspect").await.is_empty()).then_some(()))
            .await;
    }
}
