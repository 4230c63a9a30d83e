//! Many readers for a long time: nothing grows.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::oracle::Verdict;
use crate::watch::Sample;

const READERS: (usize, usize) = (200, 20);
/// Cards that stay before each reader.
const STANDING: usize = 5;
/// Cards of each reader that come and go before anything is measured, so that what is bounded (the
/// latest 10,000 notices) is full.
const BEFORE: usize = 27;
/// Growth below this is an allocator's business.
const NOISE_KIB: f64 = 1024.0;
/// Lines of the printed table.
const ROWS: u32 = 15;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let readers = play.readers.unwrap_or(if play.quick { READERS.1 } else { READERS.0 });
    let wanted = Wanted { readers, round: "100ms", lost_after: "5s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for station in 0..readers {
        branch.present(station, STANDING)?;
    }
    branch.settle(Duration::from_secs(60)).await;
    if !play.quick {
        let mut came = Vec::new();
        for station in 0..readers {
            came.push(branch.present(station, BEFORE)?);
        }
        branch.settle(Duration::from_secs(60)).await;
        for (station, cards) in came.iter().enumerate() {
            branch.leave(station, cards)?;
        }
        branch.settle(Duration::from_secs(60)).await;
    }

    println!("  second    RSS KiB  threads  descriptors    reads/s  processor");
    let begin = Instant::now();
    let mut samples = Vec::new();
    let mut last = (Instant::now(), Sample::of(daemon.pid())?, reads(&daemon).await?);
    let step = (play.lasts() / ROWS).max(Duration::from_secs(1));
    let mut next_row = step;
    while begin.elapsed() < play.lasts() {
        let station = play.dice.below(readers as u64) as usize;
        let announced = branch.announced_at(station);
        branch.present(station, 1)?;
        if announced.len() >= STANDING {
            branch.leave(station, announced.get(..1).unwrap_or_default())?;
        }
        tokio::time::sleep(play.dice.millis(200, 800)).await;
        let now = Sample::of(daemon.pid())?;
        samples.push(now);
        if begin.elapsed() >= next_row {
            next_row += step;
            let (elapsed, count) = (last.0.elapsed(), reads(&daemon).await?);
            println!(
                "  {:>6}   {:>8}  {:>7}  {:>11}  {:>9.0}  {:>7.1} %",
                begin.elapsed().as_secs(),
                now.rss_kib,
                now.threads,
                now.descriptors,
                (count - last.2) as f64 / elapsed.as_secs_f64(),
                now.load_since(&last.1, elapsed) * 100.0
            );
            last = (Instant::now(), now, count);
        }
    }
    judge_growth(&samples, &mut verdict, play.quick);
    branch.settle(Duration::from_secs(20)).await;
    let connects = daemon.metrics().await?.sum("rfid_reader_connects_total");
    verdict.expect(connects == readers as u64, || format!("{connects} connections of {readers} readers"));
    verdict.detail(format!("{readers} readers for {} s, each connected once", play.seconds));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

async fn reads(daemon: &crate::daemon::Daemon) -> Result<u64> {
    Ok(daemon.metrics().await?.sum("rfid_reader_reads_total"))
}

/// The first two fifths are warm-up: in the first two minutes memory was seen to go up in steps and
/// to stay there. Then the third fifth is compared with the last.
fn judge_growth(samples: &[Sample], verdict: &mut Verdict, quick: bool) {
    let part = samples.len() / 5;
    let (Some(early), Some(late)) =
        (samples.get(2 * part..3 * part), samples.get(samples.len().saturating_sub(part)..))
    else {
        return;
    };
    let mean = |of: &[Sample], what: fn(&Sample) -> u64| {
        of.iter().map(what).sum::<u64>() as f64 / of.len().max(1) as f64
    };
    let grown = |what: fn(&Sample) -> u64| mean(late, what) - mean(early, what);
    let [memory, threads, descriptors] =
        [grown(|sample| sample.rss_kib), grown(|sample| sample.threads), grown(|sample| sample.descriptors)];
    verdict.detail(format!(
        "growth from the third fifth of the time to the last: memory {memory:+.0} KiB (noise {NOISE_KIB:.0}), threads {threads:+.1}, descriptors {descriptors:+.1}"
    ));
    // A few seconds are all warm-up.
    if !quick {
        verdict.expect(memory <= NOISE_KIB, || format!("memory grew by {memory:.0} KiB"));
        verdict.expect(threads < 0.5, || format!("threads grew by {threads:.1}"));
        verdict.expect(descriptors < 0.5, || format!("descriptors grew by {descriptors:.1}"));
    }
}
