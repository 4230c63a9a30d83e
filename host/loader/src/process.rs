//! Instances in processes of their own: what happens to them happens to nobody else.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as BlockingStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender as JobSender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rfid_abi as abi;
use rustix::fs::OFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::incoming::{Incoming, Unasked};
use crate::line::{Line, To, WAITING_FROM, WAITING_TO};
use crate::message::{Abilities, Answer, Fault, FromInstance, ModuleInfo, Setup, ToInstance};
use crate::ring::{Memory, Taker};
use crate::teller::Teller;
use crate::there::There;
use crate::trust::Sealed;
use crate::wire::{self, Frame, FromProcess};

/// How often a process is asked how much memory it has.
const MEMORY_LOOK: Duration = Duration::from_secs(1);
/// Memory above the limit at which the kernel refuses more at once, between two looks.
const MEMORY_HEADROOM: u64 = 64 * 1024 * 1024;
/// How long a process may take to destroy its instance and end its module: the interface gives each of
/// `close`, `destroy` and `deinit` a second, and whoever stops the host does not wait for all.
const PARTING_LIMIT: Duration = Duration::from_secs(2);
/// How long a process whose socket is closed may take to be gone.
const END_LIMIT: Duration = Duration::from_millis(500);
/// Bytes read from a process at once.
const PIECE: usize = 64 * 1024;
/// Longest line that a plugin prints, as far as it is kept.
const LONGEST_PRINTED: usize = 1024;

/// What is run as the process of a plugin: this very program, told to be one.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments; the numbers of the descriptors with the plugin, with the memory for reads and
    /// with the libraries that the plugin brings along are added.
    pub arguments: Vec<OsString>,
}

/// Why a process did not come to be what it should.
pub(crate) enum Stillborn {
    /// What it said.
    Fault(Fault),
    /// How it ended, or what this host could not do.
    Ended(String),
}

/// A process that is not yet spoken with by a task.
pub(crate) struct Newborn {
    child: Reaped,
    stream: BlockingStream,
    printed: OwnedFd,
    memory: Memory,
    unasked: Arc<Unasked>,
    payload: Vec<u8>,
}

impl Newborn {
    /// Starts a process and has it load the plugin.
    ///
    /// *Behaviour*: waits at most for the limit.
    pub(crate) fn start(
        runner: &Runner,
        sealed: &Sealed,
        most_memory: u64,
        limit: Duration,
    ) -> Result<(Self, ModuleInfo), String> {
        let failed = |error: io::Error| format!("cannot start its process: {error}");
        let (ours, theirs) = BlockingStream::pair().map_err(failed)?;
        let (printed, prints) = io::pipe().map_err(failed)?;
        let (reads, memory) = Memory::new().map_err(failed)?;
        let mut handed_over = vec![sealed.memory.try_clone().map_err(failed)?, reads];
        for (_, library) in &sealed.brings {
            handed_over.push(library.memory.try_clone().map_err(failed)?);
        }
        let mut command = Command::new(&runner.program);
        command
            .arg0("rfid-host-plugin")
            .args(&runner.arguments)
            .args(handed_over.iter().map(|descriptor| descriptor.as_raw_fd().to_string()))
            .env_clear()
            .envs(
                ["LANG", "TZ", "RUST_BACKTRACE"]
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .env("PATH", "/usr/bin:/bin")
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(prints.try_clone().map_err(failed)?)
            .stderr(prints);
        let keep = move || prepare(&handed_over, most_memory).map_err(io::Error::from);
        // SAFETY: `prepare` makes system calls only; it neither allocates nor locks.
        unsafe { command.pre_exec(keep) };
        let child = Reaped(Some(on_keeper(move || command.spawn()).map_err(failed)?));
        let printed = OwnedFd::from(printed);
        let (unasked, payload) = (Arc::default(), Vec::new());
        let mut newborn = Self { child, stream: ours, printed, memory, unasked, payload };
        let said = newborn.next(Instant::now() + limit, None);
        match said.map_err(|stillborn| stillborn.said())? {
            Said::Module(module) => module.map(|module| (newborn, module)),
            Said::Answer(_) => Err("its process speaks out of turn".to_owned()),
        }
    }

    /// Has the process make an instance.
    ///
    /// *Behaviour*: waits at most for the limit.
    pub(crate) fn create(
        &mut self,
        setup: &Setup,
        teller: &Teller,
        limit: Duration,
    ) -> Result<Abilities, Stillborn> {
        let mut out = Vec::new();
        wire::put_setup(&mut out, setup, Teller::level());
        let sent = self.stream.set_write_timeout(Some(limit)).and_then(|()| self.stream.write_all(&out));
        if let Err(error) = sent {
            return Err(Stillborn::Ended(self.child.how_it_ended(&format!("does not listen: {error}"))));
        }
        match self.next(Instant::now() + limit, Some(teller))? {
            Said::Answer(Ok(Answer::Created(abilities))) => Ok(abilities),
            Said::Answer(Err(fault)) => Err(Stillborn::Fault(fault)),
            Said::Answer(Ok(_)) | Said::Module(_) => {
                Err(Stillborn::Ended("its process speaks out of turn".to_owned()))
            }
        }
    }

    /// Waits for what was asked for.
    fn next(&mut self, until: Instant, teller: Option<&Teller>) -> Result<Said, Stillborn> {
        loop {
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let got = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| wire::read_frame(&mut self.stream, &mut self.payload));
            let kind = match got {
                Ok(Some(kind)) => kind,
                Ok(None) => return Err(Stillborn::Ended(self.child.how_it_ended("closed its line"))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Stillborn::Ended(
                        "it did not answer in time, and its process was ended".to_owned(),
                    ));
                }
                Err(error) => return Err(Stillborn::Ended(self.child.how_it_ended(&error.to_string()))),
            };
            match wire::from_process(kind, &self.payload).map_err(Stillborn::Ended)? {
                FromProcess::Module(module) => return Ok(Said::Module(module)),
                FromProcess::Said(FromInstance::Answer(answer)) => return Ok(Said::Answer(answer)),
                FromProcess::Log(line) => {
                    if let Some(teller) = teller {
                        teller.say(&line);
                    }
                }
                // Its reads will wait for it.
                FromProcess::Noticed(noticed) => self.unasked.notice(noticed),
                FromProcess::Said(_) | FromProcess::Bell => {}
            }
        }
    }

    /// A line to the instance, served by a task. Must be called within a tokio runtime.
    pub(crate) fn into_line(self, teller: Teller, most_memory: u64) -> io::Result<Line> {
        self.stream.set_nonblocking(true)?;
        let (said, to) = mpsc::channel(WAITING_TO);
        let (out, from) = mpsc::channel(WAITING_FROM);
        let end = Arc::new(Mutex::new(None));
        let incoming = Incoming::new(Taker::new(Arc::new(self.memory)), Arc::clone(&self.unasked));
        let for_line = teller.clone();
        let link = Link {
            child: self.child,
            stream: UnixStream::from_std(self.stream)?,
            printed: Some(pipe::Receiver::from_owned_fd(self.printed)?),
            teller,
            most_memory,
            to,
            from: out,
            unasked: self.unasked,
            inbox: Vec::new(),
            outbox: Vec::new(),
            line: Vec::new(),
            end: Arc::clone(&end),
            _there: There::new(),
        };
        let task = tokio::spawn(link.serve());
        Ok(Line::new(
            To::Process(Process { to: said, end, task, is_closed: false }),
            from,
            incoming,
            for_line,
        ))
    }
}

enum Said {
    Module(Result<ModuleInfo, String>),
    Answer(Result<Answer, Fault>),
}

impl Stillborn {
    pub(crate) fn said(self) -> String {
        match self {
            Self::Fault(fault) => fault.message,
            Self::Ended(how) => how,
        }
    }
}

/// What happens between `fork` and `exec`.
fn prepare(handed_over: &[OwnedFd], most_memory: u64) -> rustix::io::Result<()> {
    for descriptor in handed_over {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
    }
    // The socket's end says the same, but not to a plugin that has closed it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    let data = most_memory.saturating_add(MEMORY_HEADROOM);
    rustix::process::setrlimit(Resource::Data, Rlimit { current: Some(data), maximum: Some(data) })?;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

/// A process of a plugin that a task speaks with. Dropped, it is ended: in order if its instance was
/// closed, at once if nobody knows what it is doing.
pub(crate) struct Process {
    to: mpsc::Sender<ToProcess>,
    end: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
    /// The instance is closed and does nothing.
    pub(crate) is_closed: bool,
}

enum ToProcess {
    Said(ToInstance),
    Cancel,
}

impl Process {
    pub(crate) fn send(&self, said: ToInstance) -> bool {
        self.to.try_send(ToProcess::Said(said)).is_ok()
    }

    pub(crate) fn cancel(&self) {
        // A line that is full is one to an instance that does not listen, which ends otherwise.
        let _ = self.to.try_send(ToProcess::Cancel);
    }

    /// How the process ended.
    pub(crate) fn end(&self) -> String {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.clone().unwrap_or_else(|| "its process does not listen any more".to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What is closed is not ended here: its task finds that nobody asks any more.
        if !self.is_closed {
            self.task.abort();
        }
    }
}

/// Carries what is said between a line and its process.
struct Link {
    stream: UnixStream,
    /// Behind the stream, so that the process sees the end before it is ended.
    child: Reaped,
    printed: Option<pipe::Receiver>,
    teller: Teller,
    most_memory: u64,
    to: mpsc::Receiver<ToProcess>,
    from: mpsc::Sender<FromInstance>,
    unasked: Arc<Unasked>,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    line: Vec<u8>,
    end: Arc<Mutex<Option<String>>>,
    /// Behind the process.
    _there: There,
}

impl Link {
    async fn serve(mut self) {
        let why = match self.carry().await {
            Ok(()) => return self.part().await,
            Err(why) => why,
        };
        let how = self.child.how_it_ended_soon(why).await;
        self.take_last_words();
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        // With `from` goes the last that was to be heard.
    }

    /// Until the line is given up, or something is wrong with the process.
    async fn carry(&mut self) -> Result<(), Wrong> {
        let mut look = tokio::time::interval(MEMORY_LOOK);
        loop {
            tokio::select! {
                said = self.to.recv() => match said {
                    None => return Ok(()),
                    Some(ToProcess::Cancel) => wire::put_cancel(&mut self.outbox),
                    Some(ToProcess::Said(said)) => wire::put_said(&mut self.outbox, &said),
                },
                ready = self.stream.readable() => {
                    ready.map_err(|error| Wrong::Line(error.to_string()))?;
                    self.hear()?;
                }
                ready = self.stream.writable(), if !self.outbox.is_empty() => {
                    ready.map_err(|error| Wrong::Line(error.to_string()))?;
                }
                ready = readable(&self.printed) => {
                    if !ready || !self.take_printed() {
                        self.printed = None;
                    }
                }
                _ = look.tick() => self.look_at_memory()?,
            }
            self.speak()?;
        }
    }

    /// Lets a process whose instance is closed destroy it and end by itself.
    async fn part(&mut self) {
        // It takes the end of the line for the end.
        let parting = async {
            let mut ended = self.stream.shutdown().await.map_err(|error| Wrong::Line(error.to_string()));
            while ended.is_ok() {
                ended = tokio::select! {
                    ready = self.stream.readable() => match ready {
                        Ok(()) => self.hear(),
                        Err(error) => Err(Wrong::Line(error.to_string())),
                    },
                    ready = readable(&self.printed) => {
                        if !ready || !self.take_printed() {
                            self.printed = None;
                        }
                        Ok(())
                    }
                };
            }
        };
        let how = match tokio::time::timeout(PARTING_LIMIT, parting).await {
            Ok(()) => self.child.how_it_ended_soon(Wrong::Line("did not end by itself".to_owned())).await,
            Err(_) => "its process did not end by itself, and was ended".to_owned(),
        };
        self.take_last_words();
        if !self.child.is_over().is_some_and(|status| status.success()) {
            self.teller.say_bad_end(&how);
        }
    }

    fn speak(&mut self) -> Result<(), Wrong> {
        while !self.outbox.is_empty() {
            match self.stream.try_write(&self.outbox) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Wrong::Line(error.to_string())),
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<(), Wrong> {
        self.inbox.reserve(PIECE);
        match self.stream.try_read_buf(&mut self.inbox) {
            Ok(0) => return Err(Wrong::Line("closed its line".to_owned())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(Wrong::Line(error.to_string())),
        }
        let mut taken = 0;
        while let Some(Frame { kind, payload, len }) =
            wire::first_frame(self.inbox.get(taken..).unwrap_or_default()).map_err(Wrong::Nonsense)?
        {
            let is_in_turn = match wire::from_process(kind, payload).map_err(Wrong::Nonsense)? {
                FromProcess::Said(said) => self.from.try_send(said).is_ok(),
                FromProcess::Bell => self.unasked.ring(),
                FromProcess::Noticed(noticed) => {
                    self.unasked.notice(noticed);
                    true
                }
                FromProcess::Log(line) => {
                    self.teller.say(&line);
                    true
                }
                FromProcess::Module(_) => false,
            };
            if !is_in_turn {
                return Err(Wrong::Nonsense(format!("a frame of kind {kind} out of turn")));
            }
            taken += len;
        }
        self.inbox.drain(..taken);
        Ok(())
    }

    /// Says what the process printed; whether there can be more.
    fn take_printed(&mut self) -> bool {
        let Some(printed) = &self.printed else { return false };
        let mut piece = [0; 4096];
        let got = match printed.try_read(&mut piece) {
            Ok(0) => return false,
            Ok(got) => got,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        for byte in piece.get(..got).unwrap_or_default() {
            if *byte == b'\n' {
                self.say_printed();
            } else if self.line.len() < LONGEST_PRINTED {
                self.line.push(*byte);
            }
        }
        true
    }

    fn say_printed(&mut self) {
        if !self.line.is_empty() {
            self.teller.say_printed("printed", &String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }

    /// What was printed before the end often says why.
    fn take_last_words(&mut self) {
        for _ in 0..16 {
            if !self.take_printed() {
                break;
            }
        }
        self.say_printed();
    }

    fn look_at_memory(&self) -> Result<(), Wrong> {
        // Reading from /proc waits for no disk.
        let Some(used) = self.child.pid().and_then(resident_bytes) else { return Ok(()) };
        if used > self.most_memory {
            let mib = |bytes: u64| bytes / (1024 * 1024);
            let (used, may) = (mib(used), mib(self.most_memory));
            return Err(Wrong::Memory(format!("it had {used} MiB of memory and may have {may} MiB")));
        }
        Ok(())
    }
}

/// Why a process is not spoken with any more.
enum Wrong {
    /// Its line is closed or broken, most often because it is gone.
    Line(String),
    /// It says what our end never says: the plugin meddles.
    Nonsense(String),
    Memory(String),
}

async fn readable(printed: &Option<pipe::Receiver>) -> bool {
    match printed {
        Some(printed) => printed.readable().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// The resident memory of a process.
fn resident_bytes(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A child that is ended and waited for when it is dropped.
struct Reaped(Option<Child>);

impl Reaped {
    fn pid(&self) -> Option<Pid> {
        self.0.as_ref().map(Pid::from_child)
    }

    fn is_over(&mut self) -> Option<ExitStatus> {
        self.0.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// How the process ended, or else this.
    fn how_it_ended(&mut self, otherwise: &str) -> String {
        let until = Instant::now() + END_LIMIT;
        loop {
            if let Some(status) = self.is_over() {
                return in_words(status);
            }
            if Instant::now() >= until {
                return format!("its process {otherwise}, and was ended");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    async fn how_it_ended_soon(&mut self, why: Wrong) -> String {
        let otherwise = match why {
            Wrong::Memory(what) => return format!("{what}, and its process was ended"),
            Wrong::Nonsense(what) => return format!("its process said nonsense ({what}) and was ended"),
            Wrong::Line(what) => what,
        };
        let until = Instant::now() + END_LIMIT;
        while Instant::now() < until {
            if let Some(status) = self.is_over() {
                return in_words(status);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        format!("its process {otherwise}, and was ended")
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // Also what it may have started: it leads a group of its own.
        let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.kill();
        if !matches!(child.try_wait(), Ok(Some(_))) {
            keeper(Box::new(move || drop(child.wait())));
        }
    }
}

fn in_words(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = match signal {
                4 => " (SIGILL)",
                6 => " (SIGABRT)",
                7 => " (SIGBUS)",
                8 => " (SIGFPE)",
                9 => " (SIGKILL)",
                11 => " (SIGSEGV)",
                15 => " (SIGTERM)",
                _ => "",
            };
            format!("its process was ended by signal {signal}{name}")
        }
        (None, code) => format!("its process ended by itself with exit code {}", code.unwrap_or(-1)),
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Has a thread do this that lives as long as this program. A process that is to end with its
/// parent ends with the *thread* that started it.
fn keeper(job: Job) {
    static JOBS: OnceLock<JobSender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (jobs, todo) = channel::<Job>();
        let serve = move || todo.into_iter().for_each(|job| job());
        if let Err(error) = std::thread::Builder::new().name("plugin-keeper".to_owned()).spawn(serve) {
            tracing::error!(%error, "no thread for starting the processes of plugins");
        }
        jobs
    });
    // Without the thread the job is dropped, and whoever waits for its result is told.
    let _ = jobs.send(job);
}

fn on_keeper<T: Send + 'static>(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (done, is_done) = sync_channel(1);
    keeper(Box::new(move || drop(done.send(job()))));
    is_done.recv().unwrap_or_else(|_| Err(io::Error::other("no thread to start it on")))
}

/// Takes the socket that a runner was started with from its standard input, where the plugin
/// would find it.
pub(crate) fn take_socket() -> io::Result<BlockingStream> {
    let stdin = io::stdin();
    let socket = rustix::io::fcntl_dupfd_cloexec(&stdin, 10)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(BlockingStream::from(socket))
}

/// The descriptor of this number, for good.
pub(crate) fn descriptor(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: borrowed for the duplication only; a number that is no descriptor gives an error.
    let given = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(rustix::io::fcntl_dupfd_cloexec(given, 10)?)
}

/// A fault for what this host could not do.
pub(crate) fn host_fault(what: &str, error: &io::Error) -> Fault {
    Fault::new(abi::Status::INTERNAL, format!("{what}: {error}"))
}
