//! What outlasts the end of the host, and what does not outlast two minutes without anybody.

use std::time::Duration;

use serde_json::json;

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::line::Line;
use super::look::look;
use super::{CHINESE, HANDHELD, PC};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_and_started_again_is_gone_on_with_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let listen = demo.screens.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let line = Line::to(listen.parse().unwrap()).await;
    let (pc, handheld) = (Browser::open(PC, CHINESE).await, Browser::open(HANDHELD, CHINESE).await);
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    handheld.log_in(&format!("http://{}/", line.address), "S001", &demo.password).await;
    let out = Browser::open(PC, CHINESE).await;
    out.log_in(&demo.screens, "S001", &demo.password).await;
    // Whoever had logged out is out for good, whatever a thief of the reference does.
    let cookies = out.page.get_all_cookies().await.unwrap();
    let stolen = cookies.into_iter().find(|cookie| cookie.name() == "__Host-rfid-session").unwrap();
    out.click("form[action='/logout'] button").await;
    out.find("main [name=password]").await;
    demo.place("6001", "door");
    pc.until_says("#current .name", "王小明").await;
    handheld.until_says("article .name", "王小明").await;
    let business = "#current [name=business]";
    pc.find(business).await.clear().await.unwrap();
    pc.write(business, "外汇、保险").await;

    line.cut();
    // Killed: it has no time to write anything.
    drop(demo);
    pc.find("#line[data-state=off]").await;
    handheld.find("#line[data-state=off]").await;
    look(&pc, "desk-host-gone").await;
    let demo = Demo::start_at(folder.path(), &listen);
    demo.place("6001", "hall");
    demo.place("6005", "door");
    pc.find("#line[data-state=on]").await;
    // Nobody logged in anew, and nothing that was typed is lost.
    pc.until_says("#recent", "周建国").await;
    pc.until_says("#current .name", "王小明").await;
    let typed = pc.find(business).await.prop("value").await.unwrap();
    assert_eq!(typed.as_deref(), Some("外汇、保险"));
    pc.click("#current .done button").await;
    pc.until_says("#current [data-state]", "已离开").await;
    pc.until_says("#day tr[data-state=left]", "外汇、保险").await;
    // Who came while the handheld heard nothing is there, and is no news.
    handheld.run("document.querySelector('#announce').textContent = ''").await;
    line.mend();
    handheld.find("#line[data-state=on]").await;
    handheld.until_says("#board [data-visit]:has(.missed:not([hidden]))", "周建国").await;
    assert_eq!(handheld.texts("#announce").await, [""]);
    look(&handheld, "lobby-missed").await;
    out.page.add_cookie(stolen).await.unwrap();
    out.page.goto(&format!("{}lobby", demo.screens)).await.unwrap();
    out.find("main [name=password]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_minutes_without_anybody_take_customers_off_the_handheld() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    handheld.with_movable_clock();
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    demo.place("6001", "door");
    handheld.until_says("article .name", "王小明").await;
    handheld.click("details.find summary").await;
    handheld.write("details.find [name=text]", "wangxm").await;
    handheld.click("details.find form button").await;
    handheld.until_says("#found", "王小明").await;
    handheld.move_clock(Duration::from_secs(119)).await;
    assert_eq!(handheld.run("return document.querySelector('#cover').hidden").await, json!(true));
    handheld.until_says("article .name", "王小明").await;
    handheld.move_clock(Duration::from_secs(2)).await;
    assert_eq!(handheld.run("return document.querySelector('#cover').hidden").await, json!(false));
    let page = handheld.run("return document.body.textContent").await.to_string();
    assert!(!page.contains("王小明") && !page.contains("6001"), "{page}");
    look(&handheld, "lobby-hidden").await;
    // A touch shows them again.
    handheld.click("#cover").await;
    handheld.until_says("article .name", "王小明").await;
    handheld.move_clock(Duration::from_secs(121)).await;
    assert_eq!(handheld.texts("#board .name").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_goes_on_as_somebody_scrolls() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = Browser::open(PC, CHINESE).await;
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    // A day with more visits than a screen has rows: checked in and seen out by what the screen sends. All of
    // them are of customers whom this manager looks after: of others nothing is left to be seen.
    let script = "window.rounds = 0; (async () => { \
        const own = ['01', '02', '03', '04', '05', '07', '08', '09', '10', '12']; \
        const proof = document.querySelector('[name=proof]').value; \
        const send = async (path, form) => (await fetch(path, { method: 'POST', headers: { 'HX-Request': 'true' }, \
            body: new URLSearchParams({ proof, screen: 'desk', ...form }) })).text(); \
        for (let round = 0; round < 100; round += 1) { \
            const html = await send('/acts/check-in', { customer_number: `60${own[round % 10]}` }); \
            const visit = html.match(/data-visit=\"([0-9a-f]+)/)[1]; \
            await send(`/acts/${visit}/done`, { business: `第${round}笔` }); \
            window.rounds = round + 1; \
        } })()";
    pc.run(script).await;
    for rounds in (10..=100).step_by(10) {
        eventually(&format!("{rounds} visits"), async || {
            (pc.run("return window.rounds").await.as_u64() >= Some(rounds)).then_some(())
        })
        .await;
    }
    pc.page.refresh().await.unwrap();
    pc.until_says("#day tr[data-visit] td", "第99笔").await;
    let rows = async || pc.run("return document.querySelectorAll('#day tr[data-visit]').length").await;
    assert_eq!(rows().await, json!(60));
    // Whoever scrolls in the table has its end in the window.
    let bottom = "const day = document.querySelector('#day'); day.scrollIntoView({ block: 'end' }); \
        day.scrollTop = day.scrollHeight";
    eventually("the beginning of the day", async || {
        pc.run(bottom).await;
        (rows().await == json!(100)).then_some(())
    })
    .await;
    pc.until_says("#day tr[data-visit]", "第0笔").await;
    // Each stands there once, in order, and news leave it where somebody has scrolled to.
    let script = "const at = [...document.querySelectorAll('#day tr[data-visit]')]; \
        return [new Set(at.map((row) => row.id)).size, at[0].textContent.includes('第99笔')]";
    assert_eq!(pc.run(script).await, json!([100, true]));
    demo.place("6011", "door");
    pc.until_says("#day tr[data-visit]", "徐文博").await;
    assert!(pc.run("return document.querySelector('#day').scrollTop").await.as_f64().unwrap() > 500.0);
    // The table keeps as many rows as it had, and the row that was pushed out comes as somebody scrolls.
    eventually("the beginning of the day again", async || {
        pc.run(bottom).await;
        (rows().await == json!(101)).then_some(())
    })
    .await;
    look(&pc, "desk-day-scrolled").await;
}
