//! Power and pins.

use async_trait::async_trait;
use rfid_core::abilities::{Gpio, PinLevel, Tune};
use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_link::Stream;

use crate::proto::command;
use crate::wire::Wire;

/// A module that is open and may be asked.
#[derive(Debug)]
pub(crate) struct Module<S> {
    pub(crate) wire: Wire<S>,
    /// Antenna ports that are listened on.
    pub(crate) ports: Vec<u16>,
    /// Whether it knows operation 2F.
    pub(crate) reads_continuously: bool,
}

impl<S: Stream> Module<S> {
    /// Searches on all its ports again, after a tag operation on one of them.
    pub(crate) async fn listen_on_all(&mut self, op: &'static str) -> Result<()> {
        let ports: Vec<u8> = self.ports.iter().filter_map(|port| u8::try_from(*port).ok()).collect();
        self.wire.must(op, &command::search_list(&ports)).await.map(drop)
    }

    /// Power now, highest and lowest.
    async fn power_and_limits(&mut self) -> Result<[i16; 3]> {
        let answer = self.wire.must("tune", &command::get_read_power()).await?;
        let (words, _) = answer.get(1..).unwrap_or_default().as_chunks::<2>();
        let words: Vec<i16> = words.iter().map(|word| i16::from_be_bytes(*word)).collect();
        words.try_into().map_err(|_| {
            Error::new(ErrorKind::Protocol, "tune")
                .with_detail(format!("{answer:02X?} is not a power with its limits"))
        })
    }
}

#[async_trait]
impl<S: Stream> Tune for Module<S> {
    async fn read_power_cdbm(&mut self) -> Result<i16> {
        let [power, _, _] = self.power_and_limits().await?;
        Ok(power)
    }

    async fn set_read_power_cdbm(&mut self, cdbm: i16) -> Result<i16> {
        let [_, highest, lowest] = self.power_and_limits().await?;
        if !(lowest..=highest).contains(&cdbm) {
            return Err(Error::new(ErrorKind::Regulatory, "tune").with_detail(format!(
                "{cdbm} is not allowed; this module takes {lowest} to {highest} hundredths of a dBm"
            )));
        }
        self.wire.must("tune", &command::set_read_power(cdbm)).await?;
        self.read_power_cdbm().await
    }
}

#[async_trait]
impl<S: Stream> Gpio for Module<S> {
    async fn inputs(&mut self) -> Result<Vec<PinLevel>> {
        let answer = self.wire.must("gpio", &command::get_pins()).await?;
        // Behind the option: pin, direction (1 is out), level.
        let (pins, _) = answer.get(1..).unwrap_or_default().as_chunks::<3>();
        let inputs = pins.iter().filter(|[_, direction, _]| *direction == 0);
        let mut levels: Vec<PinLevel> =
            inputs.map(|[pin, _, level]| PinLevel { pin: *pin, high: *level != 0 }).collect();
        levels.sort_by_key(|level| level.pin);
        Ok(levels)
    }

    async fn set_output(&mut self, level: PinLevel) -> Result<()> {
        self.wire.must("gpio", &command::set_pin(level.pin, level.high)).await.map(drop)
    }
}
