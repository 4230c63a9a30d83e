//! Receivers that refuse, hang, fail, dawdle, flood and redirect cost nobody else anything.

use std::collections::BTreeSet;
use std::time::Duration;

use rfid_sink_notify::Delivery;

use crate::receiver::{Manner, Receiver, nobody};
use crate::stage::{Stage, events, get, size, until, webhook};

const EVENTS: u32 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_them_costs_anybody_else_anything() {
    let stage = Stage::new();
    let trap = Receiver::start(Manner::Takes).await;
    let good = Receiver::start(Manner::Takes).await;
    let hanging = Receiver::start(Manner::Hangs).await;
    let failing = Receiver::start(Manner::Says(500)).await;
    let slow = Receiver::start(Manner::Dawdles(Duration::from_secs(2))).await;
    let flooding = Receiver::start(Manner::Floods).await;
    let redirecting = Receiver::start(Manner::Redirects(trap.url())).await;
    let mut sink = stage
        .sink(&[
            webhook("dead", &format!("http://{}/", nobody()), ""),
            webhook("hanging", &hanging.url(), ""),
            webhook("failing", &failing.url(), ""),
            webhook("slow", &slow.url(), ""),
            webhook("flooding", &flooding.url(), ""),
            webhook("redirecting", &redirecting.url(), ""),
            webhook("good", &good.url(), ""),
        ])
        .await;
    let mut subscription = stage.hub.subscribe(None).unwrap();
    for number in 0..EVENTS / 10 {
        sink.deliver(&mut events(number * 10..number * 10 + 10)).await.unwrap();
    }
    for _ in 0..EVENTS {
        assert!(matches!(subscription.try_next(), Some(Delivery::Notice(_))), "screens have everything");
    }
    let all = u64::from(EVENTS);
    until("everything to reach the good one", || get(&stage.status("good").delivered) == all).await;
    assert_eq!(stage.status("good").trouble(), None);
    until("the flood to be taken", || get(&stage.status("flooding").delivered) == all).await;
    until("the redirects to be refused", || get(&stage.status("redirecting").dead_letters) == all).await;
    assert_eq!(trap.count(), 0, "redirects are not followed");
    let letters = stage.dead_letters("redirecting");
    assert!(letters[0]["reason"].as_str().unwrap().contains("redirects are not followed"), "{}", letters[0]);
    assert_eq!(letters[0]["status"], 307);

    until("the dead one to be known as down", || !stage.status("dead").is_up()).await;
    let trouble = stage.status("dead").trouble().unwrap();
    assert!(trouble.starts_with("behind by 300, since 20"), "{trouble}");
    assert!(trouble.contains("cannot be reached"), "{trouble}");
    until("the failing one to be known as down", || !stage.status("failing").is_up()).await;
    assert!(failing.count() < 30, "{} requests", failing.count());
    assert!(hanging.count() <= 8 && slow.count() <= 40);
    for name in ["dead", "failing", "hanging"] {
        assert_eq!(get(&stage.status(name).waiting), all, "{name}");
        let bytes = size(&stage.folder_of(name)) / all;
        assert!(bytes <= 2_048, "{name} takes {bytes} bytes a notice");
    }
    // Ending waits for none of them.
    tokio::time::timeout(Duration::from_secs(20), sink.close()).await.unwrap().unwrap();
}

/// Row 22 of the faults, as far as the disk goes: however long it lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_receiver_costs_what_is_configured_and_its_oldest_notices() {
    const MOST_BYTES: u64 = 4 * 1024 * 1024;
    let stage = Stage::new();
    let address = nobody();
    let more = format!(", most_bytes = {MOST_BYTES}");
    let mut sink = stage.sink(&[webhook("hook", &format!("http://{address}/"), &more)]).await;
    let all: u32 = 9_000;
    for number in 0..all / 100 {
        sink.deliver(&mut events(number * 100..number * 100 + 100)).await.unwrap();
        let bytes = size(&stage.folder_of("hook").join("outbox"));
        assert!((1..=MOST_BYTES + 64 * 1024).contains(&bytes), "{bytes} bytes");
    }
    let status = stage.status("hook");
    assert_eq!(get(&status.dropped), 0);
    let dead = stage.dead_letters("hook");
    assert!((1_000..6_000).contains(&dead.len()), "{} dead letters", dead.len());
    assert_eq!(dead[0]["reason"], "the outbox is full");

    let receiver = Receiver::start_at(&address.to_string(), Manner::Takes, None).await;
    until("what is left", || get(&status.waiting) == 0).await;
    sink.close().await.unwrap();
    let dead = stage.dead_letters("hook");
    let given_up = dead.iter().map(|letter| letter["notice"]["id"].as_str().unwrap().to_owned());
    let got = receiver.got();
    let sent = got.iter().map(|got| got.header("webhook-id").to_owned());
    let ids: BTreeSet<String> = given_up.chain(sent).collect();
    assert_eq!(dead.len() + got.len(), all as usize, "each is a dead letter or sent, and once");
    assert_eq!(ids.len(), all as usize);
}

#[tokio::test]
async fn a_receiver_that_comes_back_gets_what_waited() {
    let stage = Stage::new();
    let address = nobody();
    let mut sink = stage.sink(&[webhook("hook", &format!("http://{address}/"), "")]).await;
    sink.deliver(&mut events(0..50)).await.unwrap();
    until("the first failure", || !stage.status("hook").is_up()).await;
    let receiver = Receiver::start_at(&address.to_string(), Manner::Takes, None).await;
    until("what waited", || get(&stage.status("hook").delivered) == 50).await;
    assert_eq!((receiver.count(), stage.status("hook").trouble()), (50, None));
    sink.close().await.unwrap();
}
