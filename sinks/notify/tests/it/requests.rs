//! What a receiver gets.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::receiver::{Manner, Receiver};
use crate::stage::{Stage, events, get, until, webhook};

#[tokio::test]
async fn a_request_is_a_signed_cloud_event() {
    let (stage, receiver) = (Stage::new(), Receiver::start(Manner::Takes).await);
    let mut sink = stage.sink(&[webhook("hook", &format!("{}?branch=1", receiver.url()), "")]).await;
    sink.deliver(&mut events(7..8)).await.unwrap();
    until("the request", || receiver.count() == 1).await;
    sink.close().await.unwrap();

    let got = receiver.got().remove(0);
    let event = events(7..8).events.remove(0);
    assert_eq!(got.path, "/hook?branch=1");
    assert_eq!(got.header("content-type"), "application/cloudevents+json");
    assert_eq!(got.header("webhook-id"), event.event_id.to_string());
    assert!(got.header("user-agent").starts_with("rfid-host/"));
    let json = got.json();
    assert_eq!(json["specversion"], "1.0");
    assert_eq!(json["type"], "rfid.tag.arrived");
    assert_eq!(json["data"]["epc_hex"], "00000007");
    assert_eq!(json["late"], true, "the sample is older than two minutes");

    // As docs/webhooks.md tells a receiver to do.
    let timestamp: u64 = got.header("webhook-timestamp").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(timestamp) < 300);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"a key for tests").unwrap();
    mac.update(format!("{}.{timestamp}.", got.header("webhook-id")).as_bytes());
    mac.update(&got.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(got.header("webhook-signature"), expected);
}

#[tokio::test]
async fn what_is_late_is_the_sinks_to_say() {
    let (stage, receiver) = (Stage::new(), Receiver::start(Manner::Takes).await);
    let mut sink =
        stage.sink_with("late_after = \"3650000h\"", &[webhook("hook", &receiver.url(), "")]).await;
    sink.deliver(&mut events(7..8)).await.unwrap();
    until("the request", || receiver.count() == 1).await;
    sink.close().await.unwrap();
    assert!(receiver.got().remove(0).json().get("late").is_none());
}

#[tokio::test]
async fn connections_are_used_again() {
    let (stage, receiver) = (Stage::new(), Receiver::start(Manner::Takes).await);
    let mut sink = stage.sink(&[webhook("hook", &receiver.url(), ", concurrent = 2")]).await;
    for number in 0..30 {
        sink.deliver(&mut events(number..number + 1)).await.unwrap();
    }
    until("all requests", || receiver.count() == 30).await;
    assert!(receiver.connections() <= 2, "{} connections", receiver.connections());
    sink.close().await.unwrap();
}

#[tokio::test]
async fn an_acknowledgement_that_is_lost_repeats_the_same_id() {
    let (stage, receiver) = (Stage::new(), Receiver::start(Manner::Cuts(1)).await);
    let mut sink = stage.sink(&[webhook("hook", &receiver.url(), "")]).await;
    sink.deliver(&mut events(0..1)).await.unwrap();
    until("the second try", || get(&stage.status("hook").delivered) == 1).await;
    sink.close().await.unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
}

#[tokio::test]
async fn a_webhook_gets_only_what_it_asks_for() {
    let (stage, receiver) = (Stage::new(), Receiver::start(Manner::Takes).await);
    let departures = webhook("departures", &receiver.url(), ", events = [\"departed\"]");
    let hall = webhook("hall", &receiver.url(), ", zones = [\"hall\"]");
    let everything =
        webhook("everything", &receiver.url(), ", branches = [\"hubin\"], events = [\"arrived\"]");
    let mut sink = stage.sink(&[departures, hall, everything]).await;
    sink.deliver(&mut events(0..5)).await.unwrap();
    until("what was asked for", || get(&stage.status("everything").delivered) == 5).await;
    sink.close().await.unwrap();
    assert_eq!(receiver.count(), 5);
}
