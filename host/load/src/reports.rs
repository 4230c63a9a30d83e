//! Tags and answers as an LLRP reader writes them.

use anyhow::Result;
use rfid_llrp::enumeration::{ConnectionAttemptStatus, ProtocolID, StatusCode};
use rfid_llrp::message::{
    AddROSpecResponse, CloseConnectionResponse, DeleteAccessSpecResponse, DeleteROSpecResponse,
    DisableROSpecResponse, EnableROSpecResponse, ErrorMessage, GetReaderCapabilitiesResponse, Keepalive,
    ROAccessReport, ReaderEventNotification, SetReaderConfigResponse, StartROSpecResponse,
};
use rfid_llrp::parameter::{
    AntennaID, C1G2PC, ChannelIndex, ConnectionAttemptEvent, EPC96, FirstSeenTimestampUTC, GPIOCapabilities,
    GeneralDeviceCapabilities, LLRPStatus, PeakRSSI, PerAntennaAirProtocol, ReaderEventNotificationData,
    ReceiveSensitivityTableEntry, TagReportData, TagSeenCount, UTCTimestamp,
};
use rfid_llrp::{LONGEST_MESSAGE, Message, Version, first_frame};

use crate::protocol::Wish;
use crate::rows::epc;

/// Bytes of a report with one tag.
pub const REPORT_BYTES: usize = 50;

/// Microseconds since 1970 of everything that these readers say.
const MICROSECONDS: u64 = 1_795_000_000_000_000;

/// Appends a report of tag number `number` with all that the driver asks for: [`REPORT_BYTES`] bytes.
pub fn report(number: u32, out: &mut Vec<u8>) {
    let tag = TagReportData {
        epc: EPC96 { epc: epc(number) }.into(),
        ro_spec_id: None,
        spec_index: None,
        inventory_parameter_spec_id: None,
        antenna_id: Some(AntennaID { antenna_id: 1 }),
        peak_rssi: Some(PeakRSSI { peak_rssi: -60 }),
        channel_index: Some(ChannelIndex { channel_index: 1 }),
        first_seen_timestamp_utc: Some(FirstSeenTimestampUTC { microseconds: MICROSECONDS }),
        first_seen_timestamp_uptime: None,
        last_seen_timestamp_utc: None,
        last_seen_timestamp_uptime: None,
        tag_seen_count: Some(TagSeenCount { tag_count: 1 }),
        air_protocol_data: vec![C1G2PC { pc_bits: 0x3000 }.into()],
        access_spec_id: None,
        op_spec_results: vec![],
        customs: vec![],
    };
    say(
        ROAccessReport { tag_report_data: vec![tag], rf_survey_report_data: vec![], customs: vec![] },
        0,
        out,
    );
}

/// What a reader says to whoever connects.
pub fn greeting() -> Vec<u8> {
    let mut data = ReaderEventNotificationData::nothing(UTCTimestamp { microseconds: MICROSECONDS }.into());
    data.connection_attempt_event = Some(ConnectionAttemptEvent { status: ConnectionAttemptStatus::SUCCESS });
    let mut out = Vec::new();
    say(ReaderEventNotification { data }, 0, &mut out);
    out
}

/// What a reader says that hears nothing.
pub fn sign_of_life() -> Vec<u8> {
    let mut out = Vec::new();
    say(Keepalive {}, 0, &mut out);
    out
}

/// Takes the next message off what a client has said, and answers it; nothing while it is not whole.
///
/// # Errors
/// When that is no LLRP.
pub fn next_wish(said: &mut Vec<u8>, answers: &mut Vec<u8>) -> Result<Option<Wish>> {
    let Some(frame) = first_frame(said, LONGEST_MESSAGE)? else { return Ok(None) };
    let header = frame.header;
    let status = LLRPStatus::success();
    let (wish, answer): (Wish, Option<Message>) = match header.number {
        1 => (Wish::Nothing, Some(capabilities(status).into())),
        3 => (Wish::Nothing, Some(SetReaderConfigResponse { status }.into())),
        14 => (Wish::Ends, Some(CloseConnectionResponse { status }.into())),
        20 => (Wish::Nothing, Some(AddROSpecResponse { status }.into())),
        21 => (Wish::Ends, Some(DeleteROSpecResponse { status }.into())),
        22 => (Wish::Begins, Some(StartROSpecResponse { status }.into())),
        24 => (Wish::Nothing, Some(EnableROSpecResponse { status }.into())),
        25 => (Wish::Ends, Some(DisableROSpecResponse { status }.into())),
        41 => (Wish::Nothing, Some(DeleteAccessSpecResponse { status }.into())),
        // Neither is answered: ENABLE_EVENTS_AND_REPORTS and KEEPALIVE_ACK.
        64 | 72 => (Wish::Nothing, None),
        _ => {
            let status = LLRPStatus::of(StatusCode::M_UNSUPPORTED_MESSAGE, "not emulated");
            (Wish::Nothing, Some(ErrorMessage { status }.into()))
        }
    };
    if let Some(answer) = answer {
        say(answer, header.id, answers);
    }
    said.drain(..header.length as usize);
    Ok(Some(wish))
}

fn say(message: impl Into<Message>, id: u32, out: &mut Vec<u8>) {
    // Nothing here is as long as a message may be.
    out.extend(message.into().encode(Version::V1_0_1, id).unwrap_or_default());
}

/// One antenna, and a clock.
fn capabilities(status: LLRPStatus) -> GetReaderCapabilitiesResponse {
    let general = GeneralDeviceCapabilities {
        max_number_of_antenna_supported: 1,
        can_set_antenna_properties: false,
        has_utc_clock_capability: true,
        device_manufacturer_name: 0,
        model_name: 0,
        firmware_version: String::new(),
        receive_sensitivities: vec![ReceiveSensitivityTableEntry { index: 1, receive_sensitivity_value: 0 }],
        receive_sensitivity_ranges: vec![],
        gpio_capabilities: GPIOCapabilities { num_gpis: 0, num_gpos: 0 },
        air_protocols: vec![PerAntennaAirProtocol { antenna_id: 1, protocol_id: vec![ProtocolID::C1G2.0] }],
        maximum_receive_sensitivity: None,
    };
    GetReaderCapabilitiesResponse {
        status,
        general: Some(general),
        llrp_capabilities: None,
        regulatory_capabilities: None,
        c1g2_llrp_capabilities: None,
        customs: vec![],
    }
}

#[cfg(test)]
mod tests {
    use rfid_llrp::TagReports;

    use super::*;

    #[test]
    fn a_report_has_its_length_and_its_tag() {
        for number in [0, 7, u32::MAX] {
            let mut out = Vec::new();
            report(number, &mut out);
            assert_eq!(out.len(), REPORT_BYTES);
            let frame = first_frame(&out, LONGEST_MESSAGE).unwrap().unwrap();
            let tags: Vec<_> =
                TagReports::of_frame(&frame).unwrap().map(|tag| tag.unwrap().epc().to_vec()).collect();
            assert_eq!(tags, [epc(number)]);
        }
    }

    #[test]
    fn a_message_is_taken_off_when_it_is_whole() {
        let start = rfid_llrp::message::StartROSpec { ro_spec_id: 7 };
        let whole = Message::from(start).encode(Version::V1_0_1, 5).unwrap();
        let (mut said, mut answers) = (Vec::new(), Vec::new());
        for octet in &whole {
            assert_eq!(next_wish(&mut said, &mut answers).unwrap(), None);
            said.push(*octet);
        }
        assert_eq!(next_wish(&mut said, &mut answers).unwrap(), Some(Wish::Begins));
        assert!(said.is_empty());
        let frame = first_frame(&answers, LONGEST_MESSAGE).unwrap().unwrap();
        assert_eq!((frame.header.number, frame.header.id), (32, 5));
        assert!(next_wish(&mut vec![0xFF; 10], &mut answers).is_err());
    }
}
