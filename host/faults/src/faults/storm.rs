//! Readers that deliver a hundred times what is usual.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::{Daemon, lock, until};
use crate::oracle::Verdict;
use crate::watch::Sample;

const READERS: usize = 8;
/// With rounds of 20 ms, 40 cards are 2,000 rows a second.
const STANDING: usize = 40;
const MOST_RSS_KIB: u64 = 256 * 1024;
/// From card to screen during the storm, at the 99th percentile.
const SCREEN: Duration = Duration::from_secs(2);

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { readers: READERS, lost_after: "2s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for station in 0..READERS {
        branch.present(station, STANDING)?;
    }
    branch.settle(Duration::from_secs(20)).await;
    // Those came all at once; from here on people come as people do.
    let at_once = lock(&branch.oracle).latencies().last().copied().unwrap_or_default();
    let crowd = lock(&branch.oracle).presented.len();
    let (begin, before) = (Instant::now(), Sample::of(daemon.pid())?);
    let reads_before = daemon.metrics().await?.sum("rfid_reader_reads_total");
    let mut most_rss = 0;
    while begin.elapsed() < play.lasts() {
        let station = play.dice.below(READERS as u64) as usize;
        let announced = branch.announced_at(station);
        branch.present(station, 1)?;
        if announced.len() >= STANDING {
            branch.leave(station, announced.get(..1).unwrap_or_default())?;
        }
        tokio::time::sleep(play.dice.millis(20, 120)).await;
        most_rss = most_rss.max(Sample::of(daemon.pid())?.rss_kib);
    }
    let elapsed = begin.elapsed();
    let load = Sample::of(daemon.pid())?.load_since(&before, elapsed);
    let metrics = daemon.metrics().await?;
    let rate = (metrics.sum("rfid_reader_reads_total") - reads_before) as f64 / elapsed.as_secs_f64();
    branch.settle(Duration::from_secs(20)).await;
    let latencies = lock(&branch.oracle).latencies();
    let came = latencies.len().saturating_sub(crowd);
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    verdict.expect(p99 <= SCREEN, || format!("card to screen at the 99th percentile: {p99:?}"));
    verdict.expect(most_rss <= MOST_RSS_KIB, || format!("memory went up to {most_rss} KiB"));
    verdict.detail(format!(
        "{rate:.0} reads/s over {:.0} s, {:.0} % of a processor, memory at most {} MiB; {crowd} cards at once within {} ms, then {came} by ones; card to screen p99 {} ms",
        elapsed.as_secs_f64(),
        load * 100.0,
        most_rss / 1024,
        at_once.as_millis(),
        p99.as_millis()
    ));
    count_reads(&mut branch, &daemon, READERS, &mut verdict).await?;
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// Empties the field, then compares what the first `readers` emulators answered with what the
/// daemon counted.
pub(super) async fn count_reads(
    branch: &mut Branch,
    daemon: &Daemon,
    readers: usize,
    verdict: &mut Verdict,
) -> Result<()> {
    for station in 0..readers {
        let announced = branch.announced_at(station);
        branch.leave(station, &announced)?;
    }
    branch.settle(Duration::from_secs(20)).await;
    let names: Vec<String> =
        branch.stations.iter().take(readers).map(|station| station.name.clone()).collect();
    let sent = || branch.stations.iter().take(readers).map(|station| station.emulator.rows_answered()).sum();
    let counted = async || -> Result<u64> {
        let metrics = daemon.metrics().await?;
        Ok(names.iter().map(|name| metrics.reader("rfid_reader_reads_total", name)).sum())
    };
    let equal = until("all reads to be counted", Duration::from_secs(10), async || {
        let sent: u64 = sent();
        Ok((counted().await? == sent).then_some(sent))
    });
    match equal.await {
        Ok(sent) => {
            verdict.detail(format!("reads answered by the readers {sent}, counted by the daemon {sent}"))
        }
        Err(_) => {
            let (sent, counted): (u64, u64) = (sent(), counted().await?);
            verdict.lost(format!("reads answered by the readers {sent}, counted by the daemon {counted}"));
        }
    }
    let metrics = daemon.metrics().await?;
    let (merged, shed) = (metrics.sum("rfid_pipeline_merged_total"), metrics.sum("rfid_pipeline_shed_total"));
    verdict.expect(shed == 0, || format!("{shed} sightings were dropped"));
    verdict.detail(format!(
        "sightings {}, merged {merged}, dropped {shed}",
        metrics.sum("rfid_pipeline_sightings_total")
    ));
    Ok(())
}
