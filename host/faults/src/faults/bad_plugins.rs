//! Plugins that crash, hang, leak, lie and flood, each beside the others and beside readers that
//! are well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rfid_core::UtcTime;
use serde_json::Value;
use tokio::process::Command;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::{Daemon, until};
use crate::oracle::Verdict;
use crate::watch::Sample;

/// A bad plugin, and what the host says of it; nothing where the host need not notice.
const PLUGINS: [(&str, &str); 12] = [
    ("segfaults", "signal 11 (SIGSEGV)"),
    ("aborts", "signal 6 (SIGABRT)"),
    ("stack-overflow", "was ended by signal"),
    ("exits", "ended by itself with exit code"),
    ("hangs", "has not returned for 10 s; its process was ended"),
    ("spins", "has not returned for 10 s; its process was ended"),
    ("leaks", "MiB of memory and may have 24 MiB"),
    ("lies-count", "the plugin is at fault: read said"),
    ("prints", "acme sdk: connected"),
    ("writes-beyond", ""),
    ("keeps-buffer", ""),
    ("floods", ""),
];
/// Where they stand in the source tree.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/bad-plugins/c");
/// From the crash of a plugin to its reader reading again.
const BACK: Duration = Duration::from_millis(500);
/// The host's own memory beside them: their lines, and what it keeps of each process.
const MOST_GROWTH_KIB: u64 = 32 * 1024;
/// `floods` logs twenty thousand lines a second.
const MOST_LINES: u64 = 3_000;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    build(folder.path()).await?;
    let (plugin_dir, more) = (Some(folder.path().to_owned()), configuration());
    let wanted = Wanted { readers: 2, lost_after: "3s", plugin_dir, more, ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    for station in ["r0", "r1"] {
        daemon.until_reader(station, true, Duration::from_secs(60)).await?;
    }
    let before = Sample::of(daemon.pid())?;
    let end = std::time::Instant::now() + play.lasts();
    while std::time::Instant::now() < end {
        for station in 0..2 {
            branch.present(station, 1)?;
            let announced = branch.announced_at(station);
            if announced.len() > 10 {
                branch.leave(station, announced.get(..1).unwrap_or_default())?;
            }
        }
        tokio::time::sleep(play.dice.millis(50, 150)).await;
    }
    branch.settle(Duration::from_secs(20)).await;
    told(&daemon, &mut verdict).await?;
    let back = times_back(&daemon, "segfaults");
    let soonest = back.iter().min().copied().unwrap_or(Duration::MAX);
    verdict.expect(soonest < BACK, || format!("segfaults was back after {back:?}"));
    let growth = Sample::of(daemon.pid())?.rss_kib.saturating_sub(before.rss_kib);
    verdict.expect(growth <= MOST_GROWTH_KIB, || format!("the host's memory grew by {growth} KiB"));
    let lines = daemon.log().count;
    verdict.expect(lines <= MOST_LINES, || format!("{lines} lines in the log"));
    verdict.detail(format!(
        "{} bad plugins; after a segmentation fault back in {} ms; the host's memory +{} MiB, {lines} lines in its log",
        PLUGINS.len(),
        soonest.as_millis(),
        growth / 1024
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// Compiles the plugins into a folder that the daemon trusts.
async fn build(folder: &Path) -> Result<()> {
    let made = Command::new("make")
        .args(["-s", "-C", SOURCES])
        .arg(format!("OUT={}", folder.display()))
        .args(PLUGINS.map(|(name, _)| file(folder, name).display().to_string()))
        .output()
        .await
        .context("make cannot be started; install make and a C compiler")?;
    if !made.status.success() {
        bail!("the bad plugins do not compile: {}", String::from_utf8_lossy(&made.stderr));
    }
    // Nobody but this user may write there, whatever the umask.
    let guarded = Command::new("chmod").args(["-R", "go-w"]).arg(folder).status().await?;
    if guarded.success() { Ok(()) } else { bail!("{} cannot be guarded", folder.display()) }
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.so"))
}

/// A reader for each, and a pipeline of their own, in which nobody is told of their tags.
fn configuration() -> String {
    let mut text = String::from("[plugins.\"leaks.so\"]\nmemory_bytes = 25_165_824\n\n");
    for (name, _) in PLUGINS {
        text.push_str(&format!(
            "[readers.{name}]\ndriver = \"{name}\"\nplugin = \"{name}.so\"\nzone = \"{name}\"\n\n"
        ));
    }
    let names = PLUGINS.map(|(name, _)| format!("\"{name}\"")).join(", ");
    text.push_str("[sinks.known]\ntype = \"lookup\"\nsource = \"directory\"\n\n");
    text.push_str(&format!("[pipelines.bad]\nreaders = [{names}]\nsinks = [\"known\"]\n"));
    text
}

/// Waits until the host has said of each plugin what is wrong with it.
async fn told(daemon: &Daemon, verdict: &mut Verdict) -> Result<()> {
    for (name, said) in PLUGINS.iter().filter(|(_, said)| !said.is_empty()) {
        let heard = until("a line about a plugin", Duration::from_secs(30), async || {
            let log = daemon.log();
            let found = log.lines().any(|line| line.text.contains(said) && line.text.contains(name));
            Ok(found.then_some(()))
        });
        verdict.expect(heard.await.is_ok(), || format!("nothing was said of {name}: \"{said}\""));
    }
    Ok(())
}

/// How long the reader was down each time, by the host's own log.
fn times_back(daemon: &Daemon, reader: &str) -> Vec<Duration> {
    let mut down = None;
    let mut times = Vec::new();
    for line in daemon.log().lines() {
        let json: Value = serde_json::from_str(&line.text).unwrap_or(Value::Null);
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str);
        if text("/fields/reader") != Some(reader) {
            continue;
        }
        let Some(at) = text("/timestamp").and_then(|at| at.parse::<UtcTime>().ok()) else { continue };
        let message = text("/fields/message").unwrap_or_default();
        if message.starts_with("reader is down") {
            down = Some(at);
        } else if message.starts_with("reader is reading")
            && let Some(down) = down.take()
        {
            times.push(at.since(down));
        }
    }
    times
}
