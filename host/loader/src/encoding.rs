//! Events as records of the boundary.

use rfid_abi as abi;
use rfid_core::{Direction, Event, EventKind};

use crate::message::EncodedEvents;

/// Events for a sink. Texts stand in the side area, each once for each event.
pub(crate) fn encode(events: &[Event]) -> EncodedEvents {
    let mut encoded = EncodedEvents::default();
    for event in events {
        let record = encode_event(event, &mut encoded.aux);
        encoded.events.push(record);
    }
    encoded
}

fn encode_event(event: &Event, aux: &mut Vec<u8>) -> abi::EventRecord {
    let mut id = [0; 62];
    for (to, from) in id.iter_mut().zip(event.tag.bytes()) {
        *to = *from;
    }
    let mut put = |text: &str| {
        let span = abi::Span { off: aux.len() as u32, len: text.len() as u32 };
        aux.extend_from_slice(text.as_bytes());
        span
    };
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    abi::EventRecord {
        event_id: event.event_id.to_bytes(),
        sequence: event.sequence.unwrap_or(0),
        time_ns: event.time.as_nanos(),
        first_seen_ns: event.first_seen.as_nanos(),
        last_seen_ns: event.last_seen.as_nanos(),
        reader_time_ns: event.reader_time.map_or(0, |time| time.as_nanos()),
        read_count: event.read_count,
        dwell_ms: event.dwell_ms,
        coverage_gap_ms: event.coverage_gap_ms,
        id,
        id_len: event.tag.bytes().len() as u8,
        id_kind: event.tag.kind() as u8,
        kind: match event.kind {
            EventKind::Arrived => abi::EVENT_ARRIVED,
            EventKind::Seen => abi::EVENT_SEEN,
            EventKind::Moved => abi::EVENT_MOVED,
            EventKind::Departed => abi::EVENT_DEPARTED,
        },
        protocol: event.protocol.map_or(0, |protocol| protocol as u8),
        flags: if event.revisit { abi::EVENT_REVISIT } else { 0 }
            | if event.set_aside { abi::EVENT_SET_ASIDE } else { 0 }
            | match event.authentic {
                None => 0,
                Some(true) => abi::EVENT_AUTHENTIC,
                Some(false) => abi::EVENT_NOT_AUTHENTIC,
            },
        heading: match event.heading.map(|heading| heading.direction) {
            None => abi::HEADING_NONE,
            Some(Direction::Entering) => abi::HEADING_ENTERING,
            Some(Direction::Leaving) => abi::HEADING_LEAVING,
        },
        heading_percent: event.heading.map_or(0, |heading| (heading.confidence * 100.0).round() as u16),
        antenna: event.antenna_port.unwrap_or(0),
        peak_rssi_cdbm: event.peak_rssi_cdbm.unwrap_or(abi::RSSI_UNKNOWN),
        reserved: 0,
        reserved2: 0,
        reader: put(&event.reader),
        zone: put(&event.zone),
        zone_before: event.zone_before.as_ref().map(|zone| put(zone)).unwrap_or_default(),
        branch: event.branch.as_ref().map(|branch| put(branch)).unwrap_or_default(),
        record: event
            .record
            .as_ref()
            .map(|record| put(&json(serde_json::to_string(record))))
            .unwrap_or_default(),
        unconfirmed_by: match event.unconfirmed_by.as_slice() {
            [] => abi::Span::default(),
            names => put(&json(serde_json::to_string(names))),
        },
    }
}

#[cfg(test)]
mod tests {
    use rfid_core::{Heading, Name};
    use serde_json::json;

    use super::*;

    fn text(encoded: &EncodedEvents, span: abi::Span) -> &str {
        let at = span.off as usize;
        std::str::from_utf8(&encoded.aux[at..at + span.len as usize]).unwrap()
    }

    #[test]
    fn every_field_of_an_event_crosses() {
        let mut event = Event::sample();
        event.record = json!({ "name": "王芳" }).as_object().cloned();
        event.zone_before = Some(Name::from("street"));
        event.heading = Some(Heading { direction: Direction::Leaving, confidence: 0.87 });
        event.unconfirmed_by = vec![Name::from("visits")];
        event.revisit = true;
        event.authentic = Some(false);
        let encoded = encode(&[Event::sample(), event.clone()]);
        let record = &encoded.events[1];
        assert_eq!(record.event_id, event.event_id.to_bytes());
        assert_eq!(&record.id[..usize::from(record.id_len)], event.tag.bytes());
        assert_eq!(
            (record.kind, record.flags),
            (abi::EVENT_ARRIVED, abi::EVENT_REVISIT | abi::EVENT_NOT_AUTHENTIC)
        );
        assert_eq!((record.heading, record.heading_percent), (abi::HEADING_LEAVING, 87));
        assert_eq!(text(&encoded, record.reader), "hubin_door");
        assert_eq!(text(&encoded, record.zone), "door");
        assert_eq!(text(&encoded, record.zone_before), "street");
        assert_eq!(text(&encoded, record.branch), "hubin");
        assert_eq!(text(&encoded, record.record), "{\"name\":\"王芳\"}");
        assert_eq!(text(&encoded, record.unconfirmed_by), "[\"visits\"]");
        assert_eq!(encoded.events[0].zone_before, abi::Span::default());
    }
}
