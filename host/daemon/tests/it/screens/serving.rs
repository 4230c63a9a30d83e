//! Ten customers, served by somebody who has never seen the screens: by the mouse, by keys, and on a screen of the size
//! of a phone.

use fantoccini::Locator;
use serde_json::json;

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::look::look;
use super::{CHINESE, HANDHELD, PC};

/// Ten customers of the demo's account manager whose cards are in order.
const TEN: [(&str, &str); 10] = [
    ("6001", "王小明"),
    ("6002", "李芳"),
    ("6003", "张伟"),
    ("6005", "周建国"),
    ("6007", "马超"),
    ("6008", "欧阳娜"),
    ("6009", "林志远"),
    ("6010", "黄丽"),
    ("6011", "徐文博"),
    ("6012", "何静怡"),
];

/// Clicks what says this, as somebody does who reads it.
async fn click_on(browser: &Browser, within: &str, said: &str) {
    let xpath = format!("//*[{within}]//*[self::button or self::a][contains(., '{said}')]");
    eventually(&format!("a click on {said}"), async || {
        browser.page.find(Locator::XPath(&xpath)).await.ok()?.click().await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_customers_are_served_with_the_mouse() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    serve_by_clicks(&demo, &pc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_customers_are_served_on_a_screen_of_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let phone = Browser::open(HANDHELD, CHINESE).await;
    phone.log_in(&demo.screens, "S002", &demo.password).await;
    serve_by_clicks(&demo, &phone).await;
    // Nothing is wider than the screen, and what is touched is large enough.
    let script = "const small = [...document.querySelectorAll('main button, main select, .tile')] \
        .map((one) => one.getBoundingClientRect()).filter((one) => one.height > 0 && one.height < 44); \
        return [document.documentElement.scrollWidth <= innerWidth, small.length]";
    assert_eq!(phone.run(script).await, json!([true, 0]));
    look(&phone, "desk-phone").await;
}

async fn serve_by_clicks(demo: &Demo, browser: &Browser) {
    for (number, name) in TEN {
        demo.place(number, "door");
        click_on(browser, "@id='recent'", name).await;
        browser.until_says("#current .name", name).await;
        click_on(browser, "@id='current'", "迎接").await;
        browser.until_says("#current [data-state]", "已迎接").await;
        click_on(browser, "@id='current'", "开始服务").await;
        browser.until_says("#current [data-state]", "服务中").await;
        click_on(browser, "@id='current'", "办结送离").await;
        browser.until_says("#current [data-state]", "已离开").await;
        browser.until_says("#day tr[data-state=left]", name).await;
        demo.place(number, "outside");
    }
    let left = browser.texts("#day tr[data-state=left]").await;
    assert_eq!(left.len(), TEN.len(), "{left:?}");
    assert_eq!(browser.texts("#notice .notice").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_customers_are_served_by_keys() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    for (number, name) in TEN {
        demo.place(number, "door");
        // Nobody is current any more, so that whoever comes is.
        pc.until_says("#current .name", name).await;
        for (key, state) in [("g", "已迎接"), ("s", "服务中"), ("d", "已离开")] {
            pc.press(key).await;
            pc.until_says("#current [data-state]", state).await;
        }
        pc.until_says("#day tr[data-state=left]", name).await;
        demo.place(number, "outside");
    }
    assert_eq!(pc.texts("#day tr[data-state=left]").await.len(), TEN.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_customers_who_come_at_once_are_greeted_on_the_handheld_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    let pc = Browser::open(PC, CHINESE).await;
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    for (number, _) in TEN {
        demo.place(number, "door");
    }
    for (_, name) in TEN {
        handheld.until_says("#board .name", name).await;
        pc.until_says("#day", name).await;
    }
    look(&handheld, "lobby-crowd").await;
    look(&pc, "desk-crowd").await;
    for greeted in 1..=TEN.len() {
        // Whoever fills the screen is greeted, and the next one comes.
        handheld.click("article .greet").await;
        eventually("one more who was greeted", async || {
            let here = handheld.texts("#board li[id^=here] .name").await;
            (here.len() >= greeted).then_some(())
        })
        .await;
    }
    handheld.until_says("#board", "大堂暂无等候的客户").await;
    let mut greeted = handheld.texts("#board li[id^=here] .name").await;
    greeted.sort();
    let mut names = TEN.map(|(_, name)| name.to_owned()).to_vec();
    names.sort();
    assert_eq!(greeted, names);
    assert_eq!(handheld.texts("#notice .notice").await, Vec::<String>::new());
}
