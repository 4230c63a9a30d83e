//! Visits counted one by one, as plainly as it can be said: what [`days`](crate::store::days) is held against.

use std::collections::BTreeMap;

use crate::record::Refusal;
use crate::store::tally::{By, Fact, Figures, Tally, TallyAsk, TallyKey};

/// What was counted, in the order of what it has in common.
pub(in crate::store) fn tally(
    ask: &TallyAsk,
    facts: impl IntoIterator<Item = Fact>,
) -> Vec<(TallyKey, Tally)> {
    let mut counted: BTreeMap<TallyKey, Tally> = BTreeMap::new();
    for fact in facts {
        if ask.branches.as_ref().is_some_and(|branches| !branches.contains(&fact.branch)) {
            continue;
        }
        // The span whose first edge is the last that is not behind it.
        let behind = ask.edges.partition_point(|edge| *edge <= fact.at);
        if behind == 0 || behind == ask.edges.len() {
            continue;
        }
        let is_by = |by: By| ask.by.contains(&by);
        let key = TallyKey {
            span: is_by(By::Span).then(|| ask.label(behind - 1)),
            branch: is_by(By::Branch).then(|| fact.branch.clone()),
            vip_class: is_by(By::VipClass).then(|| fact.vip_class.clone()),
            account_manager: fact.account_manager.filter(|_| is_by(By::AccountManager)),
            refusal: fact.refusal.filter(|_| is_by(By::Outcome)).map(Refusal::name),
            greeter: fact.greeted.filter(|_| is_by(By::Greeter)).map(|(by, _)| by),
            server: fact.served.filter(|_| is_by(By::Server)).map(|(by, _)| by),
            customer: is_by(By::Customer).then_some(fact.customer),
        };
        let tally = counted.entry(key).or_default();
        tally.visits += 1;
        tally.last = tally.last.max(fact.at);
        if ask.figures == Figures::Visits {
            continue;
        }
        if let Some((_, after)) = fact.greeted {
            tally.greeted += 1;
            tally.greeting_ms += after;
            tally.longest_greeting_ms = tally.longest_greeting_ms.max(after);
        }
        if let Some((_, after)) = fact.served {
            tally.served += 1;
            tally.serving_ms += after;
        }
        if let Some(stay) = fact.stay_ms {
            tally.departed += 1;
            tally.stay_ms += stay;
        }
    }
    counted.into_iter().collect()
}
