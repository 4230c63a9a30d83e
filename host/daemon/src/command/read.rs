//! `rfid-host read`: whether a reader works, without a configuration.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rfid_core::{
    AirProtocol, Clock, Driver, DynSession, ReadBuf, ReadHandler, ReaderInfo, ReaderSetup, Settings,
    Sighting, Stamp, SystemClock, TagId, TagIdKind, epc,
};
use rfid_durable::Stores;
use serde_json::Value;
use tokio::sync::Notify;

use crate::cli::{AnyReader, ReaderAddress};
use crate::registry::Registry;
use crate::sighting;

/// Time between two drawings of the live table.
const FRAME: Duration = Duration::from_millis(250);

/// With `--once`: how long the round of the first read may still go on.
const REST_OF_ROUND: Duration = Duration::from_millis(300);

/// Rows in the table; further tags are only counted.
const MOST_ROWS: usize = 10_000;

/// Lines of a screen that the live table leaves alone: the headline and what stands around it.
const OTHER_LINES: usize = 6;

pub(crate) async fn run(reader: &AnyReader, once: bool, as_json: bool) -> anyhow::Result<()> {
    let mut session = session_with(&reader.driver, reader.name(), &reader.antennas, &reader.settings()?)?;
    let outcome = match session.open().await {
        Ok(info) => show(&mut *session, &info, once, as_json).await,
        Err(error) => Err(error.into()),
    };
    // The reader is left as it was found, whatever came of showing.
    let closed = session.close().await;
    outcome?;
    Ok(closed?)
}

/// A session with a reader that the command line names.
pub(super) fn session(reader: &ReaderAddress) -> anyhow::Result<Box<dyn DynSession>> {
    session_with(&reader.driver, &reader.address, &reader.antennas, &reader.settings()?)
}

/// A session of this driver with a reader that is called so in errors.
pub(super) fn session_with(
    driver_name: &str,
    name: &str,
    antennas: &[u16],
    settings: &Settings,
) -> anyhow::Result<Box<dyn DynSession>> {
    let setup = ReaderSetup { antenna_ports: antennas.to_vec(), ..ReaderSetup::named(name) };
    Ok(driver(driver_name)?.session(settings, &setup)?)
}

/// The driver of this name.
pub(super) fn driver(name: &str) -> anyhow::Result<Arc<dyn Driver>> {
    let registry = Registry::built_in(Stores::new(""));
    registry.driver(name).cloned().with_context(|| {
        let known: Vec<&str> =
            registry.driver_descriptions().iter().map(|description| description.name).collect();
        format!("there is no driver \"{name}\"; there are: {}", known.join(", "))
    })
}

async fn show(
    session: &mut dyn DynSession,
    info: &ReaderInfo,
    once: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let view = match (as_json, once) {
        (true, false) => View::JsonLines,
        (true, true) => View::JsonAtEnd,
        (false, false) if std::io::stdout().is_terminal() => View::Live { lines: 0 },
        (false, _) => View::TableAtEnd,
    };
    if !as_json {
        println!("{}\n", headline(info));
    }
    session.start().await?;
    let mut table = Table::new(view);
    let heard = Arc::clone(&table.heard);
    let enough = async {
        heard.notified().await;
        tokio::time::sleep(REST_OF_ROUND).await;
    };
    let read = tokio::select! {
        outcome = session.pump(&mut table) => outcome,
        told = super::told_to_stop() => { told?; Ok(()) }
        () = enough, if once => Ok(()),
    };
    table.end();
    read?;
    Ok(session.stop().await?)
}

pub(super) fn headline(info: &ReaderInfo) -> String {
    let mut text = format!("{}, firmware {}", info.model, info.firmware.trim());
    let protocols: Vec<String> = info.protocols.iter().map(AirProtocol::to_string).collect();
    let antennas: Vec<String> = info.antenna_ports.iter().map(u16::to_string).collect();
    for (what, list) in [("protocols", protocols), ("antennas", antennas)] {
        if !list.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(text, ", {what} {}", list.join(" "));
        }
    }
    text
}

/// How what was heard is shown.
enum View {
    /// A table that is drawn again and again over itself.
    Live { lines: usize },
    /// A table, once.
    TableAtEnd,
    /// A JSON object for each read as it comes.
    JsonLines,
    /// A JSON object for each tag and antenna, once.
    JsonAtEnd,
}

/// What was heard of one tag by one antenna.
struct Row {
    tag: TagId,
    antenna_port: Option<u16>,
    peak_rssi_cdbm: Option<i16>,
    read_count: u64,
    last: Stamp,
    random_id: bool,
}

impl Row {
    fn of(sighting: &Sighting<'_>) -> Self {
        Self {
            tag: sighting.id.to_owned(),
            antenna_port: sighting.read.antenna_port(),
            peak_rssi_cdbm: sighting.read.rssi_cdbm(),
            read_count: u64::from(sighting.read.count()),
            last: sighting.last,
            random_id: sighting.read.has_random_id(),
        }
    }

    fn json(&self) -> Value {
        let (port, rssi) = (self.antenna_port, self.peak_rssi_cdbm);
        sighting::json(&self.tag, port, rssi, self.read_count, self.last.utc, self.random_id)
    }

    fn cells(&self, now: Stamp) -> [String; 6] {
        let age = now.since(self.last).as_secs_f32();
        let uri = match self.tag.kind() {
            _ if self.random_id => "made up: no identity".to_owned(),
            TagIdKind::Epc => epc::uri_of(self.tag.bytes()),
            _ => String::new(),
        };
        [
            self.tag.hex(),
            self.antenna_port.map(|port| port.to_string()).unwrap_or_default(),
            self.peak_rssi_cdbm.map(|cdbm| format!("{:.1} dBm", f32::from(cdbm) / 100.0)).unwrap_or_default(),
            self.read_count.to_string(),
            format!("{age:.1} s"),
            uri,
        ]
    }
}

/// Everything heard so far, in the order of first reads.
struct Table {
    view: View,
    buffer: ReadBuf,
    clock: SystemClock,
    rows: Vec<Row>,
    places: HashMap<(TagId, Option<u16>), usize>,
    without_row: u64,
    drawn: Option<Stamp>,
    heard: Arc<Notify>,
}

impl Table {
    fn new(view: View) -> Self {
        Self {
            view,
            buffer: ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY),
            clock: SystemClock::new(),
            rows: Vec::new(),
            places: HashMap::new(),
            without_row: 0,
            drawn: None,
            heard: Arc::default(),
        }
    }

    fn add(&mut self, new: Row) {
        let key = (new.tag, new.antenna_port);
        let place = self.places.get(&key).copied().unwrap_or(self.rows.len());
        let is_full = self.rows.len() >= MOST_ROWS;
        match self.rows.get_mut(place) {
            Some(row) => {
                row.peak_rssi_cdbm = row.peak_rssi_cdbm.max(new.peak_rssi_cdbm);
                row.read_count += new.read_count;
                row.last = new.last;
            }
            None if is_full => self.without_row += 1,
            None => {
                self.places.insert(key, place);
                self.rows.push(new);
            }
        }
    }

    fn text(&self, most: usize) -> String {
        let now = self.clock.now();
        let head = ["tag", "antenna", "signal", "count", "age", "uri"].map(str::to_owned);
        let cells: Vec<[String; 6]> = self.rows.iter().take(most).map(|row| row.cells(now)).collect();
        let tag_width = cells.iter().map(|[tag, ..]| tag.len()).max().unwrap_or(24).max(24);
        let mut text = String::new();
        for [tag, antenna, signal, count, age, uri] in std::iter::once(&head).chain(&cells) {
            // Writing to a string does not fail.
            let _ =
                writeln!(text, "{tag:tag_width$}  {antenna:>7}  {signal:>9}  {count:>7}  {age:>7}  {uri}");
        }
        let more = (self.rows.len() - cells.len()) as u64 + self.without_row;
        let _ = match (more, self.rows.len()) {
            (0, 0) => writeln!(text, "no tag so far"),
            (0, _) => Ok(()),
            (more, _) => writeln!(text, "and {more} more"),
        };
        text
    }

    fn draw_if_due(&mut self) {
        let now = self.clock.now();
        let is_due = self.drawn.is_none_or(|drawn| now.since(drawn) >= FRAME);
        if !is_due {
            return;
        }
        let (height, width) = console::Term::stdout().size();
        let text = self.text(usize::from(height).saturating_sub(OTHER_LINES).max(1));
        if let View::Live { lines } = &mut self.view {
            let up = if *lines > 0 { format!("\x1b[{lines}A") } else { String::new() };
            // A line that wraps would count as one and take two. Each is cleared to its end, and
            // what is left below.
            let cut = |line| console::truncate_str(line, usize::from(width), "…");
            let drawn: String = text.lines().map(|line| format!("{}\x1b[K\n", cut(line))).collect();
            say(&format!("{up}{drawn}\x1b[J"));
            *lines = text.lines().count();
            self.drawn = Some(now);
        }
    }

    /// Shows what is shown at the end.
    fn end(&mut self) {
        match self.view {
            View::Live { .. } => {
                self.drawn = None;
                self.draw_if_due();
            }
            View::TableAtEnd => say(&self.text(MOST_ROWS)),
            View::JsonAtEnd => self.rows.iter().for_each(|row| say(&format!("{}\n", row.json()))),
            View::JsonLines => {}
        }
    }
}

/// Writes to standard output. Whoever read it may be gone; the command then ends as a reader
/// that was told to.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

impl ReadHandler for Table {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buffer
    }

    fn filled(&mut self) {
        self.buffer.set_received(self.clock.now());
        let heard: Vec<Row> = self.buffer.iter().map(|sighting| Row::of(&sighting)).collect();
        self.buffer.clear();
        if !heard.is_empty() {
            self.heard.notify_one();
        }
        for row in heard {
            if matches!(self.view, View::JsonLines) {
                say(&format!("{}\n", row.json()));
            } else {
                self.add(row);
            }
        }
        if matches!(self.view, View::Live { .. }) {
            self.draw_if_due();
        }
    }
}
