//! Tag reads by the thousand, as a Mercury 4 or an LLRP reader sends them, for benches and measuring tests.
#![forbid(unsafe_code)]

mod llrp;

use std::sync::Arc;

pub use llrp::llrp_report;
use rfid_load::opening::Statement;
pub use rfid_load::rows::{epc, reply, tag};

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
            let answer = match Statement::of(&statement) {
                Statement::Round => {
                    reply = next_reply();
                    &reply
                }
                other => other.answer(),
            };
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}
