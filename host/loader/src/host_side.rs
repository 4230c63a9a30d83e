//! The host as plugins see it.
//!
//! Its functions are called by plugins, on any thread. What they hand over is copied, as far as it
//! is in order.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use rfid_abi as abi;

use crate::message::{Fault, LogLine, ReaderEvent, Setup};

/// What an instance tells without being asked, on any thread.
pub(crate) trait Told: Send + Sync {
    /// Whether a line of this level would be kept: 1 error to 5 trace.
    fn log_enabled(&self, level: u32) -> bool;
    fn log(&self, line: LogLine);
    fn reader_event(&self, event: ReaderEvent);
}

/// What the host offers one instance. Behind an `Rc`, since the instance has pointers to it and
/// into it, which a `Box` that is moved would not allow.
pub(crate) struct HostSide {
    pub(crate) host: abi::Host,
    /// Owners of what `host` points to.
    _told: Arc<Arc<dyn Told>>,
    _texts: [CString; 2],
    _ports: Vec<u16>,
}

const NAME: &CStr = c"rfid-host";

fn version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// What the host offers the module itself.
pub(crate) static FOR_MODULES: ModuleHost = ModuleHost(abi::Host {
    struct_size: size_of::<abi::Host>() as u32,
    abi_minor: abi::MINOR,
    reserved: 0,
    ctx: ptr::null_mut(),
    name: NAME.as_ptr(),
    version: ptr::null(),
    get_extension: Some(no_extension),
    log_enabled: Some(log_enabled),
    log: None,
    reader_event: None,
    instance: ptr::null(),
    data_dir: ptr::null(),
    antenna_ports: ptr::null(),
    antenna_port_count: 0,
    reserved2: 0,
});

pub(crate) struct ModuleHost(pub(crate) abi::Host);

// SAFETY: constant, and its pointers are to constants or null.
unsafe impl Sync for ModuleHost {}

/// What one instance is offered, with its thread's words going to `told`.
pub(crate) fn host_side(setup: &Setup, told: Arc<dyn Told>) -> Result<Rc<HostSide>, Fault> {
    let text = |text: &str| {
        CString::new(text).map_err(|_| Fault::new(abi::Status::INVALID, "a name with a zero byte inside"))
    };
    let texts = [text(&setup.name)?, text(&setup.data_dir)?];
    let ports = setup.antenna_ports.clone();
    let told = Arc::new(told);
    let host = abi::Host {
        struct_size: size_of::<abi::Host>() as u32,
        abi_minor: abi::MINOR,
        reserved: 0,
        ctx: Arc::as_ptr(&told).cast_mut().cast::<c_void>(),
        name: NAME.as_ptr(),
        version: version(),
        get_extension: Some(no_extension),
        log_enabled: Some(log_enabled),
        log: Some(log),
        reader_event: Some(reader_event),
        instance: texts[0].as_ptr(),
        data_dir: texts[1].as_ptr(),
        antenna_ports: ports.as_ptr(),
        antenna_port_count: ports.len() as u32,
        reserved2: 0,
    };
    Ok(Rc::new(HostSide { host, _told: told, _texts: texts, _ports: ports }))
}

unsafe extern "C" fn no_extension(_: *const abi::Host, _: *const c_char) -> *const c_void {
    ptr::null()
}

/// # Safety
/// `host` is null, that of modules, which tells nobody, or the one of an instance that is alive.
unsafe fn told<'a>(host: *const abi::Host) -> Option<&'a dyn Told> {
    // SAFETY: what the caller says; `ctx` was set by `host_side`.
    unsafe { host.as_ref()?.ctx.cast::<Arc<dyn Told>>().as_ref().map(|told| &**told) }
}

unsafe extern "C" fn log_enabled(host: *const abi::Host, level: i32) -> i32 {
    // SAFETY: by the interface, a plugin hands back the host of its instance.
    let told = unsafe { told(host) };
    told.is_some_and(|told| told.log_enabled(level.clamp(1, 5).unsigned_abs())).into()
}

/// Longest text of a line of the log.
const LONGEST_LINE: usize = 4096;
/// Fields of a line that are kept.
const MOST_FIELDS: u32 = 32;

unsafe extern "C" fn log(host: *const abi::Host, line: *const abi::Log) {
    // SAFETY: by the interface, a plugin hands back the host of its instance, and the line lives
    // during the call.
    unsafe {
        let (Some(told), Some(line)) = (told(host), line.as_ref()) else { return };
        let level = line.level.clamp(1, 5);
        if !told.log_enabled(level) {
            return;
        }
        let mut message = copied(line.message);
        if !line.fields.is_null() {
            for place in 0..line.field_count.min(MOST_FIELDS) as usize {
                let field = &*line.fields.add(place);
                message.push_str(&format!(" {}={}", copied(field.key), copied(field.value)));
            }
        }
        let place = format!("{}:{}", copied(line.file), line.line);
        told.log(LogLine { level, target: copied(line.target), message, place });
    }
}

/// # Safety
/// The text lives, or is null.
unsafe fn copied(text: abi::Str) -> String {
    if text.ptr.is_null() {
        return String::new();
    }
    // SAFETY: what the caller says; no more is read than a line may have.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len.min(LONGEST_LINE)) };
    String::from_utf8_lossy(bytes).into_owned()
}

unsafe extern "C" fn reader_event(host: *const abi::Host, event: *const abi::ReaderEvent) {
    // SAFETY: as of `log`.
    let (told, event) = unsafe { (told(host), event.as_ref()) };
    let (Some(told), Some(event)) = (told, event) else { return };
    told.reader_event(match event.kind {
        abi::reader_event::ANTENNA_UP => ReaderEvent::Antenna { port: event.antenna, listens: true },
        abi::reader_event::ANTENNA_DOWN => ReaderEvent::Antenna { port: event.antenna, listens: false },
        abi::reader_event::INPUT => {
            ReaderEvent::Input { pin: u8::try_from(event.port).unwrap_or(u8::MAX), high: event.value != 0 }
        }
        abi::reader_event::BUFFER_OVERFLOW => {
            ReaderEvent::Lost { reads: u64::try_from(event.value).unwrap_or(0) }
        }
        _ => return,
    });
}
