//! Between the bytes of an LLRP report and its tags nothing is allocated.
//!
//! An allocator of its own counts, so this is the only test of its binary.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use rfid_benches::llrp_report;
use rfid_llrp::{Members, Recall, TagReports, first_frame};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; counting touches a thread-local without a
// destructor, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn a_tag_of_a_report_costs_no_allocation() {
    for count in [1, 32, 256] {
        let report = llrp_report(0..count);
        let mut recall = Recall::new(Members::ANTENNA_ID);
        let (before, mut tags) = (allocations(), 0);
        for _ in 0..100 {
            let frame = first_frame(&report, 1 << 20).unwrap().unwrap();
            for tag in TagReports::of_frame(&frame).unwrap() {
                let mut tag = tag.unwrap();
                recall.fill(&mut tag);
                assert!(tag.epc().len() == 12 && tag.results().next().is_none());
                tags += 1;
            }
        }
        let spent = allocations() - before;
        assert_eq!((tags, spent), (100 * count, 0), "tags and allocations");
    }
    // The counter counts: an allocation here is seen.
    let before = allocations();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(allocations() - before, 1);
}
