//! What any bytes from the process of a plugin, or in the place of the host, may do: nothing bad.
//!
//! The function is a fuzz target (`targets/`), and the crate's tests call it with random bytes, so
//! it runs where there is no fuzzer. It panics when a promise is broken.

use rfid_core::ReadBuf;

use crate::wire::{Frame, first_frame, from_host, from_process, take_reads};

/// Any bytes as a stream of frames, both ways: they are frames or refused, and no batch has more
/// reads than there was room for.
pub(crate) fn plugin_message(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(Frame { kind, payload, len })) = first_frame(rest) {
        assert!(len > payload.len(), "a frame is longer than what is in it");
        let _ = from_process(kind, payload);
        let _ = from_host(kind, payload);
        reads(payload);
        rest = rest.get(len..).expect("a frame lies within the bytes");
    }
    reads(bytes);
}

fn reads(payload: &[u8]) {
    let mut buf = ReadBuf::with_capacity(8);
    let _ = take_reads(payload, &mut buf);
    assert!(buf.len() <= 8);
    assert!(buf.iter().all(|read| !read.id.bytes.is_empty()), "every read has an id");
}
