//! What some readers can do besides reading tags. Asked for on a session, never assumed:
//! a reader that cannot do a thing answers `None` and not an error.

mod card_access;
mod tag_access;

pub use card_access::{CardAccess, CardBlock, CardOnPad, NumberPlan, SectorKey};
pub use tag_access::{Bank, Gen2Lock, LockField, LockState, LockTarget, TagAccess, TagTarget};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};

/// Transmit power.
#[async_trait]
pub trait Tune: Send {
    /// Transmit power for reading in hundredths of a dBm, as the reader has it now.
    async fn read_power_cdbm(&mut self) -> Result<i16>;

    /// Sets the transmit power for reading and returns the value that the reader took.
    ///
    /// *Errors*: `Regulatory` or `Config` for a value outside the reader's range; the power is
    /// then unchanged. *Cancel safety*: after a dropped call, ask for the power again.
    async fn set_read_power_cdbm(&mut self, cdbm: i16) -> Result<i16>;

    /// The same for one antenna port.
    ///
    /// *Errors*: `Unsupported` where all ports have one power, which is what is answered unless
    /// a driver says otherwise.
    async fn read_power_of_port_cdbm(&mut self, port: u16) -> Result<i16> {
        Err(one_power(port))
    }

    /// Sets the transmit power for reading of one antenna port and returns the value that the
    /// reader took.
    ///
    /// *Errors*: as of both others.
    async fn set_read_power_of_port_cdbm(&mut self, port: u16, cdbm: i16) -> Result<i16> {
        let _ = cdbm;
        Err(one_power(port))
    }
}

fn one_power(port: u16) -> Error {
    Error::new(ErrorKind::Unsupported, "tune")
        .with_detail(format!("this reader has no power for antenna {port} alone"))
}

/// Input and output pins.
#[async_trait]
pub trait Gpio: Send {
    /// Levels of all inputs, lowest pin first.
    async fn inputs(&mut self) -> Result<Vec<PinLevel>>;

    /// Sets one output.
    ///
    /// *Errors*: `Unsupported` for a pin that is not an output.
    async fn set_output(&mut self, level: PinLevel) -> Result<()>;
}

/// A pin and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinLevel {
    /// Number of the pin as the reader's maker counts it.
    pub pin: u8,
    /// Whether the level is high.
    pub high: bool,
}
