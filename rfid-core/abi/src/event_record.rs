//! Presence events as sinks get them.

/// [`EventRecord::kind`]: a tag is confirmed to be here.
pub const EVENT_ARRIVED: u8 = 1;
/// [`EventRecord::kind`]: it is still here.
pub const EVENT_SEEN: u8 = 2;
/// [`EventRecord::kind`]: it is in another zone.
pub const EVENT_MOVED: u8 = 3;
/// [`EventRecord::kind`]: it is gone.
pub const EVENT_DEPARTED: u8 = 4;

/// [`EventRecord::flags`]: continues a visit that had ended a short while before.
pub const EVENT_REVISIT: u8 = 1;
/// [`EventRecord::flags`]: departed by being here for too long to matter.
pub const EVENT_SET_ASIDE: u8 = 2;
/// [`EventRecord::flags`]: the tag proved to be the one that its id names.
pub const EVENT_AUTHENTIC: u8 = 4;
/// [`EventRecord::flags`]: it proved not to be.
pub const EVENT_NOT_AUTHENTIC: u8 = 8;

/// [`EventRecord::heading`]: not known.
pub const HEADING_NONE: u8 = 0;
/// [`EventRecord::heading`]: from the outer zone to the inner one.
pub const HEADING_ENTERING: u8 = 1;
/// [`EventRecord::heading`]: from the inner zone to the outer one.
pub const HEADING_LEAVING: u8 = 2;

/// A piece of a batch's side area. Nothing: a length of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Span {
    /// Where it begins.
    pub off: u32,
    /// Bytes.
    pub len: u32,
}

/// One event. No pointers inside; texts are UTF-8 in the batch's side area.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct EventRecord {
    /// The same fact always has the same id, most significant byte first.
    pub event_id: [u8; 16],
    /// Number in the host's ledger; 0: not known.
    pub sequence: u64,
    /// When it happened, nanoseconds UTC since 1970.
    pub time_ns: u64,
    /// First sighting of the visit.
    pub first_seen_ns: u64,
    /// Last sighting so far.
    pub last_seen_ns: u64,
    /// The reader's own stamp on the read that caused the event; 0: none.
    pub reader_time_ns: u64,
    /// Sightings in this visit so far.
    pub read_count: u64,
    /// From the first to the last sighting.
    pub dwell_ms: u64,
    /// How long the zone was not listened to before the event.
    pub coverage_gap_ms: u64,
    /// The tag's id, most significant byte first.
    pub id: [u8; 62],
    /// Bytes of the id.
    pub id_len: u8,
    /// As [`TagRead::id_kind`](crate::TagRead::id_kind).
    pub id_kind: u8,
    /// [`EVENT_ARRIVED`], …
    pub kind: u8,
    /// As [`TagRead::protocol`](crate::TagRead::protocol).
    pub protocol: u8,
    /// [`EVENT_REVISIT`], [`EVENT_SET_ASIDE`], [`EVENT_AUTHENTIC`], [`EVENT_NOT_AUTHENTIC`].
    pub flags: u8,
    /// [`HEADING_NONE`], …
    pub heading: u8,
    /// How sure the heading is, in hundredths.
    pub heading_percent: u16,
    /// Antenna port, counted from 1; 0: not known.
    pub antenna: u16,
    /// Strongest signal of the visit in hundredths of a dBm;
    /// [`RSSI_UNKNOWN`](crate::RSSI_UNKNOWN).
    pub peak_rssi_cdbm: i16,
    /// Zero.
    pub reserved: u16,
    /// Zero.
    pub reserved2: u32,
    /// The reader that heard the tag last.
    pub reader: Span,
    /// Where the tag is.
    pub zone: Span,
    /// Where it was, for a move.
    pub zone_before: Span,
    /// Branch of the reader.
    pub branch: Span,
    /// What lookup found, a JSON object.
    pub record: Span,
    /// Names of sinks that failed and were passed by, a JSON array.
    pub unconfirmed_by: Span,
}

/// Events for a sink. Owned by the host, constant, valid during `write`.
#[derive(Debug)]
#[repr(C)]
pub struct EventBatch {
    /// Size of this struct.
    pub struct_size: u32,
    /// Bytes from one record to the next.
    pub stride: u32,
    /// The events, oldest first.
    pub events: *const EventRecord,
    /// How many.
    pub count: u32,
    /// Bytes of the side area.
    pub aux_len: u32,
    /// The side area.
    pub aux: *const u8,
}

/// What a sink did with a batch. Owned by the host.
#[derive(Debug)]
#[repr(C)]
pub struct WriteResult {
    /// Size of this struct.
    pub struct_size: u32,
    /// Out: events taken, from the front. Fewer than there were, without an error: back-pressure.
    pub accepted: u32,
    /// Out: when to offer the rest, in milliseconds.
    pub retry_after_ms: u32,
    /// Zero.
    pub flags: u32,
    /// Room for what the sink adds to events: items of `u32` index in the batch, `u32` length, both
    /// in the machine's order, then a JSON object. No room left: accept fewer events.
    pub records: *mut u8,
    /// Bytes that fit there.
    pub records_capacity: u32,
    /// Out: bytes that are there.
    pub records_len: u32,
}

/// Events that will never come. Owned by the host, valid during `lost`.
#[derive(Debug)]
#[repr(C)]
pub struct Loss {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// How many.
    pub count: u64,
    /// Time of the oldest, nanoseconds UTC since 1970.
    pub from_ns: u64,
    /// Time of the latest.
    pub to_ns: u64,
    /// Why, one line.
    pub reason: crate::Str,
}
