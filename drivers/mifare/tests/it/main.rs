//! What the driver shows outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "pcsc")]
mod pcsc;
#[cfg(feature = "pcsc")]
mod pcsc_faults;
mod presence;
#[cfg(feature = "pcsc")]
mod service;
mod pn532;
mod hostile;
