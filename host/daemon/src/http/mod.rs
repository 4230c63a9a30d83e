//! HTTP of the framework: is it alive, is it ready, what has it counted, what happens.

mod board;
mod condition;
mod counters;
mod events;
mod metrics;
mod recording;
mod routes;
mod taps;
mod view;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rfid_core::{Clock, Error, ErrorKind, LogLimit, Result, SystemClock};
use rfid_web::api::Peer;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

pub(crate) use board::{Board, ReloadOutcome, ReloadRequest};
pub(crate) use view::View;

/// Connections served at once; further ones wait to be accepted. Fewer where a process may have few
/// descriptors.
const MOST_CONNECTIONS: usize = 1024;
/// How long the head of a request may take. hyper's own limit needs a timer to have effect.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long connections may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running HTTP server.
pub(crate) struct Server {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the routes of the host and those that `more` makes; it is told when the host stops.
    pub(crate) fn start(
        listener: TcpListener,
        board: Arc<Board>,
        more: impl FnOnce(watch::Receiver<bool>) -> Result<Router>,
    ) -> Result<Self> {
        let local_addr = listener
            .local_addr()
            .map_err(|error| Error::new(ErrorKind::Connect, "listen").with_source(error))?;
        let (stop, stopped) = watch::channel(false);
        let router = routes::router(board).merge(more(stopped.clone())?);
        let task = tokio::spawn(serve(listener, router, stopped));
        Ok(Self { local_addr, stop, task })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(crate) async fn stop(self) {
        // The task is gone only if it was stopped before.
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    let graceful = GracefulShutdown::new();
    let limits = tokio::fs::read_to_string("/proc/self/limits").await.unwrap_or_default();
    let places = Arc::new(Semaphore::new(most_connections(&limits)));
    let (clock, mut refused) = (SystemClock::new(), LogLimit::default());
    loop {
        let accepted = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => match place {
                Ok(place) => tokio::select! {
                    accepted = listener.accept() => accepted.map(|(stream, peer)| (stream, peer, place)),
                    _ = stopped.changed() => break,
                },
                Err(_) => break,
            },
            _ = stopped.changed() => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: busy waiting would not help.
                if let Some(unsaid) = refused.allow(clock.now().monotonic) {
                    tracing::warn!(%error, "a connection could not be accepted{unsaid}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // An event is small and the next may be long in coming: it must not wait for the receipt of
        // the one before, which the other side holds back for 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "events may be late on this connection");
        }
        let service = TowerToHyperService::new(router.clone().layer(Extension(Peer(peer))));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended with an error");
            }
            drop(place);
        });
    }
    if tokio::time::timeout(STOP_LIMIT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end and are cut");
    }
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
