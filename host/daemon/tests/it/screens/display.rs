//! The display on a wall.

use std::time::Duration;

use serde_json::json;

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::line::Line;
use super::look::look;
use super::{CHINESE, ENGLISH};

const FULL_HD: (u32, u32) = (1920, 1080);
const FOUR_K: (u32, u32) = (3840, 2160);

/// The share of the height of the screen that the smallest letters of arrivals have. A letter is read from a distance
/// of two hundred times its height: from eight metres that is four centimetres, and a screen of 55 inches is 68 high.
const SMALLEST: f64 = 0.058;

async fn pair(display: &Browser, screens: &str, code: &str) {
    display.page.goto(&format!("{screens}display")).await.unwrap();
    display.write("[name=number]", "D001").await;
    display.write("[name=code]", code).await;
    display.click("main button.primary").await;
    display.find("body.wall").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_display_is_set_up_once_and_shows_who_comes_for_two_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let listen = demo.screens.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let line = Line::to(listen.parse().unwrap()).await;
    let through_line = format!("http://{}/", line.address);
    let display = Browser::open(FULL_HD, CHINESE).await;
    display.with_movable_clock();
    display.page.goto(&format!("{through_line}display")).await.unwrap();
    look(&display, "display-pair").await;
    display.write("[name=number]", "D001").await;
    display.write("[name=code]", "WRONG").await;
    display.click("main button.primary").await;
    display.until_says(".notice", "验证码不对").await;
    let code = demo.display_code();
    pair(&display, &through_line, &code).await;
    display.until_says(".idle", "欢迎光临").await;
    look(&display, "display-idle").await;
    for number in ["6001", "6008", "6012", "6004"] {
        demo.place(number, "door");
    }
    for name in ["王**", "欧**", "何**"] {
        display.until_says(".arrivals .name", name).await;
    }
    let page = display.run("return document.documentElement.outerHTML").await.to_string();
    for unseen in ["王小明", "欧阳娜", "赵敏", "6001", "<img", "<form", "挂失"] {
        assert!(!page.contains(unseen), "{unseen}: {page}");
    }
    let script = format!(
        "const least = innerHeight * {SMALLEST}; \
         return [...document.querySelectorAll('.arrivals li > *')] \
            .filter((one) => parseFloat(getComputedStyle(one).fontSize) < least).map((one) => one.textContent)"
    );
    assert_eq!(display.run(&script).await, json!([]));
    let fits = "return [document.documentElement.scrollWidth <= innerWidth, document.documentElement.scrollHeight <= innerHeight]";
    assert_eq!(display.run(fits).await, json!([true, true]));
    look(&display, "display-arrivals").await;
    line.cut();
    display.find("#line[data-state=off]").await;
    look(&display, "display-offline").await;
    // Line or no line: after two minutes nobody is on it. The clock of the page has stood still since it was opened.
    display.move_clock(Duration::from_secs(600)).await;
    eventually("nobody", async || display.texts(".arrivals .name").await.is_empty().then_some(())).await;
    display.until_says(".idle", "欢迎光临").await;
    line.mend();
    display.find("#line[data-state=on]").await;
    // Killed and started again, it goes on by itself.
    drop(demo);
    display.find("#line[data-state=off]").await;
    let demo = Demo::start_at(folder.path(), &listen);
    demo.place("6005", "door");
    display.find("#line[data-state=on]").await;
    display.page.refresh().await.unwrap();
    display.until_says(".arrivals .name", "周**").await;
    // Without its session it lets itself in by its key.
    display.page.delete_cookie("__Host-rfid-session").await.unwrap();
    display.page.refresh().await.unwrap();
    display.until_says(".arrivals .name", "周**").await;
    // The key is of no use without being this machine.
    display.page.delete_all_cookies().await.unwrap();
    display.page.goto(&format!("{through_line}display")).await.unwrap();
    display.find("main [name=code]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_fit_on_a_display_of_any_size_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let display = Browser::open(FOUR_K, ENGLISH).await;
    pair(&display, &demo.screens, &demo.display_code()).await;
    display.until_says(".idle", "Welcome").await;
    for number in ["6001", "6002", "6003", "6005", "6006", "6007", "6008"] {
        demo.place(number, "door");
    }
    display.until_says(".more", "3 more").await;
    assert_eq!(display.texts(".arrivals li").await.len(), 4);
    let fits = "return [document.documentElement.scrollWidth <= innerWidth, document.documentElement.scrollHeight <= innerHeight]";
    assert_eq!(display.run(fits).await, json!([true, true]));
    look(&display, "display-4k-english").await;
}
