//! The TCP side of an emulated reader: connections that can be cut.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Connections served at once; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 64;

/// A listener and the clients that it serves.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    control: watch::Sender<Control>,
    task: JoinHandle<()>,
}

/// What the server is told from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Control {
    /// Connections that were accepted under a lower number are cut.
    cut: u64,
    stop: bool,
}

impl Server {
    /// Listens on `address` (port 0 takes a free one) and serves each client until it goes.
    ///
    /// # Errors
    /// Those of binding the address.
    pub async fn bind<F>(
        address: impl ToSocketAddrs,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let local_addr = listener.local_addr()?;
        let (control, told) = watch::channel(Control::default());
        let task = tokio::spawn(accept(listener, serve, told));
        Ok(Self { local_addr, control, task })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Cuts all connections, as a pulled cable or a reboot does. New ones are accepted.
    pub fn drop_connections(&self) {
        self.control.send_modify(|control| control.cut += 1);
    }

    /// Ends all connections and the listener.
    pub async fn shutdown(self) {
        self.control.send_modify(|control| control.stop = true);
        // A panic of the server would be a fault of this module; there is nothing to mend here.
        let _ = self.task.await;
    }

    /// Runs until the listener ends, which it does not by itself.
    pub async fn run(self) {
        let _ = self.task.await;
    }
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F, mut told: watch::Receiver<Control>)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while !told.borrow_and_update().stop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                let Ok((stream, client)) = accepted else {
                    // Out of descriptors, most likely: wait for one to come free.
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                };
                // Without it, short replies would wait for the client's acknowledgements.
                let _ = stream.set_nodelay(true);
                tracing::debug!(%client, "client connected");
                let connection = serve(stream);
                let mut told = told.clone();
                let cut = told.borrow().cut;
                connections.spawn(async move {
                    tokio::select! {
                        outcome = connection => {
                            tracing::debug!(%client, outcome = ?outcome.err(), "client is gone");
                        }
                        // An error means that the emulator itself is gone.
                        _ = told.wait_for(|control| control.stop || control.cut > cut) => {}
                    }
                });
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
            changed = told.changed() => {
                if changed.is_err() {
                    break;
                }
            }
        }
    }
    connections.shutdown().await;
}
