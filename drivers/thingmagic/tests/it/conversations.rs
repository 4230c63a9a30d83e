//! What the document prints, byte for byte (§D, §F, §H).

use std::time::Duration;

use rfid_driver_thingmagic::emulator::{Emulator, Profile, Scenario};
use rfid_driver_thingmagic::proto::frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Plays a conversation over TCP: what is sent, and the bytes that come back.
async fn converse(scenario: &str, turns: &[(&str, &str)]) {
    let emulator =
        Emulator::bind("127.0.0.1:0", Profile::M6e, Scenario::from_toml(scenario).unwrap()).await.unwrap();
    let mut client = TcpStream::connect(emulator.local_addr()).await.unwrap();
    for (command, answer) in turns {
        client.write_all(&bytes(command)).await.unwrap();
        let expected = bytes(answer);
        let mut received = vec![0; expected.len()];
        let wait = timeout(Duration::from_secs(20), client.read_exact(&mut received)).await;
        wait.unwrap_or_else(|_| panic!("{command}: {received:02X?} came")).unwrap();
        assert_eq!(received, expected, "{command}: {received:02X?}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_minimal_bring_up_and_continuous_reading_without_a_tag() {
    converse(
        "",
        &[
            ("FF FF FF FF FF FF FF FF FF 01 97 06 4B BB", "FF 00 97 00 00 77 9E"),
            ("FF 02 93 00 05 51 7D", "FF 00 93 00 00 37 1A"),
            ("FF 02 91 01 01 70 3B", "FF 00 91 00 00 17 58"),
            ("FF 02 92 07 D0 46 89", "FF 00 92 00 00 27 3B"),
            ("FF 03 9A 01 0C 00 A3 5D", "FF 00 9A 00 00 A6 33"),
            (
                "FF 10 2F 00 00 01 22 00 00 05 07 22 10 00 1B 03 E8 01 FF DD 2B",
                "FF 01 2F 00 00 01 30 E5 FF 00 22 04 00 84 E0",
            ),
            ("FF 03 2F 00 00 02 5E 86", "FF 01 2F 00 00 02 30 E6"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_a_module_does_not_know_it_says() {
    let unknown = |opcode| {
        let frame = frame::reply(opcode, 0x0101, &[]);
        frame.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
    };
    converse("", &[("FF 00 72 1D 7D", &unknown(0x72))]).await;
}

#[tokio::test]
async fn one_search_with_a_tag_and_one_without() {
    let tag = "[[tag]]\nepc = \"000000000000000000001545\"\nfor = \"500ms\"\n";
    let search = "FF 05 22 00 00 13 01 F4 2B 19";
    let cleared = frame::reply(0x2A, 0, &[]);
    let cleared: Vec<String> = cleared.iter().map(|byte| format!("{byte:02X}")).collect();
    converse(
        tag,
        &[
            (search, "FF 07 22 00 00 00 00 13 00 00 00 01 8B 58"),
            ("FF 00 2A 1D 25", &cleared.join(" ")),
            (search, "FF 00 22 04 00 84 E0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_tag_comes_as_the_documented_frame_does() {
    // All fields of the documented frame but its time, frequency and phase are those of this tag.
    let tag = "[[tag]]\nepc = \"000000000000000000001545\"\nrssi_dbm = -60\nreads_per_second = 1\n";
    let emulator =
        Emulator::bind("127.0.0.1:0", Profile::M6e, Scenario::from_toml(tag).unwrap()).await.unwrap();
    let mut client = TcpStream::connect(emulator.local_addr()).await.unwrap();
    client.write_all(&bytes("FF 10 2F 00 00 01 22 00 00 05 07 22 10 00 1B 03 E8 01 FF DD 2B")).await.unwrap();
    let mut received = [0; 8 + 47];
    timeout(Duration::from_secs(20), client.read_exact(&mut received)).await.unwrap().unwrap();
    let frame = &received[8..];
    let documented = bytes(
        "FF 28 22 00 00 10 00 1B 01 FF 01 01 C4 11 0E 16 40 00 00 01 27 00 00 05 00 00 0F 00 80 30 \
         00 00 00 00 00 00 00 00 00 00 00 15 45 E9 4A",
    );
    assert_eq!(frame[..14], documented[..14]);
    assert_eq!(frame[23..45], documented[23..45]);
    emulator.shutdown().await;
}
