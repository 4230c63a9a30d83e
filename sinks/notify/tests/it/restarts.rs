//! What waits outlives the sink.

use crate::receiver::{Manner, Receiver, nobody};
use crate::stage::{Stage, events, get, until, webhook};

#[tokio::test]
async fn what_waits_is_sent_after_a_restart_in_order() {
    let stage = Stage::new();
    let mut sink = stage.sink(&[webhook("hook", &format!("http://{}/", nobody()), "")]).await;
    sink.deliver(&mut events(0..100)).await.unwrap();
    sink.close().await.unwrap();

    let receiver = Receiver::start(Manner::Takes).await;
    let mut sink = stage.sink(&[webhook("hook", &receiver.url(), ", concurrent = 1")]).await;
    sink.deliver(&mut events(100..110)).await.unwrap();
    until("all", || get(&stage.status("hook").delivered) == 110).await;
    sink.close().await.unwrap();
    let ids: Vec<String> = receiver.got().iter().map(|got| got.header("webhook-id").to_owned()).collect();
    let expected: Vec<String> =
        events(0..110).events.iter().map(|event| event.event_id.to_string()).collect();
    assert_eq!(ids, expected);

    // A third start finds nothing to do.
    let mut sink = stage.sink(&[webhook("hook", &receiver.url(), "")]).await;
    sink.deliver(&mut events(110..111)).await.unwrap();
    until("the new one", || get(&stage.status("hook").delivered) == 1).await;
    sink.close().await.unwrap();
    assert_eq!(receiver.count(), 111);
}

#[tokio::test]
async fn an_outbox_that_cannot_be_made_is_said_and_made_later() {
    let stage = Stage::new();
    let receiver = Receiver::start(Manner::Takes).await;
    // A file where the folder should be.
    std::fs::write(stage.folder.path().join("webhooks"), "").unwrap();
    let mut sink = stage.sink(&[webhook("hook", &receiver.url(), "")]).await;
    sink.deliver(&mut events(0..3)).await.unwrap();
    until("the trouble", || stage.status("hook").trouble().is_some_and(|said| said.contains("outbox"))).await;
    assert_eq!(get(&stage.status("hook").waiting), 3);
    std::fs::remove_file(stage.folder.path().join("webhooks")).unwrap();
    until("delivery", || get(&stage.status("hook").delivered) == 3).await;
    assert_eq!(stage.status("hook").trouble(), None);
    sink.close().await.unwrap();
}
