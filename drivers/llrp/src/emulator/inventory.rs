//! ROSpecs at work: what starts and stops them, and what their rounds hear.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rfid_core::{AirProtocol, TagId};
use rfid_emulated_field::{Heard, TagMemory, listen};
use rfid_llrp::enumeration::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Version, impinj};

use super::access::is_like;
use super::reader::{ROUND, Reader};
use super::report::{self, Gathered, Pace, Sighting};

/// How long a tag that has left the field remembers that it was read, in sessions 2 and 3; in
/// session 1, how long it remembers at all. The air protocol has 2 s at least for the former, and
/// 0.5 to 5 s for the latter.
const REMEMBERS: Duration = Duration::from_secs(2);

/// A ROSpec that was added.
#[derive(Clone, Debug)]
pub(super) struct RoSpec {
    pub(super) spec: ROSpec,
    /// When it came: offsets of periodic triggers count from there where no time is given.
    added: Duration,
    next_start: Option<Duration>,
    /// An input has told it to begin.
    is_triggered: bool,
    run: Option<Run>,
    /// What waits for a report; also when the run is over.
    pub(super) gathered: Gathered,
    pub(super) last_report: Duration,
}

/// What an active ROSpec is doing.
#[derive(Clone, Debug)]
struct Run {
    began: Duration,
    /// Which of its specs is being carried out, from 0.
    index: usize,
    ai: Progress,
    /// Passes of its loop that are over.
    passes: u32,
    /// An input has told the ROSpec to end.
    is_stopped: bool,
    /// Tags that remember that they were read, and when that was last.
    remembering: HashMap<TagId, Duration>,
}

/// How far an AISpec is.
#[derive(Clone, Debug)]
struct Progress {
    began: Duration,
    observations: u64,
    unique: Vec<TagId>,
    last_observation: Duration,
    last_unique: Duration,
    rounds: u64,
    is_stopped: bool,
}

impl Progress {
    fn new(at: Duration) -> Self {
        Self {
            began: at,
            observations: 0,
            unique: Vec::new(),
            last_observation: at,
            last_unique: at,
            rounds: 0,
            is_stopped: false,
        }
    }

    /// Whether its trigger ends it; `works` is whether an AccessSpec is enabled.
    fn is_over(&self, stop: &AISpecStopTrigger, at: Duration, works: bool) -> bool {
        let lasts = at - self.began;
        let is_late = |timeout: u32| timeout > 0 && lasts >= millis(timeout);
        match stop.ai_spec_stop_trigger_type {
            // A vendor's library means "until the AccessSpec is done" by 0.
            AISpecStopTriggerType::DURATION if stop.duration_trigger == 0 => !works,
            AISpecStopTriggerType::DURATION => is_late(stop.duration_trigger),
            AISpecStopTriggerType::GPI => {
                let timeout = stop.gpi_trigger_value.as_ref().map_or(0, |trigger| trigger.timeout);
                self.is_stopped || is_late(timeout)
            }
            AISpecStopTriggerType::TAG_OBSERVATION => {
                let Some(trigger) = &stop.tag_observation_trigger else { return false };
                let (n, t) = (u64::from(trigger.number_of_tags), millis(trigger.t.into()));
                let is_enough = match trigger.trigger_type {
                    TagObservationTriggerType::OBSERVATIONS => self.observations >= n,
                    TagObservationTriggerType::NO_OBSERVATION => at - self.last_observation >= t,
                    TagObservationTriggerType::ATTEMPTS => self.rounds >= trigger.number_of_attempts.into(),
                    TagObservationTriggerType::UNIQUE_TAGS => self.unique.len() as u64 >= n,
                    TagObservationTriggerType::NO_UNIQUE_TAG => at - self.last_unique >= t,
                    _ => false,
                };
                is_enough || is_late(trigger.timeout)
            }
            _ => false,
        }
    }
}

fn millis(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

impl RoSpec {
    pub(super) fn new(spec: ROSpec, added: Duration) -> Self {
        Self {
            spec,
            added,
            next_start: None,
            is_triggered: false,
            run: None,
            gathered: Gathered::default(),
            last_report: added,
        }
    }

    /// As GET_ROSPECS tells it.
    pub(super) fn now(&self) -> ROSpec {
        ROSpec { current_state: self.state(), ..self.spec.clone() }
    }

    pub(super) fn state(&self) -> ROSpecState {
        if self.run.is_some() { ROSpecState::ACTIVE } else { self.spec.current_state }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.spec.current_state != ROSpecState::DISABLED
    }

    fn start_trigger(&self) -> &ROSpecStartTrigger {
        &self.spec.ro_boundary_spec.ro_spec_start_trigger
    }

    /// Whether each round counts for it.
    pub(super) fn needs_rounds(&self) -> bool {
        let waits = self.start_trigger().ro_spec_start_trigger_type == ROSpecStartTriggerType::IMMEDIATE;
        self.run.is_some() || self.is_enabled() && waits
    }

    pub(super) fn next_start(&self) -> Option<Duration> {
        self.next_start
    }

    /// Whether its trigger is due.
    fn is_due(&self, at: Duration) -> bool {
        self.is_enabled()
            && self.run.is_none()
            && match self.start_trigger().ro_spec_start_trigger_type {
                ROSpecStartTriggerType::IMMEDIATE => true,
                ROSpecStartTriggerType::PERIODIC => self.next_start.is_some_and(|start| start <= at),
                ROSpecStartTriggerType::GPI => self.is_triggered,
                _ => false,
            }
    }
}

impl Reader {
    /// Makes a ROSpec ready for its trigger.
    pub(super) fn enable(&mut self, index: usize) {
        let (at, clock) = (self.at, self.clock);
        let Some(spec) = self.ro_specs.get_mut(index).filter(|spec| !spec.is_enabled()) else { return };
        spec.spec.current_state = ROSpecState::INACTIVE;
        spec.is_triggered = false;
        let trigger = spec.start_trigger();
        if trigger.ro_spec_start_trigger_type == ROSpecStartTriggerType::PERIODIC {
            spec.next_start = trigger.periodic_trigger_value.as_ref().map(|value| {
                let utc = value.utc_timestamp.as_ref();
                let from = utc.map_or(spec.added, |time| clock.moment_of(time.microseconds));
                let first = from + millis(value.offset);
                match millis(value.period) {
                    // Once, and late where its time has passed.
                    period if period.is_zero() => first.max(at),
                    period if first < at => {
                        let passed = (at - first).as_nanos().div_ceil(period.as_nanos());
                        first + Duration::from_nanos_u128(passed * period.as_nanos())
                    }
                    _ => first,
                }
            });
        }
    }

    pub(super) fn disable(&mut self, index: usize) {
        self.end_run(index, None);
        if let Some(spec) = self.ro_specs.get_mut(index) {
            spec.spec.current_state = ROSpecState::DISABLED;
            spec.next_start = None;
        }
    }

    /// Begins a ROSpec, in place of one of lower priority if there is one; whether it could.
    pub(super) fn start(&mut self, index: usize) -> bool {
        let Some(starting) = self.ro_specs.get(index) else { return false };
        let (priority, starting_id) = (starting.spec.priority, starting.spec.ro_spec_id);
        // There is one radio. 0 is the highest priority.
        if let Some(active) = self.ro_specs.iter().position(|spec| spec.run.is_some()) {
            let holds = self.ro_specs.get(active).is_none_or(|spec| spec.spec.priority <= priority);
            if holds {
                return false;
            }
            self.end_run(active, Some(starting_id));
        }
        let at = self.at;
        if let Some(spec) = self.ro_specs.get_mut(index) {
            spec.is_triggered = false;
            spec.last_report = at;
            spec.run = Some(Run {
                began: at,
                index: 0,
                ai: Progress::new(at),
                passes: 0,
                is_stopped: false,
                remembering: HashMap::new(),
            });
        }
        self.ro_spec_event(ROSpecEventType::START, starting_id, 0);
        true
    }

    fn ro_spec_event(&mut self, event_type: ROSpecEventType, ro_spec_id: u32, preempting_ro_spec_id: u32) {
        self.event(EventType::RO_SPEC, |data| {
            data.ro_spec_event = Some(ROSpecEvent { event_type, ro_spec_id, preempting_ro_spec_id });
        });
    }

    /// Ends an active ROSpec: reports first, then the end of its AISpec, then its own.
    pub(super) fn end_run(&mut self, index: usize, preempted_by: Option<u32>) {
        let Some(spec) = self.ro_specs.get(index).filter(|spec| spec.run.is_some()) else { return };
        let (id, pace) = (spec.spec.ro_spec_id, Pace::of(self.report_spec(index)));
        self.end_ai_spec(index);
        if pace.at_end_of_ro_spec() {
            self.flush(index);
        }
        if let Some(spec) = self.ro_specs.get_mut(index) {
            spec.run = None;
        }
        match preempted_by {
            Some(other) => self.ro_spec_event(ROSpecEventType::PREEMPTION, id, other),
            None => self.ro_spec_event(ROSpecEventType::END, id, 0),
        }
    }

    /// Ends the spec at which an active ROSpec is, if that is an AISpec.
    fn end_ai_spec(&mut self, index: usize) {
        let Some(spec) = self.ro_specs.get(index) else { return };
        let Some(run) = &spec.run else { return };
        let Some(Spec::AISpec(_)) = spec.spec.specs.get(run.index) else { return };
        let (ro_spec_id, spec_index) = (spec.spec.ro_spec_id, run.index as u16 + 1);
        let rounds = run.ai.rounds;
        if Pace::of(self.report_spec(index)).at_end_of_ai_spec() {
            self.flush(index);
        }
        let with_details = self.config.events.contains(&EventType::AI_SPEC_WITH_DETAILS);
        let kind = if with_details { EventType::AI_SPEC_WITH_DETAILS } else { EventType::AI_SPEC };
        self.event(kind, |data| {
            data.ai_spec_event = Some(AISpecEvent {
                event_type: AISpecEventType::END,
                ro_spec_id,
                spec_index,
                // Tags of the emulated field take turns: no slot has two, and one of each round
                // has none.
                singulation_details: with_details.then_some(C1G2SingulationDetails {
                    num_collision_slots: 0,
                    num_empty_slots: u16::try_from(rounds).unwrap_or(u16::MAX),
                }),
            });
        });
    }

    fn report_spec(&self, index: usize) -> &ROReportSpec {
        let own = self.ro_specs.get(index).and_then(|spec| spec.spec.ro_report_spec.as_ref());
        own.unwrap_or(&self.config.report)
    }

    /// An input has changed: what waits for it begins or ends.
    pub(super) fn input_changed(&mut self, port: u16, is_high: bool) {
        let meant = |trigger: Option<&GPITriggerValue>| {
            trigger.is_some_and(|trigger| trigger.gpi_port_num == port && trigger.gpi_event == is_high)
        };
        for spec in &mut self.ro_specs {
            let boundary = &spec.spec.ro_boundary_spec;
            let start = &boundary.ro_spec_start_trigger;
            let stop = &boundary.ro_spec_stop_trigger;
            let begins = start.ro_spec_start_trigger_type == ROSpecStartTriggerType::GPI
                && meant(start.gpi_trigger_value.as_ref());
            let ends = stop.ro_spec_stop_trigger_type == ROSpecStopTriggerType::GPI
                && meant(stop.gpi_trigger_value.as_ref());
            if begins && spec.is_enabled() && spec.run.is_none() {
                spec.is_triggered = true;
            }
            let Some(run) = &mut spec.run else { continue };
            run.is_stopped |= ends;
            if let Some(Spec::AISpec(ai)) = spec.spec.specs.get(run.index) {
                let stop = &ai.ai_spec_stop_trigger;
                run.ai.is_stopped |= stop.ai_spec_stop_trigger_type == AISpecStopTriggerType::GPI
                    && meant(stop.gpi_trigger_value.as_ref());
            }
        }
    }

    /// One round of the radio.
    pub(super) fn round(&mut self) {
        for index in 0..self.ro_specs.len() {
            if self.ro_specs.get(index).is_some_and(|spec| spec.is_due(self.at)) && self.start(index) {
                self.schedule_next(index);
            }
        }
        if let Some(index) = self.ro_specs.iter().position(|spec| spec.run.is_some()) {
            self.listen_for(index);
            self.move_on(index);
        }
    }

    fn schedule_next(&mut self, index: usize) {
        let at = self.at;
        let Some(spec) = self.ro_specs.get_mut(index) else { return };
        let value = spec.start_trigger().periodic_trigger_value.as_ref();
        let period = value.map(|value| millis(value.period)).filter(|period| !period.is_zero());
        spec.next_start = spec.next_start.zip(period).map(|(last, period)| (last + period).max(at));
    }

    /// Goes on to the next spec, to the next pass or to the end, where that is due at the end of
    /// this round.
    fn move_on(&mut self, index: usize) {
        let end = self.at + ROUND;
        let Some(spec) = self.ro_specs.get(index) else { return };
        let Some(run) = &spec.run else { return };
        let stop = &spec.spec.ro_boundary_spec.ro_spec_stop_trigger;
        let lasts = end - run.began;
        let is_over = match stop.ro_spec_stop_trigger_type {
            ROSpecStopTriggerType::DURATION => lasts >= millis(stop.duration_trigger_value),
            ROSpecStopTriggerType::GPI => {
                let timeout = stop.gpi_trigger_value.as_ref().map_or(0, |trigger| trigger.timeout);
                run.is_stopped || timeout > 0 && lasts >= millis(timeout)
            }
            _ => false,
        };
        if is_over {
            return self.end_run(index, None);
        }
        let is_done = match spec.spec.specs.get(run.index) {
            Some(Spec::AISpec(ai)) => {
                let works = self.access_specs.iter().any(|spec| spec.spec.current_state);
                run.ai.is_over(&ai.ai_spec_stop_trigger, end, works)
            }
            // What is no AISpec takes no time here.
            Some(_) => true,
            None => false,
        };
        if is_done {
            self.next_spec(index, end);
        }
    }

    fn next_spec(&mut self, index: usize, end: Duration) {
        let Some(spec) = self.ro_specs.get(index) else { return };
        let Some(run) = &spec.run else { return };
        let (id, passes) = (spec.spec.ro_spec_id, run.passes.saturating_add(1));
        let (next, last) = (run.index + 1, spec.spec.specs.len());
        match spec.spec.specs.get(next) {
            Some(Spec::LoopSpec(again)) => {
                let is_last = again.loop_count != 0 && passes >= again.loop_count;
                if is_last {
                    self.end_run_after_loop(index, id, passes);
                } else {
                    self.end_ai_spec(index);
                    self.spec_loop_event(id, passes);
                    self.go_to(index, 0, passes, end);
                }
            }
            _ if next >= last => self.end_run(index, None),
            _ => {
                self.end_ai_spec(index);
                self.go_to(index, next, passes - 1, end);
            }
        }
    }

    /// The last pass is over: its event comes before the end of the ROSpec.
    fn end_run_after_loop(&mut self, index: usize, id: u32, passes: u32) {
        self.end_ai_spec(index);
        self.spec_loop_event(id, passes);
        // The AISpec has ended already.
        if let Some(run) = self.ro_specs.get_mut(index).and_then(|spec| spec.run.as_mut()) {
            run.index = usize::MAX;
        }
        self.end_run(index, None);
    }

    fn spec_loop_event(&mut self, ro_spec_id: u32, loop_count: u32) {
        if self.session.as_ref().is_some_and(|session| session.version == Version::V1_1) {
            self.event(EventType::SPEC_LOOP, |data| {
                data.spec_loop_event = Some(SpecLoopEvent { ro_spec_id, loop_count });
            });
        }
    }

    fn go_to(&mut self, index: usize, next: usize, passes: u32, at: Duration) {
        if let Some(run) = self.ro_specs.get_mut(index).and_then(|spec| spec.run.as_mut()) {
            run.index = next;
            run.passes = passes;
            run.ai = Progress::new(at);
        }
    }

    /// What the antennas of an active AISpec hear in this round, and what is done to it.
    fn listen_for(&mut self, index: usize) {
        let Some(spec) = self.ro_specs.get_mut(index) else { return };
        let ro_spec_id = spec.spec.ro_spec_id;
        let Some(run) = &mut spec.run else { return };
        let Some(Spec::AISpec(ai)) = spec.spec.specs.get(run.index).cloned() else { return };
        let spec_index = run.index as u16 + 1;
        run.ai.rounds += 1;
        let scenario = Arc::clone(&self.scenario);
        let report = self.report_spec(index).clone();
        let heard: Vec<Heard> = listen(&scenario, self.at, ROUND).collect();
        for heard in heard {
            if heard.protocol != AirProtocol::Gen2
                || !(ai.antenna_ids.contains(&0) || ai.antenna_ids.contains(&heard.antenna))
                || !self.is_connected(heard.antenna)
            {
                continue;
            }
            let Some(id) = self.memories.id_now(&heard.id) else { continue };
            let manner = self.manner(&ai, heard.antenna);
            let is_selected = self.memories.of(&scenario, &heard.id).is_some_and(|tag| manner.selects(tag));
            let at = self.at + heard.offset;
            if !is_selected || !self.answers(index, heard.id, at, &manner) {
                continue;
            }
            self.observed(index, heard.id, at, heard.reads);
            let inventory = ai.inventory_parameter_specs.first();
            let mut sighting = Sighting {
                tag: heard.id,
                epc: id,
                ro_spec_id,
                spec_index,
                inventory_id: inventory.map_or(0, |spec| spec.inventory_parameter_spec_id),
                antenna: heard.antenna,
                rssi_dbm: heard.rssi_dbm,
                channel: self.profile.channel(heard.frequency_khz),
                first: at,
                last: at,
                count: heard.reads,
                access_spec_id: 0,
                results: Vec::new(),
            };
            let goes_out = self.access(&heard.id, &mut sighting);
            if !self.has_room() {
                continue;
            }
            if goes_out || Pace::of(&report).at_once() {
                self.report(&[sighting], &report);
            } else if let Some(spec) = self.ro_specs.get_mut(index) {
                spec.gathered.add(sighting, &report.content);
                self.flush_if_due(index);
            }
        }
        self.flush_if_due(index);
    }

    fn flush_if_due(&mut self, index: usize) {
        let pace = Pace::of(self.report_spec(index));
        let Some(spec) = self.ro_specs.get(index) else { return };
        if pace.is_due(spec.gathered.0.len(), self.at + ROUND - spec.last_report) {
            self.flush(index);
        }
    }

    /// Carries out the first AccessSpec that means this tag; whether its results go out at once.
    fn access(&mut self, tag: &TagId, sighting: &mut Sighting) -> bool {
        let scenario = Arc::clone(&self.scenario);
        let version = self.session.as_ref().map_or(Version::V1_0_1, |session| session.version);
        let Some(memory) = self.memories.of(&scenario, tag) else { return false };
        let meant = self
            .access_specs
            .iter()
            .position(|spec| spec.means(sighting.ro_spec_id, sighting.antenna, memory));
        let Some(index) = meant else { return false };
        let Some(spec) = self.access_specs.get_mut(index) else { return false };
        sighting.access_spec_id = spec.spec.access_spec_id;
        sighting.results = spec.execute(memory, version, &self.faults);
        let goes_out = report::is_at_once(&spec.spec, self.config.access_report);
        if spec.is_over() {
            self.access_specs.remove(index);
            self.state_value = self.state_value.wrapping_add(1);
        }
        goes_out
    }

    fn observed(&mut self, index: usize, tag: TagId, at: Duration, reads: u64) {
        let Some(run) = self.ro_specs.get_mut(index).and_then(|spec| spec.run.as_mut()) else { return };
        run.ai.observations += reads;
        run.ai.last_observation = at;
        if !run.ai.unique.contains(&tag) {
            run.ai.unique.push(tag);
            run.ai.last_unique = at;
        }
    }

    /// Whether a tag answers, or remembers that it was read.
    fn answers(&mut self, index: usize, tag: TagId, at: Duration, manner: &InventoryManner) -> bool {
        let Some(run) = self.ro_specs.get_mut(index).and_then(|spec| spec.run.as_mut()) else { return false };
        if !manner.is_single_target || manner.session == 0 {
            return true;
        }
        let remembers = run.remembering.get(&tag).is_some_and(|last| at - *last < REMEMBERS);
        // In session 1 the time counts from the read, in the others from when it was last heard.
        if !remembers || manner.session > 1 {
            run.remembering.insert(tag, at);
        }
        !remembers
    }

    /// How an antenna takes inventory: as the AISpec says, else as the reader is set.
    fn manner(&self, ai: &AISpec, antenna: u16) -> InventoryManner {
        let specs = ai.inventory_parameter_specs.iter().flat_map(|spec| &spec.antenna_configurations);
        let own = specs.filter(|spec| spec.antenna_id == 0 || spec.antenna_id == antenna);
        let usual = self.config.antennas.get(&antenna);
        let commands: Vec<&C1G2InventoryCommand> = own.flat_map(|spec| &spec.inventory_commands).collect();
        let command =
            commands.first().copied().or_else(|| usual.and_then(|spec| spec.inventory_commands.first()));
        let Some(command) = command else { return InventoryManner::default() };
        let mode = impinj::find(&command.customs, impinj::InventorySearchMode::from_custom);
        let mode = mode.ok().flatten().map_or(0, |search| search.mode);
        let session = command.singulation_control.as_ref().map_or(1, |control| control.session);
        // 3 suppresses, which works in session 1 and lasts while a tag is there.
        let session = if mode == 3 { 2 } else { session };
        InventoryManner {
            session,
            is_single_target: matches!(mode, 1 | 3) || self.faults.faults().single_target,
            filters: command.filters.clone(),
        }
    }
}

/// Which tags answer, and how often.
#[derive(Debug, Default)]
struct InventoryManner {
    session: u8,
    /// Whether tags are read from one state of their session flag only; usually they are turned
    /// over and back.
    is_single_target: bool,
    filters: Vec<C1G2Filter>,
}

impl InventoryManner {
    /// Whether the filters leave a tag in.
    fn selects(&self, tag: &TagMemory) -> bool {
        use StateUnawareAction as Action;
        let action = |filter: &C1G2Filter| {
            filter.state_unaware_action.as_ref().map_or(Action::SELECT_UNSELECT, |action| action.action)
        };
        // Before a filter that only takes tags out, all of them are in.
        let first = self.filters.first().map(&action);
        let takes_out = first.is_none_or(|first| matches!(first, Action::OTHERS_UNSELECT | Action::UNSELECT));
        self.filters.iter().fold(takes_out, |is_in, filter| {
            let mask = &filter.mask;
            let matches = is_like(&tag.bank(mask.mb.0), mask.pointer, &mask.tag_mask, None);
            match (action(filter), matches) {
                (Action::SELECT_UNSELECT | Action::SELECT, true) => true,
                (Action::UNSELECT | Action::UNSELECT_SELECT, true) => false,
                (Action::SELECT_UNSELECT | Action::OTHERS_UNSELECT, false) => false,
                (Action::UNSELECT_SELECT | Action::OTHERS_SELECT, false) => true,
                _ => is_in,
            }
        })
    }
}
