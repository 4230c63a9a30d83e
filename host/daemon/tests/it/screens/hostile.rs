//! Customers whose names are no names: markup, marks of direction, pictures, and two hundred characters.

use std::path::Path;

use serde_json::json;

use super::browser::Browser;
use super::demo::Demo;
use super::look::look;
use super::{CHINESE, HANDHELD, PC};
use crate::daemon::rfid_host;

/// Number and name of each.
fn names() -> [(&'static str, String); 4] {
    [
        ("6901", "<img src=x onerror=\"document.title='taken'\"> O'Neil & Co".to_owned()),
        ("6902", "李👩\u{200d}👧🎉芳".to_owned()),
        ("6903", "\u{202e}محمد \u{200f}علي\u{202c}".to_owned()),
        ("6904", "长".repeat(200)),
    ]
}

/// Opens the customers in the store of a demo that does not run.
fn import(folder: &Path) {
    let mut rows =
        String::from("customer_number,name,vip_class,usual_business,branch,account_manager,consent\n");
    for (number, name) in names() {
        let name = name.replace('"', "\"\"");
        rows.push_str(&format!("{number},\"{name}\",gold,理财,hubin,S002,given\n"));
    }
    let path = folder.join("hostile.csv");
    std::fs::write(&path, rows).unwrap();
    let config = Demo::data_dir(folder).join("demo.toml");
    let output =
        rfid_host().args(["import", "customers"]).arg(&path).arg("--config").arg(&config).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_somebody_is_called_is_text_and_fits() {
    let folder = tempfile::tempdir().unwrap();
    drop(Demo::start(folder.path()));
    import(folder.path());
    let demo = Demo::start(folder.path());
    let (pc, handheld) = (Browser::open(PC, CHINESE).await, Browser::open(HANDHELD, CHINESE).await);
    pc.log_in(&demo.screens, "S002", &demo.password).await;
    handheld.log_in(&demo.screens, "S001", &demo.password).await;
    let fits = "return [document.documentElement.scrollWidth <= innerWidth, document.querySelectorAll('img[src=x]').length, \
                document.title.includes('taken')]";
    for (number, name) in names() {
        pc.press("\u{e00c}").await;
        pc.find("#find").await.clear().await.unwrap();
        pc.write("#find", &format!("{number}\u{e007}")).await;
        pc.until_says("#found li", number).await;
        pc.click("#found a").await;
        pc.until_says("#current dd", number).await;
        pc.click("#current button.primary").await;
        // Whole, as it was written, on both.
        pc.until_says("#current .name", &name).await;
        pc.until_says("#day td", &name).await;
        handheld.until_says("#board .name", &name).await;
        assert_eq!(pc.run(fits).await, json!([true, 0, false]), "{name}");
        assert_eq!(handheld.run(fits).await, json!([true, 0, false]), "{name}");
        pc.press("s").await;
        pc.until_says("#current [data-state]", "服务中").await;
    }
    look(&pc, "desk-hostile-names").await;
    look(&handheld, "lobby-hostile-names").await;
}
