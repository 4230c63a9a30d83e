//! Days summed up: what the visits of a day in UTC have to say to a tally, column by column, so that a year is
//! counted without reading millions of records, and without reading what nobody asks for.
//!
//! Stores keep the columns of days and say which of them are still true; what is in them and how they are
//! counted is the same in each.
//!
//! * `column.rs`: how a column is written.
//! * `counting.rs`: counts columns.

mod column;
mod counting;

use std::ops::Range;

use rfid_core::UtcTime;

use self::column::{write_names, write_numbers};
use super::tally::{By, Fact, Figures, TallyAsk};

pub(super) use counting::DayCounting;

/// Nanoseconds of a day.
pub(super) const DAY: u64 = 24 * 3600 * 1_000_000_000;

/// The day of a time: how many were before it since 1970-01-01.
pub(super) fn day_of(at: UtcTime) -> u32 {
    u32::try_from(at.as_nanos() / DAY).unwrap_or(u32::MAX)
}

/// When a day begins.
pub(super) fn begin_of(day: u32) -> UtcTime {
    UtcTime::from_nanos(u64::from(day).saturating_mul(DAY))
}

/// The days of which something lies between two times, the later of which does not count.
pub(super) fn days_of((from, until): (UtcTime, UtcTime)) -> Range<u32> {
    day_of(from)..day_of(UtcTime::from_nanos(until.as_nanos().saturating_sub(1))).saturating_add(1)
}

/// What is said of each visit of a day, in the order in which stores keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Nanoseconds from the beginning of the day to the arrival.
    Arrived,
    /// Branch, by its code.
    Branch,
    /// VIP class.
    VipClass,
    /// Account manager, by the 16 bytes of the id.
    AccountManager,
    /// Why it was refused, by name.
    Refusal,
    /// Customer, by the 16 bytes of the id.
    Customer,
    /// Who greeted, as the account manager.
    Greeter,
    /// Milliseconds from the arrival to the greeting, and one more; 0 without one.
    Greeting,
    /// Who served, as the account manager.
    Server,
    /// As with the greeting.
    Serving,
    /// Milliseconds from the arrival to the departure, and one more; 0 of a visit that goes on.
    Stay,
}

impl Column {
    /// All of them.
    pub(super) const ALL: [Self; 11] = [
        Self::Arrived,
        Self::Branch,
        Self::VipClass,
        Self::AccountManager,
        Self::Refusal,
        Self::Customer,
        Self::Greeter,
        Self::Greeting,
        Self::Server,
        Self::Serving,
        Self::Stay,
    ];

    /// What is counted apart by it.
    fn by(self) -> Option<By> {
        match self {
            Self::Branch => Some(By::Branch),
            Self::VipClass => Some(By::VipClass),
            Self::AccountManager => Some(By::AccountManager),
            Self::Refusal => Some(By::Outcome),
            Self::Customer => Some(By::Customer),
            Self::Greeter => Some(By::Greeter),
            Self::Server => Some(By::Server),
            Self::Arrived | Self::Greeting | Self::Serving | Self::Stay => None,
        }
    }

    /// Whether it has to be known to answer this.
    fn is_asked(self, ask: &TallyAsk) -> bool {
        let is_for_others = match self {
            Self::Arrived => true,
            Self::Branch => ask.branches.is_some(),
            Self::Greeting | Self::Serving | Self::Stay => ask.figures == Figures::All,
            _ => false,
        };
        is_for_others || self.by().is_some_and(|by| ask.by.contains(&by))
    }
}

/// The visits of one day in columns: one for each of [`Column::ALL`], in their order.
pub(super) fn sum_up(day: u32, facts: &[Fact]) -> [Vec<u8>; Column::ALL.len()] {
    let begin = begin_of(day).as_nanos();
    let numbers = |number: fn(&Fact) -> Option<u64>| {
        let numbers = facts.iter().map(|fact| number(fact).map_or(0, |number| number.saturating_add(1)));
        write_numbers(&numbers.collect::<Vec<u64>>())
    };
    let ids = |id: fn(&Fact) -> Option<[u8; 16]>| {
        let ids: Vec<Option<[u8; 16]>> = facts.iter().map(id).collect();
        write_names(ids.iter().map(|id| id.as_ref().map(<[u8; 16]>::as_slice)))
    };
    Column::ALL.map(|column| match column {
        Column::Arrived => {
            let after = facts.iter().map(|fact| fact.at.as_nanos().saturating_sub(begin));
            write_numbers(&after.collect::<Vec<u64>>())
        }
        Column::Branch => write_names(facts.iter().map(|fact| Some(fact.branch.as_bytes()))),
        Column::VipClass => write_names(facts.iter().map(|fact| Some(fact.vip_class.as_bytes()))),
        Column::AccountManager => ids(|fact| Some(fact.account_manager?.to_bytes())),
        Column::Refusal => {
            write_names(facts.iter().map(|fact| fact.refusal.map(|refusal| refusal.name().as_bytes())))
        }
        Column::Customer => ids(|fact| Some(fact.customer.to_bytes())),
        Column::Greeter => ids(|fact| Some(fact.greeted?.0.to_bytes())),
        Column::Greeting => numbers(|fact| Some(fact.greeted?.1)),
        Column::Server => ids(|fact| Some(fact.served?.0.to_bytes())),
        Column::Serving => numbers(|fact| Some(fact.served?.1)),
        Column::Stay => numbers(|fact| fact.stay_ms),
    })
}
