//! The line to a module: serial, or carried over TCP.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use rfid_driver_link::Serial;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Both ends of it.
pub(crate) enum Line {
    Tcp(TcpStream),
    Serial(Serial),
}

impl Line {
    /// Opens a device if the address is a path, and connects otherwise.
    pub(crate) async fn open(address: String, baud: u32) -> io::Result<Self> {
        if address.starts_with('/') {
            return Ok(Self::Serial(Serial::open(Path::new(&address), baud)?));
        }
        let stream = TcpStream::connect(address).await?;
        // A command is one small packet; it must not wait for an acknowledgement.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }
}

impl rfid_driver_link::Stream for Line {}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Serial(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Serial(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            // Waiting for a serial line to drain blocks; what is written goes out by itself.
            Self::Serial(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Serial(_) => Poll::Ready(Ok(())),
        }
    }
}
