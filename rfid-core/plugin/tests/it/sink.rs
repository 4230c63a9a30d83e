//! A sink's calls, in order and out of it.

use std::ptr::{null, null_mut};

use rfid_abi::{EventBatch, EventRecord, Instance, Loss, Sink, Span, Status, Str, WriteResult};
use rfid_core::{Direction, Event, EventKind, Heading, Name};
use serde_json::{Value, json};

use crate::host::{TestHost, Told, component, told};

/// An instance of the sink.
struct Writer {
    _host: TestHost,
    functions: &'static Sink,
    raw: *mut Instance,
}

/// What a call of `write` brought.
#[derive(Debug, Default, PartialEq)]
struct Written {
    accepted: u32,
    records: Vec<(u32, Value)>,
}

impl Writer {
    fn create(play: &str) -> Self {
        // SAFETY: the constant table of a sink.
        let functions = unsafe { component("marking").sink.as_ref() }.unwrap();
        let (host, mut raw) = (TestHost::new("marks"), null_mut());
        let (create, options) = (functions.create.unwrap(), json!({ "play": play }).to_string());
        // SAFETY: everything is valid, the host until `drop`.
        told(|err| unsafe { create(host.raw(), Str::new(&options), &raw mut raw, err) }).unwrap();
        Self { _host: host, functions, raw }
    }

    fn opened(play: &str) -> Self {
        let writer = Self::create(play);
        writer.open().unwrap();
        writer
    }

    fn open(&self) -> Told {
        // SAFETY: a living instance; so in all that follow.
        told(|err| unsafe { self.functions.open.unwrap()(self.raw, 1000, err) })
    }

    fn probe(&self) -> Told {
        // SAFETY: as of `open`.
        told(|err| unsafe { self.functions.probe.unwrap()(self.raw, 1000, err) })
    }

    fn flush(&self) -> Told {
        // SAFETY: as of `open`.
        told(|err| unsafe { self.functions.flush.unwrap()(self.raw, 1000, err) })
    }

    fn close(&self) -> Told {
        // SAFETY: as of `open`.
        told(|err| unsafe { self.functions.close.unwrap()(self.raw, 1000, err) })
    }

    fn lost(&self, count: u64) -> Told {
        let loss = Loss {
            struct_size: size_of::<Loss>() as u32,
            reserved: 0,
            count,
            from_ns: 1,
            to_ns: 2,
            reason: Str::new("the disk was full"),
        };
        // SAFETY: as of `open`.
        told(|err| unsafe { self.functions.lost.unwrap()(self.raw, &raw const loss, err) })
    }

    fn write(&self, batch: &Batch, room: usize, timeout_ms: u32) -> (Told, Written) {
        let raw = EventBatch {
            struct_size: size_of::<EventBatch>() as u32,
            stride: size_of::<EventRecord>() as u32,
            events: batch.events.as_ptr(),
            count: batch.events.len() as u32,
            aux_len: batch.aux.len() as u32,
            aux: batch.aux.as_ptr(),
        };
        let mut records = vec![0; room];
        let mut result = WriteResult {
            struct_size: size_of::<WriteResult>() as u32,
            accepted: 9,
            retry_after_ms: 9,
            flags: 0,
            records: records.as_mut_ptr(),
            records_capacity: room as u32,
            records_len: 9,
        };
        let write = self.functions.write.unwrap();
        // SAFETY: as of `open`.
        let said = told(|err| unsafe { write(self.raw, &raw const raw, timeout_ms, &raw mut result, err) });
        let mut rest = &records[..result.records_len as usize];
        let mut written = Written { accepted: result.accepted, records: Vec::new() };
        while let [i0, i1, i2, i3, l0, l1, l2, l3, after @ ..] = rest {
            let (json, after) = after.split_at(u32::from_ne_bytes([*l0, *l1, *l2, *l3]) as usize);
            let index = u32::from_ne_bytes([*i0, *i1, *i2, *i3]);
            written.records.push((index, serde_json::from_slice(json).unwrap()));
            rest = after;
        }
        (said, written)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: the last call.
        unsafe { self.functions.destroy.unwrap()(self.raw) };
    }
}

/// Events as the host lends them.
struct Batch {
    events: Vec<EventRecord>,
    aux: Vec<u8>,
}

impl Batch {
    fn of(count: u8) -> Self {
        let mut batch = Self { events: Vec::new(), aux: b"doorhall".to_vec() };
        batch.events = (1..=count).map(|number| batch.event(number)).collect();
        batch
    }

    fn event(&self, number: u8) -> EventRecord {
        let mut id = [0; 62];
        id[0] = number;
        EventRecord {
            event_id: [number; 16],
            sequence: 0,
            time_ns: 2,
            first_seen_ns: 1,
            last_seen_ns: 2,
            reader_time_ns: 0,
            read_count: 1,
            dwell_ms: 0,
            coverage_gap_ms: 0,
            id,
            id_len: 1,
            id_kind: 1,
            kind: rfid_abi::EVENT_ARRIVED,
            protocol: 1,
            flags: 0,
            heading: 0,
            heading_percent: 0,
            antenna: number.into(),
            peak_rssi_cdbm: rfid_abi::RSSI_UNKNOWN,
            reserved: 0,
            reserved2: 0,
            reader: Span { off: 0, len: 4 },
            zone: Span { off: 4, len: 4 },
            zone_before: Span::default(),
            branch: Span::default(),
            record: Span::default(),
            unconfirmed_by: Span::default(),
        }
    }

    fn with_record(mut self, index: usize, json: &str) -> Self {
        self.events[index].record = Span { off: self.aux.len() as u32, len: json.len() as u32 };
        self.aux.extend_from_slice(json.as_bytes());
        self
    }
}

fn mark(deliveries: u64, lost: u64) -> Value {
    json!({ "mark": "marks in data", "deliveries": deliveries, "lost": lost, "zone": "hall" })
}

#[test]
fn what_the_sink_adds_comes_back_and_what_it_leaves_alone_does_not() {
    let writer = Writer::opened("marks");
    let batch = Batch::of(10).with_record(0, r#"{"name": "Ada"}"#).with_record(8, r#"{"name":"Bo"}"#);
    let (told, written) = writer.write(&batch, 4096, 1000);
    assert_eq!((told.unwrap(), written.accepted), (Status::OK, 10));
    let indices: Vec<u32> = written.records.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, [0, 1, 2, 3, 4, 5, 6, 7, 9], "event 8, of antenna 9, was left alone");
    assert_eq!(written.records[0].1["name"], "Ada");
    assert_eq!(written.records[1].1, mark(1, 0));
}

#[test]
fn an_event_arrives_whole() {
    let expected = Event {
        sequence: Some(7),
        kind: EventKind::Moved,
        zone_before: Some(Name::from("door")),
        heading: Some(Heading { direction: Direction::Leaving, confidence: 0.75 }),
        revisit: true,
        set_aside: true,
        coverage_gap_ms: 12,
        unconfirmed_by: vec![Name::from("log")],
        ..Event::sample()
    };
    let mut aux = Vec::new();
    let mut span = |text: &str| {
        let span = Span { off: aux.len() as u32, len: text.len() as u32 };
        aux.extend_from_slice(text.as_bytes());
        span
    };
    let mut id = [0; 62];
    id[..12].copy_from_slice(expected.tag.bytes());
    let event = EventRecord {
        event_id: expected.event_id.to_bytes(),
        sequence: 7,
        time_ns: expected.time.as_nanos(),
        first_seen_ns: expected.first_seen.as_nanos(),
        last_seen_ns: expected.last_seen.as_nanos(),
        reader_time_ns: expected.reader_time.unwrap().as_nanos(),
        read_count: 3,
        dwell_ms: 313,
        coverage_gap_ms: 12,
        id,
        id_len: 12,
        kind: rfid_abi::EVENT_MOVED,
        flags: rfid_abi::EVENT_REVISIT | rfid_abi::EVENT_SET_ASIDE,
        heading: rfid_abi::HEADING_LEAVING,
        heading_percent: 75,
        antenna: 1,
        peak_rssi_cdbm: -5500,
        reader: span("hubin_door"),
        zone: span("door"),
        zone_before: span("door"),
        branch: span("hubin"),
        unconfirmed_by: span(r#"["log"]"#),
        ..Batch::of(0).event(1)
    };
    let (told, written) = Writer::opened("echoes").write(&Batch { events: vec![event], aux }, 4096, 1000);
    assert_eq!(told.unwrap(), Status::OK);
    assert_eq!(written.records, [(0, serde_json::to_value(expected).unwrap())]);
}

#[test]
fn events_whose_record_finds_no_room_are_offered_again() {
    let writer = Writer::opened("marks");
    let room = (mark(1, 0).to_string().len() + 8) * 2;
    let (told, written) = writer.write(&Batch::of(3), room, 1000);
    assert_eq!((told.unwrap(), written.accepted, written.records.len()), (Status::OK, 2, 2));
    let (status, message) = writer.write(&Batch::of(1), room / 2 - 1, 1000).0.unwrap_err();
    assert_eq!(status, Status::INTERNAL);
    assert!(message.starts_with("a record of "), "{message}");
}

#[test]
fn a_delivery_goes_on_from_one_call_to_the_next() {
    let writer = Writer::opened("is slow");
    let (told, written) = writer.write(&Batch::of(2), 4096, 20);
    assert_eq!((told.unwrap(), written.accepted), (Status::OK, 0), "it is under way");
    let (told, written) = writer.write(&Batch::of(3), 4096, 10_000);
    assert_eq!((told.unwrap(), written.accepted), (Status::OK, 2));
    assert_eq!(written.records[0], (0, mark(1, 0)), "it was delivered once");
    let (_, written) = writer.write(&Batch::of(2), 4096, 20);
    assert_eq!(written.accepted, 0);
    let other = Batch { events: vec![Batch::of(0).event(7)], ..Batch::of(0) };
    let (told, written) = writer.write(&other, 4096, 10_000);
    assert_eq!((told.unwrap(), written.accepted), (Status::OK, 1), "other events are another delivery");
    assert_eq!(written.records[0], (0, mark(2, 0)));
}

#[test]
fn losses_are_told_and_flush_and_close_come_in_order() {
    let writer = Writer::create("marks");
    assert_eq!(writer.lost(3).unwrap_err().0, Status::STATE);
    assert_eq!(writer.flush().unwrap_err().0, Status::STATE);
    assert_eq!(writer.write(&Batch::of(1), 4096, 10).0.unwrap_err().0, Status::STATE);
    writer.probe().unwrap();
    writer.open().unwrap();
    assert_eq!(writer.open().unwrap_err().0, Status::STATE);
    assert_eq!(writer.probe().unwrap_err().0, Status::STATE);
    writer.lost(3).unwrap();
    assert_eq!(writer.write(&Batch::of(1), 4096, 1000).1.records, [(0, mark(1, 3))]);
    assert_eq!(writer.write(&Batch::of(0), 0, 1000), (Ok(Status::OK), Written::default()));
    writer.flush().unwrap();
    writer.close().unwrap();
    writer.close().unwrap();
    writer.open().unwrap();
}

#[test]
fn a_sink_that_cannot_be_opened_says_why_and_may_be_tried_again() {
    let writer = Writer::create("is shut");
    for told in [writer.probe(), writer.open(), writer.open()] {
        assert_eq!(told.unwrap_err(), (Status::NOT_CONNECTED, "nobody is there".to_owned()));
    }
}

#[test]
fn errors_and_panics_accept_nothing() {
    let busy = Writer::opened("is busy");
    let (told, written) = busy.write(&Batch::of(2), 4096, 1000);
    assert_eq!((told.unwrap_err().0, written.accepted), (Status::BUSY, 0));
    let broken = Writer::opened("panics");
    for _ in 0..2 {
        let (told, written) = broken.write(&Batch::of(2), 4096, 1000);
        let (status, message) = told.unwrap_err();
        assert_eq!((status, written.accepted), (Status::PANIC, 0));
        assert!(message.starts_with("out of ink"), "{message}");
    }
}

#[test]
fn batches_that_make_no_sense_are_refused() {
    let writer = Writer::opened("marks");
    let spoilt = |spoil: fn(&mut EventRecord)| {
        let mut batch = Batch::of(2);
        spoil(&mut batch.events[1]);
        let (status, message) = writer.write(&batch, 4096, 1000).0.unwrap_err();
        assert_eq!(status, Status::INVALID);
        assert!(message.starts_with("event 1 of the batch: "), "{message}");
    };
    spoilt(|event| event.kind = 0);
    spoilt(|event| event.id_kind = 0);
    spoilt(|event| event.id_len = 0);
    spoilt(|event| event.id_len = 63);
    spoilt(|event| event.zone = Span::default());
    spoilt(|event| event.reader = Span { off: u32::MAX, len: u32::MAX });
    spoilt(|event| event.record = Span { off: 0, len: 4 });
    let write = writer.functions.write.unwrap();
    // SAFETY: null is what is tried.
    let nowhere = told(|err| unsafe { write(writer.raw, null(), 10, null_mut(), err) });
    assert_eq!(nowhere.unwrap_err().0, Status::INVALID);
}

#[test]
fn a_sink_says_that_late_events_are_of_no_use() {
    let marking = component("marking");
    assert_eq!((marking.kind, marking.flags), (rfid_abi::COMPONENT_SINK, rfid_abi::SINK_NOT_LATE));
    assert!(marking.driver.is_null());
}
