//! The daemon as a black box: a process, its log, its HTTP, its signals.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing that is waited for takes longer unless it is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Log lines that are kept.
const KEPT_LINES: usize = 4_000;

/// Where the lines of all daemons are kept.
static KEPT: OnceLock<Mutex<File>> = OnceLock::new();

/// Keeps what daemons log from now on in this file, too.
pub(crate) fn keep_log(path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    KEPT.get_or_init(|| Mutex::new(file));
    Ok(())
}

/// What the daemon wrote.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<LogLine>,
    pub(crate) count: u64,
    /// Lines that tell of a panic.
    pub(crate) panics: Vec<String>,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) level: String,
    pub(crate) text: String,
}

impl Log {
    fn push(&mut self, line: String) {
        self.count += 1;
        if let Some(kept) = KEPT.get() {
            // It is for people who look for a reason; the run does not depend on it.
            let _ = writeln!(lock(kept), "{line}");
        }
        let json: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        // Of the host: that of a plugin is told in a line of the log.
        if json.is_null() && line.contains("panicked") {
            self.panics.push(line.clone());
        }
        let level = json.get("level").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.lines.push_back(LogLine { level, text: line });
        if self.lines.len() > KEPT_LINES {
            self.lines.pop_front();
        }
    }

    /// Lines at warning level or above.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &LogLine> {
        self.lines.iter().filter(|line| matches!(line.level.as_str(), "WARN" | "ERROR"))
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &LogLine> {
        self.lines.iter()
    }
}

/// How a daemon is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) binary: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
    /// How many descriptors it may have.
    pub(crate) descriptors: Option<u64>,
}

impl Launch {
    fn command(&self) -> Command {
        let Some(descriptors) = self.descriptors else { return Command::new(&self.binary) };
        // The shell becomes the daemon, so its process id stays.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &descriptors.to_string()]).arg(&self.binary);
        command
    }
}

/// A running daemon; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    pid: u32,
    http: watch::Receiver<Option<SocketAddr>>,
    log: Arc<Mutex<Log>>,
    listening: JoinHandle<()>,
    started: Instant,
}

impl Daemon {
    /// Starts the process; it may take a while until it serves.
    pub(crate) fn spawn(launch: &Launch) -> Result<Self> {
        let mut child = launch
            .command()
            .args(["run", "--log-format", "json", "--config"])
            .arg(&launch.config)
            .envs(launch.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", launch.binary.display()))?;
        let pid = child.id().context("the daemon has no process id")?;
        let stderr = child.stderr.take().context("the daemon has no stderr")?;
        let log = Arc::new(Mutex::new(Log::default()));
        let (found, http) = watch::channel(None);
        let shared = Arc::clone(&log);
        let listening = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let json: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
                let address = json.pointer("/fields/http").and_then(Value::as_str);
                if let Some(address) = address.and_then(|address| address.parse().ok()) {
                    found.send_replace(Some(address));
                }
                lock(&shared).push(line);
            }
        });
        Ok(Self { child, pid, http, log, listening, started: Instant::now() })
    }

    /// Starts it and waits until it serves HTTP.
    pub(crate) async fn start(launch: &Launch) -> Result<Self> {
        let mut daemon = Self::spawn(launch)?;
        daemon.serving().await?;
        Ok(daemon)
    }

    /// Waits until it serves HTTP and returns where.
    pub(crate) async fn serving(&mut self) -> Result<SocketAddr> {
        let mut http = self.http.clone();
        let found = timeout(LIMIT, http.wait_for(Option::is_some)).await;
        let address = match found {
            Ok(Ok(address)) => *address,
            _ => None,
        };
        match address {
            Some(address) => Ok(address),
            None => {
                let said: Vec<String> = self.log().lines().map(|line| line.text.clone()).collect();
                bail!("the daemon does not start: {}", said.join(" | "))
            }
        }
    }

    pub(crate) fn http(&self) -> Option<SocketAddr> {
        *self.http.borrow()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// Status and body of a request.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Result<(u16, String)> {
        let address = self.http().context("the daemon serves no HTTP")?;
        timeout(LIMIT, ask(address, method, path, "", "")).await.context("HTTP does not answer")?
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(u16, String)> {
        self.ask("GET", path).await
    }

    /// Status of `/ready` and what it says.
    pub(crate) async fn readiness(&self) -> Result<(u16, Value)> {
        let (status, body) = self.get("/ready").await?;
        Ok((status, serde_json::from_str(&body).context("/ready is no JSON")?))
    }

    pub(crate) async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics(self.get("/metrics").await?.1))
    }

    /// Waits until every reader is up and every sink is open; returns how long that took.
    pub(crate) async fn until_ready(&self) -> Result<Duration> {
        let begin = Instant::now();
        until("readiness", LIMIT, async || Ok((self.readiness().await?.0 == 200).then_some(()))).await?;
        Ok(begin.elapsed())
    }

    /// Waits until this reader is, or is not, reading.
    pub(crate) async fn until_reader(&self, reader: &str, reads: bool, limit: Duration) -> Result<Duration> {
        let begin = Instant::now();
        let pointer = format!("/readers/{reader}/state");
        until(&format!("{reader} to be {}", if reads { "up" } else { "down" }), limit, async || {
            let (_, body) = self.readiness().await?;
            let is_up = body.pointer(&pointer).and_then(Value::as_str) == Some("reading");
            Ok((is_up == reads).then_some(()))
        })
        .await?;
        Ok(begin.elapsed())
    }

    pub(crate) async fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid.to_string()]).status().await?;
        if sent.success() { Ok(()) } else { bail!("the daemon is gone before SIG{name}") }
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGTERM, then the end: its status and how long it took.
    pub(crate) async fn terminate(&mut self) -> Result<(ExitStatus, Duration)> {
        self.signal("TERM").await?;
        let begin = Instant::now();
        Ok((self.end().await?, begin.elapsed()))
    }

    /// Waits for an end of its own accord.
    pub(crate) async fn end(&mut self) -> Result<ExitStatus> {
        let status = timeout(LIMIT, self.child.wait()).await.context("the daemon does not end")??;
        let _ = timeout(Duration::from_secs(1), &mut self.listening).await;
        Ok(status)
    }

    /// SIGKILL, as a crash.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        let _ = timeout(Duration::from_secs(1), &mut self.listening).await;
        Ok(())
    }
}

/// Counters and gauges as text.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(String);

impl Metrics {
    /// The value of one line, as in `rfid_reader_up{reader="r1"}`.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    pub(crate) fn reader(&self, metric: &str, reader: &str) -> u64 {
        self.value(&format!("{metric}{{reader=\"{reader}\"}}")).unwrap_or(0.0) as u64
    }

    /// All values of a metric together.
    pub(crate) fn sum(&self, metric: &str) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with(metric));
        let is_it = |line: &&str| line.get(metric.len()..).is_some_and(|rest| rest.starts_with(['{', ' ']));
        lines.filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
            as u64
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if begin.elapsed() > limit {
            bail!("{what} did not happen within {limit:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One request over a connection of its own, with these lines in its head. HTTP/1.0 asks for a body
/// without chunks.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.0\r\nHost: faults\r\n{head}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

/// What a command of the binary said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command of the binary to its end.
pub(crate) async fn command(binary: &Path, arguments: &[&str]) -> Result<Said> {
    let output = Command::new(binary).args(arguments).stdin(Stdio::null()).output();
    let output = timeout(LIMIT, output).await.with_context(|| format!("{arguments:?} does not end"))??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { ok: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

/// No holder leaves the state half changed, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
