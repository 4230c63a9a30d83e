//! A running inventory: reports into reads, events into what the host should know.

use std::time::Duration;

use rfid_core::abilities::PinLevel;
use rfid_core::{
    AirProtocol, Error, ErrorKind, Listening, ReadBuf, Result, Stamp, TagId, TagIdKind, UtcTime,
};
use rfid_driver_link::Stream;
use rfid_llrp::enumeration::{
    AntennaEventType, ConfigRequest, EventType, KeepaliveTriggerType, ROSpecEventType,
};
use rfid_llrp::message::{
    CloseConnection, DeleteROSpec, DisableROSpec, EnableEventsAndReports, EnableROSpec, GetReport, Keepalive,
    ROAccessReport, ReaderEventNotification, SetReaderConfig, StartROSpec, StartROSpecResponse,
};
use rfid_llrp::parameter::{
    EventNotificationState, EventsAndReports, GPIPortCurrentState, KeepaliveSpec,
    ReaderEventNotificationData, ReaderEventNotificationSpec,
};
use rfid_llrp::{Decoding, Header, Message, Recall, TagReport, TagReports};
use tokio::time::{Instant, timeout};

use crate::abilities::{Reader, input_levels};
use crate::config::Checked;
use crate::opening::asked;
use crate::ro_spec;
use crate::uptime::UptimeAnchor;
use crate::wire::{LONG_PATIENCE, PATIENCE, closed_by_reader};

const OP: &str = "read";

/// How often a reader that gathers sightings is asked for them.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// How long a reader may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is known of the inventory that runs.
#[derive(Debug)]
pub(crate) struct Inventory {
    recall: Recall,
    /// Whose reports are taken, where others' may come, too.
    only_ro_spec: Option<u32>,
    /// Octets of the report at the front that were taken.
    taken: usize,
    /// kHz by channel.
    frequencies: Vec<u32>,
    /// What the times of the reader are, where it has no clock.
    uptime: Option<UptimeAnchor>,
    /// When the report at the front came, for that.
    received: Option<Stamp>,
    silence: Duration,
    heard: Instant,
    /// When to ask for what has gathered.
    ask: Option<Instant>,
    /// How often that was asked since the reader last said something.
    unheard: u32,
    /// Ports that may be listened to; empty if they are not known.
    ports: Vec<u16>,
    deaf: Vec<u16>,
    /// Somebody else's ROSpec runs instead of ours.
    is_preempted: bool,
    inputs: Vec<PinLevel>,
    told_inputs: bool,
    /// Whether the reader was told to start our ROSpec again, by a message with this id.
    restarting: Option<u32>,
}

impl Inventory {
    pub(crate) async fn start<S: Stream>(
        reader: &mut Reader<S>,
        config: &Checked,
        antenna_ports: &[u16],
        listening: &[u16],
    ) -> Result<Self> {
        const OP: &str = "start";
        configure(reader, config).await?;
        let inputs = match config.watch_inputs {
            true => asked(&mut reader.wire, ConfigRequest::GPI_PORT_CURRENT_STATE).await?,
            false => None,
        };
        let plan = reader.inventory_plan(config, antenna_ports);
        plan.add(OP, &mut reader.wire).await?;
        // What came before is a former session's.
        reader.wire.hold();
        let ro_spec_id = plan.ro_spec_id;
        reader.wire.must(OP, EnableROSpec { ro_spec_id }, PATIENCE).await?;
        reader.wire.must(OP, StartROSpec { ro_spec_id }, PATIENCE).await?;
        // There is no answer to it (§7.4).
        reader.wire.queue(OP, &EnableEventsAndReports {}.into())?;
        reader.wire.send(OP).await?;
        reader.wire.release();

        let ports = match antenna_ports {
            [] if reader.capabilities.antennas == 0 => listening.to_vec(),
            [] => (1..=reader.capabilities.antennas).collect(),
            wanted => wanted.to_vec(),
        };
        let deaf = match listening {
            [] => Vec::new(),
            listening => ports.iter().copied().filter(|port| !listening.contains(port)).collect(),
        };
        let now = Instant::now();
        Ok(Self {
            recall: Recall::new(plan.members()),
            only_ro_spec: plan.names_ro_spec.then_some(ro_spec_id),
            taken: 0,
            frequencies: reader.capabilities.frequencies(),
            uptime: (!reader.capabilities.has_clock).then(|| reader.wire.uptime.clone()),
            received: None,
            silence: config.keepalive * 5 / 2,
            heard: now,
            ask: (config.report_every > 1).then(|| reader.wire.now() + ASK_EVERY),
            unheard: 0,
            ports,
            deaf,
            is_preempted: false,
            inputs: inputs.as_ref().map(input_levels).unwrap_or_default(),
            told_inputs: !config.watch_inputs,
            restarting: None,
        })
    }

    /// See [`rfid_core::Session::read`]. Returns at each sign of life, also of one without reads.
    pub(crate) async fn read<S: Stream>(&mut self, reader: &mut Reader<S>, buf: &mut ReadBuf) -> Result<()> {
        if !self.told_inputs {
            buf.notice_inputs(self.inputs.clone());
            self.told_inputs = true;
        }
        let lost = std::mem::take(&mut reader.wire.lost);
        if lost > 0 {
            buf.add_lost(lost);
        }
        self.ask_for_reports(reader)?;
        let mut is_alive = false;
        loop {
            let Some(frame) = reader.wire.front(OP)? else {
                reader.wire.send(OP).await?;
                if is_alive || !buf.is_empty() || buf.has_noticed() {
                    return Ok(());
                }
                if !self.wait(reader).await? {
                    return Ok(());
                }
                continue;
            };
            let header = frame.header;
            match header.number {
                ROAccessReport::NUMBER => {
                    if self.uptime.is_some() && self.taken == 0 {
                        self.received = reader.wire.received_at();
                    }
                    let rest = frame.body().get(self.taken..).unwrap_or_default();
                    let is_whole = self.take_report(rest, buf);
                    if !is_whole {
                        return Ok(());
                    }
                    self.taken = 0;
                    reader.wire.pass(header);
                    // An empty report is a sign of life, too (§7.6).
                    is_alive = true;
                }
                Keepalive::NUMBER => {
                    reader.wire.pass(header);
                    // Before anything else: a reader that misses it goes (§12).
                    reader.wire.acknowledge(OP, header)?;
                    reader.wire.send(OP).await?;
                    is_alive = true;
                }
                ReaderEventNotification::NUMBER => {
                    let event = reader.wire.event(OP)?;
                    reader.wire.pass(header);
                    if let Some(event) = event {
                        self.take_event(event, reader, buf)?;
                    }
                    is_alive = true;
                }
                _ => {
                    let answer = self.unasked(header, reader);
                    reader.wire.pass(header);
                    answer?;
                }
            }
        }
    }

    /// Asks for sightings that have gathered, when it is time. Once in each call and by the
    /// connection's own time, so that a recording is played as it was made.
    fn ask_for_reports<S: Stream>(&mut self, reader: &mut Reader<S>) -> Result<()> {
        let Some(ask) = self.ask else { return Ok(()) };
        let now = reader.wire.now();
        if now >= ask {
            reader.wire.queue(OP, &GetReport {}.into())?;
            self.ask = Some(now + ASK_EVERY);
            self.unheard += 1;
        }
        Ok(())
    }

    /// Waits for more bytes. Whether there are any: none is no fault while it is not long.
    async fn wait<S: Stream>(&mut self, reader: &mut Reader<S>) -> Result<bool> {
        let until = self.ask.unwrap_or(self.heard + self.silence);
        match reader.wire.receive(OP, until).await {
            Ok(()) => {
                self.heard = Instant::now();
                self.unheard = 0;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Timeout => {
                if self.ask.is_some() && ASK_EVERY * self.unheard < self.silence {
                    return Ok(false);
                }
                Err(Error::new(ErrorKind::Timeout, OP)
                    .with_detail(format!(
                        "nothing came from the reader for {:?}, though it is to say that it is alive",
                        self.silence
                    ))
                    .with_source(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Puts the tags of a report into the buffer, as far as they fit. Whether all did.
    fn take_report(&mut self, rest: &[u8], buf: &mut ReadBuf) -> bool {
        let mut tags = TagReports::of_body(rest);
        loop {
            let before = tags.taken();
            if buf.is_full() && before < rest.len() {
                self.taken += before;
                return false;
            }
            match &mut tags.next() {
                Some(Ok(tag)) => {
                    self.recall.fill(tag);
                    self.take_tag(tag, buf);
                }
                Some(Err(fault)) => {
                    buf.add_lost(1);
                    tracing::debug!(%fault, "a report of a tag is none");
                }
                None => return true,
            }
        }
    }

    fn take_tag(&mut self, tag: &TagReport<'_>, buf: &mut ReadBuf) {
        if self.only_ro_spec.is_some() && tag.ro_spec_id() != self.only_ro_spec {
            return;
        }
        let epc = tag.epc();
        // An EPC may be empty or longer than any tag's; neither is an id.
        if !(1..=TagId::MAX_LEN).contains(&epc.len()) {
            buf.add_lost(1);
            return;
        }
        let Ok(read) = buf.record(TagIdKind::Epc, epc) else { return };
        read.set_protocol(AirProtocol::Gen2)
            .set_antenna_port(tag.antenna_id().unwrap_or_default())
            .set_count(tag.tag_seen_count().unwrap_or(1));
        if let Some(cdbm) = tag.rssi_cdbm().or(tag.peak_rssi().map(|dbm| i16::from(dbm) * 100)) {
            read.set_rssi_cdbm(cdbm);
        }
        if let Some(channel) = tag.channel_index()
            && let Some(khz) = usize::from(channel).checked_sub(1).and_then(|at| self.frequencies.get(at))
        {
            read.set_frequency_khz(*khz);
        }
        if let Some(phase) = tag.phase() {
            read.set_phase(phase % 4096);
        }
        if let Some(pc) = tag.pc() {
            read.set_pc(pc);
        }
        if let Some(microseconds) = tag.last_seen_utc().or(tag.first_seen_utc()) {
            read.set_reader_time(UtcTime::from_nanos(microseconds.saturating_mul(1000)));
        } else if let Some(anchor) = &mut self.uptime
            && let Some(count) = tag.last_seen_uptime().or(tag.first_seen_uptime())
            && let Some(received) = self.received
        {
            read.set_reader_time(anchor.time_of(count, received));
        }
    }

    fn take_event<S: Stream>(
        &mut self,
        event: ReaderEventNotificationData,
        reader: &mut Reader<S>,
        buf: &mut ReadBuf,
    ) -> Result<()> {
        if let Some(anchor) = &mut self.uptime {
            anchor.hear_timestamp(&event.timestamp, reader.wire.received_at());
        }
        if let Some(gpi) = &event.gpi_event
            && let Ok(pin) = u8::try_from(gpi.gpi_port_number)
        {
            self.inputs.retain(|level| level.pin != pin);
            self.inputs.push(PinLevel { pin, high: gpi.gpi_event });
            self.inputs.sort_by_key(|level| level.pin);
            buf.notice_inputs(self.inputs.clone());
        }
        if let Some(spec) = &event.ro_spec_event {
            let is_ours = spec.ro_spec_id == ro_spec::INVENTORY;
            match spec.event_type {
                ROSpecEventType::START if is_ours => {
                    // Whatever ended before: a reader that holds events back tells of a former
                    // session's ROSpec, too. It refuses to start what runs.
                    self.restarting = None;
                    self.set_preempted(false, buf);
                }
                ROSpecEventType::PREEMPTION if is_ours => {
                    tracing::warn!(
                        by = spec.preempting_ro_spec_id,
                        "another client's ROSpec runs instead of ours"
                    );
                    self.set_preempted(true, buf);
                }
                // Ours ends by nobody's trigger, so somebody stopped it, or another one is over
                // for which it had to give way.
                ROSpecEventType::END if is_ours || self.is_preempted => {
                    self.set_preempted(true, buf);
                    if self.restarting.is_none() {
                        tracing::warn!("the inventory was ended at the reader and is started again");
                        let start = StartROSpec { ro_spec_id: ro_spec::INVENTORY };
                        self.restarting = Some(reader.wire.queue(OP, &start.into())?);
                    }
                }
                _ => {}
            }
        }
        if let Some(warning) = &event.report_buffer_level_warning_event {
            tracing::warn!(
                percent_full = warning.report_buffer_percentage_full,
                "the reader's buffer of reports fills"
            );
            reader.wire.queue(OP, &GetReport {}.into())?;
        }
        if event.report_buffer_overflow_error_event.is_some() {
            // How many were lost it does not say.
            tracing::warn!("the reader's buffer of reports overflowed");
            buf.add_lost(1);
        }
        if let Some(exception) = &event.reader_exception_event {
            let antenna = exception.antenna_id.as_ref().map(|antenna| antenna.antenna_id);
            tracing::warn!(antenna, message = exception.message, "the reader reports a fault of its own");
        }
        if let Some(antenna) = &event.antenna_event {
            self.antenna_changed(
                antenna.antenna_id,
                antenna.event_type != AntennaEventType::DISCONNECTED,
                buf,
            );
        }
        if event.connection_attempt_event.is_some() {
            tracing::info!("another client tried to connect to the reader");
        }
        match event.connection_close_event {
            Some(_) => Err(closed_by_reader(OP)),
            None => Ok(()),
        }
    }

    fn set_preempted(&mut self, is_preempted: bool, buf: &mut ReadBuf) {
        if self.is_preempted != is_preempted {
            self.is_preempted = is_preempted;
            buf.notice_listening(self.listening());
        }
    }

    fn antenna_changed(&mut self, port: u16, is_connected: bool, buf: &mut ReadBuf) {
        let was_connected = !self.deaf.contains(&port);
        if was_connected == is_connected || !(self.ports.is_empty() || self.ports.contains(&port)) {
            return;
        }
        if is_connected {
            tracing::info!(antenna_port = port, "an antenna is connected again");
            self.deaf.retain(|deaf| *deaf != port);
        } else {
            tracing::warn!(antenna_port = port, "an antenna is disconnected");
            self.deaf.push(port);
        }
        buf.notice_listening(self.listening());
    }

    /// Who could be heard now.
    fn listening(&self) -> Listening {
        if self.is_preempted {
            return Listening::None;
        }
        if self.deaf.is_empty() || self.ports.is_empty() {
            return Listening::All;
        }
        match self.ports.iter().copied().filter(|port| !self.deaf.contains(port)).collect::<Vec<_>>() {
            ports if ports.is_empty() => Listening::None,
            ports => Listening::Ports(ports),
        }
    }

    /// What nobody waits for, and the answer to what was sent on the way.
    fn unasked<S: Stream>(&mut self, header: Header, reader: &Reader<S>) -> Result<()> {
        if self.restarting != Some(header.id) {
            tracing::debug!(number = header.number, id = header.id, "the reader says what nobody waits for");
            return Ok(());
        }
        let Some(frame) = reader.wire.front(OP)? else { return Ok(()) };
        self.restarting = None;
        let answer = Message::of_frame(&frame, &mut Decoding::lenient());
        let status = answer.as_ref().ok().and_then(Message::status);
        if header.number == StartROSpecResponse::NUMBER && status.is_some_and(|status| status.is_success()) {
            return Ok(());
        }
        let status = status.map_or_else(|| "without a reason".to_owned(), ToString::to_string);
        // Everything is set up anew then.
        Err(Error::new(ErrorKind::Protocol, OP)
            .with_detail(format!("the reader ended the inventory and does not start it again: {status}")))
    }

    /// Ends the inventory. What the reader still says of it is not reported.
    pub(crate) async fn stop<S: Stream>(self, reader: &mut Reader<S>) -> Result<()> {
        const OP: &str = "stop";
        let ro_spec_id = ro_spec::INVENTORY;
        // One that is disabled or gone already is refused, which is as good (§7.5).
        reader.wire.ask(OP, DisableROSpec { ro_spec_id }, PATIENCE).await?;
        reader.wire.ask(OP, DeleteROSpec { ro_spec_id }, LONG_PATIENCE).await?;
        // Nobody acknowledges while nobody reads.
        let silent =
            KeepaliveSpec { keepalive_trigger_type: KeepaliveTriggerType::NULL, periodic_trigger_value: 0 };
        let request = SetReaderConfig { keepalive_spec: Some(silent), ..SetReaderConfig::nothing() };
        reader.wire.ask(OP, request, PATIENCE).await.map(drop)
    }
}

/// Takes leave of the reader. What runs is deleted. No error: it is left in any case.
pub(crate) async fn leave<S: Stream>(mut reader: Reader<S>, is_running: bool) {
    const OP: &str = "close";
    reader.wire.set_limit(GOODBYE * 2);
    let goodbye = async {
        if is_running {
            reader.wire.ask(OP, DeleteROSpec { ro_spec_id: ro_spec::INVENTORY }, GOODBYE).await?;
        }
        reader.wire.ask(OP, CloseConnection {}, GOODBYE).await
    };
    if let Ok(Err(error)) = timeout(GOODBYE * 2, goodbye).await {
        tracing::debug!(%error, "the reader is left without a goodbye");
    }
    reader.wire.end().await;
}

/// Events, signs of life, and that reports wait for whoever connects next.
async fn configure<S: Stream>(reader: &mut Reader<S>, config: &Checked) -> Result<()> {
    const OP: &str = "start";
    let mut events = vec![EventType::RO_SPEC, EventType::READER_EXCEPTION, EventType::ANTENNA];
    if reader.capabilities.warns_of_full_buffer {
        events.push(EventType::REPORT_BUFFER_FILL);
    }
    let mut inputs = Vec::new();
    if config.watch_inputs {
        events.push(EventType::GPI);
        // An input that is not in use says nothing (§7.4).
        let state = rfid_llrp::enumeration::GPIState::UNKNOWN;
        let ports = 1..=reader.capabilities.inputs;
        inputs.extend(ports.map(|gpi_port_num| GPIPortCurrentState { gpi_port_num, config: true, state }));
    }
    events.sort();
    let states = events
        .into_iter()
        .map(|event_type| EventNotificationState { event_type, notification_state: true })
        .collect();
    let period = u32::try_from(config.keepalive.as_millis()).unwrap_or(u32::MAX);
    let keepalive = KeepaliveSpec {
        keepalive_trigger_type: KeepaliveTriggerType::PERIODIC,
        periodic_trigger_value: period,
    };
    let holding = EventsAndReports { hold_events_and_reports_upon_reconnect: true };
    let request = SetReaderConfig {
        reader_event_notification_spec: Some(ReaderEventNotificationSpec { states }),
        keepalive_spec: Some(keepalive.clone()),
        gpi_port_current_states: inputs,
        events_and_reports: reader.capabilities.holds_reports.then_some(holding),
        ..SetReaderConfig::nothing()
    };
    match reader.wire.must(OP, request, PATIENCE).await {
        Err(error) if error.kind() == ErrorKind::Unsupported && !config.watch_inputs => {
            // Nothing of it is done then (§7.4). Without signs of life a dead link is not noticed.
            tracing::warn!(%error, "the reader does not report all events; it is asked for signs of life alone");
            let request = SetReaderConfig { keepalive_spec: Some(keepalive), ..SetReaderConfig::nothing() };
            reader.wire.must(OP, request, PATIENCE).await.map(drop)
        }
        configured => configured.map(drop),
    }
}
