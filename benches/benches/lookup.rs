//! Finding records in the embedded directory, as a door asks: a few hundred tags again and
//! again, and any tag at all.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rfid_benches::tag;
use rfid_core::Event;
use rfid_durable::Stores;
use rfid_sink_lookup::import::import;
use rfid_sink_lookup::{Directory, SledDirectory};

const BATCH: u32 = 16;

fn lookup(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // `cargo bench -- --test` only sees whether the benches run; a million records are for
    // measuring.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let sizes: &[u32] = if is_test { &[1_000] } else { &[10_000, 1_000_000] };
    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    for &records in sizes {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("customers.csv");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&csv).unwrap());
        writeln!(file, "tag,name,number,class,business").unwrap();
        for number in 0..records {
            writeln!(file, "{},customer {number},C-{number:06},gold,savings", tag(number).hex()).unwrap();
        }
        file.into_inner().unwrap().sync_all().unwrap();
        let stores = Stores::new(folder.path().join("data"));
        runtime.block_on(import(&stores, &csv, |_| ())).unwrap();
        let directory = SledDirectory::new(stores.clone());

        for (pattern, among) in [("200 customers", 200), ("any customer", records)] {
            let mut next = 0u32;
            let mut events: Vec<Event> = (0..BATCH).map(|_| Event::sample()).collect();
            let id = BenchmarkId::new(format!("{pattern} of"), records);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    for event in &mut events {
                        next = (next + 7_919) % among;
                        event.tag = tag(next);
                    }
                    let found = runtime.block_on(directory.find(&events)).unwrap();
                    assert!(found.iter().all(Option::is_some));
                });
            });
        }
        runtime.block_on(stores.close());
    }
    group.finish();
}

criterion_group!(benches, lookup);
criterion_main!(benches);
