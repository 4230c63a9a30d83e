//! A cable to the reader, to be cut, and readers that are not there.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// How often a direction looks at what is to be done with it.
const LOOK: Duration = Duration::from_millis(10);

/// What happens to what the reader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cable {
    /// It goes through.
    Whole,
    /// It goes nowhere, and the connection stays.
    Stalled,
    /// Of the next piece only the first half goes through, then the connection ends.
    HalfAPiece,
    /// Other bytes come in its place.
    Garbage,
}

impl Cable {
    fn from_u8(number: u8) -> Self {
        [Self::Whole, Self::Stalled, Self::HalfAPiece, Self::Garbage]
            .into_iter()
            .find(|cable| *cable as u8 == number)
            .unwrap_or(Self::Whole)
    }
}

/// Stands between a plugin and its reader.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    reader: String,
    cable: AtomicU8,
    end: AtomicBool,
    /// Connections end without a word: nothing is shut down in order.
    resetting: AtomicBool,
    connections: Mutex<Vec<[TcpStream; 2]>>,
}

impl Proxy {
    /// A way to the reader at `HOST:PORT`.
    pub(crate) fn to(reader: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            reader: reader.to_owned(),
            cable: AtomicU8::new(Cable::Whole as u8),
            end: AtomicBool::new(false),
            resetting: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        // Ends with the process, as all threads of a case do.
        thread::spawn(move || {
            for plugin in listener.incoming().flatten() {
                if accepting.end.load(Ordering::SeqCst) {
                    return;
                }
                // A reader that is not there closes the connection at once.
                let _ = accepting.connect(plugin);
            }
        });
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, cable: Cable) {
        self.shared.cable.store(cable as u8, Ordering::SeqCst);
    }

    /// Ends all connections as a program does that ends.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }

    /// Ends all connections as a reader does that loses its power.
    pub(crate) fn reset(&self) {
        self.shared.resetting.store(true, Ordering::SeqCst);
        let mut connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in connections.iter().flatten() {
            // With no time to linger, closing resets; the pumps close their copies when they see
            // that nothing can be read any more.
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Read);
        }
        connections.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        self.shared.cut();
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn cable(&self) -> Cable {
        Cable::from_u8(self.cable.load(Ordering::SeqCst))
    }

    fn cut(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in connections.drain(..).flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn connect(self: &Arc<Self>, plugin: TcpStream) -> io::Result<()> {
        let reader = TcpStream::connect(&self.reader)?;
        self.resetting.store(false, Ordering::SeqCst);
        for stream in [&plugin, &reader] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(LOOK))?;
        }
        let copies = [plugin.try_clone()?, reader.try_clone()?];
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(copies);
        let (from_plugin, to_reader) = (plugin.try_clone()?, reader.try_clone()?);
        let shared = Arc::clone(self);
        thread::spawn(move || shared.pump(from_plugin, to_reader, false));
        let shared = Arc::clone(self);
        thread::spawn(move || shared.pump(reader, plugin, true));
        Ok(())
    }

    /// Carries bytes one way until either side ends.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, is_readers: bool) {
        let mut bytes = [0; 4_096];
        loop {
            let cable = self.cable();
            if cable == Cable::Stalled && is_readers {
                thread::sleep(LOOK);
                if self.end.load(Ordering::SeqCst) {
                    return;
                }
                continue;
            }
            let read = match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => break,
            };
            let Some(piece) = bytes.get_mut(..read) else { break };
            let sent = match self.cable() {
                Cable::HalfAPiece if is_readers => {
                    let half = piece.get(..read.div_ceil(2)).unwrap_or_default();
                    let _ = to.write_all(half);
                    self.set_whole();
                    self.cut();
                    break;
                }
                Cable::Garbage if is_readers => {
                    // Neither the piece nor its length has anything to do with a protocol.
                    let garbage: Vec<u8> =
                        (0..1_021_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
                    to.write_all(&garbage)
                }
                _ => to.write_all(piece),
            };
            if sent.is_err() {
                break;
            }
        }
        if !self.resetting.load(Ordering::SeqCst) {
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    fn set_whole(&self) {
        self.cable.store(Cable::Whole as u8, Ordering::SeqCst);
    }
}

/// An address where nobody listens: connections are refused.
pub(crate) fn nobody() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// A listener that takes connections and never says a word, for as long as it is there.
pub(crate) fn mute() -> io::Result<TcpListener> {
    // The system itself takes connections into the listener's queue.
    TcpListener::bind("127.0.0.1:0")
}
