//! The module behind its connections: settings, tags, time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::AirProtocol;
use rfid_core::epc::ProtocolControl;
use rfid_emulated_field::{Heard, Memories, NotDone, TagMemory, listen};
use tokio::time::Instant;

use super::{Profile, Scenario};
use crate::proto::Metadata;
use crate::proto::command::PASSWORD_ONLY;
use crate::proto::record::protocol_code;

/// Antenna ports of the module.
pub(super) const PORTS: std::ops::RangeInclusive<u8> = 1..=4;

/// Highest and lowest power, in hundredths of a dBm: those of an M6e.
pub(super) const POWER: [i16; 2] = [3150, 500];

/// What stays between connections.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) profile: Profile,
    /// Whether the application runs and not the bootloader.
    pub(super) is_booted: Mutex<bool>,
    scenario: Mutex<Arc<Scenario>>,
    memories: Mutex<Memories>,
    pub(super) power_cdbm: Mutex<i16>,
    /// Levels of the outputs 1 and 2.
    pub(super) outputs: Mutex<[bool; 2]>,
    start: Instant,
}

impl Module {
    pub(super) fn new(profile: Profile, scenario: Scenario) -> Self {
        let [highest, _] = POWER;
        Self {
            profile,
            is_booted: Mutex::new(profile == Profile::M6e),
            scenario: Mutex::new(Arc::new(scenario)),
            memories: Mutex::default(),
            power_cdbm: Mutex::new(highest),
            outputs: Mutex::default(),
            start: Instant::now(),
        }
    }

    pub(super) fn scenario(&self) -> Arc<Scenario> {
        Arc::clone(&lock(&self.scenario))
    }

    pub(super) fn set_scenario(&self, scenario: Scenario) {
        *lock(&self.scenario) = Arc::new(scenario);
        lock(&self.memories).clear();
    }

    /// The module's time since it was started.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What these antennas hear of a protocol in a stretch of time, with the ids that the tags
    /// have now.
    pub(super) fn hear(&self, protocol: u8, ports: &[u8], from: Duration, span: Duration) -> Vec<Heard> {
        let scenario = self.scenario();
        let memories = lock(&self.memories);
        listen(&scenario, from, span)
            .filter(|heard| protocol_code(heard.protocol) == Some(protocol))
            .filter(|heard| ports.iter().any(|port| u16::from(*port) == heard.antenna))
            .filter(|heard| !scenario.is_off(heard.antenna, from))
            .filter_map(|heard| Some(Heard { id: memories.id_now(&heard.id)?, ..heard }))
            .collect()
    }

    /// Does something to the tag that answers first; `None` if there is none.
    pub(super) fn with_tag<T>(
        &self,
        protocol: u8,
        ports: &[u8],
        from: Duration,
        span: Duration,
        act: impl FnOnce(&mut TagMemory) -> Result<T, NotDone>,
    ) -> Option<Result<T, NotDone>> {
        let scenario = self.scenario();
        let mut memories = lock(&self.memories);
        let target = listen(&scenario, from, span).find(|heard| {
            protocol_code(heard.protocol) == Some(protocol)
                && ports.iter().any(|port| u16::from(*port) == heard.antenna)
                && memories.id_now(&heard.id).is_some()
        })?;
        memories.of(&scenario, &target.id).map(act)
    }
}

/// The record of a tag, with the fields that were asked for (§E).
pub(super) fn record(heard: &Heard, metadata: Metadata) -> Vec<u8> {
    let code = protocol_code(heard.protocol).unwrap_or_default();
    let port = u8::try_from(heard.antenna).unwrap_or_default();
    let millis = u32::try_from(heard.offset.as_millis()).unwrap_or(u32::MAX);
    let [_, frequency @ ..] = heard.frequency_khz.to_be_bytes();
    let is_gen2 = heard.protocol == AirProtocol::Gen2;
    let fields: [(u16, &[u8], bool); 12] = [
        (0x0001, &[u8::try_from(heard.reads).unwrap_or(u8::MAX)], true),
        (0x0002, &[heard.rssi_dbm as i8 as u8], true),
        (0x0004, &[port << 4 | port], true),
        (0x0008, &frequency, true),
        (0x0010, &millis.to_be_bytes(), true),
        (0x0020, &[0, 0], true),
        (0x0040, &[code], true),
        (0x0080, &[0, 0], true),
        (0x0100, &[0x0F], true),
        (0x0200, &[4], is_gen2),
        (0x0400, &[0], is_gen2),
        (0x0800, &[0], is_gen2),
    ];
    let mut record: Vec<u8> = fields
        .iter()
        .filter(|(bit, _, is_there)| metadata.0 & bit != 0 && *is_there)
        .flat_map(|(_, bytes, _)| bytes.iter().copied())
        .collect();
    let id = heard.id.bytes();
    let pc = ProtocolControl::for_epc_bits(id.len() * 8).unwrap_or(ProtocolControl(0));
    let mut answer = if is_gen2 { pc.0.to_be_bytes().to_vec() } else { Vec::new() };
    answer.extend_from_slice(id);
    // The check code of another protocol is made in the same way; no client looks at it.
    answer.extend(pc.stored_crc(id).to_be_bytes());
    record.extend(((answer.len() * 8) as u16).to_be_bytes());
    record.extend(answer);
    record
}

/// The fields of a tag operation, read from the front.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn word(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    /// The password that an option announces.
    pub(super) fn password(&mut self, option: u8) -> Option<Option<u32>> {
        match option {
            PASSWORD_ONLY => self.long().map(Some),
            0 => Some(None),
            // Filters are not known here.
            _ => None,
        }
    }
}

/// No method leaves the state half changed, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
