//! HTTP of the framework: is it alive, is it ready, what has it counted, what happens.

mod board;
mod condition;
mod counters;
mod events;
mod installation;
mod metrics;
mod recording;
mod routes;
mod taps;
mod view;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use rfid_core::Result;
use rfid_door::door::{Door, Limits, Setup};
use rfid_door::tls::Tls;
use tokio::net::TcpListener;

use crate::config::HttpConfig;

pub(crate) use board::{Board, ReloadOutcome, ReloadRequest};
pub(crate) use view::View;

/// Connections served at once; further ones wait to be accepted. Fewer where a process may have few
/// descriptors.
const MOST_CONNECTIONS: usize = 1024;

/// Opens the door to the routes of the host and to `more`.
pub(crate) async fn open(
    listener: TcpListener,
    board: Arc<Board>,
    more: Router,
    config: &HttpConfig,
    tls: Option<Arc<Tls>>,
) -> Result<Door> {
    let descriptors = tokio::fs::read_to_string("/proc/self/limits").await.unwrap_or_default();
    let mut limits = Limits::default();
    limits.connections = most_connections(&descriptors);
    limits.connections = config.connections;
    limits.connections_per_address = config.connections_per_address;
    // Whoever is on the machine has other means.
    limits.loopback_is_exempt = true;
    let router = routes::router(board).merge(more);
    Door::open(listener, router, Setup { limits, tls, hosts: config.hosts.clone() })
}

/// Half of the descriptors at most, so that files and readers always get theirs.
fn most_connections(limits: &str) -> usize {
    let descriptors = limits.lines().find_map(|line| {
        line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok()
    });
    descriptors.map_or(MOST_CONNECTIONS, |descriptors| (descriptors / 2).clamp(1, MOST_CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_half_of_the_descriptors_to_files_and_readers() {
        let of = |limit: &str| {
            most_connections(&format!("Limit  Soft\nMax open files            {limit} 524288 files\n"))
        };
        assert_eq!([of("64"), of("1024"), of("1"), of("524288")], [32, 512, 1, 1024]);
        assert_eq!([of("unlimited"), most_connections("")], [1024, 1024]);
    }
}
