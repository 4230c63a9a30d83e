//! Connections that break.

use std::time::{Duration, Instant};

use rfid_abi::Status;

use super::{LONG, on_component};
use crate::bench::{Bench, CLOSING, READING, expect};
use crate::case::{AppliesTo, Case, Group, Verdict, fail, skip};
use crate::lent::Lent;
use crate::proxy::{Cable, Proxy};

/// How long a driver may take to notice that a reader says nothing any more.
const SILENCE: Duration = Duration::from_secs(60);

const fn case(name: &'static str, run: fn(&Bench) -> Verdict, about: &'static str) -> Case {
    on_component(
        Group::Errors,
        AppliesTo::Driver,
        LONG,
        name,
        run,
        about,
        "Say IO or PROTOCOL with RECONNECT, and let `close` and `open` begin anew.",
    )
}

pub(super) const CASES: &[Case] = &[
    case(
        "errors/cut",
        |bench| breaks(bench, Proxy::cut),
        "A connection that the reader ends is an error that asks for a new one, which then works.",
    ),
    case(
        "errors/reset",
        |bench| breaks(bench, Proxy::reset),
        "A connection that is reset is an error that asks for a new one, which then works.",
    ),
    case(
        "errors/half-frame",
        |bench| breaks(bench, |proxy| proxy.set(Cable::HalfAPiece)),
        "Half a frame, and then nothing, is an error that asks for a new connection, which then works.",
    ),
    case(
        "errors/garbage",
        |bench| breaks(bench, |proxy| proxy.set(Cable::Garbage)),
        "What no reader says is an error that asks for a new connection, which then works.",
    ),
    case(
        "errors/stall",
        stall,
        "While the reader is mute, `read` comes back in time, and a new connection works afterwards.",
    ),
];

fn proxy(bench: &Bench) -> Result<Proxy, crate::case::Stop> {
    Proxy::to(&bench.address()?).or_else(|error| skip(format!("there is no network to try it on: {error}")))
}

fn breaks(bench: &Bench, break_it: fn(&Proxy)) -> Verdict {
    let proxy = proxy(bench)?;
    let instance = bench.create_with(&bench.options_with_address(&proxy.address().to_string())?)?;
    let instance = bench.running_on(instance)?;
    bench.first_tag(&instance)?;
    break_it(&proxy);
    let (lent, start) = (Lent::ordinary()?, Instant::now());
    let answer = loop {
        let answer = lent.read(&instance, READING).answer;
        if !answer.status.is_ok() {
            break answer;
        }
        if answer.is(Status::END) {
            return fail("`read` said END where the connection broke; that is for sources with an end");
        }
        if start.elapsed() > SILENCE {
            return fail(format!("after {SILENCE:?} `read` has not noticed"));
        }
    };
    if answer.is(Status::PANIC) {
        answer.clone().ok()?;
    }
    let kinds = [Status::IO, Status::PROTOCOL, Status::TIMEOUT, Status::NOT_CONNECTED];
    expect(kinds.contains(&answer.status), || format!("{answer}; it must say IO or PROTOCOL"))?;
    expect(answer.asks_for_reconnect(), || format!("{answer}, without RECONNECT"))?;
    proxy.set(Cable::Whole);
    instance.close(CLOSING).ok()?;
    instance.open(bench.reaching()).ok()?;
    instance.start().ok()?;
    match bench.first_tag(&instance) {
        Ok(()) => Ok(None),
        Err(_) => fail("after `close` and `open` no tag was read any more"),
    }
}

fn stall(bench: &Bench) -> Verdict {
    let proxy = proxy(bench)?;
    let instance = bench.create_with(&bench.options_with_address(&proxy.address().to_string())?)?;
    let instance = bench.running_on(instance)?;
    bench.first_tag(&instance)?;
    proxy.set(Cable::Stalled);
    let (lent, start) = (Lent::ordinary()?, Instant::now());
    let wait = Duration::from_secs(u64::from(bench.times(10, 2)));
    while start.elapsed() < wait {
        let answer = lent.read(&instance, READING).answer;
        answer.in_time(READING)?;
        if !answer.status.is_ok() {
            expect(answer.asks_for_reconnect(), || format!("{answer}, without RECONNECT"))?;
            break;
        }
    }
    let answer = instance.close(CLOSING);
    answer.in_time(CLOSING)?;
    proxy.set(Cable::Whole);
    proxy.cut();
    instance.open(bench.reaching()).ok()?;
    instance.start().ok()?;
    match bench.first_tag(&instance) {
        Ok(()) => Ok(None),
        Err(_) => fail("after `close` and `open` no tag was read any more"),
    }
}
