//! Tag reads by the thousand, as a Mercury 4 sends them, for benches and measuring tests.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::sync::Arc;

use rfid_core::{AirProtocol, TagId, TagIdKind};
use rfid_driver_mercury4::proto::{Column, check_code};

/// The columns of [`reply`], those that the driver asks a Mercury 4 for.
pub const COLUMNS: [Column; 6] = [
    Column::ProtocolId,
    Column::AntennaId,
    Column::Id,
    Column::ReadCount,
    Column::Frequency,
    Column::Timestamp,
];

/// The EPC of tag number `number`.
pub fn epc(number: u32) -> [u8; 12] {
    let mut epc = [0; 12];
    epc[0] = 0x2D;
    epc[8..].copy_from_slice(&number.to_be_bytes());
    epc
}

/// The id of tag number `number`.
pub fn tag(number: u32) -> TagId {
    TagId::new(TagIdKind::Epc, &epc(number)).unwrap_or_else(|_| unreachable!("twelve bytes are an id"))
}

/// A reply of one inventory round: a row for each of these tags and the empty line.
pub fn reply(tags: impl IntoIterator<Item = u32>) -> String {
    let mut text = String::new();
    for number in tags {
        let epc = epc(number);
        let code = check_code::of(AirProtocol::Gen2, &epc).unwrap_or_default();
        let hex = tag(number).hex();
        // Writing to a string does not fail.
        let _ = writeln!(text, "12|1|0x{hex}{code:04X}|3|914750|1101973245.003590");
    }
    text.push('\n');
    text
}

/// A reader without a radio: it answers the questions that the driver asks when it opens a
/// session, and each inventory round at once with the next reply. Serves one connection.
pub async fn serve_rounds(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    mut next_reply: impl FnMut() -> Arc<str>,
) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = stream;
    let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..count]);
        while let Some(end) = received.iter().position(|byte| *byte == b';') {
            let statement: Vec<u8> = received.drain(..=end).collect();
            let statement = String::from_utf8_lossy(&statement);
            let reply;
            let answer = if statement.contains("version FROM settings") {
                "2.3.14 (2005-11-23T14:22:53-05:00 Tesla )\n\n"
            } else if statement.contains("supported_protocols") {
                "EPC1 GEN2\n\n"
            } else if statement.contains("FROM params") {
                "Error 0100:\tUnknown table\n\n"
            } else if statement.contains("lqi") {
                "Error 0100:\tUnknown lqi\n\n"
            } else if statement.contains("FROM tag_id") && !statement.contains("time_out=1;") {
                reply = next_reply();
                &reply
            } else {
                "\n"
            };
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}
