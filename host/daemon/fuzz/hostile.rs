//! What any bytes may do to the reading of a configuration: nothing bad.
//!
//! The function is a fuzz target (`targets/`), and the crate's tests call it with random bytes, so
//! it runs where there is no fuzzer. It panics when a promise is broken.

use std::path::Path;

use rfid_durable::Stores;

use crate::config::{Texts, as_json, as_toml, check};
use crate::registry::Registry;

/// Text is a configuration, or there are faults that can be shown; what is shown of a
/// configuration says the same when it is read again.
pub(crate) fn config_toml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A scenario may be any file of this machine; what is in it is no matter of this.
    if text.contains("scenario") {
        return;
    }
    let registry = Registry::built_in(Stores::new(""));
    let path = Path::new("folder/fuzz.toml");
    let checked = match check(Texts::of(path, &text), &registry) {
        Ok(checked) => checked,
        Err(report) => {
            assert!(report.faults() > 0);
            let lines = report.lines().count();
            assert!(lines >= report.json().len() && lines > 0);
            assert!(!report.pictures().is_empty());
            return;
        }
    };
    let shown = as_toml(&checked);
    // A driver may have wishes for a secret that a mask does not meet.
    if shown.contains("***") {
        return;
    }
    let again = check(Texts::of(path, &shown), &registry)
        .unwrap_or_else(|report| panic!("{:?}\n{shown}", report.lines().collect::<Vec<_>>()));
    assert_eq!(as_json(&checked), as_json(&again), "{shown}");
    assert_eq!(checked.report.warnings(), again.report.warnings(), "{shown}");
}
