//! Readers that are pulled and put back: one line of the log for each change, and nothing kept.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::until;
use crate::oracle::Verdict;
use crate::watch::Sample;

/// Readers that go in the same moment.
const READERS: u64 = 25;
/// What changes in a pull: it is down, then for another reason (nobody listens), then it reads.
const CHANGES: u64 = 3;
/// Memory that an allocator may keep.
const NOISE_KIB: u64 = 2 * 1024;
const NOTICED: Duration = Duration::from_secs(5);
/// How long it may take from when they accept until all of them read.
const BACK: Duration = Duration::from_secs(5);

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let readers = READERS.min(play.trials).max(1);
    let rounds = play.trials.div_ceil(readers);
    let wanted = Wanted { readers: readers as usize, with_proxy: true, round: "50ms", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for station in 0..branch.stations.len() {
        branch.present(station, 2)?;
    }
    branch.settle(Duration::from_secs(10)).await;
    let lines_before = daemon.log().count;

    let (mut slowest, mut slowest_back, mut load) = (Duration::ZERO, Duration::ZERO, 0.0_f64);
    let mut first = Sample::of(daemon.pid())?;
    for round in 0..=rounds {
        for station in &branch.stations {
            station.proxy()?.refuse(true);
            station.proxy()?.cut();
        }
        let begin = Instant::now();
        let up = async |wanted: u64| {
            until("the readers to follow", Duration::from_secs(40), async || {
                Ok((daemon.metrics().await?.sum("rfid_reader_up") == wanted).then_some(()))
            })
            .await
        };
        up(0).await?;
        slowest = slowest.max(begin.elapsed());
        // Somebody comes while the reader is away.
        branch.present(round as usize % branch.stations.len(), 1)?;
        let before = Sample::of(daemon.pid())?;
        let pause = play.dice.millis(1_000, 4_000);
        tokio::time::sleep(pause).await;
        load = load.max(Sample::of(daemon.pid())?.load_since(&before, pause));
        for station in &branch.stations {
            station.proxy()?.refuse(false);
        }
        let begin = Instant::now();
        up(readers).await?;
        slowest_back = slowest_back.max(begin.elapsed());
        branch.settle(Duration::from_secs(10)).await;
        // What a pull needs at all, as threads for what blocks, is there after the first: it is one more than counted.
        if round == 0 {
            first = Sample::of(daemon.pid())?;
        }
    }
    verdict.expect(slowest < NOTICED, || format!("noticed only after {slowest:?}"));
    verdict.expect(slowest_back < BACK, || format!("back only after {slowest_back:?}"));

    // What was only put aside is given back within a moment.
    let is_as_at_first = |now: &Sample| {
        now.threads <= first.threads
            && now.descriptors <= first.descriptors
            && now.rss_kib <= first.rss_kib + NOISE_KIB
    };
    let last = until("everything to be given back", Duration::from_secs(20), async || {
        let now = Sample::of(daemon.pid())?;
        Ok(is_as_at_first(&now).then_some(now))
    });
    let last = last.await.or_else(|_| Sample::of(daemon.pid()))?;
    verdict.expect(is_as_at_first(&last), || format!("at first {first:?}, at last {last:?}"));
    let changes = CHANGES * (rounds + 1) * readers;
    let lines = reader_lines(&daemon, lines_before).context("the log is too long to be counted")?;
    verdict.expect(lines <= changes, || format!("{lines} log lines for {changes} changes"));
    verdict.detail(format!(
        "{} pulls of {readers} readers; noticed within {:.1} s, back within {:.1} s of accepting; {lines} log lines for {changes} changes; at most {:.1} % of a processor while all are away",
        rounds * readers,
        slowest.as_secs_f64(),
        slowest_back.as_secs_f64(),
        load * 100.0
    ));
    verdict.detail(format!("at first {first:?}"));
    verdict.detail(format!("at last  {last:?}"));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// Lines about readers since the log had so many.
fn reader_lines(daemon: &crate::daemon::Daemon, before: u64) -> Option<u64> {
    let log = daemon.log();
    let new = usize::try_from(log.count - before).ok()?;
    let kept = log.lines().count();
    let about_readers =
        log.lines().skip(kept.checked_sub(new)?).filter(|line| line.text.contains("\"reader\":"));
    Some(about_readers.count() as u64)
}
