//! What a person would say of many reads: arrived, moved, departed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::air_protocol::AirProtocol;
use crate::clock::UtcTime;
use crate::epc;
use crate::name::Name;
use crate::tag_id::{TagId, TagIdKind};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A tag is confirmed to be here.
    Arrived,
    /// A tag that arrived is still here (only with `repeat_every`).
    Seen,
    /// A tag that arrived is now in another zone.
    Moved,
    /// A tag has been silent for as long as a departure takes, while its zone was listened to.
    Departed,
}

impl EventKind {
    /// Lower-case name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Seen => "seen",
            Self::Moved => "moved",
            Self::Departed => "departed",
        }
    }
}

/// Which way a tag is going where an outer and an inner zone stand one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the outer zone to the inner one.
    Entering,
    /// From the inner zone to the outer one.
    Leaving,
}

/// A direction and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heading {
    /// Which way.
    pub direction: Direction,
    /// From 0.5, a guess, to 1, in hundredths.
    pub confidence: f32,
}

/// Identity of a fact: the same fact has the same id, however often it is reported.
///
/// 128 bits: 48 bits of the visit's start in milliseconds UTC, so that ids of later visits sort
/// later, then 80 bits of SHA-256 over pipeline, tag, start of the visit and sequence number
/// within the visit. As text: 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

impl EventId {
    /// The id of event number `sequence` of this tag's visit that began at `visit_start`.
    pub fn derive(pipeline: &str, tag: &TagId, visit_start: UtcTime, sequence: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update((pipeline.len() as u64).to_be_bytes());
        hash.update(pipeline.as_bytes());
        hash.update([tag.kind() as u8]);
        hash.update((tag.bytes().len() as u64).to_be_bytes());
        hash.update(tag.bytes());
        hash.update(visit_start.as_nanos().to_be_bytes());
        hash.update(sequence.to_be_bytes());
        let digest = hash.finalize();
        let tail = digest.iter().take(10).fold(0u128, |value, byte| (value << 8) | u128::from(*byte));
        Self((u128::from(visit_start.as_nanos() / 1_000_000) << 80) | tail)
    }

    /// The id as big-endian bytes, for keys that sort as the ids do.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id with these big-endian bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Some text is not an event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEventId;

impl fmt::Display for NotAnEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event id is 32 hexadecimal digits")
    }
}

impl std::error::Error for NotAnEventId {}

impl std::str::FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or(NotAnEventId)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a directory knows about a tag, as columns and values in the directory's own order.
pub type Record = serde_json::Map<String, serde_json::Value>;

/// One thing that happened to one tag.
///
/// In JSON the tag stands as `epc_hex` and `epc_uri` (see [`epc::uri_of`]) or as `uid_hex`, by its
/// kind; what is not known is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "EventJson", try_from = "EventJson")]
pub struct Event {
    /// Identity of this fact.
    pub event_id: EventId,
    /// Number of this event in the ledger of its host, without gaps; not known before it is
    /// registered there.
    pub sequence: Option<u64>,
    /// What happened (`type` in JSON).
    pub kind: EventKind,
    /// When it happened: the confirming read of an arrival, the deciding read of a move, the
    /// moment at which the silence had lasted long enough for a departure.
    pub time: UtcTime,
    /// The reader that heard the tag last.
    pub reader: Name,
    /// Antenna port of that reader, counted from 1.
    pub antenna_port: Option<u16>,
    /// Where the tag is (or was, for a departure).
    pub zone: Name,
    /// Where the tag was before, for a move.
    pub zone_before: Option<Name>,
    /// Branch that the reader belongs to.
    pub branch: Option<Name>,
    /// The tag.
    pub tag: TagId,
    /// Air protocol of the tag.
    pub protocol: Option<AirProtocol>,
    /// Strongest signal of this visit in hundredths of a dBm.
    pub peak_rssi_cdbm: Option<i16>,
    /// Sightings in this visit so far.
    pub read_count: u64,
    /// First sighting of this visit.
    pub first_seen: UtcTime,
    /// Last sighting so far.
    pub last_seen: UtcTime,
    /// The reader's own stamp on the read that caused the event, if it gave one.
    pub reader_time: Option<UtcTime>,
    /// From the first to the last sighting, in milliseconds.
    pub dwell_ms: u64,
    /// Whether this continues a visit that had ended a short while before.
    pub revisit: bool,
    /// Whether a departure means that the tag has been here for too long to matter, not that it is
    /// gone.
    pub set_aside: bool,
    /// How long the zone was not listened to between the last sighting and this event, in
    /// milliseconds.
    pub coverage_gap_ms: u64,
    /// Which way the tag is going (`direction` and `direction_confidence` in JSON), where zones are
    /// configured as a passage and both were heard of late.
    pub heading: Option<Heading>,
    /// Whether the tag proved to be the one that its id names, by a signature that it carries;
    /// `None` where nobody checked. An id alone proves nothing: it can be put on another tag.
    pub authentic: Option<bool>,
    /// What lookup found.
    pub record: Option<Record>,
    /// Names of sinks that this event was passed on from although they had not done their duty.
    pub unconfirmed_by: Vec<Name>,
}

#[derive(Serialize, Deserialize)]
struct EventJson {
    event_id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(rename = "type")]
    kind: EventKind,
    time: UtcTime,
    reader: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    antenna_port: Option<u16>,
    zone: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone_before: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branch: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epc_hex: Option<String>,
    // Follows from the digits, so nobody reads it back.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    epc_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid_kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<AirProtocol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak_rssi_cdbm: Option<i16>,
    read_count: u64,
    first_seen: UtcTime,
    last_seen: UtcTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader_time: Option<UtcTime>,
    dwell_ms: u64,
    revisit: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    set_aside: bool,
    coverage_gap_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction_confidence: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authentic: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<Record>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unconfirmed_by: Vec<Name>,
}

impl From<Event> for EventJson {
    fn from(event: Event) -> Self {
        let kind = event.tag.kind();
        let hex = event.tag.hex();
        let (epc_hex, uid_hex) = if kind.is_epc() { (Some(hex), None) } else { (None, Some(hex)) };
        // A card at 13.56 MHz is what everybody means by a UID; other kinds name themselves.
        let uid_kind = (!kind.is_epc() && kind != TagIdKind::Iso14443Uid).then(|| kind.label().to_owned());
        Self {
            event_id: event.event_id,
            sequence: event.sequence,
            kind: event.kind,
            time: event.time,
            reader: event.reader,
            antenna_port: event.antenna_port,
            zone: event.zone,
            zone_before: event.zone_before,
            branch: event.branch,
            epc_hex,
            epc_uri: kind.is_epc().then(|| epc::uri_of(event.tag.bytes())),
            uid_hex,
            uid_kind,
            protocol: event.protocol,
            peak_rssi_cdbm: event.peak_rssi_cdbm,
            read_count: event.read_count,
            first_seen: event.first_seen,
            last_seen: event.last_seen,
            reader_time: event.reader_time,
            dwell_ms: event.dwell_ms,
            revisit: event.revisit,
            set_aside: event.set_aside,
            coverage_gap_ms: event.coverage_gap_ms,
            direction: event.heading.map(|heading| heading.direction),
            direction_confidence: event.heading.map(|heading| heading.confidence),
            authentic: event.authentic,
            record: event.record,
            unconfirmed_by: event.unconfirmed_by,
        }
    }
}

impl TryFrom<EventJson> for Event {
    type Error = String;

    fn try_from(json: EventJson) -> Result<Self, Self::Error> {
        let text = match (json.epc_hex, json.uid_hex) {
            (Some(epc), None) => format!("{}:{epc}", TagIdKind::Epc.label()),
            (None, Some(uid)) => {
                format!("{}:{uid}", json.uid_kind.as_deref().unwrap_or(TagIdKind::Iso14443Uid.label()))
            }
            _ => return Err("an event has either epc_hex or uid_hex".to_owned()),
        };
        Ok(Self {
            event_id: json.event_id,
            sequence: json.sequence,
            kind: json.kind,
            time: json.time,
            reader: json.reader,
            antenna_port: json.antenna_port,
            zone: json.zone,
            zone_before: json.zone_before,
            branch: json.branch,
            tag: text.parse().map_err(|fault: crate::tag_id::TagIdFault| fault.to_string())?,
            protocol: json.protocol,
            peak_rssi_cdbm: json.peak_rssi_cdbm,
            read_count: json.read_count,
            first_seen: json.first_seen,
            last_seen: json.last_seen,
            reader_time: json.reader_time,
            dwell_ms: json.dwell_ms,
            revisit: json.revisit,
            set_aside: json.set_aside,
            coverage_gap_ms: json.coverage_gap_ms,
            heading: json
                .direction
                .zip(json.direction_confidence)
                .map(|(direction, confidence)| Heading { direction, confidence }),
            authentic: json.authentic,
            record: json.record,
            unconfirmed_by: json.unconfirmed_by,
        })
    }
}

impl Event {
    /// An event with every field filled, for documentation, examples and tests of sinks.
    pub fn sample() -> Self {
        let first_seen = UtcTime::from_nanos(1_795_476_657_077_000_000);
        let time = UtcTime::from_nanos(1_795_476_657_390_000_000);
        let tag = TagId::from_hex(TagIdKind::Epc, "2D0000000000000000000001")
            .unwrap_or_else(|_| unreachable!("the digits above are an id"));
        Self {
            event_id: EventId::derive("hubin", &tag, first_seen, 0),
            sequence: None,
            kind: EventKind::Arrived,
            time,
            reader: Name::from("hubin_door"),
            antenna_port: Some(1),
            zone: Name::from("door"),
            zone_before: None,
            branch: Some(Name::from("hubin")),
            tag,
            protocol: Some(AirProtocol::Gen2),
            peak_rssi_cdbm: Some(-5500),
            read_count: 3,
            first_seen,
            last_seen: time,
            reader_time: Some(first_seen),
            dwell_ms: 313,
            revisit: false,
            set_aside: false,
            coverage_gap_ms: 0,
            heading: None,
            authentic: None,
            record: None,
            unconfirmed_by: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_uses_the_fields_terms() {
        let json = serde_json::to_value(Event::sample()).unwrap();
        assert_eq!(json["type"], "arrived");
        assert_eq!(json["epc_hex"], "2D0000000000000000000001");
        assert_eq!(json["time"], "2026-11-23T23:30:57.39Z");
        assert!(json.get("uid_hex").is_none());
        assert!(json.get("record").is_none(), "what is not known is left out");
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), Event::sample());
    }

    #[test]
    fn a_uid_of_every_kind_survives_json() {
        for kind in
            [TagIdKind::Iso14443Uid, TagIdKind::Iso15693Uid, TagIdKind::Tid, TagIdKind::Iso18000_6bUid]
        {
            let event = Event { tag: TagId::new(kind, &[1, 2, 3, 4]).unwrap(), ..Event::sample() };
            let json = serde_json::to_value(event.clone()).unwrap();
            assert_eq!(json["uid_hex"], "01020304");
            assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        }
    }

    #[test]
    fn a_doubt_survives_json_and_is_left_out_where_nobody_checked() {
        for authentic in [Some(true), Some(false), None] {
            let event = Event { authentic, ..Event::sample() };
            let json = serde_json::to_value(event.clone()).unwrap();
            assert_eq!(json.get("authentic").and_then(serde_json::Value::as_bool), authentic);
            assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        }
    }

    #[test]
    fn the_same_fact_has_the_same_id_and_another_fact_another() {
        let Event { tag, first_seen, event_id, .. } = Event::sample();
        assert_eq!(EventId::derive("hubin", &tag, first_seen, 0), event_id);
        assert_ne!(EventId::derive("hubin", &tag, first_seen, 1), event_id);
        assert_ne!(EventId::derive("other", &tag, first_seen, 0), event_id);
        assert_eq!(event_id.to_string().parse::<EventId>().unwrap(), event_id);
        assert_eq!(EventId::from_bytes(event_id.to_bytes()), event_id);
    }

    #[test]
    fn ids_of_later_visits_sort_later() {
        let Event { tag, first_seen, event_id, .. } = Event::sample();
        let later = EventId::derive("hubin", &tag, first_seen.plus(std::time::Duration::from_secs(1)), 0);
        assert!(later > event_id);
    }

    #[test]
    fn text_that_is_not_an_id_is_refused() {
        for text in ["", "12", "+0000000000000000000000000000001", "zz"] {
            assert_eq!(text.parse::<EventId>(), Err(NotAnEventId));
        }
    }
}
