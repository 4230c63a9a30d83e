//! Panics, ends, and what is reported of errors.

use std::time::{Duration, Instant};

use rfid_abi::Status;

use super::{SHORT, on_component};
use crate::bench::{Bench, CLOSING};
use crate::case::{AppliesTo, Case, Group, Stop, Verdict, fail, skip, warn};
use crate::cases::footprint::{life, life_on};
use crate::child::ENDS_IN_ORDER;
use crate::instance::Answer;
use crate::lent::Lent;
use crate::proxy;

const fn case(
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Faults, AppliesTo::Component, SHORT, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        "faults/no-panic",
        no_panic,
        "No call panics or throws.",
        "See the message for the place, and turn what can happen into an error.",
    ),
    case(
        "faults/poisoned",
        poisoned,
        "An instance that panicked refuses all calls with PANIC, and can be destroyed.",
        "Use the crate's macro or the header's C++ class, which see to that.",
    ),
    case(
        "faults/error-texts",
        error_texts,
        "Errors carry the status again, and a message in UTF-8 that fits.",
        "Fill the error with the function that the header or the crate has for it.",
    ),
    case(
        "faults/null-error",
        null_error,
        "Calls work where the host wants no error text.",
        "Compare the pointer with null before writing to it.",
    ),
    case(
        "faults/log-flood",
        log_flood,
        "The log stays readable: less than a hundred lines in a second of ordinary work.",
        "Log what changes, not each read; above debug nothing that repeats.",
    ),
    case(
        ENDS_IN_ORDER,
        ends_in_order,
        "After everything was destroyed the process ends without a crash.",
        "Run nothing in destructors of static objects that counts on threads or other libraries.",
    ),
];

fn no_panic(bench: &Bench) -> Verdict {
    let (steps, after) = until_panic(bench)?;
    match steps.into_iter().chain(after).find(|answer| answer.is(Status::PANIC)) {
        Some(answer) => fail(format!("{answer}")),
        None => Ok(None),
    }
}

fn poisoned(bench: &Bench) -> Verdict {
    let (_, after) = until_panic(bench)?;
    if after.is_empty() {
        return skip("nothing panicked");
    }
    match after.iter().find(|answer| !answer.is(Status::PANIC)) {
        Some(other) => fail(format!("after a panic: {other}")),
        None => Ok(None),
    }
}

/// Calls one thing after another for a second, and where something panics some more: what was
/// said until then, and from then on.
fn until_panic(bench: &Bench) -> Result<(Vec<Answer>, Vec<Answer>), Stop> {
    let (instance, answer) = bench.try_create(bench.options()?.to_string().as_bytes());
    let mut steps = vec![answer];
    let Some(instance) = instance else { return Ok((steps, Vec::new())) };
    let lent = Lent::ordinary()?;
    let is_driver = bench.component().is_driver();
    let work = || -> Result<Answer, Stop> {
        if is_driver {
            return Ok(lent.read(&instance, Duration::from_millis(50)).answer);
        }
        super::sinks::write_some(&instance)
    };
    steps.push(instance.open(bench.reaching()));
    if is_driver {
        steps.push(instance.start());
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) && steps.iter().all(|answer| answer.status.is_ok()) {
        steps.push(work()?);
    }
    let good = steps.iter().take_while(|answer| !answer.is(Status::PANIC)).count();
    let mut after = steps.split_off(good);
    if !after.is_empty() {
        after.push(work()?);
        after.push(if is_driver { instance.stop() } else { instance.flush(CLOSING) });
    }
    Ok((steps, after))
}

fn error_texts(bench: &Bench) -> Verdict {
    let (instance, answer) = bench.try_create(b"[\"no options at all\"]");
    let mut answers = vec![answer];
    drop(instance);
    answers.extend(life(bench)?);
    let instance = bench.create()?;
    if bench.component().is_driver() {
        answers.extend([instance.start(), instance.stop()]);
    }
    if let (Ok(address), true) = (proxy::nobody(), bench.address().is_ok()) {
        let nowhere = bench.create_with(&bench.options_with_address(&address.to_string())?)?;
        answers.push(nowhere.open(Duration::from_secs(2)));
    }
    match answers.into_iter().find_map(|answer| answer.fault) {
        Some(fault) => fail(fault),
        None => Ok(None),
    }
}

fn null_error(bench: &Bench) -> Verdict {
    let instance = match bench.address() {
        Ok(_) => {
            let nobody = proxy::nobody().or_else(|error| skip(error.to_string()))?;
            bench.create_with(&bench.options_with_address(&nobody.to_string())?)?
        }
        // Without an address nothing is known that fails but a second `open`.
        Err(_) => bench.create()?,
    };
    let limit = Duration::from_secs(2);
    instance.open_without_error(limit);
    instance.open_without_error(limit);
    instance.close(CLOSING);
    Ok(None)
}

/// Lines in a second that are many; ten times as many are too many.
const FLOOD: u64 = 100;

fn log_flood(bench: &Bench) -> Verdict {
    let host = bench.host(&[]);
    let start = Instant::now();
    life_on(bench, host)?;
    let seconds = start.elapsed().as_secs() + 1;
    let said = format!("{} lines in {seconds} s", host.said());
    match host.said() / seconds {
        each if each > 10 * FLOOD => fail(said),
        each if each > FLOOD => warn(said),
        _ => Ok(None),
    }
}

fn ends_in_order(bench: &Bench) -> Verdict {
    life(bench)?;
    bench.deinit();
    Ok(None)
}
