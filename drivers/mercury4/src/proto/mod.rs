//! RQL without I/O: bytes in, bytes out.

pub mod air;
pub mod check_code;
