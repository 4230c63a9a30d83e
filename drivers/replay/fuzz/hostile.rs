//! What any bytes may do to a replay: nothing bad.
//!
//! Each function is a fuzz target (`targets/`), and the driver's tests call it with random bytes,
//! so it runs where there is no fuzzer. It panics when a promise is broken.

use rfid_conformance::hostile::{live_through, simulate};
use rfid_core::{Driver, ReaderSetup, Settings};
use rfid_driver_replay::format::{Decoder, encode};
use rfid_driver_replay::{RecordedDriver, Replay};

/// A recording that is anything: however its bytes are split, the same comes of it.
pub(crate) fn recording(data: &[u8]) {
    let Some((&piece, bytes)) = data.split_first() else { return };
    assert_eq!(taken(bytes, usize::from(piece) + 1), taken(bytes, bytes.len().max(1)));
    // Random bytes hardly ever have a right checksum.
    content(piece % 12, bytes.get(..MOST_CONTENT).unwrap_or(bytes));
}

/// So much is one moment also when it is written again.
const MOST_CONTENT: usize = 64 * 1024;

/// The content of a moment of this kind that is anything: what is taken for one is written and read
/// as the same.
fn content(kind: u8, bytes: &[u8]) {
    let moment = |bytes: &[u8]| {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        decoder.moment()
    };
    let length = 17 + bytes.len() as u32;
    let mut sealed = [&length.to_le_bytes()[..], &[kind], &[0; 16], bytes].concat();
    sealed.extend(crc32fast::hash(&sealed).to_le_bytes());
    if let Ok(Some(first)) = moment(&sealed) {
        let mut again = Vec::new();
        encode(&first, &mut again);
        assert_eq!(moment(&again), Ok(Some(first)));
    }
}

fn taken(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = Decoder::default();
    let (mut found, mut is_begun) = (Vec::new(), false);
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            let next = if is_begun {
                decoder.moment().map(|moment| moment.map(|moment| format!("{moment:?}")))
            } else {
                decoder.header().map(|header| header.map(|header| format!("{header:?}")))
            };
            match next {
                Ok(Some(next)) => {
                    is_begun = true;
                    found.push(next);
                }
                Ok(None) => break,
                Err(fault) => {
                    found.push(fault.to_string());
                    return found;
                }
            }
        }
    }
    found
}

/// A whole session on a recording that is anything: it ends or goes on, and each call comes back
/// in time.
pub(crate) fn session(data: &[u8]) {
    let file = std::env::temp_dir().join(format!(
        "rfid-replay-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, data).expect("the folder of temporary files can be written");
    simulate(async {
        let replay = Replay::new([
            RecordedDriver {
                name: "mercury4",
                session: |settings, reader, connections| {
                    rfid_driver_mercury4::session_over(settings, reader, connections)
                },
            },
            RecordedDriver {
                name: "thingmagic",
                session: |settings, reader, connections| {
                    rfid_driver_thingmagic::session_over(settings, reader, connections)
                },
            },
            RecordedDriver {
                name: "llrp",
                session: |settings, reader, connections| {
                    rfid_driver_llrp::session_over(settings, reader, connections)
                },
            },
        ]);
        let text = format!("file = '{}'\nspeed = 1000", file.display());
        let settings = Settings::from_toml(&text).expect("these settings are right");
        let session = replay.session(&settings, &ReaderSetup::named("door"));
        live_through(session.expect("these settings are right")).await;
    });
    std::fs::remove_file(&file).expect("the file is there");
}
