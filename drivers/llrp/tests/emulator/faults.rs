//! What goes wrong on purpose.

use rfid_driver_llrp::emulator::Profile;
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Message, TagReports, Version, impinj};
use tokio::io::AsyncReadExt;

use crate::client::{Client, ai_spec, faults, one_tag, reader, ro_spec};

#[tokio::test]
async fn somebody_else_has_the_reader() {
    let reader = reader(Profile::R420, "[faults]\nanother_client = true\n").await;
    let mut client = Client::dial(&reader).await;
    assert_eq!(client.greeting().await, ConnectionAttemptStatus::CLIENT_INITIATED_EXISTS);
    assert!(client.next().await.is_none());
    reader.shutdown().await;
}

#[tokio::test]
async fn the_line_is_cut_at_any_byte() {
    let reader = reader(Profile::R420, "").await;
    // A greeting has 32 octets.
    for cut in 0..32_u32 {
        reader.cut_after(cut);
        let mut client = Client::dial(&reader).await;
        let mut received = Vec::new();
        client.stream.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), cut as usize);
    }
    Client::connect(&reader).await;
    reader.shutdown().await;
}

#[tokio::test]
async fn messages_come_in_single_bytes() {
    let reader = reader(Profile::R420, &format!("{}[faults]\nsplit_every = 1\n", one_tag())).await;
    let mut client = Client::connect(&reader).await;
    client.run(ro_spec(7)).await;
    client.report().await;
    reader.shutdown().await;
}

#[tokio::test]
async fn a_reader_falls_silent_drops_closes_and_restarts() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    reader.set_faults(faults("silent_after = 1"));
    client.done(AddROSpec { ro_spec: ro_spec(7) }).await;
    client.send(GetROSpecs {}).await;
    let mut octet = [0];
    let silent = tokio::time::timeout(std::time::Duration::from_millis(200), client.stream.read(&mut octet));
    assert!(silent.await.is_err());
    drop(client);
    reader.drop_connections();

    for (fault, closes, left) in
        [("drop_after = 1", false, 1), ("close_after = 1", true, 1), ("reboot_after = 1", false, 0)]
    {
        reader.set_faults(faults(""));
        let mut client = again(&reader).await;
        reader.set_faults(faults(fault));
        client.done(GetAccessSpecs {}).await;
        client.send(GetROSpecs {}).await;
        let last = client.next().await;
        let closed = matches!(&last, Some(Message::ReaderEventNotification(event)) if event.data.connection_close_event.is_some());
        assert_eq!(closed, closes, "{fault}: {last:?}");
        reader.set_faults(faults(""));
        let mut client = again(&reader).await;
        let Message::GetROSpecsResponse(specs) = client.ask(GetROSpecs {}).await else { panic!() };
        assert_eq!(specs.ro_specs.len(), left, "{fault}");
        client.done(CloseConnection {}).await;
    }
    reader.shutdown().await;
}

/// Connects as soon as the reader has noticed that the client before is gone.
async fn again(reader: &rfid_driver_llrp::emulator::Emulator) -> Client {
    loop {
        let mut client = Client::dial(reader).await;
        if client.greeting().await == ConnectionAttemptStatus::SUCCESS {
            return client;
        }
    }
}

#[tokio::test]
async fn a_full_buffer_warns_loses_and_says_so() {
    let reader = reader(Profile::R420, &format!("{}[faults]\nreport_buffer = 10\n", one_tag())).await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::REPORT_BUFFER_FILL]).await;
    let mut spec = ro_spec(7);
    // Sightings of one tag with a time each do not become one.
    let report = spec.ro_report_spec.as_mut().unwrap();
    report.ro_report_trigger = ROReportTrigger::NONE;
    // 20 tags, each once.
    client.run(spec).await;
    let tags: String =
        (0..20).map(|tag| format!("[[tag]]\nepc = \"3000000000000000000000{tag:02}\"\n")).collect();
    let scenario = rfid_driver_llrp::emulator::Scenario::from_toml(&tags).unwrap();
    reader.set_scenario(scenario);
    let warning = client.event().await.report_buffer_level_warning_event.unwrap();
    assert_eq!(warning.report_buffer_percentage_full, 80);
    assert!(client.event().await.report_buffer_overflow_error_event.is_some());
    client.send(GetReport {}).await;
    assert_eq!(client.report().await.len(), 10);
    reader.shutdown().await;
}

#[tokio::test]
async fn the_reader_says_what_is_wrong_with_it() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::READER_EXCEPTION]).await;
    reader.raise_exception("too hot");
    assert_eq!(client.event().await.reader_exception_event.unwrap().message, "too hot");
    reader.shutdown().await;
}

#[tokio::test]
async fn a_reader_without_a_clock_counts_from_its_start() {
    let reader = reader(Profile::R420, &format!("{}[faults]\nno_utc_clock = true\n", one_tag())).await;
    let mut client = Client::connect(&reader).await;
    let asked =
        GetReaderCapabilities { requested_data: CapabilitiesRequest::GENERAL_DEVICE, customs: Vec::new() };
    let Message::GetReaderCapabilitiesResponse(answer) = client.ask(asked).await else { panic!() };
    assert!(!answer.general.unwrap().has_utc_clock_capability);
    let mut spec = ro_spec(7);
    let trigger = &mut spec.ro_boundary_spec.ro_spec_start_trigger;
    trigger.ro_spec_start_trigger_type = ROSpecStartTriggerType::PERIODIC;
    let utc_timestamp = Some(UTCTimestamp { microseconds: 0 });
    trigger.periodic_trigger_value = Some(PeriodicTriggerValue { offset: 0, period: 0, utc_timestamp });
    assert!(!client.status(AddROSpec { ro_spec: spec }).await.is_success());
    let mut spec = ro_spec(7);
    spec.ro_report_spec.as_mut().unwrap().content.enable_first_seen_timestamp = true;
    client.run(spec).await;
    let tag = client.report().await.remove(0);
    assert!(tag.first_seen_timestamp_utc.is_none());
    assert!(tag.first_seen_timestamp_uptime.unwrap().microseconds < 60_000_000);
    reader.shutdown().await;
}

#[tokio::test]
async fn what_some_readers_lack_is_refused() {
    let lacks = "no_tag_observation_trigger = true\nno_transmitter = true\nno_delete_all = true\nno_extensions = true\nerror_to_enabling = true";
    let reader = reader(Profile::R420, &format!("[faults]\n{lacks}\n")).await;
    let mut client = Client::connect(&reader).await;
    let mut ai = ai_spec();
    ai.ai_spec_stop_trigger.ai_spec_stop_trigger_type = AISpecStopTriggerType::TAG_OBSERVATION;
    let spec = ROSpec { specs: vec![ai.into()], ..ro_spec(1) };
    assert_eq!(
        client.status(AddROSpec { ro_spec: spec }).await.error_description,
        "unsupported StopTrigger 3"
    );
    let mut ai = ai_spec();
    ai.inventory_parameter_specs[0].antenna_configurations = vec![AntennaConfiguration {
        antenna_id: 1,
        rf_receiver: None,
        rf_transmitter: Some(RFTransmitter { hop_table_id: 1, channel_index: 1, transmit_power: 1 }),
        inventory_commands: Vec::new(),
        customs: Vec::new(),
    }];
    let spec = ROSpec { specs: vec![ai.into()], ..ro_spec(1) };
    assert!(!client.status(AddROSpec { ro_spec: spec }).await.is_success());
    assert_eq!(client.code(DeleteROSpec { ro_spec_id: 0 }).await, StatusCode::M_FIELD_ERROR);
    assert_eq!(client.code(DeleteAccessSpec { access_spec_id: 0 }).await, StatusCode::M_FIELD_ERROR);
    assert!(matches!(client.ask(impinj::enable_extensions()).await, Message::ErrorMessage(_)));
    client.send(EnableEventsAndReports {}).await;
    assert!(matches!(client.next().await, Some(Message::ErrorMessage(_))));
    reader.shutdown().await;
}

#[tokio::test]
async fn the_question_for_versions_ends_the_connection() {
    let reader = reader(Profile::R420, "[faults]\nclose_on_version_question = true\n").await;
    let mut client = Client::connect(&reader).await;
    client.version = Version::V1_1;
    client.send(GetSupportedVersion {}).await;
    assert!(client.next().await.is_none());
    reader.shutdown().await;
}

#[tokio::test]
async fn reports_are_odd_in_every_known_way_and_can_still_be_read() {
    let reader = reader(Profile::R420, &one_tag()).await;
    let mut client = Client::connect(&reader).await;
    reader.set_faults(faults(
        "empty_messages = true\nepc_as_data = true\nmembers_out_of_order = true\nunknown_vendor = true\nunchanged_left_out = true",
    ));
    client.run(ro_spec(7)).await;
    // As a client has to: leniently.
    let mut bytes = Vec::new();
    let (mut reports, mut empty, mut with_antenna) = (0, 0, 0);
    while reports < 5 {
        let mut chunk = [0; 1024];
        let count = client.stream.read(&mut chunk).await.unwrap();
        assert!(count > 0);
        bytes.extend_from_slice(&chunk[..count]);
        while let Some(frame) = rfid_llrp::first_frame(&bytes, 1 << 20).unwrap() {
            let length = frame.bytes.len();
            if let Some(tags) = TagReports::of_frame(&frame) {
                let tags: Vec<_> = tags.map(|tag| tag.unwrap()).collect();
                empty += usize::from(tags.is_empty());
                for tag in tags {
                    assert_eq!(tag.epc().len(), 12);
                    reports += 1;
                    with_antenna += usize::from(tag.antenna_id().is_some());
                }
            }
            bytes.drain(..length);
        }
    }
    assert!(empty >= 4, "{empty}");
    assert_eq!(with_antenna, 1, "it was left out where it had not changed");
    reader.shutdown().await;
}

#[tokio::test]
async fn tags_that_remember_are_read_once() {
    let reader = reader(Profile::R420, &format!("{}[faults]\nsingle_target = true\n", one_tag())).await;
    let mut client = Client::connect(&reader).await;
    let mut ai = ai_spec();
    ai.inventory_parameter_specs[0].antenna_configurations = vec![AntennaConfiguration {
        antenna_id: 0,
        rf_receiver: None,
        rf_transmitter: None,
        inventory_commands: vec![C1G2InventoryCommand {
            tag_inventory_state_aware: false,
            filters: Vec::new(),
            rf_control: None,
            singulation_control: Some(C1G2SingulationControl {
                session: 2,
                tag_population: 1,
                tag_transit_time: 0,
                state_aware_action: None,
            }),
            customs: Vec::new(),
        }],
        customs: Vec::new(),
    }];
    client.run(ROSpec { specs: vec![ai.into()], ..ro_spec(7) }).await;
    client.report().await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let id = client.send(GetROSpecs {}).await;
    assert_eq!(client.next_with_header().await.unwrap().0.id, id, "no further report");
    reader.shutdown().await;
}
