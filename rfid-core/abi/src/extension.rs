//! What an instance may offer besides. An id names one table of functions for ever.

use core::ffi::c_char;

use crate::{Error, Instance, Status};

/// Id of [`ReaderInfoTable`].
pub const READER_INFO: &core::ffi::CStr = c"rfid.reader-info/1";
/// Id of [`TuneTable`].
pub const TUNE: &core::ffi::CStr = c"rfid.tune/1";
/// Id of [`GpioTable`].
pub const GPIO: &core::ffi::CStr = c"rfid.gpio/1";
/// Id of [`TagAccessTable`].
pub const TAG_ACCESS: &core::ffi::CStr = c"rfid.tag-access/1";

/// Tells what `open` found out of the reader.
#[repr(C)]
pub struct ReaderInfoTable {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// **I**, between `open` and `close`.
    pub info: Option<unsafe extern "C" fn(*mut Instance, *mut ReaderInfo, *mut Error) -> Status>,
}

/// What a reader is. Owned by the host, zero before the call; texts are terminated.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ReaderInfo {
    /// Size of this struct.
    pub struct_size: u32,
    /// Number of antenna ports that listen; 0: the reader does not say.
    pub antenna_port_count: u32,
    /// Antenna ports that listen.
    pub antenna_ports: [u16; Self::PORTS],
    /// Maker and model.
    pub model: [c_char; Self::TEXT],
    /// Firmware version.
    pub firmware: [c_char; Self::TEXT],
    /// Serial number, or empty.
    pub serial: [c_char; Self::TEXT],
    /// Air protocols, as [`TagRead::protocol`](crate::TagRead::protocol), ended by 0.
    pub protocols: [u8; 16],
}

impl ReaderInfo {
    /// Antenna ports that can be told.
    pub const PORTS: usize = 64;
    /// Bytes of a text with its end.
    pub const TEXT: usize = 96;

    /// Nothing known yet, for the call to fill in.
    pub const fn unknown() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            antenna_port_count: 0,
            antenna_ports: [0; Self::PORTS],
            model: [0; Self::TEXT],
            firmware: [0; Self::TEXT],
            serial: [0; Self::TEXT],
            protocols: [0; 16],
        }
    }
}

/// Sets and tells the transmit power for reading, in hundredths of a dBm. Port 0: all at once.
#[repr(C)]
pub struct TuneTable {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// **I**. The power as it is.
    pub read_power: Option<unsafe extern "C" fn(*mut Instance, u32, *mut i16, *mut Error) -> Status>,
    /// **I**. Sets the power and says what the reader took.
    pub set_read_power: Option<unsafe extern "C" fn(*mut Instance, u32, i16, *mut i16, *mut Error) -> Status>,
}

/// Inputs and outputs.
#[repr(C)]
pub struct GpioTable {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// **I**. Levels of all inputs, lowest pin first: at most so many, and how many there are.
    pub inputs: Option<unsafe extern "C" fn(*mut Instance, *mut Pin, u32, *mut u32, *mut Error) -> Status>,
    /// **I**. Sets one output.
    pub set_output: Option<unsafe extern "C" fn(*mut Instance, Pin, *mut Error) -> Status>,
}

/// A pin and its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Pin {
    /// As the maker counts.
    pub pin: u8,
    /// 0 low, 1 high.
    pub high: u8,
}

/// Reads, writes, locks and kills tags.
#[repr(C)]
pub struct TagAccessTable {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// **I**, between `open` and `start` or after `stop`. Does one operation, once.
    pub execute: Option<
        unsafe extern "C" fn(*mut Instance, *const TagOperation, *mut TagAnswer, u32, *mut Error) -> Status,
    >,
}

/// [`TagOperation::kind`]: read memory.
pub const TAG_READ_MEMORY: u32 = 1;
/// [`TagOperation::kind`]: write memory.
pub const TAG_WRITE_MEMORY: u32 = 2;
/// [`TagOperation::kind`]: give the tag another id, [`TagOperation::data`].
pub const TAG_WRITE_ID: u32 = 3;
/// [`TagOperation::kind`]: lock Gen2 fields by mask and action.
pub const TAG_LOCK_GEN2: u32 = 4;
/// [`TagOperation::kind`]: lock an EPC Class 1 tag as a whole.
pub const TAG_LOCK_WHOLE: u32 = 5;
/// [`TagOperation::kind`]: lock the byte at [`TagOperation::address`].
pub const TAG_LOCK_BYTE: u32 = 6;
/// [`TagOperation::kind`]: silence the tag for ever with [`TagOperation::kill_password`].
pub const TAG_KILL: u32 = 7;

/// [`TagOperation::flags`]: [`TagOperation::password`] is there.
pub const TAG_HAS_PASSWORD: u32 = 1;

/// An operation on one tag. Owned by the host, valid during the call.
#[derive(Debug)]
#[repr(C)]
pub struct TagOperation {
    /// Size of this struct.
    pub struct_size: u32,
    /// [`TAG_READ_MEMORY`], …
    pub kind: u32,
    /// [`TAG_HAS_PASSWORD`].
    pub flags: u32,
    /// Password that opens what is locked.
    pub password: u32,
    /// The tag's id as it is now.
    pub id: [u8; 62],
    /// Bytes of it.
    pub id_len: u8,
    /// As [`TagRead::id_kind`](crate::TagRead::id_kind).
    pub id_kind: u8,
    /// The antenna before which it lies.
    pub antenna: u16,
    /// As [`TagRead::protocol`](crate::TagRead::protocol).
    pub protocol: u8,
    /// 0 reserved, 1 EPC, 2 TID, 3 user.
    pub bank: u8,
    /// Units to read: words of 16 bits for Gen2, bytes for ISO 18000-6B.
    pub count: u16,
    /// Zero.
    pub reserved: u16,
    /// First unit.
    pub address: u32,
    /// With [`TAG_KILL`].
    pub kill_password: u32,
    /// With [`TAG_LOCK_GEN2`]: which of the ten bits change.
    pub lock_mask: u16,
    /// With [`TAG_LOCK_GEN2`]: what they change to.
    pub lock_action: u16,
    /// Bytes of [`TagOperation::data`].
    pub data_len: u32,
    /// What is written.
    pub data: *const u8,
}

/// What was read. Owned by the host.
#[derive(Debug)]
#[repr(C)]
pub struct TagAnswer {
    /// Size of this struct.
    pub struct_size: u32,
    /// Bytes that fit.
    pub capacity: u32,
    /// Room.
    pub data: *mut u8,
    /// Out: bytes that are there.
    pub len: u32,
    /// Zero.
    pub reserved: u32,
}
