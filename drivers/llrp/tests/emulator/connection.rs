//! Greeting, the second client, versions, closing, holding.

use rfid_driver_llrp::emulator::Profile;
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Message, Version};

use crate::client::{Client, UTC, one_tag, reader, ro_spec};

#[tokio::test]
async fn a_client_is_greeted_with_the_time_and_nothing_else() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::dial(&reader).await;
    let (header, message) = client.next_with_header().await.unwrap();
    assert_eq!(header.version, Version::V1_0_1);
    let Message::ReaderEventNotification(ReaderEventNotification { mut data }) = message else { panic!() };
    let Timestamp::UTCTimestamp(time) = &data.timestamp else { panic!("{data:?}") };
    assert!((UTC..UTC + 60_000_000).contains(&time.microseconds));
    assert!(data.connection_attempt_event.take().is_some());
    assert!(data.ro_spec_event.is_none() && data.antenna_event.is_none() && data.customs.is_empty());
    reader.shutdown().await;
}

#[tokio::test]
async fn a_second_client_is_sent_away_and_the_first_is_told_of_it() {
    let reader = reader(Profile::R420, "").await;
    let mut first = Client::connect(&reader).await;
    let mut second = Client::dial(&reader).await;
    assert_eq!(second.greeting().await, ConnectionAttemptStatus::CLIENT_INITIATED_EXISTS);
    assert!(second.next().await.is_none(), "and the reader hangs up");
    assert_eq!(first.greeting().await, ConnectionAttemptStatus::ANOTHER_ATTEMPTED);
    first.done(DeleteROSpec { ro_spec_id: 0 }).await;
    drop(first);
    // The reader notices at its own time that the first one is gone.
    loop {
        let mut third = Client::dial(&reader).await;
        if third.greeting().await == ConnectionAttemptStatus::SUCCESS {
            break;
        }
    }
    reader.shutdown().await;
}

#[tokio::test]
async fn a_reader_that_lets_itself_be_taken_over_tells_the_first_client_that_it_is_over() {
    let reader = reader(Profile::R420, "[faults]\ntake_over = true\n").await;
    let mut first = Client::connect(&reader).await;
    let _second = Client::connect(&reader).await;
    assert!(first.event().await.connection_close_event.is_some());
    assert!(first.next().await.is_none());
    reader.shutdown().await;
}

#[tokio::test]
async fn closing_is_answered_and_then_the_reader_hangs_up() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    client.done(CloseConnection {}).await;
    assert!(client.next().await.is_none());
    let mut again = Client::connect(&reader).await;
    reader.close_connection();
    assert!(again.event().await.connection_close_event.is_some());
    assert!(again.next().await.is_none());
    reader.shutdown().await;
}

#[tokio::test]
async fn a_reader_of_the_first_version_refuses_the_question_in_the_version_of_the_question() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    client.version = Version::V1_1;
    let id = client.send(GetSupportedVersion {}).await;
    let (header, message) = client.next_with_header().await.unwrap();
    assert_eq!((header.version, header.id, header.length), (Version::V1_1, id, 18));
    assert_eq!(message.status().unwrap().status_code, StatusCode::M_UNSUPPORTED_VERSION);
    client.version = Version::V1_0_1;
    client.done(DeleteROSpec { ro_spec_id: 0 }).await;
    reader.shutdown().await;
}

#[tokio::test]
async fn a_version_is_chosen_once() {
    let reader = reader(Profile::AlrF800, "").await;
    let mut client = Client::connect(&reader).await;
    client.version = Version::V1_1;
    let Message::GetSupportedVersionResponse(versions) = client.ask(GetSupportedVersion {}).await else {
        panic!()
    };
    assert_eq!((versions.current_version, versions.supported_version), (1, 2));
    let choose = |protocol_version| SetProtocolVersion { protocol_version };
    assert_eq!(client.code(choose(3)).await, StatusCode::M_UNSUPPORTED_VERSION);
    client.done(choose(2)).await;
    assert_eq!(client.code(choose(2)).await, StatusCode::M_UNEXPECTED_MESSAGE);
    client.done(DeleteROSpec { ro_spec_id: 0 }).await;
    // A message of another version than the one agreed on.
    client.version = Version::V1_0_1;
    let id = client.send(GetROSpecs {}).await;
    let (header, message) = client.next_with_header().await.unwrap();
    assert_eq!((header.version, header.id), (Version::V1_0_1, id));
    assert_eq!(message.status().unwrap().status_code, StatusCode::M_UNSUPPORTED_VERSION);
    reader.shutdown().await;
}

#[tokio::test]
async fn what_was_added_stays_and_reports_are_held_until_they_are_asked_for() {
    let reader = reader(Profile::R420, &one_tag()).await;
    let mut client = Client::connect(&reader).await;
    let hold = EventsAndReports { hold_events_and_reports_upon_reconnect: true };
    client.done(SetReaderConfig { events_and_reports: Some(hold), ..SetReaderConfig::nothing() }).await;
    client.run(ro_spec(7)).await;
    client.report().await;
    client.done(CloseConnection {}).await;
    let mut again = Client::connect(&reader).await;
    let Message::GetROSpecsResponse(specs) = again.ask(GetROSpecs {}).await else { panic!() };
    assert_eq!(specs.ro_specs.len(), 1);
    assert_eq!(specs.ro_specs[0].current_state, ROSpecState::ACTIVE);
    // Long enough for reports of which none may come.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let id = again.send(GetAccessSpecs {}).await;
    let (header, _) = again.next_with_header().await.unwrap();
    assert_eq!(header.id, id, "nothing came before it");
    again.send(EnableEventsAndReports {}).await;
    again.report().await;
    reader.shutdown().await;
}

#[tokio::test]
async fn a_model_that_cannot_hold_refuses_to() {
    let reader = reader(Profile::Fx9600, "").await;
    let mut client = Client::connect(&reader).await;
    let hold = EventsAndReports { hold_events_and_reports_upon_reconnect: true };
    let status =
        client.status(SetReaderConfig { events_and_reports: Some(hold), ..SetReaderConfig::nothing() }).await;
    let error = status.parameter_error.unwrap();
    assert_eq!((error.parameter_type, error.error_code), (226, StatusCode::P_UNSUPPORTED_PARAMETER));
    reader.shutdown().await;
}

/// Asks for a keepalive every 40 ms.
async fn ask_for_keepalives(client: &mut Client) {
    let keepalive =
        KeepaliveSpec { keepalive_trigger_type: KeepaliveTriggerType::PERIODIC, periodic_trigger_value: 40 };
    client.done(SetReaderConfig { keepalive_spec: Some(keepalive), ..SetReaderConfig::nothing() }).await;
}

#[tokio::test]
async fn keepalives_come_begin_and_end_when_they_are_told_to() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    ask_for_keepalives(&mut client).await;
    for _ in 0..5 {
        assert_eq!(client.next().await, Some(Keepalive {}.into()), "acknowledged or not");
    }
    client.done(SetReaderConfig { reset_to_factory_default: true, ..SetReaderConfig::nothing() }).await;
    let Message::GetReaderConfigResponse(config) =
        client.ask(GetReaderConfig::of_all(ConfigRequest::KEEPALIVE_SPEC)).await
    else {
        panic!()
    };
    assert_eq!(config.keepalive_spec.unwrap().keepalive_trigger_type, KeepaliveTriggerType::NULL);
    reader.shutdown().await;
}

#[tokio::test]
async fn a_client_that_acknowledges_nothing_is_dropped_if_the_reader_is_told_to() {
    let reader = reader(Profile::R420, "[faults]\ndrop_after_keepalives = 3\n").await;
    let mut client = Client::connect(&reader).await;
    ask_for_keepalives(&mut client).await;
    for _ in 0..3 {
        assert_eq!(client.next().await, Some(Keepalive {}.into()));
    }
    assert!(client.event().await.connection_close_event.is_some());
    assert!(client.next().await.is_none());
    let mut client = Client::connect(&reader).await;
    for _ in 0..6 {
        assert_eq!(client.next().await, Some(Keepalive {}.into()));
        client.send(KeepaliveAck {}).await;
    }
    reader.shutdown().await;
}
