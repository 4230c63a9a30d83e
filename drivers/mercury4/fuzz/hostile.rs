//! What any bytes may do to the driver and the emulator: nothing bad.
//!
//! Each function is a fuzz target (`targets/`), and the driver's tests call it with random bytes,
//! so it runs where there is no fuzzer. It panics when a promise is broken.

use std::time::Duration;

use rfid_conformance::hostile::{live_through, simulate};
use rfid_core::{Driver, ReadBuf, ReaderSetup, Settings, TagId, UtcTime};
use rfid_driver_mercury4::emulator::{Profile, Scenario, serve_stream};
use rfid_driver_mercury4::proto::{Column, Lines, RowDecoder, RqlError};
use rfid_driver_mercury4::{Mercury4, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

/// Rows that are anything: at most one read comes of each, or a fault, and how the bytes are
/// split makes no difference.
pub(crate) fn rows(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let columns: &[Column] = match choice % 3 {
        0 => &[Column::ProtocolId, Column::AntennaId, Column::Id],
        1 => &Column::OF_MERCURY_4,
        _ => &[Column::Id, Column::ProtocolId, Column::Lqi, Column::AntennaId],
    };
    let piece = usize::from(choice / 3) + 1;
    assert_eq!(decode(columns, bytes, piece), decode(columns, bytes, bytes.len().max(1)));
}

fn decode(columns: &[Column], bytes: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = RowDecoder::new(columns.to_vec());
    let mut lines = Lines::default();
    let mut buf = ReadBuf::with_capacity(2);
    let mut outcomes = Vec::new();
    for piece in bytes.chunks(piece) {
        lines.push(piece);
        loop {
            buf.clear();
            if decoder.take_usual(&mut lines, &mut buf) > 0 {
                outcomes.extend(buf.iter().map(|read| format!("{:?}", read.id)));
                continue;
            }
            let Ok(Some(line)) = lines.next_line() else { break };
            let _ = RqlError::parse(line);
            match decoder.decode(line, &mut buf) {
                Ok(()) => {
                    let mut reads = buf.iter();
                    let read = reads.next().expect("a row that is right is a read");
                    assert!(reads.next().is_none(), "one row is one read");
                    assert!((1..=TagId::MAX_LEN).contains(&read.id.bytes.len()));
                    outcomes.push(format!("{:?}", read.id));
                }
                Err(fault) => {
                    assert!(buf.is_empty(), "a row with a fault is no read");
                    outcomes.push(fault.to_string());
                }
            }
        }
    }
    outcomes
}

/// A whole session with a reader that says anything: it ends or goes on reading, and each call
/// comes back in time.
pub(crate) fn session(data: &[u8]) {
    simulate(async {
        let Some((&choice, script)) = data.split_first() else { return };
        let (polite, goes, autonomous) = (choice & 1 != 0, choice & 2 != 0, choice & 4 != 0);
        let mut script = Some(script.to_vec());
        let connect = move || {
            let (ours, theirs) = duplex(64 * 1024);
            // Only the first connection hears the script.
            let script = script.take().unwrap_or_default();
            tokio::spawn(hostile_reader(theirs, script, polite, goes));
            std::future::ready(Ok(ours))
        };
        let mode = if autonomous { "autonomous" } else { "poll" };
        let settings = Settings::from_toml(&format!("address = \"reader\"\nmode = \"{mode}\""));
        let setup = ReaderSetup::named("door");
        let session = session_over(&settings.expect("these settings are right"), &setup, connect)
            .expect("these settings are right");
        live_through(session).await;
    });
}

/// Answers each statement with the next piece of the script; a piece is a length and as many
/// bytes. `polite`: the questions that open a session get right answers. In the end it hangs up
/// or is silent.
async fn hostile_reader(mut stream: DuplexStream, script: Vec<u8>, polite: bool, goes: bool) {
    let mut script = script.as_slice();
    let (mut statement, mut byte) = (Vec::new(), [0]);
    while stream.read_exact(&mut byte).await.is_ok() {
        statement.push(byte[0]);
        if byte[0] != b';' {
            continue;
        }
        let asked = String::from_utf8_lossy(&statement).into_owned();
        statement.clear();
        let opening = match () {
            () if asked.contains("version FROM settings") => Some("2.3.14 (2005-11-23 Tesla )\n\n"),
            () if asked.contains("supported_protocols") => Some("EPC1 GEN2\n\n"),
            () if asked.contains("time_out=1;") || asked.starts_with("RESET") => Some("\n"),
            () => None,
        };
        let answer = match (opening.filter(|_| polite), script.split_first()) {
            (Some(answer), _) => answer.as_bytes(),
            (None, Some((&length, rest))) => {
                let (answer, rest) = rest.split_at(usize::from(length).min(rest.len()));
                script = rest;
                answer
            }
            (None, None) if goes => return,
            (None, None) => continue,
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// A client that says anything to the emulator: it answers or hangs up, and its memory and time
/// are bounded.
pub(crate) fn statements(data: &[u8]) {
    simulate(async {
        let scenario = Scenario::from_toml("[[tag]]\nepc = \"2D0000000000000000000001\"\n");
        let scenario = scenario.expect("this scenario is right");
        let (mut client, reader) = duplex(64 * 1024);
        let served = serve_stream(reader, Profile::M4, scenario, UtcTime::default());
        let talk = async {
            let _ = client.write_all(data).await;
            let _ = client.shutdown().await;
            let mut answers = Vec::new();
            let _ = client.read_to_end(&mut answers).await;
        };
        // Each statement may run a round of up to 65 s; the emulator ends with its client.
        let limit = Duration::from_secs(70) * (1 + data.len() as u32);
        let both = async { tokio::join!(served, talk) };
        let _ = timeout(limit, both).await.expect("the emulator hangs");
    });
}

/// Text that is anything, as a scenario and as a configuration: taken, or refused with a reason.
pub(crate) fn texts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(fault) = Scenario::from_toml(&text) {
        assert!(!fault.to_string().is_empty());
    }
    if let Ok(settings) = Settings::from_toml(&text)
        && let Err(faults) = Mercury4.session(&settings, &ReaderSetup::named("door"))
    {
        assert!(!faults.to_string().is_empty());
    }
}
