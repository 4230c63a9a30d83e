//! What any bytes may do to the driver: nothing bad.
//!
//! The function is a fuzz target (`targets/`), and the driver's tests call it with random bytes, so
//! it runs where there is no fuzzer. It panics when a promise is broken.

use rfid_conformance::hostile::{live_through, simulate};
use rfid_core::{ReaderSetup, Settings};
use rfid_driver_llrp::session_over;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// The greeting of a Speedway.
const GREETING: &[u8] = &[
    0x04, 0x3F, 0, 0, 0, 32, 0, 0, 0, 1, 0x00, 0xF6, 0, 22, 0x00, 0x80, 0, 12, 0, 4, 0xFA, 0x79, 0x15, 0x98,
    0x54, 0xD1, 0x01, 0x00, 0, 6, 0, 0,
];

/// A whole session with a reader that says anything: it ends or goes on reading, and each call comes
/// back in time.
pub(crate) fn session(data: &[u8]) {
    simulate(async {
        let Some((&choice, script)) = data.split_first() else { return };
        let mut script = Some(script.to_vec());
        let connect = move || {
            let (ours, theirs) = duplex(64 * 1024);
            // Only the first connection hears the script.
            let script = script.take().unwrap_or_default();
            tokio::spawn(hostile_reader(theirs, script, choice));
            std::future::ready(Ok(ours))
        };
        let version = if choice & 4 != 0 { "1.1" } else { "1.0.1" };
        let settings = Settings::from_toml(&format!("address = \"reader\"\nversion = \"{version}\""));
        let session =
            session_over(&settings.expect("these settings are right"), &ReaderSetup::named("door"), connect)
                .expect("these settings are right");
        live_through(session).await;
    });
}

/// Greets, and answers each message with the next piece of the script; a piece is a length and as many
/// bytes. If it is polite, the piece stands behind a status of success in an answer to the request, and
/// otherwise it is all that is said. In the end it hangs up or is silent.
async fn hostile_reader(mut stream: DuplexStream, script: Vec<u8>, choice: u8) {
    let (polite, goes) = (choice & 1 != 0, choice & 2 != 0);
    let mut script = script.as_slice();
    if stream.write_all(GREETING).await.is_err() {
        return;
    }
    let mut header = [0; 10];
    while stream.read_exact(&mut header).await.is_ok() {
        let [high, low, l0, l1, l2, l3, id @ ..] = header;
        let mut body = vec![0; u32::from_be_bytes([l0, l1, l2, l3]) as usize - 10];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let piece = match script.split_first() {
            Some((&length, rest)) => {
                let (piece, rest) = rest.split_at(usize::from(length).min(rest.len()));
                script = rest;
                piece
            }
            None if goes => return,
            None if polite => &[],
            None => continue,
        };
        let request = u16::from_be_bytes([high, low]) & 0x3FF;
        let answer = if polite {
            let number = match request {
                14 => 4,
                1023 => 1023,
                other => other + 10,
            };
            let mut answer = (u16::from_be_bytes([high & 0x1C, 0]) | number).to_be_bytes().to_vec();
            answer.extend((18 + piece.len() as u32).to_be_bytes());
            answer.extend(id);
            answer.extend([0x01, 0x1F, 0, 8, 0, 0, 0, 0]);
            answer.extend_from_slice(piece);
            answer
        } else {
            piece.to_vec()
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
