//! The frames between the host and the process of a plugin.
//!
//! Both ends are the same build, so this is nobody else's business. A plugin shares its process with
//! our end, though, and can write to the socket: what comes from there is taken for hostile.
//!
//! A frame is `u32` length of the payload, `u8` kind, payload. Numbers are in the machine's order.
//! Control is JSON; events are records as the plugin interface defines them. Reads do not cross here
//! (`ring/`).

use std::io::{self, Read};

use rfid_abi as abi;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{Call, EncodedEvents, FromInstance, LogLine, ModuleInfo, Noticed, Setup, ToInstance};

/// Longest payload of a frame.
const LONGEST: usize = 4 * 1024 * 1024;
const HEADER: usize = 5;
const EVENT: usize = size_of::<abi::EventRecord>();

const SETUP: u8 = 1;
const CALL: u8 = 2;
const DELIVER: u8 = 3;
const CANCEL: u8 = 4;
const MODULE: u8 = 11;
const ANSWER: u8 = 12;
const FAILED: u8 = 13;
const LOG: u8 = 14;
const NOTICED: u8 = 15;
const BELL: u8 = 16;

/// A frame from the host.
pub(crate) enum FromHost {
    Setup(Box<Setup>, u32),
    Said(ToInstance),
    Cancel,
}

/// A frame from the process.
pub(crate) enum FromProcess {
    Module(Result<ModuleInfo, String>),
    Said(FromInstance),
    Log(LogLine),
    Noticed(Noticed),
    /// There are reads, or the instance lives.
    Bell,
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

/// Adds the frame for what an instance is told.
pub(crate) fn put_said(out: &mut Vec<u8>, said: &ToInstance) {
    match said {
        ToInstance::Call(call) => json_frame(out, CALL, call),
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

pub(crate) fn put_noticed(out: &mut Vec<u8>, noticed: &Noticed) {
    json_frame(out, NOTICED, noticed);
}

pub(crate) fn put_bell(out: &mut Vec<u8>) {
    frame(out, BELL, |_| ());
}

/// Adds the frame for what an instance says.
pub(crate) fn put_from_instance(out: &mut Vec<u8>, said: &FromInstance) {
    match said {
        FromInstance::Answer(answer) => json_frame(out, ANSWER, answer),
        FromInstance::Failed(fault, after) => json_frame(out, FAILED, &(fault, after)),
    }
}

/// Reads a frame from the host.
pub(crate) fn from_host(kind: u8, payload: &[u8]) -> Result<FromHost, String> {
    Ok(match kind {
        SETUP => {
            let (setup, log_level) = json(payload)?;
            FromHost::Setup(setup, log_level)
        }
        CALL => FromHost::Said(ToInstance::Call(json::<Call>(payload)?)),
        CANCEL => FromHost::Cancel,
        DELIVER => FromHost::Said(ToInstance::Deliver(events(payload)?)),
        _ => return Err(format!("a frame of kind {kind}")),
    })
}

/// Reads a frame from the process.
pub(crate) fn from_process(kind: u8, payload: &[u8]) -> Result<FromProcess, String> {
    Ok(match kind {
        MODULE => FromProcess::Module(json(payload)?),
        ANSWER => FromProcess::Said(FromInstance::Answer(json(payload)?)),
        FAILED => {
            let (fault, after) = json(payload)?;
            FromProcess::Said(FromInstance::Failed(fault, after))
        }
        LOG => FromProcess::Log(json(payload)?),
        NOTICED => FromProcess::Noticed(json(payload)?),
        BELL => FromProcess::Bell,
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
    use rfid_core::Event;

    use super::*;
    use crate::encoding::encode;
    use crate::message::{Fault, ReaderEvent};

    fn decoded(bytes: &[u8]) -> (u8, &[u8]) {
        let Frame { kind, payload, len } = first_frame(bytes).unwrap().unwrap();
        assert_eq!(len, bytes.len());
        (kind, payload)
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000), kind in 0u8..18) {
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
    fn what_was_noticed_and_how_an_inventory_ended_cross() {
        let noticed = Noticed { event: ReaderEvent::Input { pin: 3, high: true }, after: u64::MAX };
        let mut out = Vec::new();
        put_noticed(&mut out, &noticed);
        let (kind, payload) = decoded(&out);
        let Ok(FromProcess::Noticed(back)) = from_process(kind, payload) else { panic!() };
        assert_eq!(back, noticed);

        let fault = Fault::new(abi::Status::IO, "cut");
        let mut out = Vec::new();
        put_from_instance(&mut out, &FromInstance::Failed(fault.clone(), 7));
        let (kind, payload) = decoded(&out);
        let Ok(FromProcess::Said(FromInstance::Failed(back, after))) = from_process(kind, payload) else {
            panic!()
        };
        assert_eq!((back, after), (fault, 7));
    }

    #[test]
    fn a_frame_longer_than_any_is_refused_before_it_is_waited_for() {
        assert!(first_frame(&[0xFF; 5]).is_err());
        let mut payload = Vec::new();
        assert!(read_frame(&mut &[0xFF_u8; 5][..], &mut payload).is_err());
    }
}
