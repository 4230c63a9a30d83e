//! What a driver delivered, as the bytes of a moment ([`crate::format`]). No I/O.

use std::time::Duration;

use bytes::{Buf, BufMut};
use rfid_core::abilities::PinLevel;
use rfid_core::{AirProtocol, Listening, Noticed, ReadBuf, ReaderInfo, TagId, TagIdKind, TagRead, UtcTime};
use serde::{Deserialize, Serialize};

/// Reads of one moment at most, so that none is longer than a moment may be.
const MOST_READS: usize = 4096;
/// No read has fewer bytes.
const LEAST_READ: usize = 27;

const NO_RSSI: i16 = i16::MIN;
const NO_PHASE: u16 = u16::MAX;

/// What a read says with one bit.
mod flag {
    pub(super) const CHECK_FAILED: u8 = 0b0000_0001;
    pub(super) const PC: u8 = 0b0000_0010;
    pub(super) const AUTHENTIC: u8 = 0b0000_0100;
    pub(super) const NOT_AUTHENTIC: u8 = 0b0000_1000;
    pub(super) const RANDOM_ID: u8 = 0b0001_0000;
    pub(super) const ALL: u8 = 0b0001_1111;
}

/// What was noticed besides reads.
mod noticed {
    pub(super) const LISTENING: u8 = 0b01;
    pub(super) const INPUTS: u8 = 0b10;
    pub(super) const ALL: u8 = 0b11;
}

/// Adds the bytes of a batch from this read on, as many as a moment holds, and returns the number
/// of the first read that is left. What is said of the whole batch goes with its first read.
pub(crate) fn put_batch(batch: &ReadBuf, from: usize, out: &mut Vec<u8>) -> usize {
    let (lost, noticed) = if from == 0 { (batch.lost(), batch.noticed()) } else { (0, None) };
    out.put_u64_le(lost);
    put_noticed(noticed, out);
    let until = batch.len().min(from.saturating_add(MOST_READS));
    out.put_u32_le(until.saturating_sub(from) as u32);
    for sighting in batch.iter().take(until).skip(from) {
        put_read(sighting.read, sighting.id.kind, sighting.id.bytes, out);
    }
    until
}

fn put_noticed(what: Option<&Noticed>, out: &mut Vec<u8>) {
    // Since when antennas listen is said only by a replay, of which no recording is made.
    let (listening, inputs) =
        what.map_or((None, None), |what| (what.listening.as_ref(), what.inputs.as_ref()));
    put_bits(&[(listening.is_some(), noticed::LISTENING), (inputs.is_some(), noticed::INPUTS)], out);
    match listening {
        None => {}
        Some(Listening::None) => out.put_u8(0),
        Some(Listening::All) => out.put_u8(1),
        Some(Listening::Ports(ports)) => {
            out.put_u8(2);
            // There are no more ports than that.
            let ports = ports.get(..usize::from(u16::MAX)).unwrap_or(ports);
            out.put_u16_le(ports.len() as u16);
            ports.iter().for_each(|port| out.put_u16_le(*port));
        }
    }
    if let Some(inputs) = inputs {
        let inputs = inputs.get(..usize::from(u16::MAX)).unwrap_or(inputs);
        out.put_u16_le(inputs.len() as u16);
        inputs.iter().for_each(|level| out.put_slice(&[level.pin, level.high.into()]));
    }
}

fn put_read(read: &TagRead, kind: TagIdKind, id: &[u8], out: &mut Vec<u8>) {
    out.put_u8(kind as u8);
    // No id is longer than 62 bytes.
    out.put_u8(id.len() as u8);
    out.put_slice(id);
    let bits = [
        (read.check_failed(), flag::CHECK_FAILED),
        (read.pc().is_some(), flag::PC),
        (read.authentic() == Some(true), flag::AUTHENTIC),
        (read.authentic() == Some(false), flag::NOT_AUTHENTIC),
        (read.has_random_id(), flag::RANDOM_ID),
    ];
    put_bits(&bits, out);
    out.put_u8(read.protocol().map_or(0, |protocol| protocol as u8));
    out.put_u16_le(read.antenna_port().unwrap_or(0));
    out.put_u32_le(read.frequency_khz().unwrap_or(0));
    out.put_i16_le(read.rssi_cdbm().unwrap_or(NO_RSSI));
    out.put_u16_le(read.phase().unwrap_or(NO_PHASE));
    out.put_u16_le(read.count());
    out.put_u16_le(read.pc().unwrap_or(0));
    out.put_u64_le(read.reader_time().map_or(0, UtcTime::as_nanos));
}

fn put_bits(bits: &[(bool, u8)], out: &mut Vec<u8>) {
    out.put_u8(bits.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit));
}

/// Takes a batch from the beginning of these bytes; nothing if that is none.
pub(crate) fn batch(bytes: &mut &[u8]) -> Option<ReadBuf> {
    let lost = bytes.try_get_u64_le().ok()?;
    let bits = bytes.try_get_u8().ok()?;
    if bits & !noticed::ALL != 0 {
        return None;
    }
    let listening = if bits & noticed::LISTENING == 0 { None } else { Some(listening(bytes)?) };
    let inputs = if bits & noticed::INPUTS == 0 { None } else { Some(inputs(bytes)?) };

    let reads = bytes.try_get_u32_le().ok()? as usize;
    // As many as there is room for, whatever is said.
    if reads > bytes.len() / LEAST_READ {
        return None;
    }
    let mut batch = ReadBuf::with_capacity(reads);
    for _ in 0..reads {
        read(bytes, &mut batch)?;
    }
    batch.add_lost(lost);
    if let Some(listening) = listening {
        batch.notice_listening(listening);
    }
    if let Some(inputs) = inputs {
        batch.notice_inputs(inputs);
    }
    Some(batch)
}

fn listening(bytes: &mut &[u8]) -> Option<Listening> {
    match bytes.try_get_u8().ok()? {
        0 => Some(Listening::None),
        1 => Some(Listening::All),
        2 => {
            let ports = bytes.try_get_u16_le().ok()?;
            let ports: Option<Vec<u16>> = (0..ports).map(|_| bytes.try_get_u16_le().ok()).collect();
            ports.map(Listening::Ports)
        }
        _ => None,
    }
}

fn inputs(bytes: &mut &[u8]) -> Option<Vec<PinLevel>> {
    let count = bytes.try_get_u16_le().ok()?;
    let mut level = || {
        let pin = bytes.try_get_u8().ok()?;
        let high = match bytes.try_get_u8().ok()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(PinLevel { pin, high })
    };
    (0..count).map(|_| level()).collect()
}

fn read(bytes: &mut &[u8], batch: &mut ReadBuf) -> Option<()> {
    let kind = TagIdKind::from_number(bytes.try_get_u8().ok()?)?;
    let length = usize::from(bytes.try_get_u8().ok()?);
    let id = bytes.split_off(..length).filter(|id| (1..=TagId::MAX_LEN).contains(&id.len()))?;
    let flags = bytes.try_get_u8().ok()?;
    let proved = flags & (flag::AUTHENTIC | flag::NOT_AUTHENTIC);
    if flags & !flag::ALL != 0 || proved.count_ones() > 1 {
        return None;
    }
    let protocol = match bytes.try_get_u8().ok()? {
        0 => None,
        number => Some(AirProtocol::from_number(number)?),
    };
    let read = batch.record(kind, id).ok()?;
    read.set_antenna_port(bytes.try_get_u16_le().ok()?)
        .set_frequency_khz(bytes.try_get_u32_le().ok()?)
        .set_rssi_cdbm(bytes.try_get_i16_le().ok()?)
        .set_phase(bytes.try_get_u16_le().ok()?);
    let count = bytes.try_get_u16_le().ok().filter(|count| *count > 0)?;
    let pc = bytes.try_get_u16_le().ok()?;
    read.set_count(count).set_reader_time(UtcTime::from_nanos(bytes.try_get_u64_le().ok()?));
    if let Some(protocol) = protocol {
        read.set_protocol(protocol);
    }
    if flags & flag::PC != 0 {
        read.set_pc(pc);
    }
    if flags & flag::CHECK_FAILED != 0 {
        read.set_check_failed();
    }
    if proved != 0 {
        read.set_authentic(proved == flag::AUTHENTIC);
    }
    if flags & flag::RANDOM_ID != 0 {
        read.set_random_id();
    }
    Some(())
}

/// What a driver found out about its reader, as it stands in a recording.
#[derive(Serialize, Deserialize)]
struct Told {
    model: String,
    firmware: String,
    serial: Option<String>,
    protocols: Vec<AirProtocol>,
    antenna_ports: Vec<u16>,
    silence_limit_ms: u64,
}

/// Adds what a driver found out about its reader.
pub(crate) fn put_info(info: &ReaderInfo, out: &mut Vec<u8>) {
    let told = Told {
        model: info.model.clone(),
        firmware: info.firmware.clone(),
        serial: info.serial.clone(),
        protocols: info.protocols.clone(),
        antenna_ports: info.antenna_ports.clone(),
        silence_limit_ms: u64::try_from(info.silence_limit.as_millis()).unwrap_or(u64::MAX),
    };
    // Text and numbers always become JSON.
    out.extend(serde_json::to_vec(&told).unwrap_or_default());
}

/// Takes the same out of all of these bytes; nothing if that is none.
pub(crate) fn info(bytes: &mut &[u8]) -> Option<ReaderInfo> {
    let told: Told = serde_json::from_slice(std::mem::take(bytes)).ok()?;
    Some(ReaderInfo {
        model: told.model,
        firmware: told.firmware,
        serial: told.serial,
        protocols: told.protocols,
        antenna_ports: told.antenna_ports,
        silence_limit: Duration::from_millis(told.silence_limit_ms),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids() -> impl Strategy<Value = (TagIdKind, Vec<u8>)> {
        let kinds = (1u8..=5).prop_map(|number| TagIdKind::from_number(number).unwrap());
        (kinds, prop::collection::vec(any::<u8>(), 1..=TagId::MAX_LEN))
    }

    type Numbers = (u16, u32, i16, u16, u16, Option<u16>, u64);
    type Words = (u8, u8, Option<bool>);

    fn values() -> impl Strategy<Value = (Numbers, Words)> {
        (any::<Numbers>(), (0u8..7, 0u8..4, any::<Option<bool>>()))
    }

    fn noticed() -> impl Strategy<Value = Noticed> {
        let ports = prop::collection::vec(any::<u16>(), 0..5);
        let listening =
            prop_oneof![Just(Listening::None), Just(Listening::All), ports.prop_map(Listening::Ports)];
        let level = any::<(u8, bool)>().prop_map(|(pin, high)| PinLevel { pin, high });
        let inputs = prop::option::of(prop::collection::vec(level, 0..4));
        (prop::option::of(listening), inputs).prop_map(|(listening, inputs)| Noticed {
            listening,
            listening_since: None,
            inputs,
        })
    }

    pub(crate) fn batches() -> impl Strategy<Value = ReadBuf> {
        let reads = prop::collection::vec((ids(), values()), 0..6);
        (reads, any::<u64>(), prop::option::of(noticed())).prop_map(|(reads, lost, what)| {
            let mut batch = ReadBuf::with_capacity(8);
            for ((kind, id), (numbers, (protocol, flags, proved))) in reads {
                let (port, khz, rssi, phase, count, pc, time) = numbers;
                let read = batch.record(kind, &id).unwrap();
                read.set_antenna_port(port).set_frequency_khz(khz).set_rssi_cdbm(rssi).set_phase(phase);
                read.set_count(count).set_reader_time(UtcTime::from_nanos(time));
                AirProtocol::from_number(protocol).map(|protocol| read.set_protocol(protocol));
                pc.map(|pc| read.set_pc(pc));
                (flags & 1 != 0).then(|| read.set_check_failed());
                (flags & 2 != 0).then(|| read.set_random_id());
                proved.map(|proved| read.set_authentic(proved));
            }
            batch.add_lost(lost);
            let Noticed { listening, inputs, .. } = what.unwrap_or_default();
            if let Some(listening) = listening {
                batch.notice_listening(listening);
            }
            if let Some(inputs) = inputs {
                batch.notice_inputs(inputs);
            }
            batch
        })
    }

    pub(crate) fn infos() -> impl Strategy<Value = ReaderInfo> {
        let words = (".{0,12}", ".{0,12}", prop::option::of(".{0,12}"));
        let protocols = prop::collection::vec(1u8..7, 0..3);
        (words, protocols, prop::collection::vec(any::<u16>(), 0..4), any::<u64>()).prop_map(
            |((model, firmware, serial), protocols, antenna_ports, silence)| ReaderInfo {
                model,
                firmware,
                serial,
                protocols: protocols.into_iter().filter_map(AirProtocol::from_number).collect(),
                antenna_ports,
                silence_limit: Duration::from_millis(silence),
            },
        )
    }

    fn encoded(all: &ReadBuf) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_batch(all, 0, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn a_batch_is_read_as_it_was_written_and_no_part_of_it_is_one(
            all in batches(), cut in any::<prop::sample::Index>(),
        ) {
            let bytes = encoded(&all);
            let mut rest = &bytes[..];
            prop_assert_eq!(batch(&mut rest), Some(all));
            prop_assert!(rest.is_empty());
            prop_assert_eq!(batch(&mut &bytes[..cut.index(bytes.len())]), None);
        }

        /// What other bytes are taken for is written as the same bytes: nothing is made up.
        #[test]
        fn other_bytes_are_a_batch_or_none(
            all in batches(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = encoded(&all);
            for (place, value) in flips {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            let mut rest = &bytes[..];
            if let Some(other) = batch(&mut rest) {
                let again = encoded(&other);
                prop_assert_eq!(batch(&mut &again[..]), Some(other));
                prop_assert_eq!(again.len(), bytes.len() - rest.len());
            }
        }

        #[test]
        fn a_reader_is_told_as_it_was(reader in infos()) {
            let mut bytes = Vec::new();
            put_info(&reader, &mut bytes);
            prop_assert_eq!(info(&mut &bytes[..]), Some(reader));
        }
    }

    #[test]
    fn a_batch_that_a_moment_does_not_hold_goes_into_several() {
        let count = 2 * MOST_READS + 1;
        let mut all = ReadBuf::with_capacity(count);
        for number in 0..count as u32 {
            all.record(TagIdKind::Epc, &number.to_be_bytes()).unwrap();
        }
        all.add_lost(7);
        let (mut from, mut parts) = (0, Vec::new());
        while from < all.len() {
            let mut bytes = Vec::new();
            from = put_batch(&all, from, &mut bytes);
            parts.push(batch(&mut &bytes[..]).unwrap());
        }
        assert_eq!(parts.iter().map(ReadBuf::len).collect::<Vec<_>>(), [MOST_READS, MOST_READS, 1]);
        assert_eq!(parts.iter().map(ReadBuf::lost).collect::<Vec<_>>(), [7, 0, 0]);
    }

    #[test]
    fn more_reads_than_there_are_bytes_for_are_none() {
        let mut bytes = encoded(&ReadBuf::with_capacity(1));
        let at = bytes.len() - 4;
        bytes[at..].fill(0xFF);
        assert_eq!(batch(&mut &bytes[..]), None);
    }
}
