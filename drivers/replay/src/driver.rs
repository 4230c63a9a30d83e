//! The driver: from a recording to a session that plays it.

use std::fmt;
use std::future::ready;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rfid_core::recording::{Kept, Recorder};
use rfid_core::settings::schema_of;
use rfid_core::{
    Clock, ConfigFaults, Description, Driver, DynSession, Error, ErrorKind, Listening, Name, ReadBuf,
    ReaderInfo, ReaderSetup, Result, Retry, Session, Settings, Stamp,
};
use rfid_driver_link::Connect;
use tokio::time::timeout;

use crate::config::ReplayConfig;
use crate::line::{Line, Script};
use crate::stage::{Seat, Stage};
use crate::tape::{Mark, Tape};

/// Name of the driver in a configuration.
pub const NAME: &str = "replay";

/// On the clock of a recording its reader may be silent for as long as it was away.
const SILENCE_LIMIT: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How often a replay that lives by the host's own time gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Reads of one batch at most, whatever a recording says.
const MOST_READS: u32 = 65_536;

const EXAMPLE: &str = r#"file = "door.rfidrec"                # as `rfid-host record door door.rfidrec` writes it
speed = 10                           # 1: as it was recorded; 10: ten times as fast
"#;

/// Makes a session over connections that are made for it.
pub type SessionOver =
    fn(&Settings, &ReaderSetup, PlayedConnections) -> Result<Box<dyn DynSession>, ConfigFaults>;

/// A driver whose recordings can be played.
#[derive(Clone, Copy)]
pub struct RecordedDriver {
    /// Its name.
    pub name: &'static str,
    /// A session of it.
    pub session: SessionOver,
}

impl fmt::Debug for RecordedDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Connections on which a recording answers.
#[derive(Debug)]
pub struct PlayedConnections(Script);

impl Connect for PlayedConnections {
    type Stream = PlayedConnection;

    fn connect(&mut self) -> impl Future<Output = io::Result<PlayedConnection>> + Send {
        ready(self.0.connect())
    }
}

/// One of them.
pub type PlayedConnection = Line;

/// The driver `replay`.
#[derive(Debug)]
pub struct Replay {
    drivers: Arc<[RecordedDriver]>,
    stage: Mutex<Option<Arc<Stage>>>,
}

impl Replay {
    /// Plays recordings of these drivers.
    pub fn new(drivers: impl IntoIterator<Item = RecordedDriver>) -> Self {
        Self { drivers: drivers.into_iter().collect(), stage: Mutex::new(None) }
    }

    /// Has the sessions that are made for these readers from now on play together: they wait for
    /// each other and hand over in the order of what they have recorded. Returns the clock that
    /// they move, by which their supervisors and pipelines must live.
    ///
    /// A session of another reader plays for itself, and what it hands over counts as heard now.
    pub fn play_together(&self, readers: impl IntoIterator<Item = Name>) -> Arc<dyn Clock> {
        let stage = Stage::new(readers);
        let clock = Arc::new(stage.clock().clone());
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
        clock
    }
}

impl Driver for Replay {
    fn describe(&self) -> Description {
        Description {
            name: NAME,
            summary: "Plays what `rfid-host record` has recorded, as a reader",
            schema: schema_of::<ReplayConfig>(),
            example: EXAMPLE,
        }
    }

    fn session(
        &self,
        settings: &Settings,
        reader: &ReaderSetup,
    ) -> Result<Box<dyn DynSession>, ConfigFaults> {
        let config = settings.parse::<ReplayConfig>()?.check()?;
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let plan = Plan {
            reader: reader.reader.clone(),
            file: config.file.into(),
            speed: config.speed,
            drivers: Arc::clone(&self.drivers),
            stage: stage.filter(|stage| stage.has(&reader.reader)),
        };
        Ok(Box::new(ReplaySession { plan, is_open: false, playing: None }))
    }
}

/// A session that plays one recording.
struct ReplaySession {
    plan: Plan,
    is_open: bool,
    playing: Option<Playing>,
}

/// What is to be played, and how.
struct Plan {
    reader: Name,
    file: PathBuf,
    speed: f64,
    drivers: Arc<[RecordedDriver]>,
    /// Where it plays together with others; for itself if there is none.
    stage: Option<Arc<Stage>>,
}

/// A recording that is being played.
struct Playing {
    tape: Tape,
    /// The driver that made the recording; none where it has what the driver delivered.
    inner: Option<Box<dyn DynSession>>,
    /// The last batch, and how many of its reads have been handed over.
    batch: ReadBuf,
    handed_over: usize,
    /// Why the driver's last call failed: then the recording must say that the session was over.
    failed: Option<Error>,
    is_up: bool,
    next: Next,
    seat: Seat,
    /// Whether the host lives by the clock of the recording.
    has_host_clock: bool,
}

/// What is next to be handed over.
enum Next {
    /// That nobody listens yet.
    Silence(Listening, Stamp),
    /// This, at this moment.
    Due(Stamp, Output),
    /// The rest of the batch.
    Rest,
    /// What comes next in the recording.
    Unknown,
    /// Nothing any more.
    Nothing,
}

#[derive(Clone)]
enum Output {
    Batch,
    Listening(Listening),
    Outage(Stamp),
    End(Option<String>),
}

impl Plan {
    /// Opens the recording and plays it up to where the inventory first runs.
    async fn begin(&self) -> Result<(Playing, ReaderInfo)> {
        let tape = Tape::open(&self.file).await?;
        let inner = match tape.header.kept {
            Kept::Bytes => Some(self.driver_of(&tape)?),
            Kept::Delivered => None,
        };
        let has_host_clock = self.stage.is_some();
        let stage = self.stage.clone().unwrap_or_else(|| Stage::new([self.reader.clone()]));
        let seat = stage.join(&self.reader, tape.first, tape.header.clock_began, self.speed).await?;
        let mut playing = Playing {
            tape,
            inner,
            batch: ReadBuf::with_capacity(1),
            handed_over: 0,
            failed: None,
            is_up: false,
            next: Next::Unknown,
            seat,
            has_host_clock,
        };
        loop {
            let (at, mark) = playing.tape.wind("open").await?;
            let info = match mark {
                Mark::Up { capacity } => playing.come_up(capacity, "open").await?,
                Mark::Reading(info) => playing.meet(*info, "open")?,
                Mark::Down { .. } => {
                    playing.tape.script.clear();
                    continue;
                }
                Mark::Read { .. } | Mark::Delivered(_) => return Err(playing.out_of_order("open")),
                Mark::End(_) => {
                    return Err(Error::new(ErrorKind::Unsupported, "open")
                        .with_detail("nothing was read while it was recorded"));
                }
            };
            playing.next = Next::Silence(listening(&info), at);
            return Ok((playing, info));
        }
    }

    /// A session of the driver that made a recording of bytes, over what is recorded.
    fn driver_of(&self, tape: &Tape) -> Result<Box<dyn DynSession>> {
        let header = &tape.header;
        let driver = self.drivers.iter().find(|driver| driver.name == header.driver).ok_or_else(|| {
            let known: Vec<&str> = self.drivers.iter().map(|driver| driver.name).collect();
            Error::new(ErrorKind::Unsupported, "open").with_detail(format!(
                "it was recorded with the driver \"{}\"; this build plays recordings of {}",
                header.driver,
                known.join(", ")
            ))
        })?;
        let setup = ReaderSetup {
            reader: self.reader.clone(),
            antenna_ports: header.antenna_ports.clone(),
            recorder: Recorder::default(),
        };
        let options = Settings::new(header.options.clone());
        let inner = (driver.session)(&options, &setup, PlayedConnections(tape.script.clone()));
        inner.map_err(|faults| {
            Error::new(ErrorKind::Unsupported, "open").with_detail(format!(
                "the options that it was recorded with are refused: {faults}; it was recorded by rfid-host {}",
                header.host_version
            ))
        })
    }
}

impl Session for ReplaySession {
    async fn open(&mut self) -> Result<ReaderInfo> {
        self.playing = None;
        let (playing, info) = self.plan.begin().await?;
        (self.playing, self.is_open) = (Some(playing), true);
        let model = format!("{} (replay)", info.model);
        let silence_limit = if self.plan.stage.is_some() { SILENCE_LIMIT } else { 4 * SIGN_OF_LIFE };
        Ok(ReaderInfo { model, silence_limit, ..info })
    }

    /// Once more begins the recording anew.
    async fn start(&mut self) -> Result<()> {
        if self.playing.is_none() && self.is_open {
            self.playing = Some(self.plan.begin().await?.0);
        }
        if self.is_open { Ok(()) } else { Err(not_open("start")) }
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        let playing = self.playing.as_mut().ok_or_else(|| not_open("read"))?;
        let was_over = matches!(playing.next, Next::Nothing);
        if playing.has_host_clock {
            playing.read(buf).await?;
        } else {
            timeout(SIGN_OF_LIFE, playing.read(buf)).await.unwrap_or(Ok(()))?;
        }
        if !was_over && let Next::Nothing = playing.next {
            tracing::info!(
                reader = %self.plan.reader,
                file = %self.plan.file.display(),
                "the recording has been played to its end; its time stands still"
            );
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.playing = None;
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        (self.playing, self.is_open) = (None, false);
        Ok(())
    }
}

impl Playing {
    /// Hands over what comes next, when it is time.
    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        loop {
            match &self.next {
                Next::Unknown => self.next = self.play().await?,
                Next::Silence(up, at) => {
                    let (up, at) = (Output::Listening(up.clone()), *at);
                    buf.notice_listening(Listening::None);
                    self.next = Next::Due(at, up);
                    return Ok(());
                }
                Next::Due(at, output) => {
                    let (at, output) = (*at, output.clone());
                    self.seat.turn(at).await;
                    match output {
                        Output::Batch => {
                            self.next = Next::Rest;
                            continue;
                        }
                        Output::Listening(listening) => {
                            buf.notice_listening(listening);
                            self.next = Next::Unknown;
                        }
                        Output::Outage(since) => {
                            self.notice_outage(since, buf);
                            self.next = Next::Unknown;
                        }
                        Output::End(why) => {
                            if let Some(why) = why {
                                tracing::warn!(why, "the recording was broken off");
                            }
                            self.notice_outage(at, buf);
                            self.next = Next::Nothing;
                        }
                    }
                    return Ok(());
                }
                Next::Rest => {
                    self.handed_over = buf.take_from(&mut self.batch, self.handed_over);
                    if self.handed_over >= self.batch.len() {
                        self.batch.clear();
                        (self.handed_over, self.next) = (0, Next::Unknown);
                    }
                    return Ok(());
                }
                // Time goes on for the others, and here it stands still.
                Next::Nothing => {
                    self.seat.leave();
                    return std::future::pending().await;
                }
            }
        }
    }

    fn notice_outage(&self, since: Stamp, buf: &mut ReadBuf) {
        if self.has_host_clock {
            buf.notice_listening_since(Listening::None, self.seat.on_stage(since));
        } else {
            buf.notice_listening(Listening::None);
        }
    }

    /// Plays the recording up to its next mark. The driver's calls do not wait: all that it is to
    /// hear is there.
    async fn play(&mut self) -> Result<Next> {
        const OP: &str = "read";
        loop {
            let (at, mark) = self.tape.wind(OP).await?;
            if let Some(error) = self.failed.take()
                && matches!(mark, Mark::Up { .. } | Mark::Read { .. })
            {
                return Err(self.parted(OP, &format!("the driver fails: {error:#}")));
            }
            let output = match (mark, self.is_up) {
                (Mark::Read { reads }, true) => {
                    self.replay_read(reads).await?;
                    Output::Batch
                }
                (Mark::Delivered(batch), true) => {
                    self.must_be_alone(OP)?;
                    self.batch = *batch;
                    Output::Batch
                }
                (Mark::Down { since }, true) => {
                    self.is_up = false;
                    self.tape.script.end();
                    if let Some(inner) = &mut self.inner {
                        // It speaks with nobody.
                        let _ = inner.close().await;
                    }
                    Output::Outage(since)
                }
                // A session that did not come to read.
                (Mark::Down { .. }, false) => {
                    self.tape.script.clear();
                    continue;
                }
                (Mark::Up { capacity }, false) => {
                    Output::Listening(listening(&self.come_up(capacity, OP).await?))
                }
                (Mark::Reading(info), false) => Output::Listening(listening(&self.meet(*info, OP)?)),
                (Mark::End(why), _) => Output::End(why),
                (Mark::Read { .. } | Mark::Delivered(_), false)
                | (Mark::Up { .. } | Mark::Reading(_), true) => return Err(self.out_of_order(OP)),
            };
            return Ok(Next::Due(at, output));
        }
    }

    /// Has the driver open its session and begin the inventory.
    async fn come_up(&mut self, capacity: u32, op: &'static str) -> Result<ReaderInfo> {
        let Some(inner) = &mut self.inner else { return Err(self.out_of_order(op)) };
        let opened = match inner.open().await {
            Ok(info) => inner.start().await.map(|()| info),
            Err(error) => Err(error),
        };
        let info = opened.map_err(|error| self.parted(op, &format!("the driver fails: {error:#}")))?;
        self.must_agree(op)?;
        self.is_up = true;
        self.batch = ReadBuf::with_capacity(capacity.clamp(1, MOST_READS) as usize);
        Ok(info)
    }

    /// Takes the word of the recording for what its reader is.
    fn meet(&mut self, info: ReaderInfo, op: &'static str) -> Result<ReaderInfo> {
        self.must_be_alone(op)?;
        self.is_up = true;
        Ok(info)
    }

    /// Makes sure that no driver plays and none said or heard anything.
    fn must_be_alone(&self, op: &'static str) -> Result<()> {
        if self.inner.is_none() && self.tape.script.is_empty() { Ok(()) } else { Err(self.out_of_order(op)) }
    }

    /// Has the driver read once.
    async fn replay_read(&mut self, reads: u32) -> Result<()> {
        const OP: &str = "read";
        let Some(inner) = &mut self.inner else { return Err(self.out_of_order(OP)) };
        self.failed = inner.read(&mut self.batch).await.err();
        self.must_agree(OP)?;
        if self.batch.len() != reads as usize {
            let heard = self.batch.len();
            return Err(self.parted(OP, &format!("the driver finds {heard} reads where there were {reads}")));
        }
        Ok(())
    }

    /// Makes sure that the driver did what it did when it was recorded.
    fn must_agree(&self, op: &'static str) -> Result<()> {
        if let Some(parted) = self.tape.script.parted() {
            return Err(self.parted(op, &parted));
        }
        if self.tape.script.is_empty() {
            return Ok(());
        }
        Err(self.parted(op, "the driver returns before it has heard everything"))
    }

    fn parted(&self, op: &'static str, how: &str) -> Error {
        let how = self.tape.script.parted().unwrap_or_else(|| how.to_owned());
        Error::new(ErrorKind::Unsupported, op).with_detail(format!(
            "{:.3} s into the recording {how}; it was recorded by rfid-host {}: play it with that version, or record anew",
            self.tape.elapsed().as_secs_f64(),
            self.tape.header.host_version
        ))
    }

    fn out_of_order(&self, op: &'static str) -> Error {
        Error::new(ErrorKind::Damaged, op)
            .with_detail("the recording says things in an order in which they cannot have happened")
            .with_retry(Retry::Never)
    }
}

fn listening(info: &ReaderInfo) -> Listening {
    match info.antenna_ports.as_slice() {
        [] => Listening::All,
        ports => Listening::Ports(ports.to_vec()),
    }
}

fn not_open(op: &'static str) -> Error {
    Error::new(ErrorKind::Internal, op).with_detail("the session is not open or its inventory does not run")
}
