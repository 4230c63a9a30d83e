//! The exported tables, called in-process as a host in C would.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic)]

mod driver;
mod extensions;
mod faults;
mod host;
mod marking;
mod module;
mod sink;
mod staged;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Allocations of this thread so far.
fn allocations() -> u64 {
    ALLOCATIONS.get()
}

// SAFETY: everything is left to the system's allocator; counting touches a thread-local without a
// destructor, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on unchanged; so below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

rfid_plugin::export! {
    id: "com.example.staged",
    vendor: "Example",
    drivers: [staged::Staged],
    sinks: [|data_dir: &std::path::Path| marking::Marking::new(data_dir)],
}
