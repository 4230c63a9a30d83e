//! How a simulated card misbehaves.

/// Faults of one card. All off by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardFaults {
    /// It lies there and answers nothing.
    pub mute: bool,
    /// It is taken away after so many more commands of a selected card: the next one gets no
    /// answer and none after it does, until it is laid on again.
    pub gone_after: Option<u32>,
    /// The write after so many further ones is torn: this many bytes of the block are new, the
    /// others old, and the card is gone.
    pub torn_write: Option<TornWrite>,
    /// Each answer is data of which one bit is wrong.
    pub garbage: bool,
    /// Block 0 can be written, as on a copy.
    pub block_0_writable: bool,
}

/// A write during which the card is pulled away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornWrite {
    /// Writes that still succeed before it.
    pub after: u32,
    /// Leading bytes that are already new.
    pub bytes: usize,
}
