//! A branch to play on: emulated readers, cards before them, a configuration, a data folder.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use rfid_core::{TagId, TagIdKind, UtcTime};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::daemon::{Daemon, Launch, lock, until};
use crate::dice::Dice;
use crate::ledger::{Ledger, Lines};
use crate::oracle::{Oracle, Presentation, Reads, Verdict};
use crate::proxy::Proxy;
use crate::subscriber::subscribe;

/// What kind of branch is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) readers: usize,
    /// How long a reader listens in one round.
    pub(crate) round: &'static str,
    pub(crate) reads_per_second: u32,
    pub(crate) lost_after: &'static str,
    /// Where presence stops; as the daemon has it if there is none.
    pub(crate) max_tags: Option<u32>,
    /// What the clocks of the readers say at the start; right for those that have none here.
    pub(crate) reader_clocks: Vec<UtcTime>,
    pub(crate) with_proxy: bool,
    /// Folder of all that the daemon keeps; one beside the configuration if there is none.
    pub(crate) data_parent: Option<PathBuf>,
    /// Lines for `[sinks.screens]`.
    pub(crate) screens: String,
    /// Folder of plugins.
    pub(crate) plugin_dir: Option<PathBuf>,
    /// More tables of the configuration.
    pub(crate) more: String,
    pub(crate) environment: Vec<(String, String)>,
    /// How many the daemon may have open.
    pub(crate) descriptors: Option<u64>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            readers: 4,
            round: "20ms",
            reads_per_second: 100,
            lost_after: "20s",
            max_tags: None,
            reader_clocks: Vec::new(),
            with_proxy: false,
            data_parent: None,
            screens: String::new(),
            plugin_dir: None,
            more: String::new(),
            environment: Vec::new(),
            descriptors: None,
        }
    }
}

/// One emulated reader and what stands before it.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) emulator: Emulator,
    pub(crate) proxy: Option<Proxy>,
    /// Whether the configuration names it.
    pub(crate) configured: bool,
    /// More lines for its table in the configuration.
    pub(crate) options: String,
    standing: Vec<TagId>,
    /// Cards that are read once, and when, from the start of the emulator.
    glimpses: Vec<(String, Duration)>,
    next_card: u32,
    number: usize,
    born: Instant,
}

/// The whole branch.
#[derive(Debug)]
pub(crate) struct Branch {
    folder: TempDir,
    binary: PathBuf,
    wanted: Wanted,
    pub(crate) stations: Vec<Station>,
    pub(crate) oracle: Arc<Mutex<Oracle>>,
}

impl Branch {
    /// Starts the readers and writes the configuration.
    pub(crate) async fn open(binary: &Path, wanted: Wanted, dice: &mut Dice) -> Result<Self> {
        let mut branch = Self {
            folder: tempfile::tempdir()?,
            binary: binary.to_owned(),
            wanted,
            stations: Vec::new(),
            oracle: Arc::default(),
        };
        for _ in 0..branch.wanted.readers {
            branch.add_station(dice).await?;
        }
        branch.configure()?;
        Ok(branch)
    }

    /// Starts one more reader; the configuration is not written.
    pub(crate) async fn add_station(&mut self, dice: &mut Dice) -> Result<usize> {
        let number = self.stations.len();
        let (address, scenario) = ("127.0.0.1:0", Scenario::default());
        let emulator = match self.wanted.reader_clocks.get(number) {
            Some(utc) => Emulator::bind_with(address, Profile::M4, scenario, *utc).await?,
            None => Emulator::bind(address, Profile::M4, scenario).await?,
        };
        let born = Instant::now();
        let proxy = match self.wanted.with_proxy {
            true => Some(Proxy::bind(emulator.local_addr(), dice.fork()).await?),
            false => None,
        };
        self.stations.push(Station {
            name: format!("r{number}"),
            zone: format!("zone{number}"),
            emulator,
            proxy,
            configured: true,
            options: String::new(),
            standing: Vec::new(),
            glimpses: Vec::new(),
            next_card: 0,
            number,
            born,
        });
        Ok(number)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.wanted.data_parent.as_deref().unwrap_or(self.folder.path()).join("data")
    }

    pub(crate) fn lines(&self) -> PathBuf {
        self.wanted.data_parent.as_deref().unwrap_or(self.folder.path()).join("events.jsonl")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("branch.toml")
    }

    pub(crate) fn launch(&self) -> Launch {
        Launch {
            binary: self.binary.clone(),
            config: self.config(),
            environment: self.wanted.environment.clone(),
            descriptors: self.wanted.descriptors,
        }
    }

    /// Writes the configuration for what there is now.
    pub(crate) fn configure(&self) -> Result<()> {
        Ok(std::fs::write(self.config(), self.text()?)?)
    }

    /// The configuration.
    pub(crate) fn text(&self) -> Result<String> {
        let mut text = format!(
            "[host]\nname = \"faults\"\ndata_dir = '{}'\nlisten = \"127.0.0.1:0\"\n",
            self.data().display()
        );
        if let Some(plugin_dir) = &self.wanted.plugin_dir {
            writeln!(text, "plugin_dir = '{}'", plugin_dir.display())?;
        }
        writeln!(text, "\n{}", self.wanted.more)?;
        let stations = || self.stations.iter().filter(|station| station.configured);
        for Station { name, zone, options, .. } in stations() {
            write!(text, "[readers.{name}]\ndriver = \"mercury4\"\n")?;
            write!(text, "antennas = {{ 1 = \"{zone}\" }}\ntime_out = \"{}\"\n{options}", self.wanted.round)?;
            writeln!(text)?;
        }
        for station in stations() {
            let address = station.address();
            let table = format!("[readers.{}]\n", station.name);
            text = text.replace(&table, &format!("{table}address = \"{address}\"\n"));
        }
        write!(text, "[sinks.visits]\ntype = \"log\"\npath = '{}'\n\n", self.lines().display())?;
        write!(text, "[sinks.screens]\ntype = \"notify\"\n{}\n", self.wanted.screens)?;
        let names: Vec<String> = stations().map(|station| format!("\"{}\"", station.name)).collect();
        write!(
            text,
            "[pipelines.all]\nreaders = [{}]\nsinks = [\"visits\", \"screens\"]\npresence = {{ lost_after = \"{}\", revisit_within = \"1m\"{} }}\n",
            names.join(", "),
            self.wanted.lost_after,
            self.wanted.max_tags.map(|most| format!(", max_tags = {most}")).unwrap_or_default()
        )?;
        Ok(text)
    }

    /// Puts new cards before a reader. They stay until they are told to leave.
    pub(crate) fn present(&mut self, station: usize, count: usize) -> Result<Vec<String>> {
        let station = self.stations.get_mut(station).context("no such reader")?;
        let mut cards = Vec::with_capacity(count);
        for _ in 0..count {
            let id = station.new_card()?;
            cards.push(id.hex());
            station.standing.push(id);
        }
        // Written down first: the daemon may be quick.
        station.note(&self.oracle, &cards, Reads::Enough);
        station.lay(self.wanted.reads_per_second)?;
        Ok(cards)
    }

    /// Lets a card pass that is read once.
    pub(crate) fn glimpse(&mut self, station: usize) -> Result<()> {
        let station = self.stations.get_mut(station).context("no such reader")?;
        let card = station.new_card()?.hex();
        station.note(&self.oracle, std::slice::from_ref(&card), Reads::TooFew);
        station.glimpses.push((card, station.born.elapsed() + Duration::from_millis(100)));
        station.lay(self.wanted.reads_per_second)
    }

    /// Takes these cards away.
    pub(crate) fn leave(&mut self, station: usize, cards: &[String]) -> Result<()> {
        let station = self.stations.get_mut(station).context("no such reader")?;
        station.standing.retain(|card| !cards.contains(&card.hex()));
        station.lay(self.wanted.reads_per_second)?;
        let mut oracle = lock(&self.oracle);
        for card in cards {
            if let Some(presentation) = oracle.presented.get_mut(card) {
                presentation.left.get_or_insert(SystemTime::now());
            }
        }
        Ok(())
    }

    /// Takes these cards away without expecting a departure, as nobody waits for it.
    pub(crate) fn forget(&mut self, station: usize, cards: &[String]) -> Result<()> {
        let station = self.stations.get_mut(station).context("no such reader")?;
        let cards: HashSet<&String> = cards.iter().collect();
        station.standing.retain(|card| !cards.contains(&card.hex()));
        station.lay(self.wanted.reads_per_second)
    }

    /// Cards before a reader whose arrival is announced.
    pub(crate) fn announced_at(&self, station: usize) -> Vec<String> {
        let told = lock(&self.oracle).told("arrived");
        let standing = self.stations.get(station).map(|station| station.standing.as_slice());
        standing.unwrap_or_default().iter().map(TagId::hex).filter(|card| told.contains(card)).collect()
    }

    /// Starts the daemon and a subscriber that goes on where the one before ended.
    pub(crate) async fn start(&self) -> Result<(Daemon, JoinHandle<Result<()>>)> {
        let daemon = Daemon::start(&self.launch()).await?;
        let subscriber = self.attach(&daemon).await?;
        Ok((daemon, subscriber))
    }

    pub(crate) async fn attach(&self, daemon: &Daemon) -> Result<JoinHandle<Result<()>>> {
        subscribe(daemon.http().context("the daemon serves no HTTP")?, &self.oracle).await
    }

    /// Waits until the subscriber has heard of all that is due; what is still open then is lost
    /// and will be counted.
    pub(crate) async fn settle(&self, limit: Duration) -> bool {
        let settled = until("all events", limit, async || {
            let oracle = lock(&self.oracle);
            Ok((oracle.untold().is_empty() && oracle.undeparted().is_empty()).then_some(()))
        });
        settled.await.is_ok()
    }

    /// What is registered; the daemon may run.
    pub(crate) async fn ledger(&self) -> Result<Ledger> {
        Ledger::read(&self.binary, &self.data()).await
    }

    /// Identities of the events that are registered by now.
    pub(crate) async fn registered(&self) -> Result<HashSet<String>> {
        Ledger::ids(&self.binary, &self.data()).await
    }

    /// Compares what is registered with the book; the daemon must not run.
    pub(crate) async fn compare(&self) -> Result<Verdict> {
        let ledger = self.ledger().await?;
        Ok(lock(&self.oracle).judge(&ledger, &Lines::read(&self.lines())))
    }

    /// Ends the daemon in order, reads the ledger and compares.
    pub(crate) async fn judge(&self, mut daemon: Daemon) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        self.end(&mut daemon, &mut verdict).await?;
        verdict.add(self.compare().await?);
        Ok(verdict)
    }

    /// Ends the daemon in order, in time, without a panic.
    pub(crate) async fn end(&self, daemon: &mut Daemon, verdict: &mut Verdict) -> Result<()> {
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
        Ok(())
    }
}

impl Station {
    /// Where the daemon finds the reader.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.proxy.as_ref().map_or(self.emulator.local_addr(), Proxy::address)
    }

    pub(crate) fn proxy(&self) -> Result<&Proxy> {
        self.proxy.as_ref().context("this branch has no proxies")
    }

    fn new_card(&mut self) -> Result<TagId> {
        // Numbered in a row, as a bank's cards are: a flipped bit makes of one another one that is there, too.
        let digits = format!("2D{:06X}{:016X}", self.number, self.next_card);
        self.next_card += 1;
        TagId::from_hex(TagIdKind::Epc, &digits).map_err(|fault| anyhow::anyhow!("{digits}: {fault}"))
    }

    fn note(&self, oracle: &Mutex<Oracle>, cards: &[String], reads: Reads) {
        let mut oracle = lock(oracle);
        for card in cards {
            let presentation = Presentation {
                reader: self.name.clone(),
                zone: self.zone.clone(),
                from: SystemTime::now(),
                left: None,
                reads,
            };
            oracle.presented.insert(card.clone(), presentation);
        }
    }

    fn lay(&mut self, reads_per_second: u32) -> Result<()> {
        let now = self.born.elapsed();
        self.glimpses.retain(|(_, at)| *at + Duration::from_secs(1) > now);
        let scenario = match self.glimpses.is_empty() {
            true => Scenario::steady(self.standing.iter().copied(), reads_per_second),
            false => {
                let mut text = String::new();
                for card in &self.standing {
                    let hex = card.hex();
                    write!(text, "[[tag]]\nepc = \"{hex}\"\nreads_per_second = {reads_per_second}\n")?;
                }
                for (card, at) in &self.glimpses {
                    let at = at.as_millis();
                    write!(text, "[[tag]]\nepc = \"{card}\"\nat = \"{at}ms\"\nfor = \"1ms\"\n")?;
                }
                Scenario::from_toml(&text)?
            }
        };
        self.emulator.set_scenario(scenario);
        Ok(())
    }
}
