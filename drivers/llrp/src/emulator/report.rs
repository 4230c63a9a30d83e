//! What a client is told of tags.

use std::time::Duration;

use rfid_core::TagId;
use rfid_core::epc::ProtocolControl;
use rfid_llrp::enumeration::{AccessReportTrigger, ROReportTrigger};
use rfid_llrp::message::ROAccessReport;
use rfid_llrp::parameter::*;
use rfid_llrp::{Bits, Message, Parameter, Version, impinj};

use super::clock::ReaderClock;

/// A tag that was seen once or, where sightings are gathered, several times.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// The id that the tag has in the scenario.
    pub(super) tag: TagId,
    pub(super) epc: TagId,
    pub(super) ro_spec_id: u32,
    pub(super) spec_index: u16,
    pub(super) inventory_id: u16,
    pub(super) antenna: u16,
    pub(super) rssi_dbm: i16,
    pub(super) channel: u16,
    /// Times of the reader since it was started.
    pub(super) first: Duration,
    pub(super) last: Duration,
    pub(super) count: u64,
    pub(super) access_spec_id: u32,
    pub(super) results: Vec<OpSpecResult>,
}

/// Sightings that wait for a report.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered(pub(super) Vec<Sighting>);

impl Gathered {
    /// Adds a sighting; one of the same tag with the same enabled members and results becomes one
    /// with it, where there is one.
    pub(super) fn add(&mut self, sighting: Sighting, content: &TagReportContentSelector) {
        let is_same = |held: &&mut Sighting| {
            let same = |is_enabled: bool, ours: u32, theirs: u32| !is_enabled || ours == theirs;
            held.epc == sighting.epc
                && same(content.enable_ro_spec_id, held.ro_spec_id, sighting.ro_spec_id)
                && same(content.enable_spec_index, held.spec_index.into(), sighting.spec_index.into())
                && same(
                    content.enable_inventory_parameter_spec_id,
                    held.inventory_id.into(),
                    sighting.inventory_id.into(),
                )
                && same(content.enable_antenna_id, held.antenna.into(), sighting.antenna.into())
                && same(content.enable_access_spec_id, held.access_spec_id, sighting.access_spec_id)
                && held.results == sighting.results
        };
        match self.0.iter_mut().find(is_same) {
            Some(held) => {
                held.count += sighting.count;
                held.last = held.last.max(sighting.last);
                held.rssi_dbm = held.rssi_dbm.max(sighting.rssi_dbm);
            }
            None => self.0.push(sighting),
        }
    }
}

/// How a report is made.
pub(super) struct Manner<'a> {
    pub(super) content: &'a TagReportContentSelector,
    pub(super) clock: &'a ReaderClock,
    pub(super) impinj: Option<Impinj>,
    pub(super) epc_as_data: bool,
    pub(super) unknown_vendor: bool,
}

/// What Impinj's selector asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Impinj {
    phase: bool,
    rssi: bool,
    doppler: bool,
    serialized_tid: bool,
}

impl Impinj {
    /// What the vendor's parameters of a ROReportSpec ask for.
    pub(super) fn of(report: &ROReportSpec) -> Option<Self> {
        let selector = impinj::find(&report.customs, impinj::TagReportContentSelector::from_custom);
        let customs = selector.ok()??.customs;
        let is_on = |subtype: u32| {
            let custom = customs.iter().find(|custom| custom.subtype == subtype);
            custom.is_some_and(
                |custom| matches!(custom.data.as_slice(), [high, low, ..] if (*high, *low) != (0, 0)),
            )
        };
        Some(Self {
            phase: is_on(impinj::EnableRFPhaseAngle::SUBTYPE),
            rssi: is_on(impinj::EnablePeakRSSI::SUBTYPE),
            doppler: is_on(impinj::EnableRFDopplerFrequency::SUBTYPE),
            serialized_tid: is_on(impinj::EnableSerializedTID::SUBTYPE),
        })
    }

    fn customs(self, sighting: &Sighting, tid: &[u8]) -> Vec<Custom> {
        let words = || tid.as_chunks::<2>().0.iter().map(|word| u16::from_be_bytes(*word)).collect();
        // A tag that does not move has the same phase on the same channel.
        let angle = u16::from(sighting.epc.bytes().last().copied().unwrap_or_default()) * 16
            + sighting.channel % 50 * 37;
        let rssi = sighting.rssi_dbm.saturating_mul(100);
        [
            self.serialized_tid.then(|| impinj::SerializedTID { words: words() }.to_custom()),
            self.phase.then(|| impinj::RFPhaseAngle { angle: angle % 4096 }.to_custom()),
            self.rssi.then(|| impinj::PeakRSSI { rssi }.to_custom()),
            self.doppler.then(|| impinj::RFDopplerFrequency { frequency: 0 }.to_custom()),
        ]
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .collect()
    }
}

impl Manner<'_> {
    /// One tag, as it is written.
    pub(super) fn data(&self, sighting: &Sighting, tid: &[u8]) -> TagReportData {
        let content = self.content;
        let id = sighting.epc.bytes();
        let epc = match <[u8; 12]>::try_from(id) {
            Ok(epc) if !self.epc_as_data => EPC::EPC96(EPC96 { epc }),
            _ => EPC::EPCData(EPCData { epc: Bits::whole(id) }),
        };
        let first = self.clock.microseconds(sighting.first);
        let last = self.clock.microseconds(sighting.last);
        let (is_first, is_last) = (content.enable_first_seen_timestamp, content.enable_last_seen_timestamp);
        let has_utc = self.clock.has_utc();
        let pc = ProtocolControl::for_epc_bits(id.len() * 8).unwrap_or(ProtocolControl(0));
        let mut air_protocol_data = Vec::new();
        for selector in &content.epc_memory_selectors {
            if selector.enable_pc_bits {
                air_protocol_data.push(C1G2PC { pc_bits: pc.0 }.into());
            }
            if selector.enable_crc {
                air_protocol_data.push(C1G2CRC { crc: pc.stored_crc(id) }.into());
            }
        }
        let mut customs = self.impinj.map_or_else(Vec::new, |impinj| impinj.customs(sighting, tid));
        if self.unknown_vendor {
            customs.push(Custom { vendor_id: u32::MAX, subtype: 1, data: vec![0xFF; 3] });
        }
        TagReportData {
            epc,
            ro_spec_id: content.enable_ro_spec_id.then_some(ROSpecID { ro_spec_id: sighting.ro_spec_id }),
            spec_index: content.enable_spec_index.then_some(SpecIndex { spec_index: sighting.spec_index }),
            inventory_parameter_spec_id: content
                .enable_inventory_parameter_spec_id
                .then_some(InventoryParameterSpecID { inventory_parameter_spec_id: sighting.inventory_id }),
            antenna_id: content.enable_antenna_id.then_some(AntennaID { antenna_id: sighting.antenna }),
            peak_rssi: content.enable_peak_rssi.then_some(PeakRSSI {
                peak_rssi: sighting.rssi_dbm.clamp(i8::MIN.into(), i8::MAX.into()) as i8,
            }),
            channel_index: content
                .enable_channel_index
                .then_some(ChannelIndex { channel_index: sighting.channel }),
            first_seen_timestamp_utc: (is_first && has_utc)
                .then_some(FirstSeenTimestampUTC { microseconds: first }),
            first_seen_timestamp_uptime: (is_first && !has_utc)
                .then_some(FirstSeenTimestampUptime { microseconds: first }),
            last_seen_timestamp_utc: (is_last && has_utc)
                .then_some(LastSeenTimestampUTC { microseconds: last }),
            last_seen_timestamp_uptime: (is_last && !has_utc)
                .then_some(LastSeenTimestampUptime { microseconds: last }),
            tag_seen_count: content
                .enable_tag_seen_count
                .then_some(TagSeenCount { tag_count: u16::try_from(sighting.count).unwrap_or(u16::MAX) }),
            air_protocol_data,
            access_spec_id: content
                .enable_access_spec_id
                .then_some(AccessSpecID { access_spec_id: sighting.access_spec_id }),
            op_spec_results: sighting.results.clone(),
            customs,
        }
    }
}

/// The members that a report leaves out because they are as in the one before.
pub(super) fn leave_out_unchanged(data: &mut TagReportData, before: &mut Option<TagReportData>) {
    let whole = data.clone();
    if let Some(before) = before {
        macro_rules! each {
            ($($member:ident)*) => { $(
                if data.$member == before.$member {
                    data.$member = None;
                }
            )* };
        }
        each! {
            ro_spec_id spec_index inventory_parameter_spec_id antenna_id peak_rssi channel_index
            first_seen_timestamp_utc first_seen_timestamp_uptime last_seen_timestamp_utc
            last_seen_timestamp_uptime access_spec_id
        }
    }
    *before = Some(whole);
}

/// A report in which the EPC stands behind everything else that is said of a tag.
pub(super) fn epc_last(all: &[TagReportData]) -> Message {
    let mut body = Vec::new();
    for data in all {
        // Reports have nothing that the first version lacks, unless a later one was agreed on.
        let Ok(bytes) = data.to_bytes(Version::V1_1) else { continue };
        let Some((head, members)) = bytes.split_at_checked(4) else { continue };
        let epc = match *members {
            [first, _, high, low, ..] if first & 0x80 == 0 => usize::from(u16::from_be_bytes([high, low])),
            _ => 13,
        };
        let (epc, others) = members.split_at(epc.min(members.len()));
        body.extend([head, others, epc].concat());
    }
    Message::Unknown { number: ROAccessReport::NUMBER, body }
}

/// When gathered sightings go out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    trigger: ROReportTrigger,
    n: u16,
}

impl Pace {
    pub(super) fn of(report: &ROReportSpec) -> Self {
        Self { trigger: report.ro_report_trigger, n: report.n }
    }

    /// Whether each sighting goes out by itself.
    pub(super) fn at_once(self) -> bool {
        self.n == 1 && self.counts_tags()
    }

    fn counts_tags(self) -> bool {
        matches!(self.trigger, ROReportTrigger::TAGS_OR_AI_SPEC | ROReportTrigger::TAGS_OR_RO_SPEC)
    }

    /// Whether so many sightings, the last of which went out so long ago, are due.
    pub(super) fn is_due(self, gathered: usize, since: Duration) -> bool {
        let n = u64::from(self.n);
        n > 0
            && match self.trigger {
                ROReportTrigger::TAGS_OR_AI_SPEC | ROReportTrigger::TAGS_OR_RO_SPEC => gathered as u64 >= n,
                ROReportTrigger::SECONDS_OR_AI_SPEC | ROReportTrigger::SECONDS_OR_RO_SPEC => {
                    since >= Duration::from_secs(n)
                }
                ROReportTrigger::MILLISECONDS_OR_AI_SPEC | ROReportTrigger::MILLISECONDS_OR_RO_SPEC => {
                    since >= Duration::from_millis(n)
                }
                _ => false,
            }
    }

    /// Whether the end of an AISpec brings a report.
    pub(super) fn at_end_of_ai_spec(self) -> bool {
        matches!(self.trigger.0, 1 | 3 | 5)
    }

    /// Whether the end of the ROSpec brings a report.
    pub(super) fn at_end_of_ro_spec(self) -> bool {
        self.trigger != ROReportTrigger::NONE
    }
}

/// Whether the results of an AccessSpec go out at once.
pub(super) fn is_at_once(spec: &AccessSpec, usual: AccessReportTrigger) -> bool {
    let trigger = spec.access_report_spec.as_ref().map_or(usual, |report| report.access_report_trigger);
    trigger == AccessReportTrigger::AT_END
}
