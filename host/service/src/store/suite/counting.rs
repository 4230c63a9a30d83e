//! What every store is held to where it counts visits.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::store::days::DAY;
use crate::store::{By, Figures, TallyAsk};

/// Ways to count visits: apart by nothing, by each, by all; in one branch, and in none.
pub(super) fn tallies() -> Vec<TallyAsk> {
    let edges = |edges: &[u64]| edges.iter().map(|edge| UtcTime::from_nanos(*edge)).collect::<Vec<_>>();
    let mut asks = Vec::new();
    let mut ways: Vec<BTreeSet<By>> = By::ALL.iter().map(|by| [*by].into()).collect();
    ways.extend([BTreeSet::new(), By::ALL.into(), [By::Span, By::Branch].into()]);
    for by in ways {
        for edges in [
            edges(&[0, 2, DAY, DAY + 3, 9 * DAY]),
            edges(&[DAY, 2 * DAY]),
            edges(&[5]),
            edges(&[]),
            edges(&[DAY, u64::MAX]),
        ] {
            for branches in [None, Some([Name::from("ab")].into()), Some(BTreeSet::new())] {
                for labels in [Vec::new(), vec![7, 3, 7, 3]] {
                    for figures in [Figures::Visits, Figures::All] {
                        let (edges, labels) = (edges.clone(), labels.clone());
                        let (branches, by) = (branches.clone(), by.clone());
                        asks.push(TallyAsk { edges, labels, branches, by, figures });
                    }
                }
            }
        }
    }
    asks
}

/// Whoever counts days that are over finds everything that was acknowledged before, and nothing twice, while
/// others go on writing to them and counting them.
pub async fn what_is_acknowledged_while_days_are_summed_up_is_counted(rig: &dyn Rig) {
    const WRITERS: u8 = 3;
    const EACH: u8 = 40;
    let store = rig.open().await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
        tasks.spawn(async move {
            for number in 0..EACH {
                // Each writes to all of the days, and goes through them in its own order.
                let at = u64::from((number + writer) % 3) * DAY + u64::from(number);
                let visit = visit(writer * EACH + number, writer, at, true);
                let commit = |change| Commit { origin: origin(at), changes: vec![change] };
                assert!(store.commit(commit(Change::new(visit.clone()))).await.is_ok());
                acknowledged.fetch_add(1, Ordering::SeqCst);
                let over = Visit { departed_at: Some(UtcTime::from_nanos(at + 1)), ..visit };
                assert!(
                    store
                        .commit(commit(Change::Put { record: Box::new(over.into()), expected: 1 }))
                        .await
                        .is_ok()
                );
            }
        });
    }
    let ask = TallyAsk {
        edges: vec![UtcTime::from_nanos(0), UtcTime::from_nanos(3 * DAY)],
        labels: Vec::new(),
        branches: None,
        by: BTreeSet::new(),
        figures: Figures::All,
    };
    let all = u64::from(WRITERS) * u64::from(EACH);
    let counted = async || {
        store.tally(&ask).await.unwrap().first().map_or((0, 0), |(_, tally)| (tally.visits, tally.departed))
    };
    while !tasks.is_empty() {
        let at_least = acknowledged.load(Ordering::SeqCst);
        let (visits, departed) = counted().await;
        assert!((at_least..=all).contains(&visits), "{visits} counted, {at_least} acknowledged");
        assert!(departed <= visits);
        while let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
    }
    assert_eq!(counted().await, (all, all));
    store.close().await;
}
