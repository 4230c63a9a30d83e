//! The order of calls.

use std::time::{Duration, Instant};

use rfid_abi::Status;

use super::{LONG, SHORT, on_component};
use crate::bench::{Bench, CLOSING, READING, expect};
use crate::case::{AppliesTo, Case, Group, Verdict, fail, skip};
use crate::child::GATE;
use crate::instance::{Answer, Instance};
use crate::lent::Lent;
use crate::{process, proxy};

const fn case(
    name: &'static str,
    limit: Duration,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Lifecycle, AppliesTo::Component, limit, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        GATE,
        SHORT,
        order,
        "An instance lives through the order of calls, and through it again after `close`.",
        "Let `open` begin anew with nothing left of what was before.",
    ),
    case(
        "lifecycle/illegal-order",
        SHORT,
        illegal_order,
        "A call that is not allowed in a state says STATE.",
        "Keep the state in the instance and look at it first in every function.",
    ),
    case(
        "lifecycle/close-in-every-state",
        SHORT,
        close_in_every_state,
        "`close` is OK when nothing is open, after a failed `open`, while started, and twice.",
        "Close what is there, and call that a success.",
    ),
    case(
        "lifecycle/destroy-in-every-state",
        SHORT,
        destroy_in_every_state,
        "`destroy` is safe when nothing is open, while open, while started, and after `close`.",
        "Let `destroy` do what `close` does first.",
    ),
    case(
        "lifecycle/nobody-there",
        SHORT,
        nobody_there,
        "`open` fails within its limit where nobody answers, and says that trying again can help.",
        "Connect with a time limit; say NOT_CONNECTED or TIMEOUT, and never set FATAL.",
    ),
    case(
        "lifecycle/create-destroy-1000",
        LONG,
        create_destroy,
        "Creating and destroying leaves no memory, thread or descriptor behind.",
        "Free in `destroy` what `create` made.",
    ),
    case(
        "lifecycle/open-close-100",
        LONG,
        open_close,
        "Opening and closing leaves no memory, thread or descriptor behind.",
        "Free in `close` what `open` and `start` made, and join their threads.",
    ),
];

fn order(bench: &Bench) -> Verdict {
    let instance = bench.create()?;
    for round in 1..=3 {
        let answer = instance.open(bench.reaching());
        // Where it leads to is not known of an example.
        if !answer.status.is_ok() && round == 1 {
            return bench.unreached(answer);
        }
        answer.ok()?;
        if bench.component().is_driver() {
            for _ in 0..2 {
                instance.start().ok()?;
                for _ in 0..3 {
                    Lent::ordinary()?.read(&instance, READING).answer.ok()?;
                }
                instance.stop().ok()?;
                drain(&instance)?;
            }
        }
        instance.close(CLOSING).ok()?;
    }
    Ok(None)
}

/// Takes what was read and not delivered before `stop`.
fn drain(instance: &Instance) -> Result<(), crate::case::Stop> {
    let lent = Lent::ordinary()?;
    let start = Instant::now();
    loop {
        let delivered = lent.read(instance, Duration::from_millis(50));
        let answer = delivered.answer;
        if answer.is(Status::NO_DATA) || answer.is(Status::END) || answer.is(Status::STATE) {
            return Ok(());
        }
        answer.ok()?;
        if start.elapsed() > Duration::from_secs(5) {
            return fail("after `stop`, `read` goes on delivering and never says NO_DATA");
        }
    }
}

fn illegal_order(bench: &Bench) -> Verdict {
    let state = |answer: Answer, when: &str| answer.refused(Status::STATE, when).map(drop);
    let read = |instance: &Instance| -> Result<Answer, crate::case::Stop> {
        Ok(Lent::ordinary()?.read(instance, Duration::from_millis(50)).answer)
    };
    let instance = bench.create()?;
    let driver = bench.component().is_driver();
    if driver {
        state(instance.start(), "`start` before `open`")?;
        state(read(&instance)?, "`read` before `open`")?;
        state(instance.stop(), "`stop` before `open`")?;
    } else {
        state(super::sinks::write_nothing(&instance)?, "`write` before `open`")?;
        state(instance.flush(CLOSING), "`flush` before `open`")?;
    }
    bench.open(&instance)?;
    state(instance.open(bench.reaching()), "a second `open`")?;
    if driver {
        state(read(&instance)?, "`read` before `start`")?;
        state(instance.stop(), "`stop` before `start`")?;
        instance.start().ok()?;
        state(instance.start(), "a second `start`")?;
        state(instance.open(bench.reaching()), "`open` while started")?;
    }
    instance.close(CLOSING).ok()?;
    if driver {
        state(instance.start(), "`start` after `close`")?;
        state(read(&instance)?, "`read` after `close`")?;
    } else {
        state(super::sinks::write_nothing(&instance)?, "`write` after `close`")?;
    }
    Ok(None)
}

fn close_in_every_state(bench: &Bench) -> Verdict {
    let instance = bench.create()?;
    let close = |when: &str| {
        let answer = instance.close(CLOSING);
        if answer.is(Status::PANIC) || answer.status.is_ok() {
            return answer.ok().map(drop);
        }
        fail(format!("{when}: {answer}"))
    };
    close("`close` when nothing is open")?;
    if bench.address().is_ok() {
        let nowhere = bench.create_with(&bench.options_with_address(&unused_address()?)?)?;
        if !nowhere.open(Duration::from_secs(2)).status.is_ok() {
            let answer = nowhere.close(CLOSING);
            expect(answer.status.is_ok(), || format!("`close` after a failed `open`: {answer}"))?;
        }
    }
    bench.open(&instance)?;
    close("`close` while open")?;
    close("a second `close`")?;
    if bench.component().is_driver() {
        bench.open(&instance)?;
        instance.start().ok()?;
        close("`close` while started")?;
        close("`close` after that")?;
    }
    Ok(None)
}

fn unused_address() -> Result<String, crate::case::Stop> {
    match proxy::nobody() {
        Ok(address) => Ok(address.to_string()),
        Err(error) => skip(format!("there is no network to try it on: {error}")),
    }
}

fn destroy_in_every_state(bench: &Bench) -> Verdict {
    drop(bench.create()?);
    drop(bench.opened()?);
    if bench.component().is_driver() {
        drop(bench.running()?);
        let stopped = bench.running()?;
        stopped.stop().ok()?;
        drop(stopped);
    }
    let closed = bench.opened()?;
    closed.close(CLOSING).ok()?;
    drop(closed);
    Ok(None)
}

fn nobody_there(bench: &Bench) -> Verdict {
    let limit = Duration::from_secs(3);
    let mute = proxy::mute().or_else(|error| skip(format!("there is no network to try it on: {error}")))?;
    let mute = mute.local_addr().map(|address| (address, mute)).or_else(|error| skip(error.to_string()))?;
    for (what, address) in [("nobody", unused_address()?), ("somebody mute", mute.0.to_string())] {
        let instance = bench.create_with(&bench.options_with_address(&address)?)?;
        let answer = instance.open(limit);
        if answer.is(Status::PANIC) {
            answer.clone().ok()?;
        }
        answer.in_time(limit)?;
        if answer.status.is_ok() {
            // A protocol that begins with silence cannot know.
            expect(what != "nobody", || "`open` said OK where nobody is".to_owned())?;
        } else {
            let kinds = [Status::NOT_CONNECTED, Status::TIMEOUT, Status::IO];
            expect(kinds.contains(&answer.status), || {
                format!("{answer}; where {what} answers it must say NOT_CONNECTED or TIMEOUT")
            })?;
            expect(!answer.is_fatal(), || format!("{answer}, with FATAL, as if the reader never came back"))?;
        }
        instance.close(CLOSING).ok()?;
    }
    Ok(None)
}

/// Memory that may be gained by each repetition: what a heap's own grain may be, and no object.
const MEMORY: u64 = 512;

/// Memory that may be gained in any case.
const MEMORY_AT_ALL: u64 = 128 * 1024;

fn create_destroy(bench: &Bench) -> Verdict {
    let cycle = || bench.create().map(drop);
    leaves_nothing(bench.times(1_000, 300), cycle)
}

fn open_close(bench: &Bench) -> Verdict {
    let instance = bench.create()?;
    let cycle = || {
        bench.open(&instance)?;
        if bench.component().is_driver() {
            instance.start().ok()?;
            instance.stop().ok()?;
        }
        instance.close(CLOSING).ok().map(drop)
    };
    leaves_nothing(bench.times(100, 30), cycle)
}

/// Repeats something, a part of it to warm up, and compares the process before and after.
fn leaves_nothing(times: u32, cycle: impl Fn() -> Result<(), crate::case::Stop>) -> Verdict {
    for _ in 0..times.div_ceil(5) {
        cycle()?;
    }
    let before = (process::threads(), process::descriptors().len(), process::memory());
    for _ in 0..times {
        cycle()?;
    }
    settle(before.0);
    let (threads, descriptors, memory) =
        (process::threads(), process::descriptors().len(), process::memory());
    // One more or less at this very moment is none for each repetition.
    let some = times as usize / 2;
    if threads > before.0 + some {
        return fail(format!("{times} times left {} threads behind", threads - before.0));
    }
    if descriptors > before.1 + some {
        return fail(format!("{times} times left {} descriptors open", descriptors - before.1));
    }
    let gained = memory.saturating_sub(before.2);
    if gained > MEMORY_AT_ALL.max(MEMORY * u64::from(times)) {
        return fail(format!("{times} times left {} KiB behind", gained / 1024));
    }
    Ok(None)
}

/// Gives threads a second to end.
fn settle(threads: usize) {
    let start = Instant::now();
    while process::threads() > threads && start.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(10));
    }
}
