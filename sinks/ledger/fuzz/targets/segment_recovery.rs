//! Any bytes as the only segment of a ledger: reading ends, and says the same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfid_ledger::{Reader, verify};

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let segment = folder.path().join("00000000000000000001.v1.ledger");
    if std::fs::write(segment, bytes).is_err() {
        return;
    }
    let read = || {
        let mut reader = Reader::new(folder.path(), 0);
        std::iter::from_fn(move || reader.next_entry().expect("the file can be read")).collect::<Vec<_>>()
    };
    let entries = read();
    assert_eq!(entries, read());
    let report = verify(folder.path()).expect("the file can be read");
    let contents = entries.iter().filter(|entry| matches!(entry, rfid_ledger::Entry::Content(_))).count();
    assert_eq!(report.contents, contents as u64);
});
