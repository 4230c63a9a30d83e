//! Serial ports as streams.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use crate::Stream;

/// A serial port: 8 data bits, no parity, one stop bit, and nobody else's while it is open.
#[derive(Debug)]
pub struct Serial(SerialStream);

impl Serial {
    /// Opens a port at a rate in baud.
    ///
    /// # Errors
    /// Those of opening it; `ResourceBusy` if another program has it open.
    pub fn open(path: &Path, baud: u32) -> io::Result<Self> {
        let port = tokio_serial::new(path.to_string_lossy(), baud).open_native_async();
        port.map(Self).map_err(|error| match error.kind {
            // So the library tells that somebody else has locked it.
            tokio_serial::ErrorKind::NoDevice => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another program has opened the port")
            }
            _ => error.into(),
        })
    }
}

impl Stream for Serial {}

impl AsyncRead for Serial {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Serial {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    /// What was written is with the system, which sends it. To flush a port would hold up the
    /// thread until the last bit is on the line.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
