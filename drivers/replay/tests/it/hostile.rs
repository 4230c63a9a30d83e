//! The bodies of the fuzz targets, with random bytes that lean towards what a recording says.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use rfid_core::recording::{Happened, Kept, Moment};
use rfid_core::{Listening, ReadBuf, TagIdKind};
use rfid_driver_replay::format::Header;

use crate::theatre::{Reader, moments, record};

#[path = "../../fuzz/hostile.rs"]
mod bodies;

const TAG: &str = "[[tag]]\nepc = \"2D0000000000000000000001\"\nat = \"0s\"\nfor = \"1m\"\n";

/// Short recordings that are in order: of bytes, and of what was delivered.
static GOOD: LazyLock<[(Header, Vec<Moment>); 2]> = LazyLock::new(|| {
    [Kept::Bytes, Kept::Delivered].map(|kept| {
        let builder = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        builder.unwrap().block_on(async {
            let reader = Reader { kept, ..Reader::mercury4(TAG) };
            let recorded = record(&[reader], Duration::from_secs(2)).await;
            moments(&recorded.files[0].1)
        })
    })
});

/// What may become of one moment of a recording.
#[derive(Clone, Debug)]
enum Change {
    Drop,
    Double,
    Swap,
    Say(Vec<u8>),
    Mark(u32, u8),
    Deliver(Vec<u8>, u16),
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Drop),
        Just(Change::Double),
        Just(Change::Swap),
        prop::collection::vec(any::<u8>(), 0..30).prop_map(Change::Say),
        (any::<u32>(), 0u8..4).prop_map(|(number, kind)| Change::Mark(number, kind)),
        (prop::collection::vec(any::<u8>(), 1..62), 0u16..600)
            .prop_map(|(id, times)| Change::Deliver(id, times)),
    ]
}

fn changed(changes: &[(prop::sample::Index, Change)], is_of_batches: bool) -> Vec<u8> {
    let (header, mut moments) = GOOD[usize::from(is_of_batches)].clone();
    for (place, change) in changes {
        let place = place.index(moments.len());
        match change {
            Change::Drop if moments.len() > 1 => drop(moments.remove(place)),
            Change::Drop => {}
            Change::Double => moments.insert(place, moments[place].clone()),
            Change::Swap => {
                let other = (place + 1) % moments.len();
                moments.swap(place, other);
            }
            Change::Say(bytes) => moments[place].what = Happened::Received(bytes.clone().into()),
            Change::Deliver(id, times) => {
                let mut batch = ReadBuf::with_capacity((*times).into());
                (0..*times).for_each(|_| drop(batch.record(TagIdKind::Epc, id)));
                batch.notice_listening(Listening::Ports(vec![*times]));
                moments[place].what = Happened::Delivered(Box::new(batch));
            }
            Change::Mark(number, kind) => {
                let since = moments[place].at;
                moments[place].what = match kind {
                    0 => Happened::Up { capacity: *number },
                    1 => Happened::Read { reads: *number },
                    2 => Happened::Down { since },
                    _ => Happened::Connected,
                };
            }
        }
    }
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    moments.iter().for_each(|moment| rfid_driver_replay::format::encode(moment, &mut bytes));
    bytes
}

proptest! {
    #[test]
    fn any_bytes_are_a_recording_or_not(piece: u8, is_of_batches: bool, changes in prop::collection::vec((any::<prop::sample::Index>(), changes()), 0..4),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
        let mut bytes = changed(&changes, is_of_batches);
        for (place, value) in &flips {
            let place = place.index(bytes.len());
            bytes[place] = *value;
        }
        bytes.insert(0, piece);
        bodies::recording(&bytes);
    }

    #[test]
    fn any_bytes_are_a_moment_or_not(piece: u8, bytes in prop::collection::vec(0u8..4, 0..120)) {
        bodies::recording(&[&[piece], &bytes[..]].concat());
    }

    #[test]
    fn any_recording_is_played_or_refused(is_of_batches: bool, changes in prop::collection::vec((any::<prop::sample::Index>(), changes()), 1..5)) {
        bodies::session(&changed(&changes, is_of_batches));
    }

    #[test]
    fn any_file_is_played_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        bodies::session(&bytes);
    }
}
