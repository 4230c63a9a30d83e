//! The tables hold what the standard has, and hang together.

use rfid_llrp::message::MESSAGES;
use rfid_llrp::parameter::{TLV_PARAMETERS, TV_PARAMETERS};
use rfid_llrp::{Definition, Message, Version};

#[test]
fn everything_of_the_standard_is_there_once() {
    let numbers = |table: &[Definition]| table.iter().map(|entry| entry.number).collect::<Vec<_>>();
    assert_eq!(numbers(TV_PARAMETERS), (1..=20).collect::<Vec<_>>());
    let tlv: Vec<u16> = [128..=129, 137..=137, 139..=149, 177..=188, 207..=211, 217..=226, 237..=257]
        .into_iter()
        .chain([287..=289, 327..=339, 341..=363, 365..=365, 1023..=1023])
        .flatten()
        .collect();
    assert_eq!(numbers(TLV_PARAMETERS), tlv);
    let messages: Vec<u16> = [1..=4, 11..=14, 20..=26, 30..=36, 40..=47, 50..=57, 60..=64, 72..=72]
        .into_iter()
        .chain([100..=100, 1023..=1023])
        .flatten()
        .collect();
    assert_eq!(numbers(MESSAGES), messages);
    let newer = |table: &[Definition]| table.iter().filter(|entry| entry.since == Version::V1_1).count();
    assert_eq!((newer(MESSAGES), newer(TV_PARAMETERS), newer(TLV_PARAMETERS)), (4, 2, 10));
}

#[test]
fn a_reader_sends_no_parameter_that_stands_in_nothing() {
    let all = MESSAGES.iter().chain(TLV_PARAMETERS);
    for entry in TV_PARAMETERS.iter().chain(TLV_PARAMETERS) {
        let stands = all.clone().flat_map(|outer| outer.parts).any(|part| (part.takes)(entry.number));
        assert!(stands, "{} stands in nothing", entry.name);
    }
}

#[test]
fn requests_know_their_answers() {
    let named = |name: &str| MESSAGES.iter().find(|entry| entry.name == name).map(|entry| entry.number);
    for entry in MESSAGES {
        let Some(answer) = named(&format!("{}Response", entry.name)) else { continue };
        // Fields of zeros are a body for all of them that have no parameters.
        let mut bytes = vec![0x08 | (entry.number >> 8) as u8, entry.number as u8];
        bytes.extend((entry.octets as u32).to_be_bytes());
        bytes.resize(entry.octets, 0);
        let mut decoding = rfid_llrp::Decoding::lenient();
        if let Ok((_, message)) = Message::decode(&bytes, &mut decoding) {
            assert_eq!(message.answer(), Some(answer), "{}", entry.name);
        }
    }
}
