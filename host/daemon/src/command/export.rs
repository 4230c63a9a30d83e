//! `rfid-host export`.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use rfid_core::{ErrorKind, Event, UtcTime};
use rfid_ledger::{Entry, Gap};
use rfid_sink_log::{EventReader, Recorded};
use serde_json::json;

use crate::cli::{ExportEvents, ExportFormat};

/// How often there is looked for more.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) fn run(options: &ExportEvents, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let folder = super::ledger::folder(&options.place, data_dir)?;
    let mut out = Output::new(options.format, io::stdout().lock());
    match events(EventReader::new(folder, options.after), options, &mut out) {
        Ok(0) => Ok(()),
        Ok(unreadable) => {
            anyhow::bail!("{} of the ledger cannot be read", super::counted(unreadable, "part"))
        }
        // Whoever read has seen enough.
        Err(error) if is_closed_pipe(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes what there is; returns how many parts could not be read.
fn events<W: Write>(
    mut reader: EventReader,
    options: &ExportEvents,
    out: &mut Output<W>,
) -> anyhow::Result<u64> {
    let mut unreadable = 0;
    let is_wanted =
        |time: UtcTime| options.from.is_none_or(|from| time >= from) && options.to.is_none_or(|to| time < to);
    loop {
        match reader.next_recorded() {
            Ok(Some(Recorded::Event(event))) => {
                if is_wanted(event.time) {
                    out.event(&event)?;
                }
            }
            Ok(Some(Recorded::Other(Entry::Gap { number, time, gap }))) => {
                if is_wanted(gap.to) {
                    out.gap(number, time, &gap)?;
                }
            }
            Ok(Some(Recorded::Other(Entry::Gone { first }))) => {
                out.flush()?;
                eprintln!("rfid-host: what was before number {first} was kept long enough and is gone");
            }
            Ok(Some(Recorded::Other(Entry::Damage(damage)))) => {
                unreadable += 1;
                out.flush()?;
                eprintln!(
                    "rfid-host: {}: bytes {} to {} cannot be read, behind number {}",
                    damage.path.display(),
                    damage.from,
                    damage.to,
                    damage.behind
                );
            }
            Ok(Some(Recorded::Other(Entry::Content(_)))) => {}
            Err(error) if error.kind() == ErrorKind::Damaged => {
                unreadable += 1;
                out.flush()?;
                eprintln!("rfid-host: {error:#}");
            }
            Err(error) => return Err(error.into()),
            Ok(None) => {
                out.flush()?;
                if !options.follow {
                    return Ok(unreadable);
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }
}

pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(is_closed)
        || error.downcast_ref::<csv::Error>().is_some_and(|error| match error.kind() {
            csv::ErrorKind::Io(error) => is_closed(error),
            _ => false,
        })
}

/// Where events go, in one format or the other.
enum Output<W: Write> {
    Jsonl(BufWriter<W>),
    Csv(Box<csv::Writer<W>>),
}

/// Columns of a table.
const COLUMNS: [&str; 18] = [
    "sequence",
    "type",
    "time",
    "tag",
    "zone",
    "zone_before",
    "branch",
    "reader",
    "antenna_port",
    "first_seen",
    "last_seen",
    "dwell_ms",
    "read_count",
    "peak_rssi_dbm",
    "revisit",
    "event_id",
    "lost",
    "reason",
];

impl<W: Write> Output<W> {
    fn new(format: ExportFormat, to: W) -> Self {
        match format {
            ExportFormat::Jsonl => Self::Jsonl(BufWriter::new(to)),
            ExportFormat::Csv => {
                // The head comes first, also when nothing follows.
                let mut table = csv::WriterBuilder::new().from_writer(to);
                // What cannot be written now cannot be written then; that is when it is said.
                let _ = table.write_record(COLUMNS);
                Self::Csv(Box::new(table))
            }
        }
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match self {
            Self::Jsonl(out) => line(out, event),
            Self::Csv(table) => {
                let or_nothing = |value: Option<String>| value.unwrap_or_default();
                let name =
                    |name: &Option<rfid_core::Name>| or_nothing(name.as_ref().map(ToString::to_string));
                let peak = event.peak_rssi_cdbm.map(|peak| format!("{:.2}", f64::from(peak) / 100.0));
                Ok(table.write_record([
                    or_nothing(event.sequence.map(|sequence| sequence.to_string())),
                    event.kind.name().to_owned(),
                    event.time.to_string(),
                    event.tag.hex(),
                    event.zone.to_string(),
                    name(&event.zone_before),
                    name(&event.branch),
                    event.reader.to_string(),
                    or_nothing(event.antenna_port.map(|port| port.to_string())),
                    event.first_seen.to_string(),
                    event.last_seen.to_string(),
                    event.dwell_ms.to_string(),
                    event.read_count.to_string(),
                    or_nothing(peak),
                    event.revisit.to_string(),
                    event.event_id.to_string(),
                    String::new(),
                    String::new(),
                ])?)
            }
        }
    }

    fn gap(&mut self, number: u64, time: UtcTime, gap: &Gap) -> anyhow::Result<()> {
        match self {
            Self::Jsonl(out) => {
                line(out, &json!({ "sequence": number, "type": "gap", "time": time, "gap": gap }))
            }
            Self::Csv(table) => {
                let mut row = [const { String::new() }; COLUMNS.len()];
                let cells = [
                    (0, number.to_string()),
                    (1, "gap".to_owned()),
                    (2, time.to_string()),
                    (9, gap.from.to_string()),
                    (10, gap.to.to_string()),
                    (16, gap.count().to_string()),
                    (17, gap.reason.clone()),
                ];
                for (column, text) in cells {
                    row[column] = text;
                }
                Ok(table.write_record(row)?)
            }
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Jsonl(out) => Ok(out.flush()?),
            Self::Csv(table) => Ok(table.flush()?),
        }
    }
}

fn line(out: &mut impl Write, what: &impl serde::Serialize) -> anyhow::Result<()> {
    // Serialising to memory cannot fail half-way through a line.
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    Ok(out.write_all(&line)?)
}
