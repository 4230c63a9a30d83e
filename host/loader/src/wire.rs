//! The frames between the host and the process of a plugin.
//!
//! Both ends are the same build, so this is nobody else's business. A plugin shares its process with
//! our end, though, and can write to the socket: what comes from there is taken for hostile.
//!
//! A frame is `u32` length of the payload, `u8` kind, payload. Numbers are in the machine's order.
//! Control is JSON; reads and events are records as the plugin interface defines them.

use std::io::{self, Read};

use rfid_abi as abi;
use rfid_core::ReadBuf;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{
    Answer, Call, EncodedEvents, Fault, FromInstance, LogLine, ModuleInfo, ReaderEvent, Setup, ToInstance,
};

/// Longest payload of a frame.
const LONGEST: usize = 4 * 1024 * 1024;
const HEADER: usize = 5;
const RECORD: usize = size_of::<abi::TagRead>();
const EVENT: usize = size_of::<abi::EventRecord>();

const SETUP: u8 = 1;
const CALL: u8 = 2;
const DELIVER: u8 = 3;
const LEND: u8 = 4;
const CANCEL: u8 = 5;
const MODULE: u8 = 11;
const ANSWER: u8 = 12;
const READS: u8 = 13;
const LOG: u8 = 14;
const READER_EVENT: u8 = 15;

/// A frame from the host.
pub(crate) enum FromHost {
    Setup(Box<Setup>, u32),
    Said(ToInstance),
    /// Room for so many reads.
    Lend(usize),
    Cancel,
}

/// A frame from the process. Reads go where there is room for them.
pub(crate) enum FromProcess<'a> {
    Module(Result<ModuleInfo, String>),
    Answer(Result<Answer, Fault>),
    Reads(&'a [u8]),
    Log(LogLine),
    Event(ReaderEvent),
}

/// A frame in a buffer.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
    /// Bytes of it in all.
    pub(crate) len: usize,
}

/// The first frame of these bytes. `None`: it is not whole yet.
///
/// # Errors
/// No frame can be as long as this one says.
pub(crate) fn first_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_ne_bytes(*len) as usize;
    if len > LONGEST {
        return Err(format!("a frame of {len} bytes"));
    }
    let Some((kind, rest)) = rest.split_first() else { return Ok(None) };
    Ok(rest.get(..len).map(|payload| Frame { kind: *kind, payload, len: HEADER + len }))
}

/// The next frame of a stream; nothing at its end.
pub(crate) fn read_frame(stream: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<u8>> {
    let mut header = [0; HEADER];
    match stream.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let [a, b, c, d, kind] = header;
    let len = u32::from_ne_bytes([a, b, c, d]) as usize;
    if len > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {len} bytes")));
    }
    payload.resize(len, 0);
    stream.read_exact(payload)?;
    Ok(Some(kind))
}

/// Adds a frame whose payload `fill` writes.
fn frame(out: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    fill(out);
    let len = (out.len() - start - HEADER) as u32;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&len.to_ne_bytes());
    }
}

fn json_frame(out: &mut Vec<u8>, kind: u8, value: &impl Serialize) {
    // A vector takes everything, and these types have nothing that JSON has not.
    frame(out, kind, |out| serde_json::to_writer(out, value).unwrap_or_default());
}

fn json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| format!("a frame that cannot be read: {error}"))
}

pub(crate) fn put_setup(out: &mut Vec<u8>, setup: &Setup, log_level: u32) {
    json_frame(out, SETUP, &(setup, log_level));
}

pub(crate) fn put_cancel(out: &mut Vec<u8>) {
    frame(out, CANCEL, |_| ());
}

/// Adds the frame for what an instance is told. A buffer stays with the host: its room is lent.
pub(crate) fn put_said(out: &mut Vec<u8>, said: &ToInstance) {
    match said {
        ToInstance::Call(call) => json_frame(out, CALL, call),
        ToInstance::Lend(buf) => {
            frame(out, LEND, |out| out.extend_from_slice(&(buf.capacity() as u32).to_ne_bytes()));
        }
        ToInstance::Deliver(events) => frame(out, DELIVER, |out| {
            out.extend_from_slice(&(events.events.len() as u32).to_ne_bytes());
            events.events.iter().for_each(|event| out.extend_from_slice(event_bytes(event)));
            out.extend_from_slice(&events.aux);
        }),
    }
}

pub(crate) fn put_module(out: &mut Vec<u8>, module: &Result<ModuleInfo, String>) {
    json_frame(out, MODULE, module);
}

pub(crate) fn put_log(out: &mut Vec<u8>, line: &LogLine) {
    json_frame(out, LOG, line);
}

/// Adds the frame for what an instance says.
pub(crate) fn put_from_instance(out: &mut Vec<u8>, said: &FromInstance) {
    match said {
        FromInstance::Answer(answer) => json_frame(out, ANSWER, answer),
        FromInstance::Event(event) => json_frame(out, READER_EVENT, event),
        FromInstance::Read(buf, outcome) => frame(out, READS, |out| put_reads(out, buf, outcome)),
    }
}

/// `u64` lost, `u32` reads, `u32` bytes of the fault, records, the fault as JSON, then the ids that
/// their records do not hold: `u16` length and bytes each.
fn put_reads(out: &mut Vec<u8>, buf: &ReadBuf, outcome: &Result<(), Fault>) {
    let fault = outcome.as_ref().err().and_then(|fault| serde_json::to_vec(fault).ok()).unwrap_or_default();
    out.extend_from_slice(&buf.lost().to_ne_bytes());
    out.extend_from_slice(&(buf.len() as u32).to_ne_bytes());
    out.extend_from_slice(&(fault.len() as u32).to_ne_bytes());
    for sighting in buf.iter() {
        out.extend_from_slice(&sighting.read.to_bytes());
    }
    out.extend_from_slice(&fault);
    for id in buf.iter().map(|sighting| sighting.id.bytes).filter(|id| id.len() > abi::INLINE_ID) {
        out.extend_from_slice(&(id.len() as u16).to_ne_bytes());
        out.extend_from_slice(id);
    }
}

/// Takes the reads of a frame into a buffer.
///
/// # Errors
/// When they are not as they should be, or more than there is room for.
pub(crate) fn take_reads(payload: &[u8], buf: &mut ReadBuf) -> Result<Result<(), Fault>, String> {
    let short = || "a batch that ends too early".to_owned();
    let (lost, rest) = payload.split_first_chunk::<8>().ok_or_else(short)?;
    let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let (fault_len, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let count = u32::from_ne_bytes(*count) as usize;
    if count > buf.remaining() {
        return Err(format!("a batch of {count} reads where {} fit", buf.remaining()));
    }
    let (records, rest) = rest.split_at_checked(count * RECORD).ok_or_else(short)?;
    let (fault, mut long_ids) =
        rest.split_at_checked(u32::from_ne_bytes(*fault_len) as usize).ok_or_else(short)?;
    for record in records.as_chunks::<RECORD>().0 {
        let long_id = match record.get(ID_LEN) {
            Some(0) => {
                let (len, rest) = long_ids.split_first_chunk::<2>().ok_or_else(short)?;
                let (id, rest) = rest.split_at_checked(u16::from_ne_bytes(*len).into()).ok_or_else(short)?;
                long_ids = rest;
                Some(id)
            }
            _ => None,
        };
        buf.push_record(record, long_id).map_err(|fault| fault.to_string())?;
    }
    buf.add_lost(u64::from_ne_bytes(*lost));
    if fault.is_empty() { Ok(Ok(())) } else { json(fault).map(Err) }
}

/// Where a record has the length of its id.
const ID_LEN: usize = std::mem::offset_of!(abi::TagRead, id_len);

/// Reads a frame from the host.
pub(crate) fn from_host(kind: u8, payload: &[u8]) -> Result<FromHost, String> {
    Ok(match kind {
        SETUP => {
            let (setup, log_level) = json(payload)?;
            FromHost::Setup(setup, log_level)
        }
        CALL => FromHost::Said(ToInstance::Call(json::<Call>(payload)?)),
        CANCEL => FromHost::Cancel,
        LEND => {
            let capacity = payload.try_into().map_err(|_| "a loan without its size".to_owned())?;
            FromHost::Lend(u32::from_ne_bytes(capacity) as usize)
        }
        DELIVER => FromHost::Said(ToInstance::Deliver(events(payload)?)),
        _ => return Err(format!("a frame of kind {kind}")),
    })
}

/// Reads a frame from the process.
pub(crate) fn from_process(kind: u8, payload: &[u8]) -> Result<FromProcess<'_>, String> {
    Ok(match kind {
        MODULE => FromProcess::Module(json(payload)?),
        ANSWER => FromProcess::Answer(json(payload)?),
        READS => FromProcess::Reads(payload),
        LOG => FromProcess::Log(json(payload)?),
        READER_EVENT => FromProcess::Event(json(payload)?),
        _ => return Err(format!("a frame of kind {kind}")),
    })
}

fn event_bytes(event: &abi::EventRecord) -> &[u8; EVENT] {
    // SAFETY: the record has no padding, so each of its bytes has a value.
    unsafe { &*std::ptr::from_ref(event).cast() }
}

fn events(payload: &[u8]) -> Result<EncodedEvents, String> {
    let short = || "a delivery that ends too early".to_owned();
    let (count, rest) = payload.split_first_chunk::<4>().ok_or_else(short)?;
    let bytes = (u32::from_ne_bytes(*count) as usize).checked_mul(EVENT).ok_or_else(short)?;
    let (records, aux) = rest.split_at_checked(bytes).ok_or_else(short)?;
    let events = records.as_chunks::<EVENT>().0.iter().map(|bytes| {
        // SAFETY: so many bytes, and every pattern of them is a record: it has only numbers.
        unsafe { std::ptr::from_ref(bytes).cast::<abi::EventRecord>().read_unaligned() }
    });
    Ok(EncodedEvents { events: events.collect(), aux: aux.to_vec() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rfid_core::{Event, TagIdKind};

    use super::*;
    use crate::encoding::encode;

    fn decoded(bytes: &[u8]) -> (u8, &[u8]) {
        let Frame { kind, payload, len } = first_frame(bytes).unwrap().unwrap();
        assert_eq!(len, bytes.len());
        (kind, payload)
    }

    proptest! {
        #[test]
        fn reads_of_every_length_of_id_cross(
            ids in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..=62), 0..20),
            lost in any::<u64>(),
        ) {
            let mut buf = ReadBuf::with_capacity(20);
            for (place, id) in ids.iter().enumerate() {
                let read = buf.record(TagIdKind::Epc, id).unwrap();
                read.set_antenna_port(place as u16 + 1).set_rssi_cdbm(-5000);
            }
            buf.add_lost(lost);
            let fault = Fault::new(abi::Status::IO, "cut");
            let mut out = Vec::new();
            put_from_instance(&mut out, &FromInstance::Read(buf, Err(fault.clone())));
            let (kind, payload) = decoded(&out);
            prop_assert_eq!(kind, READS);
            let mut back = ReadBuf::with_capacity(20);
            prop_assert_eq!(take_reads(payload, &mut back).unwrap(), Err(fault));
            prop_assert_eq!(back.lost(), lost);
            let ports: Vec<_> = back.iter().map(|one| one.read.antenna_port().unwrap()).collect();
            prop_assert_eq!(ports, (1..=ids.len() as u16).collect::<Vec<_>>());
            let back: Vec<_> = back.iter().map(|one| one.id.bytes.to_vec()).collect();
            prop_assert_eq!(back, ids);
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000), kind in 0u8..17) {
            crate::hostile::plugin_message(&bytes);
            let mut framed = Vec::new();
            frame(&mut framed, kind, |out| out.extend_from_slice(&bytes));
            crate::hostile::plugin_message(&framed);
        }

        #[test]
        fn a_frame_that_is_not_whole_is_waited_for(cut in 0usize..40) {
            let mut out = Vec::new();
            put_said(&mut out, &ToInstance::Call(Call::Open { limit_ms: 10_000 }));
            let cut = cut.min(out.len() - 1);
            prop_assert!(first_frame(&out[..cut]).unwrap().is_none());
        }
    }

    #[test]
    fn events_cross() {
        let events = encode(&[Event::sample(), Event::sample()]);
        let mut out = Vec::new();
        let aux = events.aux.clone();
        put_said(&mut out, &ToInstance::Deliver(events));
        let (kind, payload) = decoded(&out);
        let Ok(FromHost::Said(ToInstance::Deliver(back))) = from_host(kind, payload) else { panic!() };
        assert_eq!(back.aux, aux);
        assert_eq!(back.events.len(), 2);
        assert_eq!(back.events[1].event_id, Event::sample().event_id.to_bytes());
    }

    #[test]
    fn a_batch_with_more_reads_than_fit_is_refused() {
        let mut buf = ReadBuf::with_capacity(2);
        for id in [[1], [2]] {
            buf.record(TagIdKind::Epc, &id).unwrap();
        }
        let mut out = Vec::new();
        put_from_instance(&mut out, &FromInstance::Read(buf, Ok(())));
        let (_, payload) = decoded(&out);
        assert!(take_reads(payload, &mut ReadBuf::with_capacity(1)).unwrap_err().contains("where 1 fit"));
    }

    #[test]
    fn a_frame_longer_than_any_is_refused_before_it_is_waited_for() {
        assert!(first_frame(&[0xFF; 5]).is_err());
        let mut payload = Vec::new();
        assert!(read_frame(&mut &[0xFF_u8; 5][..], &mut payload).is_err());
    }
}
