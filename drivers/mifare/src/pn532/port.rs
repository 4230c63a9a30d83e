//! The serial port to a chip.

use std::io;
use std::path::PathBuf;

use rfid_core::{Error, ErrorKind, Retry};
use rfid_driver_link::{Connect, Serial};

/// The chip's rate after every reset, in baud (§2.1).
pub const USUAL_BAUD: u32 = 115_200;

/// A serial port by its path, opened anew for each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// As in `/dev/serial/by-id/…`, which stays the same wherever the board is plugged in.
    pub path: PathBuf,
    /// Rate in baud.
    pub baud: u32,
}

impl Connect for SerialPort {
    type Stream = Serial;

    async fn connect(&mut self) -> io::Result<Serial> {
        Serial::open(&self.path, self.baud)
    }
}

/// Why a port could not be opened. Plugging the board in, or giving the right, helps in all cases.
pub(super) fn cannot_be_opened(op: &'static str, error: io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::Connect, "is the reader plugged in?"),
        io::ErrorKind::PermissionDenied => (ErrorKind::Denied, "the group \"dialout\" may open serial ports"),
        io::ErrorKind::ResourceBusy => (ErrorKind::Busy, "end the other program"),
        _ => (ErrorKind::Connect, "is it the right port?"),
    };
    Error::new(kind, op)
        .with_detail(format!("the serial port cannot be opened: {error}; {advice}"))
        .with_source(error)
        .with_retry(Retry::Reconnect)
}
