//! What a driver must survive, for fuzz targets and the tests that share their bodies.
#![allow(clippy::panic, reason = "a broken promise is reported as by every test")]

use std::future::Future;
use std::time::Duration;

use rfid_core::{DynSession, ReadBuf, ReadHandler};
use tokio::time::timeout;

/// A call that is not reading may take a minute at the very most: the driver's patience
/// included, several times over.
const LIMIT: Duration = Duration::from_secs(60);

/// How long is read, as long as the reader lets it.
const READING: Duration = Duration::from_secs(30);

/// Runs in simulated time: waiting costs nothing, and a wait without an end is seen.
///
/// # Panics
/// When the runtime cannot be made, which needs no I/O.
pub fn simulate(run: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(run);
}

/// Lives a session twice, whatever its reader says: it ends or goes on reading, and each call
/// comes back in time. To be called within [`simulate`].
///
/// # Panics
/// When a call hangs.
pub async fn live_through(mut session: Box<dyn DynSession>) {
    for _ in 0..2 {
        if in_time("open", session.open()).await.is_ok() {
            if let Some(tune) = session.tune() {
                let _ = in_time("power", tune.read_power_cdbm()).await;
            }
            if let Some(gpio) = session.gpio() {
                let _ = in_time("inputs", gpio.inputs()).await;
            }
            if in_time("start", session.start()).await.is_ok() {
                let _ = timeout(READING, session.pump(&mut Reads::default())).await;
                let _ = in_time("stop", session.stop()).await;
            }
        }
        let _ = in_time("close", session.close()).await;
    }
}

async fn in_time<T>(call: &str, running: impl Future<Output = T>) -> T {
    timeout(LIMIT, running).await.unwrap_or_else(|_| panic!("{call} hangs"))
}

/// Takes reads and looks at none.
struct Reads(ReadBuf);

impl Default for Reads {
    fn default() -> Self {
        Self(ReadBuf::with_capacity(16))
    }
}

impl ReadHandler for Reads {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.0
    }

    fn filled(&mut self) {
        self.0.clear();
    }
}
