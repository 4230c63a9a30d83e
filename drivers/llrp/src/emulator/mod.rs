//! An emulated LLRP reader over real TCP that plays a scenario.
//!
//! It greets, answers versions, tells what it can do, takes ROSpecs and AccessSpecs through their
//! lives, and keeps what was written to its tags. It goes by the standard as a reader must: what is
//! unknown, stands in the wrong place or has reserved bits set is refused, with the chain down to
//! the culprit. Where the protocol document leaves something open, the choice stands beside the
//! code that makes it; the greater ones are:
//!
//! * The radio listens in rounds of 20 ms. Reads of a tag within a round are one sighting, and
//!   triggers, inputs and antennas are looked at between rounds.
//! * ROSpecs and AccessSpecs stay when a connection ends, and go on.
//! * One ROSpec is active at a time. A START that meets one of the same or a higher priority is
//!   refused; a trigger waits.
//! * Tags answer in every round, whatever the session, unless a vendor's search mode or a fault
//!   says that they are read from one state only.
//! * A write of several words succeeds or fails as a whole.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use rfid_driver_llrp::emulator::{Emulator, Profile, Scenario};
//!
//! let scenario = Scenario::from_toml("[[tag]]\nepc = \"2D0000000000000000000001\"\n")?;
//! let reader = Emulator::bind("127.0.0.1:0", Profile::R420, scenario).await?;
//! println!("point a client at {}", reader.local_addr());
//! reader.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod access;
mod clock;
mod config;
mod connection;
mod faults;
mod inventory;
mod model;
mod reader;
mod refusal;
mod report;
mod requests;
mod validity;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rfid_core::{Clock, SystemClock, UtcTime};
use rfid_emulated_field::Server;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::ToSocketAddrs;

pub use faults::Faults;
pub use model::Profile;
pub use rfid_emulated_field::ScenarioFault;

use connection::{Connection, Shared};
use faults::FaultState;
use reader::Reader;

/// What an emulated LLRP reader plays.
pub type Scenario = rfid_emulated_field::Scenario<Faults>;

/// A running emulated reader.
#[derive(Debug)]
pub struct Emulator {
    server: Server,
    shared: Arc<Shared>,
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
        let shared = shared(profile, scenario, utc);
        let served = Arc::clone(&shared);
        let server =
            Server::bind(address, move |stream| Connection::new(stream, Arc::clone(&served)).serve());
        Ok(Self { server: server.await?, shared })
    }

    /// Where the reader listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Puts other tags before the antennas, from now on. What goes wrong stays as it was.
    ///
    /// Times of the scenario count from the start of the emulator.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.shared.reader().set_scenario(scenario);
    }

    /// Lets these things go wrong from now on, in place of those before. What has to do with the
    /// clock is taken from the scenario when the reader is made.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.faults.set(faults);
    }

    /// Cuts all connections, as a pulled cable does. New ones are accepted, and what was added goes
    /// on.
    pub fn drop_connections(&self) {
        self.server.drop_connections();
    }

    /// Starts the reader anew: connections are cut, and everything that was set and added is gone.
    pub fn reboot(&self) {
        self.shared.reader().restart();
        self.drop_connections();
    }

    /// Lets the reader close the connection that it has, with the event for that.
    pub fn close_connection(&self) {
        self.shared.reader().end_session();
    }

    /// Lets the reader say that something is wrong with it.
    pub fn raise_exception(&self, text: &str) {
        self.shared.reader().exception(text);
    }

    /// Cuts one connection once this many more bytes have gone out, as a reader that dies in the
    /// middle of a message does.
    pub fn cut_after(&self, bytes: u32) {
        self.shared.faults.cut_after(bytes);
    }

    /// Levels of the outputs, from the first on.
    pub fn outputs(&self) -> Vec<bool> {
        self.shared.reader().config.outputs.clone()
    }

    /// Ends all connections and the listener.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }

    /// Runs until the listener ends, which it does not by itself.
    pub async fn run(self) {
        self.server.run().await;
    }
}

fn shared(profile: Profile, scenario: Scenario, utc: UtcTime) -> Arc<Shared> {
    let faults = Arc::new(FaultState::new(scenario.faults.clone()));
    let reader = Reader::new(profile, scenario, Arc::clone(&faults), utc);
    Arc::new(Shared::new(reader, faults))
}

/// Serves one client over any stream, for tests in simulated time.
///
/// # Errors
/// Those of the stream; that the client is gone is none.
pub async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    profile: Profile,
    scenario: Scenario,
    utc: UtcTime,
) -> io::Result<()> {
    Connection::new(stream, shared(profile, scenario, utc)).serve().await
}
