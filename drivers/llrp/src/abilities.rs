//! Power and pins.

use async_trait::async_trait;
use rfid_core::abilities::{Gpio, PinLevel, Tune};
use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_link::Stream;
use rfid_llrp::Message;
use rfid_llrp::enumeration::{ConfigRequest, GPIState};
use rfid_llrp::message::{GetReaderConfig, GetReaderConfigResponse, SetReaderConfig};
use rfid_llrp::parameter::{AntennaConfiguration, GPOWriteData, RFTransmitter};

use crate::capabilities::Capabilities;
use crate::config::Checked;
use crate::ro_spec::Plan;
use crate::wire::{PATIENCE, Wire};

/// A reader that is open and may be asked.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    pub(crate) wire: Wire<S>,
    pub(crate) capabilities: Capabilities,
    /// Power that was asked for, by antenna; ROSpecs name it, since what they leave out a reader
    /// may take from anywhere.
    pub(crate) transmitters: Vec<(u16, RFTransmitter)>,
    pub(crate) takes_impinj: bool,
    pub(crate) writes_blocks: bool,
    /// The last OpSpec that was sent.
    pub(crate) last_op_spec: u16,
}

impl<S: Stream> Reader<S> {
    pub(crate) fn new(
        wire: Wire<S>,
        capabilities: Capabilities,
        config: &Checked,
        takes_impinj: bool,
    ) -> Self {
        Self {
            wire,
            capabilities,
            transmitters: Vec::new(),
            takes_impinj,
            writes_blocks: config.block_write,
            last_op_spec: 0,
        }
    }

    /// What the inventory is to be.
    pub(crate) fn inventory_plan(&self, config: &Checked, antenna_ports: &[u16]) -> Plan {
        Plan {
            ro_spec_id: crate::ro_spec::INVENTORY,
            antennas: antenna_ports.to_vec(),
            session: config.session,
            population: config.population,
            epc_prefixes: config.epc_prefixes.clone(),
            mode: config.mode,
            search_mode: config.search_mode.map(|mode| mode.number()),
            transmitters: self.transmitters.clone(),
            report_every: config.report_every,
            is_impinj: self.takes_impinj,
            phase: config.phase,
            names_ro_spec: config.share,
        }
    }

    /// The power of the configuration, or the nearest below that the reader has.
    pub(crate) async fn take_power(&mut self, cdbm: i16, antenna_ports: &[u16]) -> Result<()> {
        const OP: &str = "open";
        let Some((lowest, _)) = self.capabilities.power_range() else {
            return Err(Error::new(ErrorKind::Unsupported, OP)
                .with_detail("this reader does not say which powers it has; leave power_dbm out"));
        };
        let Some((index, taken)) = self.capabilities.power_not_above(cdbm) else {
            return Err(Error::new(ErrorKind::Regulatory, OP).with_detail(format!(
                "power_dbm = {} is below the {} dBm that this reader sends with at least",
                dbm(cdbm),
                dbm(lowest)
            )));
        };
        if taken != cdbm {
            tracing::warn!(
                asked_dbm = dbm(cdbm),
                taken_dbm = dbm(taken),
                "the reader has no such power; it sends with the nearest below"
            );
        }
        let antennas = if antenna_ports.is_empty() { &[0][..] } else { antenna_ports };
        let own = self.antenna_configurations(OP).await?;
        for antenna in antennas {
            self.name_power(&own, *antenna, index);
        }
        Ok(())
    }

    /// Remembers a power for ROSpecs. Hop table and channel are the reader's own: it refuses wrong
    /// ones (§7.4, §12).
    fn name_power(&mut self, own: &[AntennaConfiguration], antenna: u16, index: u16) -> RFTransmitter {
        let (hop_table_id, channel_index) = match transmitter_of(own, antenna) {
            Some(own) => (own.hop_table_id, own.channel_index),
            None => self.capabilities.usual_channel(),
        };
        let transmitter = RFTransmitter { hop_table_id, channel_index, transmit_power: index };
        self.transmitters.retain(|(known, _)| *known != antenna);
        self.transmitters.push((antenna, transmitter.clone()));
        transmitter
    }

    async fn antenna_configurations(&mut self, op: &'static str) -> Result<Vec<AntennaConfiguration>> {
        Ok(self.configuration(op, ConfigRequest::ANTENNA_CONFIGURATION).await?.antenna_configurations)
    }

    async fn configuration(
        &mut self,
        op: &'static str,
        requested_data: ConfigRequest,
    ) -> Result<GetReaderConfigResponse> {
        self.wire.set_limit(PATIENCE * 2);
        let request = GetReaderConfig::of_all(requested_data);
        match self.wire.must(op, request, PATIENCE).await? {
            Message::GetReaderConfigResponse(answer) => Ok(answer),
            _ => Err(Error::new(ErrorKind::Protocol, op).with_detail("the reader answers something else")),
        }
    }

    async fn power_of(&mut self, antenna: u16) -> Result<i16> {
        const OP: &str = "tune";
        let named = self.transmitters.iter().find(|(known, _)| *known == antenna || *known == 0);
        let index = match named {
            Some((_, transmitter)) => transmitter.transmit_power,
            None => {
                let own = self.antenna_configurations(OP).await?;
                transmitter_of(&own, antenna)
                    .ok_or_else(|| {
                        Error::new(ErrorKind::Unsupported, OP)
                            .with_detail("this reader does not tell its power")
                    })?
                    .transmit_power
            }
        };
        self.capabilities.power(index).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, OP)
                .with_detail(format!("the reader has power {index}, which its own table does not have"))
        })
    }

    /// Sets the power of an antenna, or of all for 0, at the reader and for ROSpecs to come.
    async fn set_power_of(&mut self, antenna: u16, cdbm: i16) -> Result<i16> {
        const OP: &str = "tune";
        let range = self.capabilities.power_range();
        let Some((lowest, _)) = range.filter(|(lowest, highest)| (*lowest..=*highest).contains(&cdbm)) else {
            return Err(Error::new(ErrorKind::Regulatory, OP).with_detail(match range {
                Some((lowest, highest)) => format!(
                    "{cdbm} is not allowed; this reader takes {lowest} to {highest} hundredths of a dBm"
                ),
                None => "this reader does not say which powers it has".to_owned(),
            }));
        };
        let (index, taken) = self.capabilities.power_not_above(cdbm).unwrap_or((0, lowest));
        let own = self.antenna_configurations(OP).await?;
        let before = self.transmitters.clone();
        if antenna == 0 {
            self.transmitters.clear();
        }
        let transmitter = self.name_power(&own, antenna, index);
        let configuration = AntennaConfiguration {
            antenna_id: antenna,
            rf_receiver: None,
            rf_transmitter: Some(transmitter),
            inventory_commands: Vec::new(),
            customs: Vec::new(),
        };
        let request =
            SetReaderConfig { antenna_configurations: vec![configuration], ..SetReaderConfig::nothing() };
        if let Err(error) = self.wire.must(OP, request, PATIENCE).await {
            self.transmitters = before;
            return Err(error);
        }
        Ok(taken)
    }

    fn check_port(&self, port: u16) -> Result<()> {
        let antennas = self.capabilities.antennas;
        if port > 0 && (antennas == 0 || port <= antennas) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "tune")
            .with_detail(format!("this reader has antennas 1 to {antennas}; antenna {port} does not exist")))
    }
}

fn dbm(cdbm: i16) -> f64 {
    f64::from(cdbm) / 100.0
}

/// The transmitter of an antenna, or of the first one where all are meant.
fn transmitter_of(configurations: &[AntennaConfiguration], antenna: u16) -> Option<RFTransmitter> {
    let mut fitting = configurations.iter().filter(|known| antenna == 0 || known.antenna_id == antenna);
    fitting.find_map(|known| known.rf_transmitter.clone())
}

#[async_trait]
impl<S: Stream> Tune for Reader<S> {
    async fn read_power_cdbm(&mut self) -> Result<i16> {
        self.power_of(0).await
    }

    async fn set_read_power_cdbm(&mut self, cdbm: i16) -> Result<i16> {
        self.set_power_of(0, cdbm).await
    }

    async fn read_power_of_port_cdbm(&mut self, port: u16) -> Result<i16> {
        self.check_port(port)?;
        self.power_of(port).await
    }

    async fn set_read_power_of_port_cdbm(&mut self, port: u16, cdbm: i16) -> Result<i16> {
        self.check_port(port)?;
        self.set_power_of(port, cdbm).await
    }
}

#[async_trait]
impl<S: Stream> Gpio for Reader<S> {
    /// Pins are counted from 1, as LLRP does. An input that is not in use has no level and is left
    /// out.
    async fn inputs(&mut self) -> Result<Vec<PinLevel>> {
        let answer = self.configuration("gpio", ConfigRequest::GPI_PORT_CURRENT_STATE).await?;
        Ok(input_levels(&answer))
    }

    async fn set_output(&mut self, level: PinLevel) -> Result<()> {
        const OP: &str = "gpio";
        let outputs = self.capabilities.outputs;
        if !(1..=outputs).contains(&u16::from(level.pin)) {
            return Err(Error::new(ErrorKind::Unsupported, OP).with_detail(match outputs {
                0 => "this reader has no outputs".to_owned(),
                _ => format!("there is no output {}; there are 1 to {outputs}", level.pin),
            }));
        }
        self.wire.set_limit(PATIENCE);
        let write = GPOWriteData { gpo_port_number: level.pin.into(), gpo_data: level.high };
        let request = SetReaderConfig { gpo_write_data: vec![write], ..SetReaderConfig::nothing() };
        self.wire.must(OP, request, PATIENCE).await.map(drop)
    }
}

/// The inputs that are in use.
pub(crate) fn input_levels(answer: &GetReaderConfigResponse) -> Vec<PinLevel> {
    let known = answer.gpi_port_current_states.iter().filter(|port| port.state != GPIState::UNKNOWN);
    let mut levels: Vec<PinLevel> = known
        .filter_map(|port| {
            let pin = u8::try_from(port.gpi_port_num).ok()?;
            Some(PinLevel { pin, high: port.state == GPIState::HIGH })
        })
        .collect();
    levels.sort_by_key(|level| level.pin);
    levels
}
