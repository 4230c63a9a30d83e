//! A TCP proxy between the daemon and a reader, in which a link can be spoilt.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::daemon::lock;
use crate::dice::Dice;

/// What happens to the bytes of the reader on their way to the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Way {
    #[default]
    Clear,
    /// In segments of this many bytes at least and at most.
    Split(u64, u64),
    /// Kept back for this long and sent as one.
    Coalesce(Duration),
    /// Each byte has a bit flipped with this chance.
    Flip(f64),
    /// With this chance, up to so many bytes of garbage go before what was received.
    Garbage(f64, u64),
}

/// State of the whole proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Control {
    way: Way,
    /// Nobody listens.
    refuse: bool,
    /// Links that were made under a lower number are cut.
    cut: u64,
    /// Links that were made under a lower number are open and dead.
    frozen: u64,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    control: watch::Sender<Control>,
    live: Arc<AtomicU64>,
    frozen: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and forwards to `reader`.
    pub(crate) async fn bind(reader: SocketAddr, dice: Dice) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (control, told) = watch::channel(Control::default());
        let (live, frozen) = (Arc::default(), Arc::default());
        let counters = Counters { live: Arc::clone(&live), frozen: Arc::clone(&frozen) };
        let dice = Arc::new(Mutex::new(dice));
        let task = tokio::spawn(accept(listener, reader, told, counters, dice));
        Ok(Self { address, control, live, frozen, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Links that are open to the reader.
    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::SeqCst)
    }

    /// Those of them that are dead.
    pub(crate) fn frozen(&self) -> u64 {
        self.frozen.load(Ordering::SeqCst)
    }

    pub(crate) fn set_way(&self, way: Way) {
        self.control.send_modify(|control| control.way = way);
    }

    /// Cuts what is connected.
    pub(crate) fn cut(&self) {
        self.control.send_modify(|control| control.cut += 1);
    }

    /// Listens no more, or again.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.control.send_modify(|control| control.refuse = refuse);
    }

    /// What is connected stays open, and not a byte goes through any more.
    pub(crate) fn freeze(&self) {
        self.control.send_modify(|control| control.frozen += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Debug)]
struct Counters {
    live: Arc<AtomicU64>,
    frozen: Arc<AtomicU64>,
}

async fn accept(
    listener: TcpListener,
    reader: SocketAddr,
    mut told: watch::Receiver<Control>,
    counters: Counters,
    dice: Arc<Mutex<Dice>>,
) {
    let mut links = JoinSet::new();
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    loop {
        // As with a reader that is not there, nobody listens.
        let refuses = told.borrow_and_update().refuse;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        tokio::select! {
            Some(accepted) = next(&listener) => {
                let Ok((daemon, _)) = accepted else { continue };
                let dice = lock(&dice).fork();
                links.spawn(link(daemon, reader, told.clone(), counters.clone(), dice));
            }
            _ = links.join_next(), if !links.is_empty() => {}
            changed = told.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

async fn next(listener: &Option<TcpListener>) -> Option<std::io::Result<(TcpStream, SocketAddr)>> {
    match listener {
        Some(listener) => Some(listener.accept().await),
        None => std::future::pending().await,
    }
}

/// One link, from its connection to its end.
async fn link(
    daemon: TcpStream,
    reader: SocketAddr,
    mut told: watch::Receiver<Control>,
    counters: Counters,
    dice: Dice,
) {
    let born = *told.borrow();
    let Ok(upstream) = TcpStream::connect(reader).await else { return };
    let _ = (daemon.set_nodelay(true), upstream.set_nodelay(true));
    counters.live.fetch_add(1, Ordering::SeqCst);
    let (from_daemon, mut to_daemon) = daemon.into_split();
    let (from_reader, to_reader) = upstream.into_split();
    let ways = told.clone();
    let mut traffic = Traffic { ways, dice };
    {
        let down = traffic.carry(from_reader, &mut to_daemon);
        let up = forward(from_daemon, to_reader);
        tokio::pin!(down, up);
        let is_frozen = tokio::select! {
            () = &mut down => false,
            () = &mut up => false,
            told = told.wait_for(|now| now.cut > born.cut || now.frozen > born.frozen) => {
                told.is_ok_and(|now| now.cut == born.cut)
            }
        };
        if is_frozen {
            // The sockets stay open, unread and unwritten, until the link is cut.
            counters.frozen.fetch_add(1, Ordering::SeqCst);
            let _ = told.wait_for(|now| now.cut > born.cut).await;
            counters.frozen.fetch_sub(1, Ordering::SeqCst);
        }
    }
    counters.live.fetch_sub(1, Ordering::SeqCst);
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let Some(bytes) = chunk.get(..count) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

struct Traffic {
    ways: watch::Receiver<Control>,
    dice: Dice,
}

impl Traffic {
    async fn carry(&mut self, mut from: OwnedReadHalf, to: &mut OwnedWriteHalf) {
        let mut chunk = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            let mut bytes = chunk.get(..count).unwrap_or_default().to_vec();
            let way = self.ways.borrow().way;
            if let Way::Coalesce(wait) = way {
                let until = tokio::time::Instant::now() + wait;
                while let Ok(Ok(count @ 1..)) = tokio::time::timeout_at(until, from.read(&mut chunk)).await {
                    bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
                }
            }
            self.spoil(way, &mut bytes);
            if self.send(way, &bytes, to).await.is_err() {
                return;
            }
        }
    }

    fn spoil(&mut self, way: Way, bytes: &mut Vec<u8>) {
        match way {
            Way::Flip(chance) => {
                for byte in bytes {
                    if self.dice.share() < chance {
                        *byte ^= 1 << self.dice.below(8);
                    }
                }
            }
            Way::Garbage(chance, most) if self.dice.share() < chance => {
                let garbage: Vec<u8> =
                    (0..self.dice.range(1, most)).map(|_| self.dice.below(256) as u8).collect();
                bytes.splice(0..0, garbage);
            }
            _ => {}
        }
    }

    async fn send(&mut self, way: Way, bytes: &[u8], to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let Way::Split(least, most) = way else { return to.write_all(bytes).await };
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = (self.dice.range(least, most) as usize).min(rest.len());
            let (piece, behind) = rest.split_at(size);
            to.write_all(piece).await?;
            to.flush().await?;
            // Without a pause the kernel would join the pieces again.
            tokio::task::yield_now().await;
            rest = behind;
        }
        Ok(())
    }
}
