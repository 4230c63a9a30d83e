//! Cards on a reader of the PC/SC service (`pcscd` on Linux).
//!
//! What is said to a reader and what its answers mean needs no service: [`apdu`] has the commands,
//! [`exchange`] what becomes of them. The rest is behind the feature `pcsc`.

pub mod apdu;
pub mod exchange;

#[cfg(feature = "pcsc")]
mod coupler;
#[cfg(feature = "pcsc")]
mod failure;
#[cfg(feature = "pcsc")]
mod watcher;
#[cfg(feature = "pcsc")]
mod worker;

#[cfg(feature = "pcsc")]
pub use coupler::PcscCoupler;
