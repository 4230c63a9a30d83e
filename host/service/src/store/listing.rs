//! Lists of what has a time.

use rfid_core::{Name, UtcTime};

use crate::record::{CustomerId, Key, Kind, Record};

/// Which records are asked for, the latest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Visits, duties, alarms, requests or exports. Of other kinds there are none.
    pub kind: Kind,
    /// Among which of them.
    pub among: Among,
    /// Not before this.
    pub from: UtcTime,
    /// Before this.
    pub until: UtcTime,
}

impl Listing {
    /// Those of all times.
    pub const fn ever(kind: Kind, among: Among) -> Self {
        Self { kind, among, from: UtcTime::from_nanos(0), until: UtcTime::from_nanos(u64::MAX) }
    }

    /// All visits of a customer.
    pub const fn visits_of(customer: CustomerId) -> Self {
        Self::ever(Kind::Visit, Among::Of(Key::Customer(customer)))
    }
}

/// A part of the records of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Among {
    /// All.
    All,
    /// Those of a branch.
    Branch(Name),
    /// Those of a customer (visits), of a member of staff (duties, exports), of a card (alarms), or about a
    /// customer or a member of staff (requests).
    Of(Key),
    /// Those that go on: visits without a departure, duties without an end, alarms that nobody has
    /// acknowledged, requests that are not over, exports that are made or can be fetched.
    Open,
    /// Those of a branch that go on.
    OpenIn(Name),
}

/// A place in a list, behind which it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Time of the record there.
    pub at: UtcTime,
    /// Its key.
    pub key: Key,
}

/// When and where a record belongs in lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Its time.
    pub at: UtcTime,
    /// Its branch.
    pub branch: Name,
    /// To whom it belongs.
    pub of: Key,
    /// Whether it goes on.
    pub is_open: bool,
}

impl Record {
    /// Its place in lists, if it is in any.
    pub fn place(&self) -> Option<Place> {
        self.timed().map(|timed| Place { at: timed.at, key: self.key() })
    }

    /// Where it belongs in lists, if in any.
    pub fn timed(&self) -> Option<Timed> {
        Some(match self {
            Self::Visit(visit) => Timed {
                at: visit.arrived_at,
                branch: visit.branch.clone(),
                of: Key::Customer(visit.customer),
                is_open: visit.departed_at.is_none(),
            },
            Self::Duty(duty) => Timed {
                at: duty.from,
                branch: duty.branch.clone(),
                of: Key::Staff(duty.staff),
                is_open: duty.until.is_none(),
            },
            Self::Alarm(alarm) => Timed {
                at: alarm.at,
                branch: alarm.branch.clone(),
                of: Key::Card(alarm.card),
                is_open: alarm.acknowledged.is_none(),
            },
            Self::Request(request) => Timed {
                at: request.drafted_at,
                branch: request.branch.clone(),
                of: request.proposal.subject(),
                is_open: request.state.is_open(),
            },
            Self::Export(export) => Timed {
                at: export.asked_at,
                branch: export.branch.clone(),
                of: Key::Staff(export.asker),
                is_open: export.state.is_open(),
            },
            Self::Branch(_) | Self::Customer(_) | Self::Card(_) | Self::Staff(_) | Self::Account(_) => {
                return None;
            }
        })
    }
}

impl Listing {
    /// Whether a record is one of those that are asked for; what a store's index must agree with.
    pub fn holds(&self, record: &Record) -> bool {
        let Some(timed) = record.timed() else { return false };
        let is_among = match &self.among {
            Among::All => true,
            Among::Branch(branch) => timed.branch == *branch,
            Among::Of(key) => timed.of == *key,
            Among::Open => timed.is_open,
            Among::OpenIn(branch) => timed.is_open && timed.branch == *branch,
        };
        is_among && record.kind() == self.kind && self.from <= timed.at && timed.at < self.until
    }
}
