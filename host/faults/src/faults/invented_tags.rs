//! A broken or hostile reader that makes up tags, as fast as it can, while people come.

use std::time::Duration;

use anyhow::{Context, Result};
use rfid_driver_mercury4::emulator::Faults;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::{Daemon, lock, until};
use crate::oracle::Verdict;
use crate::watch::Sample;

/// Rows made up in each round of 20 ms.
const PER_ROUND: u32 = 4_000;
/// From card to screen, for everybody.
const SCREEN: Duration = Duration::from_secs(2);
/// 131,072 glimpses and 65,536 merged records of less than 256 bytes each are 48 MiB; the rest are
/// read buffers and what an allocator keeps.
const MOST_GROWTH_KIB: u64 = 96 * 1024;
/// What presence keeps of tags that are not confirmed.
const MOST_GLIMPSES: u64 = 131_072;
/// What the identities of made-up tags begin with.
const MADE_UP: &str = "BAD0BAD0";
/// Presence of the second phase.
const MAX_TAGS: u32 = 500;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let mut verdict = Verdict::default();
    read_once(&mut play, &mut verdict).await?;
    confirmed(&mut play, &mut verdict).await?;
    Ok(Outcome::Played(verdict))
}

/// Each made-up tag is read once: nobody hears of any.
async fn read_once(play: &mut Play, verdict: &mut Verdict) -> Result<()> {
    let wanted = Wanted { readers: 2, lost_after: "3s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    let before = Sample::of(daemon.pid())?;
    let mut most_kib = before.rss_kib;
    invent(&branch, PER_ROUND, 1)?;
    loop {
        for station in 0..2 {
            branch.present(station, 1)?;
            let announced = branch.announced_at(station);
            if announced.len() > 10 {
                branch.leave(station, announced.get(..1).unwrap_or_default())?;
            }
        }
        tokio::time::sleep(play.dice.millis(50, 150)).await;
        most_kib = most_kib.max(Sample::of(daemon.pid())?.rss_kib);
        if rows(&branch)? >= play.trials {
            break;
        }
    }
    invent(&branch, 0, 1)?;
    branch.settle(Duration::from_secs(10)).await;
    let slowest = lock(&branch.oracle).latencies().last().copied().unwrap_or_default();
    verdict.expect(slowest <= SCREEN, || format!("an arrival took {slowest:?} beside made-up tags"));
    let growth = most_kib.saturating_sub(before.rss_kib);
    verdict.expect(growth <= MOST_GROWTH_KIB, || format!("memory grew by {growth} KiB"));
    let sent = rows(&branch)?;
    verdict.detail(format!(
        "{sent} rows of the reader that makes up tags; card to screen within {} ms; memory +{} MiB",
        slowest.as_millis(),
        growth / 1024
    ));
    accounted(&branch, &daemon, verdict).await?;
    verdict.add(branch.judge(daemon).await?);
    Ok(())
}

/// Each made-up tag was pushed out, was not confirmed in time, or is one of those still glimpsed.
async fn accounted(branch: &Branch, daemon: &Daemon, verdict: &mut Verdict) -> Result<()> {
    let invented = branch.stations.first().context("no reader")?.emulator.tags_invented();
    let metrics = daemon.metrics().await?;
    let [crowded_out, unconfirmed, shed] = ["crowded_out", "unconfirmed", "shed"]
        .map(|name| metrics.sum(&format!("rfid_pipeline_{name}_total")));
    let glimpsed = invented.saturating_sub(crowded_out + unconfirmed);
    verdict.expect(glimpsed <= MOST_GLIMPSES, || {
        format!("of {invented} made-up tags {crowded_out} were pushed out and {unconfirmed} not confirmed")
    });
    verdict.expect(shed == 0, || format!("{shed} sightings were dropped"));
    verdict.detail(format!(
        "{invented} made up: pushed out {crowded_out}, not confirmed {unconfirmed}, still glimpsed {glimpsed}; dropped {shed}"
    ));
    Ok(())
}

/// Each made-up tag counts as present: the limit holds, and those who were there go on.
async fn confirmed(play: &mut Play, verdict: &mut Verdict) -> Result<()> {
    let wanted = Wanted { readers: 2, lost_after: "3s", max_tags: Some(MAX_TAGS), ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    lock(&branch.oracle).may_make_up = Some(MADE_UP);
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    let mut people = Vec::new();
    for station in 0..2 {
        people.push(branch.present(station, 5)?);
    }
    branch.settle(Duration::from_secs(10)).await;
    invent(&branch, PER_ROUND, 3)?;
    let over = until("tags over the limit", Duration::from_secs(20), async || {
        let metrics = daemon.metrics().await?;
        let over = metrics.sum("rfid_pipeline_over_limit_total");
        Ok((over > u64::from(MAX_TAGS)).then_some(over))
    });
    let over = over.await?;
    let present = daemon.metrics().await?.sum("rfid_pipeline_present_tags");
    verdict.expect(present > 0 && present <= u64::from(MAX_TAGS), || {
        format!("{present} tags are present, {MAX_TAGS} may be")
    });
    for (station, cards) in people.iter().enumerate() {
        branch.leave(station, cards)?;
    }
    let settled = branch.settle(Duration::from_secs(10)).await;
    verdict.expect(settled, || "people left beside made-up tags, and not all departures came".to_owned());
    invent(&branch, 0, 1)?;
    verdict.detail(format!("with room for {MAX_TAGS}: {present} present, {over} reads over the limit"));
    verdict.add(branch.judge(daemon).await?);
    Ok(())
}

/// Lets the first reader make up so many tags a round, each read as often.
fn invent(branch: &Branch, invented_tags: u32, invented_reads: u64) -> Result<()> {
    let station = branch.stations.first().context("no reader")?;
    station.emulator.set_faults(Faults { invented_tags, invented_reads, ..Faults::default() });
    Ok(())
}

/// Rows that the reader which makes up tags has answered.
fn rows(branch: &Branch) -> Result<u64> {
    Ok(branch.stations.first().context("no reader")?.emulator.rows_answered())
}
