//! Too few descriptors: people who connect are refused, and the readers go on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::lock;
use crate::oracle::Verdict;
use crate::watch::Sample;

const DESCRIPTORS: u64 = 64;
const CONNECTIONS: usize = 200;
/// From card to screen.
const SCREEN: Duration = Duration::from_secs(3);
/// Part of a processor that may be used while nobody can be served.
const MOST_LOAD: f64 = 0.5;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { lost_after: "1s", descriptors: Some(DESCRIPTORS), ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    let http = daemon.http().context("no HTTP")?;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        // Nobody says anything over them.
        if let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(http)).await {
            held.push(stream);
        }
    }
    let (before, begin) = (Sample::of(daemon.pid())?, Instant::now());
    let mut come = Vec::new();
    while begin.elapsed() < play.lasts() {
        for station in 0..branch.stations.len() {
            come.push((station, branch.present(station, 1)?));
        }
        let told = branch.settle(Duration::from_secs(10)).await;
        verdict.expect(told, || "an arrival is not announced while connections fail".to_owned());
        if come.len() > 40 {
            for (station, cards) in come.drain(..20) {
                branch.leave(station, &cards)?;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = Sample::of(daemon.pid())?;
    let load = after.load_since(&before, begin.elapsed());
    verdict.expect(load < MOST_LOAD, || format!("{:.0} % of a processor", load * 100.0));
    // With all of them taken it is luck which file the ledger has open already.
    verdict.expect(after.descriptors < DESCRIPTORS, || "connections take every descriptor".to_owned());
    let connected = held.len();
    drop(held);
    let begin = Instant::now();
    let ready = timeout(Duration::from_secs(10), daemon.until_ready()).await;
    verdict.expect(matches!(ready, Ok(Ok(_))), || "HTTP does not come back".to_owned());
    let marked = lock(&branch.oracle).marked();
    verdict.expect(marked == 0, || format!("{marked} announced as not yet registered"));
    let latencies = lock(&branch.oracle).latencies();
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    verdict.expect(p99 <= SCREEN, || format!("card to screen at the 99th percentile: {p99:?}"));
    verdict.detail(format!(
        "{DESCRIPTORS} descriptors, {} in use beside {connected} idle connections; {} cards, to screen p99 {} ms, {:.0} % of a processor; HTTP answers {} ms after they are gone",
        after.descriptors,
        latencies.len(),
        p99.as_millis(),
        load * 100.0,
        begin.elapsed().as_millis()
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}
