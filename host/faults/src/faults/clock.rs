//! The wall clock jumps: by hours, by days, to 1970. Needs libfaketime.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::lock;
use crate::oracle::Verdict;

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];
/// Jumps, in the words of libfaketime; back to the right time in between.
const JUMPS: [&str; 6] = ["+2h", "-2h", "+1d", "-1d", "+30d", "@1970-01-02 00:00:00"];
const LOST_AFTER: Duration = Duration::from_secs(2);
/// By how much a departure may be early or late.
const TOLERANCE: Duration = Duration::from_secs(1);

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let Some(library) = LIBRARIES.iter().find(|library| Path::new(library).exists()) else {
        return Ok(Outcome::Skipped("libfaketime is not installed".to_owned()));
    };
    let folder = tempfile::tempdir()?;
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0")?;
    let environment = [
        ("LD_PRELOAD", (*library).to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let wanted = Wanted { readers: 2, lost_after: "2s", environment, ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    lock(&branch.oracle).clock_moves = true;
    let mut verdict = Verdict::default();
    let (mut daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for station in 0..2 {
        branch.present(station, 3)?;
    }
    branch.settle(Duration::from_secs(10)).await;
    let jumps = if play.quick { JUMPS.get(..2).unwrap_or_default() } else { &JUMPS };
    let mut slowest = Duration::ZERO;
    for _ in 0..play.trials {
        for there_and_back in jumps.iter().flat_map(|jump| [*jump, "+0"]) {
            let here = branch.present(0, 2)?;
            branch.settle(Duration::from_secs(10)).await;
            std::fs::write(&clock, there_and_back)?;
            let begin = Instant::now();
            branch.leave(0, &here)?;
            let departed = branch.settle(Duration::from_secs(10)).await;
            let took = begin.elapsed();
            let is_true = departed && took + TOLERANCE > LOST_AFTER && took < LOST_AFTER + TOLERANCE;
            verdict.expect(is_true, || format!("clock to {there_and_back}: departure after {took:?}"));
            let begin = Instant::now();
            branch.present(1, 1)?;
            branch.settle(Duration::from_secs(10)).await;
            slowest = slowest.max(begin.elapsed());
        }
    }
    verdict.expect(slowest < Duration::from_secs(2), || format!("an arrival took {slowest:?}"));
    // What was kept under a wrong clock must not trouble a start under the right one.
    branch.end(&mut daemon, &mut verdict).await?;
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    verdict.detail(format!(
        "{} jumps; departures true to ± 1 s by the monotonic clock, arrivals within {} ms",
        jumps.len() * 2,
        slowest.as_millis()
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}
