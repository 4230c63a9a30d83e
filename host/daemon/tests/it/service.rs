//! The customer service on the built binary: a branch's day by commands, a reader, and HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Output;

use rfid_core::{TagId, TagIdKind};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use rfid_service::store::postgres::cluster::Cluster;
use serde_json::{Value, json};

use crate::daemon::{Daemon, rfid_host, until};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// What must be nowhere but where it is sealed or asked for.
const PERSONAL: [&str; 3] = ["张小明金丝雀", "11010519491231002X", "西州电力金丝雀"];

/// A bank with one branch, one reader at its door, and a store.
pub(crate) struct Bank {
    folder: tempfile::TempDir,
    emulator: Emulator,
    /// The server of the store, where it is PostgreSQL.
    cluster: Option<Cluster>,
    _runtime: tokio::runtime::Runtime,
}

impl Bank {
    /// Its store is embedded.
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// Its store is a database.
    pub(crate) fn central() -> Self {
        let cluster = Cluster::start(&["fsync=off"]);
        cluster.database("bank");
        Self::with(Some(cluster))
    }

    fn with(cluster: Option<Cluster>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let emulator =
            runtime.block_on(Emulator::bind("127.0.0.1:0", Profile::M4, Scenario::default())).unwrap();
        let bank = Self { folder: tempfile::tempdir().unwrap(), emulator, cluster, _runtime: runtime };
        bank.secret("token", TOKEN);
        if let Some(cluster) = &bank.cluster {
            bank.secret("database", &cluster.url("bank"));
        }
        let reader = format!(
            "driver = \"mercury4\"\naddress = \"{}\"\ntime_out = \"20ms\"",
            bank.emulator.local_addr()
        );
        bank.configure(&reader);
        bank
    }

    /// Writes the configuration with this reader at the door.
    pub(crate) fn configure(&self, reader: &str) {
        let store = match &self.cluster {
            None => String::new(),
            Some(_) => {
                format!("[store]\nkind = \"postgres\"\nurl = \"file:{}\"\n", self.path("database").display())
            }
        };
        let text = format!(
            r#"
[host]
name = "test"
data_dir = '{data}'
listen = "127.0.0.1:0"

{store}
[branches.hubin]
name = "湖滨支行"

[readers.door]
{reader}
branch = "hubin"
antennas = {{ 1 = "door" }}

[sinks.customers]
type = "lookup"
source = "service"

[sinks.visits]
type = "log"
path = '{log}'

[sinks.screens]
type = "notify"

[pipelines.test]
readers = ["door"]
sinks = ["customers", "visits", "screens"]
presence = {{ lost_after = "1s" }}

[clients.core]
token = "file:{token}"
scopes = ["customers:read", "customers:write", "cards:write", "visits:read", "visits:write"]
"#,
            data = self.path("data").display(),
            log = self.path("events.jsonl").display(),
            token = self.path("token").display(),
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// What psql answers on the database of the store.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.cluster.as_ref().unwrap().psql("bank", sql).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("branch.toml")
    }

    pub(crate) fn secret(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs a command on the configuration.
    pub(crate) fn command(&self, words: &[&str], file: Option<&str>) -> Output {
        let mut command = rfid_host();
        command.args(words);
        command.args(file.map(|file| self.path(file)));
        command.arg("--config").arg(self.config()).output().unwrap()
    }

    pub(crate) fn well(&self, words: &[&str], file: Option<&str>) -> String {
        let output = self.command(words, file);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// So many customers, each with a card.
    pub(crate) fn open_customers(&self, count: u32) {
        let mut customers = "customer_number,name,id_number,employer,vip_class,branch,consent\n".to_owned();
        let mut cards = "customer_number,epc_hex,valid_from,valid_until\n".to_owned();
        for number in 1..=count {
            let id_number = if number == 1 { PERSONAL[1] } else { "" };
            customers += &format!("C{number},{},{id_number},{},gold,hubin,given\n", PERSONAL[0], PERSONAL[2]);
            cards += &format!("C{number},{},2020-01-01,2099-12-31\n", tag(number).hex());
        }
        std::fs::write(self.path("customers.csv"), customers).unwrap();
        std::fs::write(self.path("cards.csv"), cards).unwrap();
        self.well(&["import", "customers"], Some("customers.csv"));
        self.well(&["import", "cards"], Some("cards.csv"));
    }

    pub(crate) fn lay(&self, tags: std::ops::Range<u32>) {
        self.emulator.set_scenario(Scenario::steady(tags.map(tag), 100));
    }
}

pub(crate) fn tag(number: u32) -> TagId {
    TagId::from_hex(TagIdKind::Epc, &format!("2D{number:022X}")).unwrap()
}

/// Status and JSON of a request with the token.
pub(crate) fn ask(daemon: &Daemon, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let mut stream = TcpStream::connect(daemon.http).unwrap();
    let body = body.map(ToString::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

pub(crate) fn visits(daemon: &Daemon, query: &str) -> Vec<Value> {
    let (status, page) = ask(daemon, "GET", &format!("/api/v1/visits?limit=200&{query}"), None);
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

#[test]
fn a_customer_walks_in_is_recognised_greeted_and_leaves() {
    a_visit_at(&Bank::new());
}

#[test]
fn a_customer_walks_in_where_the_store_is_postgresql() {
    a_visit_at(&Bank::central());
}

fn a_visit_at(bank: &Bank) {
    bank.open_customers(1);
    bank.well(
        &["staff", "add", "S1", "--name", "李静", "--role", "lobby-manager", "--branch", "hubin"],
        None,
    );
    let daemon = Daemon::run(&bank.config());
    daemon.until_ready();
    let mut events = daemon.events(None);
    // A card of nobody's walks in as well.
    bank.lay(1..3);
    let mut records: Vec<Value> =
        (0..2).map(|_| events.next().unwrap().data["data"]["record"].clone()).collect();
    records.sort_by_key(|record| record["outcome"].is_null());
    assert_eq!((&records[0]["outcome"], &records[1]), (&json!("recognised"), &Value::Null));
    let visit = visits(&daemon, "open=true").pop().unwrap();
    assert_eq!(visit["id"], records[0]["visit_id"]);
    let (_, customer) = ask(&daemon, "GET", "/api/v1/customers/C1", None);
    assert_eq!((&customer["id"], &customer["name"]), (&visit["customer_id"], &json!(PERSONAL[0])));
    let path = format!("/api/v1/visits/{}", visit["id"].as_str().unwrap());
    assert_eq!(ask(&daemon, "POST", &format!("{path}/greet"), Some(&json!({ "staff_number": "S1" }))).0, 200);
    bank.lay(2..3);
    let left = until("the departure", || {
        let visit = ask(&daemon, "GET", &path, None).1;
        (!visit["departed_at"].is_null()).then_some(visit)
    });
    assert!(left["greeted"]["staff_id"].is_string());
    assert!(daemon.terminate().success());
    for format in ["csv", "xlsx", "jsonl"] {
        let output = bank.command(&["export", "visits", "--format", format], None);
        assert!(output.status.success(), "{output:?}");
        match format {
            "csv" => assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2),
            // A ZIP file, as every workbook is.
            "xlsx" => assert!(output.stdout.starts_with(b"PK\x03\x04")),
            _ => assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), left),
        }
    }
}

#[test]
fn a_backup_made_while_the_daemon_runs_is_another_hosts_whole_past() {
    let bank = Bank::new();
    bank.open_customers(1);
    let daemon = Daemon::run(&bank.config());
    daemon.until_ready();
    bank.lay(1..2);
    let visit = until("the visit", || visits(&daemon, "").pop());
    // While it runs, the folder is the daemon's, and a backup can be made.
    let busy = bank.command(&["import", "customers"], Some("customers.csv"));
    let said = String::from_utf8(busy.stderr).unwrap();
    assert!(!busy.status.success() && said.contains("the daemon runs on this folder"), "{said}");
    bank.well(&["backup"], Some("backup"));
    assert!(daemon.terminate().success());
    let again = bank.path("again");
    let restored =
        rfid_host().arg("restore").arg(bank.path("backup")).arg("--data-dir").arg(&again).output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
    std::fs::copy(bank.path("data").join("service.key"), again.join("service.key")).unwrap();
    let exported = rfid_host().args(["export", "visits"]).arg("--data-dir").arg(&again).output().unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let exported: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(exported["id"], visit["id"]);
}

#[test]
fn nothing_personal_is_where_it_is_not_sealed_or_asked_for() {
    no_canary_at(&Bank::new());
}

#[test]
fn nothing_personal_is_in_the_files_of_a_database() {
    no_canary_at(&Bank::central());
}

fn no_canary_at(bank: &Bank) {
    bank.open_customers(3);
    std::fs::remove_file(bank.path("customers.csv")).unwrap();
    let daemon = Daemon::run(&bank.config());
    daemon.until_ready();
    let mut events = daemon.events(None);
    bank.lay(1..5);
    let mut seen: Vec<String> = (0..4).map(|_| format!("{:?}", events.next().unwrap().data)).collect();
    for path in ["/metrics", "/health", "/ready", "/api/v1/status"] {
        seen.push(daemon.get(path).1);
    }
    let wrong = json!({ "customer_number": "C9", "name": PERSONAL[0], "id_number": "x", "vip_class": 3 });
    let (status, problem) = ask(&daemon, "POST", "/api/v1/customers", Some(&wrong));
    assert_eq!(status, 422);
    seen.push(problem.to_string());
    assert!(daemon.terminate().success());
    seen.push(bank.well(&["export", "visits"], None));
    seen.push(bank.well(&["export", "events", "--format", "csv"], None));
    for text in PERSONAL {
        for seen in &seen {
            assert!(!seen.contains(text), "{seen}");
        }
        look(bank.folder.path(), text);
        if let Some(cluster) = &bank.cluster {
            look(cluster.folder(), text);
        }
    }
}

/// Looks for a text in all files of a folder.
fn look(folder: &Path, text: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, text);
        }
        // A server has sockets in its folder.
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(text.len()).any(|part| part == text.as_bytes()),
            "{text} is in {}",
            path.display()
        );
    }
}

/// The daemon is killed while customers come: each has one visit, and it is the one that was told.
#[test]
fn a_killed_daemon_has_each_visit_once() {
    kills_at(&Bank::new());
}

#[test]
fn a_killed_daemon_has_each_visit_once_in_the_database() {
    kills_at(&Bank::central());
}

fn kills_at(bank: &Bank) {
    bank.open_customers(40);
    let mut told = std::collections::BTreeSet::new();
    for round in 0..8 {
        let daemon = Daemon::run(&bank.config());
        let mut events = daemon.events(None);
        // Five more walk in; the kill falls somewhere into it.
        bank.lay(1..(round + 1) * 5 + 1);
        if round % 2 == 0 {
            let record = events.next().unwrap().data["data"]["record"].clone();
            told.insert(record["visit_id"].as_str().unwrap().to_owned());
        }
        daemon.kill();
    }
    let daemon = Daemon::run(&bank.config());
    let registered = until("all visits", || {
        let registered = visits(&daemon, "");
        (registered.len() >= 40).then_some(registered)
    });
    let customers: std::collections::BTreeSet<_> =
        registered.iter().map(|visit| visit["customer_id"].as_str().unwrap()).collect();
    let ids: std::collections::BTreeSet<String> =
        registered.iter().map(|visit| visit["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((registered.len(), customers.len()), (40, 40));
    assert!(told.is_subset(&ids), "{told:?}");
    assert!(daemon.terminate().success());
}

#[test]
fn a_configuration_without_the_service_has_no_routes_and_no_store_of_it() {
    let bank = Bank::new();
    let text = std::fs::read_to_string(bank.config()).unwrap();
    let (text, _) = text.split_once("[clients.core]").unwrap();
    std::fs::write(bank.config(), text.replace("source = \"service\"", "source = \"directory\"")).unwrap();
    let daemon = Daemon::run(&bank.config());
    assert_eq!(ask(&daemon, "GET", "/api/v1/customers/C1", None).0, 404);
    assert!(!bank.path("data").join("service").exists() && !bank.path("data").join("service.key").exists());
    assert!(daemon.terminate().success());
}
