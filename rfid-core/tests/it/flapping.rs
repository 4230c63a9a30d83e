//! What the log says of something that comes and goes faster than anybody reads.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::pipeline::{FailurePolicy, OnFailure};
use rfid_core::{
    DurationText, Error, ErrorKind, Event, EventBatch, Name, Result, Sink, SinkHandle, Supervisor,
    SystemClock,
};
use tracing::subscriber::{DefaultGuard, set_default};

use crate::scripted_reader::{Act, Script, ScriptedReader, script};

/// What is logged by this thread.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    fn begin() -> (Self, DefaultGuard) {
        let logged = Self::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (logged, set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// A reader that does what is in the script, and feeds nobody.
fn reader_of(script: Script) -> Supervisor {
    Supervisor::spawn(
        Name::from("hubin_door"),
        None,
        Box::new(move |_| ScriptedReader::make(Arc::clone(&script))),
        Vec::new(),
        Arc::new(SystemClock::new()),
        1,
    )
}

/// Changes that the lines tell of, each itself and those that it sums up.
fn told(lines: &[String]) -> usize {
    let unsaid = |line: &String| -> usize {
        let sum = line.split("…and ").nth(1).and_then(|rest| rest.split(' ').next());
        sum.map_or(0, |number| number.parse().unwrap())
    };
    lines.iter().map(unsaid).sum::<usize>() + lines.len()
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_and_goes_is_summed_up() {
    let (logged, _guard) = Logged::begin();
    let acts = (0..6).flat_map(|_| [Act::Accept, Act::Wait(Duration::from_millis(100)), Act::Break]);
    let script = script(acts.chain([Act::Accept, Act::Wait(Duration::from_secs(600))]));
    let reader = reader_of(script);
    tokio::time::sleep(Duration::from_secs(59)).await;
    let lines = logged.lines();
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines[0].contains("reader is reading") && lines[1].contains("connection reset"), "{lines:#?}");

    tokio::time::sleep(Duration::from_secs(60)).await;
    let lines = logged.lines();
    let (last, earlier) = lines.split_last().unwrap();
    assert!(last.contains("reader is reading …and "), "how it is now: {lines:#?}");
    assert_eq!(told(earlier) + told(std::slice::from_ref(last)) - 1, 13, "six times up and down, and up");
    reader.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stays_away_gets_one_line() {
    let (logged, _guard) = Logged::begin();
    let script = script((0..400).map(|_| Act::Refuse));
    let reader = reader_of(script);
    tokio::time::sleep(Duration::from_secs(400)).await;
    let tries = reader.counters().failures.load(Ordering::Relaxed);
    assert!(tries > 10, "{tries}");
    let lines = logged.lines();
    assert!(lines.len() == 1 && lines[0].contains("reader is down; it is tried again"), "{lines:#?}");
    reader.stop().await;
}

/// Works while it is told to.
struct Flapping(Arc<AtomicBool>);

#[async_trait]
impl Sink for Flapping {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, _: &mut EventBatch) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Io, "deliver").with_detail("no space left on device")),
        }
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_again_and_again_is_summed_up() {
    let (logged, _guard) = Logged::begin();
    let works = Arc::new(AtomicBool::new(false));
    let policy =
        FailurePolicy { on_failure: OnFailure::Pass, patience: DurationText(Duration::from_millis(10)) };
    let sink =
        SinkHandle::builder(Name::from("visits"), Box::new(Flapping(works.clone()))).policy(policy).spawn();
    for change in 0..20 {
        works.store(change % 2 == 1, Ordering::Relaxed);
        // Tried each time, and said once for each change.
        for _ in 0..3 {
            sink.deliver(vec![Event::sample()]).await;
        }
    }
    assert_eq!(logged.lines().len(), 6, "{:#?}", logged.lines());
    tokio::time::sleep(Duration::from_secs(61)).await;
    let lines = logged.lines();
    let last = lines.last().unwrap();
    assert!(last.contains("sink is well …and 14 more in the last 60 s"), "{lines:#?}");
    sink.close().await;
    assert_eq!(logged.lines().len(), 7);
}
