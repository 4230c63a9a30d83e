//! Reads and the memory that they are delivered in.

/// Longest id in bytes that a record itself holds; a longer one is an item of the side area.
pub const INLINE_ID: usize = 32;
/// [`TagRead::rssi_cdbm`] where the reader does not say.
pub const RSSI_UNKNOWN: i16 = i16::MIN;
/// [`TagRead::phase`] where the reader does not say.
pub const PHASE_UNKNOWN: u16 = u16::MAX;
/// [`TagRead::id_kind`]: an EPC.
pub const ID_EPC: u8 = 1;
/// [`TagRead::id_kind`]: a UID of ISO 14443.
pub const ID_ISO14443_UID: u8 = 2;
/// [`TagRead::id_kind`]: a UID of ISO 15693.
pub const ID_ISO15693_UID: u8 = 3;
/// [`TagRead::id_kind`]: a TID.
pub const ID_TID: u8 = 4;
/// [`TagRead::id_kind`]: a UID of ISO 18000-6B.
pub const ID_ISO18000_6B_UID: u8 = 5;
/// [`TagRead::protocol`]: EPC Class 1 Generation 2, ISO 18000-63.
pub const PROTOCOL_GEN2: u8 = 1;
/// [`TagRead::protocol`]: ISO 18000-6B.
pub const PROTOCOL_ISO18000_6B: u8 = 2;
/// [`TagRead::protocol`]: EPC Class 0.
pub const PROTOCOL_EPC_CLASS0: u8 = 3;
/// [`TagRead::protocol`]: EPC Class 1.
pub const PROTOCOL_EPC_CLASS1: u8 = 4;
/// [`TagRead::protocol`]: ISO 14443 A.
pub const PROTOCOL_ISO14443A: u8 = 5;
/// [`TagRead::protocol`]: ISO 15693.
pub const PROTOCOL_ISO15693: u8 = 6;
/// [`TagRead::flags`]: the check code that came with the id does not fit it.
pub const READ_CHECK_FAILED: u8 = 1;
/// [`TagRead::flags`]: [`TagRead::pc`] is there.
pub const READ_HAS_PC: u8 = 2;
/// [`TagRead::flags`]: the tag proved to be the one that its id names.
pub const READ_AUTHENTIC: u8 = 4;
/// [`TagRead::flags`]: it proved not to be.
pub const READ_NOT_AUTHENTIC: u8 = 8;
/// [`TagRead::flags`]: the tag made the id up and will make up another one; it names nobody.
pub const READ_RANDOM_ID: u8 = 16;
/// Type of an item of the side area: an id longer than [`INLINE_ID`] bytes.
pub const AUX_ID: u16 = 1;
/// [`ReadBuf::flags`]: more reads are ready now.
pub const READ_MORE: u32 = 1;

/// One sighting of a tag by an antenna. No pointers inside, so a batch can be copied, sent or
/// stored as bytes; it is laid out as `rfid_core::TagRead` is.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct TagRead {
    /// The reader's own stamp, nanoseconds UTC since 1970; 0: none.
    pub timestamp_ns: u64,
    /// The id, most significant byte first, as far as [`TagRead::id_len`] says.
    pub id: [u8; INLINE_ID],
    /// Bytes of the id; 0: it is an item of the side area.
    pub id_len: u8,
    /// [`ID_EPC`], …
    pub id_kind: u8,
    /// Antenna port, counted from 1; 0: not known.
    pub antenna: u16,
    /// Carrier in kHz; 0: not known.
    pub frequency_khz: u32,
    /// Signal in hundredths of a dBm; [`RSSI_UNKNOWN`].
    pub rssi_cdbm: i16,
    /// Phase, a full turn being 4096; [`PHASE_UNKNOWN`].
    pub phase: u16,
    /// Sightings that this one stands for, at least 1.
    pub count: u16,
    /// Gen2 protocol control word, with [`READ_HAS_PC`].
    pub pc: u16,
    /// [`READ_CHECK_FAILED`], [`READ_HAS_PC`], [`READ_AUTHENTIC`], [`READ_NOT_AUTHENTIC`],
    /// [`READ_RANDOM_ID`].
    pub flags: u8,
    /// [`PROTOCOL_GEN2`], …; 0: not known.
    pub protocol: u8,
    /// Bytes of this record's items in the side area.
    pub aux_len: u16,
    /// Where they begin there. Items follow one another: `u16` type, `u16` length, both in the
    /// machine's order, then the bytes.
    pub aux_off: u32,
}

/// Memory that the host lends for one `read`.
#[derive(Debug)]
#[repr(C)]
pub struct ReadBuf {
    /// Size of this struct.
    pub struct_size: u32,
    /// Bytes from one record to the next: at least 64, a multiple of 8.
    pub stride: u32,
    /// Room for records; its content is not defined.
    pub reads: *mut TagRead,
    /// Records that fit; 0: keep the connection alive and deliver nothing.
    pub capacity: u32,
    /// Out: records that are there.
    pub count: u32,
    /// The side area.
    pub aux: *mut u8,
    /// Bytes that fit there.
    pub aux_capacity: u32,
    /// Out: bytes that are there.
    pub aux_len: u32,
    /// Out: reads that are known to have been lost before these.
    pub lost: u64,
    /// Out: [`READ_MORE`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}
