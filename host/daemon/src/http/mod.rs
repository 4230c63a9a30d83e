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
use crate::descriptors;

pub(crate) use board::{Board, ReloadOutcome, ReloadRequest};
pub(crate) use view::View;

/// Opens the door to the routes of the host and to `more`.
pub(crate) async fn open(
    listener: TcpListener,
    board: Arc<Board>,
    more: Router,
    config: &HttpConfig,
    tls: Option<Arc<Tls>>,
) -> Result<Door> {
    let mut limits = Limits::default();
    limits.connections = descriptors::connections(config.connections);
    if limits.connections < config.connections {
        let (served, wanted) = (limits.connections, config.connections);
        tracing::warn!(
            served,
            wanted,
            "fewer connections are served at once than [http] connections says, since this process may open few files: raise LimitNOFILE of the service, or `ulimit -Hn`, to twice as many"
        );
    }
    limits.connections_per_address = config.connections_per_address;
    // Whoever is on the machine has other means.
    limits.loopback_is_exempt = true;
    let router = routes::router(board).merge(more);
    Door::open(listener, router, Setup { limits, tls, hosts: config.hosts.clone() })
}
