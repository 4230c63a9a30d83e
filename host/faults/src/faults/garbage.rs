//! Bytes that are not what the reader sent.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::lock;
use crate::oracle::Verdict;
use crate::proxy::Way;
use crate::watch::Sample;

/// Memory that an allocator may keep.
const NOISE_KIB: u64 = 2 * 1024;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    // Departures are not what this is about: a card whose rows are all spoilt is silent.
    let wanted = Wanted { readers: 6, with_proxy: true, lost_after: "1h", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    lock(&branch.oracle).may_depart = true;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for station in 0..branch.stations.len() {
        branch.present(station, 8)?;
    }
    branch.settle(Duration::from_secs(10)).await;

    let mut first = None;
    let end = Instant::now() + play.lasts();
    while Instant::now() < end {
        for number in 0..branch.stations.len() {
            let way = match play.dice.below(6) {
                0 => Way::Clear,
                1 => Way::Garbage(play.dice.share(), 64),
                2 => Way::Garbage(0.02, 65_536),
                // 0.0001 to 0.1.
                _ => Way::Flip(0.0001 * 1000f64.powf(play.dice.share())),
            };
            if let Some(station) = branch.stations.get(number) {
                station.proxy()?.set_way(way);
                // Waits grow with each failure; a cut beside it is one more way to fail.
                if play.dice.below(10) == 0 {
                    station.proxy()?.cut();
                }
            }
            if play.dice.below(4) == 0 {
                branch.present(number, 1)?;
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        if first.is_none() && Instant::now() + play.lasts() / 2 > end {
            first = Some(Sample::of(daemon.pid())?);
        }
    }
    let last = Sample::of(daemon.pid())?;
    for station in &branch.stations {
        station.proxy()?.set_way(Way::Clear);
        station.proxy()?.cut();
    }
    // The longest wait of a reader that failed again and again, and a moment to read.
    branch.settle(Duration::from_secs(40)).await;
    let metrics = daemon.metrics().await?;
    if let Some(first) = first.filter(|_| !play.quick) {
        let grown = last.rss_kib.saturating_sub(first.rss_kib);
        verdict.expect(grown <= NOISE_KIB, || format!("memory grew by {grown} KiB in the second half"));
        verdict.detail(format!("memory {} KiB at half time, {} KiB at the end", first.rss_kib, last.rss_kib));
    }
    verdict.detail(format!(
        "{} reads, {} spoilt rows passed over, {} sessions given up",
        metrics.sum("rfid_reader_reads_total"),
        metrics.sum("rfid_reader_lost_reads_total"),
        metrics.sum("rfid_reader_failures_total")
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}
