//! What any bytes from the process of a plugin, or in the place of the host, may do: nothing bad.
//!
//! The function is a fuzz target (`targets/`), and the crate's tests call it with random bytes, so
//! it runs where there is no fuzzer. It panics when a promise is broken.

use std::sync::Arc;

use rfid_core::ReadBuf;

use crate::ring::{Memory, Taker};
use crate::wire::{Frame, first_frame, from_host, from_process};

/// Any bytes as a stream of frames, both ways: they are frames or refused. The same as what stands in
/// the memory for reads.
pub(crate) fn plugin_message(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some(Frame { kind, payload, len })) = first_frame(rest) {
        assert!(len > payload.len(), "a frame is longer than what is in it");
        let _ = from_process(kind, payload);
        let _ = from_host(kind, payload);
        rest = rest.get(len..).expect("a frame lies within the bytes");
    }
    reads(bytes);
}

/// Any bytes as cursors, headers and records: what is taken are reads, and it comes to an end.
fn reads(bytes: &[u8]) {
    let Some((cursors, slots)) = bytes.split_first_chunk::<16>() else { return };
    let cursors = u128::from_ne_bytes(*cursors);
    let (published, restart) = ((cursors >> 64) as u64, cursors as u64);
    let (_, memory) = Memory::new().expect("memory for a ring");
    let memory = Arc::new(memory);
    // Those that are possible, too.
    for (published, restart) in [(published, restart), (published % 100, restart % 100)] {
        memory.write_over(published, restart, slots);
        take(&mut Taker::new(Arc::clone(&memory)));
    }
}

fn take(taker: &mut Taker) {
    let mut buf = ReadBuf::with_capacity(8);
    // A ring has 4,096 slots, and nobody publishes more meanwhile.
    for _ in 0..5_000 {
        if taker.look().is_err() || !taker.take(&mut buf, u64::MAX, u64::MAX).unwrap_or(false) {
            return;
        }
        assert!(buf.len() <= 8);
        assert!(buf.iter().all(|read| !read.id.bytes.is_empty()), "every read has an id");
        buf.clear();
    }
    panic!("more reads than fit in a ring");
}
