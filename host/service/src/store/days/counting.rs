//! Counts the columns of days.
//!
//! Each branch, class and person gets a number the first time that it occurs, so that the millions of visits
//! behind are counted by numbers alone.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use rfid_core::{Error, ErrorKind, Name, Result, UtcTime};

use super::column::{Names, read_names, read_numbers};
use super::{Column, begin_of};
use crate::record::{CustomerId, Refusal, StaffId};
use crate::store::tally::{By, Tally, TallyAsk, TallyKey};

/// What visits that are counted together have in common, in the order of [`By::ALL`]: of the span its label,
/// of everything else its number, and 0 where it has none or nobody asks.
type Together = [u32; By::ALL.len()];

/// A count under way.
pub(in crate::store) struct DayCounting {
    ask: TallyAsk,
    columns: Vec<Column>,
    known: Known,
    places: HashMap<Together, usize, ahash::RandomState>,
    tallies: Vec<Tally>,
}

/// Values that have occurred, each with a number from 1.
struct Numbered<V> {
    numbers: HashMap<V, u32, ahash::RandomState>,
    values: Vec<V>,
}

impl<V> Default for Numbered<V> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), values: Vec::new() }
    }
}

impl<V: Clone + Eq + Hash> Numbered<V> {
    fn number_of<Q: Eq + Hash + ?Sized>(&mut self, value: &Q, make: impl FnOnce(&Q) -> V) -> u32
    where
        V: Borrow<Q>,
    {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let value = make(value);
        self.values.push(value.clone());
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.numbers.insert(value, number);
        number
    }

    /// Nothing of 0.
    fn value(&self, number: u32) -> Option<&V> {
        self.values.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}

/// What has occurred of each that visits are counted apart by.
#[derive(Default)]
struct Known {
    branches: Numbered<Name>,
    vip_classes: Numbered<Name>,
    refusals: Numbered<Name>,
    account_managers: Numbered<[u8; 16]>,
    greeters: Numbered<[u8; 16]>,
    servers: Numbered<[u8; 16]>,
    customers: Numbered<[u8; 16]>,
}

impl Known {
    /// `None` where these bytes are no such name.
    fn number_of(&mut self, by: By, bytes: &[u8]) -> Option<u32> {
        let text = |names: &mut Numbered<Name>| {
            Some(names.number_of(std::str::from_utf8(bytes).ok()?, |name| Name::from(name)))
        };
        let id =
            |ids: &mut Numbered<[u8; 16]>| Some(ids.number_of(&<[u8; 16]>::try_from(bytes).ok()?, |id| *id));
        match by {
            By::Span => None,
            By::Branch => text(&mut self.branches),
            By::VipClass => text(&mut self.vip_classes),
            By::Outcome => text(&mut self.refusals),
            By::AccountManager => id(&mut self.account_managers),
            By::Greeter => id(&mut self.greeters),
            By::Server => id(&mut self.servers),
            By::Customer => id(&mut self.customers),
        }
    }
}

impl DayCounting {
    pub(in crate::store) fn new(ask: &TallyAsk) -> Self {
        Self {
            ask: ask.clone(),
            columns: Column::ALL.into_iter().filter(|column| column.is_asked(ask)).collect(),
            known: Known::default(),
            places: HashMap::default(),
            tallies: Vec::new(),
        }
    }

    /// The columns that it has to be given, in this order.
    pub(in crate::store) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Counts the visits of a day by their columns.
    ///
    /// # Errors
    /// `Damaged` where they are none, or not of the same visits. Some may be counted then: the count is
    /// worth nothing.
    pub(in crate::store) fn add(&mut self, day: u32, columns: &[&[u8]]) -> Result<()> {
        self.try_add(day, columns).ok_or_else(|| {
            Error::new(ErrorKind::Damaged, "tally")
                .with_detail(format!("the sum of day {day} cannot be read"))
        })
    }

    /// Counts the visits of a day of which all columns are there.
    ///
    /// # Errors
    /// As [`DayCounting::add`].
    pub(in crate::store) fn add_sum(&mut self, day: u32, sum: &[Vec<u8>; Column::ALL.len()]) -> Result<()> {
        let columns: Vec<&[u8]> =
            self.columns.iter().filter_map(|column| sum.get(*column as usize)).map(Vec::as_slice).collect();
        self.add(day, &columns)
    }

    fn try_add(&mut self, day: u32, columns: &[&[u8]]) -> Option<()> {
        let given: Vec<(Column, &[u8])> = self.columns.iter().copied().zip(columns.iter().copied()).collect();
        let (_, arrived) = given.iter().find(|(column, _)| *column == Column::Arrived)?;
        let arrived = read_numbers(arrived)?;
        let (mut together, is_here) = self.in_common(&given, arrived.len())?;
        let places = self.count_arrivals(begin_of(day), &arrived, is_here.as_deref(), &mut together);
        for (column, bytes) in given {
            let add: fn(&mut Tally, u64) = match column {
                Column::Greeting => |tally, after| {
                    tally.greeted += 1;
                    tally.greeting_ms = tally.greeting_ms.saturating_add(after);
                    tally.longest_greeting_ms = tally.longest_greeting_ms.max(after);
                },
                Column::Serving => |tally, after| {
                    tally.served += 1;
                    tally.serving_ms = tally.serving_ms.saturating_add(after);
                },
                Column::Stay => |tally, stay| {
                    tally.departed += 1;
                    tally.stay_ms = tally.stay_ms.saturating_add(stay);
                },
                _ => continue,
            };
            let after = read_numbers(bytes).filter(|numbers| numbers.len() == arrived.len())?;
            for (place, after) in places.iter().zip(after) {
                let (Some(place), Some(after)) = (place, after.checked_sub(1)) else { continue };
                add(self.tallies.get_mut(*place)?, after);
            }
        }
        Some(())
    }

    /// What each of so many visits has in common with others, and whether it is in a branch that is asked for,
    /// where not all are.
    fn in_common(
        &mut self,
        given: &[(Column, &[u8])],
        visits: usize,
    ) -> Option<(Vec<Together>, Option<Vec<bool>>)> {
        let mut together = vec![Together::default(); visits];
        let mut is_here = None;
        for (column, bytes) in given {
            let Some(by) = column.by() else { continue };
            let names = read_names(bytes).filter(|names| names.at.len() == visits)?;
            if let Some(branches) = self.ask.branches.as_ref().filter(|_| by == By::Branch) {
                let is_one =
                    |name: &&[u8]| std::str::from_utf8(name).is_ok_and(|name| branches.contains(name));
                is_here = Some(spread(&names, names.list.iter().map(is_one), false));
            }
            if !self.ask.by.contains(&by) {
                continue;
            }
            let number = |name: &&[u8]| self.known.number_of(by, name);
            let numbers: Vec<u32> = names.list.iter().map(number).collect::<Option<_>>()?;
            for (together, number) in together.iter_mut().zip(spread(&names, numbers.into_iter(), 0)) {
                *together.get_mut(by as usize)? = number;
            }
        }
        Some((together, is_here))
    }

    /// Counts who arrived within the spans, and says where each is counted.
    fn count_arrivals(
        &mut self,
        begin: UtcTime,
        arrived: &[u64],
        is_here: Option<&[bool]>,
        together: &mut [Together],
    ) -> Vec<Option<usize>> {
        let Self { ask, places, tallies, .. } = self;
        let by_span = ask.by.contains(&By::Span);
        // Of two that follow each other both are mostly of the same span.
        let (mut from, mut until, mut label) = (UtcTime::from_nanos(0), UtcTime::from_nanos(0), None);
        let mut counted = Vec::with_capacity(arrived.len());
        for (place, (after, together)) in arrived.iter().zip(together).enumerate() {
            let at = UtcTime::from_nanos(begin.as_nanos().saturating_add(*after));
            if !(from <= at && at < until) {
                // The span whose first edge is the last that is not behind it.
                let behind = ask.edges.partition_point(|edge| *edge <= at);
                let span = behind.checked_sub(1).filter(|_| behind < ask.edges.len());
                let edge = |at: Option<usize>| at.and_then(|at| ask.edges.get(at)).copied();
                from = edge(behind.checked_sub(1)).unwrap_or_default();
                until = edge(Some(behind)).unwrap_or(UtcTime::from_nanos(u64::MAX));
                label = span.map(|span| ask.label(span));
            }
            let is_here = is_here.is_none_or(|is_here| is_here.get(place) == Some(&true));
            let Some(label) = label.filter(|_| is_here) else {
                counted.push(None);
                continue;
            };
            if by_span {
                together[By::Span as usize] = label;
            }
            let place = *places.entry(*together).or_insert_with(|| {
                tallies.push(Tally::default());
                tallies.len() - 1
            });
            if let Some(tally) = tallies.get_mut(place) {
                tally.visits += 1;
                tally.last = tally.last.max(at);
            }
            counted.push(Some(place));
        }
        counted
    }

    /// What was counted, in the order of what it has in common.
    ///
    /// # Errors
    /// `Damaged` where days told of a refusal that there is not.
    pub(in crate::store) async fn end(self) -> Result<Vec<(TallyKey, Tally)>> {
        // Of each customer there may be one to put in order.
        let ended = tokio::task::spawn_blocking(move || self.put_in_order()).await;
        ended.map_err(|error| Error::new(ErrorKind::Internal, "tally").with_source(error))?
    }

    fn put_in_order(self) -> Result<Vec<(TallyKey, Tally)>> {
        let mut counted: Vec<(TallyKey, Tally)> = self
            .places
            .iter()
            .map(|(together, place)| Some((self.key_of(together)?, self.tallies.get(*place).copied()?)))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                Error::new(ErrorKind::Damaged, "tally").with_detail("the sum of a day has an unknown refusal")
            })?;
        counted.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(counted)
    }

    /// `None` where a refusal is none.
    fn key_of(&self, together: &Together) -> Option<TallyKey> {
        let number = |by: By| together.get(by as usize).copied().unwrap_or(0);
        let known = &self.known;
        let refusal = match known.refusals.value(number(By::Outcome)) {
            None => None,
            Some(name) => Some(Refusal::ALL.iter().find(|refusal| refusal.name() == name.as_str())?.name()),
        };
        let staff =
            |ids: &Numbered<[u8; 16]>, by: By| ids.value(number(by)).copied().map(StaffId::from_bytes);
        Some(TallyKey {
            span: self.ask.by.contains(&By::Span).then(|| number(By::Span)),
            branch: known.branches.value(number(By::Branch)).cloned(),
            vip_class: known.vip_classes.value(number(By::VipClass)).cloned(),
            account_manager: staff(&known.account_managers, By::AccountManager),
            refusal,
            greeter: staff(&known.greeters, By::Greeter),
            server: staff(&known.servers, By::Server),
            customer: known.customers.value(number(By::Customer)).copied().map(CustomerId::from_bytes),
        })
    }
}

/// Of each visit what belongs to its name.
fn spread<T: Copy>(names: &Names<'_>, of_each: impl Iterator<Item = T>, of_none: T) -> Vec<T> {
    let of_each: Vec<T> = std::iter::once(of_none).chain(of_each).collect();
    let of = |at: &u64| usize::try_from(*at).ok().and_then(|at| of_each.get(at)).copied();
    names.at.iter().map(|at| of(at).unwrap_or(of_none)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::store::days::{DAY, day_of, sum_up};
    use crate::store::memory::tallying;
    use crate::store::tally::{Fact, Figures};

    fn facts() -> impl Strategy<Value = Vec<Fact>> {
        let id = || (0_u8..3).prop_map(|byte| [byte; 16]);
        let staff = move || id().prop_map(StaffId::from_bytes);
        let act = move || proptest::option::of((staff(), 0..5_000_u64));
        let refusal = proptest::option::of((0..Refusal::ALL.len()).prop_map(|at| Refusal::ALL[at]));
        let fact = (
            (0..3 * DAY, "[ab]", "[ab\u{4e00}]", id()),
            (proptest::option::of(staff()), refusal, act(), act(), proptest::option::of(any::<u32>())),
        )
            .prop_map(
                |((at, branch, class, customer), (account_manager, refusal, greeted, served, stay))| Fact {
                    at: UtcTime::from_nanos(at),
                    branch: branch.as_str().into(),
                    vip_class: class.as_str().into(),
                    account_manager,
                    refusal,
                    customer: CustomerId::from_bytes(customer),
                    greeted,
                    served,
                    stay_ms: stay.map(u64::from),
                },
            );
        proptest::collection::vec(fact, 0..40)
    }

    fn asks() -> impl Strategy<Value = TallyAsk> {
        let ways = proptest::sample::subsequence(By::ALL.to_vec(), 0..=By::ALL.len());
        let edges = proptest::collection::btree_set(0..=3 * DAY, 0..5);
        let branches = proptest::option::of(proptest::collection::btree_set("[abc]", 0..2));
        (ways, edges, branches, proptest::collection::vec(0_u32..3, 0..5), any::<bool>()).prop_map(
            |(by, edges, branches, labels, is_all)| TallyAsk {
                edges: edges.into_iter().map(UtcTime::from_nanos).collect(),
                labels,
                branches: branches.map(|branches| branches.iter().map(|code| code.as_str().into()).collect()),
                by: by.into_iter().collect::<BTreeSet<By>>(),
                figures: if is_all { Figures::All } else { Figures::Visits },
            },
        )
    }

    fn by_day(facts: &[Fact]) -> BTreeMap<u32, Vec<Fact>> {
        let mut days: BTreeMap<u32, Vec<Fact>> = BTreeMap::new();
        for fact in facts {
            days.entry(day_of(fact.at)).or_default().push(fact.clone());
        }
        days
    }

    proptest! {
        #[test]
        fn columns_of_days_count_as_visits_do_one_by_one(facts in facts(), ask in asks()) {
            let mut counting = DayCounting::new(&ask);
            for (day, facts) in by_day(&facts) {
                counting.add_sum(day, &sum_up(day, &facts)).unwrap();
            }
            prop_assert_eq!(counting.put_in_order().unwrap(), tallying::tally(&ask, facts));
        }

        #[test]
        fn a_broken_sum_is_damage_or_is_counted(
            facts in facts(),
            ask in asks(),
            at in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut counting = DayCounting::new(&ask);
            let mut sum = sum_up(0, &facts);
            for column in &mut sum {
                let at = at.index(column.len());
                column[at] = byte;
            }
            let _ = counting.add_sum(0, &sum).and_then(|()| counting.put_in_order());
        }
    }
}
