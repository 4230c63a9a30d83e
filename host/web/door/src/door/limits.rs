//! How much of the host a connection may take, and for how long.

use std::time::Duration;

/// Limits of a door. The defaults suit a branch's network; each is written down here and nowhere
/// else.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Until the first byte of a connection: 5 s.
    pub first_byte: Duration,
    /// From the first byte of a request until its head is whole; the same for the handshake of
    /// TLS: 10 s.
    pub head: Duration,
    /// From the end of an answer until the first byte of the next request: 60 s.
    pub idle: Duration,
    /// For this long a body may come as slowly as it likes: 10 s.
    pub body_grace: Duration,
    /// Bytes a second that a body comes with at least, beyond the grace: 1 KiB.
    pub body_rate: u32,
    /// Bytes of a body, unless its route has a layer [`axum::extract::DefaultBodyLimit`] of its
    /// own: 64 KiB, for JSON.
    pub body: usize,
    /// Bytes of a body on any route: 5 MiB, for photos.
    pub largest_body: usize,
    /// Bytes of a request's head: 16 KiB.
    pub head_size: usize,
    /// Headers of a request: 100.
    pub headers: usize,
    /// Connections in all: 1024. Further ones wait to be accepted.
    pub connections: usize,
    /// Connections of one address; of one network (/64) with IPv6: 200. Further ones are closed.
    pub connections_per_address: usize,
    /// Whether connections of the machine itself are not counted by address: no.
    pub loopback_is_exempt: bool,
    /// Requests at once on a connection of HTTP/2: 100.
    pub streams: u32,
    /// Streams of HTTP/2 that the other side may cancel before they were looked at, and for its
    /// errors in all, until the connection ends: 20.
    pub resets: usize,
    /// Bytes that are read and thrown away behind an answer that did not need the whole request,
    /// so that a client that goes on sending can read the answer: 1 MiB.
    pub drain: usize,
    /// How long that may take: 2 s.
    pub drain_time: Duration,
    /// How long requests may take to end once the door closes: 5 s.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body_grace: Duration::from_secs(10),
            body_rate: 1024,
            body: 64 * 1024,
            largest_body: 5 * 1024 * 1024,
            head_size: 16 * 1024,
            headers: 100,
            connections: 1024,
            connections_per_address: 200,
            loopback_is_exempt: false,
            streams: 100,
            resets: 20,
            drain: 1024 * 1024,
            drain_time: Duration::from_secs(2),
            stop: Duration::from_secs(5),
        }
    }
}
