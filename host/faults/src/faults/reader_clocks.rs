//! Readers whose clocks are wrong by years.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rfid_core::UtcTime;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::lock;
use crate::oracle::Verdict;

const YEAR: u64 = 365 * 86_400;
/// Behind, ahead, and as a reader without a battery begins.
const CLOCKS: [&str; 3] = ["2004-02-29T12:00:00Z", "2036-12-31T23:59:58Z", "1970-01-01T00:00:00Z"];
const LOST_AFTER: Duration = Duration::from_secs(2);
const TOLERANCE: Duration = Duration::from_secs(1);

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let reader_clocks = CLOCKS
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<UtcTime>, String>>()
        .map_err(anyhow::Error::msg)?;
    let wanted = Wanted { readers: 4, lost_after: "2s", reader_clocks, ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for _ in 0..play.trials {
        let mut cards = Vec::new();
        for station in 0..4 {
            cards.push(branch.present(station, 1)?);
        }
        branch.settle(Duration::from_secs(10)).await;
        let begin = Instant::now();
        for (station, cards) in cards.iter().enumerate() {
            branch.leave(station, cards)?;
        }
        let departed = branch.settle(Duration::from_secs(10)).await;
        let took = begin.elapsed();
        let is_true = departed && took + TOLERANCE > LOST_AFTER && took < LOST_AFTER + TOLERANCE;
        verdict.expect(is_true, || format!("departures after {took:?}"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut told = [0; CLOCKS.len() + 1];
    for heard in lock(&branch.oracle).heard.iter().filter(|heard| heard.fact.kind == "arrived") {
        let fact = &heard.fact;
        let Some(said) = fact.reader_time.map(seconds) else {
            verdict.wrong(format!("{} does not say what the reader's clock said", fact.card));
            continue;
        };
        verdict.expect(seconds(fact.time).abs_diff(now) < 3_600, || {
            format!("not by the host's clock: {fact:?}")
        });
        let begin = (CLOCKS.iter().enumerate()).find(|(number, _)| fact.reader == format!("r{number}"));
        let (number, begin) = match begin {
            Some((number, text)) => (number, seconds(text.parse().map_err(anyhow::Error::msg)?)),
            None => (CLOCKS.len(), now - 3_600),
        };
        verdict.expect((begin..begin + 2 * 3_600).contains(&said), || {
            format!("{begin} is not the clock of {fact:?}")
        });
        if let Some(told) = told.get_mut(number) {
            *told += 1;
        }
    }
    verdict.expect(told.iter().all(|told| *told == play.trials), || format!("arrivals by reader: {told:?}"));
    verdict.detail(format!(
        "{told:?} arrivals by the clocks of {CLOCKS:?} and a right one; the furthest is {} years off",
        now / YEAR
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

fn seconds(time: UtcTime) -> u64 {
    time.as_nanos() / 1_000_000_000
}
