//! Random bytes, handed in so that a test can say which.

use rfid_core::{Error, ErrorKind, Result};

/// Where ids, keys and nonces come from.
pub trait Randomness: Send + Sync + 'static {
    /// Fills the buffer.
    ///
    /// # Errors
    /// `Io` when the system has none to give; whatever needed them does not happen.
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

/// `N` random bytes.
///
/// # Errors
/// Those of [`Randomness::fill`].
pub fn bytes<const N: usize>(randomness: &dyn Randomness) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    randomness.fill(&mut bytes)?;
    Ok(bytes)
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| {
            Error::new(ErrorKind::Io, "random")
                .with_detail(format!("the system gives no random bytes: {error}"))
        })
    }
}
