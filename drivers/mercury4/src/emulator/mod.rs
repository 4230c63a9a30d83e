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
use rfid_emulated_field::Server;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::ToSocketAddrs;

pub use faults::Faults;
pub use rfid_emulated_field::ScenarioFault;
pub use tables::Profile;

/// What an emulated Mercury 4 plays.
pub type Scenario = rfid_emulated_field::Scenario<Faults>;

use connection::Connection;
use faults::FaultState;
use reader::Reader;

/// A running emulated reader.
#[derive(Debug)]
pub struct Emulator {
    server: Server,
    reader: Arc<Reader>,
    faults: Arc<FaultState>,
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
        let faults = Arc::new(FaultState::new(scenario.faults.clone()));
        let reader = Arc::new(Reader::new(profile, scenario, utc));
        let (shared_reader, shared_faults) = (Arc::clone(&reader), Arc::clone(&faults));
        let server = Server::bind(address, move |stream| {
            Connection::new(stream, Arc::clone(&shared_reader), Arc::clone(&shared_faults)).serve()
        });
        Ok(Self { server: server.await?, reader, faults })
    }

    /// Where the reader listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Puts other tags before the antennas, from now on. What goes wrong stays as it was.
    ///
    /// Times of the scenario count from the start of the emulator.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.reader.set_scenario(scenario);
    }

    /// Cuts all connections, as a pulled cable or a reboot does. New ones are accepted.
    pub fn drop_connections(&self) {
        self.server.drop_connections();
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

    /// Rows of tags that were written into answers since the start, whoever asked.
    pub fn rows_answered(&self) -> u64 {
        self.reader.rows_answered()
    }

    /// How many tags were made up so far ([`Faults::invented_tags`]).
    pub fn tags_invented(&self) -> u64 {
        self.reader.tags_invented()
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
