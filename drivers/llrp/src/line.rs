//! The connection to a reader: made by us, or by the reader.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rfid_driver_link::Connect;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::timeout;

/// How long a listener looks whether the reader has connected once more.
const NEXT: Duration = Duration::from_millis(1);

/// How the connection comes about.
#[derive(Debug)]
pub(crate) enum Line {
    /// The reader is dialled.
    Dial { host: String, port: u16 },
    /// The reader dials, and is known by where it dials from.
    Wait {
        host: String,
        at: SocketAddr,
        /// Kept from one connection to the next, so that a reader that dials early is not refused.
        listener: Option<Arc<TcpListener>>,
    },
}

impl Line {
    pub(crate) fn new(host: &str, port: u16, listen: Option<SocketAddr>) -> Self {
        let host = host.to_owned();
        match listen {
            None => Self::Dial { host, port },
            Some(at) => Self::Wait { host, at, listener: None },
        }
    }
}

impl Connect for Line {
    type Stream = TcpStream;

    async fn connect(&mut self) -> io::Result<TcpStream> {
        let stream = match self {
            Self::Dial { host, port } => TcpStream::connect((host.as_str(), *port)).await?,
            Self::Wait { host, at, listener } => {
                let listener = match listener {
                    Some(listener) => listener,
                    None => listener.insert(Arc::new(TcpListener::bind(*at).await?)),
                };
                accept_from(host, listener).await?
            }
        };
        // A request is one small packet; it must not wait for an acknowledgement.
        stream.set_nodelay(true)?;
        Ok(stream)
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
