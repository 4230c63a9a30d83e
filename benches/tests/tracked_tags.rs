//! A tracked tag costs 128 bytes, all that belongs to it included, also when there are a million.
//!
//! An allocator of its own counts, so this is the only test of its binary.
#![allow(unsafe_code, clippy::unwrap_used, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rfid_benches::epc;
use rfid_core::presence::{Outcome, Presence, PresenceSettings, ReaderIndex, ReaderPlace, ZoneMap};
use rfid_core::{Listening, Name, ReadBuf, Stamp, TagIdKind, UtcTime};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; counting touches an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TAGS: u32 = 1_000_000;
const READER: ReaderIndex = ReaderIndex(0);

#[test]
fn a_million_tracked_tags_cost_128_bytes_each() {
    let before = HELD.load(Ordering::Relaxed);
    let place =
        ReaderPlace { reader: Name::from("door"), branch: None, zones: ZoneMap::Whole(Name::from("door")) };
    let settings = PresenceSettings { max_tags: TAGS, ..PresenceSettings::default() };
    let mut presence = Presence::new(Name::from("count"), settings, &[place]);
    let at = Stamp { monotonic: Duration::from_secs(1), utc: UtcTime::from_nanos(1) };
    presence.set_listening(READER, &Listening::All, at);
    let mut batch = ReadBuf::with_capacity(1000);
    let mut outcome = Outcome::default();
    for first in (0..TAGS).step_by(1000) {
        batch.clear();
        for tag in first..first + 1000 {
            batch.record(TagIdKind::Epc, &epc(tag)).unwrap().set_antenna_port(1).set_count(3);
        }
        batch.set_received(at);
        presence.observe(READER, &batch, &mut outcome);
        outcome = Outcome::default();
    }
    drop((batch, outcome));
    assert_eq!(presence.counts().present, u64::from(TAGS));
    let each = (HELD.load(Ordering::Relaxed) - before) as f64 / f64::from(TAGS);
    println!("{each:.1} bytes a tag");
    assert!(each <= 128.0, "{each}");
}
