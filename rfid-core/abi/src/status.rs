//! What a call says of its outcome.

use core::ffi::c_char;

/// Outcome of a call. An unknown positive number counts as [`Status::OK`], an unknown negative one
/// as [`Status::INTERNAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Status(pub i32);

impl Status {
    /// Done.
    pub const OK: Self = Self(0);
    /// Done, and there was nothing to deliver.
    pub const NO_DATA: Self = Self(1);
    /// Nothing will ever come again: a source that has an end is at it.
    pub const END: Self = Self(2);
    /// A fault of the plugin itself.
    pub const INTERNAL: Self = Self(-1);
    /// An argument that the interface does not allow.
    pub const INVALID: Self = Self(-2);
    /// The configuration cannot be carried out.
    pub const CONFIG: Self = Self(-3);
    /// Reading or writing failed after the connection was made.
    pub const IO: Self = Self(-4);
    /// The other side said something that its protocol does not allow.
    pub const PROTOCOL: Self = Self(-5);
    /// No answer in time.
    pub const TIMEOUT: Self = Self(-6);
    /// The reader, server or device could not be reached.
    pub const NOT_CONNECTED: Self = Self(-7);
    /// A password, key or right is missing.
    pub const DENIED: Self = Self(-8);
    /// This cannot be done here.
    pub const UNSUPPORTED: Self = Self(-9);
    /// Somebody else has it, or more cannot be taken now.
    pub const BUSY: Self = Self(-10);
    /// `cancel` was called.
    pub const CANCELLED: Self = Self(-11);
    /// The plugin's code panicked or threw; the instance can only be destroyed.
    pub const PANIC: Self = Self(-12);
    /// Radio rules forbid this.
    pub const REGULATORY: Self = Self(-13);
    /// The tag left the field before the operation was over.
    pub const NO_TAG: Self = Self(-14);
    /// The call is not allowed in this state.
    pub const STATE: Self = Self(-15);
    /// No memory.
    pub const NO_MEMORY: Self = Self(-16);
    /// Stored data is damaged.
    pub const DAMAGED: Self = Self(-17);

    /// Whether the call did what it was for.
    pub const fn is_ok(self) -> bool {
        self.0 >= 0
    }
}

/// [`Error::flags`]: trying again after [`Error::retry_after_ms`] can help.
pub const ERROR_RETRY: u32 = 1;
/// [`Error::flags`]: trying again can help after `close` and `open`.
pub const ERROR_RECONNECT: u32 = 2;
/// [`Error::flags`]: trying again gives the same result.
pub const ERROR_FATAL: u32 = 4;

/// Why a call failed. Owned by the host and filled by the plugin; may be null.
///
/// With [`Status::CONFIG`] each line of the message may begin with the JSON pointer of an option
/// and a colon: `/antennas/7: this reader has 4 antennas`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Error {
    /// Size of this struct.
    pub struct_size: u32,
    /// The [`Status`] again.
    pub code: i32,
    /// [`ERROR_RETRY`], [`ERROR_RECONNECT`], [`ERROR_FATAL`]; none: what the status suggests.
    pub flags: u32,
    /// Milliseconds to wait, with [`ERROR_RETRY`].
    pub retry_after_ms: u32,
    /// The device's own code; 0: none.
    pub vendor_code: i64,
    /// Bytes of the message.
    pub message_len: u32,
    /// Zero.
    pub reserved: u32,
    /// One or more lines in UTF-8, copied in, not terminated.
    pub message: [c_char; Self::MESSAGE],
}

impl Error {
    /// Longest message in bytes.
    pub const MESSAGE: usize = 480;

    /// No error yet, for a call to fill in.
    pub const fn none() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            code: 0,
            flags: 0,
            retry_after_ms: 0,
            vendor_code: 0,
            message_len: 0,
            reserved: 0,
            message: [0; Self::MESSAGE],
        }
    }
}
