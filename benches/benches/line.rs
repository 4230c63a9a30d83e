//! The whole line: from bytes on a socket, through driver, presence, lookup and log, to notify.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rfid_benches::{reply, serve_rounds};
use rfid_core::presence::{PresenceSettings, ReaderPlace, ZoneMap};
use rfid_core::{
    Driver, DurationText, Name, Pipeline, ReaderSetup, Settings, SinkHandle, Supervisor, SystemClock,
};
use rfid_driver_mercury4::Mercury4;
use rfid_durable::Stores;
use rfid_ledger::LedgerSettings;
use rfid_sink_log::{EventLedger, LedgerLog, LogSink};
use rfid_sink_lookup::{LookupSink, SledDirectory};
use rfid_sink_notify::{Hub, NotifySink};
use tokio::net::TcpListener;

/// Tags in one inventory round.
const TAGS: u32 = 200;

/// Arrivals on their way at once, where every tag is new.
const ON_THEIR_WAY: u64 = 2_000;

/// What the reader hears.
#[derive(Clone, Copy)]
enum Field {
    /// The same tags in each round.
    Staying,
    /// Tags that were never there before.
    New,
}

/// A running line with one reader over real TCP.
struct Line {
    pipeline: Pipeline,
    reader: Supervisor,
    sinks: Vec<SinkHandle>,
    hub: Hub,
    _folder: tempfile::TempDir,
}

impl Line {
    async fn start(field: Field) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hub = Hub::new();
        let (given, published) = (Arc::new(AtomicU32::new(0)), hub.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let rounds = rounds(field, published.clone(), Arc::clone(&given));
                tokio::spawn(serve_rounds(stream, rounds));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let directory = SledDirectory::new(Stores::new(folder.path().join("data")));
        let lookup = LookupSink::new(Arc::new(directory), Arc::default());
        let clock = Arc::new(SystemClock::new());
        let ledger = EventLedger::new(folder.path().join("ledger"), LedgerSettings::default(), clock);
        let log = LogSink::new(vec![Box::new(LedgerLog::new(ledger))], Arc::default());
        let sinks = vec![
            SinkHandle::spawn(Name::from("lookup"), Box::new(lookup)),
            SinkHandle::spawn(Name::from("log"), Box::new(log)),
            SinkHandle::spawn(Name::from("notify"), Box::new(NotifySink::new(hub.clone()))),
        ];
        let place = ReaderPlace {
            reader: Name::from("door"),
            branch: None,
            zones: ZoneMap::Whole(Name::from("door")),
        };
        let mut builder = Pipeline::builder("bench").presence(settings()).reader(place);
        for sink in &sinks {
            builder = builder.sink(sink.clone());
        }
        let pipeline = builder.start().await.unwrap();
        let settings = Settings::from_toml(&format!("address = \"{address}\"")).unwrap();
        let make = move |_: &_| Ok(Mercury4.session(&settings, &ReaderSetup::named("door")).unwrap());
        let outlet = pipeline.outlet("door").unwrap();
        let clock = Arc::new(SystemClock::new());
        let reader = Supervisor::spawn(Name::from("door"), None, Box::new(make), vec![outlet], clock, 1);
        Self { pipeline, reader, sinks, hub, _folder: folder }
    }

    fn count(&self, field: Field) -> u64 {
        match field {
            Field::Staying => self.reader.counters().reads.load(Ordering::Relaxed),
            Field::New => self.hub.counts().published,
        }
    }

    async fn stop(self) {
        self.reader.stop().await;
        self.pipeline.stop().await;
        for sink in self.sinks {
            sink.close().await;
        }
    }
}

/// Every arrival counts: a read makes one, no tag departs while it is measured, and none is one too
/// many. With the usual limit of tags, arrivals end when it is reached.
fn settings() -> PresenceSettings {
    let an_hour = DurationText(Duration::from_secs(3600));
    PresenceSettings {
        confirm_reads: 1,
        max_tags: 10_000_000,
        lost_after: an_hour,
        ..PresenceSettings::default()
    }
}

/// What the reader answers, round by round.
fn rounds(field: Field, hub: Hub, given: Arc<AtomicU32>) -> impl FnMut() -> Arc<str> {
    let staying: Arc<str> = reply(0..TAGS).into();
    let nobody: Arc<str> = reply([]).into();
    move || {
        let is_ahead = |given: u32| u64::from(given) > hub.counts().published + ON_THEIR_WAY;
        match field {
            Field::Staying => Arc::clone(&staying),
            Field::New if is_ahead(given.load(Ordering::Relaxed)) => Arc::clone(&nobody),
            Field::New => {
                let first = given.fetch_add(TAGS, Ordering::Relaxed);
                reply(first..first + TAGS).into()
            }
        }
    }
}

/// Reads per second of tags that stay, and of tags that arrive and so go through lookup, a log
/// that is synced, and notify; the emulated reader included, all on one thread.
fn socket_to_notify(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("line");
    group.throughput(Throughput::Elements(u64::from(TAGS)));
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    for (name, field) in [("200 reads of tags that stay", Field::Staying), ("200 arrivals", Field::New)] {
        let line = runtime.block_on(Line::start(field));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let start = Instant::now();
                    let end = line.count(field) + rounds * u64::from(TAGS);
                    while line.count(field) < end {
                        tokio::task::yield_now().await;
                    }
                    start.elapsed()
                })
            });
        });
        runtime.block_on(line.stop());
    }
    group.finish();
}

criterion_group!(benches, socket_to_notify);
criterion_main!(benches);
