//! A door as the network sees it: real sockets, hostile clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use rfid_door::door::{Door, Limits, Setup};
use rfid_door::{Json, Problem};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// More than any of these answers takes; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.first_byte = Duration::from_millis(300);
    limits.head = Duration::from_millis(300);
    limits.idle = Duration::from_millis(300);
    limits.body_grace = Duration::from_millis(300);
    limits.connections = 4096;
    limits.loopback_is_exempt = true;
    limits
}

async fn panics() -> &'static str {
    panic!("a secret of the handler")
}

async fn events() -> Response {
    let first = futures_util::stream::iter([Ok::<_, Infallible>("data: first\n\n")]);
    let body = Body::from_stream(first.chain(futures_util::stream::pending()));
    ([("content-type", "text/event-stream")], body).into_response()
}

async fn json(Json(value): Json<Value>) -> Result<Json<Value>, Problem> {
    Ok(Json(value))
}

fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { "here" }))
        .route("/panic", get(panics))
        .route("/events", get(events))
        .route("/json", post(json))
        .route("/number/{number}", get(|_: axum::extract::Path<u32>| async {}))
}

async fn open(limits: Limits) -> (Door, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Door::open(listener, routes(), Setup { limits, ..Setup::default() }).unwrap();
    let address = door.local_addr();
    (door, address)
}

/// Everything that comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it is closed").unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("no answer")
}

/// The document, and that it is one.
fn problem(answer: &str) -> Value {
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

fn post_of(kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_heads_are_closed_while_others_are_served() {
    let (door, address) = open(limits()).await;
    let mut slow = Vec::new();
    for number in 0..2000 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Some do not say a word.
        if number % 4 != 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        }
        slow.push(stream);
        if number % 500 == 0 {
            assert_eq!(status(&send(address, &get_of("/")).await), "200");
        }
    }
    for stream in &mut slow {
        let mut answer = Vec::new();
        // Closed, or reset, which is as good to somebody who has not asked anything.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed");
        assert!(answer.is_empty());
    }
    assert_eq!(status(&send(address, &get_of("/")).await), "200");
    door.close().await;
}

#[tokio::test]
async fn an_idle_connection_is_kept_and_then_closed() {
    let (_door, address) = open(limits()).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    let answers = send(address, &request).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_slow_body_is_answered_with_408() {
    let (_door, address) = open(limits()).await;
    let begun =
        "POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    let answer = send(address, begun).await;
    assert_eq!((status(&answer), problem(&answer)["status"].clone()), ("408", 408.into()));
}

#[tokio::test]
async fn every_error_is_a_document_and_tells_nothing_of_the_inside() {
    let (_door, address) = open(limits()).await;
    let json = |body: &str| post_of("application/json", body);
    let cases = [
        (get_of("/nothing"), "404"),
        (get_of("/json"), "405"),
        (get_of("/number/x"), "400"),
        (get_of("/panic"), "500"),
        (get_of("/").replace("GET", "TRACE"), "501"),
        (get_of("/").replace("Host: a\r\n", ""), "400"),
        (post_of("text/plain", "{}"), "415"),
        (json("{"), "400"),
        (json(&"[".repeat(60_000)), "400"),
        (json(&" ".repeat(70_000)), "413"),
    ];
    for (request, expected) in cases {
        let answer = send(address, &request).await;
        let document = problem(&answer);
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(document["status"].to_string(), expected);
        for inside in ["secret", "src/", "panicked", "serde", "axum", "parse", "u32"] {
            assert!(!answer.contains(inside), "{answer}");
        }
        for header in ["content-security-policy: default-src 'none'", "nosniff", "no-referrer", "no-store"] {
            assert!(answer.contains(header), "{header}: {answer}");
        }
        assert!(!answer.contains("server:"), "{answer}");
    }
    assert!(send(address, &get_of("/json")).await.contains("allow: POST"));
}

#[tokio::test]
async fn a_panic_ends_its_request_and_not_its_connection() {
    let (_door, address) = open(limits()).await;
    let requests = format!("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n{}", get_of("/"));
    let answers = send(address, &requests).await;
    assert!(answers.starts_with("HTTP/1.1 500"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200 OK") && answers.ends_with("here"), "{answers}");
}

#[tokio::test]
async fn depth_does_not_matter_to_the_stack() {
    let mut limits = limits();
    limits.body = 1024 * 1024;
    let (_door, address) = open(limits).await;
    for begin in ["[", "{\"a\":"] {
        let answer = send(address, &post_of("application/json", &begin.repeat(150_000))).await;
        assert_eq!(status(&answer), "400");
        assert_eq!(problem(&answer)["title"], "Too deep");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_goes_on_sending_can_read_that_it_is_too_much() {
    let (_door, address) = open(limits()).await;
    for length in [70_000, 1_000_000, 6_000_000] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // All that is drained, in pieces, before anything is read.
        for _ in 0..length.min(900_000) / 10_000 {
            stream.write_all(&[b' '; 10_000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut answer = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413", "{length}");
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let (_door, address) = open(limits()).await;
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(200));
    for request in [large, many] {
        let answer = send(address, &request).await;
        assert_eq!(status(&answer), "431");
        assert!(says_what_is_wrong(&answer, "The head of the request is too large"), "{answer}");
    }
}

/// Whether an answer is a problem document that says this, and has what every answer has.
fn says_what_is_wrong(answer: &str, what: &str) -> bool {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    let length = format!("content-length: {}", body.len());
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    ["application/problem+json", "nosniff", "connection: close", &length]
        .iter()
        .all(|part| head.contains(part))
        && problem["detail"].as_str().is_some_and(|detail| detail.starts_with(what))
}

#[tokio::test]
async fn a_head_that_is_no_http_is_answered_with_a_sentence_behind_the_answers_before() {
    let (_door, address) = open(limits()).await;
    for wrong in [
        "\0\0\0\0\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nHost a\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\r\n\r\n",
    ] {
        let answer = send(address, wrong).await;
        assert_eq!(status(&answer), "400", "{wrong:?}: {answer}");
        assert!(says_what_is_wrong(&answer, "The head of the request cannot be read"), "{wrong:?}: {answer}");
    }
    let good = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    let answers = send(address, &format!("{good}{good}nonsense\r\n\r\n")).await;
    let parts: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(parts.len(), 3, "{answers}");
    assert!(
        parts[2].starts_with("400") && says_what_is_wrong(parts[2], "The head of the request cannot"),
        "{answers}"
    );
}

#[tokio::test]
async fn odd_frames_get_one_answer_at_most() {
    let (_door, address) = open(limits()).await;
    let hidden = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    let odd = [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\n",
        "X: a\r\n b\r\n",
        "X: a\0b\r\n",
    ];
    for headers in odd {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n0\r\n\r\n{hidden}");
        let answers = send(address, &request).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{headers:?}: {answers}");
        assert!(matches!(status(&answers), "400" | "405"), "{headers:?}: {answers}");
    }
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let mut limits = limits();
    limits.connections_per_address = 2;
    limits.loopback_is_exempt = false;
    limits.first_byte = PATIENCE;
    let (_door, address) = open(limits).await;
    let first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    assert_eq!(rest(&mut third).await, "");
    second.write_all(get_of("/").as_bytes()).await.unwrap();
    assert_eq!(status(&rest(&mut second).await), "200");
    drop(first);
}

#[tokio::test]
async fn a_stream_of_events_ends_when_the_door_closes() {
    let mut limits = limits();
    limits.stop = PATIENCE * 2;
    let (door, address) = open(limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(get_of("/events").as_bytes()).await.unwrap();
    let mut begun = [0; 15];
    stream.read_exact(&mut begun).await.unwrap();
    tokio::time::timeout(PATIENCE, door.close()).await.expect("nothing holds the door");
    let events = rest(&mut stream).await;
    assert!(events.contains("data: first") && events.ends_with("0\r\n\r\n"), "{events}");
    assert!(TcpStream::connect(address).await.is_err());
}
