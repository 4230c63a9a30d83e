//! A disk without space: people are told all the same, marked as not yet registered; what is
//! pending is written when space returns; a start without space is possible.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::{Daemon, lock, until};
use crate::disk::{self, Tmpfs};
use crate::oracle::Verdict;

/// Room for the stores and for the reserve that is given up first.
const MIB: u64 = 64;
/// How long somebody may wait for an announcement while the disk is full.
const ANNOUNCED: Duration = Duration::from_secs(10);
/// How long after space returned everything must be registered.
const REGISTERED: Duration = Duration::from_secs(10);
const CARDS: usize = 5;
/// What the ledger keeps free for that day, in the data folder.
const RESERVE: &str = "ledger/reserve";

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    if let Some(why) = disk::why_not() {
        return Ok(Outcome::Skipped(why));
    }
    let disk = Tmpfs::make(MIB)?;
    let wanted = Wanted { readers: 2, data_parent: Some(disk.path().to_owned()), ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (mut daemon, subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    branch.present(0, CARDS)?;
    branch.settle(ANNOUNCED).await;
    let reserve = branch.data().join(RESERVE);
    until("the reserve", crate::daemon::LIMIT, async || Ok(reserve.exists().then_some(()))).await?;
    for round in 0..play.trials {
        fill_beyond_the_reserve(&disk, &mut branch, &daemon, &mut verdict, "full").await?;
        announce_without_disk(&mut branch, &daemon, &mut verdict, "full").await?;
        disk.clear()?;
        register(&branch, &daemon, &mut verdict, &format!("round {round}: space")).await?;
    }
    branch.end(&mut daemon, &mut verdict).await?;
    subscriber.await??;

    for how in ["full at the start", "full at the start, without any reserve"] {
        if how.contains("without") {
            for store in ["ledger", "checkpoints/all", "event_index"] {
                let _ = std::fs::remove_file(branch.data().join(store).join("reserve"));
            }
        }
        disk.fill()?;
        match branch.start().await {
            Ok((mut daemon, subscriber)) => {
                fill_beyond_the_reserve(&disk, &mut branch, &daemon, &mut verdict, how).await?;
                announce_without_disk(&mut branch, &daemon, &mut verdict, how).await?;
                disk.clear()?;
                register(&branch, &daemon, &mut verdict, &format!("{how}: then space")).await?;
                branch.end(&mut daemon, &mut verdict).await?;
                subscriber.await??;
            }
            Err(error) => {
                verdict.wrong(format!("no start, {how}: {error:#}"));
                disk.clear()?;
            }
        }
    }
    verdict.add(branch.compare().await?);
    Ok(Outcome::Played(verdict))
}

/// Fills the disk and, as the daemon gives up what it has in reserve, fills that too, until it can
/// register nothing any more. Everybody who comes meanwhile is announced.
async fn fill_beyond_the_reserve(
    disk: &Tmpfs,
    branch: &mut Branch,
    daemon: &Daemon,
    verdict: &mut Verdict,
    how: &str,
) -> Result<()> {
    let reserve = branch.data().join(RESERVE);
    let begin = Instant::now();
    let mut cards = 0;
    // A reader that is not up yet is another reason for not being ready.
    while complaint_of_the_disk(daemon).await?.is_none() || reserve.exists() {
        disk.fill()?;
        branch.present(0, 1)?;
        cards += 1;
        let told = branch.settle(ANNOUNCED).await;
        verdict.expect(told, || format!("disk {how}: no announcement within {ANNOUNCED:?}"));
        if begin.elapsed() > crate::daemon::LIMIT {
            verdict.wrong(format!("disk {how}: still ready after {cards} cards"));
            break;
        }
    }
    verdict.detail(format!("disk {how}: the reserve is used up after {cards} cards"));
    Ok(())
}

/// Cards come while nothing can be written.
pub(super) async fn announce_without_disk(
    branch: &mut Branch,
    daemon: &Daemon,
    verdict: &mut Verdict,
    how: &str,
) -> Result<()> {
    let mut slowest = Duration::ZERO;
    for station in 0..branch.stations.len() {
        let begin = Instant::now();
        let cards = branch.present(station, CARDS)?;
        let told = branch.settle(ANNOUNCED).await;
        verdict.expect(told, || format!("disk {how}: no announcement within {ANNOUNCED:?}"));
        slowest = slowest.max(begin.elapsed());
        let unmarked = lock(&branch.oracle).unmarked(&cards);
        verdict.expect(unmarked == 0, || {
            format!("disk {how}: {unmarked} announced without the mark that they are not registered")
        });
    }
    let complaint = complaint_of_the_disk(daemon).await?;
    verdict.expect(complaint.is_some(), || format!("disk {how}: /ready does not complain of it"));
    let said = complaint.unwrap_or_default();
    verdict.detail(format!("disk {how}: announced within {} ms; /ready: {said}", slowest.as_millis()));
    Ok(())
}

/// The reasons for not being ready, if the disk is among them.
async fn complaint_of_the_disk(daemon: &Daemon) -> Result<Option<String>> {
    let (status, body) = daemon.readiness().await?;
    let reasons = body.get("reasons").map(ToString::to_string).unwrap_or_default();
    let names_it = ["No space", "Input/output", "Read-only"].iter().any(|word| reasons.contains(word));
    Ok((status == 503 && names_it).then_some(reasons))
}

/// The disk is there again: everything announced must come to stand in the log.
pub(super) async fn register(
    branch: &Branch,
    daemon: &Daemon,
    verdict: &mut Verdict,
    what: &str,
) -> Result<()> {
    let begin = Instant::now();
    let registered = until("registering", REGISTERED, async || {
        let kept = branch.registered().await?;
        let oracle = lock(&branch.oracle);
        Ok(oracle.heard.iter().all(|heard| kept.contains(&heard.fact.id)).then_some(()))
    });
    match registered.await {
        Ok(()) => verdict.detail(format!("{what}: all registered after {} ms", begin.elapsed().as_millis())),
        Err(_) => verdict.wrong(format!("{what}: not all registered within {REGISTERED:?}")),
    }
    let ready = daemon.until_ready();
    let ready = tokio::time::timeout(REGISTERED, ready).await;
    if !matches!(ready, Ok(Ok(_))) {
        let (_, body) = daemon.readiness().await?;
        verdict.wrong(format!("{what}: not ready again: {}", body.get("reasons").unwrap_or(&body)));
    }
    Ok(())
}
