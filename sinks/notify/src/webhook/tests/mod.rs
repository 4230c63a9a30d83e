//! Webhooks between a scripted receiver and an outbox in memory, in time that passes at once.

mod order;
mod play;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rfid_core::ErrorKind;

use super::transport::{Answer, Failure};
use play::{Play, event, refused, taken, unavailable, unreachable};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn notices_are_sent_and_leave_the_outbox() {
    let play = Play::new(|_, _| (Duration::from_millis(20), taken()));
    let webhook = play.start();
    webhook.keep(&[event(1, 0), event(2, 0), event(1, 1)]).await.kept().await;
    play.until(|| webhook.status().delivered.load(Relaxed) == 3).await;
    webhook.close().await;
    assert_eq!(play.delivered(), [(1, 0), (2, 0), (1, 1)]);
    assert_eq!(play.outbox.len(), 0);
}

/// Row 22 of the faults: eight hours without a receiver.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_dead_for_eight_hours_is_probed_and_then_gets_everything() {
    let play = Play::new(|play, _| {
        (Duration::from_millis(1), if play.passed() < 8 * HOUR { unreachable() } else { taken() })
    });
    let webhook = play.start();
    for minute in 0..480 {
        let events: Vec<_> = (0..10).map(|tag| event(tag, minute)).collect();
        webhook.keep(&events).await.kept().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        // The first ones went out together, before anything was known.
        let most = play.most_in_flight();
        assert!(minute == 0 || most <= 1, "{most} probes at a time");
    }
    let tries = play.tries();
    assert!((80..250).contains(&tries), "{tries} tries in eight hours");
    let trouble = webhook.status().trouble().unwrap_or_default();
    assert!(trouble.starts_with("behind by 4800, since "), "{trouble}");
    play.until(|| webhook.status().delivered.load(Relaxed) == 4_800).await;
    assert!(webhook.status().is_up() && webhook.status().trouble().is_none());
    assert_eq!(webhook.status().waiting.load(Relaxed), 0);
    play.assert_in_order();
    assert_eq!(play.delivered().len(), 4_800);
    webhook.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_answers_500_is_not_stormed() {
    let play = Play::new(|_, _| (Duration::from_millis(1), unavailable(None)));
    let webhook = play.start();
    let events: Vec<_> = (0..2_000).map(|tag| event(tag, 0)).collect();
    webhook.keep(&events).await.kept().await;
    tokio::time::sleep(HOUR).await;
    assert!(play.tries() < 60, "{} tries in an hour", play.tries());
    assert_eq!(webhook.status().waiting.load(Relaxed), 2_000);
}

#[tokio::test(start_paused = true)]
async fn one_notice_that_the_receiver_cannot_digest_holds_up_its_own_tag_only() {
    let play = Play::new(|_, (tag, _)| {
        (Duration::from_millis(1), if tag == 3 { unavailable(None) } else { taken() })
    });
    let webhook = play.start();
    for number in 0..40 {
        let events: Vec<_> = (0..50).map(|tag| event(tag, number)).collect();
        webhook.keep(&events).await.kept().await;
    }
    play.until(|| webhook.status().delivered.load(Relaxed) == 40 * 49).await;
    assert_eq!(webhook.status().waiting.load(Relaxed), 40);
    assert!(webhook.status().is_up());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_dead_letter_at_once_and_the_next_notice_goes() {
    let play = Play::new(|_, (_, number)| {
        (Duration::from_millis(1), if number == 0 { refused(422) } else { taken() })
    });
    let webhook = play.start();
    webhook.keep(&[event(1, 0), event(1, 1)]).await.kept().await;
    play.until(|| {
        webhook.status().waiting.load(Relaxed) == 0 && webhook.status().delivered.load(Relaxed) == 1
    })
    .await;
    webhook.close().await;
    let letters = play.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["status"], 422);
    assert_eq!(letters[0]["tries"], 1);
    assert_eq!(letters[0]["notice"]["id"], event(1, 0).event_id.to_string());
    assert_eq!(play.outbox.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_tried_for_a_day_is_given_up_and_the_disk_is_free_again() {
    let play = Play::new(|_, _| (Duration::from_millis(1), unreachable()));
    let webhook = play.start();
    let events: Vec<_> = (0..3_000).map(|tag| event(tag, 0)).collect();
    webhook.keep(&events).await.kept().await;
    tokio::time::sleep(23 * HOUR).await;
    assert_eq!(webhook.status().dead_letters.load(Relaxed), 0);
    webhook.keep(&[event(1, 1)]).await.kept().await;
    play.until(|| webhook.status().dead_letters.load(Relaxed) == 3_000).await;
    assert_eq!(webhook.status().waiting.load(Relaxed), 1, "the young one stays");
    assert_eq!(play.outbox.len(), 1);
    let reason = play.dead_letters()[2_999]["reason"].as_str().unwrap().to_owned();
    assert_eq!(reason, "given up after 1day: connection refused");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_rest_gets_it() {
    let play = Play::new(|play, _| {
        let answer = if play.passed() < Duration::from_secs(60) {
            unavailable(Some(Duration::from_secs(60)))
        } else {
            taken()
        };
        (Duration::from_millis(1), answer)
    });
    let webhook = play.start();
    webhook.keep(&[event(1, 0)]).await.kept().await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(play.tries(), 1);
    play.until(|| webhook.status().delivered.load(Relaxed) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_neither_stops_sending_nor_loses_what_memory_can_hold() {
    let play = Play::new(|_, _| (Duration::from_millis(1), taken()));
    play.outbox.refuse(Some(ErrorKind::Io));
    let webhook = play.start();
    webhook.keep(&[event(1, 0), event(2, 0)]).await.kept().await;
    play.until(|| webhook.status().delivered.load(Relaxed) == 2).await;
    assert!(webhook.status().trouble().unwrap().contains("the outbox fails"));
    play.outbox.refuse(None);
    webhook.keep(&[event(1, 1)]).await.kept().await;
    play.until(|| webhook.status().trouble().is_none()).await;
    play.until(|| webhook.status().delivered.load(Relaxed) == 3).await;
    webhook.close().await;
    assert_eq!(play.delivered(), [(1, 0), (2, 0), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_disk_too_full_to_note_what_is_done_stops_no_notice() {
    let play = Play::new(|play, _| {
        (Duration::from_millis(1), if play.passed() < HOUR { unreachable() } else { taken() })
    });
    let webhook = play.start();
    let many = |number| (0..3_000).map(|tag| event(tag, number)).collect::<Vec<_>>();
    webhook.keep(&many(0)).await.kept().await;
    play.outbox.refuse(Some(ErrorKind::Io));
    play.outbox.refuse_marks(true);
    webhook.keep(&many(1)).await.kept().await;
    play.until(|| webhook.status().delivered.load(Relaxed) == 6_000).await;
    play.assert_in_order();
    assert!(webhook.status().trouble().unwrap().contains("the outbox fails"));
    play.outbox.refuse(None);
    play.outbox.refuse_marks(false);
    play.until(|| webhook.status().trouble().is_none()).await;
    assert_eq!((play.outbox.len(), play.delivered().len()), (0, 6_000));
    webhook.close().await;
}

#[tokio::test(start_paused = true)]
async fn with_neither_disk_nor_receiver_ten_thousand_are_kept_and_the_rest_is_counted() {
    let play = Play::new(|play, _| {
        (Duration::from_millis(1), if play.passed() < HOUR { unreachable() } else { taken() })
    });
    play.outbox.refuse(Some(ErrorKind::Io));
    let webhook = play.start();
    for number in 0..30 {
        let events: Vec<_> = (0..500).map(|tag| event(tag, number)).collect();
        webhook.keep(&events).await.kept().await;
    }
    let status = webhook.status();
    let (waiting, dropped) = (status.waiting.load(Relaxed), status.dropped.load(Relaxed));
    assert_eq!(waiting + dropped, 15_000);
    assert!((10_000..=11_100).contains(&waiting), "{waiting}");
    assert!(status.trouble().unwrap().contains(&format!("{dropped} notices are lost")));
    play.outbox.refuse(None);
    play.until(|| webhook.status().delivered.load(Relaxed) == waiting).await;
    play.assert_in_order();
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_sends_its_oldest_to_the_dead_letters() {
    let play = Play::new(|_, _| (Duration::from_millis(1), unreachable()));
    play.outbox.hold_at_most(1_000);
    let webhook = play.start();
    for number in 0..20 {
        let events: Vec<_> = (0..200).map(|tag| event(tag, number)).collect();
        webhook.keep(&events).await.kept().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let status = webhook.status();
    assert_eq!(status.dropped.load(Relaxed), 0);
    assert_eq!(status.waiting.load(Relaxed) + status.dead_letters.load(Relaxed), 4_000);
    assert!(play.outbox.len() <= 1_000);
    let letters = play.dead_letters();
    assert_eq!(letters[0]["reason"], "the outbox is full");
    assert_eq!(letters[0]["notice"]["id"], event(0, 0).event_id.to_string());
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_the_process_died_comes_again_under_the_same_id() {
    let play = Play::new(|play, _| {
        (Duration::from_secs(5), if play.passed() < Duration::from_secs(9) { unreachable() } else { taken() })
    });
    let webhook = play.start();
    webhook.keep(&[event(1, 0), event(1, 1)]).await.kept().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(webhook);
    let webhook = play.start();
    play.until(|| webhook.status().delivered.load(Relaxed) == 2).await;
    webhook.close().await;
    assert_eq!(play.delivered(), [(1, 0), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn ending_waits_for_requests_under_way_but_not_for_ever() {
    let play = Play::new(|_, (tag, _)| (Duration::from_secs(if tag == 1 { 1 } else { 100 }), taken()));
    let webhook = play.start();
    webhook.keep(&[event(1, 0), event(2, 0)]).await.kept().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    webhook.close().await;
    assert!(play.passed() < Duration::from_secs(3));
    assert_eq!(play.delivered(), [(1, 0)]);
    assert_eq!(play.outbox.len(), 1, "the other one comes again");
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_cannot_be_written_stay_in_the_outbox() {
    let play = Play::new(|_, _| (Duration::from_millis(1), refused(410)));
    let folder = play.folder.path().join("hook");
    std::fs::remove_dir(&folder).unwrap();
    let webhook = play.start();
    webhook.keep(&[event(1, 0)]).await.kept().await;
    play.until(|| webhook.status().trouble().is_some_and(|said| said.contains("dead letters"))).await;
    assert_eq!(play.outbox.len(), 1);
    std::fs::create_dir(&folder).unwrap();
    play.until(|| webhook.status().dead_letters.load(Relaxed) == 1).await;
    assert!(webhook.status().trouble().is_none());
    assert_eq!((play.tries(), play.outbox.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_lies_far_back_is_sent_as_late() {
    let play = Play::new(|play, _| {
        (Duration::from_millis(1), if play.passed() < 2 * HOUR { unreachable() } else { taken() })
    });
    let webhook = play.start();
    let fresh = rfid_core::Event { time: play.utc(), ..event(1, 0) };
    webhook.keep(&[fresh]).await.kept().await;
    play.until(|| webhook.status().delivered.load(Relaxed) == 1).await;
    let bodies = play.bodies();
    assert!(bodies.first().unwrap().get("late").is_none());
    assert_eq!(bodies.last().unwrap()["late"], true);
    assert_eq!(bodies.last().unwrap()["id"], event(1, 0).event_id.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_costs_a_try() {
    let play = Play::new(|play, _| {
        if play.tries() == 1 {
            panic!("planted");
        }
        (Duration::from_millis(1), taken())
    });
    let webhook = play.start();
    webhook.keep(&[event(1, 0)]).await.kept().await;
    play.until(|| webhook.status().delivered.load(Relaxed) == 1).await;
    assert_eq!(webhook.status().retries.load(Relaxed), 1);
}

fn failure(answer: &Answer) -> Option<&Failure> {
    match answer {
        Answer::Failed(failure) => Some(failure),
        _ => None,
    }
}

#[test]
fn scripted_failures_are_what_they_say() {
    assert!(failure(&unreachable()).is_some_and(|failure| failure.unreachable));
    assert!(failure(&unavailable(None)).is_some_and(|failure| !failure.unreachable));
}
