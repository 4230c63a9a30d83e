//! Events as they come over the boundary.

use rfid_abi::{
    EVENT_ARRIVED, EVENT_AUTHENTIC, EVENT_DEPARTED, EVENT_MOVED, EVENT_NOT_AUTHENTIC, EVENT_REVISIT,
    EVENT_SEEN, EVENT_SET_ASIDE, EventBatch, EventRecord, HEADING_ENTERING, HEADING_LEAVING, RSSI_UNKNOWN,
    Span,
};
use rfid_core::{
    AirProtocol, Direction, Event, EventId, EventKind, Heading, Name, TagId, TagIdKind, UtcTime,
};
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::instance::slice;

/// A host's batch.
pub(crate) struct Offered<'a> {
    records: Vec<&'a EventRecord>,
    aux: &'a [u8],
}

impl<'a> Offered<'a> {
    /// A batch of the host's.
    ///
    /// # Safety
    /// `batch` is null, or it and what it points to are valid for `'a`.
    pub(crate) unsafe fn new(batch: *const EventBatch) -> Result<Self, Failure> {
        // SAFETY: the caller says so.
        let batch = unsafe { batch.as_ref() }
            .filter(|batch| batch.struct_size as usize >= size_of::<EventBatch>())
            .ok_or_else(|| Failure::invalid("no batch, or one of another version"))?;
        let stride = batch.stride as usize;
        let is_whole = stride >= size_of::<EventRecord>() && stride.is_multiple_of(8);
        if batch.count > 0 && (!is_whole || batch.events.is_null() || !batch.events.is_aligned()) {
            return Err(Failure::invalid(format!("a batch with records of {stride} bytes, or nowhere")));
        }
        let records = (0..batch.count as usize)
            // SAFETY: so many records lie there, each a whole stride after the one before, which keeps
            // them aligned.
            .map(|index| unsafe { &*batch.events.byte_add(index * stride) })
            .collect();
        // SAFETY: the caller says so.
        let aux = unsafe { slice(batch.aux, batch.aux_len as usize) }?;
        Ok(Self { records, aux })
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it begins with these events.
    pub(crate) fn begins_with(&self, ids: &[EventId]) -> bool {
        self.records.len() >= ids.len() && self.ids().zip(ids).all(|(here, there)| here == *there)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = EventId> {
        self.records.iter().map(|record| EventId::from_bytes(record.event_id))
    }

    /// The record that came with event number `index`, as JSON; nothing: none.
    pub(crate) fn record_of(&self, index: usize) -> &'a [u8] {
        self.records.get(index).and_then(|event| self.piece(event.record).ok()).unwrap_or_default()
    }

    /// The events as sinks know them.
    pub(crate) fn events(&self) -> Result<Vec<Event>, Failure> {
        let event = |(index, record)| {
            self.event(record).map_err(|what| Failure::invalid(format!("event {index} of the batch: {what}")))
        };
        self.records.iter().copied().enumerate().map(event).collect()
    }

    fn event(&self, record: &EventRecord) -> Result<Event, String> {
        let kind = match record.kind {
            EVENT_ARRIVED => EventKind::Arrived,
            EVENT_SEEN => EventKind::Seen,
            EVENT_MOVED => EventKind::Moved,
            EVENT_DEPARTED => EventKind::Departed,
            number => return Err(format!("{number} is no kind of event")),
        };
        let direction = match record.heading {
            HEADING_ENTERING => Some(Direction::Entering),
            HEADING_LEAVING => Some(Direction::Leaving),
            _ => None,
        };
        let confidence = f32::from(record.heading_percent) / 100.0;
        let id_kind = TagIdKind::from_number(record.id_kind)
            .ok_or_else(|| format!("{} is no kind of id", record.id_kind))?;
        let id = record.id.get(..record.id_len.into()).unwrap_or_default();
        Ok(Event {
            event_id: EventId::from_bytes(record.event_id),
            sequence: known(record.sequence),
            kind,
            time: UtcTime::from_nanos(record.time_ns),
            reader: self.name(record.reader)?.ok_or("no reader")?,
            antenna_port: (record.antenna != 0).then_some(record.antenna),
            zone: self.name(record.zone)?.ok_or("no zone")?,
            zone_before: self.name(record.zone_before)?,
            branch: self.name(record.branch)?,
            tag: TagId::new(id_kind, id).map_err(|fault| fault.to_string())?,
            protocol: AirProtocol::from_number(record.protocol),
            peak_rssi_cdbm: (record.peak_rssi_cdbm != RSSI_UNKNOWN).then_some(record.peak_rssi_cdbm),
            read_count: record.read_count,
            first_seen: UtcTime::from_nanos(record.first_seen_ns),
            last_seen: UtcTime::from_nanos(record.last_seen_ns),
            reader_time: known(record.reader_time_ns).map(UtcTime::from_nanos),
            dwell_ms: record.dwell_ms,
            revisit: record.flags & EVENT_REVISIT != 0,
            set_aside: record.flags & EVENT_SET_ASIDE != 0,
            authentic: match record.flags & (EVENT_AUTHENTIC | EVENT_NOT_AUTHENTIC) {
                0 => None,
                proved => Some(proved & EVENT_NOT_AUTHENTIC == 0),
            },
            coverage_gap_ms: record.coverage_gap_ms,
            heading: direction.map(|direction| Heading { direction, confidence }),
            record: self.json(record.record)?,
            unconfirmed_by: self.json(record.unconfirmed_by)?.unwrap_or_default(),
        })
    }

    fn name(&self, span: Span) -> Result<Option<Name>, String> {
        match self.piece(span)? {
            [] => Ok(None),
            bytes => str::from_utf8(bytes)
                .map(|text| Some(Name::from(text)))
                .map_err(|_| "a text is not UTF-8".to_owned()),
        }
    }

    fn json<T: DeserializeOwned>(&self, span: Span) -> Result<Option<T>, String> {
        match self.piece(span)? {
            [] => Ok(None),
            bytes => serde_json::from_slice(bytes).map(Some).map_err(|error| error.to_string()),
        }
    }

    fn piece(&self, span: Span) -> Result<&'a [u8], String> {
        let begin = span.off as usize;
        match span.len {
            0 => Ok(&[]),
            len => self
                .aux
                .get(begin..begin + len as usize)
                .ok_or_else(|| "a text is outside the batch".to_owned()),
        }
    }
}

/// A number that is 0 where it is not known.
fn known(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}
