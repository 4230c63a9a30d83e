//! Bringing a reader into a known state and finding out what it is (§6.2, §11).

use std::cmp::Ordering;
use std::time::Duration;

use rfid_core::abilities::Tune;
use rfid_core::{AirProtocol, Error, ErrorKind, ReaderInfo, Result};
use rfid_driver_link::Stream;
use tokio::time::Instant;

use crate::abilities::Reader;
use crate::config::{Checked, Mode};
use crate::proto::identity::{Model, connected_antennas, supported_protocols};
use crate::proto::statement::{MARKER, QUIET};
use crate::proto::{Column, Plan};
use crate::schedule::{REST, Window};
use crate::wire::{PATIENCE, Wire};

/// A reader that has been quieted and asked who it is.
pub(crate) struct Opened<S> {
    pub(crate) reader: Reader<S>,
    pub(crate) info: ReaderInfo,
    pub(crate) columns: Vec<Column>,
    /// When the inventory is to run, if not always.
    pub(crate) window: Option<Window>,
    /// Whether the reader says which antennas are connected.
    pub(crate) tells_antennas: bool,
}

pub(crate) async fn open<S: Stream>(
    mut wire: Wire<S>,
    config: &Checked,
    wanted_ports: &[u16],
) -> Result<Opened<S>> {
    // In one write: frames of an earlier client's autonomous mode may still be on their way.
    wire.queue(&format!("{QUIET}; {MARKER}"));
    wire.send("open").await?;
    let (_, version) = wire.until_marker("open", Instant::now() + PATIENCE).await?;

    let supported = match wire.ask("open", "SELECT supported_protocols FROM settings").await? {
        Ok(value) => supported_protocols(&value.unwrap_or_default()),
        Err(_) => Vec::new(),
    };
    let pib_model = param(&mut wire, "pib_model").await?;
    let model = Model::detect(&version, pib_model.as_deref(), &supported);
    check_protocols(config, model, &supported)?;
    let connected = param(&mut wire, "reader_connected_antennas").await?;
    let serial = param(&mut wire, "reader_serial").await?.filter(|serial| !serial.is_empty());
    let columns = columns(&mut wire, config).await?;

    let round = Duration::from_millis(u64::from(config.time_out_ms));
    let pause = match config.mode {
        Mode::Poll => Duration::ZERO,
        Mode::Autonomous => Duration::from_millis(u64::from(config.repeat_ms)),
    };
    let info = ReaderInfo {
        model: model.name().to_owned(),
        firmware: version,
        serial,
        protocols: supported,
        antenna_ports: listening_ports(wanted_ports, connected.as_deref()),
        // The session itself notices after PATIENCE and says more about it.
        silence_limit: round + pause + PATIENCE.max(REST) + Duration::from_secs(1),
    };
    let mut reader = Reader { wire, model };
    if let Some(cdbm) = config.read_power_cdbm {
        set_power(&mut reader, cdbm).await?;
    }
    let tells_antennas = connected.is_some_and(|connected| !connected.is_empty());
    let window = match config.schedule {
        Some(schedule) => Some(schedule.window(&mut reader.wire).await?),
        None => None,
    };
    Ok(Opened { reader, info, columns, window, tells_antennas })
}

/// Sets the power and makes sure that the reader took it. It has its own again after each reboot,
/// and nobody says that it had one.
async fn set_power<S: Stream>(reader: &mut Reader<S>, asked: i16) -> Result<()> {
    let taken = reader.set_read_power_cdbm(asked).await?;
    let dbm = |cdbm: i16| f32::from(cdbm) / 100.0;
    match taken.cmp(&asked) {
        Ordering::Equal => Ok(()),
        Ordering::Less => {
            tracing::warn!(
                asked_dbm = dbm(asked),
                taken_dbm = dbm(taken),
                "the reader sends with less power than the configuration asks for; it sees less far"
            );
            Ok(())
        }
        // It may be more than the law or the antenna allows, and sees tags in other zones.
        Ordering::Greater => Err(Error::new(ErrorKind::Regulatory, "open").with_detail(format!(
            "the reader was told to send with {} dBm and would send with {} dBm",
            dbm(asked),
            dbm(taken)
        ))),
    }
}

/// A value of the `params` table; `None` where the reader has no such table or entry.
///
/// Later firmware answers an unknown name with an empty value, a Mercury 4 with an error (§3.5).
async fn param<S: Stream>(wire: &mut Wire<S>, name: &str) -> Result<Option<String>> {
    let answer = wire.ask("open", &format!("SELECT {name} FROM params")).await?;
    Ok(answer.ok().map(Option::unwrap_or_default))
}

fn check_protocols(config: &Checked, model: Model, supported: &[AirProtocol]) -> Result<()> {
    // An Astra's answer is known to be wrong (§7), an empty one says nothing.
    if supported.is_empty() || model == Model::Astra {
        return Ok(());
    }
    match config.protocols.iter().find(|protocol| !supported.contains(&protocol.air)) {
        None => Ok(()),
        Some(missing) => {
            let list: Vec<&str> = supported.iter().map(|protocol| protocol.name()).collect();
            Err(Error::new(ErrorKind::Unsupported, "open").with_detail(format!(
                "this reader does not speak {}; it speaks {}",
                missing.air,
                list.join(", ")
            )))
        }
    }
}

/// Ports that are listening, as far as the reader lets it be known.
fn listening_ports(wanted: &[u16], connected: Option<&str>) -> Vec<u16> {
    let connected = connected_antennas(connected.unwrap_or_default());
    if connected.is_empty() {
        return wanted.to_vec();
    }
    let ports: Vec<u16> =
        connected.iter().copied().filter(|port| wanted.is_empty() || wanted.contains(port)).collect();
    if let Some(missing) = wanted.iter().find(|port| !ports.contains(port)) {
        tracing::warn!(
            antenna_port = missing,
            ?connected,
            "no antenna is connected to a port that is listened to"
        );
    }
    // A reader whose detection sees none of the wanted antennas may be wrong; without any port
    // the zone would count as never listened to.
    if ports.is_empty() { wanted.to_vec() } else { ports }
}

/// The columns that this reader answers: the needed ones and those of the welcome ones that it
/// has.
async fn columns<S: Stream>(wire: &mut Wire<S>, config: &Checked) -> Result<Vec<Column>> {
    let mut columns = Column::NEEDED.to_vec();
    let mut all = columns.clone();
    all.extend(Column::WELCOME);
    // Most readers lack the signal strength only, so that is two questions and not five.
    let without_lqi: Vec<Column> = all.iter().copied().filter(|column| *column != Column::Lqi).collect();
    for candidate in [all, without_lqi] {
        if answers(wire, config, &candidate).await? {
            return Ok(candidate);
        }
    }
    for column in Column::WELCOME {
        let mut candidate = columns.clone();
        candidate.push(column);
        if answers(wire, config, &candidate).await? {
            columns = candidate;
        }
    }
    Ok(columns)
}

/// Whether a round of one millisecond with these columns is answered without an error.
async fn answers<S: Stream>(wire: &mut Wire<S>, config: &Checked, columns: &[Column]) -> Result<bool> {
    let plan = Plan {
        columns: columns.to_vec(),
        protocols: config.protocols.clone(),
        antenna_ports: Vec::new(),
        time_out_ms: 1,
    };
    Ok(wire.ask("open", &plan.to_string()).await?.is_ok())
}
