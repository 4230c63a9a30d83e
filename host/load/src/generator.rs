//! Emulated readers, as cheap as they can be: one thread, rows that were written beforehand.

mod reader;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::time::{ClockId, clock_gettime};

use crate::machine::Cpus;
use crate::protocol::Protocol;
use reader::Reader;

/// A round of a Mercury 4 that listens for 100 to 500 ms gives 20 to 100 rows.
const ROWS_OF_ROUND: u32 = 100;

/// How long a round may last that is sent row by row: far less than what the driver waits for.
const ROUND_LASTS: f64 = 1.0;

/// Up to this rate each row is a packet of its own, as from readers that report at once.
const ROW_BY_ROW: f64 = 20_000.0;

/// Rows of a packet beyond that rate, at least.
const ROWS_OF_PACKET: u64 = 16;

/// What was due longer ago than this is not made up for: the program does not keep pace.
const MOST_BEHIND: f64 = 0.02;

/// How long the thread rests when there is nothing to do.
const REST: Duration = Duration::from_millis(2);

/// Readers that are to read nothing say so this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Which readers there are and what is before them.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Readers, each with a connection of its own.
    pub readers: u32,
    /// Tags before all readers together; each is before one reader, and each reader has one at least.
    pub tags: u32,
    /// What the readers speak.
    pub protocol: Protocol,
    /// Who begins a round.
    pub mode: Mode,
    /// Reads a second at which rounds end in time; `None` if readers send all that they can.
    pub rate: Option<f64>,
}

/// Who begins a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The reader: rows come without being asked for.
    #[default]
    Autonomous,
    /// The program: each round is an answer.
    Poll,
}

impl Mode {
    /// As the driver's option `mode` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Autonomous => "autonomous",
            Self::Poll => "poll",
        }
    }
}

/// How much readers send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Nothing but signs of life.
    Still,
    /// Reads a second, over all readers.
    Rate(f64),
    /// All that is taken.
    Full,
}

/// A tag that was shown for the first time, and when the last row went out that makes it present.
pub(crate) type Probe = (u32, Instant);

struct Shared {
    pace: Mutex<(Pace, f64)>,
    probes: Mutex<Vec<Probe>>,
    /// The number of the next tag that is shown for the first time.
    next_probe: AtomicU64,
    sent: AtomicU64,
    listening: AtomicU64,
    at_rest: AtomicU64,
    cpu_ns: AtomicU64,
    ends: AtomicBool,
}

/// The readers; they go when this is dropped.
pub(crate) struct Generator {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Generator {
    /// Readers that listen on ports of this machine. `first_probe` is the first tag that none of
    /// them has.
    pub(crate) fn start(layout: Layout, first_probe: u32, cpus: Cpus) -> Result<Self> {
        let rows = match layout.rate {
            None => ROWS_OF_ROUND,
            Some(rate) => ((rate / f64::from(layout.readers) * ROUND_LASTS) as u32).clamp(1, ROWS_OF_ROUND),
        };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let (mut addresses, mut readers) = (Vec::new(), Vec::new());
        for number in 0..layout.readers {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a reader cannot listen")?;
            listener.set_nonblocking(true)?;
            addresses.push(listener.local_addr()?);
            let key = epoll::EventData::new_u64(u64::from(number));
            epoll::add(&epoll, &listener, key, epoll::EventFlags::IN | epoll::EventFlags::ET)?;
            let tags = (number..layout.tags.max(layout.readers)).step_by(layout.readers as usize);
            readers.push(Reader::new(listener, tags, rows, layout.protocol, layout.mode));
        }
        let shared = Arc::new(Shared {
            pace: Mutex::new((Pace::Still, 0.0)),
            probes: Mutex::new(Vec::new()),
            next_probe: AtomicU64::new(u64::from(first_probe)),
            sent: AtomicU64::new(0),
            listening: AtomicU64::new(0),
            at_rest: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
            ends: AtomicBool::new(false),
        });
        let works = Work { epoll, readers, shared: Arc::clone(&shared), turn: 0, next_probe_at: None };
        let thread = std::thread::Builder::new().name("readers".to_owned()).spawn(move || {
            cpus.enter_generator();
            works.run()
        })?;
        Ok(Self { addresses, shared, thread: Some(thread) })
    }

    /// Where the readers listen.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Readers that were told to read.
    pub(crate) fn listening(&self) -> u64 {
        self.shared.listening.load(Ordering::Acquire)
    }

    /// Reads that went out so far.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// CPU time of the readers' thread.
    pub(crate) fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu_ns.load(Ordering::Acquire))
    }

    /// Changes how much is sent, and how many tags a second are shown for the first time.
    pub(crate) fn set_pace(&self, pace: Pace, probes: f64) {
        self.shared.at_rest.store(0, Ordering::Release);
        *lock(&self.shared.pace) = (pace, probes);
    }

    /// Whether everything that was begun is sent since readers were told to be still.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.shared.at_rest.load(Ordering::Acquire) > 1
    }

    /// Tags that were shown for the first time since this was last asked.
    pub(crate) fn take_probes(&self) -> Vec<Probe> {
        std::mem::take(&mut *lock(&self.shared.probes))
    }

    /// Whether the thread has come to an end by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()).map(JoinHandle::join) {
            None if self.thread.is_some() => Ok(()),
            Some(Ok(Err(error))) => Err(error.context("the emulated readers failed")),
            _ => anyhow::bail!("the emulated readers have gone"),
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // What went wrong with it was asked for while it mattered.
            let _ = thread.join();
        }
    }
}

struct Work {
    epoll: OwnedFd,
    readers: Vec<Reader>,
    shared: Arc<Shared>,
    /// Whose turn it is to send.
    turn: usize,
    next_probe_at: Option<Instant>,
}

impl Work {
    fn run(mut self) -> Result<()> {
        let mut events = Vec::with_capacity(1024);
        let (mut pace, mut begun, mut given, mut life) = (Pace::Still, Instant::now(), 0.0, Instant::now());
        while !self.shared.ends.load(Ordering::Acquire) {
            let (wanted, probes) = *lock(&self.shared.pace);
            let now = Instant::now();
            if wanted != pace {
                (pace, begun, given) = (wanted, now, 0.0);
            }
            let rest = match pace {
                Pace::Full => self.send_all()?,
                Pace::Rate(rate) => {
                    let due = rate * now.duration_since(begun).as_secs_f64();
                    given = f64::max(given, due - rate * MOST_BEHIND);
                    given += self.send_some((due - given) as u64, rate)? as f64;
                    self.show(now, probes)?;
                    Duration::from_secs_f64(((given + 1.0) / rate - begun.elapsed().as_secs_f64()).max(0.0))
                }
                Pace::Still => {
                    let says = now.duration_since(life) > SIGN_OF_LIFE;
                    if says {
                        life = now;
                    }
                    let mut at_rest = true;
                    for reader in &mut self.readers {
                        at_rest &= reader.rest(says)?;
                    }
                    if at_rest {
                        self.shared.at_rest.fetch_add(1, Ordering::AcqRel);
                    }
                    REST
                }
            };
            self.publish();
            // A nap is as fine as the kernel's timers; the wait itself counts in milliseconds.
            let rest = match (pace, rest) {
                (Pace::Rate(rate), rest) if rate > ROW_BY_ROW => rest.max(Duration::from_micros(500)),
                (_, rest) => rest,
            };
            let timeout = if pace == Pace::Full {
                Timespec::try_from(rest)?
            } else {
                std::thread::sleep(rest.min(REST));
                Timespec::default()
            };
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout))?;
            for event in events.drain(..) {
                let (number, flags) = (event.data.u64(), event.flags);
                if let Some(reader) = self.readers.get_mut(number as usize) {
                    reader.on_event(&self.epoll, number, flags)?;
                }
            }
        }
        Ok(())
    }

    fn publish(&self) {
        let sent = self.readers.iter().map(Reader::sent).sum();
        self.shared.sent.store(sent, Ordering::Release);
        let listening = self.readers.iter().filter(|reader| reader.is_listening()).count();
        self.shared.listening.store(listening as u64, Ordering::Release);
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let ns = cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64;
        self.shared.cpu_ns.store(ns, Ordering::Release);
    }

    /// Sends to each reader's client what it takes; returns how long to wait for more room.
    fn send_all(&mut self) -> Result<Duration> {
        let mut sent = 0;
        for reader in &mut self.readers {
            sent += reader.send(u64::MAX)?;
        }
        Ok(if sent > 0 { Duration::ZERO } else { REST })
    }

    /// Sends about so many rows, the readers in turn; returns how many.
    fn send_some(&mut self, due: u64, rate: f64) -> Result<u64> {
        let count = self.readers.len() as u64;
        let least = if rate > ROW_BY_ROW { ROWS_OF_PACKET } else { 1 };
        let packet = due.div_ceil(count.max(1)).max(least);
        let (mut sent, mut refused) = (0, 0);
        while sent + packet <= due && refused < count {
            let reader = self.turn % self.readers.len();
            self.turn += 1;
            let Some(reader) = self.readers.get_mut(reader) else { break };
            let rows = reader.send(packet)?;
            sent += rows;
            refused = if rows == 0 { refused + 1 } else { 0 };
        }
        Ok(sent)
    }

    /// Shows a new tag if it is time for one.
    fn show(&mut self, now: Instant, probes: f64) -> Result<()> {
        if probes <= 0.0 || self.next_probe_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        self.next_probe_at = Some(now + Duration::from_secs_f64(1.0 / probes));
        let number = self.shared.next_probe.load(Ordering::Relaxed) as u32;
        // The turns of new tags and of the others do not go together.
        let reader = number as usize % self.readers.len();
        let at = Instant::now();
        if self.readers.get_mut(reader).is_some_and(|reader| reader.can_show()) {
            self.shared.next_probe.store(u64::from(number) + 1, Ordering::Relaxed);
            lock(&self.shared.probes).push((number, at));
            if let Some(reader) = self.readers.get_mut(reader) {
                reader.show(number)?;
            }
        }
        Ok(())
    }
}

/// No holder leaves the state half changed, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
