//! A client that takes everything strictly.

use std::collections::VecDeque;
use std::time::Duration;

use rfid_core::UtcTime;
use rfid_driver_llrp::emulator::{Emulator, Faults, Profile, Scenario};
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Decoding, Frames, Header, Message, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing that is waited for takes longer, whatever else the machine does.
const LIMIT: Duration = Duration::from_secs(30);

/// Where the emulated clock stands at the start, in microseconds.
pub(crate) const UTC: u64 = 1_795_000_000_000_000;

pub(crate) const EPC: &str = "300833b2ddd9014000000001";

pub(crate) async fn reader(profile: Profile, scenario: &str) -> Emulator {
    let scenario = Scenario::from_toml(scenario).unwrap();
    Emulator::bind_with("127.0.0.1:0", profile, scenario, UtcTime::from_nanos(UTC * 1_000)).await.unwrap()
}

/// One tag for ever, before antenna 1.
pub(crate) fn one_tag() -> String {
    format!("[[tag]]\nepc = \"{EPC}\"\nreads_per_second = 50\n")
}

pub(crate) fn faults(text: &str) -> Faults {
    Scenario::from_toml(&format!("[faults]\n{text}\n")).unwrap().faults
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    frames: Frames,
    pub(crate) version: Version,
    next_id: u32,
    /// What came while an answer was waited for.
    waiting: VecDeque<Message>,
}

impl Client {
    /// Connects; the greeting is left to be heard.
    pub(crate) async fn dial(reader: &Emulator) -> Self {
        let stream = TcpStream::connect(reader.local_addr()).await.unwrap();
        Self {
            stream,
            frames: Frames::default(),
            version: Version::V1_0_1,
            next_id: 1_000,
            waiting: VecDeque::new(),
        }
    }

    /// Connects and is greeted.
    pub(crate) async fn connect(reader: &Emulator) -> Self {
        let mut client = Self::dial(reader).await;
        assert_eq!(client.greeting().await, ConnectionAttemptStatus::SUCCESS);
        client
    }

    pub(crate) async fn greeting(&mut self) -> ConnectionAttemptStatus {
        match self.next().await {
            Some(Message::ReaderEventNotification(event)) => {
                event.data.connection_attempt_event.expect("a greeting").status
            }
            other => panic!("no greeting: {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, message: impl Into<Message>) -> u32 {
        self.next_id += 1;
        let bytes = message.into().encode(self.version, self.next_id).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
        self.next_id
    }

    /// The next message; none when the reader has hung up.
    pub(crate) async fn next_with_header(&mut self) -> Option<(Header, Message)> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                let message = Message::of_frame(&frame, &mut Decoding::strict()).unwrap();
                return Some((frame.header, message));
            }
            let read = tokio::time::timeout(LIMIT, self.stream.read(&mut chunk)).await;
            match read.expect("the reader says nothing") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.frames.push(&chunk[..count]),
            }
        }
    }

    /// The next message, those first that came before an answer.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        match self.waiting.pop_front() {
            Some(message) => Some(message),
            None => self.next_with_header().await.map(|(_, message)| message),
        }
    }

    /// The answer to a request; what comes before it waits.
    pub(crate) async fn ask(&mut self, message: impl Into<Message>) -> Message {
        let message = message.into();
        let expected = message.answer();
        let id = self.send(message).await;
        loop {
            let (header, answer) = self.next_with_header().await.expect("an answer");
            let is_answer = Some(header.number) == expected
                || header.number == ErrorMessage::NUMBER
                || header.number == CustomMessage::NUMBER;
            if header.id == id && is_answer {
                return answer;
            }
            self.waiting.push_back(answer);
        }
    }

    /// The status of the answer.
    pub(crate) async fn status(&mut self, message: impl Into<Message>) -> LLRPStatus {
        self.ask(message).await.status().expect("a status").clone()
    }

    pub(crate) async fn code(&mut self, message: impl Into<Message>) -> StatusCode {
        self.status(message).await.status_code
    }

    /// Asks for something that succeeds.
    pub(crate) async fn done(&mut self, message: impl Into<Message>) {
        let status = self.status(message).await;
        assert!(status.is_success(), "{status}");
    }

    /// The next report with a tag in it; what comes before it is forgotten.
    pub(crate) async fn report(&mut self) -> Vec<TagReportData> {
        loop {
            if let Message::ROAccessReport(report) = self.next().await.expect("a report")
                && !report.tag_report_data.is_empty()
            {
                return report.tag_report_data;
            }
        }
    }

    /// The next event; reports before it are forgotten.
    pub(crate) async fn event(&mut self) -> ReaderEventNotificationData {
        loop {
            if let Message::ReaderEventNotification(event) = self.next().await.expect("an event") {
                return event.data;
            }
        }
    }

    /// Adds, enables and, if it has no trigger, starts a ROSpec.
    pub(crate) async fn run(&mut self, spec: ROSpec) {
        let id = spec.ro_spec_id;
        let trigger = spec.ro_boundary_spec.ro_spec_start_trigger.ro_spec_start_trigger_type;
        self.done(AddROSpec { ro_spec: spec }).await;
        self.done(EnableROSpec { ro_spec_id: id }).await;
        if trigger == ROSpecStartTriggerType::NULL {
            self.done(StartROSpec { ro_spec_id: id }).await;
        }
    }

    /// Asks for events of these kinds.
    pub(crate) async fn want(&mut self, events: &[EventType]) {
        let states = events
            .iter()
            .map(|event_type| EventNotificationState { event_type: *event_type, notification_state: true });
        let spec = ReaderEventNotificationSpec { states: states.collect() };
        let request =
            SetReaderConfig { reader_event_notification_spec: Some(spec), ..SetReaderConfig::nothing() };
        self.done(request).await;
    }
}

pub(crate) fn ai_spec() -> AISpec {
    AISpec {
        antenna_ids: vec![0],
        ai_spec_stop_trigger: AISpecStopTrigger::null(),
        inventory_parameter_specs: vec![InventoryParameterSpec {
            inventory_parameter_spec_id: 3,
            protocol_id: ProtocolID::C1G2,
            antenna_configurations: Vec::new(),
            customs: Vec::new(),
        }],
        customs: Vec::new(),
    }
}

/// Null triggers, all antennas, each sighting at once with its antenna.
pub(crate) fn ro_spec(ro_spec_id: u32) -> ROSpec {
    ROSpec {
        ro_spec_id,
        priority: 0,
        current_state: ROSpecState::DISABLED,
        ro_boundary_spec: ROBoundarySpec::null(),
        specs: vec![ai_spec().into()],
        ro_report_spec: Some(report_spec(ROReportTrigger::TAGS_OR_RO_SPEC, 1)),
    }
}

pub(crate) fn report_spec(ro_report_trigger: ROReportTrigger, n: u16) -> ROReportSpec {
    let content = TagReportContentSelector { enable_antenna_id: true, ..TagReportContentSelector::none() };
    ROReportSpec { ro_report_trigger, n, content, customs: Vec::new() }
}

/// What a ROSpec stops and starts by.
pub(crate) fn boundary(
    start: ROSpecStartTriggerType,
    stop: ROSpecStopTriggerType,
    duration_trigger_value: u32,
) -> ROBoundarySpec {
    let mut boundary = ROBoundarySpec::null();
    boundary.ro_spec_start_trigger.ro_spec_start_trigger_type = start;
    boundary.ro_spec_stop_trigger.ro_spec_stop_trigger_type = stop;
    boundary.ro_spec_stop_trigger.duration_trigger_value = duration_trigger_value;
    boundary
}

pub(crate) fn epc_of(data: &TagReportData) -> String {
    let octets = match &data.epc {
        rfid_llrp::parameter::EPC::EPC96(epc) => epc.epc.to_vec(),
        rfid_llrp::parameter::EPC::EPCData(epc) => epc.epc.octets().to_vec(),
    };
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
