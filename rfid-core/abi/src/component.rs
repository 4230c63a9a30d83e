//! What a plugin is: a module with drivers and sinks.
//!
//! Threads, in the header's words: **I** is the instance's own thread, on which the host makes every
//! such call of one instance, one at a time; *any* is any thread at any time; *ctl* is the host's
//! control thread.

use core::ffi::{c_char, c_void};

use crate::{Error, EventBatch, Host, Loss, ReadBuf, Status, Str, WriteResult};

/// The one exported function: the module, or null if it cannot work with a host of this minor
/// version. Starts nothing, opens nothing, says nothing, and always returns the same.
pub type Entry = unsafe extern "C" fn(host_abi_minor: u32) -> *const Module;

/// [`Module::flags`]: never to be loaded into the host's own process.
pub const MODULE_ISOLATE: u32 = 1;
/// [`Module::flags`]: one instance in a process at most.
pub const MODULE_ONE_PER_PROCESS: u32 = 2;

/// A plugin. Owned by it and constant, as are all texts (terminated).
#[repr(C)]
pub struct Module {
    /// Size of this struct.
    pub struct_size: u32,
    /// [`MAJOR`](crate::MAJOR) that it was built for.
    pub abi_major: u16,
    /// [`MINOR`](crate::MINOR) that it was built for.
    pub abi_minor: u16,
    /// Size of a [`TagRead`](crate::TagRead).
    pub read_size: u32,
    /// [`MODULE_ISOLATE`], [`MODULE_ONE_PER_PROCESS`].
    pub flags: u32,
    /// Dotted name: `com.acme.readers`.
    pub id: *const c_char,
    /// Who made it.
    pub vendor: *const c_char,
    /// Its version.
    pub version: *const c_char,
    /// Compiler and what else matters to whoever looks for a fault.
    pub built_with: *const c_char,
    /// Ids of extensions that the host must offer, ended by null; or null.
    pub required_ext: *const *const c_char,
    /// Number of components.
    pub component_count: u32,
    /// Zero.
    pub reserved: u32,
    /// Pointers to them.
    pub components: *const *const Component,
    /// *ctl*. Called once before the first `create`; may be null.
    pub init: Option<unsafe extern "C" fn(*const Host, *mut Error) -> Status>,
    /// *ctl*. Called in an orderly end only; may be null.
    pub deinit: Option<unsafe extern "C" fn()>,
    /// An extension of the module by its id, or null; may be null itself.
    pub get_extension: Option<unsafe extern "C" fn(*const c_char) -> *const c_void>,
}

/// [`Component::kind`]: a driver.
pub const COMPONENT_DRIVER: u32 = 1;
/// [`Component::kind`]: a sink.
pub const COMPONENT_SINK: u32 = 2;

/// [`Component::flags`] of a sink: events are of no use after they have passed on without it.
pub const SINK_NOT_LATE: u32 = 1;

/// A driver or a sink. Owned by the plugin and constant.
#[repr(C)]
pub struct Component {
    /// Size of this struct.
    pub struct_size: u32,
    /// [`COMPONENT_DRIVER`] or [`COMPONENT_SINK`].
    pub kind: u32,
    /// Name in configuration: `driver = "acme"`.
    pub id: *const c_char,
    /// Name for people.
    pub name: *const c_char,
    /// One line for a list.
    pub description: *const c_char,
    /// JSON Schema of the options.
    pub config_schema: *const c_char,
    /// TOML with these options.
    pub config_example: *const c_char,
    /// [`SINK_NOT_LATE`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// The functions of a driver, else null.
    pub driver: *const Driver,
    /// The functions of a sink, else null.
    pub sink: *const Sink,
}

/// An instance of a component: the plugin's own.
#[repr(C)]
pub struct Instance {
    _opaque: [u8; 0],
}

type Create = unsafe extern "C" fn(*const Host, Str, *mut *mut Instance, *mut Error) -> Status;
type Plain = unsafe extern "C" fn(*mut Instance, *mut Error) -> Status;
type Limited = unsafe extern "C" fn(*mut Instance, u32, *mut Error) -> Status;
type Extend = unsafe extern "C" fn(*mut Instance, *const c_char) -> *const c_void;

/// The functions of a driver: `create (open (start read* stop)* close)* destroy`. All are there.
#[repr(C)]
pub struct Driver {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// **I**. An instance from its options as JSON; no I/O.
    pub create: Option<Create>,
    /// **I**. Connects and sets up, in at most so many milliseconds.
    pub open: Option<Limited>,
    /// **I**. Begins the inventory.
    pub start: Option<Plain>,
    /// **I**. Waits for reads, at most so many milliseconds.
    pub read: Option<unsafe extern "C" fn(*mut Instance, *mut ReadBuf, u32, *mut Error) -> Status>,
    /// **I**. Ends the inventory.
    pub stop: Option<Plain>,
    /// *any*. Makes the running call return within 250 ms; holds until `close`.
    pub cancel: Option<unsafe extern "C" fn(*mut Instance)>,
    /// **I**. Disconnects, in at most so many milliseconds.
    pub close: Option<Limited>,
    /// **I**. Frees the instance.
    pub destroy: Option<unsafe extern "C" fn(*mut Instance)>,
    /// **I**. An [extension](crate::extension) by its id, or null.
    pub get_extension: Option<Extend>,
}

/// The functions of a sink: `create (probe? open (write | lost | flush)* close)* destroy`. All but
/// `lost`, `probe` and `get_extension` are there.
#[repr(C)]
pub struct Sink {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// **I**. As of [`Driver`].
    pub create: Option<Create>,
    /// **I**. As of [`Driver`].
    pub open: Option<Limited>,
    /// **I**. Takes events from the front of the batch.
    pub write: Option<
        unsafe extern "C" fn(*mut Instance, *const EventBatch, u32, *mut WriteResult, *mut Error) -> Status,
    >,
    /// **I**. Returns when what was accepted is as durable as the sink promises.
    pub flush: Option<Limited>,
    /// *any*. As of [`Driver`].
    pub cancel: Option<unsafe extern "C" fn(*mut Instance)>,
    /// **I**. As of [`Driver`].
    pub close: Option<Limited>,
    /// **I**. As of [`Driver`].
    pub destroy: Option<unsafe extern "C" fn(*mut Instance)>,
    /// **I**. As of [`Driver`].
    pub get_extension: Option<Extend>,
    /// **I**. Takes note of events that will never come.
    pub lost: Option<unsafe extern "C" fn(*mut Instance, *const Loss, *mut Error) -> Status>,
    /// **I**. Whether `open` can work, without taking hold of anything.
    pub probe: Option<Limited>,
}
