//! The module protocol without I/O: bytes in, bytes out.

pub mod command;
pub mod frame;
pub mod record;
pub mod status;

pub use frame::{Frames, Reply};
pub use record::{Metadata, RecordFault};
pub use status::Status;
