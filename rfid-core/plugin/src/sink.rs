//! The functions of a sink's instances.

use std::future::poll_fn;
use std::path::Path;
use std::ptr::null;
use std::sync::Arc;
use std::time::Duration;

use rfid_abi::{
    COMPONENT_SINK, Component, Error, EventBatch, Host, Instance, SINK_NOT_LATE, Status, Str, WriteResult,
};
use rfid_core::{Event, EventId, Loss, Name, Settings, Sink, SinkKind, UtcTime};

use crate::event::Offered;
use crate::failure::{Failure, Outcome};
use crate::held::{Held, Recall};
use crate::instance::{self, Link, slice};
use crate::module::{constant, describe};
use crate::runtime::{Ended, finish, run};

/// Makes a kind of sink that keeps its files in this folder.
pub type MakeKind = dyn Fn(&Path) -> Box<dyn SinkKind> + Send + Sync;

/// A sink that the macro exports.
pub trait ExportedSink {
    /// What makes its kind, always the same.
    fn kind() -> &'static MakeKind;
}

/// What an author's closure is kept as.
pub fn make_kind<K: SinkKind + 'static>(make: impl Fn(&Path) -> K + Send + Sync + 'static) -> Box<MakeKind> {
    Box::new(move |data_dir| Box::new(make(data_dir)))
}

/// The component of a sink.
pub fn component<S: ExportedSink>() -> &'static Component {
    let functions = rfid_abi::Sink {
        struct_size: size_of::<rfid_abi::Sink>() as u32,
        reserved: 0,
        create: Some(create::<S>),
        open: Some(open),
        write: Some(write),
        flush: Some(flush),
        cancel: Some(cancel),
        close: Some(close),
        destroy: Some(destroy),
        get_extension: None,
        lost: Some(lost),
        probe: Some(probe),
    };
    let kind = S::kind()(Path::new(""));
    let description = kind.describe();
    // Whether events are of use late is a sink's to say, and always the same: the one of the example
    // is asked.
    let takes_late = Settings::from_toml(description.example)
        .and_then(|settings| kind.sink(&settings, &Name::from(description.name)))
        .map_or(true, |sink| sink.takes_late());
    let flags = if takes_late { 0 } else { SINK_NOT_LATE };
    describe(&description, COMPONENT_SINK, flags, null(), constant(functions))
}

/// One sink.
struct Writer {
    sink: Held<Box<dyn Sink>, Delivered>,
    phase: Phase,
    /// Which events a delivery that is under way is about.
    under_way: Vec<EventId>,
}

/// The events of a delivery, with what the sink added.
type Delivered = rfid_core::Result<Vec<Event>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open,
    /// Something was left half done; only `close` is allowed.
    Unclear,
}

/// Delivers events and gives the sink back.
async fn deliver(
    mut sink: Box<dyn Sink>,
    events: Vec<Event>,
    recall: Recall,
) -> (Box<dyn Sink>, Option<Delivered>) {
    let mut batch = rfid_core::EventBatch::new(events);
    let outcome = recall.or(sink.deliver(&mut batch)).await;
    (sink, outcome.map(|outcome| outcome.map(|()| batch.events)))
}

impl Writer {
    fn open(&mut self, link: &Link, limit: Duration) -> Outcome {
        if self.phase != Phase::Closed {
            return Err(Failure::state("open comes first, or after close"));
        }
        self.phase = Phase::Unclear;
        match run(link, Some(limit), self.sink.call_back()?.open())? {
            Ended::Done(outcome) => {
                // A sink may be opened again after an error.
                self.phase = if outcome.is_ok() { Phase::Open } else { Phase::Closed };
                outcome.map(|()| Status::OK).map_err(Failure::from)
            }
            Ended::Limit => Err(Failure::too_slow(limit)),
            Ended::Interrupted => Err(Failure::cancelled()),
        }
    }

    fn probe(&mut self, link: &Link, limit: Duration) -> Outcome {
        if self.phase != Phase::Closed {
            return Err(Failure::state("probe comes before open"));
        }
        finish(link, Some(limit), self.sink.call_back()?.probe()).map(|()| Status::OK)
    }

    /// Delivers what is offered. At the limit nothing is accepted and the delivery goes on: the host
    /// offers the same events again and gets the answer then, so that the sink is not interrupted.
    fn write(
        &mut self,
        link: &Link,
        offered: &Offered<'_>,
        limit: Duration,
        result: &mut Answer<'_>,
    ) -> Outcome {
        if self.phase != Phase::Open {
            return Err(Failure::state("write comes after open"));
        }
        if offered.len() == 0 {
            return Ok(Status::OK);
        }
        if !self.sink.is_away() || !offered.begins_with(&self.under_way) {
            let events = offered.events()?;
            self.under_way.clear();
            self.under_way.extend(offered.ids());
            self.sink.lend(|sink, recall| deliver(sink, events, recall))?;
        }
        match run(link, Some(limit), poll_fn(|cx| self.sink.poll(cx)))? {
            Ended::Done(delivered) => {
                result.accept(&delivered?, offered)?;
                Ok(Status::OK)
            }
            Ended::Limit => Ok(Status::OK),
            Ended::Interrupted => Err(Failure::cancelled()),
        }
    }

    fn lost(&mut self, link: &Link, loss: &Loss) -> Outcome {
        finish(link, None, self.opened()?.lost(loss)).map(|()| Status::OK)
    }

    fn flush(&mut self, link: &Link, limit: Duration) -> Outcome {
        finish(link, Some(limit), self.opened()?.flush()).map(|()| Status::OK)
    }

    fn opened(&mut self) -> Result<&mut Box<dyn Sink>, Failure> {
        if self.phase != Phase::Open {
            return Err(Failure::state("this comes after open"));
        }
        self.sink.call_back()
    }

    fn close(&mut self, link: &Link, limit: Duration) -> Outcome {
        // What was cancelled before has ended by now.
        link.forget_cancel();
        self.phase = Phase::Unclear;
        let closed = finish(link, Some(limit), self.sink.call_back()?.close());
        link.forget_cancel();
        closed?;
        self.phase = Phase::Closed;
        Ok(Status::OK)
    }
}

/// What the host is told of a delivery.
struct Answer<'a>(&'a mut WriteResult);

impl Answer<'_> {
    /// # Safety
    /// `result` is null or lent by the host for this call, with as much memory as it says.
    unsafe fn new(result: *mut WriteResult) -> Result<Self, Failure> {
        // SAFETY: the caller says so.
        let result = unsafe { result.as_mut() }
            .filter(|result| result.struct_size as usize >= size_of::<WriteResult>())
            .ok_or_else(|| Failure::invalid("nowhere to put the result"))?;
        (result.accepted, result.retry_after_ms, result.records_len) = (0, 0, 0);
        if result.records.is_null() && result.records_capacity > 0 {
            return Err(Failure::invalid("room for records that is nowhere"));
        }
        Ok(Self(result))
    }

    /// Accepts events from the front, as far as there is room for what the sink added to them.
    fn accept(&mut self, delivered: &[Event], offered: &Offered<'_>) -> Result<(), Failure> {
        for (index, event) in delivered.iter().enumerate() {
            if let Some(record) = &event.record {
                let json = serde_json::to_vec(record)
                    .map_err(|error| Failure::new(Status::INTERNAL, format!("a record: {error}")))?;
                if json != offered.record_of(index) && !self.push(index, &json) {
                    if index == 0 {
                        let (len, room) = (json.len(), self.0.records_capacity);
                        let message = format!("a record of {len} bytes, and the host has room for {room}");
                        return Err(Failure::new(Status::INTERNAL, message));
                    }
                    return Ok(());
                }
            }
            self.0.accepted = index as u32 + 1;
        }
        Ok(())
    }

    /// Adds the record of event number `index`, if there is room.
    fn push(&mut self, index: usize, json: &[u8]) -> bool {
        let (at, room) = (self.0.records_len as usize, self.0.records_capacity as usize);
        let (head, Ok(len)) = ((index as u32).to_ne_bytes(), u32::try_from(json.len())) else {
            return false;
        };
        if json.len() + 8 > room - at {
            return false;
        }
        let mut place = at;
        for piece in [&head as &[u8], &len.to_ne_bytes(), json] {
            // SAFETY: all three together are within the room, as was seen above; the host's memory is
            // its own.
            unsafe { self.0.records.add(place).copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
            place += piece.len();
        }
        self.0.records_len = place as u32;
        true
    }
}

fn millis(limit: u32) -> Duration {
    Duration::from_millis(limit.into())
}

unsafe extern "C" fn create<S: ExportedSink>(
    host: *const Host,
    config: Str,
    out: *mut *mut Instance,
    err: *mut Error,
) -> Status {
    let make = |setup: instance::Setup| {
        let sink = S::kind()(&setup.data_dir).sink(&setup.settings, &setup.name)?;
        Ok(Writer { sink: Held::new(sink), phase: Phase::Closed, under_way: Vec::new() })
    };
    // SAFETY: as the interface says of `create`.
    unsafe { instance::create(host, config, out, err, make) }
}

unsafe extern "C" fn open(instance: *mut Instance, timeout_ms: u32, err: *mut Error) -> Status {
    // SAFETY: the host calls with an instance of this table's `create`; so in all that follow.
    unsafe {
        instance::call(instance, err, |link, writer: &mut Writer| writer.open(link, millis(timeout_ms)))
    }
}

unsafe extern "C" fn probe(instance: *mut Instance, timeout_ms: u32, err: *mut Error) -> Status {
    // SAFETY: as of `open`.
    unsafe {
        instance::call(instance, err, |link, writer: &mut Writer| writer.probe(link, millis(timeout_ms)))
    }
}

unsafe extern "C" fn write(
    instance: *mut Instance,
    batch: *const EventBatch,
    timeout_ms: u32,
    result: *mut WriteResult,
    err: *mut Error,
) -> Status {
    // SAFETY: lent for this call. Nothing is accepted where the call is refused.
    let result = unsafe { Answer::new(result) };
    let body = |link: &Arc<Link>, writer: &mut Writer| {
        // SAFETY: valid during this call.
        let offered = unsafe { Offered::new(batch) }?;
        writer.write(link, &offered, millis(timeout_ms), &mut result?)
    };
    // SAFETY: as of `open`.
    unsafe { instance::call(instance, err, body) }
}

unsafe extern "C" fn lost(instance: *mut Instance, loss: *const rfid_abi::Loss, err: *mut Error) -> Status {
    let body = |link: &Arc<Link>, writer: &mut Writer| {
        // SAFETY: null or valid during this call.
        let loss = unsafe { loss.as_ref() }
            .filter(|loss| loss.struct_size as usize >= size_of::<rfid_abi::Loss>())
            .ok_or_else(|| Failure::invalid("no loss, or one of another version"))?;
        // SAFETY: as above.
        let reason = unsafe { slice(loss.reason.ptr.cast::<u8>(), loss.reason.len) }?;
        let loss = Loss {
            count: loss.count,
            reason: String::from_utf8_lossy(reason).into_owned(),
            from: UtcTime::from_nanos(loss.from_ns),
            to: UtcTime::from_nanos(loss.to_ns),
        };
        writer.lost(link, &loss)
    };
    // SAFETY: as of `open`.
    unsafe { instance::call(instance, err, body) }
}

unsafe extern "C" fn flush(instance: *mut Instance, timeout_ms: u32, err: *mut Error) -> Status {
    // SAFETY: as of `open`.
    unsafe {
        instance::call(instance, err, |link, writer: &mut Writer| writer.flush(link, millis(timeout_ms)))
    }
}

unsafe extern "C" fn cancel(instance: *mut Instance) {
    // SAFETY: as of `open`.
    unsafe { instance::cancel::<Writer>(instance) }
}

unsafe extern "C" fn close(instance: *mut Instance, timeout_ms: u32, err: *mut Error) -> Status {
    // SAFETY: as of `open`.
    unsafe {
        instance::call(instance, err, |link, writer: &mut Writer| writer.close(link, millis(timeout_ms)))
    }
}

unsafe extern "C" fn destroy(instance: *mut Instance) {
    // SAFETY: as of `open`; the host says that it is the last call.
    unsafe { instance::destroy::<Writer>(instance) }
}
