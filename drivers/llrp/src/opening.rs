//! From a connection to a reader that is known and does nothing (§10, steps 2 to 4).

use std::time::Duration;

use rfid_core::{Error, ErrorKind, ReaderInfo, Result, Retry};
use rfid_driver_link::Stream;
use rfid_llrp::enumeration::{CapabilitiesRequest, ConfigRequest, ConnectionAttemptStatus, StatusCode};
use rfid_llrp::message::{
    DeleteAccessSpec, DeleteROSpec, GetROSpecs, GetReaderCapabilities, GetReaderConfig,
    GetReaderConfigResponse, GetSupportedVersion, ReaderEventNotification, SetProtocolVersion,
};
use rfid_llrp::{Message, Version, impinj};

use crate::abilities::Reader;
use crate::capabilities::Capabilities;
use crate::config::Checked;
use crate::ro_spec;
use crate::wire::{LONG_PATIENCE, PATIENCE, Wire, closed_by_reader};

const OP: &str = "open";

/// How long a reader may take to greet.
const GREETING: Duration = Duration::from_secs(10);

/// How long to stay away from a reader that serves another client: never in a tight loop (§10).
const SOMEBODY_ELSE: Duration = Duration::from_secs(15);

/// Messages that are passed over in front of the greeting.
const MOST_BEFORE_GREETING: usize = 10_000;

/// Most ROSpecs that are deleted one by one.
const MOST_LEFT_OVER: usize = 64;

/// A reader that was found out about and cleared.
pub(crate) struct Opened<S> {
    pub(crate) reader: Reader<S>,
    pub(crate) info: ReaderInfo,
}

/// Waits until the reader says that the connection stands. Nothing is sent before.
pub(crate) async fn greeted<S: Stream>(wire: &mut Wire<S>) -> Result<()> {
    let deadline = wire.deadline(GREETING);
    for _ in 0..MOST_BEFORE_GREETING {
        let Some(frame) = wire.front(OP)? else {
            wire.receive(OP, deadline).await.map_err(|error| match error.kind() {
                ErrorKind::Timeout => Error::new(ErrorKind::Timeout, OP).with_detail(format!(
                    "the reader does not greet within {GREETING:?}; is this the port of LLRP?"
                )),
                _ => error,
            })?;
            continue;
        };
        let header = frame.header;
        let event = if header.number == ReaderEventNotification::NUMBER { wire.event(OP)? } else { None };
        wire.pass(header);
        let Some(event) = event else { continue };
        wire.uptime.hear_timestamp(&event.timestamp, wire.received_at());
        match event.connection_attempt_event.map(|attempt| attempt.status) {
            Some(ConnectionAttemptStatus::SUCCESS) => return Ok(()),
            // That is said to whoever is connected, of somebody else.
            Some(ConnectionAttemptStatus::ANOTHER_ATTEMPTED) | None => {}
            Some(status) => return Err(not_admitted(status)),
        }
        if event.connection_close_event.is_some() {
            return Err(closed_by_reader(OP));
        }
    }
    Err(Error::new(ErrorKind::Protocol, OP).with_detail("the reader says everything but a greeting"))
}

fn not_admitted(status: ConnectionAttemptStatus) -> Error {
    let detail = match status {
        ConnectionAttemptStatus::CLIENT_INITIATED_EXISTS => {
            "another client is connected to this reader, which serves one at a time; a crashed program or a \
             vendor's tool may still be it"
                .to_owned()
        }
        ConnectionAttemptStatus::READER_INITIATED_EXISTS => {
            "another client is connected to this reader, by a connection that the reader makes itself"
                .to_owned()
        }
        ConnectionAttemptStatus::FAILED => {
            "the reader refuses the connection and does not say why".to_owned()
        }
        other => format!("the reader refuses the connection for reason {}", other.0),
    };
    Error::new(ErrorKind::Busy, OP)
        .with_detail(detail)
        .with_vendor_code(i64::from(status.0))
        .with_retry(Retry::After(SOMEBODY_ELSE))
}

/// Asks for LLRP 1.1. A reader that does not have it, or says anything else, is spoken to in 1.0.1
/// (§7.2). Errors are those of a connection that is of no use any more.
pub(crate) async fn negotiated<S: Stream>(wire: &mut Wire<S>) -> Result<()> {
    // Asked in the version that is asked for; that is how a reader tells whether it knows it.
    let answer = wire.ask_in(OP, GetSupportedVersion {}, Version::V1_1).await?;
    let supported = match answer {
        Message::GetSupportedVersionResponse(answer) if answer.status.is_success() => {
            answer.supported_version
        }
        other => {
            let status = other.status().map(ToString::to_string);
            tracing::info!(status, "the reader speaks LLRP 1.0.1 only");
            return Ok(());
        }
    };
    if supported < Version::V1_1.number() {
        tracing::info!(supported, "the reader speaks LLRP 1.0.1 only");
        return Ok(());
    }
    let choice = SetProtocolVersion { protocol_version: Version::V1_1.number() };
    match wire.ask_in(OP, choice, Version::V1_1).await? {
        Message::SetProtocolVersionResponse(answer) if answer.status.is_success() => {
            wire.version = Version::V1_1;
        }
        other => {
            let status = other.status().map(ToString::to_string);
            tracing::warn!(status, "the reader has LLRP 1.1 and does not change to it");
        }
    }
    Ok(())
}

/// Finds out what a reader is that has greeted, and leaves nothing running on it.
pub(crate) async fn open<S: Stream>(
    mut wire: Wire<S>,
    config: &Checked,
    wanted_ports: &[u16],
) -> Result<Opened<S>> {
    let request = GetReaderCapabilities { requested_data: CapabilitiesRequest::ALL, customs: Vec::new() };
    let Message::GetReaderCapabilitiesResponse(answer) = wire.must(OP, request, LONG_PATIENCE).await? else {
        return Err(Error::new(ErrorKind::Protocol, OP).with_detail("the reader does not say what it can do"));
    };
    let capabilities = Capabilities::of(answer);
    capabilities.check(config, wanted_ports)?;
    let takes_impinj = capabilities.is_impinj() && shakes_hands(&mut wire).await?;
    clear(&mut wire, config.share).await?;

    let serial = match asked(&mut wire, ConfigRequest::IDENTIFICATION).await? {
        Some(answer) => answer.identification.map(|identity| hex(&identity.reader_id)),
        None => None,
    };
    let connected: Vec<(u16, bool)> = match asked(&mut wire, ConfigRequest::ANTENNA_PROPERTIES).await? {
        Some(answer) => {
            let antennas = answer.antenna_properties.iter();
            antennas.map(|antenna| (antenna.antenna_id, antenna.antenna_connected)).collect()
        }
        None => Vec::new(),
    };
    let info = ReaderInfo {
        model: capabilities.model(),
        firmware: capabilities.firmware.clone(),
        serial: serial.filter(|serial| !serial.is_empty()),
        protocols: capabilities.protocols.clone(),
        antenna_ports: listening_ports(wanted_ports, &connected),
        // The session itself notices before, and says more about it.
        silence_limit: config.keepalive * 3 + Duration::from_secs(1),
    };
    let mut reader = Reader::new(wire, capabilities, config, takes_impinj);
    if let Some(cdbm) = config.power_cdbm {
        reader.take_power(cdbm, wanted_ports).await?;
    }
    Ok(Opened { reader, info })
}

/// Until then an Impinj reader refuses all of its maker's parameters (§8.1).
async fn shakes_hands<S: Stream>(wire: &mut Wire<S>) -> Result<bool> {
    let answer = wire.ask(OP, impinj::enable_extensions(), PATIENCE).await?;
    let status = match &answer {
        Message::CustomMessage(message) => impinj::extensions_status(message).ok().flatten(),
        _ => None,
    };
    let takes = status.as_ref().is_some_and(|status| status.is_success());
    if !takes {
        let status = status.as_ref().or(answer.status()).map(ToString::to_string);
        tracing::warn!(status, "the reader does not take the extensions of its maker");
    }
    Ok(takes)
}

/// Deletes what is left over on the reader: all of it, or what is ours.
async fn clear<S: Stream>(wire: &mut Wire<S>, share: bool) -> Result<()> {
    if share {
        for ro_spec_id in [ro_spec::INVENTORY, ro_spec::ACCESS] {
            delete_ro_spec(wire, ro_spec_id).await?;
        }
        return delete_access_spec(wire, crate::tag_access::ACCESS_SPEC).await;
    }
    delete_access_spec(wire, 0).await?;
    if delete_ro_spec(wire, 0).await? {
        return Ok(());
    }
    // Not every reader deletes all at once.
    let Message::GetROSpecsResponse(answer) = wire.ask(OP, GetROSpecs {}, PATIENCE).await? else {
        return Ok(());
    };
    for spec in answer.ro_specs.iter().take(MOST_LEFT_OVER) {
        delete_ro_spec(wire, spec.ro_spec_id).await?;
    }
    Ok(())
}

/// Whether the reader did so. One that has no such ROSpec refuses, and that is as good.
async fn delete_ro_spec<S: Stream>(wire: &mut Wire<S>, ro_spec_id: u32) -> Result<bool> {
    let answer = wire.ask(OP, DeleteROSpec { ro_spec_id }, LONG_PATIENCE).await?;
    match answer.status() {
        Some(status) if status.is_success() => Ok(true),
        status => {
            // That there is none is what a field error says of a number.
            let is_expected = ro_spec_id != 0
                && status.is_some_and(|status| status.status_code == StatusCode::M_FIELD_ERROR);
            if !is_expected {
                let status = status.map(ToString::to_string);
                tracing::debug!(ro_spec_id, status, "a ROSpec is not deleted");
            }
            Ok(false)
        }
    }
}

async fn delete_access_spec<S: Stream>(wire: &mut Wire<S>, access_spec_id: u32) -> Result<()> {
    let answer = wire.ask(OP, DeleteAccessSpec { access_spec_id }, LONG_PATIENCE).await?;
    if let Some(status) = answer.status().filter(|status| !status.is_success()) {
        tracing::debug!(access_spec_id, %status, "an AccessSpec is not deleted");
    }
    Ok(())
}

/// A part of the reader's configuration; `None` if it does not tell.
pub(crate) async fn asked<S: Stream>(
    wire: &mut Wire<S>,
    requested_data: ConfigRequest,
) -> Result<Option<GetReaderConfigResponse>> {
    let request = GetReaderConfig::of_all(requested_data);
    match wire.ask(OP, request, PATIENCE).await? {
        Message::GetReaderConfigResponse(answer) if answer.status.is_success() => Ok(Some(answer)),
        other => {
            let status = other.status().map(ToString::to_string);
            tracing::debug!(%requested_data, status, "the reader does not tell a part of its configuration");
            Ok(None)
        }
    }
}

/// Ports that are listening, as far as the reader lets it be known. One that finds no antenna at
/// all may be wrong: some look for them only when they send (§7.7).
fn listening_ports(wanted: &[u16], antennas: &[(u16, bool)]) -> Vec<u16> {
    let connected: Vec<u16> =
        antennas.iter().filter(|(_, is_connected)| *is_connected).map(|(port, _)| *port).collect();
    if connected.is_empty() {
        return wanted.to_vec();
    }
    if let Some(missing) = wanted.iter().find(|port| !connected.contains(port)) {
        tracing::warn!(
            antenna_port = missing,
            ?connected,
            "no antenna is connected to a port that is listened to"
        );
    }
    let mut ports = connected;
    ports.retain(|port| wanted.is_empty() || wanted.contains(port));
    if ports.is_empty() { wanted.to_vec() } else { ports }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn antennas_are_those_wanted_and_connected() {
        let antennas = [(1, true), (2, false), (3, true)];
        assert_eq!(listening_ports(&[], &antennas), [1, 3]);
        assert_eq!(listening_ports(&[2, 3], &antennas), [3]);
        assert_eq!(listening_ports(&[2], &antennas), [2], "the reader may be wrong");
        assert_eq!(listening_ports(&[2], &[(1, false), (2, false)]), [2]);
        assert!(listening_ports(&[], &[]).is_empty());
    }
}
