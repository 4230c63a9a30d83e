//! What the query interface of the customer service answers in a second, and how long an answer takes,
//! beside a route that answers at once through the same door.
//!
//! `cargo bench -p rfid-benches --bench service_api -- [SECONDS]`, 10 if left out. Clients and service
//! share the machine's processors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use rfid_core::SystemClock;
use rfid_door::Door;
use rfid_door::door::Setup;
use rfid_service::randomness::SystemRandomness;
use rfid_service::recognition::RecognitionSettings;
use rfid_service::seal::Keys;
use rfid_service::service::{BranchDraft, Caller, ConsentDraft, CustomerDraft, Grant, Service};
use rfid_service::store::Rows;
use rfid_service::store::embedded::EmbeddedStore;
use rfid_web::Api;
use rfid_web::clients::{Client, Clients};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zeroize::Zeroizing;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const CUSTOMERS: u32 = 2_000;
const CLIENTS: u32 = 16;
/// What is asked for in a second, of all clients together.
const ASKED: u32 = 2_000;

async fn service(folder: &std::path::Path) -> Arc<Service> {
    let keys = Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap();
    let rows = Rows::new(Arc::new(keys), Arc::new(SystemRandomness));
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(EmbeddedStore::open(folder, rows, clock.clone()).await.unwrap());
    let service = Service::new(store, RecognitionSettings::default(), clock, Arc::new(SystemRandomness));
    let branch = BranchDraft { code: "hubin".into(), name: "湖滨支行".to_owned(), position: None };
    service.take_branches(&Caller::console(), &[branch]).await.unwrap();
    let service = Arc::new(service);
    let opened = (0..CUSTOMERS).map(|number| {
        let service = Arc::clone(&service);
        async move {
            let draft = CustomerDraft {
                customer_number: format!("C{number}").as_str().into(),
                name: format!("客户{number}").as_str().into(),
                id_number: None,
                employer: "西州电力有限公司".into(),
                vip_class: "gold".to_owned(),
                usual_business: "理财".into(),
                branch: "hubin".to_owned(),
                account_manager: None,
                notes: "".into(),
                consent: ConsentDraft::Given,
            };
            service.open_customer(&Caller::console(), draft).await.unwrap();
        }
    });
    futures_util::future::join_all(opened).await;
    service
}

async fn door(router: Router) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Door::open(listener, router, Setup::default()).unwrap()
}

/// Asks over one connection at this pace, or as fast as answers come, and returns how long each answer
/// took from when it was due.
async fn client(
    address: SocketAddr,
    path: fn(u32) -> String,
    number: u32,
    pace: Option<Duration>,
    lasts: Duration,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let started = Instant::now();
    let mut times = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    for asked in 0.. {
        let due = match pace {
            Some(pace) => {
                let due = started + pace * asked + pace * number / CLIENTS;
                tokio::time::sleep_until(due.into()).await;
                due
            }
            None => Instant::now(),
        };
        if started.elapsed() >= lasts {
            return times;
        }
        let path = path((asked * CLIENTS + number).wrapping_mul(7_919) % CUSTOMERS);
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut length = 0;
        let end = loop {
            length += stream.read(&mut buffer[length..]).await.unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).to_ascii_lowercase();
            if let Some(head) = text.find("\r\n\r\n") {
                let of_body = text[..head].lines().find_map(|line| line.strip_prefix("content-length: "));
                let end = head + 4 + of_body.unwrap().trim().parse::<usize>().unwrap();
                if length >= end {
                    break end;
                }
            }
        };
        assert!(buffer[..end].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..end]));
        times.push(due.elapsed());
    }
    times
}

async fn play(what: &str, address: SocketAddr, path: fn(u32) -> String, lasts: Duration) {
    for asked in [Some(ASKED), None] {
        let pace = asked.map(|asked| Duration::from_secs(1) * CLIENTS / asked);
        let clients = (0..CLIENTS).map(|number| tokio::spawn(client(address, path, number, pace, lasts)));
        let mut times = Vec::new();
        for outcome in futures_util::future::join_all(clients).await {
            times.extend(outcome.unwrap());
        }
        times.sort_unstable();
        let part = |of_thousand: usize| times[(times.len() - 1) * of_thousand / 1000];
        println!(
            "  {what}, {}: {:.0} a second, p50 {:?}, p99 {:?}",
            asked.map_or("as fast as they come".to_owned(), |asked| format!("{asked} a second asked for")),
            times.len() as f64 / lasts.as_secs_f64(),
            part(500),
            part(990)
        );
    }
}

#[tokio::main]
async fn main() {
    let usual = if std::env::args().any(|word| word == "--test") { 1 } else { 10 };
    let seconds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(usual);
    let lasts = Duration::from_secs(seconds);
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let mut clients = Clients::default();
    let client = Client {
        name: "bench".to_owned(),
        grant: Grant::everything(),
        requests_per_minute: u32::MAX,
        expires: None,
    };
    clients.add(TOKEN, client);
    let api = Api::new(Arc::clone(&service), clients, [7; 32], Arc::new(SystemClock::new()));
    let answering = door(Router::new().route("/at-once", get(|| async { "well" }))).await;
    let customers = door(api.router()).await;
    println!("\n{CLIENTS} clients (bar: 2000 a second with p99 under 20 ms)");
    play(
        "a customer by number",
        customers.local_addr(),
        |number| format!("/api/v1/customers/C{number}"),
        lasts,
    )
    .await;
    play("an answer at once", answering.local_addr(), |_| "/at-once".to_owned(), lasts).await;
    customers.close().await;
    answering.close().await;
    service.store().close().await;
}
