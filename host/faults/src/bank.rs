//! A bank to play on: customers with cards, one reader at the door, and another system that writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rfid_core::{TagId, TagIdKind};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use rfid_service::store::postgres::cluster::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::daemon::{self, LIMIT, Launch, command, lock};
use crate::dice::Dice;
use crate::oracle::Verdict;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Where the bank keeps its customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Embedded,
    Postgres,
}

/// The bank.
pub(crate) struct Bank {
    folder: TempDir,
    binary: PathBuf,
    emulator: Emulator,
    pub(crate) cluster: Option<Cluster>,
    customers: u32,
    pub(crate) book: Arc<Mutex<Book>>,
}

/// What the other system knows.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Of each customer the last version that was acknowledged, and its usual business.
    acknowledged: BTreeMap<u32, (u64, String)>,
    /// What was sent as usual business.
    sent: BTreeMap<u32, BTreeSet<String>>,
    /// Visits that a read of the list has shown.
    seen: BTreeSet<String>,
    pub(crate) answers: u64,
    /// Answers 503, which say when to come again.
    pub(crate) not_now: u64,
    pub(crate) findings: Verdict,
    written: u64,
}

impl Book {
    fn note(&mut self, status: u16, method: &str, path: &str) {
        self.answers += 1;
        match status {
            200..=499 => {}
            503 => self.not_now += 1,
            other => self.findings.wrong(format!("{method} {path} is answered with {other}")),
        }
    }

    /// How many changes were acknowledged.
    pub(crate) fn acknowledgements(&self) -> u64 {
        self.written
    }
}

impl Bank {
    /// Opens so many customers, each with a card.
    pub(crate) async fn open(binary: &Path, kept: Kept, customers: u32) -> Result<Self> {
        let cluster = (kept == Kept::Postgres).then(|| Cluster::start(&[]));
        if let Some(cluster) = &cluster {
            cluster.database("bank");
        }
        let emulator = Emulator::bind("127.0.0.1:0", Profile::M4, Scenario::default()).await?;
        let book = Arc::default();
        let bank = Self {
            folder: tempfile::tempdir()?,
            binary: binary.to_owned(),
            emulator,
            cluster,
            customers,
            book,
        };
        bank.configure()?;
        let mut people = "customer_number,name,vip_class,branch,consent\n".to_owned();
        let mut cards = "customer_number,epc_hex,valid_from,valid_until\n".to_owned();
        for number in 0..customers {
            writeln!(people, "C{number},客户{number},gold,hubin,given")?;
            writeln!(cards, "C{number},{},2020-01-01,2099-12-31", tag(number)?.hex())?;
        }
        for (what, text) in [("customers", people), ("cards", cards)] {
            let file = bank.path(what);
            std::fs::write(&file, text)?;
            let said = command(
                &bank.binary,
                &[
                    "import",
                    what,
                    &file.display().to_string(),
                    "--config",
                    &bank.path("branch.toml").display().to_string(),
                ],
            )
            .await?;
            ensure!(said.ok, "{what} cannot be imported: {}", said.stderr);
        }
        Ok(bank)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self) -> Result<()> {
        let store = match &self.cluster {
            None => String::new(),
            Some(cluster) => format!("[store]\nkind = \"postgres\"\nurl = \"{}\"\n", cluster.url("bank")),
        };
        let text = format!(
            "[host]\ndata_dir = '{}'\nlisten = \"127.0.0.1:0\"\n{store}\
             [branches.hubin]\nname = \"湖滨支行\"\n\
             [readers.door]\ndriver = \"mercury4\"\nbranch = \"hubin\"\naddress = \"{}\"\ntime_out = \"20ms\"\n\
             antennas = {{ 1 = \"door\" }}\n\
             [sinks.customers]\ntype = \"lookup\"\nsource = \"service\"\n\
             [pipelines.hubin]\nreaders = [\"door\"]\nsinks = [\"customers\"]\npresence = {{ lost_after = \"1s\" }}\n\
             [clients.other]\ntoken = \"{TOKEN}\"\nrequests_per_minute = 100000\n\
             scopes = [\"customers:read\", \"customers:write\", \"visits:read\"]\n",
            self.path("data").display(),
            self.emulator.local_addr(),
        );
        Ok(std::fs::write(self.path("branch.toml"), text)?)
    }

    pub(crate) fn launch(&self) -> Launch {
        Launch {
            binary: self.binary.clone(),
            config: self.path("branch.toml"),
            environment: Vec::new(),
            descriptors: None,
        }
    }

    /// Some cards walk in, those before walk out.
    pub(crate) fn stir(&self, dice: &mut Dice) -> Result<()> {
        let customers = u64::from(self.customers);
        let count = dice.range(1, 6);
        let cards: Result<Vec<TagId>> =
            (0..count).map(|_| tag(u32::try_from(dice.below(customers)).unwrap_or(0))).collect();
        self.emulator.set_scenario(Scenario::steady(cards?, 100));
        Ok(())
    }

    /// Another system changes customers one after the other and looks at visits, until the daemon is
    /// gone or `stop` says so.
    pub(crate) async fn write(
        &self,
        http: SocketAddr,
        mut dice: Dice,
        stop: tokio::sync::watch::Receiver<bool>,
    ) {
        while !*stop.borrow() {
            let number = u32::try_from(dice.below(self.customers.into())).unwrap_or(0);
            let notes = format!("{:016x}", dice.next());
            if self.change(http, number, notes).await.is_err() || self.look(http).await.is_err() {
                // Cut off; whoever plays the fault knows why.
                return;
            }
        }
    }

    async fn change(&self, http: SocketAddr, number: u32, notes: String) -> Result<()> {
        let path = format!("/api/v1/customers/C{number}");
        let (status, before) = self.ask(http, "GET", &path, "", None).await?;
        if status != 200 {
            return Ok(());
        }
        let version =
            before.get("version").and_then(Value::as_u64).context("a customer without a version")?;
        let draft = json!({
            "customer_number": format!("C{number}"), "name": format!("客户{number}"), "vip_class": "gold",
            "branch": "hubin", "consent": "given", "usual_business": notes,
        });
        lock(&self.book).sent.entry(number).or_default().insert(notes.clone());
        let tag = format!("If-Match: \"{version}\"\r\n");
        let (status, after) = self.ask(http, "PUT", &path, &tag, Some(&draft)).await?;
        if status == 200 {
            let version = after.get("version").and_then(Value::as_u64).context("no version")?;
            let mut book = lock(&self.book);
            book.written += 1;
            // Another writer may have been answered first, about a later version.
            let is_later = book.acknowledged.get(&number).is_none_or(|(known, _)| *known < version);
            if is_later {
                book.acknowledged.insert(number, (version, notes));
            }
        }
        Ok(())
    }

    async fn look(&self, http: SocketAddr) -> Result<()> {
        let (status, page) = self.ask(http, "GET", "/api/v1/visits?limit=20", "", None).await?;
        if status == 200 {
            let ids = items(&page).filter_map(|visit| Some(visit.get("id")?.as_str()?.to_owned()));
            lock(&self.book).seen.extend(ids);
        }
        Ok(())
    }

    /// A request, whose answer is counted: 500 is wrong whatever happens.
    async fn ask(
        &self,
        http: SocketAddr,
        method: &str,
        path: &str,
        head: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let head = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n{head}");
        let body = body.map(ToString::to_string).unwrap_or_default();
        let (status, answer) = timeout(LIMIT, daemon::ask(http, method, path, &head, &body)).await??;
        let answer = serde_json::from_str(&answer).unwrap_or(Value::Null);
        lock(&self.book).note(status, method, path);
        if status == 503 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok((status, answer))
    }

    /// Holds what the daemon has against what it has said before.
    pub(crate) async fn judge(&self, http: SocketAddr) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let (acknowledged, sent, seen) = {
            let book = lock(&self.book);
            (book.acknowledged.clone(), book.sent.clone(), book.seen.clone())
        };
        for (number, (version, notes)) in &acknowledged {
            let (_, now) = self.ask(http, "GET", &format!("/api/v1/customers/C{number}"), "", None).await?;
            let now_version = now.get("version").and_then(Value::as_u64).unwrap_or(0);
            let now_notes = now.get("usual_business").and_then(Value::as_str).unwrap_or_default();
            if now_version < *version {
                verdict.lost(format!("customer C{number} had version {version} and has {now_version}"));
            } else if now_version == *version && now_notes != notes {
                verdict.wrong(format!("customer C{number} has another business in version {version}"));
            } else if !sent.get(number).is_some_and(|sent| sent.contains(now_notes)) {
                verdict.wrong(format!("customer C{number} has a business that nobody sent"));
            }
        }
        let visits = self.visits(http).await?;
        let there: BTreeSet<&str> =
            visits.iter().filter_map(|visit| visit.get("id").and_then(Value::as_str)).collect();
        for id in seen.iter().filter(|id| !there.contains(id.as_str())) {
            verdict.lost(format!("visit {id} was shown and is gone"));
        }
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for visit in &visits {
            let customer = visit.get("customer_id").and_then(Value::as_str).unwrap_or_default();
            let goes_on = visit.get("departed_at").is_none_or(Value::is_null);
            if goes_on && !open.insert(customer) {
                verdict.double(format!("customer {customer} is here twice"));
            }
        }
        verdict.detail(format!("{} customers changed, {} visits", acknowledged.len(), visits.len()));
        Ok(verdict)
    }

    async fn visits(&self, http: SocketAddr) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/visits?limit=200{cursor}");
            let (status, page) = self.ask(http, "GET", &path, "", None).await?;
            ensure!(status == 200, "visits are not listed: {status} {page}");
            all.extend(items(&page).cloned());
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }
}

fn items(page: &Value) -> impl Iterator<Item = &Value> {
    page.get("items").and_then(Value::as_array).into_iter().flatten()
}

fn tag(number: u32) -> Result<TagId> {
    TagId::from_hex(TagIdKind::Epc, &format!("2D{number:022X}")).context("no EPC")
}
