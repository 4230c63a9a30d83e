//! Visits counted: by spans of time, and by whatever else is asked for.

use std::collections::BTreeSet;

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
    pub(super) const ALL: [Self; 8] = [
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
    /// From when to when anything is counted; nothing if there are no two edges.
    pub(super) fn span(&self) -> Option<(UtcTime, UtcTime)> {
        match self.edges.as_slice() {
            [first, .., last] if first < last => Some((*first, *last)),
            _ => None,
        }
    }

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
