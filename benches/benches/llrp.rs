//! From the bytes of LLRP reports to tags.
#![allow(missing_docs, clippy::unwrap_used)]

use std::future::ready;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rfid_benches::llrp_report;
use rfid_core::{ReadBuf as Reads, ReaderSetup, Settings};
use rfid_driver_link::Stream;
use rfid_llrp::{Decoding, Members, Message, Recall, TagReports, first_frame};
use rfid_load::Wish;
use rfid_load::reports::{greeting, next_wish};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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
                    black_box(tag.as_ref().unwrap());
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
            for mut tag in TagReports::of_frame(&frame).unwrap() {
                let tag = tag.as_mut().unwrap();
                recall.fill(tag);
                black_box(&*tag);
            }
        });
    });
    group.bench_function("32 tags, as structures", |bencher| {
        // What a straightforward program does, for comparison in the same run.
        bencher.iter(|| Message::decode(black_box(&report), &mut Decoding::lenient()).unwrap());
    });
    group.finish();
}

/// A connection to a reader that always has something: the same reports again and again.
struct Endless {
    said: Vec<u8>,
    answers: Vec<u8>,
    is_reading: bool,
    reports: Vec<u8>,
    at: usize,
}

impl Stream for Endless {}

impl AsyncRead for Endless {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.answers.is_empty() && !this.is_reading {
            // Whoever waits now has asked nothing.
            return Poll::Pending;
        }
        let count = this.answers.len().min(buf.remaining());
        buf.put_slice(&this.answers[..count]);
        this.answers.drain(..count);
        while this.is_reading && buf.remaining() > 0 {
            let rest = &this.reports[this.at..];
            let count = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..count]);
            this.at = (this.at + count) % this.reports.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.said.extend_from_slice(bytes);
        while let Some(wish) = next_wish(&mut this.said, &mut this.answers).unwrap() {
            this.is_reading |= wish == Wish::Begins;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The whole way of the driver: from what a connection gives to the reads in the host's buffer.
fn session(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = criterion.benchmark_group("llrp session");
    for tags in [1, 32, 256] {
        let reports = llrp_report(0..tags).repeat(1024 / tags as usize);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{tags} tags a message"), |bencher| {
            bencher.iter_custom(|reads| {
                runtime.block_on(async {
                    let reports = reports.clone();
                    let connect = move || {
                        let (said, answers) = (Vec::new(), greeting());
                        let reports = reports.clone();
                        ready(Ok(Endless { said, answers, is_reading: false, reports, at: 0 }))
                    };
                    let settings = Settings::from_toml("address = \"reader\"").unwrap();
                    let setup = ReaderSetup::named("door");
                    let mut session = rfid_driver_llrp::session_over(&settings, &setup, connect).unwrap();
                    session.open().await.unwrap();
                    session.start().await.unwrap();
                    let mut buf = Reads::with_capacity(256);
                    let (mut count, begun) = (0, Instant::now());
                    while count < reads {
                        session.read(&mut buf).await.unwrap();
                        count += buf.len() as u64;
                        black_box(&buf);
                        buf.clear();
                    }
                    // A buffer is read to its end.
                    let nanos = begun.elapsed().as_nanos() as f64 * reads as f64 / count as f64;
                    Duration::from_nanos(nanos as u64)
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, session);
criterion_main!(benches);
