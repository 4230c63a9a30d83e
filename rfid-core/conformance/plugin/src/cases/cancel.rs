//! Calls that are interrupted.

use std::thread;
use std::time::{Duration, Instant};

use rfid_abi::Status;

use super::{LONG, SHORT, on_component};
use crate::bench::{Bench, CLOSING};
use crate::case::{AppliesTo, Case, Group, Stop, Verdict, fail, skip};
use crate::instance::{Answer, CERTAIN, GRACE, Instance};
use crate::lent::Lent;
use crate::proxy;

const fn case(
    applies_to: AppliesTo,
    limit: Duration,
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Cancel, applies_to, limit, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        AppliesTo::Component,
        SHORT,
        "cancel/before",
        before,
        "After `cancel` every call but `close` says CANCELLED, until `close`; then all works again.",
        "Keep a flag that `cancel` sets and `close` takes back.",
    ),
    case(
        AppliesTo::Component,
        SHORT,
        "cancel/during-open",
        during_open,
        "`cancel` from another thread makes an `open` return within 250 ms.",
        "Wait in `open` on something that `cancel` can wake: a pipe, an eventfd, short turns.",
    ),
    case(
        AppliesTo::Driver,
        SHORT,
        "cancel/during-read",
        during_read,
        "`cancel` from another thread makes a `read` return within 250 ms.",
        "Wait in `read` on something that `cancel` can wake.",
    ),
    case(
        AppliesTo::Driver,
        LONG,
        "cancel/at-any-time",
        at_any_time,
        "`cancel` at a thousand different moments never blocks, and what comes after `close` works.",
        "Set an atomic flag and wake the waiting call; take no lock that a call holds while it waits.",
    ),
    case(
        AppliesTo::Component,
        SHORT,
        "cancel/again",
        again,
        "`cancel` may come twice, at once from two threads, and when nothing is open.",
        "Do nothing more in `cancel` than what can be done twice.",
    ),
];

fn before(bench: &Bench) -> Verdict {
    let instance = bench.create()?;
    let cancelled = |answer: Answer, when: &str| answer.refused(Status::CANCELLED, when).map(drop);
    bench.open(&instance)?;
    if bench.component().is_driver() {
        instance.start().ok()?;
        instance.cancel();
        let lent = Lent::ordinary()?;
        for _ in 0..2 {
            cancelled(lent.read(&instance, Duration::from_millis(50)).answer, "`read` after `cancel`")?;
        }
    } else {
        instance.cancel();
        cancelled(super::sinks::write_some(&instance)?, "`write` after `cancel`")?;
    }
    instance.close(CLOSING).ok()?;
    instance.cancel();
    cancelled(instance.open(bench.reaching()), "`open` after `cancel`")?;
    instance.close(CLOSING).ok()?;
    instance.open(bench.reaching()).ok()?;
    Ok(None)
}

fn during_open(bench: &Bench) -> Verdict {
    let mute = proxy::mute().or_else(|error| skip(format!("there is no network to try it on: {error}")))?;
    let address = mute.local_addr().or_else(|error| skip(error.to_string()))?;
    let instance = bench.create_with(&bench.options_with_address(&address.to_string())?)?;
    let answer = cancelled_after(&instance, Duration::from_millis(100), |instance| {
        instance.open(Duration::from_secs(10))
    })?;
    if answer.status.is_ok() {
        return skip("`open` waits for no answer of the reader");
    }
    // With some leeway: the other thread counts from when it began.
    if !answer.is(Status::CANCELLED) && answer.took < Duration::from_millis(50) {
        return skip(format!("`open` did not wait: {answer}"));
    }
    answer.refused(Status::CANCELLED, "`open`, cancelled")?;
    instance.close(CLOSING).ok()?;
    Ok(None)
}

fn during_read(bench: &Bench) -> Verdict {
    let instance = bench.running()?;
    let lent = Lent::ordinary()?;
    let answer = cancelled_after(&instance, Duration::from_millis(200), |instance| {
        // Tags make calls return before they are cancelled, and after if that goes unheard.
        let start = Instant::now();
        loop {
            let answer = lent.read(instance, Duration::from_secs(5)).answer;
            if !answer.status.is_ok() || answer.is(Status::END) || start.elapsed() > 2 * CERTAIN {
                return answer;
            }
        }
    })?;
    if answer.is(Status::END) {
        return skip("its source came to its end");
    }
    answer.refused(Status::CANCELLED, "`read`, cancelled")?;
    instance.close(CLOSING).ok()?;
    Ok(None)
}

/// Makes calls that another thread cancels after a while, and looks at how long they went on.
fn cancelled_after(
    instance: &Instance,
    after: Duration,
    calls: impl FnOnce(&Instance) -> Answer,
) -> Result<Answer, Stop> {
    let canceller = instance.canceller();
    let (answer, late) = thread::scope(|scope| {
        let cancelling = scope.spawn(move || {
            thread::sleep(after);
            let start = Instant::now();
            canceller.cancel();
            (start, start.elapsed())
        });
        let answer = calls(instance);
        let returned = Instant::now();
        match cancelling.join() {
            Ok((start, took)) => (answer, Ok((returned.saturating_duration_since(start), took))),
            Err(_) => (answer, skip("the suite's own thread panicked")),
        }
    });
    let (late, took) = late?;
    if took > CERTAIN {
        return fail(format!("`cancel` itself took {took:.0?}"));
    }
    if late > GRACE + CERTAIN {
        return fail(format!("`{}` came back {late:.0?} after `cancel`; {GRACE:?} are allowed", answer.call));
    }
    if late > GRACE {
        return Err(Stop::Warned(format!(
            "`{}` came back {late:.0?} after `cancel`; {GRACE:?} are allowed, unless this machine was busy",
            answer.call
        )));
    }
    Ok(answer)
}

fn at_any_time(bench: &Bench) -> Verdict {
    let instance = bench.running()?;
    instance.close(CLOSING).ok()?;
    let lent = Lent::ordinary()?;
    let (times, start) = (bench.times(1_000, 100), Instant::now());
    let mut done = 0;
    for turn in 0..times {
        // A slow reader is given as much as there is time for.
        if start.elapsed() > Duration::from_secs(40) {
            break;
        }
        let canceller = instance.canceller();
        let wait = Duration::from_micros(u64::from(turn.wrapping_mul(2_654_435_761) % 5_000));
        let late = thread::scope(|scope| {
            let cancelling = scope.spawn(move || {
                thread::sleep(wait);
                let start = Instant::now();
                canceller.cancel();
                (start.elapsed(), start)
            });
            let mut good = instance.open(bench.reaching()).status.is_ok() && instance.start().status.is_ok();
            let opened = Instant::now();
            while good {
                good = lent.read(&instance, Duration::from_millis(100)).answer.status.is_ok()
                    && opened.elapsed() < 2 * CERTAIN;
            }
            let returned = Instant::now();
            cancelling.join().map(|(took, start)| took.max(returned.saturating_duration_since(start)))
        });
        let Ok(late) = late else { return skip("the suite's own thread panicked") };
        if late > GRACE + CERTAIN {
            return fail(format!("cancelled after {wait:?}, a call came back {late:.0?} later"));
        }
        instance.close(CLOSING).ok()?;
        done += 1;
    }
    bench.running_on(instance)?;
    Ok(Some(format!("{done} times")))
}

fn again(bench: &Bench) -> Verdict {
    let instance = bench.create()?;
    let twice = |instance: &Instance| {
        instance.cancel();
        let canceller = instance.canceller();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(move || (0..100).for_each(|_| canceller.cancel()));
            }
        });
    };
    twice(&instance);
    instance.close(CLOSING).ok()?;
    bench.open(&instance)?;
    twice(&instance);
    instance.close(CLOSING).ok()?;
    twice(&instance);
    instance.close(CLOSING).ok()?;
    instance.open(bench.reaching()).ok()?;
    Ok(None)
}
