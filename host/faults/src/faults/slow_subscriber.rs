//! Subscribers that open a stream and do not read it.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::lock;
use crate::oracle::Verdict;
use crate::watch::Sample;

const SLOW: usize = 50;
/// So small that the kernel does not take the events in the place of the subscriber.
const RECEIVE_BUFFER: u32 = 4 * 1024;
const MOST_RSS_KIB: u64 = 256 * 1024;
/// Cards that come together.
const GROUP: usize = 20;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { readers: 4, lost_after: "1h", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    lock(&branch.oracle).may_depart = true;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    // Alone at first.
    let alone = arrivals(&mut branch, play.trials / 10).await?;
    let http = daemon.http().context("no HTTP")?;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let mut stream: TcpStream = socket.connect(http).await?;
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: slow\r\n\r\n").await?;
        slow.push(stream);
    }
    let beside = arrivals(&mut branch, play.trials).await?;
    let sample = Sample::of(daemon.pid())?;
    verdict.expect(beside < Duration::from_secs(1), || format!("others hear after {beside:?}"));
    verdict.expect(sample.rss_kib < MOST_RSS_KIB, || format!("memory went up to {} KiB", sample.rss_kib));
    let missed = lock(&branch.oracle).missed;
    verdict.expect(missed == 0, || format!("a subscriber that reads missed {missed}"));
    verdict.detail(format!(
        "{SLOW} subscribers that do not read; card to screen of one that reads, p99: alone {} ms, beside them {} ms; memory {} MiB",
        alone.as_millis(),
        beside.as_millis(),
        sample.rss_kib / 1024
    ));
    drop(slow);
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// Lets people come in groups; the time from card to screen at the 99th percentile.
async fn arrivals(branch: &mut Branch, cards: u64) -> Result<Duration> {
    let before = lock(&branch.oracle).heard.len();
    for group in 0..(cards as usize).div_ceil(GROUP) {
        let station = group % branch.stations.len();
        let came = branch.present(station, GROUP)?;
        branch.settle(Duration::from_secs(20)).await;
        // They are only glanced at, so that the field does not fill.
        branch.forget(station, &came)?;
    }
    let oracle = lock(&branch.oracle);
    let mut latencies: Vec<Duration> = oracle
        .heard
        .iter()
        .skip(before)
        .filter_map(|heard| heard.at.duration_since(oracle.presented.get(&heard.fact.card)?.from).ok())
        .collect();
    latencies.sort_unstable();
    Ok(latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default())
}
