//! Sums of days ([`days`](crate::store::days)) in the index.
//!
//! A day is summed up when it is asked for and something of it has changed since. The writer notes with
//! each visit the number of the ledger under which its day was last touched; a sum bears the number up to
//! which the index was when it was made, and is good if that is not before the other.
//!
//! | key in `days` | value |
//! |---|---|
//! | `T`, day | number in the ledger under which a visit of the day was last written |
//! | `S`, day | number up to which the sum goes, and into how many parts each column is |
//! | `C`, day, column, part | a part of a column |

use std::ops::Range;

use rfid_core::{Error, ErrorKind, Result};
use rfid_durable::Batch;
use tokio::task::JoinHandle;

use super::index::DAYS;
use super::reading::Index;
use super::replay;
use crate::record::{Kind, Record};
use crate::store::days::{Column, DayCounting, begin_of, days_of, sum_up};
use crate::store::tally::{Fact, Tally, TallyAsk, TallyKey};
use crate::store::{Among, Listing};

/// Bytes of a part at most.
const PART: usize = 48 * 1024;
/// Visits that are read at once to sum up a day.
const READ_AT_ONCE: usize = 2_048;
/// Days that are found at once, and days of which the columns are read at once.
const FOUND: usize = 512;
const DAYS_AT_ONCE: usize = 16;

/// Into how many parts each column is.
type Parts = [u16; Column::ALL.len()];

/// Where it stands when a day was last touched.
pub(super) fn touched(day: u32) -> Vec<u8> {
    key(b'T', day)
}

fn summed(day: u32) -> Vec<u8> {
    key(b'S', day)
}

fn key(what: u8, day: u32) -> Vec<u8> {
    [&[what], day.to_be_bytes().as_slice()].concat()
}

fn part_key(day: u32, column: Column, part: u16) -> Vec<u8> {
    [key(b'C', day).as_slice(), &[column as u8], &part.to_be_bytes()].concat()
}

/// What is known of the sum of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    up_to: u64,
    parts: Parts,
}

impl Sum {
    fn to_bytes(self) -> Vec<u8> {
        let parts = self.parts.iter().flat_map(|parts| parts.to_be_bytes());
        self.up_to.to_be_bytes().into_iter().chain(parts).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (up_to, rest) = bytes.split_first_chunk::<8>()?;
        let (parts, []) = rest.as_chunks::<2>() else { return None };
        let parts: Vec<u16> = parts.iter().map(|parts| u16::from_be_bytes(*parts)).collect();
        Some(Self { up_to: u64::from_be_bytes(*up_to), parts: parts.try_into().ok()? })
    }

    /// If a day that was last touched there has nothing else in it.
    fn if_good(bytes: Option<&[u8]>, touched: Option<&[u8]>) -> Option<Self> {
        let touched = u64::from_be_bytes(touched?.try_into().ok()?);
        Self::from_bytes(bytes?).filter(|sum| sum.up_to >= touched)
    }
}

/// A day, and the columns that are asked for if its sum is good.
type Found = (u32, Option<Vec<Vec<u8>>>);

impl Index {
    pub(super) async fn tally(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        let Some(span) = ask.span() else { return Ok(Vec::new()) };
        let mut counting = DayCounting::new(ask);
        let days = self.days_with_visits(days_of(span)).await?;
        let mut portions = days.chunks(DAYS_AT_ONCE);
        let mut coming = portions.next().map(|days| self.read_sums(days, counting.columns()));
        while let Some(reading) = coming {
            let found = reading
                .await
                .map_err(|error| Error::new(ErrorKind::Internal, "tally").with_source(error))??;
            // While these are counted the next are read.
            coming = portions.next().map(|days| self.read_sums(days, counting.columns()));
            for (day, columns) in found {
                match columns {
                    Some(columns) => {
                        let columns: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
                        counting.add(day, &columns)?;
                    }
                    None => counting.add_sum(day, &self.sum_up(day).await?)?,
                }
            }
        }
        counting.end().await
    }

    /// Those of these days on which somebody came.
    async fn days_with_visits(&self, among: Range<u32>) -> Result<Vec<u32>> {
        let mut days = Vec::new();
        let mut after = among.start.checked_sub(1).map_or(vec![b'T'], touched);
        loop {
            let page = self.sled().scan(DAYS, Some(after), FOUND).await?;
            for (key, _) in &page {
                match key.as_slice() {
                    [b'T', day @ ..] => match <[u8; 4]>::try_from(day).map(u32::from_be_bytes) {
                        Ok(day) if day < among.end => days.push(day),
                        Ok(_) => return Ok(days),
                        Err(_) => {
                            let detail = "the index has a stray entry in days";
                            return Err(Error::new(ErrorKind::Damaged, "tally").with_detail(detail));
                        }
                    },
                    _ => return Ok(days),
                }
            }
            match page.into_iter().next_back() {
                Some((key, _)) => after = key,
                None => return Ok(days),
            }
        }
    }

    /// Begins to read columns of days.
    fn read_sums(&self, days: &[u32], columns: &[Column]) -> JoinHandle<Result<Vec<Found>>> {
        let (index, days, columns) = (self.clone(), days.to_vec(), columns.to_vec());
        tokio::spawn(async move { index.sums_of(&days, &columns).await })
    }

    async fn sums_of(&self, days: &[u32], columns: &[Column]) -> Result<Vec<Found>> {
        let sums = self.known(days).await?;
        let mut keys = Vec::new();
        for (day, sum) in days.iter().zip(&sums) {
            let Some(sum) = sum else { continue };
            keys.extend([touched(*day), summed(*day)]);
            for column in columns {
                let parts = sum.parts.get(*column as usize).copied().unwrap_or(0);
                keys.extend((0..parts).map(|part| part_key(*day, *column, part)));
            }
        }
        // All of it as of one moment: a sum that was made anew since is found to be another.
        let mut values = self.sled().get_many(DAYS, keys).await?.into_iter();
        let mut found = Vec::with_capacity(days.len());
        for (day, sum) in days.iter().zip(sums) {
            let Some(sum) = sum else {
                found.push((*day, None));
                continue;
            };
            let (touched, again) = (values.next().flatten(), values.next().flatten());
            let is_the_same = Sum::if_good(again.as_deref(), touched.as_deref()) == Some(sum);
            let mut read = is_the_same.then(Vec::new);
            for column in columns {
                let parts = sum.parts.get(*column as usize).copied().unwrap_or(0);
                // What is missing was damaged.
                let bytes: Option<Vec<Vec<u8>>> = values.by_ref().take(usize::from(parts)).collect();
                read = read.zip(bytes).map(|(mut read, bytes)| {
                    read.push(bytes.concat());
                    read
                });
            }
            found.push((*day, read));
        }
        Ok(found)
    }

    /// The sums of days that are good.
    async fn known(&self, days: &[u32]) -> Result<Vec<Option<Sum>>> {
        let keys = days.iter().flat_map(|day| [touched(*day), summed(*day)]).collect();
        let values = self.sled().get_many(DAYS, keys).await?;
        let (pairs, _) = values.as_chunks::<2>();
        Ok(pairs.iter().map(|[touched, sum]| Sum::if_good(sum.as_deref(), touched.as_deref())).collect())
    }

    /// Sums up a day, and keeps the sum.
    async fn sum_up(&self, day: u32) -> Result<[Vec<u8>; Column::ALL.len()]> {
        // Two sums of one day would be written into each other.
        let _alone = self.summing().acquire().await;
        // Whoever waited for another one finds what that has made.
        if let Some((_, Some(columns))) = self.sums_of(&[day], &Column::ALL).await?.pop()
            && let Ok(columns) = columns.try_into()
        {
            return Ok(columns);
        }
        // First the number, then the visits: what is written meanwhile makes the sum worthless.
        let up_to = replay::last_applied(self).await?;
        let (from, until) = (begin_of(day), begin_of(day.saturating_add(1)));
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
        let columns = sum_up(day, &facts);
        self.keep_sum(day, up_to, &columns).await?;
        Ok(columns)
    }

    async fn keep_sum(&self, day: u32, up_to: u64, columns: &[Vec<u8>; Column::ALL.len()]) -> Result<()> {
        let before = self.sled().get(DAYS, summed(day)).await?;
        let before =
            before.and_then(|before| Sum::from_bytes(&before)).map_or(Parts::default(), |sum| sum.parts);
        let mut parts = Parts::default();
        let (mut batch, mut size) = (Batch::default(), 0);
        for (((column, bytes), count), before) in
            Column::ALL.into_iter().zip(columns).zip(&mut parts).zip(before)
        {
            for piece in bytes.chunks(PART) {
                if size + piece.len() > PART {
                    self.sled().commit(std::mem::take(&mut batch)).await?;
                    size = 0;
                }
                batch.put(DAYS, part_key(day, column, *count), piece);
                size += piece.len();
                match count.checked_add(1) {
                    Some(next) => *count = next,
                    // Nobody has so many visitors in a day; what they are is read each time.
                    None => return Ok(()),
                }
            }
            for part in *count..before {
                batch.remove(DAYS, part_key(day, column, part));
            }
        }
        batch.put(DAYS, summed(day), Sum { up_to, parts }.to_bytes());
        self.sled().commit(batch).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_good_if_nothing_was_touched_after_it() {
        let sum = Sum { up_to: 7, parts: [3; Column::ALL.len()] };
        let bytes = sum.to_bytes();
        let if_good = |bytes: &[u8], touched: u64| Sum::if_good(Some(bytes), Some(&touched.to_be_bytes()));
        assert_eq!(if_good(&bytes, 7), Some(sum));
        assert_eq!(if_good(&bytes, 8), None);
        assert_eq!(if_good(&bytes[..bytes.len() - 1], 7), None);
        assert_eq!(Sum::if_good(Some(&bytes), None), None);
    }
}
