//! A scripted reader: it does what a test says, and otherwise what a reader with four antennas and
//! nothing before them does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rfid_core::{DynSession, Noticed, ReadBuf, ReadHandler, ReaderSetup, Settings, TagRead};
use rfid_driver_llrp::session_over;
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Decoding, Frames, Message, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What a reader does about a request.
pub(crate) enum Answer {
    /// What readers do.
    Usual,
    /// This, with the id and version of the request.
    Say(Vec<Message>),
    /// What readers do, and then this, with ids of the reader's own.
    AndThen(Vec<Message>),
    HangUp,
}

pub(crate) type Script = Arc<dyn Fn(&Message) -> Answer + Send + Sync>;

/// What a test sees of its reader, and what it lets it say unasked.
#[derive(Clone)]
pub(crate) struct Peer {
    heard: Arc<Mutex<Vec<(Version, Message)>>>,
    connections: Arc<Mutex<Vec<mpsc::Sender<Vec<u8>>>>>,
}

impl Peer {
    pub(crate) fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().iter().map(|(_, message)| message.clone()).collect()
    }

    pub(crate) fn heard_in(&self) -> Vec<(Version, &'static str)> {
        self.heard.lock().unwrap().iter().map(|(version, message)| (*version, message.name())).collect()
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.heard_in().into_iter().map(|(_, name)| name).collect()
    }

    pub(crate) fn ro_specs(&self) -> Vec<ROSpec> {
        let specs = self.heard().into_iter().filter_map(|message| match message {
            Message::AddROSpec(add) => Some(add.ro_spec),
            _ => None,
        });
        specs.collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// Says this over the newest connection.
    pub(crate) async fn say(&self, message: impl Into<Message>) {
        self.say_bytes(message.into().encode(Version::V1_0_1, 900).unwrap()).await;
    }

    pub(crate) async fn say_bytes(&self, bytes: Vec<u8>) {
        let newest = self.connections.lock().unwrap().last().cloned().unwrap();
        newest.send(bytes).await.unwrap();
    }

    /// Serves one connection.
    pub(crate) async fn serve(
        self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        script: Script,
        greeting: Message,
    ) {
        let (push, mut pushed) = mpsc::channel(16);
        self.connections.lock().unwrap().push(push);
        let hello = greeting.encode(Version::V1_0_1, 427_094_707).unwrap();
        if stream.write_all(&hello).await.is_err() {
            return;
        }
        let (mut frames, mut chunk) = (Frames::default(), [0; 4096]);
        loop {
            tokio::select! {
                Some(bytes) = pushed.recv() => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                count = stream.read(&mut chunk) => {
                    let Ok(count @ 1..) = count else { return };
                    frames.push(&chunk[..count]);
                }
            }
            while let Some(frame) = frames.next_frame().unwrap() {
                // What the driver sends is judged: a reader may refuse what is out of order.
                let message = Message::of_frame(&frame, &mut Decoding::strict()).unwrap();
                let header = frame.header;
                self.heard.lock().unwrap().push((header.version, message.clone()));
                let (answers, then) = match script(&message) {
                    Answer::Usual => (usual(&message), vec![]),
                    Answer::Say(answers) => (answers, vec![]),
                    Answer::AndThen(then) => (usual(&message), then),
                    Answer::HangUp => return,
                };
                for answer in answers {
                    let bytes = answer.encode(header.version, header.id).unwrap();
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                for message in then {
                    // Chosen to be the id of the request: it is told by its type (§2).
                    let bytes = message.encode(header.version, header.id).unwrap();
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                if matches!(message, Message::CloseConnection(_)) {
                    return;
                }
            }
        }
    }
}

/// A session with a scripted reader, in simulated time.
pub(crate) fn session(
    settings: &str,
    script: impl Fn(&Message) -> Answer + Send + Sync + 'static,
) -> (Box<dyn DynSession>, Peer) {
    session_greeted(settings, greeting(ConnectionAttemptStatus::SUCCESS), script)
}

pub(crate) fn session_greeted(
    settings: &str,
    greeting: Message,
    script: impl Fn(&Message) -> Answer + Send + Sync + 'static,
) -> (Box<dyn DynSession>, Peer) {
    let script: Script = Arc::new(script);
    let peer = Peer { heard: Arc::default(), connections: Arc::default() };
    let shared = peer.clone();
    let connect = move || {
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(shared.clone().serve(theirs, Arc::clone(&script), greeting.clone()));
        std::future::ready(Ok(ours))
    };
    let settings = Settings::from_toml(&format!("address = \"reader\"\n{settings}")).unwrap();
    let setup = ReaderSetup { antenna_ports: vec![1, 2], ..ReaderSetup::named("door") };
    (session_over(&settings, &setup, connect).unwrap(), peer)
}

pub(crate) fn as_usual(_: &Message) -> Answer {
    Answer::Usual
}

pub(crate) fn greeting(status: ConnectionAttemptStatus) -> Message {
    event(|data| data.connection_attempt_event = Some(ConnectionAttemptEvent { status }))
}

/// An event with a time of day.
pub(crate) fn event(say: impl FnOnce(&mut ReaderEventNotificationData)) -> Message {
    let timestamp = UTCTimestamp { microseconds: 1_401_297_867_134_161 };
    let mut data = ReaderEventNotificationData::nothing(timestamp.into());
    say(&mut data);
    ReaderEventNotification { data }.into()
}

/// A report of one tag with what is said of it.
pub(crate) fn report(epc: &[u8], say: impl FnOnce(&mut TagReportData)) -> Message {
    let mut tag = TagReportData {
        epc: match epc.try_into() {
            Ok(epc) => EPC96 { epc }.into(),
            Err(_) => EPCData { epc: rfid_llrp::Bits::whole(epc) }.into(),
        },
        ro_spec_id: None,
        spec_index: None,
        inventory_parameter_spec_id: None,
        antenna_id: Some(AntennaID { antenna_id: 1 }),
        peak_rssi: Some(PeakRSSI { peak_rssi: -60 }),
        channel_index: None,
        first_seen_timestamp_utc: None,
        first_seen_timestamp_uptime: None,
        last_seen_timestamp_utc: None,
        last_seen_timestamp_uptime: None,
        tag_seen_count: None,
        air_protocol_data: vec![],
        access_spec_id: None,
        op_spec_results: vec![],
        customs: vec![],
    };
    say(&mut tag);
    ROAccessReport { tag_report_data: vec![tag], rf_survey_report_data: vec![], customs: vec![] }.into()
}

pub(crate) fn epc(number: u8) -> [u8; 12] {
    [0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number]
}

pub(crate) fn refusal(code: StatusCode, text: &str) -> LLRPStatus {
    LLRPStatus::of(code, text)
}

/// What a reader with four antennas answers; nothing to what has no answer.
pub(crate) fn usual(request: &Message) -> Vec<Message> {
    let status = LLRPStatus::success;
    vec![match request {
        Message::GetReaderCapabilities(_) => capabilities(161, 96_008).into(),
        Message::GetReaderConfig(asked) => config(asked.requested_data).into(),
        Message::SetReaderConfig(_) => SetReaderConfigResponse { status: status() }.into(),
        Message::CloseConnection(_) => CloseConnectionResponse { status: status() }.into(),
        Message::AddROSpec(_) => AddROSpecResponse { status: status() }.into(),
        Message::DeleteROSpec(_) => DeleteROSpecResponse { status: status() }.into(),
        Message::StartROSpec(_) => StartROSpecResponse { status: status() }.into(),
        Message::EnableROSpec(_) => EnableROSpecResponse { status: status() }.into(),
        Message::DisableROSpec(_) => DisableROSpecResponse { status: status() }.into(),
        Message::AddAccessSpec(_) => AddAccessSpecResponse { status: status() }.into(),
        Message::DeleteAccessSpec(_) => DeleteAccessSpecResponse { status: status() }.into(),
        Message::EnableAccessSpec(_) => EnableAccessSpecResponse { status: status() }.into(),
        Message::GetSupportedVersion(_) | Message::SetProtocolVersion(_) => {
            ErrorMessage { status: refusal(StatusCode::M_UNSUPPORTED_VERSION, "") }.into()
        }
        Message::CustomMessage(_) => {
            ErrorMessage { status: refusal(StatusCode::M_UNSUPPORTED_MESSAGE, "") }.into()
        }
        _ => return vec![],
    }]
}

pub(crate) fn capabilities(maker: u32, model: u32) -> GetReaderCapabilitiesResponse {
    let power = |index, transmit_power_value| TransmitPowerLevelTableEntry { index, transmit_power_value };
    GetReaderCapabilitiesResponse {
        status: LLRPStatus::success(),
        general: Some(GeneralDeviceCapabilities {
            max_number_of_antenna_supported: 4,
            can_set_antenna_properties: false,
            has_utc_clock_capability: true,
            device_manufacturer_name: maker,
            model_name: model,
            firmware_version: "3.32.37".to_owned(),
            receive_sensitivities: vec![ReceiveSensitivityTableEntry {
                index: 1,
                receive_sensitivity_value: 0,
            }],
            receive_sensitivity_ranges: vec![],
            gpio_capabilities: GPIOCapabilities { num_gpis: 2, num_gpos: 3 },
            air_protocols: vec![PerAntennaAirProtocol { antenna_id: 1, protocol_id: vec![1] }],
            maximum_receive_sensitivity: None,
        }),
        llrp_capabilities: Some(LLRPCapabilities {
            can_do_rf_survey: false,
            can_report_buffer_fill_warning: true,
            supports_client_request_op_spec: false,
            can_do_tag_inventory_state_aware_singulation: false,
            supports_event_and_report_holding: true,
            max_priority_level_supported: 1,
            client_request_op_spec_timeout: 0,
            max_num_ro_specs: 1,
            max_num_specs_per_ro_spec: 32,
            max_num_inventory_parameter_specs_per_ai_spec: 1,
            max_num_access_specs: 8,
            max_num_op_specs_per_access_spec: 8,
        }),
        regulatory_capabilities: Some(RegulatoryCapabilities {
            country_code: 840,
            communications_standard: CommunicationsStandard::US_FCC_PART_15,
            uhf_band_capabilities: Some(UHFBandCapabilities {
                transmit_powers: vec![power(3, 1000), power(9, 2025), power(7, 3000)],
                frequency_information: FrequencyInformation {
                    hopping: true,
                    frequency_hop_tables: vec![FrequencyHopTable {
                        hop_table_id: 1,
                        frequency: vec![902_750, 903_250],
                    }],
                    fixed_frequency_table: None,
                },
                rf_mode_tables: vec![UHFC1G2RFModeTable { entries: vec![mode(2), mode(1002)] }],
                rf_survey_frequency_capabilities: None,
            }),
            customs: vec![],
        }),
        c1g2_llrp_capabilities: Some(C1G2LLRPCapabilities {
            can_support_block_erase: false,
            can_support_block_write: true,
            can_support_block_permalock: false,
            can_support_tag_recommissioning: false,
            can_support_umi_method2: false,
            can_support_xpc: false,
            max_num_select_filters_per_query: 2,
        }),
        customs: vec![],
    }
}

fn mode(mode_identifier: u32) -> UHFC1G2RFModeTableEntry {
    UHFC1G2RFModeTableEntry {
        mode_identifier,
        dr_value: false,
        epc_hag_tc_conformance: false,
        m_value: MValue::FM0,
        forward_link_modulation: ForwardLinkModulation::PR_ASK,
        spectral_mask_indicator: SpectralMaskIndicator::MULTI,
        bdr_value: 40_000,
        pie_value: 1500,
        min_tari_value: 6250,
        max_tari_value: 6250,
        step_tari_value: 0,
    }
}

fn config(requested: ConfigRequest) -> GetReaderConfigResponse {
    let mut answer = GetReaderConfigResponse {
        status: LLRPStatus::success(),
        identification: None,
        antenna_properties: vec![],
        antenna_configurations: vec![],
        reader_event_notification_spec: None,
        ro_report_spec: None,
        access_report_spec: None,
        llrp_configuration_state_value: None,
        keepalive_spec: None,
        gpi_port_current_states: vec![],
        gpo_write_data: vec![],
        events_and_reports: None,
        customs: vec![],
    };
    match requested {
        ConfigRequest::IDENTIFICATION => {
            let reader_id = vec![0, 0x16, 0x25, 0xFF, 0xFE, 0x10, 0x20, 0x30];
            answer.identification = Some(Identification { id_type: IDType::MAC, reader_id });
        }
        ConfigRequest::ANTENNA_PROPERTIES => {
            answer.antenna_properties = (1..=4)
                .map(|antenna_id| AntennaProperties {
                    antenna_connected: antenna_id < 4,
                    antenna_id,
                    antenna_gain: 0,
                })
                .collect();
        }
        ConfigRequest::ANTENNA_CONFIGURATION => {
            answer.antenna_configurations = (1..=4)
                .map(|antenna_id| AntennaConfiguration {
                    antenna_id,
                    rf_receiver: Some(RFReceiver { receiver_sensitivity: 1 }),
                    rf_transmitter: Some(RFTransmitter {
                        hop_table_id: 6,
                        channel_index: 5,
                        transmit_power: if antenna_id == 2 { 3 } else { 7 },
                    }),
                    inventory_commands: vec![],
                    customs: vec![],
                })
                .collect();
        }
        ConfigRequest::GPI_PORT_CURRENT_STATE => {
            answer.gpi_port_current_states = vec![
                GPIPortCurrentState { gpi_port_num: 2, config: true, state: GPIState::HIGH },
                GPIPortCurrentState { gpi_port_num: 1, config: true, state: GPIState::LOW },
            ];
        }
        _ => {}
    }
    answer
}

/// What a session hands over.
pub(crate) struct Collected {
    buffer: ReadBuf,
    pub(crate) noticed: Vec<Noticed>,
    pub(crate) ids: Vec<String>,
    pub(crate) reads: Vec<TagRead>,
    pub(crate) lost: u64,
}

impl Collected {
    pub(crate) fn with_room_for(reads: usize) -> Self {
        Self { buffer: ReadBuf::with_capacity(reads), noticed: vec![], ids: vec![], reads: vec![], lost: 0 }
    }
}

impl ReadHandler for Collected {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buffer
    }

    fn filled(&mut self) {
        self.noticed.extend(self.buffer.take_noticed());
        self.lost += self.buffer.lost();
        for sighting in self.buffer.iter() {
            self.ids.push(sighting.id.to_owned().hex());
            self.reads.push(*sighting.read);
        }
        self.buffer.clear();
    }
}

/// Opens and starts a session.
pub(crate) async fn begun(session: &mut dyn DynSession) {
    session.open().await.unwrap();
    session.start().await.unwrap();
}

/// Reads for a while, or until an error.
pub(crate) async fn read_for(
    session: &mut dyn DynSession,
    time: Duration,
) -> (Collected, Option<rfid_core::Error>) {
    let mut collected = Collected::with_room_for(64);
    let error = timeout(time, session.pump(&mut collected)).await.ok().map(|outcome| outcome.unwrap_err());
    (collected, error)
}
