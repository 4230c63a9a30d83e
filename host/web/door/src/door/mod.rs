//! A listener, the connections that it accepts, and their end.

mod activity;
mod addresses;
mod body;
mod connection;
mod headers;
mod limits;
mod refusing;
mod watched;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use rfid_core::{Clock, Error, ErrorKind, LogLimit, Result, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::problem;
use crate::tls::Tls;
use addresses::Addresses;
pub(crate) use body::TooSlow;
pub use limits::Limits;

/// Waited after a connection could not be accepted: at first, and at most.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Where a request comes from; it is among the extensions of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// What a door is opened with, besides its routes.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// How much a connection may take.
    pub limits: Limits,
    /// The certificate; without one the door speaks HTTP in the clear.
    pub tls: Option<Arc<Tls>>,
    /// Names and addresses that requests may be sent to, without a port. Empty: any. With names, a
    /// page of another site cannot reach the host under a name of its own (DNS rebinding).
    pub hosts: Vec<String>,
}

/// An open door: it serves its routes until it is closed. Dropping it cuts every connection.
pub struct Door {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Door {
    /// Serves `router` to whoever connects. Needs a runtime of tokio with time and I/O.
    ///
    /// # Errors
    ///
    /// `Connect`, if the listener has no address (any more).
    pub fn open(listener: TcpListener, router: Router, setup: Setup) -> Result<Self> {
        let local_addr = listener
            .local_addr()
            .map_err(|error| Error::new(ErrorKind::Connect, "listen").with_source(error))?;
        let (stop, stopped) = watch::channel(false);
        let router = router
            .layer(DefaultBodyLimit::max(setup.limits.body))
            .layer(middleware::from_fn(problem::for_every_error));
        let task = tokio::spawn(accept(listener, Arc::new(Served { router, setup, stopped })));
        Ok(Self { local_addr, stop, task })
    }

    /// Where the door listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Ends streams of events, lets requests that are under way end within [`Limits::stop`], and
    /// cuts the others.
    pub async fn close(mut self) {
        // Nobody listens only if the task has ended.
        let _ = self.stop.send(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every connection serves.
struct Served {
    router: Router,
    setup: Setup,
    stopped: watch::Receiver<bool>,
}

impl Served {
    /// Resolves when the door is being closed.
    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.clone();
        async move {
            // A door that is gone is closed, too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    }
}

async fn accept(listener: TcpListener, served: Arc<Served>) {
    let limits = &served.setup.limits;
    let addresses = Arc::<Addresses>::default();
    let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let (clock, mut unaccepted, mut crowded) = (SystemClock::new(), LogLimit::default(), LogLimit::default());
    let mut connections = JoinSet::new();
    let mut back_off = BACK_OFF[0];
    let stopped = served.stopped();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &places) => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stopped => break,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: trying again at once would not help.
                if let Some(unsaid) = unaccepted.allow(clock.now().monotonic) {
                    tracing::warn!(%error, "a connection could not be accepted{unsaid}");
                }
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF[1]);
                continue;
            }
        };
        back_off = BACK_OFF[0];
        let Some(of_address) = addresses.place(address.ip(), limits) else {
            if let Some(unsaid) = crowded.allow(clock.now().monotonic) {
                tracing::warn!(address = %address.ip(), "an address has too many connections{unsaid}");
            }
            continue;
        };
        let served = Arc::clone(&served);
        connections.spawn(async move {
            connection::serve(stream, Peer(address), &served).await;
            drop((place, of_address));
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.stop, ended).await.is_err() {
        tracing::warn!("some connections did not end and are cut");
    }
}

/// The next connection, once there is a place for it.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}
