//! A pad at 13.56 MHz to play on: a PN532 on a pseudo-terminal, or a virtual reader of a real PC/SC
//! service, cards on it, and a daemon before it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use rfid_driver_mifare::model::Uid;
use rfid_driver_mifare::pn532::emulator::{Emulator, Scenario};
use rfid_driver_mifare::sim::{Family, Notice, PcscService, SimulatedCard, VirtualReader};
use tempfile::TempDir;
use tokio::task::{JoinHandle, block_in_place};

use crate::daemon::{Daemon, Launch, command, lock, until};
use crate::ledger::{Ledger, Lines};
use crate::oracle::{Oracle, Presentation, Reads, Verdict};
use crate::subscriber::subscribe;

/// Name of the reader, and of its zone.
pub(crate) const READER: &str = "pad";

/// A shorter gap between two cards is none: a PN532 waits for half a second before it takes a card for
/// lifted, and a service may look every 400 ms.
const GAP: Duration = Duration::from_millis(600);

/// What reaches the cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Pn532,
    Pcsc(Notice),
}

impl Transport {
    /// Why it cannot be played here, if so.
    pub(crate) async fn is_missing(self, binary: &Path) -> Result<Option<String>> {
        if self == Self::Pn532 {
            return Ok(None);
        }
        if let Err(missing) = PcscService::can_run() {
            return Ok(Some(missing.to_owned()));
        }
        let described = command(binary, &["drivers", "describe", "mifare"]).await?;
        let is_built_in = described.stdout.contains("transport = \"pcsc\"");
        Ok((!is_built_in).then(|| "rfid-host was built without the feature pcsc".to_owned()))
    }
}

#[derive(Debug)]
enum Rig {
    Pn532(Emulator),
    Pcsc { service: PcscService, reader: VirtualReader },
}

/// The pad, its daemon's files, and the book beside it.
#[derive(Debug)]
pub(crate) struct Pad {
    folder: TempDir,
    binary: PathBuf,
    rig: Rig,
    lying: Option<String>,
    next_card: u32,
    /// Cards that were laid on in place of another one, or so soon behind it that nobody need see a gap.
    in_place: HashSet<String>,
    emptied: Option<Instant>,
    pub(crate) oracle: Arc<Mutex<Oracle>>,
}

impl Pad {
    /// Sets up the pad and writes the configuration. A PC/SC service is waited for until nobody else
    /// plays with one.
    pub(crate) async fn open(binary: &Path, transport: Transport) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = folder.path().join("pn532");
        let (rig, options) = match transport {
            Transport::Pn532 => {
                let emulator = Emulator::start(&port, Scenario::default()).await?;
                (Rig::Pn532(emulator), format!("transport = \"pn532\"\nport = '{}'", port.display()))
            }
            Transport::Pcsc(notice) => {
                let service = block_in_place(|| PcscService::start(notice))?;
                let reader = service.reader(Family::Acs);
                (
                    Rig::Pcsc { service, reader },
                    "transport = \"pcsc\"\nreader = \"Virtual PCD 00 00\"".to_owned(),
                )
            }
        };
        let pad = Self {
            folder,
            binary: binary.to_owned(),
            rig,
            lying: None,
            next_card: 0,
            in_place: HashSet::new(),
            emptied: None,
            oracle: Arc::default(),
        };
        std::fs::write(pad.config(), pad.text(&options))?;
        Ok(pad)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn lines(&self) -> PathBuf {
        self.folder.path().join("events.jsonl")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("pad.toml")
    }

    fn text(&self, options: &str) -> String {
        let (data, lines) = (self.data(), self.lines());
        format!(
            r#"[host]
name = "faults"
data_dir = '{}'
listen = "127.0.0.1:0"

[readers.{READER}]
driver = "mifare"
zone = "{READER}"
repeat = "50ms"
{options}

[sinks.visits]
type = "log"
path = '{}'

[sinks.screens]
type = "notify"

[pipelines.all]
readers = ["{READER}"]
sinks = ["visits", "screens"]
presence = {{ confirm_reads = 1, lost_after = "500ms", revisit_within = "0s", stationary_after = "40d" }}
"#,
            data.display(),
            lines.display()
        )
    }

    /// Starts the daemon and a subscriber.
    pub(crate) async fn start(&self) -> Result<(Daemon, JoinHandle<Result<()>>)> {
        let launch = Launch {
            binary: self.binary.clone(),
            config: self.config(),
            environment: Vec::new(),
            descriptors: None,
        };
        let daemon = Daemon::start(&launch).await?;
        daemon.until_ready().await?;
        let http = daemon.http().context("the daemon serves no HTTP")?;
        let subscriber = subscribe(http, &self.oracle).await?;
        Ok((daemon, subscriber))
    }

    /// Lays a card on that never lay there, in place of the one that does.
    pub(crate) fn lay(&mut self) -> Result<String> {
        let is_swap = self.lying.is_some() || self.emptied.is_some_and(|emptied| emptied.elapsed() < GAP);
        self.note_lifted();
        let [a, b, c, d] = self.next_card.to_be_bytes();
        let uid = match self.next_card % 2 {
            0 => Uid::try_from([0x04, 0xA1, 0xB2, a, b, c, d].as_slice()),
            _ => Uid::try_from([0x20, b, c, d].as_slice()),
        };
        let uid = uid.map_err(|fault| anyhow::anyhow!("{fault}"))?;
        self.next_card += 1;
        let hex = uid.to_string();
        if is_swap {
            self.in_place.insert(hex.clone());
        }
        let presentation = Presentation {
            reader: READER.to_owned(),
            zone: READER.to_owned(),
            from: SystemTime::now(),
            left: None,
            reads: Reads::Enough,
        };
        // Written down first: the daemon may be quick.
        lock(&self.oracle).presented.insert(hex.clone(), presentation);
        let card = SimulatedCard::classic_1k(uid);
        match &mut self.rig {
            Rig::Pn532(emulator) => {
                emulator.clear();
                emulator.lay(card);
            }
            Rig::Pcsc { reader, .. } => block_in_place(|| reader.lay(card))?,
        }
        self.lying = Some(hex.clone());
        Ok(hex)
    }

    /// Lifts what lies there.
    pub(crate) fn lift(&mut self) {
        self.note_lifted();
        self.emptied = Some(Instant::now());
        match &mut self.rig {
            Rig::Pn532(emulator) => emulator.clear(),
            Rig::Pcsc { reader, .. } => drop(block_in_place(|| reader.lift())),
        }
    }

    fn note_lifted(&mut self) {
        if let Some(card) = self.lying.take()
            && let Some(presentation) = lock(&self.oracle).presented.get_mut(&card)
        {
            presentation.left = Some(SystemTime::now());
        }
    }

    /// Takes the transport away: the port vanishes, the service dies.
    pub(crate) async fn take_away(&mut self) -> Result<()> {
        self.lift();
        match &mut self.rig {
            Rig::Pn532(emulator) => emulator.pull().await,
            Rig::Pcsc { service, .. } => service.kill()?,
        }
        Ok(())
    }

    /// Gives it back.
    pub(crate) async fn give_back(&mut self) -> Result<()> {
        match &mut self.rig {
            Rig::Pn532(emulator) => emulator.plug_in().await,
            Rig::Pcsc { service, .. } => block_in_place(|| service.restart())?,
        }
        Ok(())
    }

    /// Time from laying on to the announcement, shortest first: of cards that were laid on the empty
    /// pad, and of those that came in place of another one.
    pub(crate) fn latencies(&self) -> [Vec<Duration>; 2] {
        let oracle = lock(&self.oracle);
        let mut latencies = [Vec::new(), Vec::new()];
        for heard in oracle.heard.iter().filter(|heard| heard.fact.kind == "arrived") {
            let Some(presentation) = oracle.presented.get(&heard.fact.card) else { continue };
            let Ok(latency) = heard.at.duration_since(presentation.from) else { continue };
            let [on_empty, in_place] = &mut latencies;
            let of = if self.in_place.contains(&heard.fact.card) { in_place } else { on_empty };
            of.push(latency);
        }
        latencies.iter_mut().for_each(|of| of.sort_unstable());
        latencies
    }

    /// Waits until this card is announced; whether it was.
    pub(crate) async fn announced(&self, card: &str, limit: Duration) -> bool {
        let is_announced = async || {
            let oracle = lock(&self.oracle);
            let mut heard = oracle.heard.iter().rev().take(8);
            Ok(heard.any(|heard| heard.fact.kind == "arrived" && heard.fact.card == card).then_some(()))
        };
        until("the arrival", limit, is_announced).await.is_ok()
    }

    /// Waits until everything that is due was announced.
    pub(crate) async fn settle(&self, limit: Duration) -> bool {
        let settled = until("all events", limit, async || {
            let oracle = lock(&self.oracle);
            Ok((oracle.untold().is_empty() && oracle.undeparted().is_empty()).then_some(()))
        });
        settled.await.is_ok()
    }

    /// Ends the daemon in order and compares what is registered with the book.
    pub(crate) async fn judge(self, mut daemon: Daemon) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        if let Some(status) = daemon.ended() {
            verdict.wrong(format!("the daemon ended by itself: {status}"));
        } else {
            let (status, took) = daemon.terminate().await?;
            verdict.expect(status.success(), || format!("the daemon ended with {status}"));
            verdict.expect(took < Duration::from_secs(5), || format!("the daemon took {took:?} to end"));
        }
        for panic in &daemon.log().panics {
            verdict.wrong(format!("panic: {panic}"));
        }
        let ledger = Ledger::read(&self.binary, &self.data()).await?;
        verdict.add(lock(&self.oracle).judge(&ledger, &Lines::read(&self.lines())));
        if let Rig::Pn532(emulator) = self.rig {
            emulator.shutdown().await;
        }
        Ok(verdict)
    }
}
