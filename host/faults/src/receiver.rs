//! A receiver of webhooks that can be dead, slow or well.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::daemon::lock;
use crate::fact::Fact;

/// What was posted, in the order in which it came.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// Each fact at its first coming.
    pub(crate) facts: Vec<Fact>,
    ids: HashSet<String>,
    /// Posts of facts that had come before.
    pub(crate) repeats: u64,
    pub(crate) unreadable: Vec<String>,
}

impl Posted {
    /// Whether this fact has come.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

/// A listening receiver; dead once dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    delay: watch::Sender<Duration>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Listens; each answer takes this long.
    pub(crate) fn listen(port: Port, delay: Duration, posted: Arc<Mutex<Posted>>) -> Result<Self> {
        let listener = port.socket.listen(1024)?;
        let (delay, told) = watch::channel(delay);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (posted, told) = (Arc::clone(&posted), told.clone());
                tokio::spawn(async move {
                    // Whoever posts may go away in mid-request.
                    let _ = serve(stream, &posted, &told).await;
                });
            }
        });
        Ok(Self { delay, task })
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that is taken and on which nobody listens.
#[derive(Debug)]
pub(crate) struct Port {
    socket: TcpSocket,
    pub(crate) address: SocketAddr,
}

impl Port {
    pub(crate) fn take() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.1:0".parse()?)?;
        Ok(Self { address: socket.local_addr()?, socket })
    }
}

async fn serve(stream: TcpStream, posted: &Mutex<Posted>, delay: &watch::Receiver<Duration>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().context("the length is no number")?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let wait = *delay.borrow();
        tokio::time::sleep(wait).await;
        note(posted, &body);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}

fn note(posted: &Mutex<Posted>, body: &[u8]) {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let mut posted = lock(posted);
    match value.get("data").and_then(Fact::read) {
        Some(fact) if posted.ids.insert(fact.id.clone()) => posted.facts.push(fact),
        Some(_) => posted.repeats += 1,
        None => posted.unreadable.push(String::from_utf8_lossy(body).into_owned()),
    }
}
