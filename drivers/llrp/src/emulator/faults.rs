//! What goes wrong on purpose.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rfid_core::DurationText;
use serde::Deserialize;

/// What goes wrong on purpose, in the scenario's table `[faults]` or at run time. What real readers
/// do is in §12 of the protocol document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Messages go out in pieces of this many bytes.
    pub split_every: Option<usize>,
    /// After this many messages of a client the reader says nothing any more and keeps the
    /// connection open, as when its power was cut.
    pub silent_after: Option<u32>,
    /// After this many messages of a client it is dropped without a word.
    pub drop_after: Option<u32>,
    /// After this many messages of a client the reader closes the connection by its own
    /// will, with the event for that.
    pub close_after: Option<u32>,
    /// After this many messages of a client the reader is started anew: the connection is gone, and
    /// so is everything that was set and added.
    pub reboot_after: Option<u32>,
    /// Each answer comes later by this time.
    pub answer_delay: Option<DurationText>,
    /// Somebody else has the reader: each client is greeted with a refusal.
    pub another_client: bool,
    /// A new client takes the place of the one that is there, which is told that it is over.
    pub take_over: bool,
    /// So many keepalives in a row that nobody acknowledges end the connection.
    pub drop_after_keepalives: Option<u32>,
    /// The reader has no clock; its times count from its start.
    pub no_utc_clock: bool,
    /// The reader's clock is behind by this time, as one that was never set.
    pub clock_behind: Option<DurationText>,
    /// Tags that the buffer of reports holds; further ones are lost. 4,096 if left out.
    pub report_buffer: Option<usize>,
    /// The question for versions ends the connection.
    pub close_on_version_question: bool,
    /// A trigger on tag observations is not supported (sllurp #177).
    pub no_tag_observation_trigger: bool,
    /// Transmitters cannot be configured in a ROSpec (sllurp #118, #80).
    pub no_transmitter: bool,
    /// There is no block write.
    pub no_block_write: bool,
    /// Deleting all ROSpecs or AccessSpecs by number 0 is refused.
    pub no_delete_all: bool,
    /// A report without tags and an event message without an event go before each report
    /// (sllurp #115).
    pub empty_messages: bool,
    /// EPCs of 96 bits come as those of any other length.
    pub epc_as_data: bool,
    /// The EPC stands behind everything else that is said of a tag.
    pub members_out_of_order: bool,
    /// Members of a report that are as they were in the one before are left out.
    pub unchanged_left_out: bool,
    /// Each tag and the capabilities bear a parameter of a vendor whom nobody knows.
    pub unknown_vendor: bool,
    /// In sessions 1 to 3, a tag that was read stays silent while it is there (sllurp #63).
    pub single_target: bool,
    /// ENABLE_EVENTS_AND_REPORTS, to which nothing is answered, is answered with an error.
    pub error_to_enabling: bool,
    /// The handshake of the vendor's extensions is refused, as by another maker's reader
    /// (sllurp #119).
    pub no_extensions: bool,
    /// Every so-manieth operation on a tag fails in the air.
    pub fail_operation_every: Option<u32>,
}

/// Faults and what counts down towards one.
#[derive(Debug)]
pub(super) struct FaultState {
    faults: Mutex<Faults>,
    /// Bytes to the client until its connection is cut; negative for never.
    bytes_to_cut: AtomicI64,
    operations: AtomicU32,
}

impl FaultState {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults: Mutex::new(faults), bytes_to_cut: AtomicI64::new(-1), operations: AtomicU32::new(0) }
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

    /// Whether this operation on a tag fails.
    pub(super) fn fails_operation(&self) -> bool {
        let number = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        self.faults().fail_operation_every.is_some_and(|every| every > 0 && number.is_multiple_of(every))
    }
}
