//! What lenient reading keeps and strict reading refuses, and where.

use rfid_llrp::enumeration::{ROReportTrigger, StatusCode};
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Decoding, EncodeFaultKind, Fault, FaultKind, Message, Parameter, Version};

use crate::worked_examples::example;

/// A message of this type with this body.
fn message(number: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = (0x0400 | number).to_be_bytes().to_vec();
    bytes.extend((10 + body.len() as u32).to_be_bytes());
    bytes.extend([0, 0, 0, 1]);
    bytes.extend(body);
    bytes
}

fn strict(bytes: &[u8]) -> Result<Message, Fault> {
    Message::decode(bytes, &mut Decoding::strict()).map(|(_, message)| message)
}

fn lenient(bytes: &[u8]) -> (Message, u32, Option<Fault>) {
    let mut decoding = Decoding::lenient();
    let (_, message) = Message::decode(bytes, &mut decoding).unwrap();
    (message, decoding.skipped(), decoding.first_skipped())
}

#[test]
fn parameters_are_read_in_any_order_but_only_leniently() {
    // Zebra-like: the antenna before the EPC.
    let tag = [&[0x81, 0, 3][..], &[0x8D], &[7; 12]].concat();
    let body = [&[0x00, 0xF0, 0, 4 + tag.len() as u8][..], &tag].concat();
    let bytes = message(61, &body);
    let (Message::ROAccessReport(report), 0, None) = lenient(&bytes) else { panic!() };
    assert_eq!(report.tag_report_data[0].antenna_id, Some(AntennaID { antenna_id: 3 }));
    let fault = strict(&bytes).unwrap_err();
    assert_eq!((fault.offset, fault.kind), (17, FaultKind::OutOfOrder("EPC")));
    assert_eq!(fault.to_string(), "octet 17 in TagReportData: EPC stands behind what must follow it");
}

#[test]
fn unknown_parameters_are_stepped_over_and_counted_or_refused() {
    let status = LLRPStatus::success().to_bytes(Version::V1_0_1).unwrap();
    let body = [&[0x03, 0xE8, 0, 6, 1, 2][..], &status].concat();
    let bytes = message(13, &body);
    let fault =
        Fault { offset: 10, inside: "SetReaderConfigResponse", kind: FaultKind::UnexpectedParameter(1000) };
    assert_eq!(
        lenient(&bytes),
        (SetReaderConfigResponse { status: LLRPStatus::success() }.into(), 1, Some(fault))
    );
    assert_eq!(strict(&bytes), Err(fault));
}

#[test]
fn behind_an_unknown_tv_nothing_can_be_read_but_the_enclosing_parameter_is_stepped_over() {
    let tag = |first: u8| {
        let tag = [&[0x8D][..], &[first; 12], &[0xFF, 1, 2, 0x81, 0, 3]].concat();
        [&[0x00, 0xF0, 0, 4 + tag.len() as u8][..], &tag].concat()
    };
    let bytes = message(61, &[tag(1), tag(2)].concat());
    let (Message::ROAccessReport(report), 2, Some(fault)) = lenient(&bytes) else { panic!() };
    assert_eq!((fault.offset, fault.kind), (27, FaultKind::UnknownTv(127)));
    assert_eq!(report.tag_report_data.len(), 2);
    assert_eq!(report.tag_report_data[1].epc, EPC96 { epc: [2; 12] }.into());
    assert_eq!(strict(&bytes).unwrap_err(), fault);
}

#[test]
fn a_part_that_is_damaged_is_lost_and_the_rest_is_kept() {
    // A GPIEvent of two octets less, between a time and an antenna event.
    let body = [
        &[0x00, 0xF6, 0, 28, 0, 0x80, 0, 12, 0, 0, 0, 0, 0, 0, 0, 9][..],
        &[0x00, 0xF8, 0, 5, 0],
        &[0x00, 0xFF, 0, 7, 1, 0, 4],
    ]
    .concat();
    let bytes = message(63, &body);
    let (Message::ReaderEventNotification(event), 1, Some(fault)) = lenient(&bytes) else { panic!() };
    assert_eq!((fault.offset, fault.inside), (30, "GPIEvent"));
    assert_eq!(fault.kind, FaultKind::TooShort { needed: 2, left: 1 });
    assert_eq!(event.data.antenna_event.unwrap().antenna_id, 4);
    assert_eq!(strict(&bytes).unwrap_err(), fault);
}

#[test]
fn what_must_be_there_is_missed_in_every_mode() {
    let bytes = message(30, &[]);
    let missing = FaultKind::Missing("LLRPStatus");
    assert_eq!(strict(&bytes).unwrap_err().kind, missing);
    let fault = Message::decode(&bytes, &mut Decoding::lenient()).unwrap_err();
    assert_eq!((fault.offset, fault.kind), (10, missing));
}

#[test]
fn too_many_of_one_kind_leave_the_first() {
    let one = LLRPStatus::of(StatusCode::R_DEVICE_ERROR, "one").to_bytes(Version::V1_0_1).unwrap();
    let other = LLRPStatus::success().to_bytes(Version::V1_0_1).unwrap();
    let bytes = message(30, &[one, other].concat());
    let (Message::AddROSpecResponse(answer), 1, _) = lenient(&bytes) else { panic!() };
    assert_eq!(answer.status.error_description, "one");
    assert_eq!(strict(&bytes).unwrap_err().kind, FaultKind::Repeated("LLRPStatus"));
}

#[test]
fn lengths_that_lie_inside_a_message_are_told_at_their_place() {
    for (length, kind) in [(3u16, FaultKind::BadLength(3)), (200, FaultKind::BadLength(200))] {
        let mut bytes = example("E6");
        bytes[12..14].copy_from_slice(&length.to_be_bytes());
        let fault = strict(&bytes).unwrap_err();
        assert_eq!((fault.offset, fault.kind), (10, kind));
    }
    // The header says more, or less, than there is.
    let mut bytes = example("E6");
    bytes[5] = 17;
    assert_eq!(strict(&bytes).unwrap_err().kind, FaultKind::BadLength(17));
    // A text that is longer than the parameter it stands in.
    let mut bytes = example("E6");
    bytes[17] = 9;
    assert_eq!(strict(&bytes).unwrap_err().kind, FaultKind::TooShort { needed: 9, left: 0 });
}

#[test]
fn chains_of_errors_are_followed_only_so_far() {
    let mut chain = Vec::new();
    for _ in 0..2000 {
        let length = (8 + chain.len()) as u16;
        let mut outer = vec![0x01, 0x21];
        outer.extend(length.to_be_bytes());
        outer.extend([0, 1, 0, 200]);
        outer.extend(chain);
        chain = outer;
    }
    let mut status = vec![0x01, 0x1F];
    status.extend(((8 + chain.len()) as u16).to_be_bytes());
    status.extend([0, 100, 0, 0]);
    status.extend(chain);
    let bytes = message(100, &status);
    assert_eq!(strict(&bytes).unwrap_err().kind, FaultKind::TooDeep);
    let (Message::ErrorMessage(error), 1, Some(fault)) = lenient(&bytes) else { panic!() };
    assert_eq!(fault.kind, FaultKind::TooDeep);
    assert_eq!(error.status.to_string().matches("parameter 1").count(), 15);
}

#[test]
fn reserved_bits_texts_and_trailing_octets() {
    let mut reserved = example("E7");
    reserved = [&reserved[..], &[9]].concat();
    reserved[5] = 15;
    assert_eq!(strict(&reserved).unwrap_err().kind, FaultKind::Trailing(1));
    assert_eq!(lenient(&reserved).1, 1);

    let mut bits = example("E27");
    bits = message(63, &[&bits[10..26], &[0x00, 0xF8, 0, 7, 0, 1, 0x81]].concat());
    bits[13] = 23;
    assert_eq!(strict(&bits).unwrap_err().kind, FaultKind::ReservedBits);
    let (Message::ReaderEventNotification(event), 0, None) = lenient(&bits) else { panic!() };
    assert_eq!(event.data.gpi_event, Some(GPIEvent { gpi_port_number: 1, gpi_event: true }));

    let mut header = example("E6");
    header[0] |= 0x80;
    assert_eq!(strict(&header).unwrap_err().kind, FaultKind::ReservedBits);
    assert_eq!(lenient(&header).1, 0);

    let text = message(100, &[0x01, 0x1F, 0, 10, 0, 100, 0, 2, 0xC3, 0x28]);
    assert_eq!(strict(&text).unwrap_err().kind, FaultKind::NotUtf8);
    let (Message::ErrorMessage(error), 1, _) = lenient(&text) else { panic!() };
    assert_eq!(error.status.error_description, "\u{FFFD}(");
}

#[test]
fn messages_that_nobody_knows_are_kept_as_they_are() {
    let bytes = message(999, &[1, 2, 3]);
    assert_eq!(lenient(&bytes).0, Message::Unknown { number: 999, body: vec![1, 2, 3] });
    assert_eq!(strict(&bytes).unwrap_err().kind, FaultKind::UnknownMessage(999));
    assert_eq!(lenient(&bytes).0.encode(Version::V1_0_1, 1).unwrap(), bytes);
}

#[test]
fn vendors_parameters_are_kept_where_they_may_stand() {
    let body = [&[1][..], &[0x03, 0xFF, 0, 14, 0, 0, 0, 161, 0, 0, 1, 0, 7, 8]].concat();
    let bytes = message(1, &body);
    let custom = Custom { vendor_id: 161, subtype: 256, data: vec![7, 8] };
    let Ok(Message::GetReaderCapabilities(asked)) = strict(&bytes) else { panic!() };
    assert_eq!(asked.customs, [custom]);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let refused = |message: Message, version| message.encode(version, 1).unwrap_err().kind;
    let newer = EncodeFaultKind::NewerThan(Version::V1_0_1);
    assert_eq!(refused(GetSupportedVersion {}.into(), Version::V1_0_1), newer);
    let spec = ROReportSpec {
        ro_report_trigger: ROReportTrigger::MILLISECONDS_OR_RO_SPEC,
        n: 1,
        content: TagReportContentSelector::none(),
        customs: vec![],
    };
    assert_eq!(spec.to_bytes(Version::V1_0_1).unwrap_err().kind, newer);
    assert!(spec.to_bytes(Version::V1_1).is_ok());
    let long = LLRPStatus::of(StatusCode::R_DEVICE_ERROR, &"x".repeat(70_000));
    let message = Message::from(ErrorMessage { status: long });
    assert_eq!(refused(message.clone(), Version::V1_1), EncodeFaultKind::TooLong);
    let mut bytes = vec![1, 2];
    assert!(message.encode_into(Version::V1_1, 1, &mut bytes).is_err());
    assert_eq!(bytes, [1, 2], "nothing of it is left behind");
    let none = Message::from(ErrorMessage { status: LLRPStatus::of(StatusCode::M_SUCCESS, "ok") });
    assert_eq!(none.encode_into(Version::V1_0_1, 1, &mut bytes), Ok(()));
    assert_eq!(bytes.len(), 2 + 20);
    let lock = C1G2Lock { op_spec_id: 1, access_password: Default::default(), payloads: vec![] };
    assert_eq!(
        lock.to_bytes(Version::V1_1).unwrap_err().to_string(),
        "C1G2Lock has too few or too many of C1G2LockPayload"
    );
}
