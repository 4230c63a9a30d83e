//! What goes wrong on purpose.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rfid_core::DurationText;
use serde::Deserialize;

/// What goes wrong on purpose, in the scenario's table `[faults]` or at run time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// A RESET is answered with a line feed too many, as when a cursor was still running (§1).
    pub stray_line_feed_after_reset: bool,
    /// Replies go out in pieces of this many bytes.
    pub split_every: Option<usize>,
    /// Every so-manieth reply to a query of tags lacks its empty line.
    pub missing_terminator_every: Option<u32>,
    /// Every so-manieth write, lock or kill fails in the air.
    pub fail_update_every: Option<u32>,
    /// After this many statements of a connection the reader says nothing any more and keeps the
    /// connection open, as when its power was cut.
    pub silent_after: Option<u32>,
    /// After this many statements of a connection it is dropped without a word.
    pub drop_after: Option<u32>,
    /// After this many statements of a connection the reader reboots: it drops the connection and
    /// forgets what was set.
    pub reboot_after: Option<u32>,
    /// Each answer comes later by this time.
    pub answer_delay: Option<DurationText>,
    /// The reader's clock is behind by this time, as without NTP.
    pub clock_behind: Option<DurationText>,
    /// A power that is set becomes one that is higher by this many hundredths of a dBm, or lower
    /// if it is negative.
    pub power_off_by_cdbm: i16,
    /// So many rows in front of each reply to a query of tags are of tags that are not there. No
    /// two are the same.
    pub invented_tags: u32,
    /// How often each invented tag is said to be read; 0 for once.
    pub invented_reads: u64,
}

/// Faults and what counts down towards one.
#[derive(Debug)]
pub(super) struct FaultState {
    faults: Mutex<Faults>,
    /// Reply bytes until a connection is cut; negative for never.
    bytes_to_cut: AtomicI64,
    replies: AtomicU32,
    updates: AtomicU32,
}

impl FaultState {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults: Mutex::new(faults),
            bytes_to_cut: AtomicI64::new(-1),
            replies: AtomicU32::new(0),
            updates: AtomicU32::new(0),
        }
    }

    pub(super) fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    pub(super) fn faults(&self) -> Faults {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn cut_after(&self, bytes: u32) {
        self.bytes_to_cut.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// How many of these bytes still go out before the cut, if it comes now. Comes once.
    pub(super) fn cut_within(&self, bytes: usize) -> Option<usize> {
        let before = self.bytes_to_cut.load(Ordering::SeqCst);
        if before < 0 {
            return None;
        }
        let left = before - i64::try_from(bytes).unwrap_or(i64::MAX);
        self.bytes_to_cut.store(left.max(-1), Ordering::SeqCst);
        (left < 0).then_some(usize::try_from(before).unwrap_or(0))
    }

    /// Whether this reply to a query of tags lacks its end.
    pub(super) fn lacks_terminator(&self) -> bool {
        is_nth(&self.replies, self.faults().missing_terminator_every)
    }

    /// Whether this write, lock or kill fails.
    pub(super) fn fails_update(&self) -> bool {
        is_nth(&self.updates, self.faults().fail_update_every)
    }
}

fn is_nth(count: &AtomicU32, every: Option<u32>) -> bool {
    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
    every.is_some_and(|every| every > 0 && number.is_multiple_of(every))
}
