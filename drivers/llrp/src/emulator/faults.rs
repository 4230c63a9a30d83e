//! What goes wrong on purpose.

use rfid_core::DurationText;
use rfid_emulated_field::Nth;
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

/// Faults of a reader that runs.
pub(super) type FaultState = rfid_emulated_field::FaultState<Faults, Counts>;

/// What is counted towards a fault.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Operations on tags.
    pub(super) operations: Nth,
}
