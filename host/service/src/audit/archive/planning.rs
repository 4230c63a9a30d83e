//! What may be taken out: whole segments of which every record is old enough.

use std::path::Path;

use rfid_core::{Result, UtcTime};
use rfid_ledger::SegmentHead;

use super::Archives;
use crate::off_runtime::off_runtime;

/// An archive is ended when it would have more bytes of segments.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Records that go into one archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// When the first was written.
    pub from: UtcTime,
    /// None of them was written later.
    pub until: UtcTime,
    /// Bytes that they take online.
    pub bytes: u64,
}

/// What of the trail of a folder was written before this time, in whole segments, and nothing behind number
/// `at_most`. Blocks.
///
/// # Errors
/// `Io`.
pub fn plan(folder: &Path, before: UtcTime, at_most: u64) -> Result<Vec<Planned>> {
    Ok(of(&rfid_ledger::segment_heads(folder)?, before, at_most))
}

/// Whether a run would have something to do with the trail of a folder: something to archive, something to
/// finish, or an archive of which the last record is older than `remove_before`. Nothing where there is no trail.
///
/// # Errors
/// As [`plan`] and [`Archives::of`].
pub async fn is_due(
    folder: &Path,
    archives: &Archives,
    before: UtcTime,
    remove_before: Option<UtcTime>,
) -> Result<bool> {
    let (folder, archives) = (folder.to_owned(), archives.clone());
    off_runtime("archive", move || {
        Ok(folder.is_dir() && is_due_in(&folder, &archives, before, remove_before)?)
    })
    .await
}

fn is_due_in(
    folder: &Path,
    archives: &Archives,
    before: UtcTime,
    remove_before: Option<UtcTime>,
) -> Result<bool> {
    let heads = rfid_ledger::segment_heads(folder)?;
    let (Some(id), Some(first), Some(last)) = (rfid_ledger::identity(folder)?, heads.first(), heads.last())
    else {
        return Ok(false);
    };
    // Less is behind the beginning of the last segment than at the end that always stays.
    let planned = of(&heads, before, last.first.saturating_sub(1));
    let there = archives.of(id)?;
    let is_unfinished = there.iter().any(|archive| archive.last >= first.first);
    let is_over = match (there.first(), remove_before) {
        (Some(oldest), Some(before)) => oldest.open()?.contents().until < before,
        _ => false,
    };
    Ok(!planned.is_empty() || is_unfinished || is_over)
}

fn of(heads: &[SegmentHead], before: UtcTime, at_most: u64) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    for pair in heads.windows(2) {
        let [head, next] = pair else { break };
        // Everything in a segment is older than the beginning of the next one. Of one that does not tell
        // that, nobody knows, and what follows it is not taken without it.
        let (Some(from), Some(until)) = (head.begun, next.begun) else { break };
        let last = next.first.saturating_sub(1);
        if until > before || last > at_most {
            break;
        }
        // One that nothing was written to.
        if last < head.first {
            continue;
        }
        match planned.last_mut().filter(|before| before.bytes.saturating_add(head.bytes) <= MOST_BYTES) {
            Some(before) => {
                (before.last, before.until) = (last, until);
                before.bytes += head.bytes;
            }
            None => planned.push(Planned { first: head.first, last, from, until, bytes: head.bytes }),
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(first: u64, begun: u64, bytes: u64) -> SegmentHead {
        SegmentHead { first, begun: Some(UtcTime::from_nanos(begun)), bytes }
    }

    #[test]
    fn only_what_is_old_as_a_whole_is_taken_out_and_never_the_last_segment() {
        let heads = [head(1, 10, 5), head(4, 20, 5), head(9, 30, 5), head(12, 40, 5)];
        let ranges = |before: u64, at_most: u64| -> Vec<(u64, u64)> {
            let planned = of(&heads, UtcTime::from_nanos(before), at_most);
            planned.iter().map(|one| (one.first, one.last)).collect()
        };
        assert_eq!(ranges(19, 99), []);
        assert_eq!(ranges(20, 99), [(1, 3)]);
        assert_eq!(ranges(39, 99), [(1, 8)]);
        assert_eq!(ranges(1_000, 99), [(1, 11)]);
        assert_eq!(ranges(1_000, 10), [(1, 8)]);
        assert_eq!(ranges(1_000, 2), []);
        assert_eq!(of(&heads[..1], UtcTime::from_nanos(99), 99), []);
    }

    #[test]
    fn an_archive_has_an_end_and_what_does_not_tell_its_time_stays() {
        let mut heads = [head(1, 1, MOST_BYTES - 1), head(4, 2, 2), head(9, 3, 5), head(12, 4, 5)];
        let old = UtcTime::from_nanos(99);
        let ranges = |heads: &[SegmentHead]| -> Vec<(u64, u64)> {
            of(heads, old, 99).iter().map(|one| (one.first, one.last)).collect()
        };
        assert_eq!(ranges(&heads), [(1, 3), (4, 11)]);
        heads[2].begun = None;
        assert_eq!(ranges(&heads), [(1, 3)]);
    }
}
