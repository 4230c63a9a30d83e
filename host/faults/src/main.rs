//! `rfid-faults`: plays every fault on the built `rfid-host` and prints what was lost, double and
//! wrong.
//!
//! The binary is a black box: emulated readers on one side, a subscriber and the ledger on the
//! other, and a book of what was presented between them ([`oracle`]). Each fault is a file in
//! [`faults`].
#![forbid(unsafe_code)]

mod bank;
mod branch;
mod daemon;
mod dice;
mod disk;
mod fact;
mod faults;
mod ledger;
mod oracle;
mod pad;
mod proxy;
mod receiver;
mod subscriber;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;

use faults::{FAULTS, Fault, Outcome, Play};
use oracle::Verdict;

/// Plays faults on the built rfid-host and counts what was lost, double and wrong.
#[derive(Debug, Parser)]
#[command(
    name = "rfid-faults",
    after_help = "Examples:
  rfid-faults list
  rfid-faults kill --trials 100
  rfid-faults all --quick --allow-skips

The last line is for machines: NAME: lost 0, double 0, wrong 0. Ends with 1 if one of them is not
0, or if a fault was skipped without --allow-skips."
)]
struct Cli {
    /// A fault, `list`, or `all`
    name: String,
    /// How often
    #[arg(long)]
    trials: Option<u64>,
    /// How long, where the fault has a length
    #[arg(long)]
    seconds: Option<u64>,
    /// How many readers, where the fault has a choice
    #[arg(long)]
    readers: Option<usize>,
    /// The same seed plays the same; another one each time if left out
    #[arg(long)]
    seed: Option<u64>,
    /// The binary; rfid-host beside this one if left out
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// A few trials of each
    #[arg(long)]
    quick: bool,
    /// Keeps what the daemons log in this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// What cannot be played here is no failure
    #[arg(long)]
    allow_skips: bool,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    if cli.name == "list" {
        for fault in FAULTS {
            println!("{:<16} {}", fault.name, fault.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let binary = match &cli.binary {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("rfid-host"),
    };
    if !binary.exists() {
        bail!("{} is not there; build it with: cargo build --release -p rfid-host", binary.display());
    }
    let chosen: Vec<&Fault> =
        FAULTS.iter().filter(|fault| cli.name == "all" || cli.name == fault.name).collect();
    if chosen.is_empty() {
        bail!("there is no fault \"{}\"; `rfid-faults list` shows them", cli.name);
    }
    if let Some(path) = &cli.log {
        daemon::keep_log(path)?;
    }
    let seed = cli.seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        since.as_nanos() as u64 % 1_000_000
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let mut said = Vec::new();
    let (mut sum, mut skipped) = (Verdict::default(), 0);
    for fault in &chosen {
        let play = Play::new(fault, &binary, seed, cli.quick, [cli.trials, cli.seconds], cli.readers);
        println!(
            "{}: {} (seed {seed}, trials {}, seconds {})",
            fault.name, fault.about, play.trials, play.seconds
        );
        let begin = Instant::now();
        let line = match runtime.block_on(faults::play(fault, play)) {
            Outcome::Played(verdict) => {
                for line in verdict.details.iter().chain(&verdict.findings) {
                    println!("  {line}");
                }
                let line = format!("{}: {verdict}", fault.name);
                sum.add(verdict);
                line
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                format!("{}: skipped: {why}", fault.name)
            }
        };
        println!("  took {:.1} s", begin.elapsed().as_secs_f64());
        println!("{line}");
        said.push(line);
    }
    if chosen.len() > 1 {
        println!("\n{}\nall: {sum}, skipped {skipped}", said.join("\n"));
    }
    let is_well = sum.is_clean() && (skipped == 0 || cli.allow_skips);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
