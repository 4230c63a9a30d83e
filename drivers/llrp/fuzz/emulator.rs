//! What any bytes may do to the emulated reader: nothing bad.
//!
//! The function is a fuzz target (`targets/emulator.rs`), and the emulator's tests call it with random
//! bytes, so it runs where there is no fuzzer. It panics when a promise is broken.

use std::time::Duration;

use rfid_conformance::hostile::simulate;
use rfid_core::UtcTime;
use rfid_driver_llrp::emulator::{Profile, Scenario, serve_stream};
use rfid_llrp::message::MESSAGES;
use rfid_llrp::{Decoding, Frames, Header, Message, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

/// A client that says anything: it is answered in messages that are whole and as the standard has
/// them, or the reader hangs up.
pub(crate) fn client(data: &[u8]) {
    simulate(async {
        let scenario = Scenario::from_toml("[[tag]]\nepc = \"2D0000000000000000000001\"\n");
        let scenario = scenario.expect("this scenario is right");
        let Some((&choice, data)) = data.split_first() else { return };
        let profile = [Profile::R420, Profile::Fx9600, Profile::AlrF800][usize::from(choice) % 3];
        let (mut client, reader) = duplex(64 * 1024);
        let served = serve_stream(reader, profile, scenario, UtcTime::from_nanos(1 << 60));
        let talk = async {
            // As bodies of messages that there are, a piece each, and then as they stand.
            for (id, piece) in data.chunks(24).enumerate() {
                let Some((number, body)) = piece.split_first() else { continue };
                let number = MESSAGES[usize::from(*number) % MESSAGES.len()].number;
                let length = 10 + body.len() as u32;
                let header = Header { version: Version::V1_0_1, number, length, id: id as u32 };
                let _ = client.write_all(&[&header.to_bytes()[..], body].concat()).await;
            }
            let _ = client.write_all(data).await;
            // Time for whatever was started.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = client.shutdown().await;
            let mut answers = Vec::new();
            let _ = client.read_to_end(&mut answers).await;
            let mut frames = Frames::default();
            frames.push(&answers);
            while let Some(frame) = frames.next_frame().expect("the reader's messages have whole headers") {
                Message::of_frame(&frame, &mut Decoding::strict()).expect("and are as the standard has them");
            }
        };
        let both = async { tokio::join!(served, talk) };
        let _ = timeout(Duration::from_secs(600), both).await.expect("the emulator hangs");
    });
}
