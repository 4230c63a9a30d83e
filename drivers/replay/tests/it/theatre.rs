//! A line in simulated time: an emulated reader that is recorded, and recordings that are played.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::pipeline::PipelineBuilder;
use rfid_core::presence::{PresenceSettings, ReaderPlace, ZoneMap};
use rfid_core::recording::{Happened, Kept, Moment, Recording};
use rfid_core::{
    Clock, Driver, DurationText, DynSession, Event, EventBatch, EventKind, Name, Pipeline, ReaderSetup,
    ReaderState, Result, Settings, Sink, SinkHandle, Stamp, Supervisor, UtcTime,
};
use rfid_driver_llrp::emulator as llrp;
use rfid_driver_mercury4::emulator as mercury4;
use rfid_driver_replay::format::{Header, encode};
use rfid_driver_replay::{RecordedDriver, Replay};
use rfid_driver_thingmagic::emulator as thingmagic;
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout_at};

/// Both clocks on tokio's time.
#[derive(Debug)]
pub(crate) struct SimulatedClock(Instant);

impl SimulatedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }

    fn began() -> UtcTime {
        UtcTime::from_nanos(1_795_476_657_000_000_000)
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Stamp {
        let monotonic = self.0.elapsed();
        Stamp { monotonic, utc: Self::began().plus(monotonic) }
    }
}

/// A reader that is emulated, and away from one moment to another.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) options: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) away: Option<(Duration, Duration)>,
    pub(crate) kept: Kept,
}

impl Reader {
    pub(crate) fn mercury4(scenario: &'static str) -> Self {
        let options = "address = \"reader\"\ntime_out = \"50ms\"\nwatch_inputs = \"400ms\"\n";
        Self { name: "door", driver: "mercury4", options, scenario, away: None, kept: Kept::Bytes }
    }

    fn setup(&self) -> ReaderSetup {
        ReaderSetup { antenna_ports: vec![1, 2], ..ReaderSetup::named(self.name) }
    }

    fn header(&self) -> Header {
        let options: toml_value::Table =
            self.options.lines().map(|line| line.split_once(" = ").unwrap()).collect();
        Header {
            driver: self.driver.to_owned(),
            reader: self.name.to_owned(),
            options: options.0,
            antenna_ports: self.setup().antenna_ports,
            host_version: "0.1.0".to_owned(),
            clock_began: SimulatedClock::began(),
            kept: self.kept,
        }
    }

    fn session(&self, recorder: &rfid_core::Recorder) -> Result<Box<dyn DynSession>> {
        let settings = Settings::from_toml(self.options).unwrap();
        let setup = ReaderSetup { recorder: recorder.clone(), ..self.setup() };
        let (reader, began) = (self.clone(), Instant::now());
        let connect = move || std::future::ready(reader.connect(began));
        Ok(match self.driver {
            "mercury4" => rfid_driver_mercury4::session_over(&settings, &setup, connect).unwrap(),
            "llrp" => rfid_driver_llrp::session_over(&settings, &setup, connect).unwrap(),
            _ => rfid_driver_thingmagic::session_over(&settings, &setup, connect).unwrap(),
        })
    }

    fn connect(&self, began: Instant) -> io::Result<DuplexStream> {
        let away = self.away.map(|(from, until)| (began + from, began + until));
        let now = Instant::now();
        if away.is_some_and(|(from, until)| (from..until).contains(&now)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = duplex(64 * 1024);
        let ends = away.map(|(from, _)| from).filter(|from| *from > now);
        let ends = ends.unwrap_or(now + Duration::from_secs(86_400));
        let (driver, scenario) = (self.driver, self.scenario);
        tokio::spawn(async move {
            let _ = match driver {
                "mercury4" => {
                    let scenario = mercury4::Scenario::from_toml(scenario).unwrap();
                    let served =
                        mercury4::serve_stream(theirs, mercury4::Profile::M4, scenario, UtcTime::default());
                    timeout_at(ends, served).await
                }
                "llrp" => {
                    let scenario = llrp::Scenario::from_toml(scenario).unwrap();
                    let served =
                        llrp::serve_stream(theirs, llrp::Profile::R420, scenario, UtcTime::default());
                    timeout_at(ends, served).await
                }
                _ => {
                    let scenario = thingmagic::Scenario::from_toml(scenario).unwrap();
                    timeout_at(ends, thingmagic::serve_stream(theirs, thingmagic::Profile::M6e, scenario))
                        .await
                }
            };
        });
        Ok(ours)
    }
}

/// Options out of lines, enough for these tests.
mod toml_value {
    pub(crate) struct Table(pub(crate) serde_json::Value);

    impl<'a> FromIterator<(&'a str, &'a str)> for Table {
        fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(lines: I) -> Self {
            let value = |text: &str| serde_json::from_str(text).unwrap();
            Self(
                lines
                    .into_iter()
                    .map(|(key, text)| (key.to_owned(), value(text)))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            )
        }
    }
}

/// Remembers every event.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<Event>>>);

#[async_trait]
impl Sink for Memory {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        self.0.lock().unwrap().extend(batch.events.iter().cloned());
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

fn pipeline(readers: &[&'static str], clock: &Arc<dyn Clock>) -> (PipelineBuilder, Memory, SinkHandle) {
    let memory = Memory::default();
    let sink = SinkHandle::spawn(Name::from("memory"), Box::new(memory.clone()));
    let presence =
        PresenceSettings { lost_after: DurationText(Duration::from_secs(3)), ..PresenceSettings::default() };
    let mut builder =
        Pipeline::builder("hubin").presence(presence).sink(sink.clone()).clock(Arc::clone(clock));
    for reader in readers {
        let zones = ZoneMap::ByPort(vec![(1, Name::from("outside")), (2, Name::from("inside"))]);
        builder = builder.reader(ReaderPlace { reader: Name::from(*reader), branch: None, zones });
    }
    (builder, memory, sink)
}

/// The events of a line, and the files of what its readers sent.
pub(crate) struct Recorded {
    pub(crate) events: Vec<Event>,
    pub(crate) files: Vec<(&'static str, PathBuf)>,
    pub(crate) folder: tempfile::TempDir,
}

/// Runs a line for so long and records its readers.
pub(crate) async fn record(readers: &[Reader], lasts: Duration) -> Recorded {
    let clock: Arc<dyn Clock> = SimulatedClock::new();
    let names: Vec<&'static str> = readers.iter().map(|reader| reader.name).collect();
    let (builder, memory, sink) = pipeline(&names, &clock);
    let pipeline = builder.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut supervisors, mut recordings, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for reader in readers {
        let again = reader.clone();
        let supervisor = Supervisor::spawn(
            Name::from(reader.name),
            None,
            Box::new(move |recorder| again.session(recorder)),
            vec![pipeline.outlet(reader.name).unwrap()],
            Arc::clone(&clock),
            1,
        );
        let recording = supervisor.observer().record(reader.kept).unwrap();
        let path = folder.path().join(format!("{}.rfidrec", reader.name));
        recordings.push(tokio::spawn(keep(reader.header(), recording, path.clone(), lasts)));
        files.push((reader.name, path));
        supervisors.push(supervisor);
    }
    for recording in recordings {
        recording.await.unwrap();
    }
    let events = memory.0.lock().unwrap().clone();
    for supervisor in supervisors {
        supervisor.stop().await;
    }
    pipeline.stop().await;
    sink.close().await;
    Recorded { events, files, folder }
}

/// Writes what is recorded for so long.
async fn keep(header: Header, mut recording: Recording, path: PathBuf, lasts: Duration) {
    let ends = Instant::now() + lasts;
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    while let Ok(Some(moment)) = timeout_at(ends, recording.next()).await {
        encode(&moment, &mut bytes);
    }
    std::fs::write(path, bytes).unwrap();
}

/// Drivers whose recordings are played here.
pub(crate) fn drivers() -> [RecordedDriver; 3] {
    [
        RecordedDriver {
            name: "mercury4",
            session: |settings, reader, connections| {
                rfid_driver_mercury4::session_over(settings, reader, connections)
            },
        },
        RecordedDriver {
            name: "thingmagic",
            session: |settings, reader, connections| {
                rfid_driver_thingmagic::session_over(settings, reader, connections)
            },
        },
        RecordedDriver {
            name: "llrp",
            session: |settings, reader, connections| {
                rfid_driver_llrp::session_over(settings, reader, connections)
            },
        },
    ]
}

/// What came of playing recordings: the events, or why a reader is down.
pub(crate) async fn play(
    files: &[(&'static str, PathBuf)],
    speed: f64,
) -> std::result::Result<Vec<Event>, String> {
    let replay = Replay::new(drivers());
    let clock = replay.play_together(files.iter().map(|(reader, _)| Name::from(*reader)));
    let names: Vec<&'static str> = files.iter().map(|(reader, _)| *reader).collect();
    let (builder, memory, sink) = pipeline(&names, &clock);
    let pipeline = builder.start().await.unwrap();
    let replay = Arc::new(replay);
    let mut supervisors = Vec::new();
    let mut last = Duration::ZERO;
    for (reader, file) in files {
        last = last.max(end_of(file).await);
        let options = serde_json::json!({ "file": file, "speed": speed });
        let (replay, setup) = (Arc::clone(&replay), ReaderSetup::named(reader));
        let supervisor = Supervisor::spawn(
            Name::from(*reader),
            None,
            Box::new(move |_| Ok(replay.session(&Settings::new(options.clone()), &setup)?)),
            vec![pipeline.outlet(reader).unwrap()],
            Arc::clone(&clock),
            1,
        );
        supervisors.push(supervisor);
    }
    let why = loop {
        let down = supervisors.iter().find_map(|supervisor| match supervisor.observer().state() {
            ReaderState::Down { reason, .. } => Some(reason),
            _ => None,
        });
        if down.is_some() || clock.now().monotonic >= last {
            break down;
        }
        sleep(Duration::from_millis(10)).await;
    };
    for supervisor in supervisors {
        supervisor.stop().await;
    }
    pipeline.stop().await;
    sink.close().await;
    let events = memory.0.lock().unwrap().clone();
    why.map_or(Ok(events), Err)
}

async fn end_of(file: &Path) -> Duration {
    let recorded = rfid_driver_replay::Recorded::read(file).await.ok();
    recorded.and_then(|recorded| recorded.summary.last).map_or(Duration::MAX, |last| last.monotonic)
}

/// All moments of a file, for those who change some.
pub(crate) fn moments(file: &Path) -> (Header, Vec<Moment>) {
    let mut decoder = rfid_driver_replay::format::Decoder::default();
    decoder.push(&std::fs::read(file).unwrap());
    let header = decoder.header().unwrap().unwrap();
    let mut moments = Vec::new();
    while let Some(moment) = decoder.moment().unwrap() {
        moments.push(moment);
    }
    (header, moments)
}

pub(crate) fn write(file: &Path, header: &Header, moments: &[Moment]) {
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    moments.iter().for_each(|moment| encode(moment, &mut bytes));
    std::fs::write(file, bytes).unwrap();
}

/// Events in an order that does not depend on who came first at the same moment.
pub(crate) fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| (event.event_id, event.time));
    events
}

pub(crate) fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

pub(crate) fn count(moments: &[Moment], is: impl Fn(&Happened) -> bool) -> usize {
    moments.iter().filter(|moment| is(&moment.what)).count()
}
