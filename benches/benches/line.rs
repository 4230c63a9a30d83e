//! The whole line: from bytes on a socket, through driver, presence, lookup and log, to notify.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rfid_benches::{reply, serve_rounds};
use rfid_core::presence::{ReaderPlace, ZoneMap};
use rfid_core::{Driver, Name, Pipeline, ReaderSetup, Settings, SinkHandle, Supervisor, SystemClock};
use rfid_driver_mercury4::Mercury4;
use rfid_durable::Stores;
use rfid_sink_log::{JsonlLog, LogSink};
use rfid_sink_lookup::{LookupSink, SledDirectory};
use rfid_sink_notify::{Hub, NotifySink};
use tokio::net::TcpListener;

/// Tags in the field.
const TAGS: u32 = 200;

/// A running line with one reader over real TCP.
struct Line {
    pipeline: Pipeline,
    reader: Supervisor,
    sinks: Vec<SinkHandle>,
    _folder: tempfile::TempDir,
}

impl Line {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_rounds(stream, reply(0..TAGS)));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let directory = SledDirectory::new(Stores::new(folder.path().join("data")));
        let lookup = LookupSink::new(Arc::new(directory), Arc::default());
        let log = LogSink::new(Box::new(JsonlLog::new(folder.path().join("events.jsonl"))), Arc::default());
        let sinks = vec![
            SinkHandle::spawn(Name::from("lookup"), Box::new(lookup)),
            SinkHandle::spawn(Name::from("log"), Box::new(log)),
            SinkHandle::spawn(Name::from("notify"), Box::new(NotifySink::new(Hub::new()))),
        ];
        let place = ReaderPlace {
            reader: Name::from("door"),
            branch: None,
            zones: ZoneMap::Whole(Name::from("door")),
        };
        let mut builder = Pipeline::builder("bench").reader(place);
        for sink in &sinks {
            builder = builder.sink(sink.clone());
        }
        let pipeline = builder.start().await.unwrap();
        let settings = Settings::from_toml(&format!("address = \"{address}\"")).unwrap();
        let make = move || Ok(Mercury4.session(&settings, &ReaderSetup::named("door")).unwrap());
        let outlet = pipeline.outlet("door").unwrap();
        let clock = Arc::new(SystemClock::new());
        let reader = Supervisor::spawn(Name::from("door"), Box::new(make), vec![outlet], clock, 1);
        Self { pipeline, reader, sinks, _folder: folder }
    }

    fn reads(&self) -> u64 {
        self.reader.counters().reads.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.reader.stop().await;
        self.pipeline.stop().await;
        for sink in self.sinks {
            sink.close().await;
        }
    }
}

/// Reads per second through everything, the emulated reader included, on one thread.
fn socket_to_notify(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let line = runtime.block_on(Line::start());
    let mut group = criterion.benchmark_group("line");
    group.throughput(Throughput::Elements(u64::from(TAGS)));
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("200 tags, socket to notify", |bencher| {
        bencher.iter_custom(|rounds| {
            runtime.block_on(async {
                let start = Instant::now();
                let end = line.reads() + rounds * u64::from(TAGS);
                while line.reads() < end {
                    tokio::task::yield_now().await;
                }
                start.elapsed()
            })
        });
    });
    group.finish();
    runtime.block_on(line.stop());
}

criterion_group!(benches, socket_to_notify);
criterion_main!(benches);
