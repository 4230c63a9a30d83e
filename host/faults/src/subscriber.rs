//! A subscriber as people write them: server-sent events, resumed behind the last id.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::daemon::lock;
use crate::fact::Fact;
use crate::oracle::{Heard, Oracle};

/// Subscribes and writes all that comes into the oracle's book, until the daemon ends the stream.
pub(crate) async fn subscribe(
    http: SocketAddr,
    oracle: &Arc<Mutex<Oracle>>,
) -> Result<JoinHandle<Result<()>>> {
    let after = lock(oracle).last_id();
    let mut lines = BufReader::new(open(http, after.as_deref()).await?).lines();
    let status = lines.next_line().await?.context("the stream ended before it began")?;
    anyhow::ensure!(status.contains(" 200 "), "the subscription is refused: {status}");
    let oracle = Arc::clone(oracle);
    Ok(tokio::spawn(async move {
        let (mut name, mut data) = (String::new(), String::new());
        // A daemon that was killed resets the connection: the end, like any other.
        while let Ok(Some(line)) = lines.next_line().await {
            match line.split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data = value.to_owned(),
                _ if line.is_empty() && !name.is_empty() => {
                    let value: Value = serde_json::from_str(&data)
                        .with_context(|| format!("a notice is no JSON: {data}"))?;
                    note(&oracle, std::mem::take(&mut name), &value);
                }
                _ => {}
            }
        }
        Ok(())
    }))
}

fn note(oracle: &Mutex<Oracle>, name: String, value: &Value) {
    let mut oracle = lock(oracle);
    if name == "missed" {
        oracle.missed += value.get("count").and_then(Value::as_u64).unwrap_or(0);
        return;
    }
    match value.get("data").and_then(Fact::read) {
        Some(fact) => oracle.heard.push(Heard { name, fact, at: SystemTime::now() }),
        None => oracle.unreadable.push(format!("notice {value}")),
    }
}

/// Opens a subscription and leaves reading it to the caller.
pub(crate) async fn open(http: SocketAddr, after: Option<&str>) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(http).await?;
    let resume = after.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    let head = format!("GET /api/v1/events HTTP/1.0\r\nHost: faults\r\n{resume}\r\n");
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}
