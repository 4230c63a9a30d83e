//! Days summed up: what visits have to say to a tally, for each day in UTC in a few values, so that a
//! year is counted without reading millions of records.
//!
//! A day is summed up when it is asked for and something of it has changed since. The writer notes with
//! each visit the number of the ledger under which its day was last touched; a sum bears the number up to
//! which the index was when it was made, and is good if that is not before the other.
//!
//! | key in `days` | value |
//! |---|---|
//! | day, `T` | number in the ledger under which a visit of the day was last written |
//! | day, `S` | number up to which the sum goes, and into how many parts it is |
//! | day, `P`, part | facts, one behind the other |

use std::collections::HashSet;

use rfid_core::{Error, ErrorKind, Name, Result, UtcTime};
use rfid_durable::Batch;
use tokio::task::JoinHandle;

use super::index::DAYS;
use super::reading::Index;
use super::replay;
use crate::record::{CustomerId, Kind, Record, Refusal, StaffId};
use crate::store::tally::{Counting, Fact, Tally, TallyAsk, TallyKey};
use crate::store::{Among, Listing};

/// Nanoseconds of a day.
const DAY: u64 = 24 * 3600 * 1_000_000_000;
/// Bytes of a part at most.
const PART: usize = 48 * 1024;
/// Visits that are read at once to sum up a day.
const READ_AT_ONCE: usize = 2_048;
/// Entries of the tree that are read at once.
const SCANNED: usize = 64;

/// A key of the tree, and what stands under it.
type KeyAndValue = (Vec<u8>, Vec<u8>);

/// The day of a time.
pub(super) fn day_of(at: UtcTime) -> u32 {
    u32::try_from(at.as_nanos() / DAY).unwrap_or(u32::MAX)
}

/// Where it stands when a day was last touched.
pub(super) fn touched(day: u32) -> Vec<u8> {
    key(day, b'T')
}

fn key(day: u32, what: u8) -> Vec<u8> {
    [day.to_be_bytes().as_slice(), &[what]].concat()
}

fn part_key(day: u32, part: u16) -> Vec<u8> {
    [key(day, b'P').as_slice(), &part.to_be_bytes()].concat()
}

/// What is known of a day.
#[derive(Default)]
struct Known {
    touched: u64,
    summed: Option<(u64, u16)>,
    parts: Vec<Vec<u8>>,
}

impl Known {
    fn is_good(&self) -> bool {
        self.summed
            .is_some_and(|(up_to, parts)| up_to >= self.touched && usize::from(parts) == self.parts.len())
    }
}

impl Index {
    pub(super) async fn tally(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        let mut counting = Counting::new(ask);
        let mut names = Names::default();
        let Some((from, until)) = Counting::span(ask) else { return Ok(counting.end()) };
        // Days without any visit are not there at all.
        let mut coming = self.days_behind(key(day_of(from), 0));
        let last = day_of(UtcTime::from_nanos(until.as_nanos().saturating_sub(1)));
        let mut open: Option<(u32, Known)> = None;
        loop {
            let read = coming.await;
            let entries =
                read.map_err(|error| Error::new(ErrorKind::Internal, "tally").with_source(error))??;
            // While these are counted the next are read.
            let last_read = entries.last().filter(|_| entries.len() == SCANNED);
            let next = last_read.map(|(entry, _)| self.days_behind(entry.clone()));
            for (entry, value) in &entries {
                let stray = || {
                    Error::new(ErrorKind::Damaged, "tally").with_detail("the index has a stray entry in days")
                };
                let (day, rest) = entry.split_first_chunk::<4>().ok_or_else(stray)?;
                let day = u32::from_be_bytes(*day);
                if open.as_ref().is_some_and(|(other, _)| *other != day) || open.is_none() {
                    if let Some((day, known)) = open.take() {
                        self.count_day(day, known, &mut names, &mut counting).await?;
                    }
                    if day > last {
                        return Ok(counting.end());
                    }
                    open = Some((day, Known::default()));
                }
                let Some((_, known)) = open.as_mut() else { continue };
                match rest.first() {
                    Some(b'T') => known.touched = number(value).ok_or_else(stray)?,
                    Some(b'S') => {
                        let parts =
                            value.get(8..10).and_then(|parts| parts.try_into().ok()).map(u16::from_be_bytes);
                        known.summed = number(value).zip(parts);
                    }
                    Some(b'P') => known.parts.push(value.clone()),
                    _ => return Err(stray()),
                }
            }
            match next {
                Some(next) => coming = next,
                None => break,
            }
        }
        if let Some((day, known)) = open {
            self.count_day(day, known, &mut names, &mut counting).await?;
        }
        Ok(counting.end())
    }

    /// Begins to read what the tree has behind a key.
    fn days_behind(&self, key: Vec<u8>) -> JoinHandle<Result<Vec<KeyAndValue>>> {
        let sled = self.sled().clone();
        tokio::spawn(async move { sled.scan(DAYS, Some(key), SCANNED).await })
    }

    async fn count_day(
        &self,
        day: u32,
        known: Known,
        names: &mut Names,
        counting: &mut Counting<'_>,
    ) -> Result<()> {
        if known.is_good() {
            for part in &known.parts {
                for fact in (Facts { bytes: part, names }) {
                    counting.add(&fact?);
                }
            }
            return Ok(());
        }
        for fact in self.sum_up(day).await? {
            counting.add(&fact);
        }
        Ok(())
    }

    /// Sums up a day, and keeps the sum.
    async fn sum_up(&self, day: u32) -> Result<Vec<Fact>> {
        // First the number, then the visits: what is written meanwhile makes the sum worthless.
        let up_to = replay::last_applied(self).await?;
        let from = UtcTime::from_nanos(u64::from(day).saturating_mul(DAY));
        let until = UtcTime::from_nanos(from.as_nanos().saturating_add(DAY));
        let listing = Listing { kind: Kind::Visit, among: Among::All, from, until };
        let (mut facts, mut after) = (Vec::new(), None);
        loop {
            let page = self.list(&listing, after, READ_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = last.record.place();
            facts.extend(page.iter().filter_map(|stored| match &stored.record {
                Record::Visit(visit) => Some(Fact::of(visit)),
                _ => None,
            }));
        }
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for fact in &facts {
            let bytes = encode(fact);
            match parts.last_mut().filter(|part| part.len() + bytes.len() <= PART) {
                Some(part) => part.extend(bytes),
                None => parts.push(bytes),
            }
        }
        // Parts of before are written over; of those that are too many the sum says nothing, and they go.
        let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
        if usize::from(count) == parts.len() {
            for (part, bytes) in (0u16..).zip(parts) {
                let mut batch = Batch::default();
                batch.put(DAYS, part_key(day, part), bytes);
                self.sled().commit(batch).await?;
            }
            let mut batch = Batch::default();
            batch.remove(DAYS, part_key(day, count));
            batch.put(DAYS, key(day, b'S'), [up_to.to_be_bytes().as_slice(), &count.to_be_bytes()].concat());
            self.sled().commit(batch).await?;
        }
        Ok(facts)
    }
}

fn number(value: &[u8]) -> Option<u64> {
    value.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The bytes of a fact: a length, and in that what it says. Texts bear their lengths.
fn encode(fact: &Fact) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(fact.at.as_nanos().to_be_bytes());
    bytes.extend(fact.customer.to_bytes());
    for text in [&fact.branch, &fact.vip_class] {
        // Codes have at most 255 bytes; what is longer is cut, and then of no branch that there is.
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        bytes.push(length);
        bytes.extend(text.as_bytes().iter().take(usize::from(length)));
    }
    bytes.push(
        fact.refusal
            .and_then(|refusal| Refusal::ALL.iter().position(|other| *other == refusal))
            .map_or(0, |at| u8::try_from(at + 1).unwrap_or(0)),
    );
    let staff = |bytes: &mut Vec<u8>, id: Option<StaffId>| {
        bytes.push(u8::from(id.is_some()));
        bytes.extend(id.iter().flat_map(|id| id.to_bytes()));
    };
    staff(&mut bytes, fact.account_manager);
    for act in [fact.greeted, fact.served] {
        staff(&mut bytes, act.map(|(by, _)| by));
        bytes.extend(act.iter().flat_map(|(_, after)| after.to_be_bytes()));
    }
    bytes.push(u8::from(fact.stay_ms.is_some()));
    bytes.extend(fact.stay_ms.iter().flat_map(|stay| stay.to_be_bytes()));
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    bytes.splice(..2, length);
    bytes
}

/// Codes that were read, so that each is made once and not for each of millions of facts.
#[derive(Default)]
struct Names(HashSet<Name, ahash::RandomState>);

impl Names {
    fn of(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.0.insert(name.clone());
        name
    }
}

/// Reads facts, one behind the other.
struct Facts<'a> {
    bytes: &'a [u8],
    names: &'a mut Names,
}

impl Iterator for Facts<'_> {
    type Item = Result<Fact>;

    fn next(&mut self) -> Option<Result<Fact>> {
        if self.bytes.is_empty() {
            return None;
        }
        let fact = self.bytes.first_chunk::<2>().and_then(|length| {
            let (bytes, rest) = self.bytes.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            self.bytes = rest;
            decode(bytes.get(2..)?, self.names)
        });
        if fact.is_none() {
            self.bytes = &[];
        }
        let damaged =
            || Error::new(ErrorKind::Damaged, "tally").with_detail("the sum of a day cannot be read");
        Some(fact.ok_or_else(damaged))
    }
}

fn decode(bytes: &[u8], names: &mut Names) -> Option<Fact> {
    let mut rest = bytes;
    let mut take = |count: usize| -> Option<&[u8]> {
        let (taken, behind) = rest.split_at_checked(count)?;
        rest = behind;
        Some(taken)
    };
    let at = UtcTime::from_nanos(u64::from_be_bytes(take(8)?.try_into().ok()?));
    let customer = CustomerId::from_bytes(take(16)?.try_into().ok()?);
    let mut text = || -> Option<Name> {
        let length = usize::from(*take(1)?.first()?);
        Some(names.of(std::str::from_utf8(take(length)?).ok()?))
    };
    let (branch, vip_class) = (text()?, text()?);
    let refusal = match *take(1)?.first()? {
        0 => None,
        at => Some(*Refusal::ALL.get(usize::from(at) - 1)?),
    };
    let mut is_there = || Some(*take(1)?.first()? == 1);
    let has_manager = is_there()?;
    let mut staff = |is_there: bool| -> Option<Option<StaffId>> {
        if is_there { Some(Some(StaffId::from_bytes(take(16)?.try_into().ok()?))) } else { Some(None) }
    };
    let account_manager = staff(has_manager)?;
    let mut act = || -> Option<Option<(StaffId, u64)>> {
        if *take(1)?.first()? == 0 {
            return Some(None);
        }
        let by = StaffId::from_bytes(take(16)?.try_into().ok()?);
        Some(Some((by, u64::from_be_bytes(take(8)?.try_into().ok()?))))
    };
    let (greeted, served) = (act()?, act()?);
    let stay_ms = match *take(1)?.first()? {
        0 => None,
        _ => Some(u64::from_be_bytes(take(8)?.try_into().ok()?)),
    };
    Some(Fact { at, branch, vip_class, account_manager, refusal, customer, greeted, served, stay_ms })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> impl Strategy<Value = Fact> {
        let staff = || any::<[u8; 16]>().prop_map(StaffId::from_bytes);
        let act = || proptest::option::of((staff(), any::<u64>()));
        let refusal = proptest::option::of((0..Refusal::ALL.len()).prop_map(|at| Refusal::ALL[at]));
        (
            (any::<u64>(), "[a-z]{0,20}", "[a-z\u{4e00}-\u{4e20}]{0,8}", any::<[u8; 16]>()),
            (proptest::option::of(staff()), refusal, act(), act(), proptest::option::of(any::<u64>())),
        )
            .prop_map(
                |((at, branch, class, customer), (account_manager, refusal, greeted, served, stay_ms))| {
                    Fact {
                        at: UtcTime::from_nanos(at),
                        branch: branch.as_str().into(),
                        vip_class: class.as_str().into(),
                        account_manager,
                        refusal,
                        customer: CustomerId::from_bytes(customer),
                        greeted,
                        served,
                        stay_ms,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn facts_are_read_as_they_were_written(all in proptest::collection::vec(facts(), 0..5)) {
            let bytes: Vec<u8> = all.iter().flat_map(encode).collect();
            let facts = Facts { bytes: &bytes, names: &mut Names::default() };
            let read: Result<Vec<Fact>> = facts.collect();
            prop_assert_eq!(read.unwrap(), all);
        }

        #[test]
        fn any_bytes_are_facts_or_damage(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let facts = Facts { bytes: &bytes, names: &mut Names::default() };
            prop_assert!(facts.count() <= bytes.len());
        }
    }
}
