//! How fast reads come. Nothing here fails: readers are as fast as they are.

use std::time::{Duration, Instant};

use rfid_abi::TagRead;

use super::{SHORT, on_component};
use crate::bench::Bench;
use crate::case::{AppliesTo, Case, Group, Verdict, warn};
use crate::lent::{Edge, Lent};

pub(super) const CASES: &[Case] = &[on_component(
    Group::Speed,
    AppliesTo::Driver,
    SHORT,
    "speed/reads",
    reads,
    "Reads come in batches without taking long.",
    "Deliver all that is there in one call; allocate nothing for a read.",
)];

/// For each size of batch.
const MEASURED: Duration = Duration::from_millis(500);

/// A call that delivers and waits for nothing takes less than this.
const SLOW: Duration = Duration::from_millis(10);

fn reads(bench: &Bench) -> Verdict {
    let instance = bench.reading()?;
    let mut notes = Vec::new();
    let mut slow = Duration::ZERO;
    for capacity in [1, 16, 256] {
        let lent = Lent::new(capacity, size_of::<TagRead>(), Edge::Neither, 16_384)?;
        let (mut count, mut spent, mut calls) = (0_u64, Duration::ZERO, Vec::new());
        let start = Instant::now();
        while start.elapsed() < MEASURED && calls.len() < 100_000 {
            let delivered = lent.read(&instance, Duration::ZERO);
            if delivered.count > 0 {
                count += u64::from(delivered.count);
                spent += delivered.answer.took;
                calls.push(delivered.answer.took);
            }
        }
        calls.sort_unstable();
        let Some(p99) = calls.get(calls.len() * 99 / 100) else { continue };
        slow = slow.max(*p99);
        let each = spent.as_nanos() as f64 / count as f64;
        notes.push(format!("{each:.0} ns per read with room for {capacity} (p99 of a call {p99:.1?})"));
    }
    let notes = notes.join(", ");
    if slow > SLOW {
        return warn(format!("{notes}; a call with nothing to wait for should take less than {SLOW:?}"));
    }
    Ok(Some(notes))
}
