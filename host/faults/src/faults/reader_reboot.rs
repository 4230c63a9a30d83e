//! Readers that restart in mid-inventory and come back with the settings of the factory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::{Daemon, until};
use crate::oracle::Verdict;

/// How long after a reader accepts again it must be reading.
const READING_AGAIN: Duration = Duration::from_secs(5);
/// Readers that restart in the same round. Each is rebooted a few times only, because waits grow
/// until a reader has been healthy for a minute.
const READERS: usize = 25;
/// Not the setting of the factory, in hundredths of a dBm.
const POWER_CDBM: &str = "2250";

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let readers = READERS.min(play.trials.max(2) as usize);
    let wanted = Wanted { readers, with_proxy: true, ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    for station in &mut branch.stations {
        station.options = "read_power_dbm = 22.5\n".to_owned();
    }
    branch.configure()?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for station in 0..readers {
        branch.present(station, 4)?;
    }
    branch.settle(Duration::from_secs(10)).await;

    let mut slowest = Duration::ZERO;
    for round in 0..play.trials {
        let number = round as usize % readers;
        // In the middle of a row, or between two rounds.
        let station = branch.stations.get(number).context("no reader")?;
        station.emulator.cut_after(play.dice.range(1, 900) as u32);
        tokio::time::sleep(play.dice.millis(0, 80)).await;
        station.proxy()?.refuse(true);
        station.emulator.reboot();
        let name = station.name.clone();
        branch.present(number, 1)?;
        daemon.until_reader(&name, false, READING_AGAIN).await?;
        tokio::time::sleep(play.dice.millis(100, 2_000)).await;
        let reads = daemon.metrics().await?.reader("rfid_reader_reads_total", &name);
        let station = branch.stations.get(number).context("no reader")?;
        // Where the reboot came before it, it must not cut the session that comes next.
        station.emulator.cut_after(u32::MAX);
        station.proxy()?.refuse(false);
        let begin = Instant::now();
        until_reads(&daemon, &name, reads).await?;
        let took = begin.elapsed();
        slowest = slowest.max(took);
        verdict.expect(took <= READING_AGAIN, || format!("round {round}: {name} reads again after {took:?}"));
        let power = power_of(station.emulator.local_addr()).await?;
        verdict.expect(power == POWER_CDBM, || {
            format!("round {round}: {name} has power {power} after a reboot")
        });
        let settled = branch.settle(Duration::from_secs(10)).await;
        verdict.expect(settled, || format!("round {round}: not all arrived"));
    }
    verdict.detail(format!(
        "{} reboots of {readers} readers; reading again within {:.1} s, power set anew each time",
        play.trials,
        slowest.as_secs_f64()
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// Waits until a reader has delivered more reads than these.
async fn until_reads(daemon: &Daemon, reader: &str, before: u64) -> Result<()> {
    until(&format!("reads of {reader}"), crate::daemon::LIMIT, async || {
        let reads = daemon.metrics().await?.reader("rfid_reader_reads_total", reader);
        Ok((reads > before).then_some(()))
    })
    .await
}

/// Asks the emulated reader itself.
async fn power_of(reader: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(reader).await?;
    stream.write_all(b"SELECT uhf_power_centidbm FROM saved_settings;\n").await?;
    let mut lines = BufReader::new(stream).lines();
    lines.next_line().await?.context("the reader says nothing")
}
