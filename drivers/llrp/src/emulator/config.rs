//! What a client sets: SET_READER_CONFIG and GET_READER_CONFIG.

use std::collections::{BTreeMap, BTreeSet};

use rfid_llrp::enumeration::*;
use rfid_llrp::message::{GetReaderConfig, GetReaderConfigResponse, SetReaderConfig};
use rfid_llrp::parameter::*;
use rfid_llrp::{Decoding, impinj};

use super::model::Profile;
use super::refusal::{CUSTOM, Outcome, Refusal};
use super::validity::{self, Place};

/// Everything that SET_READER_CONFIG sets.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    /// Events that are told, besides those that always are.
    pub(super) events: BTreeSet<EventType>,
    /// Power, frequencies and so on of each port.
    pub(super) antennas: BTreeMap<u16, AntennaConfiguration>,
    pub(super) report: ROReportSpec,
    pub(super) access_report: AccessReportTrigger,
    pub(super) keepalive: KeepaliveSpec,
    pub(super) outputs: Vec<bool>,
    /// Inputs that are in use.
    pub(super) inputs: Vec<bool>,
    pub(super) hold: bool,
    /// Impinj: how many keepalives may go without an acknowledgement.
    pub(super) link_monitor: Option<u16>,
}

/// What a reader says of itself while it runs.
pub(super) struct Present<'a> {
    pub(super) profile: Profile,
    pub(super) state_value: u32,
    /// Levels of the inputs.
    pub(super) inputs: &'a [bool],
    /// Ports with an antenna.
    pub(super) connected: &'a [bool],
}

impl Configuration {
    /// As the factory made it: everything about a tag is reported, each time it is seen.
    pub(super) fn of_factory(profile: Profile) -> Self {
        let (hops, _) = profile.frequencies();
        let transmit_power = profile.powers().last().map_or(0, |power| power.index);
        let antenna = |antenna_id| AntennaConfiguration {
            antenna_id,
            rf_receiver: Some(RFReceiver { receiver_sensitivity: 1 }),
            rf_transmitter: Some(RFTransmitter {
                hop_table_id: u16::from(hops),
                channel_index: 1,
                transmit_power,
            }),
            inventory_commands: vec![C1G2InventoryCommand {
                tag_inventory_state_aware: false,
                filters: Vec::new(),
                rf_control: Some(C1G2RFControl {
                    mode_index: profile.modes().last().map_or(0, |mode| *mode as u16),
                    tari: 0,
                }),
                singulation_control: Some(C1G2SingulationControl {
                    session: 1,
                    tag_population: 32,
                    tag_transit_time: 0,
                    state_aware_action: None,
                }),
                customs: Vec::new(),
            }],
            customs: Vec::new(),
        };
        let content = TagReportContentSelector {
            enable_ro_spec_id: false,
            enable_spec_index: false,
            enable_inventory_parameter_spec_id: false,
            enable_antenna_id: true,
            enable_channel_index: true,
            enable_peak_rssi: true,
            enable_first_seen_timestamp: true,
            enable_last_seen_timestamp: true,
            enable_tag_seen_count: true,
            enable_access_spec_id: false,
            ..TagReportContentSelector::none()
        };
        Self {
            events: BTreeSet::new(),
            antennas: (1..=profile.antennas()).map(|port| (port, antenna(port))).collect(),
            report: ROReportSpec {
                ro_report_trigger: ROReportTrigger::TAGS_OR_RO_SPEC,
                n: 1,
                content,
                customs: Vec::new(),
            },
            access_report: AccessReportTrigger::WITH_RO_REPORT,
            keepalive: KeepaliveSpec {
                keepalive_trigger_type: KeepaliveTriggerType::NULL,
                periodic_trigger_value: 0,
            },
            outputs: vec![false; profile.gpos().into()],
            inputs: vec![false; profile.gpis().into()],
            hold: false,
            link_monitor: None,
        }
    }

    /// The configuration that a request makes of this one; nothing is changed where anything of it
    /// is refused.
    pub(super) fn with(&self, place: &Place, request: &SetReaderConfig) -> Outcome<Self> {
        let profile = place.profile;
        let mut config =
            if request.reset_to_factory_default { Self::of_factory(profile) } else { self.clone() };
        for state in request.reader_event_notification_spec.iter().flat_map(|spec| &spec.states) {
            if state.event_type.meaning().is_none() || state.event_type.since() > place.version {
                return Err(Refusal::field_of(&[244, 245], 1, StatusCode::A_INVALID, "no such event"));
            }
            if state.notification_state {
                config.events.insert(state.event_type);
            } else {
                config.events.remove(&state.event_type);
            }
        }
        if !request.antenna_properties.is_empty() {
            let text = "the properties of antennas cannot be set";
            return Err(Refusal::parameter(&[221], StatusCode::P_UNSUPPORTED_PARAMETER, text));
        }
        for antenna in &request.antenna_configurations {
            validity::antenna(place, antenna, &[])?;
            for (port, held) in &mut config.antennas {
                if antenna.antenna_id == 0 || antenna.antenna_id == *port {
                    put(&mut held.rf_receiver, &antenna.rf_receiver);
                    put(&mut held.rf_transmitter, &antenna.rf_transmitter);
                    if !antenna.inventory_commands.is_empty() {
                        held.inventory_commands.clone_from(&antenna.inventory_commands);
                    }
                }
            }
        }
        if let Some(report) = &request.ro_report_spec {
            validity::report(place, report, &[])?;
            config.report = report.clone();
        }
        if let Some(report) = &request.access_report_spec {
            config.access_report = validity::access_report(report, &[])?;
        }
        if let Some(keepalive) = &request.keepalive_spec {
            if keepalive.keepalive_trigger_type.meaning().is_none() {
                return Err(Refusal::field_of(&[220], 1, StatusCode::A_INVALID, "no such keepalive trigger"));
            }
            let is_periodic = keepalive.keepalive_trigger_type == KeepaliveTriggerType::PERIODIC;
            if is_periodic && keepalive.periodic_trigger_value == 0 {
                return Err(Refusal::field_of(&[220], 2, StatusCode::A_OUT_OF_RANGE, "a period of 0"));
            }
            config.keepalive = keepalive.clone();
        }
        for output in &request.gpo_write_data {
            let pin = usize::from(output.gpo_port_number).checked_sub(1);
            let level = pin.and_then(|pin| config.outputs.get_mut(pin));
            let none = || Refusal::field_of(&[219], 1, StatusCode::A_OUT_OF_RANGE, "no such output");
            *level.ok_or_else(none)? = output.gpo_data;
        }
        for input in &request.gpi_port_current_states {
            let pin = usize::from(input.gpi_port_num).checked_sub(1);
            let in_use = pin.and_then(|pin| config.inputs.get_mut(pin));
            let none = || Refusal::field_of(&[225], 1, StatusCode::A_OUT_OF_RANGE, "no such input");
            *in_use.ok_or_else(none)? = input.config;
        }
        if let Some(holding) = &request.events_and_reports {
            if holding.hold_events_and_reports_upon_reconnect
                && !profile.llrp().supports_event_and_report_holding
            {
                let text = "nothing is held upon reconnect";
                return Err(Refusal::parameter(&[226], StatusCode::P_UNSUPPORTED_PARAMETER, text));
            }
            config.hold = holding.hold_events_and_reports_upon_reconnect;
        }
        for custom in &request.customs {
            place.vendor(custom, &[22, 36, 38, 39, 40], &[])?;
            let read = impinj::LinkMonitor::from_custom(custom, &mut Decoding::strict());
            let read = read.map_err(|fault| {
                Refusal::parameter(&[CUSTOM], StatusCode::P_FIELD_ERROR, &fault.to_string())
            })?;
            if let Some(monitor) = read {
                config.link_monitor = (monitor.mode != 0).then_some(monitor.missed_keepalives);
            }
        }
        Ok(config)
    }

    /// What a client asks for.
    pub(super) fn answer(
        &self,
        present: &Present<'_>,
        asked: &GetReaderConfig,
    ) -> Outcome<GetReaderConfigResponse> {
        use ConfigRequest as Request;
        let wanted = asked.requested_data;
        if wanted.meaning().is_none() {
            return Err(Refusal::field(2, StatusCode::A_INVALID, "no such data"));
        }
        let is_wanted = |data: Request| wanted == Request::ALL || wanted == data;
        let profile = present.profile;
        let (mut antennas, mut properties, mut inputs, mut outputs) = Default::default();
        if is_wanted(Request::ANTENNA_PROPERTIES) || is_wanted(Request::ANTENNA_CONFIGURATION) {
            let ports = within(asked.antenna_id, profile.antennas(), 1, "no such antenna")?;
            if is_wanted(Request::ANTENNA_PROPERTIES) {
                properties = ports
                    .clone()
                    .map(|antenna_id| AntennaProperties {
                        antenna_connected: at(present.connected, antenna_id),
                        antenna_id,
                        antenna_gain: 0,
                    })
                    .collect();
            }
            if is_wanted(Request::ANTENNA_CONFIGURATION) {
                antennas = ports.filter_map(|port| self.antennas.get(&port).cloned()).collect();
            }
        }
        if is_wanted(Request::GPI_PORT_CURRENT_STATE) {
            inputs = within(asked.gpi_port_num, profile.gpis(), 3, "no such input")?
                .map(|gpi_port_num| GPIPortCurrentState {
                    gpi_port_num,
                    config: at(&self.inputs, gpi_port_num),
                    state: if at(present.inputs, gpi_port_num) { GPIState::HIGH } else { GPIState::LOW },
                })
                .collect();
        }
        if is_wanted(Request::GPO_WRITE_DATA) {
            outputs = within(asked.gpo_port_num, profile.gpos(), 4, "no such output")?
                .map(|gpo_port_number| GPOWriteData {
                    gpo_port_number,
                    gpo_data: at(&self.outputs, gpo_port_number),
                })
                .collect();
        }
        let states = EventType::KNOWN.iter().filter(|event| **event != EventType::SPEC_LOOP);
        let states = states.map(|event| EventNotificationState {
            event_type: *event,
            notification_state: self.events.contains(event),
        });
        let hold = profile.llrp().supports_event_and_report_holding && is_wanted(Request::EVENTS_AND_REPORTS);
        Ok(GetReaderConfigResponse {
            status: LLRPStatus::success(),
            // A local MAC address, as an EUI-64.
            identification: is_wanted(Request::IDENTIFICATION).then(|| Identification {
                id_type: IDType::MAC,
                reader_id: vec![0x02, 0x00, 0x00, 0xFF, 0xFE, 0x00, 0x13, 0xDC],
            }),
            antenna_properties: properties,
            antenna_configurations: antennas,
            reader_event_notification_spec: is_wanted(Request::READER_EVENT_NOTIFICATION_SPEC)
                .then(|| ReaderEventNotificationSpec { states: states.collect() }),
            ro_report_spec: is_wanted(Request::RO_REPORT_SPEC).then(|| self.report.clone()),
            access_report_spec: is_wanted(Request::ACCESS_REPORT_SPEC)
                .then_some(AccessReportSpec { access_report_trigger: self.access_report }),
            llrp_configuration_state_value: is_wanted(Request::LLRP_CONFIGURATION_STATE_VALUE).then_some(
                LLRPConfigurationStateValue { llrp_configuration_state_value: present.state_value },
            ),
            keepalive_spec: is_wanted(Request::KEEPALIVE_SPEC).then(|| self.keepalive.clone()),
            gpi_port_current_states: inputs,
            gpo_write_data: outputs,
            events_and_reports: hold
                .then_some(EventsAndReports { hold_events_and_reports_upon_reconnect: self.hold }),
            customs: Vec::new(),
        })
    }

    /// Time between two keepalives.
    pub(super) fn keepalive_every(&self) -> Option<std::time::Duration> {
        let is_periodic = self.keepalive.keepalive_trigger_type == KeepaliveTriggerType::PERIODIC;
        is_periodic.then(|| std::time::Duration::from_millis(self.keepalive.periodic_trigger_value.into()))
    }
}

fn put<T: Clone>(held: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        held.clone_from(given);
    }
}

/// The state of a port that is counted from 1.
fn at(states: &[bool], port: u16) -> bool {
    usize::from(port).checked_sub(1).and_then(|at| states.get(at)).copied().unwrap_or_default()
}

/// One port, or all of them.
fn within(asked: u16, most: u16, field: u16, text: &str) -> Outcome<std::ops::RangeInclusive<u16>> {
    match asked {
        0 => Ok(1..=most),
        port if port <= most => Ok(port..=port),
        _ => Err(Refusal::field(field, StatusCode::A_OUT_OF_RANGE, text)),
    }
}
