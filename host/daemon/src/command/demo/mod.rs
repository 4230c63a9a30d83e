//! `rfid-host demo`: everything at work on this machine, with nothing to configure.
//!
//! * `people.rs`: accounts of those who work there.
//! * `portraits.rs`: photos of customers that nobody took.
//! * `stage.rs`: a page on which somebody lets customers walk about.

mod people;
mod portraits;
mod stage;

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rfid_core::{Clock, Event, EventKind, SystemClock};
use rfid_durable::Stores;
use rfid_service::audit::{self, Trail};
use rfid_service::bulk;
use rfid_service::randomness::{Randomness, SystemRandomness};
use rfid_service::recognition::RecognitionSettings;
use rfid_service::record::{CustomerId, Kind};
use rfid_service::rights::Role;
use rfid_service::service::{BranchDraft, Caller, Service};
use rfid_sink_notify::{Delivery, Subscription};

use self::people::Person;
use self::stage::Stage;
use super::{print_report, told_to_stop};
use crate::config::{self, StoreConfig, Texts};
use crate::customer_service::{KEY_FILE, keys_of, make_key, open_store};
use crate::host::Host;
use crate::registry::Registry;
use crate::service_slot::ServiceSlot;

const CUSTOMERS: &str = include_str!("customers.csv");
const CARDS: &str = include_str!("cards.csv");
/// Who works there, with what their second factors are made of.
const PEOPLE_FILE: &str = "demo-people.json";
const USUAL_PORT: u16 = 8460;

pub(crate) async fn run(
    lasts: Option<Duration>,
    listen: Option<SocketAddr>,
    data_dir: Option<&Path>,
    is_script: bool,
) -> anyhow::Result<()> {
    let folder = Folder::new(data_dir)?;
    let stopped = tokio::spawn(told_to_stop());
    let (link, bench) = (folder.path.join("desk"), folder.path.join("bench"));
    let password = password(&folder.path)?;
    let people = open_customers(&folder.path, &password).await?;
    // The script begins when there is somebody who hears it.
    let stage = Stage::build(&link, &bench, is_script).await?;

    let registry = Registry::built_in(Stores::new(&folder.path));
    let mut events = registry.hub.subscribe(None)?;
    let service = registry.service.clone();
    let log = folder.path.join("events.jsonl");
    let http = match listen {
        Some(address) => address,
        None => free_address().await,
    };
    // What another system would show to be answered.
    let token = random_digits()?;
    let secrets = bench_secrets(&folder.path)?;
    let parts = Parts {
        door: stage.door(),
        elsewhere: stage.elsewhere(),
        desk: &link,
        bench: (stage.bench(), &bench),
        secrets: &secrets,
        http,
        data_dir: &folder.path,
        backups: &folder.backups,
        log: &log,
        token: &token,
    };
    let text = parts.configuration();
    let path = folder.path.join("demo.toml");
    write_for_us(&path, &text)?;
    let checked = config::check(Texts::of(&path, &text), &registry);
    let checked = checked.map_err(|report| print_report(&report))?;
    let effective = config::as_toml(&checked);
    let config = checked.config;
    // What the demo runs is written for this run alone; nobody changes it.
    let (no_reloads, _) = tokio::sync::mpsc::channel(1);
    let host = Host::start(config, registry, no_reloads).await?;
    host.board().show_configuration(effective);
    let page = stage.open(host.http_address(), people, &password, service.clone()).await?;
    let (desk, http, backups) = (&*link, host.http_address(), &*folder.backups);
    let addresses = Addresses { door: stage.door(), desk, http, page, backups };
    println!("{}", welcome(&addresses, &path, &log, (&token, &password)));

    let end = async {
        match lasts {
            Some(lasts) => tokio::time::sleep(lasts).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = show(&mut events, &log, &service) => {}
        () = end => {}
        told = stopped => told??,
    }
    host.stop().await?;
    stage.strike().await;
    folder.remove();
    println!("\nThe demo has ended. Next: README.md, \"The first real reader in five minutes\".");
    Ok(())
}

/// Opens the branch, accounts of people who work there and of a display, and customers with their cards, the last of
/// whom does not want to be recognised, unless an earlier demo in this folder has done it.
async fn open_customers(data_dir: &Path, password: &str) -> anyhow::Result<Vec<Person>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    if !data_dir.join(KEY_FILE).exists() {
        // Without a word: nobody has to keep a copy of what goes with the demo.
        make_key(data_dir)?;
    }
    let keys = keys_of(data_dir, &StoreConfig::embedded())?;
    let store = open_store(data_dir, &StoreConfig::embedded(), &keys, Arc::clone(&clock)).await?;
    let trail = Trail::open(&data_dir.join(audit::CONSOLE_FOLDER), keys, Arc::clone(&clock)).await?;
    let trail = Arc::new(trail);
    let settings = RecognitionSettings::default();
    let service = Service::new(store, settings, Arc::clone(&clock), Arc::new(SystemRandomness))
        .with_trail(Arc::clone(&trail));
    let console = Caller::console();
    if service.store().count(Kind::Customer).await? == 0 {
        let branch = BranchDraft { code: "hubin".into(), name: "湖滨支行".to_owned(), position: None };
        service.take_branches(&console, &[branch]).await?;
        let people = people::employ(&service, clock.as_ref(), password).await?;
        write_for_us(&data_dir.join(PEOPLE_FILE), &serde_json::to_string(&people)?)?;
        let [customers, cards] = [("customers.csv", CUSTOMERS), ("cards.csv", CARDS)].map(|(name, text)| {
            let path = data_dir.join(name);
            write_for_us(&path, text).map(|()| path)
        });
        bulk::import_customers(&service, &console, &customers?, false, |_| ()).await?;
        bulk::import_cards(&service, &console, &cards?, false, |_| ()).await?;
        for (number, portrait) in portraits::all()? {
            let customer = service.customer_of_number(&console, number).await?;
            service.take_photo(&console, number, customer.version, portrait).await?;
        }
    }
    service.store().close().await;
    trail.close().await;
    // Of a folder that an older demo made nobody's codes are known.
    let people = std::fs::read_to_string(data_dir.join(PEOPLE_FILE)).unwrap_or_default();
    Ok(serde_json::from_str(&people).unwrap_or_default())
}

/// A file that nobody else reads.
fn write_for_us(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

/// The password of everybody in the demo of this folder.
fn password(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("demo-password");
    if let Ok(password) = std::fs::read_to_string(&path) {
        return Ok(password);
    }
    let password = format!("demo-{}", random_digits()?);
    write_for_us(&path, &password)?;
    Ok(password)
}

/// Secrets of the cards that are encoded in the demo of this folder: to read, to write, to sign, to lock.
fn bench_secrets(folder: &Path) -> anyhow::Result<[String; 4]> {
    let path = folder.join("demo-card-secrets");
    let read = std::fs::read_to_string(&path).unwrap_or_default();
    let read: Vec<String> = read.lines().map(str::to_owned).collect();
    if let Ok(secrets) = read.try_into() {
        return Ok(secrets);
    }
    let secrets = [random_digits()?, random_digits()?, random_digits()?, random_digits()?];
    write_for_us(&path, &secrets.join("\n"))?;
    Ok(secrets)
}

/// 128 random bits.
fn random_digits() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    SystemRandomness.fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Prints events as they come, and for the first one the line that the log has of it.
async fn show(events: &mut Subscription, log: &Path, service: &ServiceSlot) {
    println!("{}", row(["time", "event", "zone", "antenna", "tag", "who"]));
    let mut shown = 0;
    loop {
        match events.next().await {
            Delivery::Notice(notice) => {
                let who = who(notice.event(), service).await;
                println!("{}", event_row(notice.event(), &who));
                shown += 1;
                if shown == 1 {
                    // The event came through the log, so it is there.
                    let lines = std::fs::read_to_string(log).unwrap_or_default();
                    println!("    its line in the log: {}", lines.lines().next().unwrap_or_default());
                }
            }
            Delivery::Missed { count } => println!("    {} events were missed", count.unwrap_or_default()),
            Delivery::Closed => return,
        }
    }
}

/// Who that is. The event says an id; whoever may know the name asks the service for it.
async fn who(event: &Event, service: &ServiceSlot) -> String {
    let Some(record) = &event.record else { return "unknown card".to_owned() };
    let text = |key: &str| record.get(key).and_then(|value| value.as_str());
    if let Some(reason) = text("reason") {
        return format!("refused: the card is {}", reason.replace('_', " "));
    }
    let id = text("customer_id").and_then(|id| id.parse::<CustomerId>().ok());
    let (Some(id), Some(service)) = (id, service.get()) else { return String::new() };
    match service.customer(&Caller::console(), id).await {
        Ok(customer) => {
            let customer = customer.stored.record;
            let (name, business) = (customer.name.reveal(), customer.usual_business.reveal());
            format!("{name}, {}, {}, {business}", customer.number.as_str(), customer.vip_class)
        }
        Err(fault) => fault.to_string(),
    }
}

fn event_row(event: &Event, who: &str) -> String {
    let time = event.time.to_string();
    let time = time.get(11..19).unwrap_or_default();
    let what = match event.kind {
        EventKind::Arrived if event.revisit => "returned",
        kind => kind.name(),
    };
    let antenna = event.antenna_port.map(|port| port.to_string()).unwrap_or_default();
    row([time, what, &event.zone, &antenna, &event.tag.hex(), who])
}

fn row([time, event, zone, antenna, tag, who]: [&str; 6]) -> String {
    format!("{time:8}  {event:8}  {zone:6}  {antenna:7}  {tag:24}  {who}")
}

/// What the configuration is made of.
struct Parts<'a> {
    door: SocketAddr,
    /// The reader of the other branch.
    elsewhere: SocketAddr,
    desk: &'a Path,
    /// Where cards are encoded: the reader of the antenna, and the pad.
    bench: (SocketAddr, &'a Path),
    secrets: &'a [String; 4],
    http: SocketAddr,
    data_dir: &'a Path,
    backups: &'a Path,
    log: &'a Path,
    token: &'a str,
}

impl Parts<'_> {
    fn configuration(&self) -> String {
        let Self { door, elsewhere, desk, bench: (uhf, pad), secrets, http, data_dir, backups, log, token } =
            self;
        let [read, write, record, lock] = secrets;
        // TOML takes Rust's escapes of quotes and backslashes.
        format!(
            r#"# What `rfid-host demo` runs.
[host]
name = "demo"
data_dir = {data_dir:?}
listen = "{http}"

[store]
backup_dir = {backups:?}

[branches.hubin]
name = "湖滨支行"

[branches.dongmen]
name = "东门支行"

[readers.hubin_door]
driver = "mercury4"
branch = "hubin"
address = "{door}"
time_out = "100ms"
antennas = {{ 1 = "door", 2 = "hall" }}

[readers.hubin_desk]
driver = "mifare"
branch = "hubin"
transport = "pn532"
port = {desk:?}
zone = "desk"

[readers.dongmen_door]
driver = "mercury4"
branch = "dongmen"
address = "{elsewhere}"
time_out = "100ms"
antennas = {{ 1 = "door" }}

# Where cards are encoded.
[readers.bench_uhf]
driver = "mercury4"
branch = "hubin"
address = "{uhf}"
time_out = "100ms"
zone = "issuing"

[readers.bench_pad]
driver = "mifare"
branch = "hubin"
transport = "pn532"
port = {pad:?}
zone = "issuing"
read_secret = "{read}"
write_secret = "{write}"
record_secret = "{record}"

[desks.hubin]
uhf = "bench_uhf"
pad = "bench_pad"
lock_key = "{lock}"

# Everybody sits at this machine.
[issuing]
one_desk = ["hubin"]
bank_name = "西州银行"

[sinks.customers]
type = "lookup"
source = "service"

[sinks.visits]
type = "log"
path = {log:?}

[sinks.screens]
type = "notify"

[pipelines.hubin]
readers = ["hubin_door", "hubin_desk"]
sinks = ["customers", "visits", "screens"]
presence = {{ lost_after = "3s", revisit_within = "8s" }}

[pipelines.dongmen]
readers = ["dongmen_door"]
sinks = ["customers", "visits", "screens"]
presence = {{ lost_after = "3s", revisit_within = "8s" }}

[clients.demo]
token = "{token}"
scopes = ["customers:read", "cards:read", "visits:read", "visits:write", "staff:read"]
"#
        )
    }
}

/// Where things are.
struct Addresses<'a> {
    door: SocketAddr,
    desk: &'a Path,
    http: SocketAddr,
    page: SocketAddr,
    backups: &'a Path,
}

fn welcome(at: &Addresses<'_>, config: &Path, log: &Path, (token, password): (&str, &str)) -> String {
    let Addresses { door, desk, http, page, backups } = at;
    let mut text = String::from(
        "rfid-host demo: an emulated Mercury 4 at the door of a bank branch, and a pad on its desk\n\n",
    );
    let ask = |path: &str| format!("curl -H 'Authorization: Bearer {token}' 'http://{http}/api/v1/{path}'");
    let lines = [
        ("screens", format!("http://{http}/")),
        ("log in", format!("password {password}")),
        ("as", people()),
        (
            "display",
            format!("http://{http}/display/pair   a screen on a wall: D001, and its code from the stage"),
        ),
        (
            "stage",
            format!(
                "http://{page}/   lets customers walk in and lays blank cards down; codes of second factors"
            ),
        ),
        ("readers", format!("RQL over TCP on {door}; PN532 on {}", desk.display())),
        ("events", format!("curl -N http://{http}/api/v1/events")),
        ("customer", ask("customers/6001")),
        ("visits", ask("visits?open=true")),
        ("routes", format!("http://{http}/api/v1/docs")),
        ("state", format!("http://{http}/ready   http://{http}/metrics")),
        ("log", format!("tail -f {}", log.display())),
        ("backups", format!("{}   the system administrator asks for them", backups.display())),
        ("config", config.display().to_string()),
        ("end", "Ctrl-C".to_owned()),
    ];
    for (what, value) in lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {what:9}{value}");
    }
    text
}

/// Who can log in, and as what: those on whose screens the demo opens.
fn people() -> String {
    let one = |(number, name, role): (&str, &str, Role)| {
        format!("{number} {name} ({})", role.name().replace('_', " "))
    };
    people::all().map(one).collect::<Vec<_>>().join(", ")
}

/// The usual port if it is free.
async fn free_address() -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    match tokio::net::TcpListener::bind(usual).await {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// Where the demo keeps its things: the folder that was named, or one that goes with it. Backups are beside it, as
/// they would be lost with what they are of.
struct Folder {
    path: PathBuf,
    backups: PathBuf,
    is_ours: bool,
}

impl Folder {
    fn new(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = match named {
            Some(path) => std::path::absolute(path).with_context(|| path.display().to_string())?,
            None => std::env::temp_dir().join(format!("rfid-host-demo-{}", std::process::id())),
        };
        let mut name = path.file_name().context("the demo needs a folder with a name")?.to_owned();
        name.push("-backups");
        let folder = Self { backups: path.with_file_name(name), path, is_ours: named.is_none() };
        for path in [&folder.path, &folder.backups] {
            // One that is ours is made anew: anybody can write to the folder around it.
            let mut builder = std::fs::DirBuilder::new();
            builder.mode(0o700).recursive(!folder.is_ours);
            builder.create(path).with_context(|| path.display().to_string())?;
        }
        Ok(folder)
    }

    fn remove(self) {
        if !self.is_ours {
            return;
        }
        for path in [&self.path, &self.backups] {
            if let Err(error) = std::fs::remove_dir_all(path) {
                eprintln!("rfid-host: {} could not be removed: {error}", path.display());
            }
        }
    }
}
