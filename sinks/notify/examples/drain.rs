//! How fast a webhook sends what has waited for its receiver, and what that took on the disk.
//!
//! ```sh
//! cargo run --release -p rfid-sink-notify --example drain
//! ```
//!
//! A receiver is absent while 24,000 notices come, then it is there.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rfid_core::{Event, EventBatch, EventId, Name, Settings, SinkKind, SystemClock, TagId, TagIdKind};
use rfid_sink_notify::{Hub, NotifyKind};
use tokio::net::TcpListener;

const NOTICES: u32 = 24_000;
/// Events that come at once.
const BATCH: u32 = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    drop(listener);
    let kind = NotifyKind::new(Hub::new(), folder.path(), Arc::new(SystemClock::new()));
    let settings = format!(
        "webhooks = [{{ name = \"hook\", url = \"http://{address}/\", secret = \"a key for this\" }}]"
    );
    let mut sink = kind.sink(&Settings::from_toml(&settings)?, &Name::from("screens"))?;
    sink.open().await?;
    let status = kind.webhooks().running().remove(0).status;

    let start = Instant::now();
    for first in (0..NOTICES).step_by(BATCH as usize) {
        sink.deliver(&mut EventBatch::new((first..first + BATCH).map(event).collect::<Result<_, _>>()?))
            .await?;
    }
    let took = start.elapsed();
    println!(
        "kept {NOTICES} in batches of {BATCH}: {:.0}/s, {} bytes a notice on the disk",
        f64::from(NOTICES) / took.as_secs_f64(),
        status.waiting_bytes.load(Ordering::Relaxed) / u64::from(NOTICES)
    );

    let listener = TcpListener::bind(address).await?;
    let receiver = tokio::spawn(receive(listener));
    while status.delivered.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let start = Instant::now();
    let before = status.delivered.load(Ordering::Relaxed);
    while status.delivered.load(Ordering::Relaxed) < u64::from(NOTICES) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let sent = u64::from(NOTICES) - before;
    println!("sent {sent}: {:.0}/s", sent as f64 / start.elapsed().as_secs_f64());
    sink.close().await?;
    receiver.abort();
    Ok(())
}

/// Each is of one of 500 tags, as of people who come again.
fn event(number: u32) -> Result<Event, Box<dyn Error>> {
    let sample = Event::sample();
    let tag = TagId::new(TagIdKind::Epc, &(number % 500).to_be_bytes()).map_err(|fault| fault.to_string())?;
    Ok(Event { event_id: EventId::derive("drain", &tag, sample.first_seen, number), tag, ..sample })
}

async fn receive(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(|request: Request<Incoming>| async {
            request.into_body().collect().await?;
            Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
