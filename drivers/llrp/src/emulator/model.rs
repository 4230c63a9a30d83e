//! What the emulated models are able to do.
//!
//! Facts are those of the protocol document, §7.3. What it does not say of a model is assumed, and
//! said to be so beside it.

use rfid_llrp::Version;
use rfid_llrp::enumeration::{
    CommunicationsStandard, ForwardLinkModulation, MValue, ProtocolID, SpectralMaskIndicator,
};
use rfid_llrp::parameter::*;

/// Which reader is emulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// An Impinj Speedway R420 with Octane 5.14 in the band of the FCC: LLRP 1.0.1, one ROSpec,
    /// extensions of its own.
    #[default]
    R420,
    /// A Zebra FX9600 in the band of the ETSI: LLRP 1.0.1, fixed frequencies, holds nothing back.
    Fx9600,
    /// An Alien reader: LLRP 1.1, several ROSpecs and priorities.
    AlrF800,
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "r420" => Ok(Self::R420),
            "fx9600" => Ok(Self::Fx9600),
            "alr-f800" => Ok(Self::AlrF800),
            _ => Err(format!("\"{name}\" is not a profile; there are r420, fx9600 and alr-f800")),
        }
    }
}

/// Frequencies of the FCC band, in the order in which the emulated field hops through them.
fn fcc() -> Vec<u32> {
    (0..50).map(|channel| 902_750 + 500 * channel).collect()
}

impl Profile {
    /// Antenna ports. An FX9600 also comes with eight; the emulated field has four.
    pub(super) const fn antennas(self) -> u16 {
        4
    }

    pub(super) const fn gpis(self) -> u16 {
        // Of the R420 it is known; the others are assumed to be as it is.
        4
    }

    pub(super) const fn gpos(self) -> u16 {
        4
    }

    /// The highest version that it speaks. Of Alien readers it is said only.
    pub(super) const fn version(self) -> Version {
        match self {
            Self::R420 | Self::Fx9600 => Version::V1_0_1,
            Self::AlrF800 => Version::V1_1,
        }
    }

    pub(super) const fn is_impinj(self) -> bool {
        matches!(self, Self::R420)
    }

    /// Index and hundredths of a dBm.
    pub(super) fn powers(self) -> Vec<TransmitPowerLevelTableEntry> {
        // 81 powers of the R420 are known; those of the others are assumed, and their indices
        // begin and step otherwise on purpose: the protocol document warns of it.
        let (first, count, step) = match self {
            Self::R420 => (1_u16, 81, 25),
            Self::Fx9600 => (1, 201, 10),
            Self::AlrF800 => (0, 31, 50),
        };
        let lowest = if self == Self::AlrF800 { 1_500 } else { 1_000 };
        (0..count)
            .map(|number| TransmitPowerLevelTableEntry {
                index: first + number,
                transmit_power_value: lowest + step * number as i16,
            })
            .collect()
    }

    pub(super) fn sensitivities(self) -> Vec<ReceiveSensitivityTableEntry> {
        // 42 entries of the R420 are known, of which the first is 0; their steps are assumed.
        let count = if self == Self::R420 { 42 } else { 1 };
        (0..count)
            .map(|number: i16| ReceiveSensitivityTableEntry {
                index: number as u16 + 1,
                receive_sensitivity_value: if number == 0 { 0 } else { 9 + number },
            })
            .collect()
    }

    /// Identifiers of modes.
    pub(super) const fn modes(self) -> &'static [u32] {
        match self {
            Self::R420 => &[0, 1, 2, 3, 4, 1000, 1002, 1003, 1004, 1005],
            // Assumed.
            Self::Fx9600 => &[1, 2, 3, 4, 5],
            Self::AlrF800 => &[0, 1, 2],
        }
    }

    /// Frequencies in kHz, and whether it hops.
    pub(super) fn frequencies(self) -> (bool, Vec<u32>) {
        match self {
            Self::R420 | Self::AlrF800 => (true, fcc()),
            // The four channels of the lower band.
            Self::Fx9600 => (false, vec![865_700, 866_300, 866_900, 867_500]),
        }
    }

    pub(super) fn general(self, version: Version, has_utc: bool) -> GeneralDeviceCapabilities {
        let (manufacturer, model, firmware) = match self {
            Self::R420 => (25_882, 2_001_002, "5.14.0.240"),
            Self::Fx9600 => (161, 96_008, "3.32.37"),
            // The model and the firmware are assumed.
            Self::AlrF800 => (17_996, 800, "1.0"),
        };
        let air = |antenna_id| PerAntennaAirProtocol { antenna_id, protocol_id: vec![ProtocolID::C1G2.0] };
        GeneralDeviceCapabilities {
            max_number_of_antenna_supported: self.antennas(),
            can_set_antenna_properties: false,
            has_utc_clock_capability: has_utc,
            device_manufacturer_name: manufacturer,
            model_name: model,
            firmware_version: firmware.to_owned(),
            receive_sensitivities: self.sensitivities(),
            receive_sensitivity_ranges: Vec::new(),
            gpio_capabilities: GPIOCapabilities { num_gpis: self.gpis(), num_gpos: self.gpos() },
            air_protocols: (1..=self.antennas()).map(air).collect(),
            maximum_receive_sensitivity: (version == Version::V1_1)
                .then_some(MaximumReceiveSensitivity { maximum_sensitivity_value: -8_000 }),
        }
    }

    /// Those of the R420 are known, of the FX9600 and the Alien reader they are assumed. Nothing in
    /// the emulated field can be surveyed.
    pub(super) fn llrp(self) -> LLRPCapabilities {
        let (priorities, ro_specs, access_specs) = match self {
            Self::R420 => (1, 1, 1_508),
            Self::Fx9600 => (1, 5, 32),
            Self::AlrF800 => (7, 8, 32),
        };
        LLRPCapabilities {
            can_do_rf_survey: false,
            can_report_buffer_fill_warning: true,
            supports_client_request_op_spec: false,
            can_do_tag_inventory_state_aware_singulation: false,
            supports_event_and_report_holding: self != Self::Fx9600,
            max_priority_level_supported: priorities,
            client_request_op_spec_timeout: 0,
            max_num_ro_specs: ro_specs,
            max_num_specs_per_ro_spec: 32,
            max_num_inventory_parameter_specs_per_ai_spec: 1,
            max_num_access_specs: access_specs,
            max_num_op_specs_per_access_spec: 8,
        }
    }

    pub(super) fn regulatory(self) -> RegulatoryCapabilities {
        let (hopping, frequency) = self.frequencies();
        let (country_code, communications_standard) = match self {
            Self::R420 | Self::AlrF800 => (840, CommunicationsStandard::US_FCC_PART_15),
            Self::Fx9600 => (276, CommunicationsStandard::ETSI_302_208),
        };
        let hop_table = FrequencyHopTable { hop_table_id: 1, frequency: frequency.clone() };
        let frequency_information = FrequencyInformation {
            hopping,
            frequency_hop_tables: if hopping { vec![hop_table] } else { Vec::new() },
            fixed_frequency_table: (!hopping).then_some(FixedFrequencyTable { frequency }),
        };
        // What a mode is made of is known of 1002 alone, and taken for all.
        let mode = |&mode_identifier: &u32| UHFC1G2RFModeTableEntry {
            mode_identifier,
            dr_value: false,
            epc_hag_tc_conformance: false,
            m_value: MValue::FM0,
            forward_link_modulation: ForwardLinkModulation::PR_ASK,
            spectral_mask_indicator: SpectralMaskIndicator::MULTI,
            bdr_value: 40_000,
            pie_value: 1_500,
            min_tari_value: 6_250,
            max_tari_value: 6_250,
            step_tari_value: 0,
        };
        RegulatoryCapabilities {
            country_code,
            communications_standard,
            uhf_band_capabilities: Some(UHFBandCapabilities {
                transmit_powers: self.powers(),
                frequency_information,
                rf_mode_tables: vec![UHFC1G2RFModeTable { entries: self.modes().iter().map(mode).collect() }],
                rf_survey_frequency_capabilities: None,
            }),
            customs: Vec::new(),
        }
    }

    pub(super) fn c1g2(self, can_block_write: bool) -> C1G2LLRPCapabilities {
        C1G2LLRPCapabilities {
            can_support_block_erase: false,
            can_support_block_write: can_block_write,
            can_support_block_permalock: false,
            can_support_tag_recommissioning: false,
            can_support_umi_method2: false,
            can_support_xpc: false,
            max_num_select_filters_per_query: 2,
        }
    }

    /// The channel, from 1, on which the emulated field heard a tag.
    pub(super) fn channel(self, frequency_khz: u32) -> u16 {
        let number = frequency_khz.saturating_sub(902_750) / 500;
        let channels = if self.frequencies().0 { 50 } else { 4 };
        (number % channels) as u16 + 1
    }
}
