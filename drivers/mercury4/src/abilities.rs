//! Power and pins.

use async_trait::async_trait;
use rfid_core::abilities::{Gpio, PinLevel, Tune};
use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_link::Stream;

use crate::proto::RqlError;
use crate::proto::identity::Model;
use crate::wire::{Answer, Wire};

/// Bits of the `io` register that are inputs, lowest pin first (§3.7).
const INPUTS: [u32; 2] = [0x02, 0x20];
/// All of them.
pub(crate) const ALL_INPUTS: u32 = INPUTS[0] | INPUTS[1];
/// Bits of the `io` register that are outputs, lowest pin first (§3.7).
const OUTPUTS: [u32; 3] = [0x04, 0x08, 0x10];

/// A reader that is open and may be asked.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    pub(crate) wire: Wire<S>,
    pub(crate) model: Model,
}

#[async_trait]
impl<S: Stream> Tune for Reader<S> {
    async fn read_power_cdbm(&mut self) -> Result<i16> {
        let question = format!("SELECT {} FROM saved_settings", self.model.power_column());
        let answer = value("tune", self.wire.ask("tune", &question).await?)?;
        answer.trim().parse().map_err(|_| {
            Error::new(ErrorKind::Protocol, "tune").with_detail(format!("{answer:?} is not a power"))
        })
    }

    async fn set_read_power_cdbm(&mut self, cdbm: i16) -> Result<i16> {
        self.check_power(cdbm)?;
        let statement = format!("UPDATE saved_settings SET {}='{cdbm}'", self.model.power_column());
        self.wire.ask("tune", &statement).await?.map_err(|error| refused("tune", error))?;
        self.read_power_cdbm().await
    }

    async fn read_power_of_port_cdbm(&mut self, port: u16) -> Result<i16> {
        let column = self.port_power_column(port)?;
        let answer = value("tune", self.wire.ask("tune", &format!("SELECT {column} FROM params")).await?)?;
        answer.trim().parse().map_err(|_| {
            Error::new(ErrorKind::Unsupported, "tune")
                .with_detail(format!("this reader has no power for antenna {port} alone"))
        })
    }

    async fn set_read_power_of_port_cdbm(&mut self, port: u16, cdbm: i16) -> Result<i16> {
        self.check_power(cdbm)?;
        let column = self.port_power_column(port)?;
        let statement = format!("UPDATE saved_settings SET {column}='{cdbm}'");
        self.wire.ask("tune", &statement).await?.map_err(|error| refused("tune", error))?;
        self.read_power_of_port_cdbm(port).await
    }
}

impl<S> Reader<S> {
    fn check_power(&self, cdbm: i16) -> Result<()> {
        let range = self.model.power_range_cdbm();
        if range.contains(&cdbm) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Regulatory, "tune").with_detail(format!(
            "{cdbm} is not allowed; this reader takes {} to {} hundredths of a dBm",
            range.start(),
            range.end()
        )))
    }

    /// The column of one port's power: of firmware 4.x only, read from `params` and written to
    /// `saved_settings` (§3.4).
    fn port_power_column(&self, port: u16) -> Result<String> {
        match self.model {
            Model::Mercury6 | Model::Astra => Ok(format!("ant{port}_read_tx_power_centidBm")),
            Model::Mercury4 | Model::Mercury5 => Err(Error::new(ErrorKind::Unsupported, "tune")
                .with_detail(format!("a {} has one power for all antennas", self.model.name()))),
        }
    }
}

#[async_trait]
impl<S: Stream> Gpio for Reader<S> {
    async fn inputs(&mut self) -> Result<Vec<PinLevel>> {
        let question = format!("SELECT data FROM io WHERE mask=0x{ALL_INPUTS:x}");
        let answer = value("gpio", self.wire.ask("gpio", &question).await?)?;
        input_levels(&answer).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "gpio").with_detail(format!("{answer:?} is not a register"))
        })
    }

    async fn set_output(&mut self, level: PinLevel) -> Result<()> {
        let bit = OUTPUTS.get(usize::from(level.pin)).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "gpio").with_detail(format!(
                "there is no output {}; there are 0 to {}",
                level.pin,
                OUTPUTS.len() - 1
            ))
        })?;
        let data = if level.high { *bit } else { 0 };
        let statement = format!("UPDATE io SET data=0x{data:x} WHERE mask=0x{bit:x}");
        self.wire.ask("gpio", &statement).await?.map(drop).map_err(|error| refused("gpio", error))
    }
}

/// The levels in a register as the reader writes it, `0x00000022`.
pub(crate) fn input_levels(register: &str) -> Option<Vec<PinLevel>> {
    let register = u32::from_str_radix(register.trim().strip_prefix("0x")?, 16).ok()?;
    let pins = 0u8..;
    Some(pins.zip(INPUTS).map(|(pin, bit)| PinLevel { pin, high: register & bit != 0 }).collect())
}

fn value(op: &'static str, answer: Answer) -> Result<String> {
    answer.map(Option::unwrap_or_default).map_err(|error| refused(op, error))
}

fn refused(op: &'static str, error: RqlError) -> Error {
    Error::new(ErrorKind::Unsupported, op).with_vendor_code(i64::from(error.code)).with_source(error)
}
