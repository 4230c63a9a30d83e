//! Plugins that crash, hang, leak, lie and flood, each beside the others and beside readers that
//! are well.

use std::path::Path;
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

/// A bad driver, the file it is in, and what the host says of it; nothing where the host need not
/// notice.
const DRIVERS: [(&str, &str, &str); 16] = [
    ("segfaults", "segfaults.so", "signal 11 (SIGSEGV)"),
    ("aborts", "aborts.so", "signal 6 (SIGABRT)"),
    ("stack-overflow", "stack-overflow.so", "was ended by signal"),
    ("exits", "exits.so", "ended by itself with exit code"),
    ("hangs", "hangs.so", "has not returned for 10 s; its process was ended"),
    ("spins", "spins.so", "has not returned for 10 s; its process was ended"),
    ("leaks", "leaks.so", "MiB of memory and may have 24 MiB"),
    ("lies-count", "lies-count.so", "it is at fault: read said"),
    ("prints", "prints.so", "acme sdk: connected"),
    ("writes-beyond", "writes-beyond.so", ""),
    ("keeps-buffer", "keeps-buffer.so", ""),
    ("floods-the-log", "floods.so", ""),
    ("panics", RUST, "failed (panicked)"),
    ("panics-in-thread", RUST, "failed (panicked)"),
    ("floods", RUST, ""),
    ("lies", RUST, ""),
];
/// Where they stand in the source tree.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/bad-plugins");
/// The file with those in Rust.
const RUST: &str = "librfid_bad_plugins.so";
/// From the crash of a plugin to its reader reading again.
const BACK: Duration = Duration::from_millis(500);
/// The host's own memory beside them: what it keeps of each process, and the glimpses of 131,072 tags
/// that one of them makes up.
const MOST_GROWTH_KIB: u64 = 64 * 1024;
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
        "{} bad drivers; after a segmentation fault back in {} ms; the host's memory +{} MiB, {lines} lines in its log",
        DRIVERS.len(),
        soonest.as_millis(),
        growth / 1024
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// Compiles the plugins into a folder that the daemon trusts.
async fn build(folder: &Path) -> Result<()> {
    let in_c = DRIVERS.iter().map(|(_, file, _)| file).filter(|file| **file != RUST);
    let mut make = Command::new("make");
    make.args(["-s", "-C", &format!("{SOURCES}/c"), &format!("OUT={}", folder.display())]);
    done(make.args(in_c.map(|file| folder.join(file)))).await.context("those in C")?;
    // Beside what else this program is built with, so that it is compiled once.
    let target = std::env::current_exe()?.parent().context("no folder")?.join("../examples");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path", &format!("{SOURCES}/rust/Cargo.toml")]);
    done(cargo.arg("--target-dir").arg(&target)).await.context("those in Rust")?;
    std::fs::copy(target.join("debug").join(RUST), folder.join(RUST))?;
    // Nobody but this user may write there, whatever the umask.
    done(Command::new("chmod").args(["-R", "go-w"]).arg(folder)).await
}

async fn done(command: &mut Command) -> Result<()> {
    let output = command.output().await.with_context(|| format!("{command:?} cannot be started"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// A reader for each, and a pipeline of their own, in which nobody is told of their tags.
fn configuration() -> String {
    let mut text = String::from("[plugins.\"leaks.so\"]\nmemory_bytes = 25_165_824\n\n");
    for (name, file, _) in DRIVERS {
        let driver = if file == RUST { name } else { file.trim_end_matches(".so") };
        text.push_str(&format!(
            "[readers.{name}]\ndriver = \"{driver}\"\nplugin = \"{file}\"\nzone = \"{name}\"\n\n"
        ));
    }
    let names = DRIVERS.map(|(name, ..)| format!("\"{name}\"")).join(", ");
    text.push_str("[sinks.known]\ntype = \"lookup\"\nsource = \"directory\"\n\n");
    text.push_str(&format!("[pipelines.bad]\nreaders = [{names}]\nsinks = [\"known\"]\n"));
    text
}

/// Waits until the host has said of each plugin what is wrong with it.
async fn told(daemon: &Daemon, verdict: &mut Verdict) -> Result<()> {
    for (name, _, said) in DRIVERS.iter().filter(|(.., said)| !said.is_empty()) {
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
