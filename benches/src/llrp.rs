//! Reports of tags by the hundred, as an LLRP reader sends them.

use std::ops::Range;

use rfid_llrp::message::ROAccessReport;
use rfid_llrp::parameter::{
    AntennaID, ChannelIndex, EPC96, FirstSeenTimestampUTC, LastSeenTimestampUTC, PeakRSSI, ROSpecID,
    TagReportData, TagSeenCount,
};
use rfid_llrp::{Message, Version};

/// The bytes of one RO_ACCESS_REPORT with these tags, each with all that the driver asks for.
pub fn llrp_report(tags: Range<u32>) -> Vec<u8> {
    let tag_report_data = tags.map(tag).collect();
    let report = ROAccessReport { tag_report_data, rf_survey_report_data: vec![], customs: vec![] };
    // A few hundred tags fit into any message.
    Message::from(report).encode(Version::V1_0_1, 1).unwrap_or_default()
}

fn tag(number: u32) -> TagReportData {
    let mut epc = [0x30; 12];
    epc[8..].copy_from_slice(&number.to_be_bytes());
    let microseconds = 1_795_000_000_000_000 + u64::from(number);
    TagReportData {
        epc: EPC96 { epc }.into(),
        ro_spec_id: Some(ROSpecID { ro_spec_id: 7 }),
        spec_index: None,
        inventory_parameter_spec_id: None,
        antenna_id: Some(AntennaID { antenna_id: 1 + number as u16 % 4 }),
        peak_rssi: Some(PeakRSSI { peak_rssi: -50 - (number % 20) as i8 }),
        channel_index: Some(ChannelIndex { channel_index: 1 + number as u16 % 50 }),
        first_seen_timestamp_utc: Some(FirstSeenTimestampUTC { microseconds }),
        first_seen_timestamp_uptime: None,
        last_seen_timestamp_utc: Some(LastSeenTimestampUTC { microseconds }),
        last_seen_timestamp_uptime: None,
        tag_seen_count: Some(TagSeenCount { tag_count: 1 }),
        air_protocol_data: vec![],
        access_spec_id: None,
        op_spec_results: vec![],
        customs: vec![],
    }
}
