//! Whether a specification is one that this reader can carry out.

use rfid_llrp::enumeration::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Version, impinj};

use super::faults::Faults;
use super::model::Profile;
use super::refusal::{CUSTOM, Outcome, Refusal};

/// What the answer depends on.
pub(super) struct Place<'a> {
    pub(super) profile: Profile,
    pub(super) version: Version,
    pub(super) faults: &'a Faults,
    /// Whether the client asked for the vendor's extensions.
    pub(super) extensions: bool,
    pub(super) has_utc: bool,
}

impl Place<'_> {
    /// A vendor's parameter may stand where it is one of these of Impinj's, and after the handshake.
    pub(super) fn vendor(&self, custom: &Custom, allowed: &[u32], path: &[u16]) -> Outcome {
        let is_ours = self.extensions && custom.vendor_id == impinj::VENDOR;
        if is_ours && allowed.contains(&custom.subtype) {
            return Ok(());
        }
        let path = joined(path, &[CUSTOM]);
        let mut refusal =
            Refusal::parameter(&path, StatusCode::P_UNSUPPORTED_PARAMETER, "this vendor's parameter");
        if path.len() == 1 {
            refusal.0.status_code = StatusCode::M_UNSUPPORTED_PARAMETER;
        }
        Err(refusal)
    }
}

fn joined(path: &[u16], more: &[u16]) -> Vec<u16> {
    [path, more].concat()
}

/// A field of the last parameter of a path.
fn wrong<T>(path: &[u16], more: &[u16], field: u16, code: StatusCode, text: &str) -> Outcome<T> {
    Err(Refusal::field_of(&joined(path, more), field, code, text))
}

fn unsupported<T>(path: &[u16], more: &[u16], text: &str) -> Outcome<T> {
    Err(Refusal::parameter(&joined(path, more), StatusCode::P_UNSUPPORTED_PARAMETER, text))
}

fn missing<T>(path: &[u16], more: &[u16], text: &str) -> Outcome<T> {
    Err(Refusal::parameter(&joined(path, more), StatusCode::P_MISSING_PARAMETER, text))
}

/// Whether a number is one that this version knows.
macro_rules! known {
    ($place:expr, $value:expr, $path:expr, $more:expr, $field:expr, $text:expr) => {
        if $value.meaning().is_none() || $value.since() > $place.version {
            return wrong($path, $more, $field, StatusCode::A_INVALID, $text);
        }
    };
}

/// An AntennaConfiguration, of a ROSpec or of the reader.
pub(super) fn antenna(place: &Place<'_>, antenna: &AntennaConfiguration, path: &[u16]) -> Outcome {
    let path = &joined(path, &[222]);
    if antenna.antenna_id > place.profile.antennas() {
        return wrong(path, &[], 1, StatusCode::A_OUT_OF_RANGE, "AntennaID out of range");
    }
    if let Some(receiver) = &antenna.rf_receiver {
        let known = place.profile.sensitivities();
        if !known.iter().any(|entry| entry.index == receiver.receiver_sensitivity) {
            return wrong(path, &[223], 1, StatusCode::A_OUT_OF_RANGE, "ReceiverSensitivity out of range");
        }
    }
    if let Some(transmitter) = &antenna.rf_transmitter {
        if place.faults.no_transmitter {
            return unsupported(path, &[224], "RFTransmitter is not supported");
        }
        let (hops, frequencies) = place.profile.frequencies();
        if hops && transmitter.hop_table_id != 1 {
            return wrong(path, &[224], 1, StatusCode::A_OUT_OF_RANGE, "HopTableID out of range");
        }
        let channels = 1..=frequencies.len();
        if !hops && !channels.contains(&transmitter.channel_index.into()) {
            return wrong(path, &[224], 2, StatusCode::A_OUT_OF_RANGE, "ChannelIndex out of range");
        }
        let powers = place.profile.powers();
        if !powers.iter().any(|power| power.index == transmitter.transmit_power) {
            return wrong(path, &[224], 3, StatusCode::A_OUT_OF_RANGE, "TransmitPower out of range");
        }
    }
    antenna.inventory_commands.iter().try_for_each(|command| inventory_command(place, command, path))?;
    antenna.customs.iter().try_for_each(|custom| place.vendor(custom, &[], path))
}

fn inventory_command(place: &Place<'_>, command: &C1G2InventoryCommand, path: &[u16]) -> Outcome {
    let path = &joined(path, &[330]);
    if command.tag_inventory_state_aware {
        return wrong(path, &[], 1, StatusCode::A_INVALID, "inventory is not aware of the tags' states");
    }
    let most = place.profile.c1g2(true).max_num_select_filters_per_query;
    if command.filters.len() > most.into() {
        return Err(Refusal::parameter(
            &joined(path, &[331]),
            StatusCode::P_OVERFLOW_PARAMETER,
            "too many filters",
        ));
    }
    for filter in &command.filters {
        known!(place, filter.t, path, &[331], 1, "no such truncation");
        if filter.mask.mb == MemoryBank::RESERVED {
            return wrong(path, &[331, 332], 1, StatusCode::A_INVALID, "tags do not tell their passwords");
        }
        if filter.state_aware_action.is_some() {
            return unsupported(path, &[331, 333], "inventory is not aware of the tags' states");
        }
        if let Some(action) = &filter.state_unaware_action {
            known!(place, action.action, path, &[331, 334], 1, "no such action");
        }
    }
    if let Some(control) = &command.rf_control
        && !place.profile.modes().contains(&control.mode_index.into())
    {
        return wrong(path, &[335], 1, StatusCode::A_OUT_OF_RANGE, "ModeIndex out of range");
    }
    if let Some(control) = &command.singulation_control
        && control.state_aware_action.is_some()
    {
        return unsupported(path, &[336, 337], "inventory is not aware of the tags' states");
    }
    command.customs.iter().try_for_each(|custom| place.vendor(custom, &[23, 26, 27, 28], path))
}

/// A ROReportSpec.
pub(super) fn report(place: &Place<'_>, report: &ROReportSpec, path: &[u16]) -> Outcome {
    let path = &joined(path, &[237]);
    known!(place, report.ro_report_trigger, path, &[], 1, "no such report trigger");
    report.content.customs.iter().try_for_each(|custom| place.vendor(custom, &[], &joined(path, &[238])))?;
    report.customs.iter().try_for_each(|custom| place.vendor(custom, &[50], path))
}

/// An AccessReportSpec.
pub(super) fn access_report(report: &AccessReportSpec, path: &[u16]) -> Outcome<AccessReportTrigger> {
    match report.access_report_trigger.meaning() {
        Some(_) => Ok(report.access_report_trigger),
        None => wrong(path, &[239], 1, StatusCode::A_INVALID, "no such report trigger"),
    }
}

fn input(place: &Place<'_>, trigger: Option<&GPITriggerValue>, path: &[u16]) -> Outcome {
    match trigger {
        None => missing(path, &[181], "GPITriggerValue is missing"),
        Some(trigger) if (1..=place.profile.gpis()).contains(&trigger.gpi_port_num) => Ok(()),
        Some(_) => wrong(path, &[181], 1, StatusCode::A_OUT_OF_RANGE, "no such input"),
    }
}

/// A ROSpec that is to be added.
pub(super) fn ro_spec(place: &Place<'_>, spec: &ROSpec) -> Outcome {
    const SPEC: &[u16] = &[177];
    let llrp = place.profile.llrp();
    if spec.ro_spec_id == 0 {
        return wrong(SPEC, &[], 1, StatusCode::A_INVALID, "0 is no ROSpecID");
    }
    if spec.priority > llrp.max_priority_level_supported {
        return wrong(SPEC, &[], 2, StatusCode::A_OUT_OF_RANGE, "Priority out of range");
    }
    if spec.current_state != ROSpecState::DISABLED {
        return wrong(SPEC, &[], 3, StatusCode::A_INVALID, "a ROSpec is added disabled");
    }
    let start = &spec.ro_boundary_spec.ro_spec_start_trigger;
    let path = &[177, 178, 179];
    known!(place, start.ro_spec_start_trigger_type, path, &[], 1, "no such start trigger");
    match start.ro_spec_start_trigger_type {
        ROSpecStartTriggerType::PERIODIC => match &start.periodic_trigger_value {
            None => return missing(path, &[180], "PeriodicTriggerValue is missing"),
            Some(value) if value.utc_timestamp.is_some() && !place.has_utc => {
                return unsupported(path, &[180, 128], "the reader has no clock");
            }
            Some(_) => {}
        },
        ROSpecStartTriggerType::GPI => input(place, start.gpi_trigger_value.as_ref(), path)?,
        _ => {}
    }
    let stop = &spec.ro_boundary_spec.ro_spec_stop_trigger;
    let path = &[177, 178, 182];
    known!(place, stop.ro_spec_stop_trigger_type, path, &[], 1, "no such stop trigger");
    if stop.ro_spec_stop_trigger_type == ROSpecStopTriggerType::GPI {
        input(place, stop.gpi_trigger_value.as_ref(), path)?;
    }
    if spec.specs.len() > llrp.max_num_specs_per_ro_spec as usize {
        return Err(Refusal::parameter(SPEC, StatusCode::P_OVERFLOW_PARAMETER, "too many specs"));
    }
    let last = spec.specs.len().saturating_sub(1);
    for (index, part) in spec.specs.iter().enumerate() {
        match part {
            Spec::AISpec(spec) => ai_spec(place, spec)?,
            Spec::RFSurveySpec(_) => return unsupported(SPEC, &[187], "the reader does no surveys"),
            // A loop without anything in it would never come to an end.
            Spec::LoopSpec(_) if index == last && index > 0 => {}
            Spec::LoopSpec(_) => {
                let text = "a LoopSpec stands behind what it repeats";
                return Err(Refusal::parameter(&[177, 355], StatusCode::P_UNEXPECTED_PARAMETER, text));
            }
            Spec::Custom(custom) => place.vendor(custom, &[], SPEC)?,
        }
    }
    spec.ro_report_spec.as_ref().map_or(Ok(()), |spec| report(place, spec, SPEC))
}

fn ai_spec(place: &Place<'_>, spec: &AISpec) -> Outcome {
    const PATH: &[u16] = &[177, 183];
    if spec.antenna_ids.is_empty() || spec.antenna_ids.iter().any(|id| *id > place.profile.antennas()) {
        return wrong(PATH, &[], 1, StatusCode::A_OUT_OF_RANGE, "AntennaIDs out of range");
    }
    let stop = &spec.ai_spec_stop_trigger;
    known!(place, stop.ai_spec_stop_trigger_type, PATH, &[184], 1, "no such stop trigger");
    match stop.ai_spec_stop_trigger_type {
        AISpecStopTriggerType::GPI => input(place, stop.gpi_trigger_value.as_ref(), &[177, 183, 184])?,
        AISpecStopTriggerType::TAG_OBSERVATION if place.faults.no_tag_observation_trigger => {
            return wrong(PATH, &[184], 1, StatusCode::A_INVALID, "unsupported StopTrigger 3");
        }
        AISpecStopTriggerType::TAG_OBSERVATION => {
            let Some(trigger) = &stop.tag_observation_trigger else {
                return missing(PATH, &[184, 185], "TagObservationTrigger is missing");
            };
            known!(place, trigger.trigger_type, PATH, &[184, 185], 1, "no such trigger");
        }
        _ => {}
    }
    let most = place.profile.llrp().max_num_inventory_parameter_specs_per_ai_spec as usize;
    if spec.inventory_parameter_specs.len() > most {
        let path = joined(PATH, &[186]);
        return Err(Refusal::parameter(&path, StatusCode::P_OVERFLOW_PARAMETER, "too many inventories"));
    }
    for inventory in &spec.inventory_parameter_specs {
        let path = &joined(PATH, &[186]);
        if inventory.inventory_parameter_spec_id == 0 {
            return wrong(path, &[], 1, StatusCode::A_INVALID, "0 is no InventoryParameterSpecID");
        }
        if inventory.protocol_id != ProtocolID::C1G2 {
            return wrong(path, &[], 2, StatusCode::A_INVALID, "no such air protocol");
        }
        inventory.antenna_configurations.iter().try_for_each(|spec| antenna(place, spec, path))?;
        inventory.customs.iter().try_for_each(|custom| place.vendor(custom, &[], path))?;
    }
    spec.customs.iter().try_for_each(|custom| place.vendor(custom, &[], PATH))
}

/// An AccessSpec that is to be added.
pub(super) fn access_spec(place: &Place<'_>, spec: &AccessSpec) -> Outcome {
    const SPEC: &[u16] = &[207];
    if spec.access_spec_id == 0 {
        return wrong(SPEC, &[], 1, StatusCode::A_INVALID, "0 is no AccessSpecID");
    }
    if spec.antenna_id > place.profile.antennas() {
        return wrong(SPEC, &[], 2, StatusCode::A_OUT_OF_RANGE, "AntennaID out of range");
    }
    if spec.protocol_id != ProtocolID::C1G2 {
        return wrong(SPEC, &[], 3, StatusCode::A_INVALID, "no such air protocol");
    }
    if spec.current_state {
        return wrong(SPEC, &[], 4, StatusCode::A_INVALID, "an AccessSpec is added disabled");
    }
    let stop = &spec.access_spec_stop_trigger;
    known!(place, stop.access_spec_stop_trigger_type, SPEC, &[208], 1, "no such stop trigger");
    if let Some(report) = &spec.access_report_spec {
        access_report(report, SPEC)?;
    }
    let command = &spec.access_command;
    for target in &command.tag_spec.target_tags {
        if target.tag_mask.count() != target.tag_data.count() {
            let text = "mask and data differ in length";
            return wrong(SPEC, &[209, 338, 339], 5, StatusCode::A_INVALID, text);
        }
    }
    if command.op_specs.len() > place.profile.llrp().max_num_op_specs_per_access_spec as usize {
        let path = &[207, 209];
        return Err(Refusal::parameter(path, StatusCode::P_OVERFLOW_PARAMETER, "too many operations"));
    }
    for operation in &command.op_specs {
        use AccessOperation as Op;
        let path = &[207, 209];
        match operation {
            Op::C1G2Read(_) | Op::C1G2Write(_) | Op::C1G2Kill(_) => {}
            Op::C1G2BlockWrite(_) if !place.faults.no_block_write => {}
            Op::C1G2Lock(lock) => {
                for payload in &lock.payloads {
                    known!(place, payload.privilege, path, &[344, 345], 1, "no such privilege");
                    known!(place, payload.data_field, path, &[344, 345], 2, "no such field");
                }
            }
            Op::C1G2BlockErase(_) => return unsupported(path, &[346], "blocks cannot be erased"),
            Op::C1G2BlockWrite(_) => return unsupported(path, &[347], "blocks cannot be written"),
            Op::C1G2Recommission(_) => return unsupported(path, &[357], "tags cannot be recommissioned"),
            Op::C1G2BlockPermalock(_) => return unsupported(path, &[358], "blocks cannot be locked"),
            Op::C1G2GetBlockPermalockStatus(_) => {
                return unsupported(path, &[359], "blocks cannot be locked");
            }
            Op::ClientRequestOpSpec(_) => return unsupported(path, &[210], "clients are not asked"),
            Op::Custom(custom) => place.vendor(custom, &[], path)?,
        }
    }
    spec.customs.iter().try_for_each(|custom| place.vendor(custom, &[40], SPEC))
}
