//! What is acknowledged is there, once, whatever fails and whenever the process ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use rfid_core::UtcTime;

use crate::Reader;
use crate::faulty_disk::{Fate, FaultyDisk};
use crate::files::Disk;
use crate::reader;
use crate::writer::{Entry, Plan, Writer};

const NOW: UtcTime = UtcTime::from_nanos(1_700_000_000_000_000_000);

fn plan(segment_bytes: u64) -> Plan {
    Plan {
        segment_bytes,
        segment_for: None,
        reserve_bytes: 4_096,
        keep_for: None,
        keep_bytes: None,
        new_id: [9; 16],
    }
}

fn open(folder: &Path) -> Writer {
    Writer::open(Box::new(Disk), folder, plan(4_096), None).unwrap()
}

/// Content that says of itself which it is.
fn entry(n: u64, len: usize) -> Entry {
    let mut content = n.to_le_bytes().to_vec();
    content.resize(8 + len, n as u8);
    Entry { id: u128::from(n + 1).to_le_bytes(), content }
}

/// Everything that can be read: contents by number, and the numbers that gaps account for.
fn read(folder: &Path) -> (BTreeMap<u64, Vec<u8>>, BTreeSet<u64>) {
    let (mut contents, mut accounted) = (BTreeMap::new(), BTreeSet::new());
    let mut reader = Reader::new(folder, 0);
    while let Some(entry) = reader.next_entry().unwrap() {
        match entry {
            reader::Entry::Content(content) => {
                assert_eq!(contents.insert(content.number, content.bytes), None);
            }
            reader::Entry::Gap { number, gap, .. } => {
                accounted.insert(number);
                accounted.extend(gap.first..=gap.last);
            }
            reader::Entry::Damage(_) => {}
            reader::Entry::Gone { .. } => panic!("nothing was removed"),
        }
    }
    (contents, accounted)
}

/// Bytes that are said to be damaged.
fn damage(folder: &Path) -> Vec<reader::Entry> {
    let mut reader = Reader::new(folder, 0);
    std::iter::from_fn(|| reader.next_entry().unwrap())
        .filter(|entry| matches!(entry, reader::Entry::Damage(_)))
        .collect()
}

/// What happens to a ledger.
#[derive(Clone, Debug)]
enum Step {
    /// So many contents of this length are appended, again and again with the same identity until
    /// they are acknowledged, as a sink does.
    Append(usize, usize),
    Lose(u64),
    /// The process ends without a word, and another one opens the folder.
    Crash,
    TakeReserve,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1usize..5, 0usize..900).prop_map(|(count, len)| Step::Append(count, len)),
        1 => (1u64..4).prop_map(Step::Lose),
        2 => Just(Step::Crash),
        1 => Just(Step::TakeReserve),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Done),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Halfway),
        1 => Just(Fate::Full),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_acknowledged_is_there_once_and_every_number_is_accounted_for(
        steps in proptest::collection::vec(step(), 1..25),
        fates in proptest::collection::vec(fate(), 0..120),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::of(fates);
        let open = || Writer::open(Box::new(disk.clone()), folder.path(), plan(2_000), None).unwrap();
        let mut writer = open();
        let mut acknowledged = BTreeMap::new();
        let (mut next, mut lost) = (0, 0);
        let mut waiting: Vec<Entry> = Vec::new();
        for step in steps {
            match step {
                Step::Append(count, len) => {
                    waiting.extend((next..).take(count).map(|n| entry(n, len)));
                    next += count as u64;
                    if let Ok(placed) = writer.append(&waiting, NOW) {
                        for (entry, placed) in waiting.drain(..).zip(placed) {
                            let other = acknowledged.insert(placed.number, entry.content);
                            prop_assert_eq!(other, None, "two contents have number {}", placed.number);
                        }
                    }
                }
                Step::Lose(count) => {
                    if let Ok(gap) = writer.lose(count, "played", (NOW, NOW), NOW) {
                        prop_assert_eq!(gap.count(), count);
                        lost += count;
                    }
                }
                Step::Crash => writer = open(),
                Step::TakeReserve => writer.take_reserve(NOW),
            }
        }
        disk.heal();
        let mut writer = open();
        let last = writer.append(&[entry(next, 0)], NOW).unwrap()[0].number;
        acknowledged.insert(last, entry(next, 0).content);

        prop_assert_eq!(damage(folder.path()), [], "a write that ended half-way is no damage");
        let (contents, accounted) = read(folder.path());
        for (number, content) in &acknowledged {
            prop_assert_eq!(contents.get(number), Some(content), "number {}", number);
        }
        let different: BTreeSet<_> = contents.values().collect();
        prop_assert_eq!(different.len(), contents.len(), "a content is there twice");
        for number in 1..=last {
            prop_assert!(
                contents.contains_key(&number) != accounted.contains(&number),
                "number {} is not accounted for, or twice", number
            );
        }
        // A gap that was written and not acknowledged may be there in addition.
        prop_assert!(accounted.len() as u64 >= lost);
    }

}

proptest! {
    // Each has syncs that are real.
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_folder_in_which_anything_happened_opens_and_keeps_what_can_be_read(
        sizes in proptest::collection::vec(0usize..600, 1..30),
        file in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        what in 0..3,
        noise in proptest::collection::vec(any::<u8>(), 1..80),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(Box::new(Disk), folder.path(), plan(2_000), None).unwrap();
        for (n, size) in (0..).zip(&sizes) {
            writer.append(&[entry(n, *size)], NOW).unwrap();
        }
        drop(writer);
        let before = read(folder.path()).0;
        let segments = crate::segments::list(&Disk, folder.path()).unwrap();
        let path = &segments[file.index(segments.len())].path;
        let mut bytes = std::fs::read(path).unwrap();
        let at = at.index(bytes.len());
        match what {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << (noise[0] % 8),
            _ => bytes.splice(at.., noise.iter().copied()).for_each(drop),
        }
        std::fs::write(path, bytes).unwrap();

        let mut writer = Writer::open(Box::new(Disk), folder.path(), plan(2_000), None).unwrap();
        let readable = read(folder.path()).0;
        let placed = writer.append(&[entry(1_000, 5)], NOW).unwrap()[0];
        let after = read(folder.path()).0;
        for (number, content) in &readable {
            prop_assert_eq!(before.get(number), Some(content), "a record that nobody wrote");
            prop_assert_eq!(after.get(number), Some(content), "a readable record is gone");
        }
        prop_assert_eq!(after.get(&placed.number), Some(&entry(1_000, 5).content));
        prop_assert_eq!(after.len(), readable.len() + 1);
    }
}

#[test]
fn after_a_clean_end_the_same_segment_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).append(&[entry(0, 3)], NOW).unwrap();
    open(folder.path()).append(&[entry(1, 3)], NOW).unwrap();
    assert_eq!(crate::segments::list(&Disk, folder.path()).unwrap().len(), 1);
    assert_eq!(read(folder.path()).0.len(), 2);
}

#[test]
fn a_segment_that_two_runs_have_written_has_a_seal_of_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..2 {
        let mut writer = Writer::open(Box::new(Disk), folder.path(), plan(500), None).unwrap();
        writer.append(&[entry(n, 100)], NOW).unwrap();
    }
    let mut writer = Writer::open(Box::new(Disk), folder.path(), plan(500), None).unwrap();
    writer.append(&[entry(2, 300)], NOW).unwrap();
    let report = crate::verify(folder.path()).unwrap();
    assert_eq!((report.segments, report.sealed, report.contents), (2, 1, 3));
    assert!(report.faults.is_empty(), "{report:?}");
}

#[test]
fn a_repeat_gets_the_number_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).append(&[entry(0, 3)], NOW).unwrap()[0];
    let again = open(folder.path()).append(&[entry(0, 3), entry(1, 3)], NOW).unwrap();
    assert_eq!((again[0].number, again[0].is_repeat), (first.number, true));
    assert_eq!((again[1].number, again[1].is_repeat), (first.number + 1, false));
}

#[test]
fn a_last_record_that_rotted_leaves_a_gap_and_its_number_is_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).append(&[entry(0, 3), entry(1, 3)], NOW).unwrap();
    let path = crate::segments::list(&Disk, folder.path()).unwrap()[0].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let placed = open(folder.path()).append(&[entry(2, 3)], NOW).unwrap()[0];
    let (contents, accounted) = read(folder.path());
    assert_eq!(contents.keys().copied().collect::<Vec<_>>(), [1, placed.number]);
    assert!(accounted.contains(&2), "{accounted:?}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing is written over");
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("00000000000000000001.v2.ledger"), b"from tomorrow").unwrap();
    let error = Writer::open(Box::new(Disk), folder.path(), plan(4_096), None).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn old_segments_go_one_at_a_time_even_when_the_clock_is_years_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { keep_for: Some(Duration::from_secs(3_600)), ..plan(300) };
    let mut writer = Writer::open(Box::new(Disk), folder.path(), plan, None).unwrap();
    for n in 0..10 {
        writer.append(&[entry(n, 100)], NOW).unwrap();
    }
    let before = writer.segment_count();
    let years_ahead = NOW.plus(Duration::from_secs(20 * 365 * 24 * 3_600));
    writer.remove_one_old(years_ahead);
    assert_eq!(writer.segment_count(), before - 1);
    let mut reader = Reader::new(folder.path(), 0);
    let first = writer.first();
    assert_eq!(reader.next_entry().unwrap(), Some(reader::Entry::Gone { first }));
}

#[test]
fn what_is_taken_out_goes_by_whole_segments_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { segment_for: Some(Duration::from_secs(3_600)), ..plan(4_096) };
    let mut writer = Writer::open(Box::new(Disk), folder.path(), plan.clone(), None).unwrap();
    // Two in an hour, and each hour has a segment of its own, however little is in it.
    for n in 0..6 {
        let now = NOW.plus(Duration::from_secs(1_800 * n));
        assert_eq!(writer.append(&[entry(n, 10)], now).unwrap()[0].number, n + 1);
    }
    let heads = crate::segment_heads(folder.path()).unwrap();
    let firsts: Vec<u64> = heads.iter().map(|head| head.first).collect();
    assert_eq!(firsts, [1, 3, 5]);
    assert_eq!(heads[1].begun, Some(NOW.plus(Duration::from_secs(3_600))));
    // What shares a segment with what stays, stays.
    assert_eq!(writer.remove_segments_through(3).unwrap(), 3);
    // The last segment stays in any case.
    assert_eq!(writer.remove_segments_through(u64::MAX - 1).unwrap(), 5);
    assert_eq!(writer.remove_segments_through(u64::MAX - 1).unwrap(), 5);
    drop(writer);
    let mut writer = Writer::open(Box::new(Disk), folder.path(), plan, None).unwrap();
    assert_eq!((writer.first(), writer.last()), (5, 6));
    let later = NOW.plus(Duration::from_secs(100_000));
    assert_eq!(writer.append(&[entry(6, 10)], later).unwrap()[0].number, 7);
    let kept: Vec<u64> = crate::segment_heads(folder.path()).unwrap().iter().map(|head| head.first).collect();
    assert_eq!(kept, [5, 7]);
    assert_eq!(reader::last_number(folder.path()).unwrap(), 7);
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(reader::last_number(nothing.path()).unwrap(), 0);
}

#[test]
fn on_a_full_disk_the_reserve_is_given_up_first() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).take_reserve(NOW);
    // The folder, the clearing of the name, and the creation go well; then there is no room.
    let disk = FaultyDisk::of([Fate::Done, Fate::Done, Fate::Done, Fate::Full]);
    let mut writer = Writer::open(Box::new(disk), folder.path(), plan(4_096), None).unwrap();
    assert_eq!(writer.reserve(), 4_096);
    writer.append(&[entry(0, 10)], NOW).unwrap();
    assert_eq!(writer.reserve(), 0);
    assert_eq!(read(folder.path()).0.len(), 1);
}

#[test]
fn records_are_read_across_the_parts_in_which_a_segment_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(64 * 1024 * 1024);
    let mut writer = Writer::open(Box::new(Disk), folder.path(), plan, None).unwrap();
    let sizes = [700_000, 10, 1_000_000, 400_000, 300, 1_048_000, 5, 900_000, 100_000, 2];
    for (n, size) in (0..).zip(sizes.iter().cycle().take(30)) {
        writer.append(&[entry(n, *size)], NOW).unwrap();
    }
    assert_eq!(writer.segment_count(), 1);
    let whole = read(folder.path()).0;
    assert_eq!(whole.len(), 30);
    assert!(whole.iter().all(|(number, content)| *content == entry(number - 1, content.len() - 8).content));

    // Four megabytes that are no record, in the middle.
    let path = crate::segments::list(&Disk, folder.path()).unwrap()[0].path.clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4 * 1024 * 1024].fill(0xF5);
    std::fs::write(&path, bytes).unwrap();
    let (left, _) = read(folder.path());
    // Records 14 to 26 lie in it, wholly or in part.
    assert!(left.keys().copied().eq((1..=13).chain(27..=30)), "{:?}", left.keys());
    assert!(left.iter().all(|(number, content)| whole.get(number) == Some(content)));
    assert!(!damage(folder.path()).is_empty());
}

#[test]
fn a_seal_says_what_is_in_the_segment() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(Box::new(Disk), folder.path(), plan(300), None).unwrap();
    for n in 0..5 {
        writer.append(&[entry(n, 100)], NOW).unwrap();
    }
    let report = crate::verify(folder.path()).unwrap();
    assert_eq!(report.contents, 5);
    assert_eq!(report.sealed, report.segments - 1);
    assert!(report.faults.is_empty(), "{report:?}");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("data").join("ledger");
    open(&inside).append(&[entry(0, 3)], NOW).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let segment = crate::segments::list(&Disk, &inside).unwrap()[0].path.clone();
    assert_eq!((mode(&inside), mode(inside.parent().unwrap()), mode(&segment)), (0o700, 0o700, 0o600));
}

#[test]
fn a_ledger_keeps_the_identity_that_it_was_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(reader::identity(folder.path()).unwrap(), None);
    drop(open(folder.path()));
    let mut writer = open(folder.path());
    writer.append(&[entry(1, 10)], NOW).unwrap();
    assert_eq!(reader::identity(folder.path()).unwrap(), Some([9; 16]));
    std::fs::write(crate::segments::path(folder.path(), 9_000), b"no header").unwrap();
    assert_eq!(reader::identity(folder.path()).unwrap(), Some([9; 16]));
}
