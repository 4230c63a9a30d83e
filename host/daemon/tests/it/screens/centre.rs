//! The service centre in a real browser: all branches at once, one of them, reports, and what comes on paper.

use std::process::{Command, Stdio};

use fantoccini::wd::PrintConfigurationBuilder;
use serde_json::json;

use super::browser::{Browser, eventually};
use super::demo::Demo;
use super::look::look;
use super::{CHINESE, ENGLISH, HANDHELD, PC};

const TABLET: (u32, u32) = (834, 1112);
const WALL: (u32, u32) = (3840, 2160);
/// The supervisor of the centre.
const CENTRE: &str = "S007";
/// The supervisor of the branch.
const BRANCH: &str = "S005";

async fn central(demo: &Demo, size: (u32, u32), language: &str) -> Browser {
    let browser = Browser::open(size, language).await;
    log_in(&browser, demo, CENTRE).await;
    browser
}

async fn log_in(browser: &Browser, demo: &Demo, number: &str) {
    let code = demo.code_of(number);
    browser.log_in_with(&demo.screens, number, &demo.password, &code).await;
}

/// Whether nothing is wider than the window.
async fn fits(browser: &Browser) -> bool {
    browser.run("return document.documentElement.scrollWidth <= innerWidth").await == json!(true)
}

/// The number that a tile says behind this word.
async fn figure(browser: &Browser, branch: &str, at: usize) -> String {
    let said = browser.texts(&format!("#branch-{branch} .figures dd")).await;
    said.get(at).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_of_the_centre_works_from_logging_in_to_the_screens_of_a_branch_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = central(&demo, PC, CHINESE).await;
    assert!(pc.page.current_url().await.unwrap().path().ends_with("/centre"));
    pc.until_says("#branch-hubin", "湖滨支行").await;
    pc.until_says("#branch-dongmen", "东门支行").await;
    eventually("readers that are well", async || {
        let said = pc.texts(".branch .tag").await;
        said.iter().all(|one| one.contains("正常")).then_some(())
    })
    .await;
    // Somebody walks in: the tile of that branch changes by itself, and nobody is named.
    pc.run("document.querySelector('#branch-dongmen').dataset.mark = 'kept'").await;
    demo.place("6001", "door");
    eventually("one inside", async || (figure(&pc, "hubin", 0).await == "1").then_some(())).await;
    pc.until_says("#branch-hubin .classes", "金卡 1").await;
    assert!(!pc.texts("body").await.concat().contains("王小明"));
    // Whoever waits where nobody is on duty is trouble, and that comes first.
    pc.until_says("#branch-hubin .troubles", "无人在岗").await;
    pc.until_says(".branches article:first-child", "湖滨支行").await;
    // The line of the reader is cut.
    demo.door_line(false);
    pc.until_says("#branch-hubin .troubles", "读写器异常 1").await;
    demo.door_line(true);
    eventually("the reader again", async || {
        let said = pc.texts("#branch-hubin .troubles").await.concat();
        (!said.contains("读写器异常")).then_some(())
    })
    .await;
    demo.place("6002", "elsewhere");
    eventually("one elsewhere", async || (figure(&pc, "dongmen", 0).await == "1").then_some(())).await;

    pc.click("#branch-dongmen h3 a").await;
    pc.until_says("#now", "请先在上方填写事由").await;
    assert!(!pc.texts("#now").await.concat().contains("李芳"));
    pc.write("[name=reason]", "客户投诉").await;
    pc.click("button[name=screen][value=lobby]").await;
    pc.until_says(".looks-at", "正在查看 东门支行").await;
    pc.until_says("#board", "李芳").await;
    assert!(!pc.texts("#board").await.concat().contains("王小明"));
    // As that branch sees it, also what comes now; and nothing can be done there.
    demo.place("6005", "elsewhere");
    pc.until_says("#board", "周建国").await;
    assert!(pc.texts("#board form").await.is_empty());
    pc.click(".where nav a[href='/desk']").await;
    pc.until_says("#day", "李芳").await;
    assert!(pc.texts("#current form").await.is_empty());
    pc.click(".looks-at button").await;
    pc.until_says("#branch-hubin", "湖滨支行").await;
    assert!(pc.texts(".looks-at").await.is_empty());
    pc.click("form[action='/logout'] button").await;
    pc.find("main [name=password]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_on_a_branch_that_is_left_in_another_tab_shows_nothing_more_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = central(&demo, PC, CHINESE).await;
    pc.page.goto(&format!("{}centre/branches/hubin", demo.screens)).await.unwrap();
    pc.write("[name=reason]", "客户投诉").await;
    pc.click("button[name=screen][value=lobby]").await;
    demo.place("6001", "door");
    pc.until_says("#board", "王小明").await;
    let first = pc.page.window().await.unwrap();
    let tab = pc.page.new_window(true).await.unwrap().handle;
    pc.page.switch_to_window(tab).await.unwrap();
    pc.page.goto(&format!("{}lobby", demo.screens)).await.unwrap();
    pc.click(".looks-at button").await;
    pc.find("#branch-hubin").await;
    demo.place("6005", "door");
    pc.page.switch_to_window(first).await.unwrap();
    pc.find("#tiles").await;
    let said = pc.texts("body").await.concat();
    assert!(!said.contains("周建国") && !said.contains("王小明"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_comes_on_paper_page_by_page_with_its_head_and_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = central(&demo, PC, CHINESE).await;
    demo.place("6001", "door");
    eventually("one inside", async || (figure(&pc, "hubin", 0).await == "1").then_some(())).await;
    pc.page.goto(&format!("{}centre/reports/visits", demo.screens)).await.unwrap();
    pc.until_says("tbody", "金卡").await;
    // More than one page of rows, as a year of days has.
    pc.run(
        "const body = document.querySelector('tbody'); const row = body.firstElementChild; \
         for (let at = 2; at <= 90; at += 1) { const one = row.cloneNode(true); \
         one.firstElementChild.textContent = `row ${at}`; body.append(one); }",
    )
    .await;
    let configuration = PrintConfigurationBuilder::default().build().unwrap();
    let pdf = pc.page.print(configuration).await.unwrap();
    let path = folder.path().join("report.pdf");
    std::fs::write(&path, pdf).unwrap();
    let pages = pages_of(&path);
    assert!(pages.len() >= 3, "{pages:?}");
    assert!(
        pages[0].contains("到访量") && pages[0].contains("全部网点") && pages[0].contains("年"),
        "{}",
        pages[0]
    );
    let is_said = |page: &String, words: &[&str]| words.iter().all(|word| page.contains(word));
    for (at, page) in pages.iter().enumerate() {
        let number = format!("{}/{}", at + 1, pages.len());
        // How wide the spaces around it are is for who reads the file to say.
        assert!(page.replace(' ', "").contains(&number), "{number} is not on {page}");
        // Nothing that is pressed is printed.
        for control in ["生成报表", "下载", "退出", "全行概览", "统计口径"] {
            assert!(!page.contains(control), "{control} is on page {}: {page}", at + 1);
        }
    }
    let with_rows: Vec<&String> = pages.iter().filter(|page| page.contains("row ")).collect();
    assert!(with_rows.len() >= 2);
    assert!(
        with_rows.iter().all(|page| is_said(page, &["到访量 · 全部网点", "日期", "等级", "平均停留"])),
        "{with_rows:?}"
    );
    for at in 2..=90 {
        let row = format!("row {at}");
        let there =
            pages.iter().flat_map(|page| page.lines()).filter(|line| line.trim_start().starts_with(&row));
        let there =
            there.filter(|line| !line.trim_start()[row.len()..].starts_with(|c: char| c.is_ascii_digit()));
        assert_eq!(there.count(), 1, "{row}");
    }
}

/// What stands on each page of a PDF.
fn pages_of(path: &std::path::Path) -> Vec<String> {
    let output = Command::new("pdftotext")
        .args(["-layout", "-enc", "UTF-8"])
        .arg(path)
        .arg("-")
        .stderr(Stdio::null())
        .output()
        .expect("the tests of what is printed need Debian's poppler-utils; ./test installs it");
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim_end_matches('\u{c}').split('\u{c}').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_of_the_centre_fits_where_it_is_looked_at_and_keeps_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let pc = central(&demo, PC, CHINESE).await;
    for (number, place) in [("6001", "door"), ("6005", "hall"), ("6002", "elsewhere"), ("6004", "elsewhere")]
    {
        demo.place(number, place);
    }
    eventually("two inside", async || (figure(&pc, "hubin", 0).await == "2").then_some(())).await;
    pc.until_says("#branch-dongmen", "今日拒卡 1").await;
    look(&pc, "centre-overview").await;
    let page = |path: &str| format!("{}{path}", demo.screens);
    let paths = [
        ("centre-branch", "centre/branches/hubin"),
        ("centre-history-empty", "centre/history"),
        ("centre-reports", "centre/reports"),
        ("centre-report-visits", "centre/reports/visits?by=hour_class"),
        ("centre-report-recognition", "centre/reports/recognition"),
        ("centre-report-empty", "centre/reports/staff"),
        ("centre-exports-empty", "centre/exports"),
    ];
    for (name, path) in paths {
        pc.page.goto(&page(path)).await.unwrap();
        pc.find("main").await;
        look(&pc, name).await;
        assert!(fits(&pc).await, "{name}");
    }
    pc.page.goto(&page("centre/history")).await.unwrap();
    pc.write("[name=reason]", "客户投诉").await;
    pc.click("main form button.primary").await;
    pc.until_says("#found", "王**").await;
    look(&pc, "centre-history").await;
    pc.page.goto(&page("centre/exports")).await.unwrap();
    pc.run(
        "const day = new Date(Date.now() + 8 * 3600e3).toISOString().slice(0, 10); \
         for (const name of ['from', 'to']) document.querySelector(`[name=${name}]`).value = day",
    )
    .await;
    pc.write("form [name=reason]", "客户投诉").await;
    pc.click("button[name=way][value=alone]").await;
    pc.until_says("#exports", "只显示这一次").await;
    // It is made meanwhile, and the page says so by itself.
    pc.until_says("#exports [data-export=ready]", "可以领取").await;
    look(&pc, "centre-exports").await;
    let key = pc.texts(".secret").await.remove(0);
    assert!(!key.is_empty());
    pc.page.goto(&page("centre/branches/hubin")).await.unwrap();
    pc.write("[name=reason]", "客户投诉").await;
    pc.click("button[name=screen][value=desk]").await;
    pc.until_says(".looks-at", "湖滨支行").await;
    look(&pc, "centre-looks-at-desk").await;
    pc.click("button[value=en]").await;
    // Where the page that comes of it is not waited for, it may come in place of the next one.
    pc.find("html[lang^=en] .looks-at").await;
    pc.page.goto(&page("centre/branches/hubin")).await.unwrap();
    pc.until_says("#now", "王小明").await;
    look(&pc, "centre-branch-english").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_centre_is_looked_at_on_a_wall_a_tablet_a_phone_and_in_the_dark() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    for (number, place) in [("6001", "door"), ("6005", "hall"), ("6002", "elsewhere")] {
        demo.place(number, place);
    }
    // One session of each, because no code is taken twice: the window changes and not who looks.
    let wall = central(&demo, WALL, CHINESE).await;
    wall.page.goto(&format!("{}centre?wall=yes", demo.screens)).await.unwrap();
    eventually("two inside", async || (figure(&wall, "hubin", 0).await == "2").then_some(())).await;
    look(&wall, "centre-wall").await;
    assert!(fits(&wall).await);
    let dark = Browser::open_dark(TABLET, ENGLISH).await;
    log_in(&dark, &demo, BRANCH).await;
    for (name, path) in [
        ("centre-tablet-dark", "centre"),
        ("centre-report-tablet-dark", "centre/reports/visits"),
        ("centre-exports-tablet-dark", "centre/exports"),
    ] {
        dark.page.goto(&format!("{}{path}", demo.screens)).await.unwrap();
        dark.find("main").await;
        look(&dark, name).await;
        assert!(fits(&dark).await, "{name}");
    }
    // Words of the screens are English; names are what they are.
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for said in dark.texts("h2, th, label > span, button:not(.plain), .hint").await {
        assert!(!is_chinese(&said), "{said}");
    }
    // Codes are of thirty seconds, and none is taken twice.
    let used = demo.code_of(BRANCH);
    eventually("another code", async || (demo.code_of(BRANCH) != used).then_some(())).await;
    let phone = Browser::open(HANDHELD, CHINESE).await;
    log_in(&phone, &demo, BRANCH).await;
    for (name, path) in [
        ("centre-phone", "centre"),
        ("centre-branch-phone", "centre/branches/hubin"),
        ("centre-report-phone", "centre/reports/visits"),
        ("centre-history-phone", "centre/history"),
        ("centre-exports-phone", "centre/exports"),
    ] {
        phone.page.goto(&format!("{}{path}", demo.screens)).await.unwrap();
        phone.find("main").await;
        look(&phone, name).await;
        assert!(fits(&phone).await, "{name}");
    }
}
