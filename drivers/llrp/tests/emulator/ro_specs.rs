//! ROSpecs through their lives: triggers, reports, events.

use std::time::Duration;

use rfid_driver_llrp::emulator::Profile;
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Bits, Message, Version, impinj};

use crate::client::{Client, EPC, ai_spec, boundary, epc_of, one_tag, reader, report_spec, ro_spec};

async fn states(client: &mut Client) -> Vec<(u32, ROSpecState)> {
    let Message::GetROSpecsResponse(answer) = client.ask(GetROSpecs {}).await else { panic!() };
    answer.ro_specs.iter().map(|spec| (spec.ro_spec_id, spec.current_state)).collect()
}

async fn state_value(client: &mut Client) -> u32 {
    let asked = GetReaderConfig::of_all(ConfigRequest::LLRP_CONFIGURATION_STATE_VALUE);
    let Message::GetReaderConfigResponse(answer) = client.ask(asked).await else { panic!() };
    answer.llrp_configuration_state_value.unwrap().llrp_configuration_state_value
}

#[tokio::test]
async fn a_ro_spec_goes_through_its_states_and_each_wrong_step_is_refused() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    let first = state_value(&mut client).await;
    assert_eq!(client.code(StartROSpec { ro_spec_id: 7 }).await, StatusCode::M_FIELD_ERROR, "not there");
    client.done(DeleteROSpec { ro_spec_id: 0 }).await;
    assert_eq!(state_value(&mut client).await, first, "nothing was deleted");
    client.done(AddROSpec { ro_spec: ro_spec(7) }).await;
    let added = state_value(&mut client).await;
    assert_ne!(added, first);
    assert_eq!(client.code(AddROSpec { ro_spec: ro_spec(7) }).await, StatusCode::M_PARAMETER_ERROR);
    assert_eq!(client.code(AddROSpec { ro_spec: ro_spec(8) }).await, StatusCode::M_OVERFLOW_PARAMETER);
    assert_eq!(client.code(StartROSpec { ro_spec_id: 7 }).await, StatusCode::M_FIELD_ERROR, "disabled");
    assert_eq!(client.code(StopROSpec { ro_spec_id: 7 }).await, StatusCode::M_FIELD_ERROR, "disabled");
    assert_eq!(states(&mut client).await, [(7, ROSpecState::DISABLED)]);
    client.done(EnableROSpec { ro_spec_id: 0 }).await;
    assert_eq!(states(&mut client).await, [(7, ROSpecState::INACTIVE)]);
    assert_eq!(client.code(StartROSpec { ro_spec_id: 0 }).await, StatusCode::M_FIELD_ERROR, "0 is none");
    client.done(StartROSpec { ro_spec_id: 7 }).await;
    assert_eq!(states(&mut client).await, [(7, ROSpecState::ACTIVE)]);
    assert_eq!(client.code(StartROSpec { ro_spec_id: 7 }).await, StatusCode::M_FIELD_ERROR, "active");
    client.done(StopROSpec { ro_spec_id: 7 }).await;
    assert_eq!(states(&mut client).await, [(7, ROSpecState::INACTIVE)]);
    client.done(DisableROSpec { ro_spec_id: 7 }).await;
    assert_eq!(states(&mut client).await, [(7, ROSpecState::DISABLED)]);
    assert_eq!(state_value(&mut client).await, added, "states do not change it");
    client.done(DeleteROSpec { ro_spec_id: 7 }).await;
    assert_eq!(states(&mut client).await, []);
    assert_eq!(client.code(DeleteROSpec { ro_spec_id: 7 }).await, StatusCode::M_FIELD_ERROR);
    reader.shutdown().await;
}

#[tokio::test]
async fn start_report_end_of_ai_spec_and_end_come_in_their_order() {
    let reader = reader(Profile::R420, &one_tag()).await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::RO_SPEC, EventType::AI_SPEC_WITH_DETAILS]).await;
    let mut spec = ro_spec(7);
    spec.ro_report_spec = Some(report_spec(ROReportTrigger::TAGS_OR_AI_SPEC, 0));
    let AISpec { .. } = ai_spec();
    let mut ai = ai_spec();
    ai.ai_spec_stop_trigger.ai_spec_stop_trigger_type = AISpecStopTriggerType::DURATION;
    ai.ai_spec_stop_trigger.duration_trigger = 200;
    spec.specs = vec![ai.into()];
    client.run(spec).await;
    let start = client.next().await.unwrap();
    let Message::ReaderEventNotification(start) = start else { panic!("{start:?}") };
    assert_eq!(start.data.ro_spec_event.unwrap().event_type, ROSpecEventType::START);
    let report = client.next().await.unwrap();
    let Message::ROAccessReport(report) = report else { panic!("{report:?}") };
    assert_eq!(report.tag_report_data.len(), 1, "sightings were gathered");
    let end = client.event().await.ai_spec_event.unwrap();
    assert_eq!((end.ro_spec_id, end.spec_index), (7, 1));
    assert!(end.singulation_details.is_some());
    assert_eq!(client.event().await.ro_spec_event.unwrap().event_type, ROSpecEventType::END);
    assert_eq!(states(&mut client).await, [(7, ROSpecState::INACTIVE)]);
    reader.shutdown().await;
}

#[tokio::test]
async fn an_immediate_ro_spec_that_ends_begins_again() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::RO_SPEC]).await;
    let mut spec = ro_spec(7);
    spec.ro_boundary_spec = boundary(ROSpecStartTriggerType::IMMEDIATE, ROSpecStopTriggerType::DURATION, 60);
    client.run(spec).await;
    for expected in [ROSpecEventType::START, ROSpecEventType::END, ROSpecEventType::START] {
        assert_eq!(client.event().await.ro_spec_event.unwrap().event_type, expected);
    }
    client.done(DisableROSpec { ro_spec_id: 7 }).await;
    assert_eq!(states(&mut client).await, [(7, ROSpecState::DISABLED)]);
    reader.shutdown().await;
}

#[tokio::test]
async fn a_periodic_ro_spec_begins_every_period() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::RO_SPEC]).await;
    let mut spec = ro_spec(7);
    spec.ro_boundary_spec = boundary(ROSpecStartTriggerType::PERIODIC, ROSpecStopTriggerType::DURATION, 40);
    let no_value = client.status(AddROSpec { ro_spec: spec.clone() }).await;
    assert_eq!(no_value.status_code, StatusCode::M_PARAMETER_ERROR);
    spec.ro_boundary_spec.ro_spec_start_trigger.periodic_trigger_value =
        Some(PeriodicTriggerValue { offset: 40, period: 200, utc_timestamp: None });
    client.run(spec).await;
    let mut starts = Vec::new();
    while starts.len() < 3 {
        let event = client.event().await;
        let Timestamp::UTCTimestamp(time) = event.timestamp else { panic!() };
        if event.ro_spec_event.unwrap().event_type == ROSpecEventType::START {
            starts.push(time.microseconds);
        }
    }
    // By the reader's own clock.
    assert_eq!((starts[1] - starts[0], starts[2] - starts[1]), (200_000, 200_000));
    reader.shutdown().await;
}

#[tokio::test]
async fn inputs_begin_and_end_ro_specs_and_are_told_before() {
    let scenario = "[[input]]\npin = 0\nat = \"2s\"\nfor = \"400ms\"\n[scenario]\nrepeat = \"3s\"\n";
    let reader = reader(Profile::R420, scenario).await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::RO_SPEC, EventType::GPI]).await;
    let input = GPIPortCurrentState { gpi_port_num: 1, config: true, state: GPIState::LOW };
    client.done(SetReaderConfig { gpi_port_current_states: vec![input], ..SetReaderConfig::nothing() }).await;
    let mut spec = ro_spec(7);
    let mut boundary = boundary(ROSpecStartTriggerType::GPI, ROSpecStopTriggerType::GPI, 0);
    let level = |gpi_event| Some(GPITriggerValue { gpi_port_num: 1, gpi_event, timeout: 0 });
    boundary.ro_spec_start_trigger.gpi_trigger_value = level(true);
    boundary.ro_spec_stop_trigger.gpi_trigger_value = level(false);
    spec.ro_boundary_spec = boundary;
    client.run(spec).await;
    // The scenario may be at any place.
    let high = loop {
        if let Some(event) = client.event().await.gpi_event
            && event.gpi_event
        {
            break event;
        }
    };
    assert_eq!(high.gpi_port_number, 1);
    assert_eq!(client.event().await.ro_spec_event.unwrap().event_type, ROSpecEventType::START);
    assert!(!client.event().await.gpi_event.unwrap().gpi_event);
    assert_eq!(client.event().await.ro_spec_event.unwrap().event_type, ROSpecEventType::END);
    reader.shutdown().await;
}

#[tokio::test]
async fn a_higher_priority_preempts_and_a_lower_one_waits() {
    let reader = reader(Profile::AlrF800, "").await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::RO_SPEC]).await;
    let with_priority = |id, priority| ROSpec { priority, ..ro_spec(id) };
    client.run(with_priority(1, 3)).await;
    client.done(AddROSpec { ro_spec: with_priority(2, 5) }).await;
    client.done(EnableROSpec { ro_spec_id: 2 }).await;
    assert_eq!(client.code(StartROSpec { ro_spec_id: 2 }).await, StatusCode::M_FIELD_ERROR);
    client.run(with_priority(3, 0)).await;
    let events = [client.event().await, client.event().await, client.event().await];
    let events = events.map(|event| event.ro_spec_event.unwrap());
    assert_eq!(events[0].event_type, ROSpecEventType::START);
    assert_eq!((events[1].event_type, events[1].ro_spec_id), (ROSpecEventType::PREEMPTION, 1));
    assert_eq!(events[1].preempting_ro_spec_id, 3);
    assert_eq!((events[2].event_type, events[2].ro_spec_id), (ROSpecEventType::START, 3));
    let status = client.status(AddROSpec { ro_spec: with_priority(4, 8) }).await;
    assert_eq!(status.parameter_error.unwrap().field_error.unwrap().field_num, 2);
    reader.shutdown().await;
}

#[tokio::test]
async fn tag_observation_triggers_end_an_ai_spec() {
    let tags = "[[tag]]\nepc = \"300000000000000000000001\"\n[[tag]]\nepc = \"300000000000000000000002\"\n";
    let reader = reader(Profile::AlrF800, tags).await;
    let mut client = Client::connect(&reader).await;
    client.version = Version::V1_1;
    client.done(SetProtocolVersion { protocol_version: 2 }).await;
    client.want(&[EventType::RO_SPEC]).await;
    use TagObservationTriggerType as Type;
    for (id, trigger_type) in
        [(1, Type::OBSERVATIONS), (2, Type::ATTEMPTS), (3, Type::UNIQUE_TAGS), (4, Type::NO_UNIQUE_TAG)]
    {
        let mut spec = ro_spec(id);
        let mut ai = ai_spec();
        ai.ai_spec_stop_trigger.ai_spec_stop_trigger_type = AISpecStopTriggerType::TAG_OBSERVATION;
        let trigger = TagObservationTrigger {
            trigger_type,
            number_of_tags: 2,
            number_of_attempts: 3,
            t: 300,
            timeout: 20_000,
        };
        ai.ai_spec_stop_trigger.tag_observation_trigger = Some(trigger);
        spec.specs = vec![ai.into()];
        client.run(spec).await;
        let events = [client.event().await, client.event().await];
        let times = events.map(|event| {
            let Timestamp::UTCTimestamp(time) = event.timestamp else { panic!() };
            (event.ro_spec_event.unwrap().event_type, time.microseconds)
        });
        assert_eq!([times[0].0, times[1].0], [ROSpecEventType::START, ROSpecEventType::END]);
        assert!(times[1].1 - times[0].1 < 10_000_000, "{trigger_type} did not end it");
        client.done(DeleteROSpec { ro_spec_id: id }).await;
    }
    reader.shutdown().await;
}

#[tokio::test]
async fn a_loop_ends_after_its_passes() {
    let reader = reader(Profile::AlrF800, "").await;
    let mut client = Client::connect(&reader).await;
    client.version = Version::V1_1;
    client.done(SetProtocolVersion { protocol_version: 2 }).await;
    client.want(&[EventType::RO_SPEC, EventType::SPEC_LOOP]).await;
    let mut spec = ro_spec(7);
    let mut ai = ai_spec();
    ai.ai_spec_stop_trigger.ai_spec_stop_trigger_type = AISpecStopTriggerType::DURATION;
    ai.ai_spec_stop_trigger.duration_trigger = 40;
    let alone = ROSpec { specs: vec![LoopSpec { loop_count: 0 }.into()], ..spec.clone() };
    assert!(!client.status(AddROSpec { ro_spec: alone }).await.is_success());
    spec.specs = vec![ai.into(), LoopSpec { loop_count: 2 }.into()];
    client.run(spec).await;
    assert!(client.event().await.ro_spec_event.is_some());
    assert_eq!(client.event().await.spec_loop_event.unwrap().loop_count, 1);
    assert_eq!(client.event().await.spec_loop_event.unwrap().loop_count, 2);
    assert_eq!(client.event().await.ro_spec_event.unwrap().event_type, ROSpecEventType::END);
    reader.shutdown().await;
}

#[tokio::test]
async fn reports_hold_what_was_selected_and_nothing_else() {
    let reader = reader(Profile::R420, &one_tag()).await;
    let mut client = Client::connect(&reader).await;
    let mut spec = ro_spec(7);
    spec.ro_report_spec.as_mut().unwrap().content = TagReportContentSelector {
        enable_ro_spec_id: true,
        enable_spec_index: true,
        enable_inventory_parameter_spec_id: true,
        enable_antenna_id: true,
        enable_channel_index: true,
        enable_peak_rssi: true,
        enable_first_seen_timestamp: true,
        enable_last_seen_timestamp: true,
        enable_tag_seen_count: true,
        enable_access_spec_id: true,
        epc_memory_selectors: vec![C1G2EPCMemorySelector {
            enable_crc: true,
            enable_pc_bits: true,
            enable_xpc_bits: false,
        }],
        customs: Vec::new(),
    };
    client.run(spec).await;
    let all = client.report().await.remove(0);
    assert_eq!(epc_of(&all), EPC);
    assert_eq!(all.ro_spec_id.unwrap().ro_spec_id, 7);
    assert_eq!(all.spec_index.unwrap().spec_index, 1);
    assert_eq!(all.inventory_parameter_spec_id.unwrap().inventory_parameter_spec_id, 3);
    assert_eq!(all.antenna_id.unwrap().antenna_id, 1);
    assert_eq!(all.peak_rssi.unwrap().peak_rssi, -55);
    assert!((1..=50).contains(&all.channel_index.unwrap().channel_index));
    assert!(all.first_seen_timestamp_utc.is_some() && all.first_seen_timestamp_uptime.is_none());
    assert!(all.last_seen_timestamp_utc.is_some() && all.last_seen_timestamp_uptime.is_none());
    assert_eq!(all.tag_seen_count.unwrap().tag_count, 1);
    assert_eq!(all.access_spec_id.unwrap().access_spec_id, 0, "none");
    assert_eq!(all.air_protocol_data[0], AirProtocolTagData::C1G2PC(C1G2PC { pc_bits: 0x3000 }));
    assert_eq!(all.air_protocol_data.len(), 2);
    client.done(DeleteROSpec { ro_spec_id: 7 }).await;
    let mut bare = ro_spec(8);
    bare.ro_report_spec.as_mut().unwrap().content = TagReportContentSelector::none();
    client.run(bare).await;
    let none = loop {
        let data = client.report().await.remove(0);
        // One of the first may still have been under way.
        if data.ro_spec_id.is_none() {
            break data;
        }
    };
    assert!(none.antenna_id.is_none() && none.first_seen_timestamp_utc.is_none());
    assert!(none.tag_seen_count.is_none() && none.air_protocol_data.is_empty());
    reader.shutdown().await;
}

#[tokio::test]
async fn reports_are_polled_counted_and_gathered() {
    let tags = "[[tag]]\nepc = \"300000000000000000000001\"\nreads_per_second = 50\n\
                [[tag]]\nepc = \"3000000000000002\"\nantenna = 2\nreads_per_second = 50\n";
    let reader = reader(Profile::R420, tags).await;
    let mut client = Client::connect(&reader).await;
    let mut spec = ro_spec(1);
    let mut report = report_spec(ROReportTrigger::NONE, 0);
    report.content.enable_tag_seen_count = true;
    spec.ro_report_spec = Some(report);
    client.run(spec).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let id = client.send(GetReport {}).await;
    let (header, message) = client.next_with_header().await.unwrap();
    assert_ne!(header.id, id, "a report is no answer");
    let Message::ROAccessReport(report) = message else { panic!("{message:?}") };
    let mut tags: Vec<(String, u16, u16)> = report
        .tag_report_data
        .iter()
        .map(|tag| {
            (
                epc_of(tag),
                tag.antenna_id.clone().unwrap().antenna_id,
                tag.tag_seen_count.clone().unwrap().tag_count,
            )
        })
        .collect();
    tags.sort();
    assert_eq!((tags[0].0.as_str(), tags[0].1), ("300000000000000000000001", 1));
    assert_eq!((tags[1].0.as_str(), tags[1].1), ("3000000000000002", 2));
    assert!(tags.iter().all(|tag| tag.2 > 1), "{tags:?}");
    client.done(DeleteROSpec { ro_spec_id: 1 }).await;
    client.send(GetReport {}).await;
    let empty = client.next().await.unwrap();
    assert!(
        matches!(&empty, Message::ROAccessReport(report) if report.tag_report_data.is_empty()),
        "{empty:?}"
    );

    let mut spec = ro_spec(2);
    spec.ro_report_spec = Some(report_spec(ROReportTrigger::TAGS_OR_RO_SPEC, 2));
    client.run(spec).await;
    assert_eq!(client.report().await.len(), 2);
    reader.shutdown().await;
}

#[tokio::test]
async fn filters_and_antennas_leave_tags_out() {
    let tags = "[[tag]]\nepc = \"300000000000000000000001\"\n[[tag]]\nepc = \"310000000000000000000002\"\n\
                [[tag]]\nepc = \"320000000000000000000003\"\nantenna = 2\n";
    let reader = reader(Profile::R420, tags).await;
    let mut client = Client::connect(&reader).await;
    let mut spec = ro_spec(7);
    let mut ai = ai_spec();
    ai.antenna_ids = vec![1];
    let filter = C1G2Filter {
        t: Truncation::DO_NOT_TRUNCATE,
        mask: C1G2TagInventoryMask { mb: MemoryBank::EPC, pointer: 32, tag_mask: Bits::whole(&[0x31]) },
        state_aware_action: None,
        state_unaware_action: None,
    };
    ai.inventory_parameter_specs[0].antenna_configurations = vec![AntennaConfiguration {
        antenna_id: 0,
        rf_receiver: None,
        rf_transmitter: None,
        inventory_commands: vec![C1G2InventoryCommand {
            tag_inventory_state_aware: false,
            filters: vec![filter],
            rf_control: None,
            singulation_control: None,
            customs: Vec::new(),
        }],
        customs: Vec::new(),
    }];
    spec.specs = vec![ai.into()];
    client.run(spec).await;
    for _ in 0..10 {
        assert_eq!(epc_of(&client.report().await[0]), "310000000000000000000002");
    }
    client.done(DeleteROSpec { ro_spec_id: 7 }).await;
    let mut ai = ai_spec();
    ai.antenna_ids = vec![2];
    client.run(ROSpec { specs: vec![ai.into()], ..ro_spec(8) }).await;
    loop {
        let epc = epc_of(&client.report().await[0]);
        if epc == "320000000000000000000003" {
            break;
        }
        assert_eq!(epc, "310000000000000000000002", "of the one before");
    }
    let wrong = ROSpec { specs: vec![AISpec { antenna_ids: vec![5], ..ai_spec() }.into()], ..ro_spec(9) };
    client.done(DeleteROSpec { ro_spec_id: 0 }).await;
    let status = client.status(AddROSpec { ro_spec: wrong }).await;
    assert_eq!(status.parameter_error.unwrap().parameter_error.unwrap().parameter_type, 183);
    reader.shutdown().await;
}

#[tokio::test]
async fn an_antenna_that_is_lost_and_found_is_told_and_hears_nothing_between() {
    let scenario = format!("{}[[outage]]\nantenna = 1\nat = \"1s\"\nfor = \"500ms\"\n", one_tag());
    let reader = reader(Profile::R420, &scenario).await;
    let mut client = Client::connect(&reader).await;
    client.want(&[EventType::ANTENNA]).await;
    client.run(ro_spec(7)).await;
    client.report().await;
    let lost = client.event().await.antenna_event.unwrap();
    assert_eq!((lost.event_type, lost.antenna_id), (AntennaEventType::DISCONNECTED, 1));
    let next = client.next().await.unwrap();
    let Message::ReaderEventNotification(found) = next else { panic!("{next:?}") };
    assert_eq!(found.data.antenna_event.unwrap().event_type, AntennaEventType::CONNECTED);
    client.report().await;
    reader.shutdown().await;
}

#[tokio::test]
async fn impinj_members_come_when_they_are_asked_for() {
    let reader = reader(Profile::R420, &one_tag()).await;
    let mut client = Client::connect(&reader).await;
    client.ask(impinj::enable_extensions()).await;
    let enabled = [
        impinj::EnableRFPhaseAngle { mode: 1 }.to_custom().unwrap(),
        impinj::EnablePeakRSSI { mode: 1 }.to_custom().unwrap(),
        impinj::EnableRFDopplerFrequency { mode: 0 }.to_custom().unwrap(),
    ];
    let selector = impinj::TagReportContentSelector { customs: enabled.to_vec() }.to_custom().unwrap();
    let mut spec = ro_spec(7);
    spec.ro_report_spec.as_mut().unwrap().customs.push(selector);
    client.run(spec).await;
    let tag = client.report().await.remove(0);
    let rssi = impinj::find(&tag.customs, impinj::PeakRSSI::from_custom).unwrap();
    assert_eq!(rssi, Some(impinj::PeakRSSI { rssi: -5_500 }));
    assert!(impinj::find(&tag.customs, impinj::RFPhaseAngle::from_custom).unwrap().is_some());
    assert_eq!(tag.customs.len(), 2);
    reader.shutdown().await;
}

#[tokio::test]
async fn what_this_reader_has_no_radio_for_is_refused() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    let survey = RFSurveySpec {
        antenna_id: 1,
        start_frequency: 902_750,
        end_frequency: 927_250,
        rf_survey_spec_stop_trigger: RFSurveySpecStopTrigger {
            stop_trigger_type: RFSurveySpecStopTriggerType::DURATION,
            duration: 100,
            n: 0,
        },
        customs: Vec::new(),
    };
    let status =
        client.status(AddROSpec { ro_spec: ROSpec { specs: vec![survey.into()], ..ro_spec(1) } }).await;
    let error = status.parameter_error.unwrap().parameter_error.unwrap();
    assert_eq!((error.parameter_type, error.error_code), (187, StatusCode::P_UNSUPPORTED_PARAMETER));
    reader.shutdown().await;
}
