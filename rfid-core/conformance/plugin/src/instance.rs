//! An instance under test: each call with its duration and what it said, and every promise that
//! holds for all calls looked after.

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::time::{Duration, Instant};

use rfid_abi::{ERROR_FATAL, ERROR_RECONNECT, Error, EventBatch, Loss, ReadBuf, Status, Str, WriteResult};

use crate::case::{Stop, fail, skip};
use crate::child::doing;
use crate::host::HostObject;
use crate::plugin::{Component, OfKind};

/// How long a call may take beyond its time limit.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

/// How long it may take before it is certain that not a busy machine is the reason.
pub(crate) const CERTAIN: Duration = Duration::from_secs(2);

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) call: &'static str,
    pub(crate) status: Status,
    pub(crate) flags: u32,
    pub(crate) message: String,
    pub(crate) took: Duration,
    /// What is wrong with the error itself.
    pub(crate) fault: Option<String>,
}

impl Answer {
    pub(crate) fn is(&self, status: Status) -> bool {
        self.status == status
    }

    /// Passes on what is not an error. A panic is the matter of its own case.
    pub(crate) fn ok(self) -> Result<Self, Stop> {
        self.no_panic()?;
        if !self.status.is_ok() {
            return fail(format!("{self}"));
        }
        Ok(self)
    }

    /// Passes on what is exactly this error.
    pub(crate) fn refused(self, status: Status, when: &str) -> Result<Self, Stop> {
        if !self.is(status) {
            self.no_panic()?;
            return fail(format!("{when}: {self}; it must say {}", name(status)));
        }
        Ok(self)
    }

    fn no_panic(&self) -> Result<(), Stop> {
        match self.is(Status::PANIC) {
            true => skip(format!("`{}` panicked; see faults/no-panic", self.call)),
            false => Ok(()),
        }
    }

    /// Whether a new connection is asked for, which errors of a connection also do by themselves.
    pub(crate) fn asks_for_reconnect(&self) -> bool {
        let by_itself =
            matches!(self.status, Status::IO | Status::PROTOCOL | Status::TIMEOUT | Status::NOT_CONNECTED);
        if self.flags == 0 { by_itself } else { self.flags & ERROR_RECONNECT != 0 }
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.flags & ERROR_FATAL != 0
    }

    /// How far beyond its limit the call came back: certainly too late fails, a little is a
    /// matter for a warning.
    pub(crate) fn in_time(&self, limit: Duration) -> Result<(), Stop> {
        let Self { call, took, .. } = self;
        if *took > limit + CERTAIN {
            return fail(format!("`{call}` with {limit:?} came back after {took:.0?}"));
        }
        if *took > limit + GRACE {
            return Err(Stop::Warned(format!(
                "`{call}` with {limit:?} came back after {took:.0?}; {GRACE:?} beyond are allowed, unless this machine was busy"
            )));
        }
        Ok(())
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` said {}", self.call, name(self.status))?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// The header's name of a status.
pub(crate) fn name(status: Status) -> String {
    let names = [
        "OK",
        "NO_DATA",
        "END",
        "INTERNAL",
        "INVALID",
        "CONFIG",
        "IO",
        "PROTOCOL",
        "TIMEOUT",
        "NOT_CONNECTED",
        "DENIED",
        "UNSUPPORTED",
        "BUSY",
        "CANCELLED",
        "PANIC",
        "REGULATORY",
        "NO_TAG",
        "STATE",
        "NO_MEMORY",
        "DAMAGED",
    ];
    let index = if status.0 >= 0 { i64::from(status.0) } else { 2 - i64::from(status.0) };
    let known = usize::try_from(index).ok().and_then(|index| names.get(index));
    // 1 and 2 are the only good ones besides 0; 3 and more are none of the errors.
    match known {
        Some(name) if status.0 <= 2 => (*name).to_owned(),
        _ => status.0.to_string(),
    }
}

/// An instance; destroyed when it is dropped.
pub(crate) struct Instance {
    component: Component,
    raw: *mut rfid_abi::Instance,
    host: &'static HostObject,
    destroyed: Cell<bool>,
}

impl Instance {
    /// Calls `create`; with its answer where there is no instance.
    pub(crate) fn create(
        component: Component,
        host: &'static HostObject,
        config: &[u8],
    ) -> (Option<Self>, Answer) {
        let mut raw = ptr::null_mut();
        let config = Str { ptr: config.as_ptr().cast(), len: config.len() };
        let answer = call("create", AT_ONCE, |error| {
            // SAFETY: all pointers are valid during the call; the host object is for ever.
            unsafe { (component.calls.create)(host.as_ptr(), config, &raw mut raw, error) }
        });
        if raw.is_null() || !answer.status.is_ok() {
            host.end();
            return (None, answer);
        }
        (Some(Self { component, raw, host, destroyed: Cell::new(false) }), answer)
    }

    pub(crate) fn open(&self, limit: Duration) -> Answer {
        self.limited("open", self.component.calls.open, limit)
    }

    pub(crate) fn close(&self, limit: Duration) -> Answer {
        self.limited("close", self.component.calls.close, limit)
    }

    pub(crate) fn start(&self) -> Answer {
        match self.component.calls.of_kind {
            // SAFETY: the instance is there, and `error` valid during the call.
            OfKind::Driver { start, .. } => call("start", AT_ONCE, |error| unsafe { start(self.raw, error) }),
            OfKind::Sink { .. } => not_of_this_kind("start"),
        }
    }

    pub(crate) fn stop(&self) -> Answer {
        match self.component.calls.of_kind {
            // SAFETY: as in `start`.
            OfKind::Driver { stop, .. } => call("stop", AT_ONCE, |error| unsafe { stop(self.raw, error) }),
            OfKind::Sink { .. } => not_of_this_kind("stop"),
        }
    }

    /// Calls `read` on memory that the caller looks after: see [`Lent`](crate::lent::Lent).
    pub(crate) fn read(&self, buf: &mut ReadBuf, limit: Duration) -> Answer {
        match self.component.calls.of_kind {
            OfKind::Driver { read, .. } => call("read", limit, |error| {
                // SAFETY: as in `start`; what `buf` says of its memory is true.
                unsafe { read(self.raw, buf, milliseconds(limit), error) }
            }),
            OfKind::Sink { .. } => not_of_this_kind("read"),
        }
    }

    /// Calls `write` with a batch that the caller looks after.
    pub(crate) fn write(&self, batch: &EventBatch, result: &mut WriteResult, limit: Duration) -> Answer {
        match self.component.calls.of_kind {
            OfKind::Sink { write, .. } => call("write", limit, |error| {
                // SAFETY: as in `start`; what `batch` and `result` say of their memory is true.
                unsafe { write(self.raw, batch, milliseconds(limit), result, error) }
            }),
            OfKind::Driver { .. } => not_of_this_kind("write"),
        }
    }

    pub(crate) fn flush(&self, limit: Duration) -> Answer {
        match self.component.calls.of_kind {
            OfKind::Sink { flush, .. } => self.limited("flush", flush, limit),
            OfKind::Driver { .. } => not_of_this_kind("flush"),
        }
    }

    /// Calls `lost`, if there is one.
    pub(crate) fn lost(&self, loss: &Loss) -> Option<Answer> {
        let OfKind::Sink { lost: Some(lost), .. } = self.component.calls.of_kind else { return None };
        // SAFETY: as in `start`; the texts of `loss` are there during the call.
        Some(call("lost", AT_ONCE, |error| unsafe { lost(self.raw, loss, error) }))
    }

    /// Calls `probe`, if there is one.
    pub(crate) fn probe(&self, limit: Duration) -> Option<Answer> {
        let OfKind::Sink { probe: Some(probe), .. } = self.component.calls.of_kind else { return None };
        Some(self.limited("probe", probe, limit))
    }

    /// Calls `open` without anywhere to put an error.
    pub(crate) fn open_without_error(&self, limit: Duration) -> Status {
        doing("open with error null");
        // SAFETY: the instance is there; the error may be null.
        unsafe { (self.component.calls.open)(self.raw, milliseconds(limit), ptr::null_mut()) }
    }

    pub(crate) fn extension(&self, id: &CStr) -> *const c_void {
        doing("get_extension");
        match self.component.calls.get_extension {
            // SAFETY: the instance is there, and the id terminated.
            Some(get_extension) => unsafe { get_extension(self.raw, id.as_ptr()) },
            None => ptr::null(),
        }
    }

    pub(crate) fn raw(&self) -> *mut rfid_abi::Instance {
        self.raw
    }

    /// What may be called from any thread while the instance is there.
    pub(crate) fn canceller(&self) -> Canceller<'_> {
        Canceller { cancel: self.component.calls.cancel, raw: self.raw, _instance: PhantomData }
    }

    pub(crate) fn cancel(&self) {
        doing("cancel");
        wake_at(AT_ONCE);
        self.canceller().cancel();
        wake_at(Duration::ZERO);
    }

    fn limited(&self, name: &'static str, function: crate::plugin::Limited, limit: Duration) -> Answer {
        // SAFETY: the instance is there, and `error` valid during the call.
        call(name, limit, |error| unsafe { function(self.raw, milliseconds(limit), error) })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.destroyed.replace(true) {
            return;
        }
        doing("destroy");
        wake_at(AT_ONCE);
        // SAFETY: the instance is there, and nobody uses it after this; its cancellers borrow it.
        unsafe { (self.component.calls.destroy)(self.raw) };
        wake_at(Duration::ZERO);
        self.host.end();
    }
}

/// Cancels an instance from another thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canceller<'a> {
    cancel: crate::plugin::Handle,
    raw: *mut rfid_abi::Instance,
    _instance: PhantomData<&'a ()>,
}

// SAFETY: the interface allows `cancel` on any thread while the instance is there, for which it
// is borrowed.
unsafe impl Send for Canceller<'_> {}
// SAFETY: as above; also at the same time as another `cancel`.
unsafe impl Sync for Canceller<'_> {}

impl Canceller<'_> {
    pub(crate) fn cancel(&self) {
        // SAFETY: the instance is there as long as this borrow.
        unsafe { (self.cancel)(self.raw) };
    }
}

fn milliseconds(limit: Duration) -> u32 {
    u32::try_from(limit.as_millis()).unwrap_or(u32::MAX)
}

fn not_of_this_kind(call: &'static str) -> Answer {
    let message = "the suite called a function that this kind of component does not have".to_owned();
    Answer { call, status: Status::INVALID, flags: 0, message, took: Duration::ZERO, fault: None }
}

/// How long a call without a limit of its own may take.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Ends this process by a signal that nobody handles unless the call that begins now comes back
/// long before. With zero, no longer.
fn wake_at(limit: Duration) {
    let seconds = if limit.is_zero() { 0 } else { limit.as_secs() as u32 + 6 };
    // SAFETY: touches nothing of this program.
    unsafe { libc::alarm(seconds) };
}

/// Makes a call and looks at the error that it leaves.
fn call(name: &'static str, limit: Duration, function: impl FnOnce(*mut Error) -> Status) -> Answer {
    doing(name);
    let mut error = Error::none();
    wake_at(limit.max(GRACE));
    let start = Instant::now();
    let status = function(&raw mut error);
    let took = start.elapsed();
    wake_at(Duration::ZERO);
    let length = error.message_len as usize;
    let mut fault = None;
    if length > Error::MESSAGE {
        fault = Some(format!("`{name}` left a message of {length} bytes where {} fit", Error::MESSAGE));
    }
    let bytes: Vec<u8> = error.message.iter().take(length).map(|byte| byte.to_ne_bytes()[0]).collect();
    let message = String::from_utf8(bytes).unwrap_or_else(|error| {
        fault = Some(format!("`{name}` left a message that is not UTF-8"));
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    if !status.is_ok() {
        if message.trim().is_empty() {
            fault = Some(format!("`{name}` said {} and left no message", self::name(status)));
        }
        if error.code != status.0 {
            fault = Some(format!(
                "`{name}` said {} and left the code {} in its error",
                self::name(status),
                self::name(Status(error.code))
            ));
        }
        if error.struct_size as usize != size_of::<Error>() {
            fault = Some(format!("`{name}` changed the size of the error, which is the host's"));
        }
    }
    Answer { call: name, status, flags: error.flags, message, took, fault }
}
