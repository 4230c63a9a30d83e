//! Clients that lie.

use proptest::prelude::*;
use rfid_driver_llrp::emulator::Profile;
use rfid_llrp::message::*;
use rfid_llrp::{Message, Version};
use tokio::io::AsyncWriteExt;

use crate::client::{Client, one_tag, reader, ro_spec};

#[tokio::test]
async fn lengths_that_lie_end_the_connection_and_not_the_reader() {
    let reader = reader(Profile::R420, "").await;
    for header in [
        // Shorter than a header, 4 GiB, a version that nobody has.
        [0x04, 0x1A, 0, 0, 0, 9, 0, 0, 0, 1],
        [0x04, 0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1],
        [0x1C, 0x1A, 0, 0, 0, 10, 0, 0, 0, 1],
    ] {
        let mut client = loop {
            let mut client = Client::dial(&reader).await;
            if client.greeting().await.0 == 0 {
                break client;
            }
        };
        client.stream.write_all(&header).await.unwrap();
        assert!(client.next().await.is_none(), "{header:?}");
    }
    reader.shutdown().await;
}

#[tokio::test]
async fn a_parameter_that_is_longer_than_its_message_is_refused_and_the_next_message_is_taken() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    for body in [
        // A ROSpec of 65,535 octets, one of three, one that says nothing.
        vec![0x00, 0xB1, 0xFF, 0xFF, 0, 0, 0, 1],
        vec![0x00, 0xB1, 0, 3],
        vec![0x00, 0xB1, 0, 4],
        // A TV parameter, which nobody sends to a reader.
        vec![0x8D; 13],
    ] {
        client.send(Message::Unknown { number: AddROSpec::NUMBER, body }).await;
        let answer = client.next().await.unwrap();
        assert!(
            matches!(&answer, Message::AddROSpecResponse(answer) if !answer.status.is_success()),
            "{answer:?}"
        );
    }
    client.done(GetROSpecs {}).await;
    reader.shutdown().await;
}

#[tokio::test]
async fn messages_split_at_every_byte_and_many_in_one_piece_are_taken() {
    let reader = reader(Profile::R420, &one_tag()).await;
    let mut client = Client::connect(&reader).await;
    let bytes = Message::from(AddROSpec { ro_spec: ro_spec(7) }).encode(Version::V1_0_1, 1).unwrap();
    let delete = Message::from(DeleteROSpec { ro_spec_id: 7 }).encode(Version::V1_0_1, 2).unwrap();
    for cut in 1..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        client.stream.write_all(first).await.unwrap();
        tokio::task::yield_now().await;
        client.stream.write_all(second).await.unwrap();
        client.stream.write_all(&delete).await.unwrap();
        for id in [1, 2] {
            let (header, message) = client.next_with_header().await.unwrap();
            assert_eq!(header.id, id);
            assert!(message.status().unwrap().is_success(), "cut at {cut}");
        }
    }
    reader.shutdown().await;
}

#[path = "../../fuzz/emulator.rs"]
mod bodies;

proptest! {
    #[test]
    fn any_client_is_answered_as_the_standard_has_it_or_left(
        data in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..400),
    ) {
        bodies::client(&data);
    }
}
