//! The emulated reader behind its connections: what was added and set, its radio, its clock.
//!
//! It is told the time and never asks for it; what it has to say it puts into the outbox of the
//! client that it has.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rfid_core::UtcTime;
use rfid_emulated_field::Memories;
use rfid_llrp::enumeration::*;
use rfid_llrp::message::{Keepalive, ROAccessReport, ReaderEventNotification};
use rfid_llrp::parameter::*;
use rfid_llrp::{Message, Version};
use tokio::sync::Notify;

use super::Scenario;
use super::access;
use super::clock::ReaderClock;
use super::config::{Configuration, Present};
use super::faults::FaultState;
use super::inventory::RoSpec;
use super::model::Profile;
use super::report::{self, Impinj, Manner, Sighting};

/// Length of a round of inventory: how long the reader listens before it looks at triggers,
/// inputs and antennas again. Several reads of a tag within a round are one sighting.
pub(super) const ROUND: Duration = Duration::from_millis(20);

/// What a reader does that nobody has asked anything of for longer than this is not played.
const LONGEST_UNSEEN: Duration = Duration::from_secs(60);

/// Sightings that the buffer of reports holds where no fault says otherwise.
const BUFFER: usize = 4_096;

/// Events that wait for a client that is held for.
const MOST_HELD: usize = 1_024;

/// A connected client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) version: Version,
    /// Whether a version was chosen; that is done once.
    pub(super) has_chosen: bool,
    /// Whether the vendor's extensions were asked for.
    pub(super) extensions: bool,
    /// Whether events and reports wait until they are asked for.
    holding: bool,
    outbox: Vec<Said>,
    /// Sightings in the outbox.
    queued: usize,
    next_keepalive: Option<Duration>,
    unanswered: u32,
    /// Whether the connection ends once the outbox is sent.
    pub(super) is_ending: bool,
    wake: Arc<Notify>,
    /// What the last report said of a tag.
    last_report: Option<TagReportData>,
}

/// Something that is to be sent.
#[derive(Debug)]
pub(super) enum Said {
    /// In the version of the connection.
    Message(u32, Box<Message>),
    /// In a version of its own.
    Bytes(Vec<u8>),
}

/// What is to be sent to a client.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) is_ending: bool,
    /// When the reader has more to say, unless it is spoken to.
    pub(super) next: Option<Duration>,
}

/// State that all connections share.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) profile: Profile,
    pub(super) faults: Arc<FaultState>,
    pub(super) scenario: Arc<Scenario>,
    pub(super) memories: Memories,
    pub(super) config: Configuration,
    pub(super) ro_specs: Vec<RoSpec>,
    pub(super) access_specs: Vec<access::Installed>,
    pub(super) state_value: u32,
    pub(super) session: Option<Session>,
    pub(super) clock: ReaderClock,
    /// Up to where rounds were played.
    pub(super) at: Duration,
    pub(super) inputs: Vec<bool>,
    connected: Vec<bool>,
    /// Clients that are to hear a last word.
    leaving: Vec<Session>,
    held: VecDeque<Message>,
    held_tags: usize,
    has_warned: bool,
    has_overflown: bool,
    sessions: u64,
    message_id: u32,
}

impl Reader {
    pub(super) fn new(
        profile: Profile,
        scenario: Scenario,
        faults: Arc<FaultState>,
        utc_at_start: UtcTime,
    ) -> Self {
        let set = faults.faults();
        let behind = set.clock_behind.map_or(0, |behind| behind.0.as_micros());
        let utc = u128::from(utc_at_start.as_nanos() / 1_000).saturating_sub(behind);
        let utc = u64::try_from(utc).unwrap_or_default();
        Self {
            profile,
            faults,
            scenario: Arc::new(scenario),
            memories: Memories::default(),
            config: Configuration::of_factory(profile),
            ro_specs: Vec::new(),
            access_specs: Vec::new(),
            state_value: 1,
            session: None,
            clock: ReaderClock::new((!set.no_utc_clock).then_some(utc)),
            at: Duration::ZERO,
            inputs: vec![false; profile.gpis().into()],
            connected: vec![true; profile.antennas().into()],
            leaving: Vec::new(),
            held: VecDeque::new(),
            held_tags: 0,
            has_warned: false,
            has_overflown: false,
            sessions: 0,
            message_id: 0,
        }
    }

    /// Puts other tags before the antennas.
    pub(super) fn set_scenario(&mut self, scenario: Scenario) {
        self.scenario = Arc::new(scenario);
        self.memories.clear();
        if let Some(session) = &self.session {
            session.wake.notify_one();
        }
    }

    /// Everything that was set and added is gone; tags keep what was written to them.
    pub(super) fn restart(&mut self) {
        self.config = Configuration::of_factory(self.profile);
        self.ro_specs.clear();
        self.access_specs.clear();
        self.held.clear();
        self.held_tags = 0;
        self.has_warned = false;
        self.has_overflown = false;
        self.state_value = self.state_value.wrapping_add(1);
        self.clock.restart(self.at);
    }

    // Connections.

    /// A client has connected. It is greeted; its number is none if it is sent away.
    pub(super) fn greet(&mut self, now: Duration, wake: &Arc<Notify>) -> (Option<u64>, (u32, Message)) {
        self.advance(now);
        let faults = self.faults.faults();
        let refused = ConnectionAttemptStatus::CLIENT_INITIATED_EXISTS;
        if faults.another_client {
            return (None, self.attempt(refused));
        }
        if self.session.is_some() {
            if !faults.take_over {
                // It also shows whether the established connection still works.
                let (id, told) = self.attempt(ConnectionAttemptStatus::ANOTHER_ATTEMPTED);
                self.answer(id, told);
                if let Some(session) = &self.session {
                    session.wake.notify_one();
                }
                return (None, self.attempt(refused));
            }
            self.end_session();
        }
        self.sessions += 1;
        self.session = Some(Session {
            number: self.sessions,
            version: Version::V1_0_1,
            has_chosen: false,
            extensions: false,
            holding: self.config.hold,
            outbox: Vec::new(),
            queued: 0,
            next_keepalive: self.config.keepalive_every().map(|every| now + every),
            unanswered: 0,
            is_ending: false,
            wake: Arc::clone(wake),
            last_report: None,
        });
        (Some(self.sessions), self.attempt(ConnectionAttemptStatus::SUCCESS))
    }

    /// The connection of a client is over. What it added stays and goes on.
    pub(super) fn is_gone(&mut self, number: u64) {
        if self.session.as_ref().is_some_and(|session| session.number == number) {
            self.session = None;
        }
        self.leaving.retain(|session| session.number != number);
    }

    /// Ends the connection by the reader's own will.
    pub(super) fn end_session(&mut self) {
        let mut data = self.event_data();
        data.connection_close_event = Some(ConnectionCloseEvent {});
        self.tell(ReaderEventNotification { data }.into());
        if let Some(mut session) = self.session.take() {
            session.is_ending = true;
            session.wake.notify_one();
            self.leaving.push(session);
        }
    }

    fn attempt(&mut self, status: ConnectionAttemptStatus) -> (u32, Message) {
        let mut data = self.event_data();
        data.connection_attempt_event = Some(ConnectionAttemptEvent { status });
        (self.next_id(), ReaderEventNotification { data }.into())
    }

    /// Takes what is to be sent to a client; nothing where the client is not there any more.
    pub(super) fn outgoing(&mut self, number: u64) -> Option<Outgoing> {
        let next = self.next();
        let here = self.session.iter_mut().chain(&mut self.leaving);
        let session = here.into_iter().find(|session| session.number == number)?;
        session.queued = 0;
        let version = session.version;
        let mut bytes = Vec::new();
        for said in std::mem::take(&mut session.outbox) {
            match said {
                Said::Bytes(raw) => bytes.extend(raw),
                Said::Message(id, message) => {
                    if let Err(fault) = message.encode_into(version, id, &mut bytes) {
                        tracing::error!(%fault, "the emulated reader cannot say something");
                    }
                }
            }
        }
        let outgoing = Outgoing {
            bytes,
            is_ending: session.is_ending,
            next: if session.is_ending { None } else { next },
        };
        if outgoing.is_ending {
            self.is_gone(number);
        }
        self.look_at_buffer();
        Some(outgoing)
    }

    /// When there may be something to say.
    fn next(&self) -> Option<Duration> {
        let round = self.at + ROUND;
        let moves = self.scenario.moves_anything();
        let runs = self.ro_specs.iter().any(|spec| spec.needs_rounds());
        let keepalive = self.session.as_ref().and_then(|session| session.next_keepalive);
        let starts = self.ro_specs.iter().filter_map(RoSpec::next_start);
        // A round behind, so that the round in which it happens is over.
        let later = starts.chain(keepalive).map(|at| at + ROUND);
        later.chain((moves || runs).then_some(round)).min()
    }

    // Saying something.

    /// An id for what nobody has asked for.
    fn next_id(&mut self) -> u32 {
        self.message_id = self.message_id.wrapping_add(1);
        self.message_id
    }

    /// Says something to the client, whatever is held.
    fn tell(&mut self, message: Message) {
        let id = self.next_id();
        if let Some(session) = &mut self.session {
            session.outbox.push(Said::Message(id, Box::new(message)));
            session.wake.notify_one();
        }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, id: u32, message: impl Into<Message>) {
        if let Some(session) = &mut self.session {
            session.outbox.push(Said::Message(id, Box::new(message.into())));
        }
    }

    /// Answers with bytes as they are.
    pub(super) fn answer_raw(&mut self, bytes: Vec<u8>) {
        if let Some(session) = &mut self.session {
            session.outbox.push(Said::Bytes(bytes));
        }
    }

    /// Says something that may be held.
    fn tell_or_hold(&mut self, message: Message, tags: usize) {
        let holds = self.session.as_ref().map_or(self.config.hold, |session| session.holding);
        if !holds {
            if let Some(session) = &mut self.session {
                session.queued += tags;
            }
            return self.tell(message);
        }
        // Reports are counted by their tags; events have room of their own.
        if tags > 0 || self.held.len() < MOST_HELD {
            self.held.push_back(message);
            self.held_tags += tags;
        }
    }

    /// Lets go of what was held.
    pub(super) fn release(&mut self) {
        if let Some(session) = &mut self.session {
            session.holding = false;
            session.queued += self.held_tags;
        }
        self.held_tags = 0;
        for message in std::mem::take(&mut self.held) {
            self.tell(message);
        }
    }

    fn event_data(&self) -> ReaderEventNotificationData {
        ReaderEventNotificationData::nothing(self.clock.timestamp(self.at))
    }

    /// Tells of an event, if it is one that the client has asked for.
    pub(super) fn event(&mut self, kind: EventType, fill: impl FnOnce(&mut ReaderEventNotificationData)) {
        if self.config.events.contains(&kind) {
            let mut data = self.event_data();
            fill(&mut data);
            self.tell_or_hold(ReaderEventNotification { data }.into(), 0);
        }
    }

    /// Something went wrong with the reader itself.
    pub(super) fn exception(&mut self, text: &str) {
        let event = ReaderExceptionEvent {
            message: text.to_owned(),
            ro_spec_id: None,
            spec_index: None,
            inventory_parameter_spec_id: None,
            antenna_id: None,
            access_spec_id: None,
            op_spec_id: None,
            customs: Vec::new(),
        };
        self.event(EventType::READER_EXCEPTION, |data| data.reader_exception_event = Some(event));
    }

    // Reports.

    /// Whether the buffer has room for one more; says so once when it has none.
    pub(super) fn has_room(&mut self) -> bool {
        let room = self.faults.faults().report_buffer.unwrap_or(BUFFER).max(1);
        let filled = self.filled();
        if filled >= room {
            if !self.has_overflown {
                self.has_overflown = true;
                let mut data = self.event_data();
                data.report_buffer_overflow_error_event = Some(ReportBufferOverflowErrorEvent {});
                // Of this a client is always told.
                self.tell_or_hold(ReaderEventNotification { data }.into(), 0);
            }
            return false;
        }
        // From four fifths on.
        if (filled + 1) * 5 >= room * 4 && !self.has_warned {
            self.has_warned = true;
            let report_buffer_percentage_full = u8::try_from((filled + 1) * 100 / room).unwrap_or(100);
            self.event(EventType::REPORT_BUFFER_FILL, |data| {
                data.report_buffer_level_warning_event =
                    Some(ReportBufferLevelWarningEvent { report_buffer_percentage_full });
            });
        }
        true
    }

    fn filled(&self) -> usize {
        let gathered: usize = self.ro_specs.iter().map(|spec| spec.gathered.0.len()).sum();
        gathered + self.held_tags + self.session.as_ref().map_or(0, |session| session.queued)
    }

    /// Lets warnings come again once the buffer is emptied.
    fn look_at_buffer(&mut self) {
        if self.filled() == 0 {
            self.has_warned = false;
            self.has_overflown = false;
        }
    }

    /// Reports sightings of a ROSpec.
    pub(super) fn report(&mut self, sightings: &[Sighting], report: &ROReportSpec) {
        if sightings.is_empty() {
            return;
        }
        let faults = self.faults.faults();
        let manner = Manner {
            content: &report.content,
            clock: &self.clock,
            impinj: Impinj::of(report),
            epc_as_data: faults.epc_as_data,
            unknown_vendor: faults.unknown_vendor,
        };
        let scenario = Arc::clone(&self.scenario);
        let mut all = Vec::with_capacity(sightings.len());
        for sighting in sightings {
            let tid = self.memories.of(&scenario, &sighting.tag).map(|tag| tag.bank(2)).unwrap_or_default();
            all.push(manner.data(sighting, &tid));
        }
        if faults.unchanged_left_out
            && let Some(session) = &mut self.session
        {
            all.iter_mut().for_each(|data| report::leave_out_unchanged(data, &mut session.last_report));
        }
        if faults.empty_messages {
            let data = self.event_data();
            self.tell_or_hold(ReaderEventNotification { data }.into(), 0);
            self.tell_or_hold(empty_report().into(), 0);
        }
        let message = if faults.members_out_of_order {
            report::epc_last(&all)
        } else {
            ROAccessReport { tag_report_data: all, ..empty_report() }.into()
        };
        self.tell_or_hold(message, sightings.len());
    }

    /// Reports what every ROSpec has gathered; that nothing is there is said, too.
    pub(super) fn report_gathered(&mut self) {
        let mut is_empty = true;
        for index in 0..self.ro_specs.len() {
            is_empty &= !self.flush(index);
        }
        if is_empty {
            self.tell(empty_report().into());
        }
    }

    /// Reports what a ROSpec has gathered; whether that was anything.
    pub(super) fn flush(&mut self, index: usize) -> bool {
        let (at, usual) = (self.at, self.config.report.clone());
        let Some(spec) = self.ro_specs.get_mut(index) else { return false };
        let report = spec.spec.ro_report_spec.clone().unwrap_or(usual);
        spec.last_report = at;
        let gathered = std::mem::take(&mut spec.gathered.0);
        self.report(&gathered, &report);
        !gathered.is_empty()
    }

    // Time.

    /// Plays what has happened up to now.
    pub(super) fn advance(&mut self, now: Duration) {
        if now.saturating_sub(self.at) > LONGEST_UNSEEN {
            let skipped = (now - self.at - LONGEST_UNSEEN).as_nanos() / ROUND.as_nanos();
            self.at += Duration::from_nanos_u128(skipped * ROUND.as_nanos());
        }
        while self.at + ROUND <= now {
            self.look_at_ports();
            self.round();
            self.at += ROUND;
            self.keep_alive();
        }
    }

    /// Inputs and antennas that have changed since the last round.
    fn look_at_ports(&mut self) {
        let scenario = Arc::clone(&self.scenario);
        // Inputs of a scenario are counted from 0.
        let high: Vec<u8> = scenario.high_inputs(self.at).collect();
        for index in 0..self.inputs.len() {
            let is_high = high.iter().any(|pin| usize::from(*pin) == index);
            let Some(input) = self.inputs.get_mut(index) else { continue };
            let has_changed = std::mem::replace(input, is_high) != is_high;
            let in_use = self.config.inputs.get(index).copied().unwrap_or_default();
            if has_changed && in_use {
                let gpi_port_number = index as u16 + 1;
                self.event(EventType::GPI, |data| {
                    data.gpi_event = Some(GPIEvent { gpi_port_number, gpi_event: is_high });
                });
                self.input_changed(gpi_port_number, is_high);
            }
        }
        for index in 0..self.connected.len() {
            let antenna_id = index as u16 + 1;
            let is_there = !scenario.is_off(antenna_id, self.at);
            let Some(connected) = self.connected.get_mut(index) else { continue };
            if std::mem::replace(connected, is_there) != is_there {
                let event_type =
                    if is_there { AntennaEventType::CONNECTED } else { AntennaEventType::DISCONNECTED };
                self.event(EventType::ANTENNA, |data| {
                    data.antenna_event = Some(AntennaEvent { event_type, antenna_id });
                });
            }
        }
    }

    pub(super) fn is_connected(&self, antenna: u16) -> bool {
        let index = usize::from(antenna).checked_sub(1);
        index.and_then(|index| self.connected.get(index)).copied().unwrap_or_default()
    }

    fn keep_alive(&mut self) {
        let monitor = self.config.link_monitor.map(u32::from);
        let most = self.faults.faults().drop_after_keepalives.or(monitor);
        let (at, every) = (self.at, self.config.keepalive_every());
        let Some((session, every)) = self.session.as_mut().zip(every) else { return };
        if session.next_keepalive.is_none_or(|due| due > at) {
            return;
        }
        session.next_keepalive = Some(at + every);
        if most.is_some_and(|most| session.unanswered >= most) {
            return self.end_session();
        }
        session.unanswered += 1;
        self.tell(Keepalive {}.into());
    }

    /// The client has acknowledged a keepalive.
    pub(super) fn acknowledged(&mut self) {
        if let Some(session) = &mut self.session {
            session.unanswered = 0;
        }
    }

    /// The next keepalive comes a period from now.
    pub(super) fn keepalive_changed(&mut self) {
        let (at, every) = (self.at, self.config.keepalive_every());
        if let Some(session) = &mut self.session {
            session.next_keepalive = every.map(|every| at + every);
            session.unanswered = 0;
        }
    }

    /// What a reader says of itself now.
    pub(super) fn present(&self) -> Present<'_> {
        Present {
            profile: self.profile,
            state_value: self.state_value,
            inputs: &self.inputs,
            connected: &self.connected,
        }
    }
}

fn empty_report() -> ROAccessReport {
    ROAccessReport { tag_report_data: Vec::new(), rf_survey_report_data: Vec::new(), customs: Vec::new() }
}
