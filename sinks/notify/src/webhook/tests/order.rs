//! Whatever goes wrong, the notices of a tag come in order, one at a time, and none is missing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::play::{Play, Which, event, refused, taken, unavailable, unreachable};

/// What the receiver does with one try.
#[derive(Clone, Copy, Debug)]
enum Act {
    Take,
    Refuse,
    Fail,
    Rest,
    Vanish,
}

fn act() -> impl Strategy<Value = (Act, u64)> {
    let act = prop_oneof![
        4 => Just(Act::Take), 1 => Just(Act::Refuse), 2 => Just(Act::Fail), 1 => Just(Act::Rest), 2 => Just(Act::Vanish),
    ];
    (act, 0u64..3_000)
}

/// What happens beside that.
#[derive(Clone, Debug)]
enum Step {
    Keep(Vec<u32>),
    Wait(u64),
    Die,
    End,
    DiskFails(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(0u32..4, 1..6).prop_map(Step::Keep),
        4 => (0u64..20_000).prop_map(Step::Wait),
        1 => Just(Step::Die),
        1 => Just(Step::End),
        1 => any::<bool>().prop_map(Step::DiskFails),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_schedule_of_failures_keeps_the_order(
        acts in proptest::collection::vec(act(), 1..40),
        steps in proptest::collection::vec(step(), 1..30),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(acts, steps));
    }
}

async fn play(acts: Vec<(Act, u64)>, steps: Vec<Step>) {
    let next = AtomicUsize::new(0);
    let play = Play::new(move |_, _| {
        // Once the script is over, everything is taken.
        let (act, lasts) = acts.get(next.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or((Act::Take, 1));
        let answer = match act {
            Act::Take => taken(),
            Act::Refuse => refused(422),
            Act::Fail => unavailable(None),
            Act::Rest => unavailable(Some(Duration::from_millis(lasts * 10))),
            Act::Vanish => unreachable(),
        };
        (Duration::from_millis(lasts), answer)
    });
    let mut webhook = play.start();
    let mut kept: BTreeSet<Which> = BTreeSet::new();
    // Died with the process while only memory had them, which the status said.
    let mut in_memory: BTreeSet<Which> = BTreeSet::new();
    let mut disk_fails = false;
    let mut number = 0;
    for step in steps {
        match step {
            Step::Keep(tags) => {
                let events: Vec<_> = tags
                    .iter()
                    .map(|tag| {
                        number += 1;
                        event(*tag, number)
                    })
                    .collect();
                let which = events.iter().map(|event| (tag_of(event), event.read_count as u32));
                if disk_fails {
                    in_memory.extend(which.clone())
                }
                kept.extend(which);
                webhook.keep(&events).await.kept().await;
            }
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Die => {
                drop(webhook);
                // Gone with the process; whatever was written meanwhile is not looked into.
                kept.retain(|which| !in_memory.contains(which));
                webhook = play.start();
            }
            Step::End => {
                webhook.close().await;
                if disk_fails {
                    kept.retain(|which| !in_memory.contains(which))
                }
                webhook = play.start();
            }
            Step::DiskFails(fails) => {
                disk_fails = fails;
                play.outbox.refuse(fails.then_some(rfid_core::ErrorKind::Io));
            }
        }
    }
    play.outbox.refuse(None);
    play.until(|| {
        let waiting = webhook.status().waiting.load(Ordering::Relaxed);
        waiting == 0 && play.outbox.len() == 0
    })
    .await;
    webhook.close().await;
    let mut arrived: BTreeSet<Which> = play.delivered().into_iter().collect();
    for letter in play.dead_letters() {
        let data = &letter["notice"]["data"];
        let tag = u32::from_str_radix(data["epc_hex"].as_str().unwrap(), 16).unwrap();
        arrived.insert((tag, data["read_count"].as_u64().unwrap() as u32));
    }
    let lost: Vec<_> = kept.difference(&arrived).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    play.assert_no_overlap();
}

fn tag_of(event: &rfid_core::Event) -> u32 {
    u32::from_be_bytes(event.tag.bytes().try_into().unwrap())
}
