//! The issuing desk in a real browser: from a customer who is opened to the same customer at the door.

use std::path::Path;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::wd::PrintConfigurationBuilder;
use image::{Rgb, RgbImage};
use serde_json::json;

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::look::look;
use super::{CHINESE, ENGLISH, HANDHELD, PC};

const CLERK: &str = "S003";
const REVIEWER: &str = "S004";

/// A picture on the disk, as somebody takes one from a folder.
fn picture(folder: &Path) -> String {
    let path = folder.join("portrait.png");
    let side = 320;
    let picture = RgbImage::from_fn(side, side, |x, y| Rgb([(x / 2) as u8, (y / 2) as u8, 120]));
    picture.save(&path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Writes the form of a new customer.
async fn write_customer(clerk: &Browser, screens: &str, number: &str, name: &str) {
    clerk.page.goto(&format!("{screens}issuing/customer/new")).await.unwrap();
    for (field, text) in [
        ("#customer_number", number),
        ("#name", name),
        ("#id_number", "11010519491231002X"),
        ("#employer", "西州大学"),
        ("#usual_business", "理财"),
        ("#account_manager", "S002"),
        ("[name=consent][value=given]", " "),
    ] {
        clerk.write(field, text).await;
    }
}

async fn approve(reviewer: &Browser, address: &str) {
    reviewer.page.goto(address).await.unwrap();
    reviewer.click("button.approve").await;
    reviewer.until_says(".said", "已同意").await;
}

/// Goes tab by tab to what this selector names, and presses Enter there.
async fn press_on(browser: &Browser, selector: &str) {
    browser.find(selector).await;
    let script = format!("return Boolean(document.activeElement?.matches({}))", json!(selector));
    for _ in 0..80 {
        if browser.run(&script).await == json!(true) {
            return browser.page.active_element().await.unwrap().send_keys("\u{e007}").await.unwrap();
        }
        // What is sent to a field for a file is taken for its name, so keys go to the page.
        let tab = KeyActions::new("keys".to_owned())
            .then(KeyAction::Down { value: '\u{e004}' })
            .then(KeyAction::Up { value: '\u{e004}' });
        browser.page.perform_actions(tab).await.unwrap();
    }
    panic!("{selector} is not reached by keys");
}

/// Waits until what is called so has the focus, which it is given a moment after it is there.
async fn until_focused(browser: &Browser, name: &str) {
    let script = "return document.activeElement?.id || document.activeElement?.className";
    eventually(&format!("the focus on {name}"), async || {
        (browser.run(script).await == json!(name)).then_some(())
    })
    .await;
}

/// The address of the page that is open.
async fn here(browser: &Browser) -> String {
    browser.page.current_url().await.unwrap().to_string()
}

/// A customer who was opened with a photo and approved, and a card that was asked for and approved: its address.
async fn approved_card(clerk: &Browser, reviewer: &Browser, demo: &Demo, photo: &str) -> String {
    write_customer(clerk, &demo.screens, "6101", "林晓雨").await;
    clerk.click("#form button.primary").await;
    clerk.find("#photo-file").await.send_keys(photo).await.unwrap();
    clerk.find("#preview:not([hidden])").await;
    look(clerk, "issuing-photo").await;
    clerk.click("#photo-form .acts button.primary").await;
    clerk.until_says("#changes-title", "申请内容").await;
    let opening = here(clerk).await;
    clerk.click(".todo button.primary").await;
    clerk.until_says(".said", "已提交").await;
    reviewer.page.goto(&opening).await.unwrap();
    reviewer.find("img[src$='/photo/proposed/large']").await;
    look(reviewer, "issuing-review").await;
    approve(reviewer, &opening).await;
    // By her number, and on to the card.
    clerk.page.goto(&format!("{}issuing", demo.screens)).await.unwrap();
    clerk.write("#find", "6101\u{e007}").await;
    clerk.click("#found a").await;
    clerk.until_says(".heading", "林**").await;
    clerk.click("a[href$='/card']").await;
    clerk.click("[name=submit]").await;
    clerk.until_says(".case .tag", "待复核").await;
    let asked = here(clerk).await;
    approve(reviewer, &asked).await;
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_opened_gets_a_card_and_is_recognised_at_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let (clerk, reviewer) = (Browser::open(PC, CHINESE).await, Browser::open(PC, CHINESE).await);
    clerk.log_in(&demo.screens, CLERK, &demo.password).await;
    assert!(here(&clerk).await.ends_with("/issuing"));
    reviewer.log_in_with(&demo.screens, REVIEWER, &demo.password, &demo.code_of(REVIEWER)).await;
    look(&clerk, "issuing-empty").await;
    let asked = approved_card(&clerk, &reviewer, &demo, &picture(folder.path())).await;

    clerk.page.goto(&asked).await.unwrap();
    clerk.click("form[action$='/encode'] button").await;
    clerk.until_says("#bench-now", "请把卡平放在读卡板上，不要移动").await;
    demo.blank("pad");
    clerk.until_says("#bench-now", "请把卡放在天线前，不要移动").await;
    look(&clerk, "issuing-encoding").await;
    demo.blank("two");
    clerk.until_says("#bench-now", "不止一张卡").await;
    // The page is left, and what goes on is found again.
    clerk.page.goto(&format!("{}issuing", demo.screens)).await.unwrap();
    demo.blank("torn");
    clerk.page.goto(&asked).await.unwrap();
    clerk.until_says("#bench-now", "写卡时卡被拿开了").await;
    demo.blank("desk");
    clerk.until_says("#bench-now", "已写好并读回核对无误").await;
    look(&clerk, "issuing-encoded").await;
    clerk.click("form[action$='/verify'] button").await;
    clerk.until_says("#bench-now", "验卡无误").await;
    clerk.click(".todo a[href$='/receipt']").await;
    clerk.until_says(".receipt", "贵宾卡交付回执").await;
    look(&clerk, "issuing-receipt").await;
    let shown = clerk.texts(".receipt dd").await;

    // On paper stands what stands on the page, and nothing around it.
    let printed = clerk.page.print(PrintConfigurationBuilder::default().build().unwrap()).await.unwrap();
    let pdf = folder.path().join("receipt.pdf");
    std::fs::write(&pdf, printed).unwrap();
    match std::process::Command::new("pdftotext").arg("-layout").arg(&pdf).arg("-").output() {
        Ok(text) => {
            let text = String::from_utf8(text.stdout).unwrap().replace(char::is_whitespace, "");
            let around = ["贵宾卡交付回执", "西州银行 湖滨支行", "客户签名"].map(str::to_owned);
            for said in shown.iter().chain(&around) {
                let said = said.replace(char::is_whitespace, "");
                assert!(text.contains(&said), "{said}: {text}");
            }
            assert!(!text.contains("退出") && !text.contains("林晓雨"), "{text}");
        }
        Err(error) => eprintln!("SKIPPED: the receipt is not read from paper: pdftotext: {error}"),
    }
    assert!(shown.iter().any(|said| said == "林**"), "{shown:?}");

    demo.blank("away");
    let hall = Browser::open(HANDHELD, CHINESE).await;
    hall.log_in(&demo.screens, "S001", &demo.password).await;
    demo.place("6101", "door");
    hall.until_says("article .name", "林晓雨").await;
    clerk.page.goto(&format!("{}issuing", demo.screens)).await.unwrap();
    clerk.until_says("#heap-done", "林**").await;
    look(&clerk, "issuing-work").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_keeps_the_rules_of_accessibility_in_the_dark_in_english_and_on_a_handheld() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let dark = Browser::open_dark(PC, ENGLISH).await;
    dark.log_in(&demo.screens, CLERK, &demo.password).await;
    look(&dark, "issuing-dark-english").await;
    write_customer(&dark, &demo.screens, "60 1", "林晓雨").await;
    // It is said at once that the check digit does not fit.
    dark.find("#id_number").await.clear().await.unwrap();
    dark.write("#id_number", "110105194912310021").await;
    dark.until_says("#id_number-fault", "The check digit does not fit").await;
    dark.click("#form button.primary").await;
    dark.until_says(".problem", "2 fields").await;
    let typed = dark.find("#name").await.prop("value").await.unwrap();
    assert_eq!(typed.as_deref(), Some("林晓雨"));
    look(&dark, "issuing-form-faults").await;
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for said in dark.texts("h2, h3, label, legend, .hint, .fault, .problem, button:not(.plain)").await {
        assert!(!is_chinese(&said), "{said}");
    }
    let handheld = Browser::open(HANDHELD, CHINESE).await;
    handheld.log_in(&demo.screens, CLERK, &demo.password).await;
    let fits = "return document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(handheld.run(fits).await, json!(true));
    look(&handheld, "issuing-handheld").await;
    write_customer(&handheld, &demo.screens, "6102", "林晓雨").await;
    assert_eq!(handheld.run(fits).await, json!(true));
    look(&handheld, "issuing-form-handheld").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_taken_by_the_camera_and_everything_works_by_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let clerk = Browser::open_with_camera(PC, CHINESE).await;
    clerk.log_in(&demo.screens, CLERK, &demo.password).await;
    write_customer(&clerk, &demo.screens, "6103", "林晓雨").await;
    press_on(&clerk, "#form button.primary").await;
    clerk.find("#camera:not([hidden])").await;
    press_on(&clerk, "#camera-start").await;
    eventually("the picture of the camera", async || {
        let script = "return document.querySelector('#camera-live').videoWidth > 0";
        (clerk.run(script).await == json!(true)).then_some(())
    })
    .await;
    press_on(&clerk, "#camera-take").await;
    clerk.find("#preview:not([hidden])").await;
    press_on(&clerk, "#photo-form .acts button.primary").await;
    clerk.until_says("#changes-title", "申请内容").await;
    eventually("the photo", async || {
        let script = "const photo = document.querySelector('.photos img'); return photo?.complete && photo.naturalWidth > 0";
        (clerk.run(script).await == json!(true)).then_some(())
    })
    .await;
    press_on(&clerk, ".todo form button.primary").await;
    clerk.until_says(".said", "已提交").await;
    // Where somebody reads on is what was said.
    until_focused(&clerk, "said").await;
    // Elsewhere there is no camera.
    clerk.page.goto(&format!("{}issuing", demo.screens)).await.unwrap();
    let script = "const told = arguments[arguments.length - 1]; \
        navigator.mediaDevices.getUserMedia({ video: true }).then(() => told('open'), (fault) => told(fault.name))";
    let outcome = clerk.page.execute_async(script, Vec::new()).await.unwrap();
    assert_eq!(outcome, json!("NotAllowedError"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_reviewed_and_its_card_encoded_and_handed_over_by_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let (clerk, reviewer) = (Browser::open(PC, CHINESE).await, Browser::open(PC, CHINESE).await);
    reviewer.with_movable_clock();
    clerk.log_in(&demo.screens, CLERK, &demo.password).await;
    reviewer.log_in_with(&demo.screens, REVIEWER, &demo.password, &demo.code_of(REVIEWER)).await;
    // What waits stands in the list of work, and what came of it is where somebody reads on.
    let review = async || {
        reviewer.page.goto(&format!("{}issuing", demo.screens)).await.unwrap();
        press_on(&reviewer, "[data-heap=submitted] a[href^='/issuing/request/']").await;
        press_on(&reviewer, "button.approve").await;
        reviewer.until_says(".said", "已同意").await;
        until_focused(&reviewer, "said").await;
    };
    write_customer(&clerk, &demo.screens, "6104", "林晓雨").await;
    press_on(&clerk, "#form button.primary").await;
    press_on(&clerk, ".acts a[href^='/issuing/request/']:not([href$='/photo'])").await;
    press_on(&clerk, ".todo form button.primary").await;
    clerk.until_says(".said", "已提交").await;
    // The ID number is compared in full, and does not stay.
    reviewer.page.goto(&here(&clerk).await).await.unwrap();
    reviewer.until_says(".changes .after", "1****************X").await;
    reviewer.write(".unmask input[name=note]", "与证件核对\u{e007}").await;
    reviewer.until_says(".changes .full", "11010519491231002X").await;
    until_focused(&reviewer, "said").await;
    look(&reviewer, "issuing-unmasked").await;
    reviewer.move_clock(Duration::from_secs(119)).await;
    assert_eq!(reviewer.texts(".changes .full").await, ["11010519491231002X"]);
    reviewer.move_clock(Duration::from_secs(2)).await;
    assert_eq!(reviewer.texts(".changes .full").await, ["1****************X"]);
    review().await;

    clerk.page.goto(&format!("{}issuing", demo.screens)).await.unwrap();
    clerk.write("#find", "6104\u{e007}").await;
    press_on(&clerk, "#found a").await;
    press_on(&clerk, "a[href$='/card']").await;
    press_on(&clerk, "[name=submit]").await;
    clerk.until_says(".case .tag", "待复核").await;
    review().await;

    clerk.page.refresh().await.unwrap();
    press_on(&clerk, "form[action$='/encode'] button").await;
    clerk.until_says("#bench-now", "请把卡平放在读卡板上").await;
    until_focused(&clerk, "bench").await;
    demo.blank("desk");
    clerk.until_says("#bench-now", "已写好并读回核对无误").await;
    press_on(&clerk, "form[action$='/verify'] button").await;
    clerk.until_says("#bench-now", "验卡无误").await;
    press_on(&clerk, ".todo a[href$='/receipt']").await;
    clerk.until_says(".receipt", "贵宾卡交付回执").await;
}

/// The clerk with a card that is approved, before a desk that waits for it to be laid on the pad.
async fn encoding(demo: &Demo, folder: &Path) -> Browser {
    let (clerk, reviewer) = (Browser::open(PC, CHINESE).await, Browser::open(PC, CHINESE).await);
    clerk.log_in(&demo.screens, CLERK, &demo.password).await;
    reviewer.log_in_with(&demo.screens, REVIEWER, &demo.password, &demo.code_of(REVIEWER)).await;
    let asked = approved_card(&clerk, &reviewer, demo, &picture(folder)).await;
    clerk.page.goto(&asked).await.unwrap();
    clerk.click("form[action$='/encode'] button").await;
    clerk.until_says("#bench-now", "请把卡平放在读卡板上").await;
    clerk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_lost_while_a_card_is_encoded_is_said_and_gone_on_with_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let clerk = encoding(&demo, folder.path()).await;
    // The chip is written in part when the antenna goes.
    demo.blank("torn");
    clerk.until_says("#bench-now", "写卡时卡被拿开了").await;
    demo.bench_line(false);
    demo.blank("desk");
    clerk.until_says("#bench-now", "连不上天线读写器。请检查连线和电源，恢复后会自动继续。").await;
    clerk.find("#step-antenna[data-mark=wrong]").await;
    look(&clerk, "issuing-reader-lost").await;
    // Nobody has to press anything when it is back.
    demo.bench_line(true);
    clerk.until_says("#bench-now", "已写好并读回核对无误").await;
    // The same while the card is read before the customer.
    demo.bench_line(false);
    clerk.click("form[action$='/verify'] button").await;
    clerk.until_says("#bench-now", "连不上天线读写器").await;
    demo.bench_line(true);
    clerk.until_says("#bench-now", "验卡无误").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pad_whose_cable_is_pulled_or_that_says_nothing_is_said_and_gone_on_with_when_it_is_back() {
    const LOST: &str = "连不上读卡板。请检查连线和电源，恢复后会自动继续。";
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let clerk = encoding(&demo, folder.path()).await;
    // Before any card lies there.
    demo.pad_line(false);
    clerk.until_says("#bench-now", LOST).await;
    clerk.find("#step-pad[data-mark=wrong]").await;
    look(&clerk, "issuing-pad-lost").await;
    demo.pad_line(true);
    clerk.until_says("#bench-now", "请把卡平放在读卡板上").await;
    // While the chip is written: what is in it is half of what belongs there.
    demo.blank("slow");
    clerk.find("#step-chip[data-mark=now]").await;
    demo.pad_line(false);
    clerk.until_says("#bench-now", LOST).await;
    demo.blank("desk");
    demo.pad_line(true);
    // Nobody has to press anything when it is back.
    clerk.until_says("#bench-now", "已写好并读回核对无误").await;
    // A pad that is there and says nothing, while the card is read before the customer.
    demo.blank("mute");
    clerk.click("form[action$='/verify'] button").await;
    clerk.until_says("#bench-now", LOST).await;
    demo.blank("desk");
    clerk.until_says("#bench-now", "验卡无误").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_a_customer_is_opened_reviewed_and_gets_a_card() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let (clerk, reviewer) = (Browser::open(PC, CHINESE).await, Browser::open(PC, CHINESE).await);
    for browser in [&clerk, &reviewer] {
        browser.without_script();
    }
    clerk.log_in(&demo.screens, CLERK, &demo.password).await;
    reviewer.log_in_with(&demo.screens, REVIEWER, &demo.password, &demo.code_of(REVIEWER)).await;
    write_customer(&clerk, &demo.screens, "6105", "林晓雨").await;
    // No script of ours runs: the page does not even know that there is one.
    assert_eq!(clerk.run("return typeof window.htmx").await, json!("undefined"));
    clerk.click("#form button.primary").await;
    clerk.find("#photo-file").await.send_keys(&picture(folder.path())).await.unwrap();
    clerk.click("#photo-form .acts button.primary").await;
    clerk.until_says("#changes-title", "申请内容").await;
    let opening = here(&clerk).await;
    clerk.click(".todo button.primary").await;
    clerk.until_says(".case .tag", "待复核").await;
    assert_eq!(here(&clerk).await, opening);
    let approve = async |address: &str, state: &str| {
        reviewer.page.goto(address).await.unwrap();
        reviewer.click("button.approve").await;
        reviewer.until_says(".case .tag", state).await;
        assert_eq!(here(&reviewer).await, address);
    };
    approve(&opening, "已办结").await;

    clerk.page.goto(&format!("{}issuing", demo.screens)).await.unwrap();
    clerk.write("#find", "6105\u{e007}").await;
    clerk.click("a[href^='/issuing/customer/']:not([href$='/new'])").await;
    clerk.click("a[href$='/card']").await;
    clerk.click("[name=submit]").await;
    clerk.until_says(".case .tag", "待复核").await;
    let asked = here(&clerk).await;
    approve(&asked, "已同意").await;
    clerk.page.goto(&asked).await.unwrap();
    demo.blank("desk");
    clerk.click("form[action$='/encode'] button").await;
    // Whoever looks again sees how far it is.
    let said = async |text: &str| {
        eventually(text, async || {
            clerk.page.goto(&asked).await.ok()?;
            clerk.texts("#bench-now").await.concat().contains(text).then_some(())
        })
        .await;
    };
    said("已写好并读回核对无误").await;
    clerk.click("form[action$='/verify'] button").await;
    said("验卡无误").await;
    clerk.find(".todo a[href$='/receipt']").await;
}
