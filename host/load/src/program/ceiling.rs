//! The program to compare with (`benches/src/bin/ceiling.rs`), which talks over its standard
//! input and output: each line in asks for its counts, each line out is an arrival or the counts.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Counts, Heard, Program, Running, cannot_start, note};
use crate::machine::Cpus;
use crate::rows::number_in;

/// Nothing that is waited for takes longer unless it is broken.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Ceiling {
    process: Running,
    asks: ChildStdin,
    counts: mpsc::Receiver<Counts>,
    heard: Heard,
}

impl Ceiling {
    /// Starts the program; `is_durable` has it sync its file for each group of lines.
    pub(crate) fn start(
        binary: &Path,
        customers: &Path,
        log: &Path,
        is_durable: bool,
        readers: &[SocketAddr],
        cpus: &Cpus,
    ) -> Result<Self> {
        let mut command = Command::new(binary);
        command.arg("--customers").arg(customers).arg("--log").arg(log);
        if is_durable {
            command.arg("--sync");
        }
        command.args(readers.iter().map(ToString::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let child = cpus.on_program(|| command.spawn()).with_context(|| cannot_start(binary))?;
        let mut process = Running(child);
        let asks = process.0.stdin.take().context("the ceiling program has no stdin")?;
        let stdout = process.0.stdout.take().context("the ceiling program has no stdout")?;
        let heard = Heard::default();
        let (send, counts) = mpsc::sync_channel(4);
        let (hears, cpus) = (Heard::clone(&heard), *cpus);
        std::thread::Builder::new().name("subscriber".to_owned()).spawn(move || {
            cpus.enter_generator();
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(counts) = line.strip_prefix("counts ") {
                    let mut numbers = counts.split(' ').map(|number| number.parse().unwrap_or_default());
                    let (reads, events) =
                        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
                    // Whoever asked may have gone.
                    let _ = send.try_send(Counts { reads, events, ..Counts::default() });
                } else if let Some(number) = number_in(&line) {
                    note(&hears, number);
                }
            }
        })?;
        Ok(Self { process, asks, counts, heard })
    }
}

impl Program for Ceiling {
    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn counts(&mut self) -> Result<Counts> {
        self.asks.write_all(b"\n").context("the ceiling program has gone")?;
        self.counts.recv_timeout(LIMIT).context("the ceiling program does not answer")
    }

    fn heard(&self) -> &Heard {
        &self.heard
    }
}
