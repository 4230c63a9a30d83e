//! The binary interface between rfid-host and its plugins.
//!
//! This is `include/rfid_plugin.h` in Rust: the same structs, numbers and functions, compared
//! field by field by this crate's test. The header says what each function may do, on which thread
//! and who owns what; here stand only the types. Authors in C include the header; authors in Rust
//! use `rfid-plugin`, which hides all of this.
//!
//! Rules of growth: a struct begins with its size as whoever allocated it knows it, and may only
//! gain fields at its end; what is optional is an [extension], found by a name whose
//! meaning never changes. Until three drivers and two sinks from outside use it the interface is
//! version 0: the symbol is [`SYMBOL`], and a host takes only what was built for the very same
//! [`MINOR`].
#![no_std]

mod component;
mod event_record;
pub mod extension;
mod host;
mod status;
mod tag_read;

use core::ffi::c_char;

pub use component::{
    COMPONENT_DRIVER, COMPONENT_SINK, Component, Driver, Entry, Instance, MODULE_ISOLATE,
    MODULE_ONE_PER_PROCESS, Module, SINK_NOT_LATE, Sink,
};
pub use event_record::{
    EVENT_ARRIVED, EVENT_AUTHENTIC, EVENT_DEPARTED, EVENT_MOVED, EVENT_NOT_AUTHENTIC, EVENT_REVISIT,
    EVENT_SEEN, EVENT_SET_ASIDE, EventBatch, EventRecord, HEADING_ENTERING, HEADING_LEAVING, HEADING_NONE,
    Loss, Span, WriteResult,
};
pub use host::{
    Field, Host, LOG_DEBUG, LOG_ERROR, LOG_INFO, LOG_TRACE, LOG_WARNING, Log, ReaderEvent, reader_event,
};
pub use status::{ERROR_FATAL, ERROR_RECONNECT, ERROR_RETRY, Error, Status};
pub use tag_read::{
    AUX_ID, ID_EPC, ID_ISO14443_UID, ID_ISO15693_UID, ID_ISO18000_6B_UID, ID_TID, INLINE_ID, PHASE_UNKNOWN,
    PROTOCOL_EPC_CLASS0, PROTOCOL_EPC_CLASS1, PROTOCOL_GEN2, PROTOCOL_ISO14443A, PROTOCOL_ISO15693,
    PROTOCOL_ISO18000_6B, READ_AUTHENTIC, READ_CHECK_FAILED, READ_HAS_PC, READ_MORE, READ_NOT_AUTHENTIC,
    READ_RANDOM_ID, RSSI_UNKNOWN, ReadBuf, TagRead,
};

/// The number in the symbol's name: plugins of another one cannot be spoken with.
pub const MAJOR: u16 = 0;

/// Grows with every addition. While [`MAJOR`] is 0, both sides must have the same one.
pub const MINOR: u16 = 1;

/// Name of the one function that a plugin exports, an [`Entry`].
pub const SYMBOL: &str = "rfid_plugin_module_v0";

/// Text in UTF-8, not terminated. May be null with a length of 0.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Str {
    /// First byte.
    pub ptr: *const c_char,
    /// Bytes.
    pub len: usize,
}

impl Str {
    /// This text, for as long as it lives.
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr().cast(), len: text.len() }
    }

    /// No text.
    pub const EMPTY: Self = Self { ptr: core::ptr::null(), len: 0 };
}
