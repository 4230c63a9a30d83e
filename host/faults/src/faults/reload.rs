//! The configuration is read anew, again and again, while people come.
//!
//! Five readers with 2,000 reads a second each stay as they are. A sixth is added, changed and
//! removed; spoilt files come in between.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::storm::count_reads;
use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::Daemon;
use crate::dice::Dice;
use crate::oracle::Verdict;

const UNCHANGED: usize = 5;
/// With rounds of 20 ms, 40 cards are 2,000 rows a second.
const STANDING: usize = 40;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { readers: UNCHANGED + 1, lost_after: "2s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    if daemon.ask("POST", "/api/v1/reload").await?.0 == 404 {
        return Ok(Outcome::Skipped("this binary does not reload".to_owned()));
    }
    daemon.until_ready().await?;
    for station in 0..UNCHANGED {
        branch.present(station, STANDING)?;
    }
    branch.settle(Duration::from_secs(20)).await;
    let begin = Instant::now();
    let reads_before = daemon.metrics().await?.sum("rfid_reader_reads_total");
    let (mut good, mut refused) = (0, 0);
    for round in 0..play.trials {
        let spoilt = play.dice.below(3) == 0;
        vary(&mut branch, &mut play.dice)?;
        if spoilt {
            std::fs::write(branch.config(), spoil(&branch.text()?, &mut play.dice))?;
        }
        if play.dice.below(2) == 0 {
            // A storm: nobody waits for what became of the one before.
            for _ in 0..play.dice.range(1, 5) {
                daemon.signal("HUP").await?;
                tokio::time::sleep(play.dice.millis(0, 20)).await;
            }
        } else {
            let (status, body) = daemon.ask("POST", "/api/v1/reload").await?;
            let is_right = if spoilt { (400..500).contains(&status) } else { status == 200 };
            verdict.expect(is_right, || format!("round {round}: spoilt {spoilt}, answered {status}: {body}"));
            if spoilt { refused += 1 } else { good += 1 }
        }
        let station = play.dice.below(UNCHANGED as u64) as usize;
        let announced = branch.announced_at(station);
        branch.present(station, 1)?;
        if announced.len() >= STANDING {
            branch.leave(station, announced.get(..1).unwrap_or_default())?;
        }
        tokio::time::sleep(play.dice.millis(0, 150)).await;
    }
    let elapsed = begin.elapsed();
    let counted = reads_of_unchanged(&daemon).await?.saturating_sub(reads_before);
    set_sixth(&mut branch, true, "")?;
    let (status, body) = daemon.ask("POST", "/api/v1/reload").await?;
    verdict.expect(status == 200, || format!("the last reload: {status}: {body}"));
    daemon.until_ready().await?;
    branch.present(UNCHANGED, 3)?;
    let settled = branch.settle(Duration::from_secs(20)).await;
    verdict.expect(settled, || "not all arrived".to_owned());
    let metrics = daemon.metrics().await?;
    for station in branch.stations.iter().take(UNCHANGED) {
        let connects = metrics.reader("rfid_reader_connects_total", &station.name);
        verdict.expect(connects == 1, || format!("{} was connected {connects} times", station.name));
    }
    verdict.detail(format!(
        "{} rounds: {good} reloads awaited, {refused} spoilt files refused, the others by SIGHUP; {:.0} reads/s on {UNCHANGED} unchanged readers, each connected once",
        play.trials,
        counted as f64 / elapsed.as_secs_f64()
    ));
    count_reads(&mut branch, &daemon, UNCHANGED, &mut verdict).await?;
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

async fn reads_of_unchanged(daemon: &Daemon) -> Result<u64> {
    let metrics = daemon.metrics().await?;
    Ok((0..UNCHANGED).map(|number| metrics.reader("rfid_reader_reads_total", &format!("r{number}"))).sum())
}

/// The sixth reader: gone, there, or there with another option.
fn vary(branch: &mut Branch, dice: &mut Dice) -> Result<()> {
    match dice.below(3) {
        0 => set_sixth(branch, false, ""),
        1 => set_sixth(branch, true, ""),
        _ => set_sixth(branch, true, "read_power_dbm = 20.0\n"),
    }
}

fn set_sixth(branch: &mut Branch, configured: bool, options: &str) -> Result<()> {
    let sixth = branch.stations.get_mut(UNCHANGED).context("no sixth reader")?;
    sixth.configured = configured;
    sixth.options = options.to_owned();
    branch.configure()
}

/// A file that must be refused.
fn spoil(text: &str, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    match dice.below(6) {
        // Cut within the last table, so that a key or a bracket is missing.
        0 => bytes.truncate(bytes.len().saturating_sub(dice.range(3, 40) as usize)),
        1 => bytes.extend_from_slice(b"\n[sinks.visits]\ntype = \"log\"\n"),
        2 => bytes.extend_from_slice(b"\nunknown = 1\n"),
        3 => bytes.extend_from_slice(b"\xFF\xFE"),
        4 => bytes = text.replace("driver = \"mercury4\"", "driver = 4").into_bytes(),
        _ => bytes.clear(),
    }
    bytes
}
