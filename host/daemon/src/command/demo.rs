//! `rfid-host demo`: everything at work on this machine, with nothing to configure.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rfid_core::{Event, EventKind};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use rfid_durable::Stores;
use rfid_sink_lookup::import::import;
use rfid_sink_notify::{Delivery, Subscription};

use crate::config::{self, Texts};
use crate::host::Host;
use crate::registry::Registry;

const SCENARIO: &str = include_str!("demo_scenario.toml");
const CUSTOMERS: &str = include_str!("demo_customers.csv");
const USUAL_PORT: u16 = 8460;

pub(crate) async fn run(lasts: Option<Duration>, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let folder = Folder::new(data_dir)?;
    let stopped = tokio::spawn(super::told_to_stop());
    let emulator = Emulator::bind((Ipv4Addr::LOCALHOST, 0), Profile::M4, Scenario::from_toml(SCENARIO)?)
        .await
        .context("the emulated reader cannot listen")?;

    let stores = Stores::new(&folder.path);
    let customers = folder.path.join("customers.csv");
    std::fs::write(&customers, CUSTOMERS).with_context(|| customers.display().to_string())?;
    import(&stores, &customers, |_| ()).await?;
    let registry = Registry::built_in(stores);
    let mut events = registry.hub.subscribe(None)?;

    let log = folder.path.join("events.jsonl");
    let text = configuration(emulator.local_addr(), free_address().await, &folder.path, &log);
    let path = folder.path.join("demo.toml");
    std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
    let checked = config::check(Texts::of(&path, &text), &registry);
    let config = checked.map_err(|report| super::print_report(&report))?.config;
    // What the demo runs is written for this run alone; nobody changes it.
    let (no_reloads, _) = tokio::sync::mpsc::channel(1);
    let host = Host::start(config, registry, no_reloads).await?;
    println!("{}", welcome(emulator.local_addr(), host.http_address(), &path, &log));

    let end = async {
        match lasts {
            Some(lasts) => tokio::time::sleep(lasts).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = show(&mut events, &log) => {}
        () = end => {}
        told = stopped => told??,
    }
    host.stop().await?;
    emulator.shutdown().await;
    folder.remove();
    println!("\nThe demo has ended. Next: README.md, \"The first real reader in five minutes\".");
    Ok(())
}

/// Prints events as they come, and for the first one the line that the log has of it.
async fn show(events: &mut Subscription, log: &Path) {
    println!("{}", row(["time", "event", "zone", "antenna", "tag", "who"]));
    let mut shown = 0;
    loop {
        match events.next().await {
            Delivery::Notice(notice) => {
                println!("{}", event_row(notice.event()));
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

fn event_row(event: &Event) -> String {
    let time = event.time.to_string();
    let time = time.get(11..19).unwrap_or_default();
    let what = match event.kind {
        EventKind::Arrived if event.revisit => "returned",
        kind => kind.name(),
    };
    let antenna = event.antenna_port.map(|port| port.to_string()).unwrap_or_default();
    let who = match &event.record {
        Some(record) => record.values().filter_map(|value| value.as_str()).collect::<Vec<_>>().join(", "),
        None => "unknown tag".to_owned(),
    };
    row([time, what, &event.zone, &antenna, &event.tag.hex(), &who])
}

fn row([time, event, zone, antenna, tag, who]: [&str; 6]) -> String {
    format!("{time:8}  {event:8}  {zone:6}  {antenna:7}  {tag:24}  {who}")
}

fn configuration(reader: SocketAddr, http: SocketAddr, data_dir: &Path, log: &Path) -> String {
    // TOML takes Rust's escapes of quotes and backslashes.
    format!(
        r#"# What `rfid-host demo` runs.
[host]
name = "demo"
data_dir = {data_dir:?}
listen = "{http}"

[branches.hubin]
name = "湖滨支行"

[readers.hubin_door]
driver = "mercury4"
branch = "hubin"
address = "{reader}"
time_out = "100ms"
antennas = {{ 1 = "door", 2 = "hall" }}

[sinks.customers]
type = "lookup"
source = "directory"

[sinks.visits]
type = "log"
path = {log:?}

[sinks.screens]
type = "notify"

[pipelines.hubin]
readers = ["hubin_door"]
sinks = ["customers", "visits", "screens"]
presence = {{ lost_after = "3s", revisit_within = "8s" }}
"#
    )
}

fn welcome(reader: SocketAddr, http: SocketAddr, config: &Path, log: &Path) -> String {
    let mut text = String::from("rfid-host demo: an emulated Mercury 4 at the door of a bank branch\n\n");
    let lines = [
        ("reader", format!("RQL over TCP on {reader}")),
        ("events", format!("curl -N http://{http}/api/v1/events")),
        ("state", format!("http://{http}/ready   http://{http}/metrics")),
        ("log", format!("tail -f {}", log.display())),
        ("config", config.display().to_string()),
        ("end", "Ctrl-C".to_owned()),
    ];
    for (what, value) in lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {what:8}{value}");
    }
    text
}

/// The usual port if it is free.
async fn free_address() -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    match tokio::net::TcpListener::bind(usual).await {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// Where the demo keeps its things: the folder that was named, or one that goes with it.
struct Folder {
    path: PathBuf,
    is_ours: bool,
}

impl Folder {
    fn new(named: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = named else {
            let path = std::env::temp_dir().join(format!("rfid-host-demo-{}", std::process::id()));
            // Made anew and for this user alone: anybody can write to the folder around it.
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .with_context(|| path.display().to_string())?;
            return Ok(Self { path, is_ours: true });
        };
        std::fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), is_ours: false })
    }

    fn remove(self) {
        if self.is_ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            eprintln!("rfid-host: {} could not be removed: {error}", self.path.display());
        }
    }
}
