//! Looking at a screen as it is: by the rules of accessibility, and as a picture for the documentation.

use std::path::PathBuf;

use serde_json::Value;

use super::browser::{Browser, eventually};

/// Where axe-core is, as `./test` says.
const AXE: &str = "RFID_AXE";
/// Where pictures go, if anywhere.
const PICTURES: &str = "RFID_SCREENSHOTS";

/// What breaks WCAG 2.2 at level AA, or good practice.
const CHECK: &str = "const told = arguments[arguments.length - 1]; \
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']; \
    axe.run(document, { runOnly: tags }).then(({ violations }) => told(violations.map(({ id, help, nodes }) => \
    `${id}: ${help}: ${nodes.map((node) => node.html).join(' | ')}`)))";

/// What comes fades in, and until it is there it has less contrast. What turns for as long as somebody waits does not
/// end.
const IS_STILL: &str = "return document.getAnimations() \
    .every((one) => one.playState !== 'running' || one.effect.getComputedTiming().endTime === Infinity)";

/// Fails with whatever is wrong with the page as it is, and takes a picture if one is asked for.
pub(super) async fn look(browser: &Browser, what: &str) {
    eventually("a page on which nothing moves", async || {
        browser.run(IS_STILL).await.as_bool()?.then_some(())
    })
    .await;
    match std::env::var(AXE) {
        Ok(path) => {
            let axe = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            browser.page.execute(&axe, Vec::new()).await.unwrap();
            let broken = browser.page.execute_async(CHECK, Vec::new()).await.unwrap();
            assert_eq!(broken, Value::Array(Vec::new()), "{what}");
        }
        Err(_) => {
            eprintln!("SKIPPED: {what} is not held to the rules: {AXE} names no axe.min.js; ./test does")
        }
    }
    if let Ok(folder) = std::env::var(PICTURES) {
        let picture = browser.page.screenshot().await.unwrap();
        std::fs::write(PathBuf::from(folder).join(format!("{what}.png")), picture).unwrap();
    }
}
