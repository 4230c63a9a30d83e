//! Visits counted: by spans of time, and by whatever else is asked for.

use std::collections::{BTreeSet, HashMap, HashSet};

use rfid_core::{Name, UtcTime};

use crate::record::{CustomerId, Outcome, Refusal, StaffId, Visit};

/// By what visits are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The labels of the spans of time between the edges.
    Span,
    /// Branch.
    Branch,
    /// VIP class.
    VipClass,
    /// Account manager of the customer.
    AccountManager,
    /// Recognised, or refused and why.
    Outcome,
    /// Who greeted.
    Greeter,
    /// Who served.
    Server,
    /// Customer.
    Customer,
}

impl By {
    /// Each of them, in their order.
    const ALL: [Self; 8] = [
        Self::Span,
        Self::Branch,
        Self::VipClass,
        Self::AccountManager,
        Self::Outcome,
        Self::Greeter,
        Self::Server,
        Self::Customer,
    ];
}

/// Which visits are counted, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TallyAsk {
    /// Edges of spans of time, the earliest first: a visit counts in the span in which it began. Those
    /// before the first edge and from the last one on are not counted.
    pub edges: Vec<UtcTime>,
    /// What each span is counted as, one for each; spans of one label are counted together. As its number
    /// from 0 if there is none.
    pub labels: Vec<u32>,
    /// In these branches; in all if absent.
    pub branches: Option<BTreeSet<Name>>,
    /// Counted apart by these.
    pub by: BTreeSet<By>,
    /// What is to be said of each.
    pub figures: Figures,
}

/// What a tally says: a database counts millions of visits in half the time where nobody asks for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figures {
    /// How many there were, and when the last began.
    Visits,
    /// Everything.
    #[default]
    All,
}

impl TallyAsk {
    /// What a span is counted as.
    pub(super) fn label(&self, span: usize) -> u32 {
        self.labels.get(span).copied().unwrap_or_else(|| u32::try_from(span).unwrap_or(u32::MAX))
    }
}

/// What visits that are counted together have in common: of what was not asked for, nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey {
    /// The label of the span.
    pub span: Option<u32>,
    /// Branch.
    pub branch: Option<Name>,
    /// VIP class.
    pub vip_class: Option<Name>,
    /// Account manager; absent also of customers without one.
    pub account_manager: Option<StaffId>,
    /// Why it was refused; absent also of what was recognised.
    pub refusal: Option<&'static str>,
    /// Who greeted; absent also of visits without a greeting.
    pub greeter: Option<StaffId>,
    /// Who served; absent also of visits in which nobody did.
    pub server: Option<StaffId>,
    /// Customer.
    pub customer: Option<CustomerId>,
}

/// Visits that are counted together. What was not asked for is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub visits: u64,
    /// In how many of them the customer was greeted.
    pub greeted: u64,
    /// Milliseconds from arrivals to greetings, all of them together.
    pub greeting_ms: u64,
    /// The longest of them.
    pub longest_greeting_ms: u64,
    /// In how many of them the customer was served.
    pub served: u64,
    /// Milliseconds from arrivals to that, all of them together.
    pub serving_ms: u64,
    /// How many are over.
    pub departed: u64,
    /// Milliseconds that those lasted, all of them together.
    pub stay_ms: u64,
    /// When the last of them began.
    pub last: UtcTime,
}

/// All that a visit has to say to a tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) at: UtcTime,
    pub(super) branch: Name,
    pub(super) vip_class: Name,
    pub(super) account_manager: Option<StaffId>,
    pub(super) refusal: Option<Refusal>,
    pub(super) customer: CustomerId,
    /// Who, and after how many milliseconds.
    pub(super) greeted: Option<(StaffId, u64)>,
    pub(super) served: Option<(StaffId, u64)>,
    pub(super) stay_ms: Option<u64>,
}

impl Fact {
    pub(super) fn of(visit: &Visit) -> Self {
        let after = |at: UtcTime| at.as_nanos().saturating_sub(visit.arrived_at.as_nanos()) / 1_000_000;
        Self {
            at: visit.arrived_at,
            branch: visit.branch.clone(),
            vip_class: visit.vip_class.clone(),
            account_manager: visit.account_manager,
            refusal: match visit.outcome {
                Outcome::Recognised => None,
                Outcome::Refused(refusal) => Some(refusal),
            },
            customer: visit.customer,
            greeted: visit.greeted.map(|act| (act.by, after(act.at))),
            served: visit.served.map(|act| (act.by, after(act.at))),
            stay_ms: visit.departed_at.map(after),
        }
    }
}

impl Tally {
    /// Counts others together with these.
    pub fn add(&mut self, other: &Self) {
        self.visits += other.visits;
        self.greeted += other.greeted;
        self.greeting_ms += other.greeting_ms;
        self.longest_greeting_ms = self.longest_greeting_ms.max(other.longest_greeting_ms);
        self.served += other.served;
        self.serving_ms += other.serving_ms;
        self.departed += other.departed;
        self.stay_ms += other.stay_ms;
        self.last = self.last.max(other.last);
    }
}

/// Counts facts.
pub(super) struct Counting<'a> {
    ask: &'a TallyAsk,
    /// What is asked for, as it is quickest to look up for each of millions.
    branches: Option<HashSet<&'a str, ahash::RandomState>>,
    is_by: [bool; By::ALL.len()],
    counted: HashMap<TallyKey, Tally, ahash::RandomState>,
}

impl<'a> Counting<'a> {
    pub(super) fn new(ask: &'a TallyAsk) -> Self {
        let branches = ask.branches.as_ref();
        Self {
            ask,
            branches: branches.map(|branches| branches.iter().map(Name::as_str).collect()),
            is_by: By::ALL.map(|by| ask.by.contains(&by)),
            counted: HashMap::default(),
        }
    }

    /// From when to when anything is counted; nothing if there are no two edges.
    pub(super) fn span(ask: &TallyAsk) -> Option<(UtcTime, UtcTime)> {
        match ask.edges.as_slice() {
            [first, .., last] if first < last => Some((*first, *last)),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, fact: &Fact) {
        let ask = self.ask;
        if self.branches.as_ref().is_some_and(|branches| !branches.contains(fact.branch.as_str())) {
            return;
        }
        // The span whose first edge is the last that is not behind it.
        let behind = ask.edges.partition_point(|edge| *edge <= fact.at);
        if behind == 0 || behind == ask.edges.len() {
            return;
        }
        let is_by = |by: By| self.is_by.get(by as usize).is_some_and(|is_by| *is_by);
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
        let tally = self.counted.entry(key).or_default();
        tally.visits += 1;
        tally.last = tally.last.max(fact.at);
        if ask.figures == Figures::Visits {
            return;
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

    /// What was counted, in the order of what it has in common.
    pub(super) fn end(self) -> Vec<(TallyKey, Tally)> {
        let mut counted: Vec<(TallyKey, Tally)> = self.counted.into_iter().collect();
        counted.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        counted
    }
}
