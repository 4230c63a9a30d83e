//! In the steady state a tag read costs no heap allocation between the socket and presence.
//!
//! An allocator of its own counts, so this is the only test of its binary.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rfid_benches::{reply, serve_rounds};
use rfid_core::presence::{ReaderPlace, ZoneMap};
use rfid_core::{Name, Pipeline, ReaderSetup, Settings, Supervisor, SystemClock};
use rfid_driver_mercury4::session_over;
use tokio::net::{TcpListener, TcpStream};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HERE: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether allocations of this thread count: those of the reader's side do not.
    static COUNTED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

// SAFETY: everything is left to the system's allocator; counting touches an atomic and a
// thread-local without a destructor, neither of which allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.with(std::cell::Cell::get) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTED.with(std::cell::Cell::get) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TAGS: u32 = 200;

#[test]
fn a_read_costs_no_allocation() {
    // The reader's side on a thread of its own, which is not counted.
    let (said, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            said.send(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            // Ends with the test.
            let reply = Arc::from(reply(0..TAGS));
            let _ = serve_rounds(stream, move || Arc::clone(&reply)).await;
        });
    });
    let address = address.recv().unwrap();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let place = ReaderPlace {
            reader: Name::from("door"),
            branch: None,
            zones: ZoneMap::Whole(Name::from("door")),
        };
        let pipeline = Pipeline::builder("count").reader(place).start().await.unwrap();
        let settings = Settings::from_toml(&format!("address = \"{address}\"")).unwrap();
        let make = move |_: &_| {
            Ok(session_over(&settings, &ReaderSetup::named("door"), move || TcpStream::connect(address))
                .unwrap())
        };
        let outlet = pipeline.outlet("door").unwrap();
        let clock = Arc::new(SystemClock::new());
        let reader = Supervisor::spawn(Name::from("door"), None, Box::new(make), vec![outlet], clock, 1);
        let reads = || reader.counters().reads.load(Ordering::Relaxed);
        let wait_for = async |count: u64| {
            while reads() < count {
                tokio::task::yield_now().await;
            }
        };
        // Until all tags are present and every buffer has its size.
        wait_for(u64::from(TAGS) * 200).await;

        COUNTED.with(|counted| counted.set(true));
        let (before, from) = (ALLOCATIONS.load(Ordering::Relaxed), reads());
        wait_for(from + 200_000).await;
        let (allocations, count) = (ALLOCATIONS.load(Ordering::Relaxed) - before, reads() - from);
        COUNTED.with(|counted| counted.set(false));
        println!("{allocations} allocations for {count} reads");
        assert_eq!(allocations, 0, "for {count} reads");

        // The counter counts: an allocation here is seen.
        COUNTED.with(|counted| counted.set(true));
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        HERE.store(Box::into_raw(Box::new(1u8)) as u64, Ordering::Relaxed);
        COUNTED.with(|counted| counted.set(false));
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 1);

        reader.stop().await;
        pipeline.stop().await;
    });
}
