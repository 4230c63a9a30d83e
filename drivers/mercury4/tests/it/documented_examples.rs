//! The worked examples of the protocol document (§9), by their numbers.
//!
//! What a reader is shown to send is decoded by the driver's codec into exact values; what can
//! be made to come out of the emulator is asked of it over TCP, byte for byte.

use std::time::Duration;

use rfid_core::{AirProtocol, ReadBuf, TagIdKind, UtcTime};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use rfid_driver_mercury4::proto::{Column, Lines, RowDecoder, RqlError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use Column::{AntennaId, DspMicros, Frequency, Id, ProtocolId, ReadCount, Timestamp};

/// The rows of one printed reply, decoded; the reply must end exactly at its empty line.
fn decode(reply: &str, columns: &[Column]) -> ReadBuf {
    let mut lines = Lines::default();
    lines.push(reply.as_bytes());
    let mut buf = ReadBuf::with_capacity(16);
    let mut decoder = RowDecoder::new(columns.to_vec());
    loop {
        let line = lines.next_line().unwrap().expect("the reply ends with an empty line");
        if line.is_empty() {
            break;
        }
        decoder.decode(line, &mut buf).unwrap();
    }
    assert_eq!(lines.next_line(), Ok(None), "nothing stands behind the reply");
    buf
}

fn ids(buf: &ReadBuf) -> Vec<String> {
    buf.iter().map(|sighting| sighting.id.to_owned().to_string()).collect()
}

#[test]
fn example_1_decoded() {
    let buf = decode("1|0xCE791111111111111111\n\n", &[ProtocolId, Id]);
    let sighting = buf.iter().next().unwrap();
    assert_eq!(sighting.id.bytes, [0x11; 8]);
    assert_eq!(sighting.read.protocol(), Some(AirProtocol::Epc1));
    assert!(!sighting.read.check_failed());
}

#[test]
fn example_3_decoded() {
    let error = RqlError::parse(b"Error 0102: Error performing query").unwrap();
    assert_eq!((error.code, error.text.as_str()), (102, "Error performing query"));
}

#[test]
fn example_12_decoded() {
    let columns = [ProtocolId, Timestamp, Id, Frequency, DspMicros, ReadCount];
    let buf = decode(
        "12|1795476657.077000|0x300000000000000000000001|914750|40610|1\n\
         1|1795476657.077000|0x1234567890ABCDEF12345678|903750|19510|1\n\n",
        &columns,
    );
    assert_eq!(ids(&buf), ["epc:300000000000000000000001", "epc:1234567890ABCDEF12345678"]);
    for sighting in buf.iter() {
        assert_eq!(sighting.read.reader_time(), Some(UtcTime::from_nanos(1_795_476_657_077_000_000)));
        assert_eq!(sighting.read.count(), 1);
    }
}

#[test]
fn examples_17_and_18_decoded() {
    let columns = [AntennaId, ReadCount, Id, Frequency, DspMicros, ProtocolId];
    let first = decode("1|3|0x30000000000000000000000112AB|915250|8798|12\n\n", &columns);
    let sighting = first.iter().next().unwrap();
    assert_eq!(ids(&first), ["epc:300000000000000000000001"]);
    assert_eq!((sighting.read.antenna_port(), sighting.read.count()), (Some(1), 3));
    assert_eq!(sighting.read.frequency_khz(), Some(915_250));

    let second = decode("1|3|0xE0040000AABBCCDD1D0F|915250|8798|8\n\n", &columns);
    assert_eq!(ids(&second), ["uid6b:E0040000AABBCCDD"]);
    assert_eq!(second.iter().next().unwrap().id.kind, TagIdKind::Iso18000_6bUid);
}

const EPC1: &str = r#"
[[tag]]
epc = "1111111111111111"
protocol = "epc1"
"#;

const GEN2: &str = r#"
[[tag]]
epc = "300000000000000000000001"
reads_per_second = 10
"#;

/// Plays a conversation over TCP: what is sent, and the bytes that come back.
async fn converse(profile: Profile, scenario: &str, turns: &[(&str, &str)]) {
    let utc = UtcTime::from_nanos(1_795_476_654_518_000_000);
    let scenario = Scenario::from_toml(scenario).unwrap();
    let emulator = Emulator::bind_with("127.0.0.1:0", profile, scenario, utc).await.unwrap();
    let mut client = TcpStream::connect(emulator.local_addr()).await.unwrap();
    // At the end a question with a known answer: nothing else may have come before it.
    let end = ("SELECT hostname FROM saved_settings;", "mercury4\n\n");
    for (statement, reply) in turns.iter().chain([&end]) {
        client.write_all(statement.as_bytes()).await.unwrap();
        let mut received = vec![0; reply.len()];
        let wait = timeout(Duration::from_secs(20), client.read_exact(&mut received)).await;
        let text = String::from_utf8_lossy(&received).into_owned();
        wait.unwrap_or_else(|_| panic!("{statement}: {reply:?} was awaited, {text:?} came")).unwrap();
        assert_eq!(text, *reply, "{statement}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn example_1_emulated() {
    let query = "SELECT protocol_id, id FROM tag_id WHERE antenna_id=1 AND protocol_id='EPC1';";
    converse(Profile::M4, EPC1, &[(query, "1|0xCE791111111111111111\n\n")]).await;
}

/// The tag of the manual's examples, with the password of its kill.
const CLASS_1: &str = r#"
[[tag]]
epc = "1234567890ABCDEF"
protocol = "epc1"
kill_password = "0x88"
"#;

#[tokio::test]
async fn examples_2_to_5_emulated() {
    let write = "UPDATE tag_id SET id=0x1234567890ABCDEF WHERE protocol='EPC1' AND antenna_id=1;";
    converse(Profile::M4, EPC1, &[(write, "0xCE851234567890ABCDEF\n\n")]).await;
    converse(Profile::M4, "", &[(write, "Error 0102:\tError performing query\n\n")]).await;
    converse(
        Profile::M4,
        CLASS_1,
        &[
            (
                "UPDATE tag_id SET locked=1, id=0x1234567890ABCDEF WHERE protocol='EPC1' AND antenna_id=1;",
                "|0xCE851234567890ABCDEF\n\n",
            ),
            (
                "UPDATE tag_id SET killed=1, password=0x88, id=0x1234567890ABCDEF WHERE protocol='EPC1' AND antenna_id=1;",
                "||0x00000000000000000000\n\n",
            ),
            ("SELECT id FROM tag_id;", "\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn examples_20_to_23_emulated() {
    let scenario = format!("{GEN2}kill_password = \"0x22222222\"\n");
    let tag = "protocol_id='GEN2' AND antenna_id=1 AND id=0x300000000000000000000001;\n";
    converse(
        Profile::Mercury5,
        &scenario,
        &[
            (
                &format!("SELECT data FROM tag_data WHERE mem_bank=2 AND block_count=2 AND block_number=0 AND {tag}"),
                "0xE2001234\n\n",
            ),
            (&format!("UPDATE tag_id SET locked=32 WHERE type=48 AND {tag}"), "\n"),
            (
                "UPDATE tag_id SET killed=1 WHERE id=0x300000000000000000000001 AND password=0x22222222 AND \
                 protocol_id='GEN2' AND antenna_id=1;\n",
                "\n",
            ),
            ("SELECT id FROM tag_id;", "\n"),
        ],
    )
    .await;
    converse(
        Profile::Mercury5,
        &scenario,
        &[
            (&format!("UPDATE tag_id SET id=0x112233445566778899AABBCC WHERE {tag}"), "\n"),
            ("SELECT id FROM tag_id;", "0x112233445566778899AABBCC4564\n\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_update_names_one_protocol_and_one_antenna() {
    let refused = |text: &str| format!("Error 0100:\t{text}\n\n");
    let turns = [
        ("antenna_id=1", "No protocol specified"),
        ("protocol_id='GEN2'", "No antenna specified"),
        ("protocol_id='GEN2' AND protocol_id='EPC1' AND antenna_id=1", "Too many protocols specified"),
        ("protocol_id='GEN2' AND (antenna_id=1 OR antenna_id=2)", "Too many antennas specified"),
        ("protocol_id='GEN3' AND antenna_id=1", "Unknown protocol"),
    ]
    .map(|(condition, text)| (format!("UPDATE tag_id SET id=0x3000 WHERE {condition};"), refused(text)));
    let turns: Vec<(&str, &str)> = turns.iter().map(|(ask, answer)| (&**ask, &**answer)).collect();
    converse(Profile::M4, GEN2, &turns).await;
    converse(
        Profile::M4,
        GEN2,
        &[(
            "UPDATE tag_id SET colour=1 WHERE protocol_id='GEN2' AND antenna_id=1;",
            &refused("Unknown field"),
        )],
    )
    .await;
}

#[tokio::test]
async fn example_6_emulated_with_the_tab_that_the_reader_very_probably_sends() {
    converse(
        Profile::M4,
        "",
        &[
            ("DECLARE cursor9 CURSOR FOR SELECT id FROM tag_id;", "\n"),
            ("FETCH cursor10;", "Error 0100:\tCursor does not exist\n\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn example_7_emulated() {
    converse(
        Profile::M4,
        "",
        &[
            ("DECLARE cursor1 CURSOR FOR SELECT id, antenna_id FROM tag_id WHERE protocol_id='EPC1';", "\n"),
            ("CLOSE cursor1;", "\n"),
            ("RESET;", "\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn example_8_emulated() {
    let scenario = "[[tag]]\nepc = \"1234567890ABCDEF\"\nprotocol = \"epc1\"\n";
    converse(
        Profile::M4,
        scenario,
        &[
            (
                "DECLARE cursor5 CURSOR FOR SELECT id FROM tag_id WHERE protocol_id='EPC1' SET time_out=500;",
                "\n",
            ),
            (
                "SET auto cursor5 = ON, repeat = 1000;",
                "\n0xCE851234567890ABCDEF\n\n0xCE851234567890ABCDEF\n\n",
            ),
            ("SET auto = OFF;", "\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn example_9_emulated() {
    // The reader's clock stands at 2026-11-23T23:30:54.518Z.
    converse(
        Profile::M4,
        GEN2,
        &[
            ("DECLARE cursor6 CURSOR FOR SELECT id FROM tag_id SET time_out=100;", "\n"),
            ("SET trigger_time cursor6 = '2026-11-23T23:30:55.500Z';", "\n"),
            ("", "0x300000000000000000000001447C\n\n"),
            ("SET trigger_time cursor6 = 'soon';", "Error 0100:\tStart_time not specified correctly\n\n"),
            ("SET trigger_time cursor7 = '2004-02-14T18:54:50Z';", "Error 0100:\tCursor does not exist\n\n"),
            // A second of autonomous mode, three times within it.
            ("SET auto_time cursor6 = '2026-11-23T23:30:57Z/2026-11-23T23:30:57.900Z', repeat=400;", "\n"),
            ("", "0x300000000000000000000001447C\n\n"),
            ("", "0x300000000000000000000001447C\n\n"),
            ("", "0x300000000000000000000001447C\n\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn examples_10_13_and_14_emulated() {
    converse(
        Profile::M4,
        "",
        &[
            ("select version from settings;\n", "2.3.14 (2005-11-23T14:22:53-05:00 Tesla )\n\n"),
            ("fetch c9;\n", "Error 0100:\tCursor does not exist\n\n"),
            ("declare c1 cursor for select id from tag_id;\n", "\n"),
            ("declare c1 cursor for select id from tag_id;\n", "Error 0100:\tCursor already exists\n\n"),
            ("close c9;\n", "Error 0100:\tDELETE: Cursor does not exist\n\n"),
            ("select uhf_power_centidbm from saved_settings;\n", "3250\n\n"),
            ("select nosuch from settings;\n", "Error 0100:\tUnknown setting\n\n"),
            ("set auto = off;\n", "\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn example_11_emulated() {
    // The clock goes on while the question travels, so its last digits are not compared.
    let utc = UtcTime::from_nanos(1_795_476_654_518_000_000);
    let emulator = Emulator::bind_with("127.0.0.1:0", Profile::M4, Scenario::default(), utc).await.unwrap();
    let mut client = TcpStream::connect(emulator.local_addr()).await.unwrap();
    client.write_all(b"select current_time, supported_protocols from settings;\n").await.unwrap();
    let mut reply = vec![0; "2026-11-23T23:30:54.518000|EPC0 EPC1 GEN2 ISO18000-6B\n\n".len()];
    client.read_exact(&mut reply).await.unwrap();
    let reply = String::from_utf8(reply).unwrap();
    let (time, protocols) = reply.split_once('|').unwrap();
    assert!(time.starts_with("2026-11-23T23:") && time.len() == 26, "{time}");
    assert_eq!(protocols, "EPC0 EPC1 GEN2 ISO18000-6B\n\n");
    emulator.shutdown().await;
}

#[tokio::test]
async fn examples_15_and_16_emulated() {
    converse(
        Profile::Mercury5,
        "",
        &[
            (
                "SET AUTO=OFF; RESET; SELECT rql_version FROM firmware;\n",
                "\n\nrql Built 2011-02-16T16:54:39-0500\n\n",
            ),
            ("SELECT pib_model FROM params ;\n", "Mercury5\n\n"),
            ("SELECT no_such_name FROM params ;\n", "\n\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn examples_17_and_18_emulated() {
    let scenario = format!("{GEN2}\n[[tag]]\nepc = \"E0040000AABBCCDD\"\nprotocol = \"iso18000-6b\"\n");
    let select = |protocol: &str| {
        format!(
            "CURSOR FOR SELECT antenna_id,id,protocol_id FROM tag_id WHERE protocol_id='{protocol}' AND \
             (antenna_id=1 OR antenna_id=2) SET time_out=300;\n"
        )
    };
    converse(
        Profile::Mercury5,
        &scenario,
        &[
            (&format!("DECLARE mapic1 {}", select("GEN2")), "\n"),
            (&format!("DECLARE mapic2 {}", select("ISO18000-6B")), "\n"),
            ("FETCH mapic1;\n", "1|0x300000000000000000000001447C|12\n\n"),
            (
                "FETCH mapic1,mapic2;\n",
                "1|0x300000000000000000000001447C|12\n\n1|0xE0040000AABBCCDDBA04|8\n\n",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn example_19_emulated() {
    let declare = "DECLARE mapic1 CURSOR FOR SELECT id FROM tag_id SET time_out=250;";
    let frame = "0x300000000000000000000001447C\n\n";
    let running = format!("\n{frame}{frame}");
    converse(
        Profile::Mercury5,
        GEN2,
        &[
            (declare, "\n"),
            ("SET repeat=0;\n", "\n"),
            ("SET AUTO mapic1=ON;\n", &running),
            // What is under way when the word arrives is still said; then two empty frames.
            ("SET AUTO=OFF;\n", &format!("{frame}\n\n")),
        ],
    )
    .await;
}

#[tokio::test]
async fn examples_24_and_25_emulated() {
    converse(
        Profile::Mercury5,
        "",
        &[
            ("SELECT data FROM io WHERE mask=0xffffffff;\n", "0x00000002\n\n"),
            ("UPDATE io SET data=0x4 WHERE mask=0xC;\n", "\n"),
            ("SELECT data FROM io WHERE mask=0xffffffff;\n", "0x00000006\n\n"),
            ("UPDATE saved_settings SET tx_power='2500';\n", "\n"),
            ("SELECT tx_power FROM saved_settings;\n", "2500\n\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn examples_26_27_and_28_emulated() {
    converse(
        Profile::M4,
        GEN2,
        &[
            (
                "SELECT id, antenna_id FROM tag_id WHERE (protocol_id='EPC0' or protocol_id='GEN2') set time_out=300;",
                "0x300000000000000000000001447C|1\n\n",
            ),
            ("select id from tag_id;\n", "0x300000000000000000000001447C\n\n"),
            (
                "SELECT protocol_id,antenna_id,id FROM tag_id WHERE protocol_id='GEN2' AND (antenna_id=1) set time_out=300;\n",
                "12|1|0x300000000000000000000001447C\n\n",
            ),
        ],
    )
    .await;
}
