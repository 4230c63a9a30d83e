//! A driver's calls, in order and out of it.

use std::time::{Duration, Instant};

use rfid_abi::{Status, reader_event};

use crate::allocations;
use crate::host::{Batch, Lent, Reader, told};
use crate::staged::{id, short_id};

/// The ids of the next `count` reads, in whatever pieces they come.
fn fetch(reader: &Reader, count: usize, mut read: impl FnMut(&Reader) -> Batch) -> Vec<Vec<u8>> {
    let mut ids = Vec::new();
    while ids.len() < count {
        ids.extend(read(reader).ids);
    }
    ids
}

#[test]
fn every_read_comes_once_and_in_order_in_buffers_of_every_size() {
    // The interpreter that looks for undefined behaviour is slow.
    let count = if cfg!(miri) { 20 } else { 1000 };
    for (play, id) in [("counts", id as fn(u32) -> Vec<u8>), ("counts short ids", short_id)] {
        for (capacity, stride, aux) in
            [(1, 64, 66), (2, 72, 66), (3, 64, 100), (16, 128, 4096), (256, 64, 4096), (4096, 72, 65_536)]
        {
            let reader = Reader::running(&format!(r#"{{"play": "{play}"}}"#));
            let ids = fetch(&reader, count, |reader| {
                let (told, batch) = reader.read_into(capacity, stride, aux, 1000);
                assert_eq!(told.unwrap(), Status::OK);
                batch
            });
            let expected: Vec<Vec<u8>> = (0..ids.len() as u32).map(id).collect();
            assert_eq!(ids, expected, "{play}, capacity {capacity}, stride {stride}");
        }
    }
}

#[test]
fn in_the_steady_state_a_read_costs_no_allocation() {
    for capacity in [1, 256] {
        let reader = Reader::running(r#"{"play": "counts"}"#);
        let mut lent = Lent::new(capacity, 64, 65_536);
        let mut read = || assert_eq!(reader.read_lent(&mut lent, 1000).unwrap(), Status::OK);
        // The first fill memory that is then used again and again.
        (0..20).for_each(|_| read());
        let before = allocations();
        (0..50).for_each(|_| read());
        assert_eq!(allocations() - before, 0, "capacity {capacity}");
    }
}

#[test]
fn a_record_says_what_the_session_said() {
    let reader = Reader::running(r#"{"play": "counts"}"#);
    let (_, batch) = reader.read(1, 1000);
    let read = batch.reads[0];
    assert_eq!((read.antenna, read.rssi_cdbm, read.protocol, read.count), (2, -5500, 1, 1));
    assert_eq!((read.phase, read.timestamp_ns), (rfid_abi::PHASE_UNKNOWN, 0));
    assert!(batch.more, "four of the five were left");
}

#[test]
fn an_id_that_never_fits_beside_the_records_counts_as_lost() {
    let reader = Reader::running(r#"{"play": "counts"}"#);
    let (told, batch) = reader.read_into(16, 64, 65, 1000);
    assert_eq!(told.unwrap(), Status::OK);
    assert_eq!(batch.ids, [id(0), id(1), id(3), id(4)]);
    assert_eq!(batch.lost, 1);
}

#[test]
fn no_room_at_all_keeps_what_the_session_has() {
    let reader = Reader::running(r#"{"play": "counts and waits"}"#);
    for _ in 0..3 {
        let (told, batch) = reader.read(0, 20);
        assert_eq!((told.unwrap(), batch.ids.len(), batch.lost), (Status::NO_DATA, 0, 0));
    }
    assert_eq!(reader.read(256, 1000).1.ids, (0..5).map(id).collect::<Vec<_>>());
}

#[test]
fn no_room_at_all_keeps_an_error_as_well() {
    let reader = Reader::running(r#"{"play": "breaks"}"#);
    assert_eq!(reader.read(3, 1000).1.ids.len(), 3);
    for _ in 0..3 {
        assert_eq!(reader.read(0, 20).0.unwrap(), Status::NO_DATA);
    }
    assert_eq!(reader.read(3, 1000).0.unwrap_err().0, Status::IO);
}

#[test]
fn waiting_for_nothing_ends_at_the_limit() {
    let reader = Reader::running(r#"{"play": "hangs"}"#);
    let began = Instant::now();
    let (told, batch) = reader.read(16, 50);
    assert_eq!((told.unwrap(), batch.ids.len()), (Status::NO_DATA, 0));
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[test]
fn what_was_read_before_an_error_comes_before_it() {
    let reader = Reader::running(r#"{"play": "breaks"}"#);
    let (told, batch) = reader.read(2, 1000);
    assert_eq!((told.unwrap(), batch.more, batch.lost), (Status::OK, true, 2));
    assert_eq!(reader.read(2, 1000).1.ids, [id(2)]);
    let (told, batch) = reader.read(2, 1000);
    assert_eq!(told.unwrap_err(), (Status::IO, "the cable was pulled".to_owned()));
    assert_eq!(batch.ids.len(), 0);
    reader.close().unwrap();
    reader.open().unwrap();
    reader.start().unwrap();
    assert_eq!(reader.read(2, 1000).1.ids, [id(0), id(1)], "a new session begins anew");
}

#[test]
fn what_was_read_before_the_stop_can_be_fetched_after_it() {
    let reader = Reader::running(r#"{"play": "counts and waits"}"#);
    assert_eq!(reader.read(2, 1000).1.ids, [id(0), id(1)]);
    reader.stop().unwrap();
    assert_eq!(reader.read(256, 1000).1.ids, [id(2), id(3), id(4)]);
    assert_eq!(reader.read(256, 1000).0.unwrap(), Status::NO_DATA);
}

#[test]
fn calls_out_of_order_are_refused() {
    let reader = Reader::create("staged", r#"{"play": "counts"}"#).unwrap();
    let refused = |told: crate::host::Told| assert_eq!(told.unwrap_err().0, Status::STATE);
    refused(reader.start());
    refused(reader.read(1, 10).0);
    refused(reader.stop());
    reader.close().unwrap();
    reader.open().unwrap();
    refused(reader.open());
    refused(reader.read(1, 10).0);
    refused(reader.stop());
    reader.start().unwrap();
    refused(reader.start());
    reader.stop().unwrap();
    reader.start().unwrap();
    reader.close().unwrap();
    reader.close().unwrap();
    refused(reader.start());
    reader.open().unwrap();
}

#[test]
fn a_cancelled_read_returns_and_cancelling_holds_until_close() {
    let reader = Reader::running(r#"{"play": "hangs"}"#);
    let cancel = reader.canceller();
    let cancelling = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        cancel();
    });
    let cancelled = reader.read(16, 60_000).0.unwrap_err();
    cancelling.join().unwrap();
    assert_eq!(cancelled.0, Status::CANCELLED);
    assert_eq!(reader.read(16, 60_000).0.unwrap_err().0, Status::CANCELLED);
    reader.close().unwrap();
    reader.open().unwrap();
    reader.start().unwrap();
    assert_eq!(reader.read(16, 10).0.unwrap(), Status::NO_DATA);
}

#[test]
fn cancelling_reaches_a_session_that_always_has_something() {
    for play in ["counts", "counts short ids", "idles", "is flooded"] {
        let reader = Reader::running(&format!(r#"{{"play": "{play}"}}"#));
        // All that it counts at once fits, so nothing is left over for the next call.
        let told = reader.read(16, 20).0.unwrap();
        assert_eq!(told == Status::OK, play.starts_with("counts"), "{play}");
        reader.canceller()();
        assert_eq!(reader.read(16, 60_000).0.unwrap_err().0, Status::CANCELLED, "{play}");
    }
}

#[test]
fn cancelling_ends_a_call_that_never_has_to_wait() {
    for play in ["idles", "is flooded"] {
        let reader = Reader::running(&format!(r#"{{"play": "{play}"}}"#));
        let cancel = reader.canceller();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(30));
                cancel();
            });
            let (status, _) = reader.read(16, 60_000).0.unwrap_err();
            assert_eq!(status, Status::CANCELLED, "{play}");
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter is slower than the silence is long")]
fn signs_of_life_without_reads_keep_a_session_alive() {
    let reader = Reader::running(r#"{"play": "idles"}"#);
    assert_eq!(reader.read(1, 400).0.unwrap(), Status::NO_DATA);
    let reader = Reader::running(r#"{"play": "is flooded"}"#);
    assert_eq!(reader.read(1, 400).0.unwrap_err().0, Status::TIMEOUT, "what is of no interest is none");
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter is slower than the silence is long")]
fn a_session_without_a_sign_of_life_is_taken_for_dead() {
    let reader = Reader::running(r#"{"play": "is silent"}"#);
    // A host that did not ask could not hear anything either.
    assert_eq!(reader.read(1, 1).0.unwrap(), Status::NO_DATA);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(reader.read(1, 1).0.unwrap(), Status::NO_DATA);
    let (status, message) = reader.read(1, 400).0.unwrap_err();
    assert_eq!(status, Status::TIMEOUT);
    assert!(message.starts_with("no sign of life for 0."), "{message}");
}

#[test]
fn what_the_session_notices_is_told() {
    let reader = Reader::running(r#"{"play": "notices"}"#);
    assert_eq!(reader.read(1, 10).0.unwrap(), Status::NO_DATA);
    assert_eq!(
        reader.host.events(),
        [
            (reader_event::ANTENNA_DOWN, 0, 0, 0),
            (reader_event::ANTENNA_UP, 1, 0, 0),
            (reader_event::ANTENNA_UP, 3, 0, 0),
            (reader_event::INPUT, 0, 4, 1),
        ]
    );
}

#[test]
fn what_the_session_says_is_said_to_the_host_of_its_instance() {
    let (reader, other) = (Reader::running(r#"{"play": "speaks"}"#), Reader::running(r#"{"play": "hangs"}"#));
    reader.read(1, 10).0.unwrap();
    assert_eq!(reader.host.lines(), ["3 it::staged: connected try_number=3 address=here"]);
    assert_eq!(other.host.lines(), [""; 0]);
}

#[test]
fn options_that_are_wrong_are_refused_with_their_place() {
    let refused = |options| Reader::create("staged", options).map(drop).unwrap_err();
    assert_eq!(refused(r#"{"play": "sings"}"#), (Status::CONFIG, "/play: this is not played".to_owned()));
    assert_eq!(refused("{").0, Status::CONFIG);
    assert_eq!(refused("").0, Status::CONFIG);
}

#[test]
fn arguments_that_are_nowhere_are_refused() {
    let reader = Reader::running(r#"{"play": "counts"}"#);
    let invalid = |told: crate::host::Told| assert_eq!(told.unwrap_err().0, Status::INVALID);
    let read = reader.functions.read.unwrap();
    // SAFETY: null is what is tried.
    invalid(told(|err| unsafe { read(reader.raw, std::ptr::null_mut(), 10, err) }));
    // SAFETY: as above.
    invalid(told(|err| unsafe { reader.functions.start.unwrap()(std::ptr::null_mut(), err) }));
    invalid(reader.read_into(1, 56, 100, 10).0);
    // SAFETY: an error that is nowhere is allowed.
    let status = unsafe { reader.functions.start.unwrap()(reader.raw, std::ptr::null_mut()) };
    assert_eq!(status, Status::STATE);
}
