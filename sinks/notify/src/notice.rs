//! An event as it leaves the house: in a CloudEvents 1.0 envelope.

use bytes::Bytes;
use rfid_core::Event;
use serde::Serialize;

/// An event and its envelope, made once for all subscribers.
#[derive(Clone, Debug)]
pub struct Notice {
    event: Event,
    json: Bytes,
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: String,
    subject: String,
    time: rfid_core::UtcTime,
    datacontenttype: &'static str,
    data: &'a Event,
}

impl Notice {
    /// Wraps an event.
    ///
    /// `source` is `/readers/NAME`, `type` is `rfid.tag.arrived` and so on, `subject` the tag as
    /// `epc:…` or `uid:…`, `data` the event itself.
    pub fn new(event: Event) -> Self {
        let envelope = Envelope {
            specversion: "1.0",
            id: event.event_id.to_string(),
            source: format!("/readers/{}", event.reader),
            r#type: format!("rfid.tag.{}", event.kind.name()),
            subject: event.tag.to_string(),
            time: event.time,
            datacontenttype: "application/json",
            data: &event,
        };
        // Nothing in an event can fail to become JSON: its maps have text keys.
        let json = serde_json::to_vec(&envelope).unwrap_or_default().into();
        Self { event, json }
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The envelope as JSON, without line feeds.
    pub fn json(&self) -> &Bytes {
        &self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_a_cloud_event() {
        let notice = Notice::new(Event::sample());
        let json: serde_json::Value = serde_json::from_slice(notice.json()).unwrap();
        assert_eq!(json["specversion"], "1.0");
        assert_eq!(json["id"], Event::sample().event_id.to_string());
        assert_eq!(json["source"], "/readers/hubin_door");
        assert_eq!(json["type"], "rfid.tag.arrived");
        assert_eq!(json["subject"], "epc:2D0000000000000000000001");
        assert_eq!(json["datacontenttype"], "application/json");
        assert_eq!(json["data"]["epc_hex"], "2D0000000000000000000001");
        assert!(!notice.json().contains(&b'\n'));
    }
}
