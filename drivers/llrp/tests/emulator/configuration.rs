//! Capabilities and configuration, and everything that is refused about them.

use rfid_driver_llrp::emulator::Profile;
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Message, Version, impinj};

use crate::client::{Client, reader, ro_spec};

fn capabilities(requested_data: CapabilitiesRequest) -> GetReaderCapabilities {
    GetReaderCapabilities { requested_data, customs: Vec::new() }
}

async fn config(
    client: &mut Client,
    requested_data: ConfigRequest,
    antenna_id: u16,
) -> GetReaderConfigResponse {
    let asked =
        GetReaderConfig { antenna_id, requested_data, gpi_port_num: 0, gpo_port_num: 0, customs: Vec::new() };
    match client.ask(asked).await {
        Message::GetReaderConfigResponse(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_model_tells_what_the_paper_knows_of_it() {
    for (profile, manufacturer, model, powers) in [
        (Profile::R420, 25_882, 2_001_002, 81),
        (Profile::Fx9600, 161, 96_008, 201),
        (Profile::AlrF800, 17_996, 800, 31),
    ] {
        let reader = reader(profile, "").await;
        let mut client = Client::connect(&reader).await;
        let Message::GetReaderCapabilitiesResponse(all) =
            client.ask(capabilities(CapabilitiesRequest::ALL)).await
        else {
            panic!()
        };
        let general = all.general.unwrap();
        assert_eq!((general.device_manufacturer_name, general.model_name), (manufacturer, model));
        let band = all.regulatory_capabilities.unwrap().uhf_band_capabilities.unwrap();
        assert_eq!(band.transmit_powers.len(), powers);
        let information = &band.frequency_information;
        assert_eq!(information.hopping, information.fixed_frequency_table.is_none());
        assert!(all.llrp_capabilities.is_some() && all.c1g2_llrp_capabilities.is_some());
        let Message::GetReaderCapabilitiesResponse(one) =
            client.ask(capabilities(CapabilitiesRequest::LLRP)).await
        else {
            panic!()
        };
        assert!(one.general.is_none() && one.llrp_capabilities.is_some());
        reader.shutdown().await;
    }
}

#[tokio::test]
async fn what_the_conformance_tests_get_wrong_on_purpose_is_refused() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    let status = client.status(capabilities(CapabilitiesRequest(5))).await;
    assert_eq!(status.status_code, StatusCode::M_FIELD_ERROR);
    assert_eq!(status.field_error, Some(FieldError { field_num: 1, error_code: StatusCode::A_INVALID }));

    let unknown = Custom { vendor_id: 1, subtype: 2, data: vec![3] };
    let asked = GetReaderCapabilities { requested_data: CapabilitiesRequest::ALL, customs: vec![unknown] };
    let Message::GetReaderCapabilitiesResponse(answer) = client.ask(asked).await else { panic!() };
    assert_eq!(answer.status.status_code, StatusCode::M_UNSUPPORTED_PARAMETER);
    assert!(answer.general.is_none(), "and no data");

    let keepalive_spec =
        Some(KeepaliveSpec { keepalive_trigger_type: KeepaliveTriggerType(2), periodic_trigger_value: 1 });
    let status = client.status(SetReaderConfig { keepalive_spec, ..SetReaderConfig::nothing() }).await;
    assert_eq!(status.parameter_error.unwrap().parameter_type, 220);

    let custom = CustomMessage { vendor_id: 1, subtype: 2, data: Vec::new() };
    let answer = client.ask(custom).await;
    assert!(matches!(answer, Message::ErrorMessage(_)));

    // Bytes that the codec does not make: the body, and what is wrong with it.
    for (body, code, culprit) in [
        (&[][..], StatusCode::M_FIELD_ERROR, None),
        // A state value, which cannot be set.
        (&[0, 0x00, 0xD9, 0, 8, 0, 0, 0, 1], StatusCode::M_UNEXPECTED_PARAMETER, Some(217)),
        // Two KeepaliveSpecs.
        (
            &[0, 0x00, 0xDC, 0, 9, 0, 0, 0, 0, 0, 0x00, 0xDC, 0, 9, 0, 0, 0, 0, 0],
            StatusCode::M_DUPLICATE_PARAMETER,
            Some(220),
        ),
        // Parameter 1000.
        (&[0, 0x03, 0xE8, 0, 4], StatusCode::M_UNKNOWN_PARAMETER, Some(1000)),
        // A reserved bit.
        (&[0x01], StatusCode::M_FIELD_ERROR, None),
        // EventsAndReports in front of the KeepaliveSpec.
        (
            &[0, 0x00, 0xE2, 0, 5, 0, 0x00, 0xDC, 0, 9, 0, 0, 0, 0, 0],
            StatusCode::M_UNEXPECTED_PARAMETER,
            Some(220),
        ),
    ] {
        let message = Message::Unknown { number: SetReaderConfig::NUMBER, body: body.to_vec() };
        client.send(message).await;
        let answer = client.next().await.unwrap();
        let Message::SetReaderConfigResponse(SetReaderConfigResponse { status }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(status.status_code, code, "{status}");
        assert_eq!(status.parameter_error.map(|error| error.parameter_type), culprit);
    }

    // Message 1000, and one that only readers send.
    for (number, body) in [(1000, Vec::new()), (Keepalive::NUMBER, Vec::new())] {
        client.send(Message::Unknown { number, body }).await;
        let answer = client.next().await.unwrap();
        assert!(matches!(answer, Message::ErrorMessage(_)), "{answer:?}");
        assert_eq!(answer.status().unwrap().status_code, StatusCode::M_UNSUPPORTED_MESSAGE);
    }

    let mut spec = ro_spec(1);
    spec.current_state = ROSpecState::INACTIVE;
    let status = client.status(AddROSpec { ro_spec: spec }).await;
    assert_eq!(status.parameter_error.unwrap().parameter_type, 177);
    client.done(GetROSpecs {}).await;
    reader.shutdown().await;
}

#[tokio::test]
async fn every_section_of_the_configuration_is_told() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    let all = config(&mut client, ConfigRequest::ALL, 0).await;
    assert!(all.identification.is_some() && all.ro_report_spec.is_some() && all.keepalive_spec.is_some());
    assert!(all.reader_event_notification_spec.is_some() && all.access_report_spec.is_some());
    assert!(all.llrp_configuration_state_value.is_some() && all.events_and_reports.is_some());
    assert_eq!((all.antenna_properties.len(), all.antenna_configurations.len()), (4, 4));
    assert_eq!((all.gpi_port_current_states.len(), all.gpo_write_data.len()), (4, 4));
    let one = config(&mut client, ConfigRequest::ANTENNA_PROPERTIES, 2).await;
    assert_eq!(one.antenna_properties.len(), 1);
    assert!(one.identification.is_none() && one.antenna_configurations.is_empty());
    let none = config(&mut client, ConfigRequest::ANTENNA_PROPERTIES, 5).await;
    assert_eq!(none.status.field_error.unwrap().error_code, StatusCode::A_OUT_OF_RANGE);
    let none = config(&mut client, ConfigRequest(12), 0).await;
    assert!(!none.status.is_success());
    reader.shutdown().await;
}

#[tokio::test]
async fn what_is_set_is_kept_and_nothing_is_where_any_of_it_is_wrong() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    let before = config(&mut client, ConfigRequest::ALL, 0).await;
    let mut antenna = before.antenna_configurations[1].clone();
    antenna.rf_transmitter.as_mut().unwrap().transmit_power = 40;
    let output = |gpo_port_number| GPOWriteData { gpo_port_number, gpo_data: true };
    let request = |outputs: &[u16]| SetReaderConfig {
        antenna_configurations: vec![antenna.clone()],
        gpo_write_data: outputs.iter().copied().map(output).collect(),
        ..SetReaderConfig::nothing()
    };
    let status = client.status(request(&[1, 5])).await;
    assert_eq!(status.parameter_error.unwrap().parameter_type, 219);
    assert_eq!(config(&mut client, ConfigRequest::ALL, 0).await, before);
    client.done(request(&[1, 3])).await;
    let after = config(&mut client, ConfigRequest::ALL, 0).await;
    let power = |config: &GetReaderConfigResponse, at: usize| {
        config.antenna_configurations[at].rf_transmitter.clone().unwrap().transmit_power
    };
    assert_eq!((power(&after, 1), power(&after, 0)), (40, 81));
    assert_ne!(after.llrp_configuration_state_value, before.llrp_configuration_state_value);
    assert_eq!(reader.outputs(), [true, false, true, false]);
    client.done(SetReaderConfig { reset_to_factory_default: true, ..SetReaderConfig::nothing() }).await;
    assert_eq!(reader.outputs(), [false; 4]);
    reader.shutdown().await;
}

#[tokio::test]
async fn what_an_antenna_cannot_do_is_refused_with_the_way_down_to_it() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    let right = config(&mut client, ConfigRequest::ANTENNA_CONFIGURATION, 1).await;
    let right = &right.antenna_configurations[0];
    type Spoil = fn(&mut AntennaConfiguration);
    let cases: [(Spoil, &[u16], u16); 7] = [
        (|antenna| antenna.antenna_id = 5, &[222], 1),
        (|antenna| antenna.rf_receiver.as_mut().unwrap().receiver_sensitivity = 43, &[222, 223], 1),
        (|antenna| antenna.rf_transmitter.as_mut().unwrap().hop_table_id = 2, &[222, 224], 1),
        (|antenna| antenna.rf_transmitter.as_mut().unwrap().transmit_power = 82, &[222, 224], 3),
        (|antenna| antenna.inventory_commands[0].tag_inventory_state_aware = true, &[222, 330], 1),
        (
            |antenna| antenna.inventory_commands[0].rf_control.as_mut().unwrap().mode_index = 5,
            &[222, 330, 335],
            1,
        ),
        (
            |antenna| {
                antenna.inventory_commands[0].filters = vec![C1G2Filter {
                    t: Truncation(3),
                    mask: C1G2TagInventoryMask {
                        mb: MemoryBank::EPC,
                        pointer: 32,
                        tag_mask: Default::default(),
                    },
                    state_aware_action: None,
                    state_unaware_action: None,
                }];
            },
            &[222, 330, 331],
            1,
        ),
    ];
    for (spoil, path, field) in cases {
        let mut antenna = right.clone();
        spoil(&mut antenna);
        let status = client
            .status(SetReaderConfig { antenna_configurations: vec![antenna], ..SetReaderConfig::nothing() })
            .await;
        assert_eq!(status.status_code, StatusCode::M_PARAMETER_ERROR);
        let mut found = Vec::new();
        let (mut next, mut last) = (status.parameter_error, None);
        while let Some(error) = next {
            found.push(error.parameter_type);
            last = error.field_error;
            next = error.parameter_error;
        }
        assert_eq!((found.as_slice(), last.map(|error| error.field_num)), (path, Some(field)));
    }
    reader.shutdown().await;
}

#[tokio::test]
async fn vendor_parameters_are_taken_after_the_handshake_and_in_their_place() {
    let reader = reader(Profile::R420, "").await;
    let mut client = Client::connect(&reader).await;
    let monitor = impinj::LinkMonitor { mode: 1, missed_keepalives: 2 }.to_custom().unwrap();
    let search = impinj::InventorySearchMode { mode: 1 }.to_custom().unwrap();
    let set =
        |custom: &Custom| SetReaderConfig { customs: vec![custom.clone()], ..SetReaderConfig::nothing() };
    assert_eq!(client.code(set(&monitor)).await, StatusCode::M_UNSUPPORTED_PARAMETER);
    let answer = client.ask(impinj::enable_extensions()).await;
    let Message::CustomMessage(answer) = answer else { panic!("{answer:?}") };
    assert!(impinj::extensions_status(&answer).unwrap().unwrap().is_success());
    client.done(set(&monitor)).await;
    // It stands in a C1G2InventoryCommand only.
    assert_eq!(client.code(set(&search)).await, StatusCode::M_UNSUPPORTED_PARAMETER);
    client.done(CloseConnection {}).await;
    let mut client = Client::connect(&reader).await;
    assert_eq!(client.code(set(&monitor)).await, StatusCode::M_UNSUPPORTED_PARAMETER, "for one connection");
    reader.shutdown().await;
}

#[tokio::test]
async fn another_maker_does_not_know_the_handshake() {
    let reader = reader(Profile::Fx9600, "").await;
    let mut client = Client::connect(&reader).await;
    let answer = client.ask(impinj::enable_extensions()).await;
    assert_eq!(answer.status().unwrap().status_code, StatusCode::M_UNSUPPORTED_MESSAGE);
    reader.shutdown().await;
}

#[tokio::test]
async fn what_the_agreed_version_does_not_have_is_refused() {
    let reader = reader(Profile::AlrF800, "").await;
    let mut client = Client::connect(&reader).await;
    // A ROReportSpec that reports by time.
    let body = vec![0, 0x00, 0xED, 0, 13, 4, 0, 1, 0x00, 0xEE, 0, 6, 0, 0];
    let message = Message::Unknown { number: SetReaderConfig::NUMBER, body };
    client.send(message.clone()).await;
    assert!(!client.next().await.unwrap().status().unwrap().is_success());
    client.version = Version::V1_1;
    client.done(SetProtocolVersion { protocol_version: 2 }).await;
    client.send(message).await;
    let status = client.next().await.unwrap().status().unwrap().clone();
    assert!(status.is_success(), "{status}");
    reader.shutdown().await;
}
