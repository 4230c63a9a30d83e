//! The host as a plugin under test sees it. Everything that it is told is kept, and so is every
//! call that comes when it must not.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rfid_abi::{Host, Log, ReaderEvent, Str};

/// Lines kept; a plugin that says more floods the log, which is counted.
const KEPT: usize = 20_000;

/// What the plugin said to one host object.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Text of log lines with their fields, and of reader events.
    pub(crate) lines: Vec<String>,
    /// What was wrong with calls.
    pub(crate) faults: Vec<String>,
}

/// A host object. It is never freed, so that a call that comes too late is noticed instead of
/// being what it is for a real host.
pub(crate) struct HostObject {
    host: Host,
    /// What the pointers in `host` lead to.
    _owned: ([CString; 2], Option<[CString; 2]>, Box<[u16]>),
    alive: AtomicBool,
    said: AtomicU64,
    heard: Mutex<Heard>,
}

// SAFETY: the pointers in `host` lead to the texts and ports beside it and to the object itself,
// none of which ever change; all else is atomic or locked.
unsafe impl Sync for HostObject {}

impl HostObject {
    /// The host of an instance with this name that listens on these ports, none meaning all.
    pub(crate) fn new(instance: &str, data_dir: &str, antenna_ports: &[u16]) -> &'static Self {
        Self::of(Some((instance, data_dir)), antenna_ports)
    }

    fn of(instance: Option<(&str, &str)>, antenna_ports: &[u16]) -> &'static Self {
        let text = |text: &str| CString::new(text).unwrap_or_default();
        let program = [text("rfid-plugin-conformance"), text(env!("CARGO_PKG_VERSION"))];
        let of_instance = instance.map(|(name, data_dir)| [text(name), text(data_dir)]);
        let [name, version] = program.each_ref().map(|text| text.as_ptr());
        let [instance, data_dir] =
            of_instance.as_ref().map_or([ptr::null(); 2], |texts| texts.each_ref().map(|text| text.as_ptr()));
        let antenna_ports: Box<[u16]> = antenna_ports.into();
        let object = Box::leak(Box::new(Self {
            host: Host {
                struct_size: size_of::<Host>() as u32,
                abi_minor: rfid_abi::MINOR,
                reserved: 0,
                ctx: ptr::null_mut(),
                name,
                version,
                get_extension: Some(get_extension),
                log_enabled: Some(log_enabled),
                log: Some(log),
                reader_event: Some(reader_event),
                instance,
                data_dir,
                antenna_ports: antenna_ports.as_ptr(),
                antenna_port_count: antenna_ports.len() as u32,
                reserved2: 0,
            },
            _owned: (program, of_instance, antenna_ports),
            alive: AtomicBool::new(true),
            said: AtomicU64::new(0),
            heard: Mutex::new(Heard::default()),
        }));
        object.host.ctx = ptr::from_mut(object).cast();
        object
    }

    /// The host of the module, which is no instance.
    pub(crate) fn for_module() -> &'static Self {
        Self::of(None, &[])
    }

    pub(crate) fn as_ptr(&self) -> *const Host {
        &raw const self.host
    }

    /// No function of it may be called from now on.
    pub(crate) fn end(&self) {
        self.alive.store(false, Ordering::SeqCst);
    }

    /// Lines and events so far.
    pub(crate) fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self, function: &str) {
        if !self.alive.load(Ordering::SeqCst) {
            self.heard().faults.push(format!("`{function}` was called after `destroy`"));
        }
    }

    fn say(&self, texts: &[(&str, Str)], size: u32, least: usize) {
        self.said.fetch_add(1, Ordering::Relaxed);
        let mut heard = self.heard();
        if (size as usize) < least {
            heard.faults.push(format!("a struct of {size} bytes was handed over where {least} are its size"));
        }
        let mut line = String::new();
        for (what, text) in texts {
            match read(*text) {
                Ok(text) => line.push_str(text),
                Err(fault) => heard.faults.push(format!("{what} {fault}")),
            }
            line.push(' ');
        }
        if heard.lines.len() < KEPT {
            heard.lines.push(line);
        }
    }
}

/// The text that a plugin handed over; valid during the call.
fn read<'a>(text: Str) -> Result<&'a str, &'static str> {
    if text.len == 0 {
        return Ok("");
    }
    if text.ptr.is_null() {
        return Err("is null and has a length");
    }
    // SAFETY: the plugin promises `len` bytes for the time of the call; if it breaks its promise
    // this process is there to find out.
    let bytes = unsafe { slice::from_raw_parts(text.ptr.cast::<u8>(), text.len) };
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")
}

/// The object behind a host pointer.
fn object(host: *const Host) -> Option<&'static HostObject> {
    if host.is_null() {
        return None;
    }
    // SAFETY: every `Host` that is handed out is the one inside of a leaked `HostObject`, and its
    // `ctx` is that object.
    unsafe { (*host).ctx.cast::<HostObject>().as_ref() }
}

unsafe extern "C" fn get_extension(host: *const Host, _: *const c_char) -> *const c_void {
    if let Some(object) = object(host) {
        object.called("get_extension");
    }
    ptr::null()
}

unsafe extern "C" fn log_enabled(host: *const Host, _: i32) -> i32 {
    if let Some(object) = object(host) {
        object.called("log_enabled");
    }
    1
}

unsafe extern "C" fn log(host: *const Host, log: *const Log) {
    let Some(object) = object(host) else { return };
    object.called("log");
    // SAFETY: the plugin promises a `Log` for the time of the call, or null.
    let Some(log) = (unsafe { log.as_ref() }) else {
        object.heard().faults.push("`log` was called with null".to_owned());
        return;
    };
    if !(1..=5).contains(&log.level) {
        object.heard().faults.push(format!("`log` was called with level {}", log.level));
    }
    let mut texts = vec![
        ("the target of a log line", log.target),
        ("a log line", log.message),
        ("the file of a log line", log.file),
    ];
    if !log.fields.is_null() {
        // SAFETY: the plugin promises `field_count` fields for the time of the call.
        let fields = unsafe { slice::from_raw_parts(log.fields, log.field_count as usize) };
        for field in fields {
            texts.extend([("the key of a field", field.key), ("the value of a field", field.value)]);
        }
    }
    object.say(&texts, log.struct_size, size_of::<Log>());
}

unsafe extern "C" fn reader_event(host: *const Host, event: *const ReaderEvent) {
    let Some(object) = object(host) else { return };
    object.called("reader_event");
    // SAFETY: the plugin promises a `ReaderEvent` for the time of the call, or null.
    match unsafe { event.as_ref() } {
        Some(event) => {
            object.say(
                &[("the message of an event", event.message)],
                event.struct_size,
                size_of::<ReaderEvent>(),
            );
        }
        None => object.heard().faults.push("`reader_event` was called with null".to_owned()),
    }
}
