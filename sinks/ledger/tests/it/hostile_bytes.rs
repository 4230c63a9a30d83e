//! The fuzz targets, with bytes from proptest.

use proptest::prelude::*;

#[path = "../../fuzz/hostile.rs"]
mod hostile;

/// A segment as the ledger writes it.
fn segment() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let clock = std::sync::Arc::new(rfid_core::SystemClock::new());
        let settings = rfid_ledger::LedgerSettings { reserve_bytes: 0, ..Default::default() };
        let ledger = rfid_ledger::Ledger::open(folder.path(), settings, clock).await.unwrap();
        let record = |n: u8| rfid_ledger::NewRecord { id: [n; 16], content: vec![n; 20] };
        ledger.append((1..6).map(record).collect()).await.unwrap();
        ledger.close().await;
    });
    std::fs::read(folder.path().join("00000000000000000001.v1.ledger")).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_in_the_place_of_a_segment_are_read_to_their_end(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        hostile::segment_recovery(&bytes);
    }

    #[test]
    fn a_segment_with_other_bytes_in_it_is_read_to_its_end(
        at in any::<proptest::sample::Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        keeps_rest in any::<bool>(),
    ) {
        let mut segment = segment();
        let at = at.index(segment.len());
        let rest = segment.split_off(at);
        segment.extend(bytes);
        if keeps_rest {
            segment.extend(rest);
        }
        hostile::segment_recovery(&segment);
    }
}
