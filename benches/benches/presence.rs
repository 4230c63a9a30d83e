//! Reads of tags that are present: what a door's steady state costs.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rfid_benches::epc;
use rfid_core::Listening;
use rfid_core::presence::{Outcome, Presence, PresenceSettings, ReaderIndex, ReaderPlace, ZoneMap};
use rfid_core::{Name, ReadBuf, Stamp, TagIdKind, UtcTime};

const BATCH: u32 = 128;
const READER: ReaderIndex = ReaderIndex(0);

fn stamp(millis: u64) -> Stamp {
    let monotonic = Duration::from_millis(millis);
    Stamp { monotonic, utc: UtcTime::default().plus(monotonic) }
}

fn batch(tags: impl IntoIterator<Item = u32>, at: Stamp) -> ReadBuf {
    let mut batch = ReadBuf::with_capacity(BATCH as usize);
    for tag in tags {
        batch.record(TagIdKind::Epc, &epc(tag)).unwrap().set_antenna_port(1).set_count(3);
    }
    batch.set_received(at);
    batch
}

/// Presence in which this many tags have arrived.
fn inhabited(tags: u32) -> Presence {
    let place = ReaderPlace {
        reader: Name::from("door"),
        branch: None,
        zones: ZoneMap::ByPort(vec![(1, Name::from("door"))]),
    };
    let settings = PresenceSettings { max_tags: 10_000_000, ..PresenceSettings::default() };
    let mut presence = Presence::new(Name::from("bench"), settings, &[place]);
    presence.set_listening(READER, &Listening::All, stamp(0));
    let mut outcome = Outcome::default();
    for first in (0..tags).step_by(BATCH as usize) {
        presence.observe(READER, &batch(first..(first + BATCH).min(tags), stamp(0)), &mut outcome);
        outcome.events.clear();
    }
    presence
}

fn known_tags(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("presence");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    for tags in [200, 10_000, 100_000, 1_000_000] {
        let mut presence = inhabited(tags);
        let mut outcome = Outcome::default();
        // Tags in an order that no cache likes: steps of a number without a common factor.
        let mut next = 0u32;
        group.bench_function(BenchmarkId::new("known tags", tags), |bencher| {
            bencher.iter_batched_ref(
                || {
                    batch(
                        (0..BATCH).map(|_| {
                            next = (next + 7_919) % tags;
                            next
                        }),
                        stamp(1),
                    )
                },
                |batch| presence.observe(READER, batch, &mut outcome),
                BatchSize::SmallInput,
            );
        });
        assert!(outcome.is_empty());
    }
    group.finish();
}

criterion_group!(benches, known_tags);
criterion_main!(benches);
