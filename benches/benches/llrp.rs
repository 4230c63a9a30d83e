//! From the bytes of LLRP reports to tags.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rfid_benches::llrp_report;
use rfid_llrp::{Decoding, Members, Message, Recall, TagReports, first_frame};

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("llrp report");
    for tags in [1, 32, 256] {
        let report = llrp_report(0..tags);
        group.throughput(Throughput::Elements(u64::from(tags)));
        group.bench_function(format!("{tags} tags"), |bencher| {
            // From the header on, as they lie in the buffer of a connection.
            bencher.iter(|| {
                let frame = first_frame(black_box(&report), 1 << 20).unwrap().unwrap();
                for tag in TagReports::of_frame(&frame).unwrap() {
                    black_box(&tag.unwrap());
                }
            });
        });
    }
    let report = llrp_report(0..32);
    group.throughput(Throughput::Elements(32));
    let mut recall = Recall::new(Members::ANTENNA_ID.with(Members::PEAK_RSSI).with(Members::FIRST_SEEN));
    group.bench_function("32 tags, with what is left out filled in", |bencher| {
        bencher.iter(|| {
            let frame = first_frame(black_box(&report), 1 << 20).unwrap().unwrap();
            for tag in TagReports::of_frame(&frame).unwrap() {
                let mut tag = tag.unwrap();
                recall.fill(&mut tag);
                black_box(&tag);
            }
        });
    });
    group.bench_function("32 tags, as structures", |bencher| {
        // What a straightforward program does, for comparison in the same run.
        bencher.iter(|| Message::decode(black_box(&report), &mut Decoding::lenient()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
