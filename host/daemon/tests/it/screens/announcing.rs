//! What is heard and felt of a handheld that lies in a pocket.

use serde_json::json;

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::{CHINESE, HANDHELD};

/// Counts what the page has the machine do: how it vibrates, and which tones it plays.
const LISTENING: &str = "window.felt = []; window.heard = []; \
    navigator.vibrate = (pattern) => { felt.push(pattern.join(' ')); return true; }; \
    window.AudioContext = class extends AudioContext { \
        createOscillator() { \
            const tone = super.createOscillator(); const start = tone.start.bind(tone); \
            tone.start = (...when) => { heard.push(tone.frequency.value); start(...when); }; \
            return tone; } }";

/// How a handheld vibrates for somebody who has arrived, and for an alarm.
const ARRIVED: &str = "200 80 200";
const ALARM: &str = "400 100 400";

/// What was felt and heard since this was asked last.
async fn noticed(handheld: &Browser) -> serde_json::Value {
    handheld.run("return [felt.splice(0).sort(), heard.splice(0).sort()]").await
}

/// Waits until so much was felt. A refresh that was under way may show somebody before the page is told of them.
async fn until_felt(handheld: &Browser, count: u64) {
    eventually("what is felt", async || {
        (handheld.run("return felt.length").await.as_u64() >= Some(count)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handheld_vibrates_for_each_arrival_and_sounds_once_somebody_has_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    handheld.before_each_page(LISTENING);
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    let arrives = async |number: &str, name: &str| {
        demo.place(number, "door");
        handheld.until_says("#board", name).await;
        until_felt(&handheld, 1).await;
        noticed(&handheld).await
    };
    // Sound is off until somebody asks for it.
    handheld.find("#sound[aria-pressed=false]").await;
    assert_eq!(arrives("6008", "欧阳娜").await, json!([[ARRIVED], []]));
    // Whoever turns it on hears what it will be.
    handheld.click("#sound").await;
    handheld.find("#sound[aria-pressed=true]").await;
    assert_eq!(noticed(&handheld).await, json!([[], [660]]));
    assert_eq!(arrives("6009", "林志远").await, json!([[ARRIVED], [660]]));
    // Whoever is heard by another antenna has arrived already, and a card that is refused is nobody's arrival.
    demo.place("6009", "hall");
    demo.place("6004", "door");
    handheld.until_says("#board", "卡片已挂失").await;
    assert_eq!(noticed(&handheld).await, json!([[], []]));
    handheld.click("article .greet").await;
    handheld.find("#board li[id^=here]").await;
    assert_eq!(noticed(&handheld).await, json!([[], []]));
    // An alarm is told apart without a look.
    demo.place("6005", "elsewhere");
    demo.until_come("dongmen", "recognised").await;
    demo.place("6005", "door");
    handheld.find(".alarm").await;
    handheld.until_says("#board", "周建国").await;
    // Which of the two comes first is not said.
    until_felt(&handheld, 2).await;
    assert_eq!(noticed(&handheld).await, json!([[ARRIVED, ALARM], [440, 660]]));
    // Off again.
    handheld.click("#sound").await;
    handheld.find("#sound[aria-pressed=false]").await;
    noticed(&handheld).await;
    assert_eq!(arrives("6007", "马超").await, json!([[ARRIVED], []]));
}
