//! Between the bytes of an LLRP report and its tags nothing is allocated, nor between the socket of a
//! reader and the host's buffer.
//!
//! An allocator of its own counts, by thread.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rfid_benches::llrp_report;
use rfid_core::{Driver, ReadBuf, ReadHandler, ReaderSetup, Settings, TagIdKind};
use rfid_driver_llrp::Llrp;
use rfid_llrp::enumeration::ConnectionAttemptStatus;
use rfid_llrp::{Frames, Members, Recall, TagReports, first_frame};
use tokio::sync::Notify;

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

/// Reads until every buffer has its size, and then so many more.
const WARM_UP: usize = 20_000;
const READS: usize = 100_000;

struct Counted {
    buf: ReadBuf,
    reads: usize,
    before: Option<u64>,
    spent: Option<u64>,
    done: Arc<Notify>,
}

impl ReadHandler for Counted {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buf
    }

    fn filled(&mut self) {
        self.reads += self.buf.len();
        self.buf.clear();
        match self.before {
            None if self.reads >= WARM_UP => self.before = Some(allocations()),
            Some(before) if self.reads >= WARM_UP + READS => {
                self.spent.get_or_insert(allocations() - before);
                self.done.notify_one();
            }
            _ => {}
        }
    }
}

/// A reader without a radio: it answers every request with a bare success, and once it is started
/// says the same report again and again, until nobody listens.
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut greeting = vec![0x04, 0x3F, 0, 0, 0, 32, 0, 0, 0, 1, 0x00, 0xF6, 0, 22, 0x00, 0x80, 0, 12];
    greeting.extend([0; 8]);
    greeting.extend([0x01, 0x00, 0, 6]);
    greeting.extend(ConnectionAttemptStatus::SUCCESS.0.to_be_bytes());
    stream.write_all(&greeting)?;
    let (mut frames, mut chunk) = (Frames::default(), [0; 4096]);
    loop {
        let count = stream.read(&mut chunk)?;
        frames.push(&chunk[..count]);
        while let Some(frame) = frames.next_frame().unwrap() {
            let (number, id) = (frame.header.number, frame.header.id);
            if number == 64 {
                let report = llrp_report(0..32);
                loop {
                    stream.write_all(&report)?;
                }
            }
            let mut answer = (0x0400 | (number + 10)).to_be_bytes().to_vec();
            answer.extend(18u32.to_be_bytes());
            answer.extend(id.to_be_bytes());
            answer.extend([0x01, 0x1F, 0, 8, 0, 0, 0, 0]);
            stream.write_all(&answer)?;
        }
    }
}

#[test]
fn a_read_of_the_driver_costs_no_allocation() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the session.
    let reader = std::thread::spawn(move || serve(&listener));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = Settings::from_toml(&format!("address = \"{address}\"")).unwrap();
        let mut session = Llrp.session(&settings, &ReaderSetup::named("door")).unwrap();
        session.open().await.unwrap();
        session.start().await.unwrap();
        let done = Arc::new(Notify::new());
        let mut buf = ReadBuf::with_capacity(256);
        // Its memory grows once, with the first batch that is so large; that need not come early.
        while buf.record(TagIdKind::Epc, &[0; 12]).is_ok() {}
        buf.clear();
        let mut counted = Counted { buf, reads: 0, before: None, spent: None, done: Arc::clone(&done) };
        tokio::select! {
            outcome = session.pump(&mut counted) => panic!("{outcome:?}"),
            () = done.notified() => {}
        }
        println!("{:?} allocations for {READS} reads", counted.spent);
        assert_eq!(counted.spent, Some(0));
        session.close().await.unwrap();
    });
    assert!(reader.join().unwrap().is_err());
}
