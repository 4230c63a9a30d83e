//! Everything around a session, once, for all drivers: connecting and reconnecting, noticing
//! silence, telling which antennas listen, counting.

mod lane;
mod told;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use lane::{Lane, Shared};
use told::Told;

use crate::abilities::PinLevel;
use crate::backoff::Backoff;
use crate::clock::{Clock, Stamp, UtcTime};
use crate::driver::{DynSession, ReaderInfo};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::listening::Listening;
use crate::name::Name;
use crate::panics::guard;
use crate::pipeline::Outlet;
use crate::read_buf::ReadBuf;
use crate::recording::{AlreadyRecorded, Kept, Recorder, Recording};

/// Opening and starting a session may take this long.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// Stopping and closing a session may take this long each.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// A session that lived this long was healthy: the waits start again at the first.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The same where nobody answers, or where a reader went away that was reading: asking again costs
/// next to nothing, and whoever plugs it in again wants to see it read.
const LONGEST_WAIT_FOR_RETURN: Duration = Duration::from_secs(4);

/// Reads in one batch at most. A reader's buffer grows to what its batches need, so this bounds
/// the memory of each of a thousand readers.
const BATCH: usize = 128;

/// Antenna ports that are counted apart, and one place for reads without a port.
const PORTS: usize = 65;

/// Batches that a tap may lag behind before it misses some.
const TAPPED_BATCHES: usize = 64;

/// How a reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderState {
    /// Not yet connected.
    Connecting,
    /// The inventory is running.
    Reading {
        /// Maker and model.
        model: String,
        /// Firmware version.
        firmware: String,
        /// Since when.
        since: UtcTime,
    },
    /// Not connected; tried again later.
    Down {
        /// Why, as one line.
        reason: String,
        /// What kind of error it was.
        kind: ErrorKind,
        /// Since when.
        since: UtcTime,
    },
    /// Ended for good, because it was told to.
    Stopped,
}

impl ReaderState {
    /// Lower-case word for metrics and JSON.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Reading { .. } => "reading",
            Self::Down { .. } => "down",
            Self::Stopped => "stopped",
        }
    }
}

/// What is counted about one reader since it was started.
#[derive(Debug)]
pub struct ReaderCounters {
    /// Tag reads delivered.
    pub reads: AtomicU64,
    /// Batches delivered.
    pub batches: AtomicU64,
    /// Sessions that came to read.
    pub connects: AtomicU64,
    /// Sessions that failed or could not be opened.
    pub failures: AtomicU64,
    /// Reads that the reader or driver reported as lost.
    pub lost: AtomicU64,
    /// Tag reads by antenna port; the first place is for reads without a port.
    by_port: [AtomicU64; PORTS],
}

impl ReaderCounters {
    /// Tag reads delivered by this antenna port. Ports from 64 on share the count of 64.
    pub fn reads_by_port(&self, port: u16) -> u64 {
        self.by_port.get(usize::from(port).min(PORTS - 1)).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

impl Default for ReaderCounters {
    fn default() -> Self {
        Self {
            reads: AtomicU64::default(),
            batches: AtomicU64::default(),
            connects: AtomicU64::default(),
            failures: AtomicU64::default(),
            lost: AtomicU64::default(),
            by_port: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

/// Makes a session, anew after a panic of the one before. Its connections tell the recorder what
/// passes over them.
pub type MakeSession = Box<dyn Fn(&Recorder) -> Result<Box<dyn DynSession>> + Send + Sync>;

/// A reader that is being looked after.
#[derive(Debug)]
pub struct Supervisor {
    name: Name,
    state: watch::Receiver<ReaderState>,
    counters: Arc<ReaderCounters>,
    inputs: watch::Receiver<Vec<PinLevel>>,
    shared: Arc<Shared>,
    recorder: Recorder,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts to look after a reader. Must be called within a tokio runtime.
    ///
    /// A reader that is absent is no error: it is tried again and again, with waits that double
    /// from half a second to half a minute. `seed` decides their jitter.
    ///
    /// A reader with another serial number than `serial` is not read from; without one, than the
    /// first that was met.
    pub fn spawn(
        name: Name,
        serial: Option<String>,
        make_session: MakeSession,
        outlets: Vec<Outlet>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        let (state_out, state) = watch::channel(ReaderState::Connecting);
        let (inputs_out, inputs) = watch::channel(Vec::new());
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::new(ReaderCounters::default());
        let shared = Arc::new(Shared::new(outlets));
        let recorder = Recorder::new(Arc::clone(&clock));
        let care = Care {
            make_session,
            lane: Lane {
                buffer: ReadBuf::with_capacity(BATCH),
                shared: Arc::clone(&shared),
                life: Arc::new(Mutex::new(clock.now())),
                clock,
                counters: Arc::clone(&counters),
                name: name.clone(),
                inputs: inputs_out,
                is_ahead: false,
                recorder: recorder.clone(),
            },
            state: state_out,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed),
            told: Told::new(name.clone()),
            identity: Identity { is_configured: serial.is_some(), serial },
        };
        let task = tokio::spawn(care.run(stopped));
        Self { name, state, counters, inputs, shared, recorder, stop, task }
    }

    /// The reader's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How the reader is; changes can be waited for.
    pub fn state(&self) -> &watch::Receiver<ReaderState> {
        &self.state
    }

    /// Levels of the reader's inputs, as far as its session reports them; empty until it does.
    pub fn inputs(&self) -> &watch::Receiver<Vec<PinLevel>> {
        &self.inputs
    }

    /// What has been counted.
    pub fn counters(&self) -> &Arc<ReaderCounters> {
        &self.counters
    }

    /// Where the reader's reads go from now on, instead of where they went. The inventory goes on
    /// undisturbed, and every read goes to the outlets of before or to those of after. `now` is
    /// from when on the new ones are told which antennas listen.
    pub fn attach(&self, outlets: Vec<Outlet>, now: Stamp) {
        self.shared.attach(outlets, now);
    }

    /// A place from which the reader can be watched and recorded, and not changed.
    pub fn observer(&self) -> Observer {
        Observer {
            state: self.state.clone(),
            counters: Arc::clone(&self.counters),
            shared: Arc::clone(&self.shared),
            recorder: self.recorder.clone(),
        }
    }

    /// Ends the inventory, closes the session and returns when both are done.
    pub async fn stop(self) {
        // The task is gone only if it was told to stop before.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(reader = %self.name, %error, "the reader's task did not end cleanly");
        }
    }
}

/// Looks on while a reader is looked after, and may have it recorded. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Observer {
    state: watch::Receiver<ReaderState>,
    counters: Arc<ReaderCounters>,
    shared: Arc<Shared>,
    recorder: Recorder,
}

impl Observer {
    /// How the reader is at present.
    pub fn state(&self) -> ReaderState {
        self.state.borrow().clone()
    }

    /// What has been counted.
    pub fn counters(&self) -> &Arc<ReaderCounters> {
        &self.counters
    }

    /// Which antennas are listening at present.
    pub fn listening(&self) -> Listening {
        self.shared.listening()
    }

    /// Copies of all batches from now on. Who is too slow misses batches and is told how many.
    pub fn tap(&self) -> broadcast::Receiver<Arc<ReadBuf>> {
        self.shared.tap()
    }

    /// What passes between driver and reader, or what the driver delivers, from a new opening of
    /// the session on, which costs the reader a second or two. Who records too slowly is told, and
    /// holds nobody up.
    ///
    /// # Errors
    /// When somebody records this reader already.
    pub fn record(&self, kept: Kept) -> Result<Recording, AlreadyRecorded> {
        self.recorder.record(kept)
    }
}

struct Care {
    make_session: MakeSession,
    lane: Lane,
    state: watch::Sender<ReaderState>,
    backoff: Backoff,
    told: Told,
    identity: Identity,
}

impl Care {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut session = None;
        let recorder = self.lane.recorder.clone();
        while !*stopped.borrow() {
            recorder.begin();
            let opened_at = self.lane.clock.now();
            let end = tokio::select! {
                end = self.one_session(&mut session) => end,
                () = recorder.asked() => {
                    // A recording begins with an opening, so that it is whole.
                    self.end_session(&mut session).await;
                    continue;
                }
                _ = stopped.changed() => break,
            };
            let Err(error) = end else { continue };
            let was_reading = matches!(*self.state.borrow(), ReaderState::Reading { .. });
            self.close(&mut session).await;
            if self.lane.clock.now().since(opened_at) >= HEALTHY_AFTER {
                self.backoff.reset();
            }
            let wait = match error.retry() {
                Retry::After(wait) => wait,
                Retry::Reconnect if error.kind() == ErrorKind::Connect || was_reading => {
                    self.backoff.next_wait_within(LONGEST_WAIT_FOR_RETURN)
                }
                Retry::Reconnect => self.backoff.next_wait(),
                // What cannot work may be put right at the reader itself, so it is tried again,
                // but seldom.
                Retry::Never => LONGEST_WAIT,
            };
            self.went_down(&error, wait);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = recorder.asked() => {}
                _ = stopped.changed() => {}
                never = self.told.sum_up(&self.state) => match never {},
            }
        }
        self.end_session(&mut session).await;
        recorder.end();
        self.state.send_replace(ReaderState::Stopped);
    }

    /// Ends what an interrupted session had running, in an orderly way.
    async fn end_session(&mut self, session: &mut Option<Box<dyn DynSession>>) {
        self.lane.interrupt();
        if let Some(session) = session {
            let _ = timeout(CLOSE_LIMIT, guard("stop", session.stop())).await;
        }
        self.close(session).await;
    }

    /// Opens a session and reads until something goes wrong.
    async fn one_session(&mut self, session: &mut Option<Box<dyn DynSession>>) -> Result<()> {
        let session = match session {
            Some(session) => session,
            None => session.insert((self.make_session)(&self.lane.recorder)?),
        };
        let info = match self.start(&mut **session).await {
            Ok(info) => info,
            Err(error) => {
                self.lane.went_down(self.lane.clock.now());
                return Err(error);
            }
        };
        self.came_up(&info);
        let life = Arc::clone(&self.lane.life);
        let clock = Arc::clone(&self.lane.clock);
        let outcome = tokio::select! {
            outcome = guard("read", session.pump(&mut self.lane)) => outcome,
            silence = watch_for_silence(&life, &*clock, info.silence_limit) => Err(
                Error::new(ErrorKind::Timeout, "read").with_detail(format!(
                    "no sign of life for {:.1} s; the link or the reader is dead", silence.as_secs_f32()
                )),
            ),
            never = self.told.sum_up(&self.state) => match never {},
        };
        self.lane.interrupt();
        outcome
    }

    /// Opens the session and begins the inventory, if it is the right reader.
    async fn start(&mut self, session: &mut dyn DynSession) -> Result<ReaderInfo> {
        let info =
            timeout(CONNECT_LIMIT, guard("open", session.open())).await.map_err(|_| too_slow("open"))??;
        self.identity.check(&info)?;
        timeout(CONNECT_LIMIT, guard("start", session.start())).await.map_err(|_| too_slow("start"))??;
        Ok(info)
    }

    fn came_up(&mut self, info: &ReaderInfo) {
        let now = self.lane.came_up(info);
        self.lane.counters.connects.fetch_add(1, Ordering::Relaxed);
        self.told.reading(info);
        self.state.send_replace(ReaderState::Reading {
            model: info.model.clone(),
            firmware: info.firmware.clone(),
            since: now.utc,
        });
    }

    fn went_down(&mut self, error: &Error, wait: Duration) {
        self.lane.counters.failures.fetch_add(1, Ordering::Relaxed);
        let reason = format!("{error:#}");
        let since = match &*self.state.borrow() {
            ReaderState::Down { since, .. } => *since,
            _ => self.lane.clock.now().utc,
        };
        self.told.down(error, &reason, &self.state.borrow(), wait);
        self.state.send_replace(ReaderState::Down { reason, kind: error.kind(), since });
    }

    async fn close(&mut self, session: &mut Option<Box<dyn DynSession>>) {
        let Some(open) = session else { return };
        match timeout(CLOSE_LIMIT, guard("close", open.close())).await {
            Ok(Ok(())) => {}
            // A session that panicked, hangs or fails in closing may be in any state.
            _ => *session = None,
        }
    }
}

/// Who the reader is: by configuration, or as it was first met.
struct Identity {
    serial: Option<String>,
    is_configured: bool,
}

impl Identity {
    /// Makes sure that it is this reader and no other: another one has other antennas in other
    /// places, and would move customers about.
    fn check(&mut self, info: &ReaderInfo) -> Result<()> {
        let problem = match (&self.serial, &info.serial) {
            (Some(wanted), Some(serial)) if wanted == serial => return Ok(()),
            (None, serial) => {
                self.serial.clone_from(serial);
                return Ok(());
            }
            (Some(_), None) if !self.is_configured => return Ok(()),
            (Some(wanted), None) => {
                format!("the reader does not tell its serial number, and the configuration asks for {wanted}")
            }
            (Some(wanted), Some(serial)) if self.is_configured => format!(
                "this is another reader: serial number {serial} where the configuration asks for {wanted}; if it was replaced, change the key serial"
            ),
            (Some(met), Some(serial)) => format!(
                "this is another reader: serial number {serial} where {met} was; if it was replaced, restart the host"
            ),
        };
        Err(Error::new(ErrorKind::Protocol, "open").with_detail(problem).with_retry(Retry::Never))
    }
}

fn too_slow(op: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, op).with_detail(format!("not done within {} s", CONNECT_LIMIT.as_secs()))
}

/// Returns the silence once there has been no sign of life for longer than the limit.
async fn watch_for_silence(life: &Mutex<Stamp>, clock: &dyn Clock, limit: Duration) -> Duration {
    loop {
        let last = *life.lock().unwrap_or_else(PoisonError::into_inner);
        let silence = clock.now().since(last);
        if silence > limit {
            return silence;
        }
        tokio::time::sleep(limit - silence + Duration::from_millis(1)).await;
    }
}
