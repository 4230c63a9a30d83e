//! What the reader is to do, as a ROSpec (§7.5).

use rfid_core::{ErrorKind, Result};
use rfid_driver_link::Stream;
use rfid_llrp::enumeration::{
    MemoryBank, ProtocolID, ROReportTrigger, ROSpecState, StateUnawareAction, Truncation,
};
use rfid_llrp::impinj;
use rfid_llrp::message::AddROSpec;
use rfid_llrp::parameter::{
    AISpec, AISpecStopTrigger, AntennaConfiguration, C1G2EPCMemorySelector, C1G2Filter, C1G2InventoryCommand,
    C1G2RFControl, C1G2SingulationControl, C1G2TagInventoryMask, C1G2TagInventoryStateUnawareFilterAction,
    Custom, InventoryParameterSpec, RFTransmitter, ROBoundarySpec, ROReportSpec, ROSpec,
    TagReportContentSelector,
};
use rfid_llrp::{Bits, EncodeFault, Members};

use crate::wire::{LONG_PATIENCE, Wire};

/// The ROSpec of the inventory. The number is one that nobody else is likely to use.
pub(crate) const INVENTORY: u32 = 7_340;

/// The ROSpec in which tags are operated on.
pub(crate) const ACCESS: u32 = 7_341;

/// Session where the configuration names none: in 2 and 3 tags that were read stay silent, and
/// seem to have gone (§12).
const USUAL_SESSION: u8 = 1;

/// Population where the configuration names none.
const USUAL_POPULATION: u16 = 32;

/// Bit of its bank at which the EPC begins.
const EPC_BIT: u16 = 32;

/// What a ROSpec is made of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) ro_spec_id: u32,
    /// Antennas to listen with; empty for all.
    pub(crate) antennas: Vec<u16>,
    pub(crate) session: Option<u8>,
    pub(crate) population: Option<u16>,
    /// Beginnings of EPCs of which a tag must have one; empty for all tags.
    pub(crate) epc_prefixes: Vec<Bits>,
    pub(crate) mode: Option<u16>,
    pub(crate) search_mode: Option<u16>,
    /// Power by antenna; the reader's own where there is none. Antenna 0 stands for all others.
    pub(crate) transmitters: Vec<(u16, RFTransmitter)>,
    pub(crate) report_every: u16,
    /// Whether the reader takes Impinj's parameters.
    pub(crate) is_impinj: bool,
    pub(crate) phase: bool,
    /// Whether reports say of which ROSpec they are.
    pub(crate) names_ro_spec: bool,
}

impl Plan {
    /// Whether somebody asked for more than that tags are read.
    fn is_asked_for(&self) -> bool {
        self.session.is_some()
            || self.population.is_some()
            || !self.epc_prefixes.is_empty()
            || self.mode.is_some()
            || self.search_mode.is_some()
            || self.phase
            || !self.transmitters.is_empty()
    }

    /// What reports have beside the EPC.
    pub(crate) fn members(&self) -> Members {
        let members = Members::ANTENNA_ID.with(Members::PEAK_RSSI).with(Members::CHANNEL_INDEX);
        let time = if self.report_every > 1 { Members::LAST_SEEN } else { Members::FIRST_SEEN };
        let spec = if self.names_ro_spec { Members::RO_SPEC_ID } else { Members::NONE };
        members.with(time).with(spec)
    }

    /// The ROSpec, or the most portable one that there is: without any wish how to read.
    fn ro_spec(&self, minimal: bool) -> Result<ROSpec, EncodeFault> {
        let antennas = if self.antennas.is_empty() { &[0][..] } else { &self.antennas };
        let mut antenna_configurations = Vec::new();
        if !minimal {
            for antenna in antennas {
                antenna_configurations.push(self.antenna(*antenna)?);
            }
        }
        let inventory = InventoryParameterSpec {
            inventory_parameter_spec_id: 1,
            protocol_id: ProtocolID::C1G2,
            antenna_configurations,
            customs: Vec::new(),
        };
        let reading = AISpec {
            antenna_ids: antennas.to_vec(),
            ai_spec_stop_trigger: AISpecStopTrigger::null(),
            inventory_parameter_specs: vec![inventory],
            customs: Vec::new(),
        };
        let customs = if self.is_impinj && !minimal { self.impinj_content()? } else { Vec::new() };
        Ok(ROSpec {
            ro_spec_id: self.ro_spec_id,
            priority: 0,
            current_state: ROSpecState::DISABLED,
            ro_boundary_spec: ROBoundarySpec::null(),
            specs: vec![reading.into()],
            ro_report_spec: Some(ROReportSpec {
                ro_report_trigger: ROReportTrigger::TAGS_OR_RO_SPEC,
                n: self.report_every,
                content: self.content(),
                customs,
            }),
        })
    }

    fn content(&self) -> TagReportContentSelector {
        TagReportContentSelector {
            enable_ro_spec_id: self.names_ro_spec,
            enable_antenna_id: true,
            enable_channel_index: true,
            enable_peak_rssi: true,
            enable_first_seen_timestamp: self.report_every == 1,
            enable_last_seen_timestamp: self.report_every > 1,
            enable_tag_seen_count: true,
            // Results are told from those of other clients' AccessSpecs.
            enable_access_spec_id: self.ro_spec_id == ACCESS,
            epc_memory_selectors: vec![C1G2EPCMemorySelector {
                enable_crc: false,
                enable_pc_bits: true,
                enable_xpc_bits: false,
            }],
            ..TagReportContentSelector::none()
        }
    }

    fn antenna(&self, antenna_id: u16) -> Result<AntennaConfiguration, EncodeFault> {
        let of = |wanted: u16| {
            let mut transmitters = self.transmitters.iter();
            transmitters.find(|(antenna, _)| *antenna == wanted).map(|(_, transmitter)| transmitter.clone())
        };
        // In session 0 no tag stays silent, so it is found at once.
        let usual_session = if self.ro_spec_id == ACCESS { 0 } else { USUAL_SESSION };
        let mut customs = Vec::new();
        if let Some(mode) = self.search_mode.filter(|_| self.is_impinj) {
            customs.push(impinj::InventorySearchMode { mode }.to_custom()?);
        }
        Ok(AntennaConfiguration {
            antenna_id,
            rf_receiver: None,
            rf_transmitter: of(antenna_id).or_else(|| of(0)),
            inventory_commands: vec![C1G2InventoryCommand {
                tag_inventory_state_aware: false,
                filters: self.filters(),
                rf_control: self.mode.map(|mode_index| C1G2RFControl { mode_index, tari: 0 }),
                singulation_control: Some(C1G2SingulationControl {
                    session: self.session.unwrap_or(usual_session),
                    tag_population: self.population.unwrap_or(USUAL_POPULATION),
                    tag_transit_time: 0,
                    state_aware_action: None,
                }),
                customs,
            }],
            customs: Vec::new(),
        })
    }

    /// The first filter takes all other tags out, and each one behind it takes some in again.
    fn filters(&self) -> Vec<C1G2Filter> {
        let actions = std::iter::once(StateUnawareAction::SELECT_UNSELECT)
            .chain(std::iter::repeat(StateUnawareAction::SELECT));
        let filter = |(prefix, action): (&Bits, StateUnawareAction)| C1G2Filter {
            t: Truncation::DO_NOT_TRUNCATE,
            mask: C1G2TagInventoryMask { mb: MemoryBank::EPC, pointer: EPC_BIT, tag_mask: prefix.clone() },
            state_aware_action: None,
            state_unaware_action: Some(C1G2TagInventoryStateUnawareFilterAction { action }),
        };
        self.epc_prefixes.iter().zip(actions).map(filter).collect()
    }

    /// Signal strength in hundredths of a dBm, and the phase for whoever asks.
    fn impinj_content(&self) -> Result<Vec<Custom>, EncodeFault> {
        let mut customs = Vec::new();
        if self.phase {
            customs.push(impinj::EnableRFPhaseAngle { mode: 1 }.to_custom()?);
        }
        customs.push(impinj::EnablePeakRSSI { mode: 1 }.to_custom()?);
        Ok(vec![impinj::TagReportContentSelector { customs }.to_custom()?])
    }

    /// Adds the ROSpec to the reader. One that refuses it, and of which nobody asked anything, gets
    /// the most portable one instead (§10).
    pub(crate) async fn add<S: Stream>(&self, op: &'static str, wire: &mut Wire<S>) -> Result<()> {
        let made = |minimal| {
            self.ro_spec(minimal)
                .map(|ro_spec| AddROSpec { ro_spec })
                .map_err(|fault| rfid_core::Error::new(ErrorKind::Internal, op).with_source(fault))
        };
        match wire.must(op, made(false)?, LONG_PATIENCE).await {
            Err(error) if error.kind() == ErrorKind::Unsupported && !self.is_asked_for() => {
                tracing::warn!(%error, "the reader is left to choose how to read");
                wire.must(op, made(true)?, LONG_PATIENCE).await.map(drop)
            }
            added => added.map(drop),
        }
    }
}
