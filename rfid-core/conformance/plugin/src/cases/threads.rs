//! Instances side by side, and what they leave running.

use std::thread;
use std::time::{Duration, Instant};

use rfid_abi::{MODULE_ONE_PER_PROCESS, Status};

use super::{SHORT, on_component};
use crate::bench::{Bench, CLOSING};
use crate::case::{AppliesTo, Case, Group, Stop, Verdict, fail, skip};
use crate::cases::footprint::life;
use crate::process;

const fn case(
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    on_component(Group::Threads, AppliesTo::Component, SHORT, name, run, about, advice)
}

pub(super) const CASES: &[Case] = &[
    case(
        "threads/ten-instances",
        ten_instances,
        "Ten instances live at the same time, each on a thread of its own.",
        "Keep everything in the instance; guard what instances share, or set ONE_PER_PROCESS.",
    ),
    case(
        "threads/none-left",
        none_left,
        "A second after `close` no thread of the instance runs.",
        "Join in `close` what `open` and `start` started.",
    ),
    case(
        "threads/host-while-valid",
        host_while_valid,
        "Functions of the host are called with what the header asks for, and never after `destroy`.",
        "Forget the host before `destroy` returns, on each thread.",
    ),
];

fn ten_instances(bench: &Bench) -> Verdict {
    if bench.has_flag(MODULE_ONE_PER_PROCESS) {
        return skip("it says that a process can have one instance only");
    }
    // Whether one can live at all is another case's matter.
    drop(bench.opened()?);
    let ended: Vec<Result<Reached, Stop>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(|| one_of_ten(bench))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| skip("the suite panicked")))
            .collect()
    });
    let (mut failed, mut not_tried, mut busy) = (Vec::new(), None, 0);
    for ended in ended {
        match ended {
            Ok(Reached::Yes) => {}
            Ok(Reached::Busy) => busy += 1,
            Err(Stop::Failed(reason) | Stop::Warned(reason)) => failed.push(reason),
            Err(Stop::Skipped(reason)) => not_tried = Some(reason),
        }
    }
    match (failed.first(), not_tried) {
        (Some(reason), _) => fail(format!("{} of 10 did not: {reason}", failed.len())),
        (None, Some(reason)) => skip(reason),
        (None, None) if busy == 10 => skip("`open` said BUSY to each"),
        (None, None) if busy > 0 => Ok(Some(format!("`open` said BUSY to {busy} of 10"))),
        (None, None) => Ok(None),
    }
}

/// Whether one of several instances got to the reader, or the sink to what it delivers to.
enum Reached {
    Yes,
    /// Many a reader serves one client at a time, and a serial line every one.
    Busy,
}

fn one_of_ten(bench: &Bench) -> Result<Reached, Stop> {
    let instance = bench.create()?;
    let answer = instance.open(bench.reaching());
    if answer.is(Status::BUSY) {
        instance.close(CLOSING).ok()?;
        return Ok(Reached::Busy);
    }
    answer.ok()?;
    if bench.component().is_driver() {
        let lent = crate::lent::Lent::ordinary()?;
        instance.start().ok()?;
        for _ in 0..20 {
            lent.read(&instance, Duration::from_millis(20)).answer.ok()?;
        }
        instance.stop().ok()?;
    } else {
        for _ in 0..20 {
            let answer = super::sinks::write_some(&instance)?;
            if !answer.is(Status::BUSY) {
                answer.ok()?;
            }
        }
        instance.flush(CLOSING).ok()?;
    }
    instance.close(CLOSING).ok()?;
    Ok(Reached::Yes)
}

fn none_left(bench: &Bench) -> Verdict {
    // What the plugin starts once for all its instances may stay.
    life(bench)?;
    let before = process::threads();
    let instance = bench.create()?;
    for _ in 0..3 {
        if instance.open(bench.reaching()).status.is_ok() && bench.component().is_driver() {
            instance.start();
            instance.stop();
        }
        instance.close(CLOSING);
    }
    let start = Instant::now();
    while process::threads() > before {
        if start.elapsed() > Duration::from_secs(1) {
            return fail(format!("{} threads run on", process::threads() - before));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(None)
}

fn host_while_valid(bench: &Bench) -> Verdict {
    let hosts = [(); 3].map(|()| bench.host(&[]));
    for host in hosts {
        super::footprint::life_on(bench, host)?;
    }
    // Threads that were forgotten may speak up yet.
    thread::sleep(Duration::from_millis(300));
    match hosts.iter().find_map(|host| host.heard().faults.first().cloned()) {
        Some(fault) => fail(fault),
        None => Ok(None),
    }
}
