//! An emulated Mercury 4 that speaks RQL over real TCP and plays a scenario.
//!
//! It acts on the semicolon, keeps sixteen cursors, runs autonomous mode, and lets the queries
//! of all its connections take turns on one radio. Where the protocol document leaves something
//! open, the choice made stands beside the code that makes it; the greater ones are:
//!
//! * Cursors belong to the reader and not to a connection (§6.3 hints at it).
//! * A client that goes takes its autonomous mode with it.
//! * What a tag refuses, and a tag that is not there, answer `Error 0102` alike.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
//!
//! let scenario = Scenario::from_toml("[[tag]]\nepc = \"2D0000000000000000000001\"\n")?;
//! let reader = Emulator::bind("127.0.0.1:0", Profile::M4, scenario).await?;
//! println!("point a driver at {}", reader.local_addr());
//! reader.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod connection;
mod faults;
mod lexer;
mod query;
mod reader;
mod schedule;
mod statement;
mod tables;
mod tag_update;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rfid_core::{Clock, SystemClock, UtcTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use faults::Faults;
pub use rfid_emulated_field::ScenarioFault;
pub use tables::Profile;

/// What an emulated Mercury 4 plays.
pub type Scenario = rfid_emulated_field::Scenario<Faults>;

use connection::Connection;
use faults::FaultState;
use reader::Reader;

/// Connections served at once; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 64;

/// A running emulated reader.
#[derive(Debug)]
pub struct Emulator {
    local_addr: SocketAddr,
    reader: Arc<Reader>,
    faults: Arc<FaultState>,
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

impl Emulator {
    /// Starts a reader that listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of binding the address.
    pub async fn bind(address: impl ToSocketAddrs, profile: Profile, scenario: Scenario) -> io::Result<Self> {
        let utc = SystemClock::new().now().utc;
        Self::bind_with(address, profile, scenario, utc).await
    }

    /// As [`Emulator::bind`], with a reader clock that stands at `utc` now.
    ///
    /// # Errors
    /// Those of binding the address.
    pub async fn bind_with(
        address: impl ToSocketAddrs,
        profile: Profile,
        scenario: Scenario,
        utc: UtcTime,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let local_addr = listener.local_addr()?;
        let faults = Arc::new(FaultState::new(scenario.faults.clone()));
        let reader = Arc::new(Reader::new(profile, scenario, utc));
        let (control, told) = watch::channel(Control::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&reader), Arc::clone(&faults), told));
        Ok(Self { local_addr, reader, faults, control, task })
    }

    /// Where the reader listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Puts other tags before the antennas, from now on. What goes wrong stays as it was.
    ///
    /// Times of the scenario count from the start of the emulator.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.reader.set_scenario(scenario);
    }

    /// Cuts all connections, as a pulled cable or a reboot does. New ones are accepted.
    pub fn drop_connections(&self) {
        self.control.send_modify(|control| control.cut += 1);
    }

    /// Lets these things go wrong from now on, in place of those before.
    pub fn set_faults(&self, faults: Faults) {
        self.faults.set(faults);
    }

    /// Reboots the reader: connections are cut, cursors are gone, and settings that were not those
    /// of the factory are forgotten, as after a firmware that loses them.
    pub fn reboot(&self) {
        self.reader.forget();
        self.drop_connections();
    }

    /// Cuts one connection once this many more bytes of replies have gone out, as a reader that
    /// dies in the middle of a row does.
    pub fn cut_after(&self, bytes: u32) {
        self.faults.cut_after(bytes);
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

/// Serves one client over any stream, for tests in simulated time.
#[doc(hidden)]
pub async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    profile: Profile,
    scenario: Scenario,
    utc: UtcTime,
) -> io::Result<()> {
    let faults = Arc::new(FaultState::new(scenario.faults.clone()));
    let reader = Arc::new(Reader::new(profile, scenario, utc));
    Connection::new(stream, reader, faults).serve().await
}

async fn accept(
    listener: TcpListener,
    reader: Arc<Reader>,
    faults: Arc<FaultState>,
    mut told: watch::Receiver<Control>,
) {
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
                let connection = Connection::new(stream, Arc::clone(&reader), Arc::clone(&faults));
                let mut told = told.clone();
                let cut = told.borrow().cut;
                connections.spawn(async move {
                    tokio::select! {
                        outcome = connection.serve() => {
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
