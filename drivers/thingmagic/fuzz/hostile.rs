//! What any bytes may do to the driver and the emulator: nothing bad.
//!
//! Each function is a fuzz target (`targets/`), and the driver's tests call it with random bytes,
//! so it runs where there is no fuzzer. It panics when a promise is broken.

use std::time::Duration;

use rfid_conformance::hostile::{live_through, simulate};
use rfid_core::{ReadBuf, ReaderSetup, Settings};
use rfid_driver_thingmagic::emulator::{Profile, Scenario, serve_stream};
use rfid_driver_thingmagic::proto::{Frames, Metadata, frame, record};
use rfid_driver_thingmagic::session_over;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

/// Bytes as frames and as records.
pub(crate) fn frames(data: &[u8]) {
    let mut frames = Frames::default();
    let mut buf = ReadBuf::with_capacity(1);
    frames.push(data);
    while let Ok(Some(reply)) = frames.next_frame() {
        buf.clear();
        let _ = record::decode(Metadata(reply.status), reply.data, &mut buf);
    }
    if let Some((metadata, bytes)) = data.split_first_chunk::<2>() {
        buf.clear();
        let outcome = record::decode(Metadata(u16::from_be_bytes(*metadata)), bytes, &mut buf);
        assert_eq!(outcome.is_ok(), !buf.is_empty());
    }
}

/// A whole session with a module that says anything: it ends or goes on reading, and each call
/// comes back in time.
pub(crate) fn session(data: &[u8]) {
    simulate(async {
        let Some((&choice, script)) = data.split_first() else { return };
        let mut script = Some(script.to_vec());
        let connect = move || {
            let (ours, theirs) = duplex(64 * 1024);
            // Only the first connection hears the script.
            let script = script.take().unwrap_or_default();
            tokio::spawn(hostile_module(theirs, script, choice & 1 != 0, choice & 2 != 0));
            std::future::ready(Ok(ours))
        };
        let settings = Settings::from_toml("address = \"module:1\"").expect("these settings are right");
        let session =
            session_over(&settings, &ReaderSetup::named("door"), connect).expect("these settings are right");
        live_through(session).await;
    });
}

/// Answers each command: with success and the next piece of the script as data if it is `polite`,
/// and with the bare piece otherwise. A piece is a length and as many bytes. In the end it hangs
/// up or is silent.
async fn hostile_module(mut stream: DuplexStream, script: Vec<u8>, polite: bool, goes: bool) {
    let mut script = script.as_slice();
    let mut head = [0; 3];
    while stream.read_exact(&mut head).await.is_ok() {
        let mut rest = vec![0; usize::from(head[1]) + 2];
        if stream.read_exact(&mut rest).await.is_err() {
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
        let answer = if polite { frame::reply(head[2], 0, piece) } else { piece.to_vec() };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// A client that says anything to the emulator: it answers or hangs up.
pub(crate) fn commands(data: &[u8]) {
    simulate(async {
        let scenario = Scenario::from_toml("[[tag]]\nepc = \"2D0000000000000000000001\"\n");
        let (mut client, module) = duplex(64 * 1024);
        let served = serve_stream(module, Profile::M6e, scenario.expect("this scenario is right"));
        let talk = async {
            // As it stands, and as the operation and data of a frame that is right.
            let _ = client.write_all(data).await;
            if let Some((opcode, data)) = data.split_first() {
                let _ = client.write_all(&frame::command(*opcode, data)).await;
            }
            let _ = client.shutdown().await;
            let mut answers = Vec::new();
            let _ = client.read_to_end(&mut answers).await;
        };
        // Each operation may search for up to 65 s; the emulator ends with its client.
        let limit = Duration::from_secs(70) * (2 + data.len() as u32);
        let both = async { tokio::join!(served, talk) };
        let _ = timeout(limit, both).await.expect("the emulator hangs");
    });
}
