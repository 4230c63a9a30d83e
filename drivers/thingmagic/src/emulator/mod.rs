//! An emulated module behind a real TCP port, as a serial server would carry its line.
//!
//! It knows the operations that the driver and the vendor's clients begin with, reads
//! continuously, and keeps the memory of its tags. What is asked of a tag reaches the one that
//! answers first, since filters are not known here (see the crate's front page). Where the
//! protocol document leaves something open, the choice stands beside the code that makes it.

mod connection;
mod module;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rfid_core::DurationText;
pub use rfid_emulated_field::ScenarioFault;
use rfid_emulated_field::Server;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::ToSocketAddrs;

use connection::Connection;
use module::Module;

/// What an emulated module plays.
pub type Scenario = rfid_emulated_field::Scenario<Faults>;

/// What goes wrong on purpose, in the scenario's table `[faults]` or at run time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Frames go out in pieces of this many bytes.
    pub split_every: Option<usize>,
    /// Every so-manieth streamed frame has a bit turned over.
    pub corrupt_every: Option<u32>,
    /// After this many commands of a connection the module says nothing any more.
    pub silent_after: Option<u32>,
    /// Each answer comes later by this time.
    pub answer_delay: Option<DurationText>,
    /// Noise of this many bytes stands in front of each answer.
    pub noise: usize,
}

/// Which module is emulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// An M6e, which reads continuously.
    #[default]
    M6e,
    /// An M5e, which is asked for each search and wakes up in its bootloader.
    M5e,
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "m6e" => Ok(Self::M6e),
            "m5e" => Ok(Self::M5e),
            _ => Err(format!("\"{name}\" is not a profile; there are m6e and m5e")),
        }
    }
}

/// A running emulated module.
#[derive(Debug)]
pub struct Emulator {
    server: Server,
    module: Arc<Module>,
}

impl Emulator {
    /// Starts a module that listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of binding the address.
    pub async fn bind(address: impl ToSocketAddrs, profile: Profile, scenario: Scenario) -> io::Result<Self> {
        let module = Arc::new(Module::new(profile, scenario));
        let shared = Arc::clone(&module);
        let server =
            Server::bind(address, move |stream| Connection::new(stream, Arc::clone(&shared)).serve());
        Ok(Self { server: server.await?, module })
    }

    /// Where the module listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Puts other tags before the antennas, from now on. Times of the scenario count from the
    /// start of the emulator.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.module.set_scenario(scenario);
    }

    /// Cuts all connections, as a pulled cable does. New ones are accepted.
    pub fn drop_connections(&self) {
        self.server.drop_connections();
    }

    /// Ends all connections and the listener.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// Serves one client over any stream: for a serial line, and for tests in simulated time.
///
/// # Errors
/// Those of the stream; that the client is gone is one.
pub async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    profile: Profile,
    scenario: Scenario,
) -> io::Result<()> {
    Connection::new(stream, Arc::new(Module::new(profile, scenario))).serve().await
}
