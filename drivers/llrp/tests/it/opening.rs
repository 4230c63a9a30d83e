//! Greeting, version, capabilities, and what is left over on the reader.

use std::time::Duration;

use rfid_core::{AirProtocol, ErrorKind, Retry};
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Message, Version, impinj};

use crate::peer::{
    Answer, Peer, as_usual, begun, capabilities, event, greeting, refusal, session, session_greeted,
};

#[tokio::test(start_paused = true)]
async fn a_reader_is_found_out_about_cleared_set_up_and_left_clean() {
    let (mut session, peer) = session("", as_usual);
    let info = session.open().await.unwrap();
    assert_eq!((info.model.as_str(), info.firmware.as_str()), ("Zebra FX9600", "3.32.37"));
    assert_eq!(info.serial.as_deref(), Some("001625FFFE102030"));
    assert_eq!((info.protocols, info.antenna_ports), (vec![AirProtocol::Gen2], vec![1, 2]));
    session.start().await.unwrap();
    session.stop().await.unwrap();
    session.close().await.unwrap();
    let all = [
        "GetReaderCapabilities",
        "DeleteAccessSpec",
        "DeleteROSpec",
        "GetReaderConfig",
        "GetReaderConfig",
        "SetReaderConfig",
        "AddROSpec",
        "EnableROSpec",
        "StartROSpec",
        "EnableEventsAndReports",
        "DisableROSpec",
        "DeleteROSpec",
        "SetReaderConfig",
        "CloseConnection",
    ];
    assert_eq!(peer.names(), all);
    let heard = peer.heard();
    let Message::DeleteROSpec(first) = &heard[2] else { panic!() };
    let Message::DeleteROSpec(last) = &heard[11] else { panic!() };
    let ours = peer.ro_specs()[0].ro_spec_id;
    assert_eq!((first.ro_spec_id, last.ro_spec_id), (0, ours));
    let Message::SetReaderConfig(config) = &heard[5] else { panic!() };
    assert_eq!(config.keepalive_spec.as_ref().unwrap().periodic_trigger_value, 5000);
    assert!(config.events_and_reports.is_some(), "this reader can hold reports");
    let events = &config.reader_event_notification_spec.as_ref().unwrap().states;
    let events: Vec<u16> = events.iter().map(|state| state.event_type.0).collect();
    assert_eq!(events, [2, 3, 4, 8]);
    let Message::SetReaderConfig(quiet) = &heard[12] else { panic!() };
    assert_eq!(quiet.keepalive_spec.as_ref().unwrap().keepalive_trigger_type, KeepaliveTriggerType::NULL);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_of_a_connection_is_named() {
    for (status, said) in [
        (ConnectionAttemptStatus::CLIENT_INITIATED_EXISTS, "another client is connected"),
        (ConnectionAttemptStatus::READER_INITIATED_EXISTS, "a connection that the reader makes itself"),
        (ConnectionAttemptStatus::FAILED, "does not say why"),
        (ConnectionAttemptStatus(77), "for reason 77"),
    ] {
        let (mut session, peer) = session_greeted("", greeting(status), as_usual);
        let error = session.open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.detail().unwrap().contains(said), "{error}");
        assert_eq!(error.vendor_code(), Some(i64::from(status.0)));
        assert!(matches!(error.retry(), Retry::After(wait) if wait.as_secs() >= 10), "not in a tight loop");
        session.close().await.unwrap();
        assert_eq!(peer.names(), Vec::<&str>::new(), "nothing is sent to it");
        assert_eq!(peer.connections(), 2, "the first may have shown the reader that the other is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn events_in_front_of_the_greeting_are_no_fault_and_silence_is_one() {
    let (mut session, peer) = session_greeted("", event(|_| {}), as_usual);
    let opening = async {
        let error = session.open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.detail().unwrap().contains("does not greet"), "{error}");
        session.close().await.unwrap();
        session.open().await.unwrap();
    };
    let greeting = async {
        while peer.connections() < 2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        peer.say(greeting(ConnectionAttemptStatus::ANOTHER_ATTEMPTED)).await;
        peer.say(greeting(ConnectionAttemptStatus::SUCCESS)).await;
    };
    tokio::join!(opening, greeting);
}

fn of_1_1(message: &Message) -> Answer {
    let status = LLRPStatus::success();
    Answer::Say(vec![match message {
        Message::GetSupportedVersion(_) => {
            GetSupportedVersionResponse { current_version: 1, supported_version: 2, status }.into()
        }
        Message::SetProtocolVersion(_) => SetProtocolVersionResponse { status }.into(),
        _ => return Answer::Usual,
    }])
}

fn versions(peer: &Peer) -> Vec<Version> {
    peer.heard_in()
        .into_iter()
        .filter(|(_, name)| name.starts_with("GetReader"))
        .map(|(version, _)| version)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_1_1_is_spoken_to_in_1_1_when_that_is_asked_for() {
    let (mut session, peer) = session("version = \"1.1\"", of_1_1);
    begun(&mut *session).await;
    session.close().await.unwrap();
    assert_eq!(
        peer.heard_in()[..2],
        [(Version::V1_1, "GetSupportedVersion"), (Version::V1_1, "SetProtocolVersion")]
    );
    assert_eq!(versions(&peer), [Version::V1_1; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_1_0_1_says_so_and_is_spoken_to_in_it() {
    let (mut session, peer) = session("version = \"1.1\"", as_usual);
    begun(&mut *session).await;
    assert_eq!((peer.connections(), versions(&peer)), (1, vec![Version::V1_0_1; 3]));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_when_asked_for_its_version_is_not_asked_again() {
    let (mut session, peer) = session("version = \"1.1\"", |message| match message {
        Message::GetSupportedVersion(_) => Answer::HangUp,
        _ => Answer::Usual,
    });
    begun(&mut *session).await;
    assert_eq!((peer.connections(), versions(&peer)), (2, vec![Version::V1_0_1; 3]));
}

#[tokio::test(start_paused = true)]
async fn what_the_reader_does_not_have_is_refused_with_what_it_has() {
    for (settings, said) in [
        ("mode = 5", "this reader has no mode 5; it has 2, 1002"),
        (
            "search_mode = \"dual_target\"",
            "search_mode and phase are for Impinj readers; this is: Zebra FX9600",
        ),
        ("power_dbm = 5.0", "power_dbm = 5 is below the 10 dBm"),
    ] {
        let (mut session, _) = session(settings, as_usual);
        let error = session.open().await.unwrap_err();
        assert!(error.detail().unwrap().contains(said), "{error}");
        session.close().await.unwrap();
    }
    let (mut session, _) = session("", |message| match message {
        Message::GetReaderCapabilities(_) => {
            let mut answer = capabilities(161, 96_008);
            answer.general.as_mut().unwrap().max_number_of_antenna_supported = 1;
            Answer::Say(vec![answer.into()])
        }
        _ => Answer::Usual,
    });
    let error = session.open().await.unwrap_err();
    assert_eq!(error.detail(), Some("this reader has 1 port; antenna 2 does not exist"));
}

#[tokio::test(start_paused = true)]
async fn power_is_the_nearest_below_with_the_readers_own_channel() {
    let (mut session, peer) = session("power_dbm = 27.0", as_usual);
    begun(&mut *session).await;
    let [spec] = &peer.ro_specs()[..] else { panic!() };
    let Spec::AISpec(reading) = &spec.specs[0] else { panic!() };
    let configurations = &reading.inventory_parameter_specs[0].antenna_configurations;
    let antennas: Vec<u16> = configurations.iter().map(|antenna| antenna.antenna_id).collect();
    assert_eq!((antennas, &reading.antenna_ids), (vec![1, 2], &vec![1, 2]), "both name the same antennas");
    let wanted = RFTransmitter { hop_table_id: 6, channel_index: 5, transmit_power: 9 };
    assert!(configurations.iter().all(|antenna| antenna.rf_transmitter.as_ref() == Some(&wanted)));
}

fn singulation(spec: &ROSpec) -> Option<&C1G2SingulationControl> {
    let Spec::AISpec(reading) = &spec.specs[0] else { panic!() };
    let configurations = &reading.inventory_parameter_specs[0].antenna_configurations;
    configurations.first()?.inventory_commands[0].singulation_control.as_ref()
}

#[tokio::test(start_paused = true)]
async fn the_options_reach_the_reader() {
    let settings = "session = 2\npopulation = 100\nmode = 1002\nreport_every = 5\nkeepalive = \"10s\"";
    let (mut session, peer) = session(settings, as_usual);
    begun(&mut *session).await;
    let [spec] = &peer.ro_specs()[..] else { panic!() };
    let control = singulation(spec).unwrap();
    assert_eq!((control.session, control.tag_population), (2, 100));
    let Spec::AISpec(reading) = &spec.specs[0] else { panic!() };
    let command = &reading.inventory_parameter_specs[0].antenna_configurations[0].inventory_commands[0];
    assert_eq!(command.rf_control, Some(C1G2RFControl { mode_index: 1002, tari: 0 }));
    let reports = spec.ro_report_spec.as_ref().unwrap();
    assert_eq!((reports.n, reports.ro_report_trigger), (5, ROReportTrigger::TAGS_OR_RO_SPEC));
    assert!(reports.content.enable_last_seen_timestamp && !reports.content.enable_first_seen_timestamp);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_refuses_the_usual_gets_the_most_portable_ro_spec() {
    let picky = |message: &Message| match message {
        Message::AddROSpec(add) if singulation(&add.ro_spec).is_some() => {
            let mut status = refusal(StatusCode::M_PARAMETER_ERROR, "no singulation");
            status.parameter_error = Some(Box::new(ParameterError {
                parameter_type: 336,
                error_code: StatusCode::P_UNSUPPORTED_PARAMETER,
                field_error: None,
                parameter_error: None,
            }));
            Answer::Say(vec![AddROSpecResponse { status }.into()])
        }
        _ => Answer::Usual,
    };
    let (mut first, peer) = session("", picky);
    begun(&mut *first).await;
    assert_eq!(
        peer.ro_specs().iter().map(|spec| singulation(spec).is_some()).collect::<Vec<_>>(),
        [true, false]
    );

    // What somebody asked for is not left out in silence.
    let (mut second, peer) = session("session = 2", picky);
    second.open().await.unwrap();
    let error = second.start().await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unsupported, Some(100)));
    let said = "parameter 336 C1G2SingulationControl: P_UnsupportedParameter (209)";
    assert!(error.detail().unwrap().contains(said), "{error}");
    assert_eq!(peer.ro_specs().len(), 1);
    second.close().await.unwrap();
    assert!(peer.names().ends_with(&["DeleteROSpec", "CloseConnection"]), "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn left_over_ro_specs_are_deleted_one_by_one_where_not_all_at_once() {
    let (mut session, peer) = session("", |message| match message {
        Message::DeleteROSpec(delete) if delete.ro_spec_id == 0 => {
            let status = refusal(StatusCode::M_FIELD_ERROR, "");
            Answer::Say(vec![DeleteROSpecResponse { status }.into()])
        }
        Message::GetROSpecs(_) => {
            let spec = |ro_spec_id| ROSpec {
                ro_spec_id,
                priority: 0,
                current_state: ROSpecState::ACTIVE,
                ro_boundary_spec: ROBoundarySpec::null(),
                specs: vec![Custom { vendor_id: 1, subtype: 1, data: vec![] }.into()],
                ro_report_spec: None,
            };
            let ro_specs = vec![spec(14_150), spec(7)];
            Answer::Say(vec![GetROSpecsResponse { status: LLRPStatus::success(), ro_specs }.into()])
        }
        _ => Answer::Usual,
    });
    session.open().await.unwrap();
    let deleted: Vec<u32> = peer
        .heard()
        .iter()
        .filter_map(|message| match message {
            Message::DeleteROSpec(delete) => Some(delete.ro_spec_id),
            _ => None,
        })
        .collect();
    assert_eq!(deleted, [0, 14_150, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_shared_reader_keeps_what_others_set_up() {
    let (mut session, peer) = session("share = true", as_usual);
    begun(&mut *session).await;
    session.close().await.unwrap();
    for message in peer.heard() {
        match message {
            Message::DeleteROSpec(delete) => assert_ne!(delete.ro_spec_id, 0),
            Message::DeleteAccessSpec(delete) => assert_ne!(delete.access_spec_id, 0),
            _ => {}
        }
    }
}

fn speedway(message: &Message) -> Answer {
    Answer::Say(vec![match message {
        Message::GetReaderCapabilities(_) => capabilities(impinj::VENDOR, 2_001_002).into(),
        Message::CustomMessage(custom) if impinj::is_enable_extensions(custom) => {
            impinj::enable_extensions_response(&LLRPStatus::success(), Version::V1_0_1).unwrap().into()
        }
        _ => return Answer::Usual,
    }])
}

#[tokio::test(start_paused = true)]
async fn an_impinj_reader_is_asked_for_its_extensions_in_their_places() {
    let (mut session, peer) = session("search_mode = \"dual_target\"\nphase = true", speedway);
    assert_eq!(session.open().await.unwrap().model, "Impinj Speedway R420");
    session.start().await.unwrap();
    assert_eq!(peer.names()[..2], ["GetReaderCapabilities", "CustomMessage"]);
    let [spec] = &peer.ro_specs()[..] else { panic!() };
    let Spec::AISpec(reading) = &spec.specs[0] else { panic!() };
    let command = &reading.inventory_parameter_specs[0].antenna_configurations[0].inventory_commands[0];
    let mode = impinj::find(&command.customs, impinj::InventorySearchMode::from_custom).unwrap();
    assert_eq!(mode, Some(impinj::InventorySearchMode { mode: 2 }));
    let report = spec.ro_report_spec.as_ref().unwrap();
    let content =
        impinj::find(&report.customs, impinj::TagReportContentSelector::from_custom).unwrap().unwrap();
    let subtypes: Vec<u32> = content.customs.iter().map(|custom| custom.subtype).collect();
    assert_eq!(subtypes, [52, 53]);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_take_them_is_read_without() {
    let (mut session, peer) = session("", |message| match message {
        Message::CustomMessage(_) => Answer::Usual,
        other => speedway(other),
    });
    begun(&mut *session).await;
    assert_eq!(peer.ro_specs()[0].ro_report_spec.as_ref().unwrap().customs, []);
}
