//! What the driver shows outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile;
#[cfg(feature = "pcsc")]
mod pcsc;
#[cfg(feature = "pcsc")]
mod pcsc_faults;
mod pn532;
mod presence;
#[cfg(feature = "pcsc")]
mod service;
