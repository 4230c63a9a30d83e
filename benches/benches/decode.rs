//! From the bytes of RQL rows to tag reads.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rfid_benches::reply;
use rfid_core::ReadBuf;
use rfid_driver_mercury4::proto::{Column, Lines, RowDecoder};

const ROWS: u32 = 32;

fn decode(criterion: &mut Criterion) {
    let reply = reply(0..ROWS);
    let several = reply.replace("|1|914750|", "|3|914750|");
    let mut decoder = RowDecoder::new(Column::OF_MERCURY_4.to_vec());
    let mut lines = Lines::default();
    let mut buf = ReadBuf::with_capacity(ROWS as usize);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("32-row reply", |bencher| {
        bencher.iter(|| {
            buf.clear();
            lines.push(reply.as_bytes());
            assert_eq!(decoder.take_usual(&mut lines, &mut buf), ROWS as usize);
            assert_eq!(lines.next_line(), Ok(Some(&b""[..])));
        });
    });
    group.bench_function(
        "32-row reply of rows of several reads, whose check codes are compared",
        |bencher| {
            bencher.iter(|| {
                buf.clear();
                lines.push(several.as_bytes());
                assert_eq!(decoder.take_usual(&mut lines, &mut buf), ROWS as usize);
                assert_eq!(lines.next_line(), Ok(Some(&b""[..])));
            });
        },
    );
    group.bench_function("32-row reply, line by line as rows of any shape", |bencher| {
        bencher.iter(|| {
            buf.clear();
            lines.push(reply.as_bytes());
            while let Some(line) = lines.next_line().unwrap() {
                if !line.is_empty() {
                    decoder.decode(line, &mut buf).unwrap();
                }
            }
            buf.len()
        });
    });
    group.bench_function("32-row reply, by str::split and owned strings", |bencher| {
        // What a straightforward program does, for comparison in the same run.
        bencher.iter(|| {
            let rows: Vec<(Vec<u8>, u16, u16, u32)> = reply
                .lines()
                .filter(|line| !line.is_empty())
                .map(|line| {
                    let fields: Vec<String> = line.split('|').map(str::to_owned).collect();
                    let digits = fields[2].trim_start_matches("0x");
                    let id: Vec<u8> = (0..digits.len() / 2 - 2)
                        .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap())
                        .collect();
                    (id, fields[1].parse().unwrap(), fields[3].parse().unwrap(), fields[4].parse().unwrap())
                })
                .collect();
            rows.len()
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
