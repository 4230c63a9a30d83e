//! Any text as a cursor: refused, and no panic. A text that the fuzzer chose carries no code of ours.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rfid_door::cursor::{BadCursor, Cursors};

fuzz_target!(|text: &str| {
    let cursors = Cursors::new([7; 32]);
    assert_eq!(cursors.open::<(u64, String)>("query", text), Err(BadCursor));
    // The same text as a position survives, if it is short enough to be one.
    if let Ok(sealed) = cursors.seal("query", &text) {
        assert_eq!(cursors.open::<String>("query", &sealed).as_deref(), Ok(text));
    }
});
