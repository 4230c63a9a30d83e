//! What a reader can do, and whether that is what the configuration asks for (§7.3).

use rfid_core::{AirProtocol, Error, ErrorKind, Result};
use rfid_llrp::enumeration::ProtocolID;
use rfid_llrp::impinj;
use rfid_llrp::message::GetReaderCapabilitiesResponse;

use crate::config::Checked;

/// Out of the answer to GET_READER_CAPABILITIES. What a reader leaves out is empty, and nothing is
/// checked against it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capabilities {
    /// Enterprise number of the maker.
    pub(crate) maker: u32,
    model: u32,
    pub(crate) firmware: String,
    /// Antenna ports; 0 if it is not known.
    pub(crate) antennas: u16,
    pub(crate) inputs: u16,
    pub(crate) outputs: u16,
    /// Indices and hundredths of a dBm, in any order (§7.3).
    powers: Vec<(u16, i16)>,
    modes: Vec<u32>,
    hop_tables: Vec<(u8, Vec<u32>)>,
    fixed_frequencies: Vec<u32>,
    is_hopping: bool,
    /// Whether its times are those of the day.
    pub(crate) has_clock: bool,
    pub(crate) holds_reports: bool,
    pub(crate) warns_of_full_buffer: bool,
    pub(crate) writes_blocks: bool,
    /// Filters that it takes in one inventory, if it says so.
    filters: Option<u16>,
    pub(crate) protocols: Vec<AirProtocol>,
}

impl Capabilities {
    pub(crate) fn of(answer: GetReaderCapabilitiesResponse) -> Self {
        let mut known = Self::default();
        if let Some(general) = answer.general {
            known.maker = general.device_manufacturer_name;
            known.model = general.model_name;
            known.firmware = general.firmware_version;
            known.antennas = general.max_number_of_antenna_supported;
            known.has_clock = general.has_utc_clock_capability;
            known.inputs = general.gpio_capabilities.num_gpis;
            known.outputs = general.gpio_capabilities.num_gpos;
            let speaks = |protocol: ProtocolID| {
                general.air_protocols.iter().any(|antenna| antenna.protocol_id.contains(&protocol.0))
            };
            if speaks(ProtocolID::C1G2) {
                known.protocols.push(AirProtocol::Gen2);
            }
        }
        if let Some(llrp) = answer.llrp_capabilities {
            known.holds_reports = llrp.supports_event_and_report_holding;
            known.warns_of_full_buffer = llrp.can_report_buffer_fill_warning;
        }
        if let Some(band) = answer.regulatory_capabilities.and_then(|rules| rules.uhf_band_capabilities) {
            let powers = band.transmit_powers.iter();
            known.powers = powers.map(|entry| (entry.index, entry.transmit_power_value)).collect();
            let modes = band.rf_mode_tables.iter().flat_map(|table| &table.entries);
            known.modes = modes.map(|entry| entry.mode_identifier).collect();
            known.is_hopping = band.frequency_information.hopping;
            let tables = band.frequency_information.frequency_hop_tables;
            known.hop_tables =
                tables.into_iter().map(|table| (table.hop_table_id, table.frequency)).collect();
            known.fixed_frequencies = band
                .frequency_information
                .fixed_frequency_table
                .map(|table| table.frequency)
                .unwrap_or_default();
        }
        if let Some(air) = answer.c1g2_llrp_capabilities {
            known.writes_blocks = air.can_support_block_write;
            known.filters = Some(air.max_num_select_filters_per_query);
        }
        known
    }

    pub(crate) fn is_impinj(&self) -> bool {
        self.maker == impinj::VENDOR
    }

    /// Maker and model in words, as far as their numbers are known (§7.3, §8.3).
    pub(crate) fn model(&self) -> String {
        let known = match (self.maker, self.model) {
            (25_882, 2_001_001) => "Impinj Speedway R220",
            (25_882, 2_001_002) => "Impinj Speedway R420",
            (25_882, 2_001_003) => "Impinj xPortal",
            (25_882, 2_001_007) => "Impinj xArray",
            (25_882, 2_001_008) => "Impinj xSpan",
            (25_882, 2_001_009) => "Impinj Speedway R120",
            (25_882, 2_001_052) => "Impinj R700",
            (161, 96_008) => "Zebra FX9600",
            (26_554, 6) => "ThingMagic Mercury6",
            (26_554, 48) => "ThingMagic Astra-EX",
            (26_554, 0x3430) => "ThingMagic Sargas",
            (26_554, 0x3530) => "ThingMagic Izar",
            (57_690, 40) => "Seuic UF40",
            _ => "",
        };
        if !known.is_empty() {
            return known.to_owned();
        }
        let maker = match self.maker {
            25_882 => "Impinj",
            161 | 10_642 => "Zebra",
            17_996 => "Alien",
            24_831 => "Sirit",
            26_554 => "ThingMagic",
            57_690 => "Seuic",
            other => return format!("LLRP reader, model {} of maker {other}", self.model),
        };
        format!("{maker} model {}", self.model)
    }

    /// Refuses what the reader does not have, all of it at once and with what it has.
    pub(crate) fn check(&self, config: &Checked, antenna_ports: &[u16]) -> Result<()> {
        let mut missing = Vec::new();
        for port in
            antenna_ports.iter().filter(|port| self.antennas > 0 && !(1..=self.antennas).contains(*port))
        {
            let ports =
                if self.antennas == 1 { "1 port".to_owned() } else { format!("{} ports", self.antennas) };
            missing.push(format!("this reader has {ports}; antenna {port} does not exist"));
        }
        if let Some(mode) = config.mode
            && !self.modes.is_empty()
            && !self.modes.contains(&u32::from(mode))
        {
            let modes: Vec<String> = self.modes.iter().map(u32::to_string).collect();
            missing.push(format!("this reader has no mode {mode}; it has {}", modes.join(", ")));
        }
        match (config.epc_prefixes.len(), self.filters) {
            (1.., Some(0)) => missing.push("this reader filters no tags; leave epc_prefixes out".to_owned()),
            (wanted, Some(most)) if wanted > most.into() => {
                missing.push(format!("this reader takes {most} epc_prefixes at once; {wanted} are asked for"))
            }
            _ => {}
        }
        if (config.search_mode.is_some() || config.phase) && !self.is_impinj() {
            missing.push(format!("search_mode and phase are for Impinj readers; this is: {}", self.model()));
        }
        if config.block_write && !self.writes_blocks {
            missing.push("this reader does not write in blocks; leave block_write out".to_owned());
        }
        if config.watch_inputs && self.inputs == 0 {
            missing.push("this reader has no inputs; leave watch_inputs out".to_owned());
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Config, "open").with_detail(missing.join("; "))),
        }
    }

    /// Lowest and highest power in hundredths of a dBm.
    pub(crate) fn power_range(&self) -> Option<(i16, i16)> {
        let powers = || self.powers.iter().map(|(_, cdbm)| *cdbm);
        powers().min().zip(powers().max())
    }

    /// Index and value of the highest power that is not above this.
    pub(crate) fn power_not_above(&self, cdbm: i16) -> Option<(u16, i16)> {
        self.powers.iter().copied().filter(|(_, power)| *power <= cdbm).max_by_key(|(_, power)| *power)
    }

    /// The power with this index.
    pub(crate) fn power(&self, index: u16) -> Option<i16> {
        self.powers.iter().find(|(known, _)| *known == index).map(|(_, cdbm)| *cdbm)
    }

    /// The hop table and the channel to name where the reader itself names none.
    pub(crate) fn usual_channel(&self) -> (u16, u16) {
        match (self.is_hopping, self.hop_tables.first()) {
            (true, Some((id, _))) => (u16::from(*id), 0),
            _ => (0, 1),
        }
    }

    /// Frequencies in kHz by channel, the first of which is 1.
    pub(crate) fn frequencies(&self) -> Vec<u32> {
        match (self.is_hopping, self.hop_tables.first()) {
            (true, Some((_, table))) => table.clone(),
            _ => self.fixed_frequencies.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speedway() -> Capabilities {
        Capabilities {
            maker: 25_882,
            model: 2_001_002,
            antennas: 4,
            // Neither from 1 nor sorted (§7.3).
            powers: vec![(7, 3000), (3, 1000), (9, 2025)],
            modes: vec![0, 1, 1002],
            filters: Some(2),
            ..Capabilities::default()
        }
    }

    #[test]
    fn powers_are_looked_up_and_never_exceeded() {
        let known = speedway();
        assert_eq!(known.power_range(), Some((1000, 3000)));
        assert_eq!(known.power_not_above(2999), Some((9, 2025)));
        assert_eq!(known.power_not_above(9999), Some((7, 3000)));
        assert_eq!(known.power_not_above(999), None);
        assert_eq!((known.power(3), known.power(1)), (Some(1000), None));
    }

    #[test]
    fn what_the_reader_lacks_is_named_with_what_it_has() {
        let config: crate::LlrpConfig = toml::from_str(
            "address = \"reader\"\nmode = 5\nepc_prefixes = [\"30\", \"31\", \"32\"]\nblock_write = true",
        )
        .unwrap();
        let error = speedway().check(&config.check().unwrap(), &[1, 7]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.detail(),
            Some(
                "this reader has 4 ports; antenna 7 does not exist; this reader has no mode 5; it has 0, 1, \
                 1002; this reader takes 2 epc_prefixes at once; 3 are asked for; this reader does not write in blocks; leave block_write out"
            )
        );
        let unknown = Capabilities::default();
        let plain: crate::LlrpConfig = toml::from_str("address = \"reader\"\nmode = 5").unwrap();
        assert!(unknown.check(&plain.check().unwrap(), &[7]).is_ok(), "what is not known refuses nothing");
    }

    #[test]
    fn models_are_named_as_far_as_they_are_known() {
        assert_eq!(speedway().model(), "Impinj Speedway R420");
        let named = |maker, model| Capabilities { maker, model, ..Capabilities::default() }.model();
        assert_eq!(named(25_882, 1), "Impinj model 1");
        assert_eq!(named(7, 8), "LLRP reader, model 8 of maker 7");
    }
}
