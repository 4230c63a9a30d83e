//! What is written into an archive comes back, and nothing else.

use proptest::prelude::*;

use super::format::{ArchiveReader, ArchiveWriter, unpack};
use super::*;
use crate::audit::tests::keys;
use crate::randomness::SystemRandomness;

fn contents(records: &[Vec<u8>]) -> Contents {
    let last = records.len() as u64;
    Contents { first: 1, last, id: "ab".repeat(16), trail: "bank audit".to_owned(), ..some_contents() }
}

fn some_contents() -> Contents {
    serde_json::from_value(serde_json::json!({
        "trail": "", "id": "", "previous": null, "first": 1, "last": 1, "from": "2026-01-01T00:00:00Z",
        "until": "2026-01-01T00:00:00Z", "before": Hash::NONE, "hash": Hash::NONE,
        "made_at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

fn sealed(records: &[Vec<u8>]) -> (Vec<u8>, Hash) {
    let keys = keys();
    let mut writer = ArchiveWriter::new(Vec::new(), &contents(records), &keys, &SystemRandomness).unwrap();
    for (at, record) in records.iter().enumerate() {
        writer.add(UtcTime::from_nanos(at as u64), record).unwrap();
    }
    let (bytes, len, sha256) = writer.end().unwrap();
    assert_eq!(len, bytes.len() as u64);
    (bytes, sha256)
}

/// Everything in an archive, and what the file adds up to.
fn opened(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, Hash)> {
    let (mut reader, keys, mut records) = (ArchiveReader::new(bytes)?, keys(), Vec::new());
    while let Some(record) = reader.next_record(&keys)? {
        assert_eq!(record.number, records.len() as u64 + 1);
        assert_eq!(record.time, UtcTime::from_nanos(records.len() as u64));
        records.push(record.bytes);
    }
    Ok((records, reader.sum()?.1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn an_archive_gives_back_what_was_put_into_it(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 1..30),
        large in prop::option::of(300_000usize..1_000_000),
    ) {
        let mut records = records;
        // More than one portion.
        records.extend(large.map(|len| (0..len).map(|at| (at * at) as u8).collect::<Vec<u8>>()));
        records.push(vec![7; 40]);
        let (bytes, sha256) = sealed(&records);
        prop_assert_eq!(opened(&bytes).unwrap(), (records, sha256));
    }

    #[test]
    fn no_archive_that_was_changed_is_taken_for_whole(
        at in any::<prop::sample::Index>(), mask in 1u8..=255, cut in any::<bool>(),
    ) {
        let records: Vec<Vec<u8>> = (0..50).map(|at| vec![at; 60]).collect();
        let (mut bytes, sha256) = sealed(&records);
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] ^= mask,
        }
        match opened(&bytes) {
            Err(error) => prop_assert!(
                matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Denied | ErrorKind::Unsupported)
            ),
            Ok((_, sum)) => prop_assert_ne!(sum, sha256, "byte {}", at),
        }
    }

    #[test]
    fn any_bytes_are_an_archive_or_damage(bytes in prop::collection::vec(any::<u8>(), 0..600), has_magic in any::<bool>()) {
        let mut bytes = bytes;
        if has_magic {
            bytes.splice(..0, *b"RFIDARC1");
        }
        let _ = opened(&bytes);
        let _ = unpack(&bytes);
    }
}

#[test]
fn a_portion_that_grows_without_end_is_refused() {
    use std::io::Write;
    let mut packing = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        packing.write_all(&vec![0; 1024 * 1024]).unwrap();
    }
    let packed = packing.finish().unwrap();
    assert!(packed.len() < 100_000);
    assert_eq!(unpack(&packed).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn an_archive_of_a_newer_version_is_refused_and_says_so() {
    let error = ArchiveReader::new(&b"RFIDARC2........"[..]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
