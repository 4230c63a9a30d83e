//! Tags out of a report where they lie: the same as by structures, and nothing that harms.

use proptest::prelude::*;
use rfid_llrp::message::ROAccessReport;
use rfid_llrp::parameter::*;
use rfid_llrp::{
    Decoding, FaultKind, Members, Message, Parameter, Recall, TagReport, TagReports, Version, first_frame,
};

use crate::worked_examples::{bytes, example};

fn tags(message: &[u8]) -> Vec<TagReport<'_>> {
    let frame = first_frame(message, 1 << 20).unwrap().unwrap();
    TagReports::of_frame(&frame).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_examples() {
    assert_eq!(tags(&example("E13")).len(), 0);
    let bytes_of = example("E14");
    let [tag] = tags(&bytes_of)[..] else { panic!() };
    assert_eq!((tag.epc(), tag.epc_bits()), (bytes("0b7f00000000000000510238").as_slice(), 96));
    assert_eq!((tag.antenna_id(), tag.peak_rssi()), (Some(1), Some(-68)));
    assert_eq!((tag.first_seen_utc(), tag.first_seen_uptime()), (Some(1_557_458_645_133_781), None));
    assert_eq!((tag.tag_seen_count(), tag.channel_index(), tag.last_seen_utc()), (None, None, None));

    let zebra = example("E15");
    let [tag] = tags(&zebra)[..] else { panic!() };
    assert_eq!((tag.channel_index(), tag.tag_seen_count()), (Some(24), Some(5374)));
    assert_eq!(tag.last_seen_utc(), Some(1_567_778_770_704_026));

    let long = example("E16");
    let [tag] = tags(&long)[..] else { panic!() };
    assert_eq!((tag.epc().len(), tag.epc_bits(), tag.pc()), (16, 128, Some(0x4000)));

    let phase = example("E19");
    let [tag] = tags(&phase)[..] else { panic!() };
    assert_eq!((tag.phase(), tag.rssi_cdbm(), tag.doppler()), (Some(1276), Some(-6700), None));
    assert_eq!(tag.customs().map(|(_, subtype, _)| subtype).collect::<Vec<_>>(), [56, 57]);

    let read = example("E21");
    let [tag] = tags(&read)[..] else { panic!() };
    let [result] = tag.results().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((result.number, result.result, result.op_spec_id), (349, 0, 111));
    assert_eq!(result.read_data().unwrap().len(), 32);
    assert_eq!((result.words_written(), result.meaning()), (None, Some("success")));

    let failed = example("E22");
    let [tag] = tags(&failed)[..] else { panic!() };
    let result = tag.results().next().unwrap();
    assert_eq!((result.result, result.meaning()), (2, Some("no response of the tag")));
    let written = example("E24");
    let [tag] = tags(&written)[..] else { panic!() };
    assert_eq!(tag.results().next().unwrap().words_written(), Some(1));
    assert!(TagReports::of_frame(&first_frame(&example("E26a"), 100).unwrap().unwrap()).is_none());
}

fn report(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = vec![0x04, 0x3D];
    bytes.extend((10 + body.len() as u32).to_be_bytes());
    bytes.extend([0, 0, 0, 1]);
    bytes.extend(body);
    bytes
}

fn tag(members: &[&[u8]]) -> Vec<u8> {
    let body = members.concat();
    [&[0x00, 0xF0][..], &(4 + body.len() as u16).to_be_bytes(), &body].concat()
}

const EPC: &[u8] = &[0x8D, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

#[test]
fn members_come_in_any_order_and_unknown_ones_are_counted() {
    let bytes = report(&[&tag(&[
        &[0x86, 0xC4],
        &[0x03, 0xE8, 0, 5, 1],
        &[0x03, 0xFF, 0, 14, 0, 0, 0, 161, 0, 0, 2, 0xC5, 0, 1],
        &[0x83, 0, 0, 0, 0, 0, 0, 0, 5],
        EPC,
        &[0x88, 0, 2],
    ])]);
    let [tag] = tags(&bytes)[..] else { panic!() };
    assert_eq!((tag.peak_rssi(), tag.tag_seen_count(), tag.skipped()), (Some(-60), Some(2), 1));
    assert_eq!((tag.first_seen_uptime(), tag.first_seen_utc()), (Some(5), None));
    assert_eq!(tag.customs().next(), Some((161, 709, &[0, 1][..])));
}

#[test]
fn damage_costs_what_stands_behind_it_and_no_other_tag() {
    let bytes = report(&[
        &tag(&[EPC, &[0x81, 0, 1], &[0xFF], &[0x86, 1]]),
        &tag(&[&[0x81, 0, 2]]),
        &[0x00, 0xF2, 0, 5, 7],
        &tag(&[EPC, &[0x00, 0xF0, 0, 3]]),
        &tag(&[EPC, &[0x81, 0]]),
        &tag(&[EPC, &[0x81, 0, 3]]),
        &[0x00, 0xF0, 0xFF, 0xFF],
    ]);
    let mut reports = TagReports::of_body(&bytes[10..]);
    let first = reports.next().unwrap().unwrap();
    assert_eq!((first.antenna_id(), first.peak_rssi(), first.skipped()), (Some(1), None, 1));
    let without = reports.next().unwrap().unwrap_err();
    assert_eq!((without.offset, without.kind), (33, FaultKind::Missing("EPC")));
    assert_eq!(reports.next().unwrap().unwrap().skipped(), 1);
    assert_eq!(reports.next().unwrap().unwrap().skipped(), 1);
    assert_eq!(reports.next().unwrap().unwrap().antenna_id(), Some(3));
    assert_eq!(reports.others(), 1);
    let end = reports.next().unwrap().unwrap_err();
    assert_eq!((end.offset, end.kind), (bytes.len() - 4, FaultKind::BadLength(0xFFFF)));
    assert!(reports.next().is_none());
}

#[test]
fn an_epc_may_be_of_any_length_or_empty() {
    for (count, octets) in [(0u16, 0usize), (12, 2), (16, 2), (96, 12), (496, 62)] {
        let data = [&count.to_be_bytes()[..], &vec![0x5A; octets]].concat();
        let data = [&[0x00, 0xF1][..], &(4 + data.len() as u16).to_be_bytes(), &data].concat();
        let bytes = report(&[&tag(&[&data, &[0x81, 0, 1]])]);
        let [tag] = tags(&bytes)[..] else { panic!() };
        assert_eq!((tag.epc().len(), tag.epc_bits(), tag.antenna_id()), (octets, count, Some(1)));
    }
    // A count that lies.
    let bytes = report(&[&tag(&[&[0x00, 0xF1, 0, 8, 0, 96, 1, 2]])]);
    assert!(TagReports::of_body(&bytes[10..]).next().unwrap().is_err());
}

#[test]
fn what_is_left_out_is_as_it_was_if_it_is_enabled() {
    let enabled = Members::ANTENNA_ID.with(Members::PEAK_RSSI).with(Members::FIRST_SEEN);
    let mut recall = Recall::new(enabled);
    let bytes = report(&[
        &tag(&[EPC]),
        &tag(&[
            EPC,
            &[0x81, 0, 4],
            &[0x86, 0xC4],
            &[0x83, 0, 0, 0, 0, 0, 0, 0, 5],
            &[0x87, 0, 9],
            &[0x88, 0, 3],
        ]),
        &tag(&[EPC, &[0x86, 0xC5]]),
    ]);
    let mut tags = tags(&bytes);
    tags.iter_mut().for_each(|tag| recall.fill(tag));
    assert_eq!((tags[0].antenna_id(), tags[0].first_seen_uptime()), (None, None), "nothing was said yet");
    assert_eq!((tags[2].antenna_id(), tags[2].peak_rssi()), (Some(4), Some(-59)));
    assert_eq!((tags[2].first_seen_uptime(), tags[2].first_seen_utc()), (Some(5), None));
    assert_eq!((tags[2].channel_index(), tags[2].tag_seen_count()), (None, None), "neither is enabled");
    let mut other = tags[0];
    Recall::new(enabled).fill(&mut other);
    assert_eq!(other.antenna_id(), None, "a new connection remembers nothing");
}

prop_compose! {
    fn any_tag()(
        epc in prop_oneof![
            any::<[u8; 12]>().prop_map(|epc| rfid_llrp::parameter::EPC::EPC96(EPC96 { epc })),
            prop::collection::vec(any::<u8>(), 0..63)
                .prop_map(|octets| EPCData { epc: rfid_llrp::Bits::whole(&octets) }.into()),
        ],
        antenna in prop::option::of(any::<u16>()),
        rssi in prop::option::of(any::<i8>()),
        first in prop::option::of(any::<u64>()),
        last in prop::option::of(any::<u64>()),
        count in prop::option::of(any::<u16>()),
        spec in prop::option::of(any::<u32>()),
        pc in prop::option::of(any::<u16>()),
        words in prop::option::of(prop::collection::vec(any::<u16>(), 0..9)),
    ) -> TagReportData {
        TagReportData {
            epc,
            ro_spec_id: spec.map(|ro_spec_id| ROSpecID { ro_spec_id }),
            spec_index: count.map(|spec_index| SpecIndex { spec_index }),
            inventory_parameter_spec_id: antenna
                .map(|id| InventoryParameterSpecID { inventory_parameter_spec_id: id }),
            antenna_id: antenna.map(|antenna_id| AntennaID { antenna_id }),
            peak_rssi: rssi.map(|peak_rssi| PeakRSSI { peak_rssi }),
            channel_index: pc.map(|channel_index| ChannelIndex { channel_index }),
            first_seen_timestamp_utc: first.map(|microseconds| FirstSeenTimestampUTC { microseconds }),
            first_seen_timestamp_uptime: None,
            last_seen_timestamp_utc: None,
            last_seen_timestamp_uptime: last.map(|microseconds| LastSeenTimestampUptime { microseconds }),
            tag_seen_count: count.map(|tag_count| TagSeenCount { tag_count }),
            air_protocol_data: pc
                .into_iter()
                .flat_map(|bits| -> [AirProtocolTagData; 4] {
                    let [crc, xpcw1, xpcw2] = [1, 2, 3].map(|more| bits.wrapping_add(more));
                    [
                        C1G2PC { pc_bits: bits }.into(),
                        C1G2CRC { crc }.into(),
                        C1G2XPCW1 { xpcw1 }.into(),
                        C1G2XPCW2 { xpcw2 }.into(),
                    ]
                })
                .collect(),
            access_spec_id: spec.map(|access_spec_id| AccessSpecID { access_spec_id }),
            op_spec_results: words
                .map(|read_data| C1G2ReadOpSpecResult {
                    result: Default::default(),
                    op_spec_id: 7,
                    read_data,
                }.into())
                .into_iter()
                .collect(),
            customs: vec![],
        }
    }
}

proptest! {
    #[test]
    fn structures_and_views_say_the_same(data in prop::collection::vec(any_tag(), 0..5)) {
        let report = ROAccessReport {
            tag_report_data: data.clone(),
            rf_survey_report_data: vec![],
            customs: vec![],
        };
        let bytes = Message::from(report).encode(Version::V1_1, 1).unwrap();
        let tags = tags(&bytes);
        prop_assert_eq!(tags.len(), data.len());
        for (tag, data) in tags.iter().zip(&data) {
            match &data.epc {
                rfid_llrp::parameter::EPC::EPC96(epc) => prop_assert_eq!(tag.epc(), epc.epc),
                rfid_llrp::parameter::EPC::EPCData(epc) => prop_assert_eq!(tag.epc(), epc.epc.octets()),
            }
            prop_assert_eq!(tag.antenna_id(), data.antenna_id.as_ref().map(|id| id.antenna_id));
            prop_assert_eq!(tag.peak_rssi(), data.peak_rssi.as_ref().map(|rssi| rssi.peak_rssi));
            prop_assert_eq!(tag.tag_seen_count(), data.tag_seen_count.as_ref().map(|count| count.tag_count));
            prop_assert_eq!(tag.ro_spec_id(), data.ro_spec_id.as_ref().map(|id| id.ro_spec_id));
            prop_assert_eq!(tag.access_spec_id(), data.access_spec_id.as_ref().map(|id| id.access_spec_id));
            prop_assert_eq!(tag.spec_index(), data.spec_index.as_ref().map(|index| index.spec_index));
            let inventory = data.inventory_parameter_spec_id.as_ref();
            let inventory = inventory.map(|id| id.inventory_parameter_spec_id);
            prop_assert_eq!(tag.inventory_parameter_spec_id(), inventory);
            let channel = data.channel_index.as_ref().map(|index| index.channel_index);
            prop_assert_eq!(tag.channel_index(), channel);
            let more = |more: u16| channel.map(|bits| bits.wrapping_add(more));
            prop_assert_eq!((tag.pc(), tag.crc(), tag.xpc()), (more(0), more(1), [more(2), more(3)]));
            let first = data.first_seen_timestamp_utc.as_ref().map(|time| time.microseconds);
            prop_assert_eq!(tag.first_seen_utc(), first);
            let last = data.last_seen_timestamp_uptime.as_ref().map(|time| time.microseconds);
            prop_assert_eq!(tag.last_seen_uptime(), last);
            let results: Vec<_> = tag.results().collect();
            prop_assert_eq!(results.len(), data.op_spec_results.len());
            for (result, data) in results.iter().zip(&data.op_spec_results) {
                let OpSpecResult::C1G2ReadOpSpecResult(read) = data else { panic!("only reads are made") };
                let words: Vec<u8> = read.read_data.iter().flat_map(|word| word.to_be_bytes()).collect();
                prop_assert_eq!(result.read_data(), Some(words.as_slice()));
            }
            prop_assert_eq!(tag.skipped(), 0);
        }
    }

    #[test]
    fn what_is_filled_in_is_what_was_last_said(
        data in prop::collection::vec(any_tag(), 0..12),
        enabled in any::<[bool; 5]>(),
    ) {
        let members = [
            Members::ANTENNA_ID,
            Members::PEAK_RSSI,
            Members::FIRST_SEEN,
            Members::LAST_SEEN,
            Members::RO_SPEC_ID,
        ];
        let wanted = members.iter().zip(enabled).filter(|(_, is_wanted)| *is_wanted);
        let mut recall = Recall::new(wanted.fold(Members::NONE, |all, (member, _)| all.with(*member)));
        let said = |tag: &TagReport<'_>| [
            tag.antenna_id().map(u64::from),
            tag.peak_rssi().map(|rssi| rssi as u64),
            tag.first_seen_utc(),
            tag.last_seen_uptime(),
            tag.ro_spec_id().map(u64::from),
        ];
        let report = ROAccessReport { tag_report_data: data, rf_survey_report_data: vec![], customs: vec![] };
        let bytes = Message::from(report).encode(Version::V1_1, 1).unwrap();
        let mut last = [None; 5];
        for mut tag in tags(&bytes) {
            let now = said(&tag);
            let expected: [Option<u64>; 5] =
                std::array::from_fn(|at| now[at].or(if enabled[at] { last[at] } else { None }));
            recall.fill(&mut tag);
            prop_assert_eq!(said(&tag), expected);
            last = std::array::from_fn(|at| now[at].or(last[at]));
        }
    }

    #[test]
    fn any_octets_are_tags_or_faults(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for report in TagReports::of_body(&bytes) {
            let Ok(tag) = report else { continue };
            let _ = (tag.results().count(), tag.customs().count());
        }
        // In a frame of its own, so that members are reached more often.
        for tag in TagReports::of_body(&tag(&[EPC, &bytes])) {
            let tag = tag.unwrap();
            prop_assert!(tag.results().count() <= bytes.len());
        }
        let _ = LLRPStatus::from_bytes(&bytes, &mut Decoding::lenient());
    }
}
