//! Events as they are lent to a sink.

use std::time::Duration;

use rfid_abi::{
    EVENT_ARRIVED, EVENT_DEPARTED, EVENT_MOVED, EVENT_SEEN, EventBatch, EventRecord, HEADING_NONE,
    RSSI_UNKNOWN, Span, WriteResult,
};

use crate::case::Stop;
use crate::instance::{Answer, Instance};
use crate::lent::{PAGE, Pages};

/// When the first event happened: in November 2023.
pub(crate) const FIRST_NS: u64 = 1_700_000_000_000_000_000;

/// The side area that all events share.
const AUX: &str = r#"gate_1hall_ayardcentral{"name":"Anna","note":"ä"}["lookup"]"#;

/// A batch in memory that can be taken away.
#[derive(Debug)]
pub(crate) struct Batch {
    events: Pages,
    aux: Pages,
    records: Pages,
    records_capacity: u32,
    first: usize,
    stride: usize,
    count: u32,
}

/// What a sink did with it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) answer: Answer,
    pub(crate) result: WriteResult,
    /// What it added to events, as far as it fits.
    pub(crate) records: Vec<u8>,
}

impl Batch {
    /// So many events, numbered from `first`, the last before a page that nobody may touch.
    pub(crate) fn of(first: u32, count: u32) -> Result<Self, Stop> {
        let stride = size_of::<EventRecord>();
        let bytes = stride * count as usize;
        let events = Pages::new(bytes)?;
        let start = events.len() - bytes;
        Self::lay(events, start, stride, count, |index| event(first + index))
    }

    /// So many arrivals, each of another tag, numbered from `first`.
    pub(crate) fn of_new_tags(first: u64, count: u32) -> Result<Self, Stop> {
        let stride = size_of::<EventRecord>();
        let events = Pages::new(stride * count as usize)?;
        Self::lay(events, 0, stride, count, |index| EventRecord {
            id: id_of(first + u64::from(index)),
            ..event(index)
        })
    }

    /// Events far from one another, each before a page that nobody may touch.
    pub(crate) fn islands(first: u32, count: u32) -> Result<Self, Stop> {
        let stride = 2 * PAGE;
        let events = Pages::new(stride * count as usize)?;
        let start = PAGE - size_of::<EventRecord>();
        let batch = Self::lay(events, start, stride, count, |index| event(first + index))?;
        for index in 0..count as usize {
            batch.events.take_page_away(index * stride + PAGE)?;
        }
        Ok(batch)
    }

    fn lay(
        events: Pages,
        start: usize,
        stride: usize,
        count: u32,
        event: impl Fn(u32) -> EventRecord,
    ) -> Result<Self, Stop> {
        let aux = Pages::new(AUX.len())?;
        // SAFETY: so many bytes end with the last page, which is ours alone.
        unsafe { aux.before_end(AUX.len()).copy_from_nonoverlapping(AUX.as_ptr(), AUX.len()) };
        for index in 0..count as usize {
            let place = events.base().wrapping_add(start + index * stride).cast::<EventRecord>();
            // SAFETY: within the pages, which are ours alone; beginnings and strides are multiples
            // of 8.
            unsafe { place.write(event(index as u32)) };
        }
        let records_capacity = 65_536;
        let records = Pages::new(records_capacity as usize)?;
        Ok(Self { events, aux, records, records_capacity, first: start, stride, count })
    }

    /// With this much room for what the sink adds, which is 64 KiB at most.
    pub(crate) fn with_room_for_records(self, bytes: u32) -> Self {
        Self { records_capacity: bytes.min(self.records_capacity), ..self }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Offers the events from this one on, once.
    pub(crate) fn write(&self, instance: &Instance, from: u32, limit: Duration) -> Written {
        let start = self.first + from as usize * self.stride;
        let batch = EventBatch {
            struct_size: size_of::<EventBatch>() as u32,
            stride: self.stride as u32,
            events: self.events.base().wrapping_add(start).cast(),
            count: self.count - from,
            aux_len: AUX.len() as u32,
            aux: self.aux.before_end(AUX.len()),
        };
        let mut result = WriteResult {
            struct_size: size_of::<WriteResult>() as u32,
            accepted: 0,
            retry_after_ms: 0,
            flags: 0,
            records: self.records.before_end(self.records_capacity as usize),
            records_capacity: self.records_capacity,
            records_len: 0,
        };
        let answer = instance.write(&batch, &mut result, limit);
        let there = result.records_len.min(self.records_capacity) as usize;
        let start = self.records.before_end(self.records_capacity as usize);
        // SAFETY: within the room, which is readable and was filled when it was made.
        let records = unsafe { std::slice::from_raw_parts(start, there) }.to_vec();
        Written { answer, result, records }
    }

    /// From now on whoever writes to it ends the process.
    pub(crate) fn make_read_only(&self) -> Result<(), Stop> {
        self.events.make_read_only()?;
        self.aux.make_read_only()
    }

    /// From now on whoever touches it ends the process.
    pub(crate) fn take_away(&self) -> Result<(), Stop> {
        self.events.take_away()?;
        self.aux.take_away()?;
        self.records.take_away()
    }
}

fn span(text: &str) -> Span {
    match AUX.find(text) {
        Some(off) => Span { off: off as u32, len: text.len() as u32 },
        None => Span::default(),
    }
}

/// Bytes of the ids.
const ID_LEN: usize = 12;

fn id_of(tag: u64) -> [u8; 62] {
    let mut id = [0; 62];
    for (place, byte) in id.iter_mut().zip([0x30, 0x14, 0, 0].into_iter().chain(tag.to_be_bytes())) {
        *place = byte;
    }
    id
}

/// The digits of this tag's id.
pub(crate) fn digits_of(tag: u64) -> String {
    id_of(tag).iter().take(ID_LEN).map(|byte| format!("{byte:02x}")).collect()
}

/// An event of one of forty tags, in the order in which a tag's events come.
fn event(number: u32) -> EventRecord {
    let kind = [EVENT_ARRIVED, EVENT_SEEN, EVENT_MOVED, EVENT_DEPARTED];
    let kind = kind.get(number as usize / 40 % 4).copied().unwrap_or(EVENT_SEEN);
    let time_ns = FIRST_NS + u64::from(number) * 1_000_000;
    let mut event_id = [0x70; 16];
    for (place, byte) in event_id.iter_mut().zip(u64::from(number).to_be_bytes()) {
        *place = byte;
    }
    EventRecord {
        event_id,
        sequence: u64::from(number) + 1,
        time_ns,
        first_seen_ns: FIRST_NS,
        last_seen_ns: time_ns,
        reader_time_ns: 0,
        read_count: u64::from(number) + 1,
        dwell_ms: (time_ns - FIRST_NS) / 1_000_000,
        coverage_gap_ms: 0,
        id: id_of(u64::from(number % 40)),
        id_len: ID_LEN as u8,
        id_kind: 1,
        kind,
        protocol: 1,
        flags: 0,
        heading: HEADING_NONE,
        heading_percent: 0,
        antenna: 1,
        peak_rssi_cdbm: RSSI_UNKNOWN,
        reserved: 0,
        reserved2: 0,
        reader: span("gate_1"),
        zone: span("hall_a"),
        zone_before: if kind == EVENT_MOVED { span("yard") } else { Span::default() },
        branch: span("central"),
        record: if number.is_multiple_of(2) {
            span(r#"{"name":"Anna","note":"ä"}"#)
        } else {
            Span::default()
        },
        unconfirmed_by: if number.is_multiple_of(10) { span(r#"["lookup"]"#) } else { Span::default() },
    }
}
