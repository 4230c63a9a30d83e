//! Readers that are pulled and put back: one line of the log for each change, and nothing kept.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::{Daemon, until};
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

    // What a pull needs at all, as threads for what blocks, is there after the first.
    let mut pulls = Pulls::default();
    pulls.pull(&mut play, &mut branch, &daemon).await?;
    let first = Sample::of(daemon.pid())?;
    for _ in 0..rounds {
        pulls.pull(&mut play, &mut branch, &daemon).await?;
    }
    let Pulls { count, slowest, slowest_back, load } = pulls;
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
    let changes = CHANGES * count * readers;
    let lines = reader_lines(&daemon, lines_before).context("the log is too long to be counted")?;
    verdict.expect(lines <= changes, || format!("{lines} log lines for {changes} changes"));
    verdict.detail(format!(
        "{} pulls of {readers} readers; noticed within {:.1} s, back within {:.1} s of accepting; {lines} log lines for {changes} changes; at most {:.1} % of a processor while all are away",
        count * readers,
        slowest.as_secs_f64(),
        slowest_back.as_secs_f64(),
        load * 100.0
    ));
    verdict.detail(format!("at first {first:?}"));
    verdict.detail(format!("at last  {last:?}"));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// What was seen while all readers were pulled and put back, so many times.
#[derive(Default)]
struct Pulls {
    count: u64,
    /// Until all were known to be away, and until all read again.
    slowest: Duration,
    slowest_back: Duration,
    /// Share of a processor while all were away, at most.
    load: f64,
}

impl Pulls {
    /// Pulls all readers at once and puts them back; somebody comes while they are away.
    async fn pull(&mut self, play: &mut Play, branch: &mut Branch, daemon: &Daemon) -> Result<()> {
        for station in &branch.stations {
            station.proxy()?.refuse(true);
            station.proxy()?.cut();
        }
        let begin = Instant::now();
        until_up(daemon, 0).await?;
        self.slowest = self.slowest.max(begin.elapsed());
        branch.present(self.count as usize % branch.stations.len(), 1)?;
        let before = Sample::of(daemon.pid())?;
        let pause = play.dice.millis(1_000, 4_000);
        tokio::time::sleep(pause).await;
        self.load = self.load.max(Sample::of(daemon.pid())?.load_since(&before, pause));
        for station in &branch.stations {
            station.proxy()?.refuse(false);
        }
        let begin = Instant::now();
        until_up(daemon, branch.stations.len() as u64).await?;
        self.slowest_back = self.slowest_back.max(begin.elapsed());
        branch.settle(Duration::from_secs(10)).await;
        self.count += 1;
        Ok(())
    }
}

/// Waits until so many readers read.
async fn until_up(daemon: &Daemon, wanted: u64) -> Result<()> {
    until("the readers to follow", Duration::from_secs(40), async || {
        Ok((daemon.metrics().await?.sum("rfid_reader_up") == wanted).then_some(()))
    })
    .await
}

/// Lines about readers since the log had so many.
fn reader_lines(daemon: &Daemon, before: u64) -> Option<u64> {
    let log = daemon.log();
    let new = usize::try_from(log.count - before).ok()?;
    let kept = log.lines().count();
    let about_readers =
        log.lines().skip(kept.checked_sub(new)?).filter(|line| line.text.contains("\"reader\":"));
    Some(about_readers.count() as u64)
}
