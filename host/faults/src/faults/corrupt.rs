//! Damage to the files of a stopped daemon: the next start opens clean, or names the damage and
//! rebuilds; no record is served that is not as it was written.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::Daemon;
use crate::dice::Dice;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::oracle::Verdict;

/// Opening, damaged or not, takes no longer.
const OPENED: Duration = Duration::from_secs(30);
const INDEXED: Duration = Duration::from_secs(3);
const BLOCK: u64 = 4096;
/// Words by which damage is named.
const NAMED: [&str; 9] = [
    "damage",
    "corrupt",
    "checksum",
    "torn",
    "rebuil",
    "set aside",
    "taken off",
    "not an event",
    "cannot be read",
];

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { readers: 2, lost_after: "1s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for _ in 0..10 {
        for station in 0..2 {
            let came = branch.present(station, 10)?;
            branch.settle(Duration::from_secs(10)).await;
            branch.leave(station, &came)?;
        }
    }
    branch.settle(Duration::from_secs(10)).await;
    // The index of the ledger, by which an end that is cut off is found, follows within 2 s.
    tokio::time::sleep(INDEXED).await;
    verdict.add(branch.judge(daemon).await?);
    subscriber.await??;
    let original: HashMap<String, Fact> =
        branch.ledger().await?.facts.into_iter().map(|fact| (fact.id.clone(), fact)).collect();
    let good = tempfile::tempdir()?;
    copy(&branch.data(), &good.path().join("data"))?;
    fs::copy(branch.lines(), good.path().join("lines"))?;

    let (mut named, mut missing) = (0u64, 0u64);
    for trial in 0..play.trials {
        fs::remove_dir_all(branch.data())?;
        copy(&good.path().join("data"), &branch.data())?;
        fs::copy(good.path().join("lines"), branch.lines())?;
        let what = damage(&branch.data(), &mut play.dice)?;
        let what = format!("trial {trial}, {what}");
        let Some(mut daemon) = open(&branch, &what, &mut verdict).await? else { continue };
        let log: Vec<String> = daemon.log().warnings().map(|line| line.text.clone()).collect();
        let is_named = log.iter().any(|line| NAMED.iter().any(|word| line.contains(word)));
        named += u64::from(is_named);
        verdict.expect(daemon.log().panics.is_empty(), || format!("{what}: panic {:?}", daemon.log().panics));
        let (status, _) = daemon.terminate().await?;
        verdict.expect(status.success(), || format!("{what}: ended with {status}"));
        match branch.ledger().await {
            Ok(ledger) => {
                let gone = compare(&ledger, &original, &what, &mut verdict);
                missing += gone;
                let is_named = is_named || !ledger.complaints.is_empty() || !ledger.gaps.is_empty();
                if gone > 0 && !is_named {
                    verdict.lost(format!("{what}: {gone} records are gone without a word"));
                }
            }
            Err(error) => verdict.wrong(format!("{what}: {error:#}")),
        }
    }
    verdict.detail(format!(
        "{} damaged folders with {} records: damage named in {named}, records gone and named {missing}",
        play.trials,
        original.len(),
    ));
    Ok(Outcome::Played(verdict))
}

/// Starts the daemon on a damaged folder and lets somebody come.
async fn open(branch: &Branch, what: &str, verdict: &mut Verdict) -> Result<Option<Daemon>> {
    let opened = tokio::time::timeout(OPENED, async {
        let daemon = Daemon::start(&branch.launch()).await?;
        daemon.until_ready().await?;
        anyhow::Ok(daemon)
    });
    match opened.await {
        Ok(Ok(daemon)) => Ok(Some(daemon)),
        Ok(Err(error)) => {
            verdict.wrong(format!("{what}: does not open: {error:#}"));
            Ok(None)
        }
        Err(_) => {
            verdict.wrong(format!("{what}: hangs in opening"));
            Ok(None)
        }
    }
}

/// Records that are gone; those that are there must be as they were.
fn compare(ledger: &Ledger, original: &HashMap<String, Fact>, what: &str, verdict: &mut Verdict) -> u64 {
    let mut there = 0;
    for line in &ledger.unreadable {
        verdict.wrong(format!("{what}: served {line}"));
    }
    for fact in &ledger.facts {
        match original.get(&fact.id) {
            Some(before) if before == fact => there += 1,
            before => verdict.wrong(format!("{what}: served {fact:?}, written {before:?}")),
        }
    }
    (original.len() as u64).saturating_sub(there)
}

/// Spoils one file. Returns what was done to it.
fn damage(data: &Path, dice: &mut Dice) -> Result<String> {
    let mut files = Vec::new();
    list(data, &mut files)?;
    let is_reserve = |file: &Path| file.file_name().is_some_and(|name| name == "reserve");
    files.retain(|file| fs::metadata(file).is_ok_and(|found| found.len() > 0) && !is_reserve(file));
    files.sort();
    let file = files.get(dice.below(files.len() as u64) as usize).context("nothing to damage")?;
    let mut bytes = fs::read(file)?;
    let length = bytes.len() as u64;
    let how = match dice.below(7) {
        0 => {
            let keep = dice.below(length);
            bytes.truncate(keep as usize);
            format!("cut to {keep} of {length} bytes")
        }
        1 => {
            let from = dice.below(length) / BLOCK * BLOCK;
            let block = bytes.iter_mut().skip(from as usize).take(BLOCK as usize);
            block.for_each(|byte| *byte = 0);
            format!("zeros from byte {from} on")
        }
        _ => {
            // Where something is written: most of a fresh store is empty.
            let written: Vec<usize> =
                bytes.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at).collect();
            let at = written.get(dice.below(written.len() as u64) as usize).copied().unwrap_or(0);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
            format!("a bit flipped in byte {at}")
        }
    };
    fs::write(file, bytes)?;
    Ok(format!("{} {how}", file.strip_prefix(data).unwrap_or(file).display()))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &there)?;
        } else {
            fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}
