//! An event as it leaves the house: in a CloudEvents 1.0 envelope.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use rfid_core::{Event, UtcTime};
use serde::Serialize;

/// How old an event may be, unless a sink says otherwise, before it is late.
pub(crate) const LATE_AFTER: Duration = Duration::from_secs(120);

/// An event and its envelope, made once for all subscribers.
#[derive(Clone, Debug)]
pub struct Notice {
    event: Event,
    late_after: Duration,
    json: Bytes,
    /// The envelope of a late notice, made when it is first asked for.
    late_json: OnceLock<Bytes>,
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
        Self { event, late_after: LATE_AFTER, json, late_json: OnceLock::new() }
    }

    /// Sets how old the event may be before it is late; without this, 120 s.
    pub fn late_after(mut self, late_after: Duration) -> Self {
        self.late_after = late_after;
        self
    }

    /// Whether this is history: whoever hears it at `now` must not announce it as new.
    pub fn is_late(&self, now: UtcTime) -> bool {
        now.since(self.event.time) > self.late_after
    }

    /// The kind of server-sent event that it is at `now`: that of the event, or `late`.
    pub fn kind_at(&self, now: UtcTime) -> &'static str {
        if self.is_late(now) { "late" } else { self.event.kind.name() }
    }

    /// The envelope as JSON, without line feeds, for somebody who gets it at `now`. A late one
    /// carries the extension attribute `"late": true`.
    pub fn json_at(&self, now: UtcTime) -> Bytes {
        if !self.is_late(now) {
            return self.json.clone();
        }
        let mark = || match self.json.strip_prefix(b"{") {
            Some(rest) => [b"{\"late\":true,", rest].concat().into(),
            None => self.json.clone(),
        };
        self.late_json.get_or_init(mark).clone()
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The envelope as JSON, without line feeds, of a notice that is not late.
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

    #[test]
    fn what_lies_more_than_two_minutes_back_is_late_and_says_so() {
        let notice = Notice::new(Event::sample());
        let at = |seconds| Event::sample().time.plus(Duration::from_secs(seconds));
        assert!(!notice.is_late(at(120)));
        assert_eq!((notice.kind_at(at(120)), notice.json_at(at(120))), ("arrived", notice.json().clone()));
        let late = at(121);
        assert_eq!(notice.kind_at(late), "late");
        let mut json: serde_json::Value = serde_json::from_slice(&notice.json_at(late)).unwrap();
        assert_eq!(json.as_object_mut().unwrap().remove("late"), Some(true.into()));
        assert_eq!(json, serde_json::from_slice::<serde_json::Value>(notice.json()).unwrap());
        let patient = notice.late_after(Duration::from_secs(600));
        assert!(!patient.is_late(at(600)) && patient.is_late(at(601)));
    }
}
