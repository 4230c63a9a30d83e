//! What the host offers a plugin.

use core::ffi::{c_char, c_void};

use crate::Str;

/// The host as an instance sees it. Owned by the host, valid until `destroy` has returned. Its
/// functions may be called on any thread, never block for long and never call back.
#[repr(C)]
pub struct Host {
    /// Size of this struct.
    pub struct_size: u32,
    /// [`MINOR`](crate::MINOR) of the host.
    pub abi_minor: u16,
    /// Zero.
    pub reserved: u16,
    /// The host's own; to be handed back to each function.
    pub ctx: *mut c_void,
    /// Name of the host program, terminated.
    pub name: *const c_char,
    /// Its version, terminated.
    pub version: *const c_char,
    /// An extension of the host by its id, or null.
    pub get_extension: Option<unsafe extern "C" fn(*const Self, *const c_char) -> *const c_void>,
    /// Whether a line of this [level](Log::level) would be kept.
    pub log_enabled: Option<unsafe extern "C" fn(*const Self, i32) -> i32>,
    /// Writes a line to the host's log.
    pub log: Option<unsafe extern "C" fn(*const Self, *const Log)>,
    /// Says what the reader noticed besides tags.
    pub reader_event: Option<unsafe extern "C" fn(*const Self, *const ReaderEvent)>,
    /// Name of the reader or sink in the configuration, terminated. Null for the module.
    pub instance: *const c_char,
    /// Folder that this instance may keep files in, terminated; it need not exist yet. Null for the
    /// module.
    pub data_dir: *const c_char,
    /// Antenna ports that belong to a zone, ascending: a driver listens on these only.
    pub antenna_ports: *const u16,
    /// How many there are; 0: listen on all.
    pub antenna_port_count: u32,
    /// Zero.
    pub reserved2: u32,
}

/// [`Log::level`]: an error.
pub const LOG_ERROR: u32 = 1;
/// [`Log::level`]: a warning.
pub const LOG_WARNING: u32 = 2;
/// [`Log::level`]: information.
pub const LOG_INFO: u32 = 3;
/// [`Log::level`]: for whoever looks for a fault.
pub const LOG_DEBUG: u32 = 4;
/// [`Log::level`]: everything.
pub const LOG_TRACE: u32 = 5;

/// A key and a value of a line of the log.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Field {
    /// Name.
    pub key: Str,
    /// Value as text.
    pub value: Str,
}

/// A line for the log. Owned by the plugin, valid during the call.
#[repr(C)]
pub struct Log {
    /// Size of this struct.
    pub struct_size: u32,
    /// [`LOG_ERROR`], …
    pub level: u32,
    /// The part of the plugin that says it.
    pub target: Str,
    /// What is said.
    pub message: Str,
    /// Source file, or empty.
    pub file: Str,
    /// Line in it.
    pub line: u32,
    /// Number of fields.
    pub field_count: u32,
    /// Further values.
    pub fields: *const Field,
}

/// Kinds of [`ReaderEvent`].
pub mod reader_event {
    /// The port's antenna listens (again); antenna 0: all do.
    pub const ANTENNA_UP: u32 = 1;
    /// The port's antenna is known not to listen; antenna 0: none does.
    pub const ANTENNA_DOWN: u32 = 2;
    /// The input `port` has the level `value`: 0 low, 1 high.
    pub const INPUT: u32 = 3;
    /// The reader's temperature is `value` degrees Celsius.
    pub const TEMPERATURE: u32 = 4;
    /// The reader's own buffer overflowed; `value` reads are lost, 0 if it does not say.
    pub const BUFFER_OVERFLOW: u32 = 5;
}

/// What a reader noticed besides tags. Owned by the plugin, valid during the call.
#[repr(C)]
pub struct ReaderEvent {
    /// Size of this struct.
    pub struct_size: u32,
    /// One of [`reader_event`]; what is unknown is ignored.
    pub kind: u32,
    /// When, nanoseconds UTC since 1970; 0: now.
    pub timestamp_ns: u64,
    /// Antenna port, or 0.
    pub antenna: u16,
    /// Input pin, or 0.
    pub port: u16,
    /// As the kind says.
    pub value: i32,
    /// More, in words.
    pub message: Str,
}
