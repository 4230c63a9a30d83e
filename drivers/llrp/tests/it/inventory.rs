//! Reports, signs of life and events, in simulated time.

use std::time::Duration;

use rfid_core::abilities::PinLevel;
use rfid_core::{AirProtocol, ErrorKind, Listening, Retry, UtcTime};
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Message, impinj};
use tokio::time::timeout;

use crate::peer::{Answer, Collected, as_usual, begun, epc, event, read_for, refusal, report, session};

const SECOND: Duration = Duration::from_secs(1);

/// Lets a reader say these after the inventory was started, and reads for a second.
async fn heard(settings: &str, messages: Vec<Message>) -> (Collected, Option<rfid_core::Error>) {
    let (mut session, peer) = session(settings, as_usual);
    begun(&mut *session).await;
    for message in messages {
        peer.say(message).await;
    }
    read_for(&mut *session, SECOND).await
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_reported_with_all_that_the_reader_says_of_it() {
    let said = report(&epc(1), |tag| {
        tag.antenna_id = Some(AntennaID { antenna_id: 2 });
        tag.channel_index = Some(ChannelIndex { channel_index: 2 });
        tag.first_seen_timestamp_utc = Some(FirstSeenTimestampUTC { microseconds: 1_795_000_000_123_456 });
        tag.tag_seen_count = Some(TagSeenCount { tag_count: 3 });
        tag.air_protocol_data = vec![C1G2PC { pc_bits: 0x3000 }.into()];
    });
    let (collected, error) = heard("", vec![said]).await;
    assert!(error.is_none());
    assert_eq!(collected.ids, ["300000000000000000000001"]);
    let read = collected.reads[0];
    assert_eq!((read.antenna_port(), read.rssi_cdbm(), read.count()), (Some(2), Some(-6000), 3));
    assert_eq!((read.frequency_khz(), read.pc()), (Some(903_250), Some(0x3000)));
    assert_eq!(read.protocol(), Some(AirProtocol::Gen2));
    assert_eq!(read.reader_time(), Some(UtcTime::from_nanos(1_795_000_000_123_456_000)));
}

#[tokio::test(start_paused = true)]
async fn what_a_reader_leaves_out_because_it_is_as_before_is_filled_in() {
    let bare = report(&epc(2), |tag| {
        tag.antenna_id = None;
        tag.peak_rssi = None;
    });
    let full = report(&epc(1), |tag| tag.antenna_id = Some(AntennaID { antenna_id: 2 }));
    let (collected, _) = heard("", vec![bare.clone(), full, bare]).await;
    let ports: Vec<_> = collected.reads.iter().map(|read| read.antenna_port()).collect();
    assert_eq!(ports, [None, Some(2), Some(2)]);
    assert_eq!(collected.reads[2].rssi_cdbm(), Some(-6000));
}

#[tokio::test(start_paused = true)]
async fn hundredths_of_a_dbm_and_the_phase_of_an_impinj_reader_are_taken() {
    let said = report(&epc(1), |tag| {
        tag.customs = vec![
            impinj::RFPhaseAngle { angle: 1276 }.to_custom().unwrap(),
            impinj::PeakRSSI { rssi: -6725 }.to_custom().unwrap(),
        ];
    });
    let (collected, _) = heard("", vec![said]).await;
    assert_eq!((collected.reads[0].rssi_cdbm(), collected.reads[0].phase()), (Some(-6725), Some(1276)));
}

#[tokio::test(start_paused = true)]
async fn a_time_since_its_start_is_not_believed_of_a_reader_that_has_a_clock() {
    let said = report(&epc(1), |tag| {
        tag.first_seen_timestamp_uptime = Some(FirstSeenTimestampUptime { microseconds: 5_000_000 });
    });
    let (collected, _) = heard("", vec![said]).await;
    assert_eq!(collected.reads[0].reader_time(), None);
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_none_are_counted_and_long_ones_are_taken() {
    let long = report(&[0x5A; 62], |_| {});
    let (collected, _) = heard("", vec![report(&[], |_| {}), report(&[1; 63], |_| {}), long]).await;
    assert_eq!((collected.ids, collected.lost), (vec!["5A".repeat(62)], 2));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_does_not_fit_the_buffer_is_gone_on_with() {
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    let Message::ROAccessReport(one) = report(&epc(0), |_| {}) else { panic!() };
    let tags = (0..100).map(|number| TagReportData {
        epc: EPC96 { epc: epc(number) }.into(),
        ..one.tag_report_data[0].clone()
    });
    let whole = ROAccessReport { tag_report_data: tags.collect(), ..one.clone() };
    let bytes = [
        Message::from(whole).encode(rfid_llrp::Version::V1_0_1, 1).unwrap(),
        report(&epc(200), |_| {}).encode(rfid_llrp::Version::V1_0_1, 2).unwrap(),
    ]
    .concat();
    for piece in bytes.chunks(7) {
        peer.say_bytes(piece.to_vec()).await;
    }
    let mut collected = Collected::with_room_for(9);
    assert!(timeout(SECOND, session.pump(&mut collected)).await.is_err());
    let mut all: Vec<String> = (0..100).map(|number| format!("3000000000000000000000{number:02X}")).collect();
    all.push("3000000000000000000000C8".to_owned());
    assert_eq!((collected.ids, collected.lost), (all, 0));
}

#[tokio::test(start_paused = true)]
async fn reports_of_a_former_session_are_dropped_and_those_of_this_one_are_not() {
    let (mut session, _) = session("", |message| match message {
        Message::GetReaderCapabilities(_) | Message::SetReaderConfig(_) => {
            Answer::AndThen(vec![report(&epc(1), |_| {})])
        }
        Message::EnableROSpec(_) | Message::StartROSpec(_) => Answer::AndThen(vec![report(&epc(2), |_| {})]),
        _ => Answer::Usual,
    });
    begun(&mut *session).await;
    let (collected, _) = read_for(&mut *session, SECOND).await;
    assert_eq!(collected.ids, ["300000000000000000000002"; 2]);
    session.stop().await.unwrap();
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shared_reader_reports_others_tags_too_and_they_are_passed_over() {
    let of = |ro_spec_id| move |tag: &mut TagReportData| tag.ro_spec_id = Some(ROSpecID { ro_spec_id });
    let (mut session, peer) = session("share = true", as_usual);
    begun(&mut *session).await;
    let ours = peer.ro_specs()[0].ro_spec_id;
    peer.say(report(&epc(1), of(14_150))).await;
    peer.say(report(&epc(2), of(ours))).await;
    let (collected, _) = read_for(&mut *session, SECOND).await;
    assert_eq!(collected.ids, ["300000000000000000000002"]);
}

#[tokio::test(start_paused = true)]
async fn every_sign_of_life_is_acknowledged_with_its_id() {
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    for id in [7, 8] {
        peer.say_bytes(Message::from(Keepalive {}).encode(rfid_llrp::Version::V1_0_1, id).unwrap()).await;
    }
    let (collected, error) = read_for(&mut *session, SECOND).await;
    assert!(error.is_none() && collected.ids.is_empty());
    assert_eq!(peer.names().iter().filter(|name| **name == "KeepaliveAck").count(), 2);
    // Also between a request and its answer.
    peer.say(Keepalive {}).await;
    session.stop().await.unwrap();
    assert_eq!(peer.names().iter().filter(|name| **name == "KeepaliveAck").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_silent_reader_is_taken_for_dead_and_one_without_tags_is_not() {
    // Also one that is asked for what has gathered.
    for settings in ["keepalive = \"2s\"", "keepalive = \"2s\"\nreport_every = 50"] {
        let (mut silent, _) = session(settings, as_usual);
        begun(&mut *silent).await;
        let (_, error) = read_for(&mut *silent, 20 * SECOND).await;
        let error = error.unwrap();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Reconnect));
        assert!(error.detail().unwrap().contains("for 5s"), "{error}");
    }

    let (mut idle, peer) = session("keepalive = \"2s\"", as_usual);
    let info = idle.open().await.unwrap();
    assert!(info.silence_limit > 5 * SECOND, "the session itself notices first");
    idle.start().await.unwrap();
    let living = async {
        for _ in 0..9 {
            tokio::time::sleep(2 * SECOND).await;
            peer.say(Keepalive {}).await;
        }
    };
    let ((_, error), ()) = tokio::join!(read_for(&mut *idle, 20 * SECOND), living);
    assert!(error.is_none());
}

#[tokio::test(start_paused = true)]
async fn empty_reports_and_events_without_content_are_no_fault() {
    let empty = ROAccessReport { tag_report_data: vec![], rf_survey_report_data: vec![], customs: vec![] };
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    peer.say(empty).await;
    peer.say_bytes(vec![0x04, 0x3F, 0, 0, 0, 10, 0, 0, 0, 1]).await;
    peer.say(event(|_| {})).await;
    peer.say(ErrorMessage { status: refusal(StatusCode::M_UNSUPPORTED_MESSAGE, "") }).await;
    peer.say(Message::Unknown { number: 999, body: vec![1] }).await;
    peer.say(report(&epc(1), |_| {})).await;
    let (collected, error) = read_for(&mut *session, SECOND).await;
    assert!(error.is_none());
    assert_eq!(collected.ids.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn octets_that_are_no_messages_end_the_session() {
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    // 4 GiB are announced.
    peer.say_bytes(vec![0x04, 0x3D, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1]).await;
    let (_, error) = read_for(&mut *session, SECOND).await;
    let error = error.unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Protocol, Retry::Reconnect));
    assert!(format!("{error:#}").contains("4294967295 octets"), "{error:#}");
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn antennas_that_come_and_go_are_told() {
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    let antenna = |event_type, antenna_id| {
        event(|data| data.antenna_event = Some(AntennaEvent { event_type, antenna_id }))
    };
    for (event_type, antenna_id) in [
        (AntennaEventType::DISCONNECTED, 2),
        (AntennaEventType::DISCONNECTED, 2),
        // Nobody listens to that one.
        (AntennaEventType::DISCONNECTED, 3),
        (AntennaEventType::DISCONNECTED, 1),
        (AntennaEventType::CONNECTED, 2),
        (AntennaEventType::CONNECTED, 1),
    ] {
        peer.say(antenna(event_type, antenna_id)).await;
        // One at a time, so that each change is seen.
        tokio::task::yield_now().await;
    }
    let (collected, _) = read_for(&mut *session, SECOND).await;
    let last = collected.noticed.last().unwrap().listening.clone();
    assert_eq!(last, Some(Listening::All));

    let (mut session, peer) = crate::peer::session("", as_usual);
    begun(&mut *session).await;
    peer.say(antenna(AntennaEventType::DISCONNECTED, 2)).await;
    let (collected, _) = read_for(&mut *session, SECOND).await;
    assert_eq!(collected.noticed[0].listening, Some(Listening::Ports(vec![1])));
    peer.say(antenna(AntennaEventType::DISCONNECTED, 1)).await;
    let (collected, _) = read_for(&mut *session, SECOND).await;
    assert_eq!(collected.noticed[0].listening, Some(Listening::None));
}

#[tokio::test(start_paused = true)]
async fn inputs_are_told_at_first_and_when_they_change() {
    let (mut session, peer) = session("watch_inputs = true", as_usual);
    begun(&mut *session).await;
    let heard = peer.heard();
    let Some(Message::SetReaderConfig(config)) =
        heard.iter().find(|message| matches!(message, Message::SetReaderConfig(_)))
    else {
        panic!()
    };
    let enabled: Vec<u16> = config.gpi_port_current_states.iter().map(|port| port.gpi_port_num).collect();
    assert_eq!(enabled, [1, 2]);
    let (collected, _) = read_for(&mut *session, SECOND).await;
    let levels =
        |first, second| Some(vec![PinLevel { pin: 1, high: first }, PinLevel { pin: 2, high: second }]);
    assert_eq!(collected.noticed[0].inputs, levels(false, true));
    peer.say(event(|data| data.gpi_event = Some(GPIEvent { gpi_port_number: 1, gpi_event: true }))).await;
    let (collected, _) = read_for(&mut *session, SECOND).await;
    assert_eq!(collected.noticed[0].inputs, levels(true, true));
}

fn ro_spec_event(event_type: ROSpecEventType, ro_spec_id: u32) -> Message {
    event(|data| {
        data.ro_spec_event = Some(ROSpecEvent { event_type, ro_spec_id, preempting_ro_spec_id: 9 });
    })
}

#[tokio::test(start_paused = true)]
async fn an_inventory_that_somebody_ends_is_started_again_and_nobody_is_absent_meanwhile() {
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    let ours = peer.ro_specs()[0].ro_spec_id;
    peer.say(ro_spec_event(ROSpecEventType::END, ours)).await;
    let (collected, error) = read_for(&mut *session, SECOND).await;
    assert!(error.is_none());
    assert_eq!(collected.noticed[0].listening, Some(Listening::None));
    assert_eq!(peer.names().last(), Some(&"StartROSpec"));
    peer.say(ro_spec_event(ROSpecEventType::START, ours)).await;
    let (collected, _) = read_for(&mut *session, SECOND).await;
    assert_eq!(collected.noticed[0].listening, Some(Listening::All));
}

#[tokio::test(start_paused = true)]
async fn an_inventory_that_gave_way_is_started_again_when_the_other_is_over() {
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    let ours = peer.ro_specs()[0].ro_spec_id;
    peer.say(ro_spec_event(ROSpecEventType::PREEMPTION, ours)).await;
    let (collected, _) = read_for(&mut *session, SECOND).await;
    assert_eq!(collected.noticed[0].listening, Some(Listening::None));
    let starts =
        |peer: &crate::peer::Peer| peer.names().iter().filter(|name| **name == "StartROSpec").count();
    assert_eq!(starts(&peer), 1);
    peer.say(ro_spec_event(ROSpecEventType::END, 9)).await;
    read_for(&mut *session, SECOND).await;
    assert_eq!(starts(&peer), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_started_again_is_set_up_anew() {
    let (mut session, peer) = refusing_the_second_start();
    begun(&mut *session).await;
    peer.say(ro_spec_event(ROSpecEventType::END, peer.ro_specs()[0].ro_spec_id)).await;
    let (_, error) = read_for(&mut *session, SECOND).await;
    let error = error.unwrap();
    assert_eq!(error.retry(), Retry::Reconnect);
    assert!(error.detail().unwrap().contains("M_FieldError (101) \"no such ROSpec\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_former_session_that_was_held_back_ends_nothing() {
    let (mut session, peer) = refusing_the_second_start();
    begun(&mut *session).await;
    let ours = peer.ro_specs()[0].ro_spec_id;
    let held = [ROSpecEventType::END, ROSpecEventType::START];
    let held =
        held.map(|event_type| ro_spec_event(event_type, ours).encode(rfid_llrp::Version::V1_0_1, 1).unwrap());
    peer.say_bytes(held.concat()).await;
    peer.say(report(&epc(1), |_| {})).await;
    let (collected, error) = read_for(&mut *session, SECOND).await;
    assert!(error.is_none());
    assert_eq!(collected.noticed.last().unwrap().listening, Some(Listening::All));
    assert_eq!(collected.ids.len(), 1);
}

fn refusing_the_second_start() -> (Box<dyn rfid_core::DynSession>, crate::peer::Peer) {
    let started = std::sync::atomic::AtomicBool::new(false);
    session("", move |message| match message {
        Message::StartROSpec(_) if started.swap(true, std::sync::atomic::Ordering::SeqCst) => {
            let status = refusal(StatusCode::M_FIELD_ERROR, "no such ROSpec");
            Answer::Say(vec![StartROSpecResponse { status }.into()])
        }
        _ => Answer::Usual,
    })
}

#[tokio::test(start_paused = true)]
async fn a_buffer_that_fills_is_emptied_and_one_that_overflowed_is_counted() {
    let (mut session, peer) = session("", as_usual);
    begun(&mut *session).await;
    peer.say(event(|data| {
        data.report_buffer_level_warning_event =
            Some(ReportBufferLevelWarningEvent { report_buffer_percentage_full: 80 });
    }))
    .await;
    peer.say(event(|data| data.report_buffer_overflow_error_event = Some(ReportBufferOverflowErrorEvent {})))
        .await;
    let (collected, error) = read_for(&mut *session, SECOND).await;
    assert!(error.is_none());
    assert_eq!((collected.lost, peer.names().last()), (1, Some(&"GetReport")));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_ends_the_connection_is_believed() {
    let closes = event(|data| data.connection_close_event = Some(ConnectionCloseEvent {}));
    let (_, error) = heard("", vec![closes.clone()]).await;
    let error = error.unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Io, Retry::Reconnect));
    assert!(error.detail().unwrap().contains("ends the connection"), "{error}");
    let (mut session, _) = session("", move |message| match message {
        Message::AddROSpec(_) => Answer::Say(vec![closes.clone()]),
        _ => Answer::Usual,
    });
    session.open().await.unwrap();
    assert_eq!(session.start().await.unwrap_err().kind(), ErrorKind::Io, "also while it is asked something");
}

#[tokio::test(start_paused = true)]
async fn sightings_that_gather_are_asked_for_four_times_a_second() {
    let (mut session, peer) = session("report_every = 50", |message| match message {
        Message::GetReport(_) => Answer::Say(vec![report(&epc(1), |_| {})]),
        _ => Answer::Usual,
    });
    begun(&mut *session).await;
    let (collected, error) = read_for(&mut *session, 4 * SECOND + SECOND / 8).await;
    assert!(error.is_none());
    assert_eq!(collected.ids.len(), 16);
    assert!(peer.ro_specs()[0].ro_report_spec.as_ref().unwrap().n == 50);
}

#[tokio::test(start_paused = true)]
async fn a_reader_without_events_is_asked_for_signs_of_life_alone() {
    let (mut session, peer) = session("", |message| match message {
        Message::SetReaderConfig(config) if config.reader_event_notification_spec.is_some() => {
            let status = refusal(StatusCode::M_PARAMETER_ERROR, "");
            Answer::Say(vec![SetReaderConfigResponse { status }.into()])
        }
        _ => Answer::Usual,
    });
    begun(&mut *session).await;
    let configs: Vec<SetReaderConfig> = peer
        .heard()
        .into_iter()
        .filter_map(|message| match message {
            Message::SetReaderConfig(config) => Some(config),
            _ => None,
        })
        .collect();
    assert!(configs[1].keepalive_spec.is_some() && configs[1].reader_event_notification_spec.is_none());
}
