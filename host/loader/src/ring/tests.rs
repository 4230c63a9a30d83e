use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rfid_abi as abi;
use rfid_core::{AirProtocol, ReadBuf, RecordFault, TagIdKind, UtcTime};

use super::*;
use crate::incoming::{Incoming, Took, Unasked};

fn ends() -> (Filler, Taker, Arc<Memory>) {
    let (_, memory) = Memory::new().unwrap();
    let memory = Arc::new(memory);
    (Filler::new(Arc::clone(&memory)), Taker::new(Arc::clone(&memory)), memory)
}

/// The id of read number `number`: of 8 to 62 bytes, so that some are long.
fn id(number: u64) -> Vec<u8> {
    let mut id = number.to_be_bytes().to_vec();
    id.resize(8 + (number as usize * 7) % 55, number as u8);
    id
}

/// Writes reads as a plugin does, as many as there is room for in one call. How many that were.
pub(crate) fn fill(filler: &mut Filler, from: u64, reads: usize, lost: u64) -> Option<u64> {
    let room = filler.room()?;
    let (mut count, mut aux_len) = (0, 0);
    let mut buf = ReadBuf::with_capacity(1);
    for number in (from..).take(reads.min(LENT_READS)) {
        let id = id(number);
        buf.clear();
        buf.record(TagIdKind::Epc, &id).unwrap().set_antenna_port(1 + (number % 9) as u16);
        let mut record = buf.iter().next().unwrap().read.to_bytes();
        if id.len() > abi::INLINE_ID {
            let item = [&abi::AUX_ID.to_ne_bytes(), &(id.len() as u16).to_ne_bytes(), id.as_slice()].concat();
            if aux_len + item.len() > LENT_AUX {
                break;
            }
            record[58..60].copy_from_slice(&(item.len() as u16).to_ne_bytes());
            record[60..].copy_from_slice(&(aux_len as u32).to_ne_bytes());
            // SAFETY: within what was lent.
            unsafe { room.aux.add(aux_len).as_ptr().copy_from(item.as_ptr(), item.len()) };
            aux_len += item.len();
        }
        // SAFETY: within what was lent.
        unsafe { room.reads.add(count).cast::<u8>().as_ptr().copy_from(record.as_ptr(), record.len()) };
        count += 1;
    }
    filler.publish(count, aux_len, lost);
    Some(count as u64)
}

fn take(taker: &mut Taker, capacity: usize) -> (Vec<Vec<u8>>, u64) {
    let mut buf = ReadBuf::with_capacity(capacity);
    taker.look().unwrap();
    taker.take(&mut buf, u64::MAX, u64::MAX).unwrap();
    (buf.iter().map(|one| one.id.bytes.to_vec()).collect(), buf.lost())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Fill { reads: usize, lost: u64 },
    Take { capacity: usize },
    Discard,
}

fn step() -> impl Strategy<Value = Step> {
    let fill = |reads| (reads, 0u64..3).prop_map(|(reads, lost)| Step::Fill { reads, lost });
    prop_oneof![
        4 => fill(0usize..=3),
        4 => fill(0usize..=LENT_READS),
        4 => (1usize..=3).prop_map(|capacity| Step::Take { capacity }),
        3 => (1usize..=2_000).prop_map(|capacity| Step::Take { capacity }),
        1 => Just(Step::Discard),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_is_a_queue(steps in proptest::collection::vec(step(), 1..200)) {
        let (mut filler, mut taker, _) = ends();
        let (mut queue, mut lost_left, mut next) = (VecDeque::new(), 0, 0);
        for step in steps {
            match step {
                Step::Fill { reads, lost } => {
                    match fill(&mut filler, next, reads, lost) {
                        Some(filled) => {
                            queue.extend((next..next + filled).map(id));
                            next += filled;
                            lost_left += lost;
                        }
                        None => prop_assert!(!queue.is_empty(), "an empty ring has room"),
                    }
                }
                Step::Take { capacity } => {
                    let (ids, lost) = take(&mut taker, capacity);
                    let expected: Vec<_> = queue.drain(..capacity.min(queue.len())).collect();
                    prop_assert_eq!(ids, expected);
                    prop_assert!(lost <= lost_left);
                    lost_left -= lost;
                }
                Step::Discard => {
                    taker.discard().unwrap();
                    queue.clear();
                    lost_left = 0;
                }
            }
        }
        let (ids, lost) = take(&mut taker, usize::MAX);
        prop_assert_eq!(ids, Vec::from(queue));
        prop_assert_eq!(lost, lost_left, "losses are told once");
    }

    #[test]
    fn whatever_a_plugin_writes_over_it_does_no_harm(
        cursors in any::<[u64; 2]>(),
        header in (0u64..4, 0u64..300, 0u64..20_000, 0u64..2),
        slots in proptest::collection::vec(any::<u8>(), 0..3_000),
    ) {
        let (kind, reads, aux_len, said) = header;
        let header = Slot([kind, reads << 32 | aux_len, 1, said, 0, 0, 0, 0]);
        let mut bytes: Vec<u8> = header.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend(&slots);
        let [published, restart] = cursors;
        let mut message = [restart.to_ne_bytes(), published.to_ne_bytes()].concat();
        message.extend(bytes);
        crate::hostile::plugin_message(&message);
    }
}

#[test]
fn reads_come_whole_and_in_order_from_another_thread() {
    const READS: u64 = 300_000;
    let (mut filler, taker, _) = ends();
    let unasked = Arc::new(Unasked::default());
    let mut incoming = Incoming::new(taker, Arc::clone(&unasked));
    let filling = std::thread::spawn(move || {
        let mut next = 0;
        while next < READS {
            let reads = (1 + next as usize % 300).min((READS - next) as usize);
            match fill(&mut filler, next, reads, 0) {
                Some(filled) => {
                    next += filled;
                    if filler.is_host_to_be_told() {
                        unasked.ring();
                    }
                }
                None => {
                    filler.about_to_wait();
                    if !filler.has_half() {
                        // One that is never woken is not in time for the test.
                        filler.wait(Duration::from_secs(600));
                    }
                }
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let taking = async {
        let (mut buf, mut next) = (ReadBuf::with_capacity(100), 0);
        while next < READS {
            while incoming.take(&mut buf, &mut Vec::new()).unwrap() == Took::Nothing {
                incoming.ask();
                if incoming.take(&mut buf, &mut Vec::new()).unwrap() == Took::Reads {
                    break;
                }
                incoming.wait().await;
            }
            for one in buf.iter() {
                assert_eq!(one.id.bytes, id(next));
                next += 1;
            }
            buf.clear();
        }
    };
    let taken = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), taking).await });
    assert!(taken.is_ok(), "one of them was not woken");
    filling.join().unwrap();
}

#[test]
fn an_instance_waits_only_until_there_is_room_or_it_is_woken() {
    let (mut filler, mut taker, memory) = ends();
    let mut next = 0;
    while let Some(filled) = fill(&mut filler, next, LENT_READS, 0) {
        next += filled;
    }
    assert!(next * 2 > SLOTS);
    let long = Duration::from_secs(600);
    filler.about_to_wait();
    assert!(!filler.has_half());
    memory.wake_instance();
    filler.wait(long);
    filler.about_to_wait();
    take(&mut taker, LENT_READS);
    assert!(memory.does_instance_wait(), "less than half of the ring is free");
    take(&mut taker, usize::MAX);
    assert!(!memory.does_instance_wait());
    filler.wait(long);
    assert!(filler.has_half());
}

#[test]
fn the_host_is_told_once_when_it_waits() {
    let (mut filler, taker, _) = ends();
    fill(&mut filler, 0, 1, 0);
    assert!(!filler.is_host_to_be_told());
    taker.about_to_wait();
    assert!(filler.is_host_to_be_told());
    assert!(!filler.is_host_to_be_told());
}

#[test]
fn few_reads_touch_little_memory() {
    let (mut filler, mut taker, memory) = ends();
    for number in 0..10_000 {
        fill(&mut filler, 11 * number, 1, 0).unwrap();
        assert_eq!(take(&mut taker, 8).0.len(), 1);
    }
    // The side area of what was lent is written before its place is known.
    let touched = (0..SLOTS).filter(|at| memory.copy_of(*at).0 != [0; 8]).max().unwrap();
    assert!(touched < BEGINNING + PIECE, "slot {touched}");
}

#[test]
fn memory_handed_to_a_process_keeps_its_size() {
    let (memory, _) = Memory::new().unwrap();
    for size in [0, 1 << 20] {
        assert!(rustix::fs::ftruncate(&memory, size).is_err());
    }
    let again = Memory::map(&memory).unwrap();
    let (filler, taker) = (Filler::new(Arc::new(again)), Taker::new(Arc::new(Memory::map(&memory).unwrap())));
    let (mut filler, mut taker) = (filler, taker);
    fill(&mut filler, 0, 3, 0);
    assert_eq!(take(&mut taker, 8).0, [id(0), id(1), id(2)]);
}

#[test]
fn cursors_that_cannot_be_are_refused() {
    let (_, mut taker, memory) = ends();
    for published in [SLOTS + 1, u64::MAX] {
        memory.write_over(published, 0, &[]);
        assert!(matches!(taker.look(), Err(Refused::Nonsense(_))));
    }
    memory.write_over(u64::MAX, u64::MAX - 1, &[]);
    taker.look().unwrap();
    let outcome = taker.take(&mut ReadBuf::with_capacity(8), u64::MAX, u64::MAX);
    assert!(matches!(outcome, Err(Refused::Nonsense(_))), "there is no batch");
    memory.write_over(7, 7, &[]);
    assert!(matches!(taker.look(), Err(Refused::Nonsense(_))), "it was further before");
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let header = |reads, aux_len| Header::Batch { reads, aux_len, lost: 0, said: 0 };
    for (published, header) in [
        (3, header(3, 0)),
        (300, header(257, 0)),
        (600, header(1, 16 * 1024 + 1)),
        (2, header(1, 1)),
        (SLOTS, header(u32::MAX, u32::MAX)),
        (SLOTS - 1, Header::EndOfLap),
    ] {
        let (_, mut taker, memory) = ends();
        memory.put(0, header.to_slot());
        memory.publish(published);
        taker.look().unwrap();
        let outcome = taker.take(&mut ReadBuf::with_capacity(8), u64::MAX, u64::MAX);
        assert!(matches!(outcome, Err(Refused::Nonsense(_))), "{header:?} {outcome:?}");
    }
}

#[test]
fn a_batch_does_not_go_over_the_end_of_the_ring() {
    let (_, mut taker, memory) = ends();
    let at = SLOTS - 2;
    memory.set_restart(at);
    memory.put(at, Header::Batch { reads: 2, aux_len: 0, lost: 0, said: 0 }.to_slot());
    memory.publish(at + 3);
    taker.look().unwrap();
    let outcome = taker.take(&mut ReadBuf::with_capacity(8), u64::MAX, u64::MAX);
    assert!(matches!(outcome, Err(Refused::Nonsense(_))), "{outcome:?}");
}

#[test]
fn a_record_that_is_none_ends_its_batch_and_no_other() {
    let (mut filler, mut taker, _) = ends();
    let room = filler.room().unwrap();
    fill(&mut filler, 1, 3, 0);
    // SAFETY: within what was lent, and the byte of the kind of id.
    unsafe { room.reads.add(1).cast::<u8>().add(41).write(99) };
    fill(&mut filler, 20, 1, 0);
    let mut buf = ReadBuf::with_capacity(8);
    taker.look().unwrap();
    let outcome = taker.take(&mut buf, u64::MAX, u64::MAX);
    assert_eq!(outcome, Err(Refused::NoRead(RecordFault::UnknownIdKind(99))));
    assert_eq!(buf.len(), 1, "those before it count");
    assert_eq!(take(&mut taker, 8).0, [id(20)]);
}

#[test]
fn a_host_whose_words_are_written_over_gives_no_room_that_it_has_not() {
    let (mut filler, _, memory) = ends();
    let mut next = 0;
    while let Some(filled) = fill(&mut filler, next, LENT_READS, 0) {
        next += filled;
    }
    memory.set_taken(u64::MAX);
    assert!(filler.room().is_none());
}

#[test]
fn a_record_lies_in_memory_as_it_crosses() {
    let mut buf = ReadBuf::with_capacity(1);
    buf.record(TagIdKind::Iso15693Uid, &[9; 12])
        .unwrap()
        .set_reader_time(UtcTime::from_nanos(0x0102_0304_0506_0708))
        .set_antenna_port(3)
        .set_frequency_khz(902_750)
        .set_rssi_cdbm(-5512)
        .set_phase(4095)
        .set_count(7)
        .set_pc(0x3000)
        .set_check_failed()
        .set_protocol(AirProtocol::Iso15693);
    let read = buf.iter().next().unwrap().read;
    // SAFETY: a record has no padding.
    let memory = unsafe { *std::ptr::from_ref(read).cast::<[u8; 64]>() };
    assert_eq!(memory, read.to_bytes());
    // SAFETY: it has only numbers.
    let theirs = unsafe { std::ptr::from_ref(read).cast::<abi::TagRead>().read() };
    assert_eq!((theirs.antenna, theirs.rssi_cdbm, theirs.count), (3, -5512, 7));
    assert_eq!((theirs.id_len, theirs.id_kind, theirs.protocol), (12, 3, 6));
}
