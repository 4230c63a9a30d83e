//! What every store is held to of tries to log in that failed.

use super::*;
use crate::account::failures::{LockRule, Tried};

const RULE: LockRule = LockRule {
    failures: 3,
    locked_for: std::time::Duration::from_secs(60),
    locked_at_most: std::time::Duration::from_secs(600),
};

const fn at(second: u64) -> UtcTime {
    UtcTime::from_nanos((1_700_000_000 + second) * 1_000_000_000)
}

/// A lock is there after opening again, and goes when somebody logs in.
pub async fn a_lock_holds_after_opening_again(rig: &impl Rig) {
    let store = rig.open().await;
    let (known, unknown) = (Tried::of("LM1"), Tried::of("nobody"));
    assert_eq!(store.failures(known).await.unwrap(), None);
    for (second, who) in [(0, known), (1, unknown), (2, known), (3, known)] {
        store.note_failure(who, at(second), RULE).await.unwrap();
    }
    store.close().await;
    let store = rig.open().await;
    let failures = store.failures(known).await.unwrap().unwrap();
    assert_eq!((failures.count, failures.last, failures.locked_until), (3, at(3), at(63)));
    // Meanwhile nothing counts; then it goes on where it was.
    assert_eq!(store.note_failure(known, at(62), RULE).await.unwrap(), failures);
    let further = store.note_failure(known, at(63), RULE).await.unwrap();
    assert_eq!((further.count, further.locked_until), (4, at(63 + 120)));
    assert_eq!(store.forget_failures(known).await.unwrap(), 4);
    assert_eq!(store.forget_failures(known).await.unwrap(), 0);
    assert_eq!(store.failures(unknown).await.unwrap().unwrap().count, 1);
    store.close().await;
    let store = rig.open().await;
    assert_eq!(store.failures(known).await.unwrap(), None);
    store.close().await;
}

/// Of failures at the same moment each counts.
pub async fn failures_at_once_all_count(rig: &impl Rig) {
    let store = rig.open().await;
    let rule = LockRule { failures: 1_000, ..RULE };
    let who = Tried::of("LM1");
    let notes = (0..40).map(|second| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.note_failure(who, at(second), rule).await.unwrap().count })
    });
    let mut counts: Vec<u32> =
        futures_util::future::join_all(notes).await.into_iter().map(|count| count.unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<u32>>());
    store.close().await;
}
