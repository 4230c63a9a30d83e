//! The cases, one file for each group.

use std::sync::LazyLock;
use std::time::Duration;

use crate::bench::Bench;
use crate::case::{AppliesTo, Case, Group, Run, Verdict};

mod back_pressure;
mod cancel;
mod config;
mod descriptor;
mod errors;
mod faults;
mod footprint;
mod lifecycle;
mod load;
mod read;
mod sinks;
mod speed;
mod threads;

/// In the order of the groups.
pub(crate) static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let groups: [&[Case]; 13] = [
        load::CASES,
        descriptor::CASES,
        config::CASES,
        lifecycle::CASES,
        read::CASES,
        back_pressure::CASES,
        cancel::CASES,
        errors::CASES,
        threads::CASES,
        faults::CASES,
        sinks::CASES,
        footprint::CASES,
        speed::CASES,
    ];
    groups.concat()
});

/// How long a case may take that waits for nothing.
const SHORT: Duration = Duration::from_secs(30);

/// How long one may take that repeats something many times.
const LONG: Duration = Duration::from_secs(120);

/// A case on a component.
const fn on_component(
    group: Group,
    applies_to: AppliesTo,
    limit: Duration,
    name: &'static str,
    run: fn(&Bench) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    Case { name, group, about, advice, limit, applies_to, run: Run::Bench(run) }
}
