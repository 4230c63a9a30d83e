//! The connection to a reader: made by us, or by the reader.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rfid_driver_link::{Connect, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::config::Checked;
use crate::tls;

/// How long a listener looks whether the reader has connected once more.
const NEXT: Duration = Duration::from_millis(1);

/// How the connection comes about.
#[derive(Debug)]
pub(crate) enum Line {
    /// The reader is dialled.
    Dial { host: String, port: u16, tls_ca_file: Option<PathBuf> },
    /// The reader dials, and is known by where it dials from.
    Wait {
        host: String,
        at: SocketAddr,
        /// Kept from one connection to the next, so that a reader that dials early is not refused.
        listener: Option<Arc<TcpListener>>,
    },
}

impl Line {
    pub(crate) fn new(config: &Checked) -> Self {
        let host = config.host.clone();
        match config.listen {
            None => Self::Dial { host, port: config.port, tls_ca_file: config.tls_ca_file.clone() },
            Some(at) => Self::Wait { host, at, listener: None },
        }
    }
}

impl Connect for Line {
    type Stream = Connection;

    async fn connect(&mut self) -> io::Result<Connection> {
        match self {
            Self::Dial { host, port, tls_ca_file } => {
                let stream = at_once(TcpStream::connect((host.as_str(), *port)).await?)?;
                match tls_ca_file {
                    None => Ok(Connection::Plain(stream)),
                    Some(ca_file) => {
                        let stream = tls::over(stream, host, ca_file).await?;
                        Ok(Connection::Tls(Box::new(stream)))
                    }
                }
            }
            Self::Wait { host, at, listener } => {
                let listener = match listener {
                    Some(listener) => listener,
                    None => listener.insert(Arc::new(TcpListener::bind(*at).await?)),
                };
                Ok(Connection::Plain(at_once(accept_from(host, listener).await?)?))
            }
        }
    }
}

/// A request is one small packet; it must not wait for an acknowledgement.
fn at_once(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection, in clear or not.
#[derive(Debug)]
pub(crate) enum Connection {
    Plain(TcpStream),
    /// Boxed, since most are none.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream for Connection {}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The newest connection of the reader: one that it made before and gave up may still be waiting.
/// Whoever else connects is left.
async fn accept_from(host: &str, listener: &TcpListener) -> io::Result<TcpStream> {
    let known: Vec<IpAddr> =
        lookup_host((host, 0)).await?.map(|address| address.ip().to_canonical()).collect();
    let mut newest = None;
    loop {
        let (stream, from) = match &newest {
            None => listener.accept().await?,
            Some(_) => match timeout(NEXT, listener.accept()).await {
                Ok(accepted) => accepted?,
                Err(_) => return newest.ok_or_else(|| io::ErrorKind::NotConnected.into()),
            },
        };
        if known.contains(&from.ip().to_canonical()) {
            newest = Some(stream);
        } else {
            tracing::warn!(from = %from.ip(), "somebody connects who is not the reader");
        }
    }
}
