//! What any bytes in the place of a segment may do to those who read it: nothing bad.
//!
//! Each function is a fuzz target (`targets/`), and the crate's tests call it with random bytes,
//! so it runs where there is no fuzzer. It panics when a promise is broken.

use rfid_ledger::{Entry, Reader, verify};

/// Any bytes as the only segment of a ledger: reading ends, and says the same twice.
pub(crate) fn segment_recovery(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let segment = folder.path().join("00000000000000000001.v1.ledger");
    std::fs::write(segment, bytes).expect("a file can be written");
    let read = || {
        let mut reader = Reader::new(folder.path(), 0);
        std::iter::from_fn(move || reader.next_entry().expect("a file can be read")).collect::<Vec<_>>()
    };
    let entries = read();
    assert_eq!(entries, read());
    let report = verify(folder.path()).expect("a file can be read");
    let contents = entries.iter().filter(|entry| matches!(entry, Entry::Content(_))).count();
    assert_eq!(report.contents, contents as u64);
}
