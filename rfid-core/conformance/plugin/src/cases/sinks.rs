//! Events for sinks.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rfid_abi::{Loss, Status, Str};
use serde_json::Value;

use super::{LONG, SHORT, on_component};
use crate::bench::{Bench, CLOSING, READING, expect};
use crate::case::{AppliesTo, Case, Group, Stop, Verdict, fail, skip};
use crate::events::{Batch, FIRST_NS, Written, digits_of};
use crate::instance::{Answer, Instance};
use crate::process;

const fn case(
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Sinks, AppliesTo::Sink, SHORT, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        "sinks/accepts-from-the-front",
        accepts_from_the_front,
        "`accepted` is at most `count`, and the rest is taken when it is offered again.",
        "Count what is safe with you, from the front; say BUSY or fewer when more cannot be taken now.",
    ),
    case(
        "sinks/in-order",
        in_order,
        "What was accepted is there after `flush`, in the order in which it came.",
        "Write from the front; what must be tried again goes before what came later.",
    ),
    case(
        "sinks/batch-untouched",
        batch_untouched,
        "The batch is not written to.",
        "Copy what you want to change.",
    ),
    case(
        "sinks/batch-not-kept",
        batch_not_kept,
        "The batch is not touched after `write` has returned.",
        "Copy what you need later, also for a thread of your own.",
    ),
    case(
        "sinks/keeps-to-stride",
        keeps_to_stride,
        "Events are found every `stride` bytes.",
        "Step from event to event by `stride`, not by the size of the struct.",
    ),
    case(
        "sinks/adds-well-formed-records",
        records,
        "What a sink adds to events names accepted events, is JSON, and fits.",
        "Compare `records_len` with `records_capacity` before each item; accept fewer events if it is full.",
    ),
    case(
        "sinks/empty-batch",
        |bench| write_one(bench, 0),
        "A batch without events is no error.",
        "Look at `count` before the first event.",
    ),
    Case {
        limit: LONG,
        ..case(
            "sinks/large-batch",
            |bench| write_one(bench, 10_000),
            "A batch of ten thousand events is taken, in as many parts as the sink likes.",
            "Bound what you keep in memory, and accept only so many.",
        )
    },
    case(
        "sinks/same-events-again",
        same_events_again,
        "Events that were delivered before, and older ones, are taken.",
        "The host delivers at least once: compare `event_id` if twice matters, and refuse nothing.",
    ),
    case(
        "sinks/loss",
        loss,
        "Word of events that will never come is taken at any time while open.",
        "Note it, or leave the function out.",
    ),
    case(
        "sinks/probe",
        probe,
        "`probe` comes back in time, takes hold of nothing, and `open` works after it.",
        "Close in `probe` what it opened.",
    ),
    case(
        "sinks/returns-in-time",
        returns_in_time,
        "`write` and `flush` come back within their limits.",
        "Wait with a time limit; accept nothing and say BUSY when it is over.",
    ),
];

/// Offers events once, for cases about something else.
pub(super) fn write_some(instance: &Instance) -> Result<Answer, Stop> {
    Ok(Batch::of(0, 20)?.write(instance, 0, CLOSING).answer)
}

pub(super) fn write_nothing(instance: &Instance) -> Result<Answer, Stop> {
    Ok(Batch::of(0, 0)?.write(instance, 0, READING).answer)
}

/// Offers a batch until all of it is taken.
fn deliver(instance: &Instance, batch: &Batch) -> Result<(), Stop> {
    deliver_and(instance, batch, |_, _| Ok(()))
}

/// The same, with a look at each answer and at how many events were offered.
fn deliver_and(
    instance: &Instance,
    batch: &Batch,
    mut look: impl FnMut(&Written, u32) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (mut from, mut last) = (0, Instant::now());
    loop {
        let offered = batch.count() - from;
        let written = batch.write(instance, from, READING);
        if !written.answer.is(Status::BUSY) {
            written.answer.clone().ok()?;
        }
        let accepted = written.result.accepted;
        expect(accepted <= offered, || format!("of {offered} events {accepted} were accepted"))?;
        look(&written, offered)?;
        if accepted > 0 {
            last = Instant::now();
        }
        from += accepted;
        if from >= batch.count() {
            return Ok(());
        }
        if last.elapsed() > Duration::from_secs(10) {
            return fail(format!(
                "{} of {} events were not taken in 10 s",
                batch.count() - from,
                batch.count()
            ));
        }
        let wait = u64::from(written.result.retry_after_ms.min(1_000));
        std::thread::sleep(Duration::from_millis(wait));
    }
}

fn end(instance: &Instance) -> Verdict {
    instance.flush(CLOSING).ok()?;
    instance.close(CLOSING).ok()?;
    Ok(None)
}

fn write_one(bench: &Bench, events: u32) -> Verdict {
    let instance = bench.opened()?;
    deliver(&instance, &Batch::of(0, events)?)?;
    end(&instance)
}

fn accepts_from_the_front(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    for (turn, size) in [1, 16, 256, 1, 1_000].into_iter().enumerate() {
        let batch = Batch::of(turn as u32 * 1_000, size)?;
        deliver_and(&instance, &batch, |written, offered| {
            let is_busy = written.answer.is(Status::BUSY);
            expect(!is_busy || written.result.accepted < offered, || {
                "`write` said BUSY, and that it took all events".to_owned()
            })
        })?;
    }
    end(&instance)
}

/// Looks into the files that it has open, which is all that can be known of where its events go.
fn in_order(bench: &Bench) -> Verdict {
    let instance = bench.create()?;
    let before = process::descriptors();
    bench.open(&instance)?;
    let files: Vec<(PathBuf, usize)> = process::descriptors()
        .into_iter()
        .filter(|(number, target)| before.get(number) != Some(target))
        .filter_map(|(_, target)| Some((fs::metadata(&target).ok().filter(fs::Metadata::is_file)?, target)))
        .map(|(metadata, target)| (target, metadata.len() as usize))
        .collect();
    if files.is_empty() {
        return skip("it has no file open in which its events could be looked for");
    }
    // Other cases may write to the same file, and earlier runs may have.
    let (first, mut count) = (u64::from(std::process::id()) << 32, 0);
    let mut takes_what_is_busy = false;
    for size in [1, 16, 200] {
        let batch = Batch::of_new_tags(first + count, size)?;
        deliver_and(&instance, &batch, |written, offered| {
            takes_what_is_busy |= written.answer.is(Status::BUSY) && written.result.accepted == offered;
            Ok(())
        })?;
        count += u64::from(size);
    }
    end(&instance)?;
    if takes_what_is_busy {
        return skip("what it took is not clear; see sinks/accepts-from-the-front");
    }
    for (file, len) in files {
        let bytes = fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes.get(len..).unwrap_or_default()).to_lowercase();
        let places: Vec<Option<usize>> =
            (first..first + count).map(|tag| text.find(&digits_of(tag))).collect();
        if places.iter().all(Option::is_none) {
            continue;
        }
        let missing = places.iter().filter(|place| place.is_none()).count();
        let file = file.display();
        expect(missing == 0, || {
            format!("{missing} of {count} accepted events are not in {file} after `flush`")
        })?;
        return match places.iter().zip(places.iter().skip(1)).position(|(a, b)| a > b) {
            Some(index) => fail(format!("in {file} event {} stands before event {}", index + 2, index + 1)),
            None => Ok(Some(format!("{count} events in {file}"))),
        };
    }
    skip("the files that it has open do not name tags by their digits")
}

fn batch_untouched(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    for turn in 0..5 {
        let batch = Batch::of(turn * 100, 100)?;
        batch.make_read_only()?;
        deliver(&instance, &batch)?;
    }
    end(&instance)
}

fn batch_not_kept(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    let mut kept = Vec::new();
    for turn in 0..5 {
        let batch = Batch::of(turn * 100, 100)?;
        deliver(&instance, &batch)?;
        batch.take_away()?;
        kept.push(batch);
        std::thread::sleep(Duration::from_millis(20));
    }
    let verdict = end(&instance);
    drop(kept);
    verdict
}

fn keeps_to_stride(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    deliver(&instance, &Batch::islands(0, 8)?)?;
    end(&instance)
}

fn records(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    let mut added = 0;
    for (turn, capacity) in [65_536, 4_096, 64, 0].into_iter().enumerate() {
        let batch = Batch::of(turn as u32 * 50, 50)?.with_room_for_records(capacity);
        let written = batch.write(&instance, 0, CLOSING);
        if written.answer.is(Status::BUSY) {
            continue;
        }
        written.answer.clone().ok()?;
        expect(written.result.records_len <= capacity, || {
            format!("with room for {capacity} bytes `records_len` is {}", written.result.records_len)
        })?;
        added += items_of(&written.records, written.result.accepted).or_else(fail)?;
    }
    end(&instance)?;
    if added == 0 { skip("it adds nothing to events") } else { Ok(Some(format!("{added} records"))) }
}

/// Goes through what was added to events, and says how many those are.
fn items_of(mut rest: &[u8], accepted: u32) -> Result<u32, String> {
    let mut count = 0;
    while !rest.is_empty() {
        let Some((&[a, b, c, d, e, f, g, h], behind)) = rest.split_first_chunk::<8>() else {
            return Err("a record ends within its head".to_owned());
        };
        let index = u32::from_ne_bytes([a, b, c, d]);
        let len = u32::from_ne_bytes([e, f, g, h]) as usize;
        if index >= accepted {
            return Err(format!("a record is for event {index}, where {accepted} were accepted"));
        }
        let Some((json, behind)) = behind.split_at_checked(len) else {
            return Err(format!("a record of {len} bytes where {} are left", behind.len()));
        };
        match serde_json::from_slice(json) {
            Ok(Value::Object(_)) => count += 1,
            Ok(_) => return Err("a record is no JSON object".to_owned()),
            Err(error) => return Err(format!("a record is no JSON: {error}")),
        }
        rest = behind;
    }
    Ok(count)
}

fn same_events_again(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    for first in [1_000, 1_000, 0, 1_000] {
        deliver(&instance, &Batch::of(first, 10)?)?;
    }
    end(&instance)
}

fn loss(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    let loss = Loss {
        struct_size: size_of::<Loss>() as u32,
        reserved: 0,
        count: 7,
        from_ns: FIRST_NS,
        to_ns: FIRST_NS + 1_000_000_000,
        reason: Str::new("the disk was full"),
    };
    for turn in 0..3 {
        let Some(answer) = instance.lost(&loss) else { return skip("it has no `lost`") };
        answer.ok()?;
        deliver(&instance, &Batch::of(turn * 10, 10)?)?;
    }
    end(&instance)
}

fn probe(bench: &Bench) -> Verdict {
    let instance = bench.create()?;
    let limit = bench.reaching();
    for _ in 0..2 {
        let Some(answer) = instance.probe(limit) else { return skip("it has no `probe`") };
        answer.in_time(limit)?;
        if !answer.status.is_ok() {
            return bench.unreached(answer);
        }
    }
    bench.open(&instance)?;
    deliver(&instance, &Batch::of(0, 10)?)?;
    end(&instance)
}

fn returns_in_time(bench: &Bench) -> Verdict {
    let instance = bench.opened()?;
    for turn in 0..10 {
        let written = Batch::of(turn * 256, 256)?.write(&instance, 0, READING);
        written.answer.in_time(READING)?;
    }
    let answer = instance.flush(Duration::from_secs(1));
    answer.in_time(Duration::from_secs(1))?;
    Ok(None)
}
