//! Cards laid on and lifted, and a transport that goes and comes: nothing is kept, no card is missed.

use std::time::{Duration, Instant};

use anyhow::Result;
use rfid_driver_mifare::sim::Notice;

use super::{Outcome, Play};
use crate::daemon::Daemon;
use crate::oracle::Verdict;
use crate::pad::{Pad, READER, Transport};
use crate::watch::Sample;

/// Card laid on to screen, of 99 in a hundred: on the empty pad, and in place of another card, which a
/// PC/SC service may not tell and the driver then finds out within half a second.
const SCREEN: [Duration; 2] = [Duration::from_millis(150), Duration::from_millis(650)];
/// The same where a service looks every 400 ms by itself.
const SCREEN_BEHIND_LOOKS: [Duration; 2] = [Duration::from_millis(550), Duration::from_millis(1050)];
/// The same of a few cards on a machine that does other things, too.
const SCREEN_QUICK: [Duration; 2] = [Duration::from_secs(2); 2];
/// Nobody waits for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// From the transport that is back to the reader that reads.
const BACK: Duration = Duration::from_secs(5);
/// Time that a start takes with everything that follows it.
const SETTLED: Duration = Duration::from_secs(3);
/// Time in which an empty pad is watched.
const IDLE: Duration = Duration::from_secs(10);
/// Part of a processor that an empty pad may take, the daemon's own life included.
const IDLE_LOAD: f64 = 0.02;
/// The same of a build that nobody optimised.
const IDLE_LOAD_QUICK: f64 = 0.1;
/// Memory that an allocator may keep.
const NOISE_KIB: u64 = 2 * 1024;
/// What each notice takes that is kept for subscribers who come late; only a daemon that has said ten
/// thousand forgets as many as it says.
const NOTICE_KIB: u64 = 3;
/// So many cards for each time that the transport goes away.
const CARDS_PER_OUTAGE: u64 = 10;
/// Cards for a service that looks by itself: it makes waiting of most of it.
const MOST_BEHIND_LOOKS: u64 = 100;

pub(super) async fn pn532(play: Play) -> Result<Outcome> {
    let mut verdict = Verdict::default();
    on(Transport::Pn532, play, &mut verdict).await?;
    Ok(Outcome::Played(verdict))
}

pub(super) async fn pcsc(mut play: Play) -> Result<Outcome> {
    if let Some(missing) = Transport::Pcsc(Notice::Looks).is_missing(&play.binary).await? {
        return Ok(Outcome::Skipped(missing));
    }
    let mut verdict = Verdict::default();
    let mut pad = Pad::open(&play.binary, Transport::Pcsc(Notice::Looks)).await?;
    let (daemon, _subscriber) = pad.start().await?;
    come_and_go(&mut pad, play.trials.min(MOST_BEHIND_LOOKS), &mut play).await?;
    verdict.expect(pad.settle(PATIENCE).await, || "not everything was announced".to_owned());
    let limit = if play.quick { SCREEN_QUICK } else { SCREEN_BEHIND_LOOKS };
    told(&pad, "service looks every 400 ms", limit, &mut verdict);
    verdict.add(pad.judge(daemon).await?);
    on(Transport::Pcsc(Notice::IsTold), play, &mut verdict).await?;
    Ok(Outcome::Played(verdict))
}

/// An empty pad, cards, outages.
async fn on(transport: Transport, mut play: Play, verdict: &mut Verdict) -> Result<()> {
    let mut pad = Pad::open(&play.binary, transport).await?;
    let (daemon, _subscriber) = pad.start().await?;
    idle(&daemon, if play.quick { IDLE_LOAD_QUICK } else { IDLE_LOAD }, verdict).await?;

    let trials = play.trials;
    come_and_go(&mut pad, trials.div_ceil(2), &mut play).await?;
    let first = rested(&pad, &daemon).await?;
    come_and_go(&mut pad, trials / 2, &mut play).await?;
    let last = rested(&pad, &daemon).await?;
    let limit = if play.quick { SCREEN_QUICK } else { SCREEN };
    told(&pad, "reader tells at once", limit, verdict);
    grown("cards", trials / 2, &first, &last, verdict);

    let outages = trials.div_ceil(CARDS_PER_OUTAGE);
    let first_half = outages.div_ceil(2);
    let mut slowest = outage(&mut pad, &daemon, first_half).await?;
    let first = rested(&pad, &daemon).await?;
    slowest = slowest.max(outage(&mut pad, &daemon, outages - first_half).await?);
    let last = rested(&pad, &daemon).await?;
    verdict.expect(slowest < BACK, || format!("the reader was back only after {slowest:?}"));
    verdict.detail(format!("{outages} outages; reading again within {:.1} s", slowest.as_secs_f64()));
    grown("outages", outages - first_half, &first, &last, verdict);
    verdict.add(pad.judge(daemon).await?);
    Ok(())
}

async fn idle(daemon: &Daemon, limit: f64, verdict: &mut Verdict) -> Result<()> {
    // What a start takes is no part of it.
    tokio::time::sleep(SETTLED).await;
    let (before, begin) = (Sample::of(daemon.pid())?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let load = Sample::of(daemon.pid())?.load_since(&before, begin.elapsed());
    verdict.expect(load <= limit, || format!("an empty pad takes {:.1} % of a processor", load * 100.0));
    verdict.detail(format!("empty pad: {:.1} % of a processor", load * 100.0));
    Ok(())
}

/// Lays on one card after the other; some in place of the one before, some after a gap.
async fn come_and_go(pad: &mut Pad, cards: u64, play: &mut Play) -> Result<()> {
    for _ in 0..cards {
        let card = pad.lay()?;
        // One that is not announced in time is lost, and counted in the end.
        pad.announced(&card, PATIENCE).await;
        if play.dice.below(4) > 0 {
            pad.lift();
            tokio::time::sleep(play.dice.millis(0, 1400)).await;
        }
    }
    pad.lift();
    Ok(())
}

/// Takes the transport away and gives it back; how long the reader took then at most.
async fn outage(pad: &mut Pad, daemon: &Daemon, times: u64) -> Result<Duration> {
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        pad.take_away().await?;
        daemon.until_reader(READER, false, PATIENCE).await?;
        pad.give_back().await?;
        slowest = slowest.max(daemon.until_reader(READER, true, 2 * PATIENCE).await?);
        let card = pad.lay()?;
        pad.announced(&card, PATIENCE).await;
        pad.lift();
    }
    Ok(slowest)
}

/// What the daemon holds once everything was announced.
async fn rested(pad: &Pad, daemon: &Daemon) -> Result<Sample> {
    pad.settle(PATIENCE).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Sample::of(daemon.pid())
}

fn told(pad: &Pad, how: &str, limits: [Duration; 2], verdict: &mut Verdict) {
    let kinds = ["laid on the empty pad", "laid on in place of another"];
    for ((latencies, limit), kind) in pad.latencies().iter().zip(limits).zip(kinds) {
        let at = |part: usize| {
            let place = (latencies.len() * part / 100).min(latencies.len().saturating_sub(1));
            latencies.get(place).copied().unwrap_or_default()
        };
        let (median, p99, most) = (at(50), at(99), at(100));
        verdict.expect(p99 <= limit, || format!("{how}: p99 of cards {kind} {p99:?}"));
        verdict.detail(format!(
            "{how}: {} cards {kind}, to the screen: median {} ms, p99 {} ms, most {} ms",
            latencies.len(),
            median.as_millis(),
            p99.as_millis(),
            most.as_millis()
        ));
    }
}

fn grown(of: &str, cards: u64, first: &Sample, last: &Sample, verdict: &mut Verdict) {
    let is_flat = last.threads <= first.threads
        && last.descriptors <= first.descriptors
        && last.rss_kib <= first.rss_kib + NOISE_KIB + 2 * cards * NOTICE_KIB;
    verdict.expect(is_flat, || format!("grows with {of}: after half of them {first:?}, then {last:?}"));
    verdict.detail(format!("after half of the {of} {first:?}"));
    verdict.detail(format!("after all of the {of}  {last:?}"));
}
