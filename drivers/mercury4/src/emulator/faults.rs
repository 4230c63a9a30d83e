//! What goes wrong on purpose.

use rfid_core::DurationText;
use rfid_emulated_field::Nth;
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

/// Faults of a reader that runs.
pub(super) type FaultState = rfid_emulated_field::FaultState<Faults, Counts>;

/// What is counted towards a fault.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Replies to queries of tags.
    pub(super) replies: Nth,
    /// Writes, locks and kills.
    pub(super) updates: Nth,
}
