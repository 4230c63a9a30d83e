//! A host that takes nothing for a while.

use std::time::{Duration, Instant};

use rfid_abi::TagRead;

use super::{LONG, on_component};
use crate::bench::Bench;
use crate::case::{AppliesTo, Case, Group, Verdict, fail};
use crate::lent::{Edge, Lent};
use crate::process;

pub(super) const CASES: &[Case] = &[on_component(
    Group::BackPressure,
    AppliesTo::Driver,
    LONG,
    "back-pressure/holds-30-seconds",
    holds,
    "While the host takes nothing, memory does not grow, and reading goes on afterwards.",
    "Bound what is kept between two calls, drop the oldest, and count it into `lost`.",
)];

/// Memory that may be gained while queues are full.
const MEMORY: u64 = 2 * 1024 * 1024;

fn holds(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let none = Lent::new(0, size_of::<TagRead>(), Edge::Neither, 0)?;
    let hold = Duration::from_secs(u64::from(bench.times(30, 2)));
    let start = Instant::now();
    let mut before = None;
    let mut lost = 0;
    while start.elapsed() < hold {
        let pause = Duration::from_millis(100);
        let delivered = none.read(&instance, pause);
        if !delivered.answer.status.is_ok() {
            return fail(format!("{}, while the host took nothing", delivered.answer));
        }
        lost += delivered.lost;
        // Queues fill up in the first half.
        if before.is_none() && start.elapsed() > hold / 2 {
            before = Some(process::memory());
        }
        std::thread::sleep(pause.saturating_sub(delivered.answer.took));
    }
    let gained = process::memory().saturating_sub(before.unwrap_or_default());
    if before.is_some() && gained > MEMORY {
        return fail(format!("in the second half of {hold:?} memory grew by {} KiB", gained / 1024));
    }
    bench.first_tag(&instance)?;
    Ok(Some(format!("{lost} reads lost meanwhile")))
}
