//! What a reader leaves out of a report because it is as it was in the one before.

use crate::TagReport;

/// Which values a report of a tag has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members(u32);

macro_rules! members {
    ($($(#[$meta:meta])* $name:ident = $bit:literal;)*) => { $(
        $(#[$meta])*
        pub const $name: Self = Self(1 << $bit);
    )* };
}

impl Members {
    /// None of them.
    pub const NONE: Self = Self(0);

    members! {
        /// The EPC.
        EPC = 0;
        /// Number of the ROSpec.
        RO_SPEC_ID = 1;
        /// Number of the AISpec in it.
        SPEC_INDEX = 2;
        /// InventoryParameterSpec.
        INVENTORY_PARAMETER_SPEC_ID = 3;
        /// Antenna.
        ANTENNA_ID = 4;
        /// Strongest signal.
        PEAK_RSSI = 5;
        /// Channel.
        CHANNEL_INDEX = 6;
        /// When it was seen first.
        FIRST_SEEN = 7;
        /// When it was seen last.
        LAST_SEEN = 8;
        /// How often it was seen.
        TAG_SEEN_COUNT = 9;
        /// AccessSpec.
        ACCESS_SPEC_ID = 10;
        /// Protocol control word.
        PC = 11;
        /// Check code.
        CRC = 12;
        /// First word of the extended protocol control.
        XPC_W1 = 13;
        /// Second word of the extended protocol control.
        XPC_W2 = 14;
        /// Impinj's phase.
        PHASE = 15;
        /// Impinj's signal strength.
        RSSI_CDBM = 16;
        /// Impinj's Doppler frequency.
        DOPPLER = 17;
        /// The first time is one since the reader was started.
        FIRST_SEEN_IS_UPTIME = 18;
        /// The last time is one since the reader was started.
        LAST_SEEN_IS_UPTIME = 19;
    }

    /// Those of which the standard says that an absent one is as it was (§7.6 of the protocol
    /// document).
    const RECALLED: Self = Self(
        Self::RO_SPEC_ID.0
            | Self::SPEC_INDEX.0
            | Self::INVENTORY_PARAMETER_SPEC_ID.0
            | Self::ANTENNA_ID.0
            | Self::PEAK_RSSI.0
            | Self::CHANNEL_INDEX.0
            | Self::FIRST_SEEN.0
            | Self::LAST_SEEN.0
            | Self::ACCESS_SPEC_ID.0,
    );

    /// Whether all of `other` are among these.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and `other`.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The values of earlier reports of one connection.
///
/// An enabled member that a reader leaves out has the value that it had in the last report that
/// had it. Few readers leave any out. Start anew with every connection.
#[derive(Clone, Debug)]
pub struct Recall {
    enabled: Members,
    known: Members,
    first_seen: u64,
    last_seen: u64,
    ro_spec_id: u32,
    access_spec_id: u32,
    spec_index: u16,
    inventory_parameter_spec_id: u16,
    antenna_id: u16,
    channel_index: u16,
    peak_rssi: i8,
}

impl Recall {
    /// For reports in which these are enabled; others are never filled in.
    pub fn new(enabled: Members) -> Self {
        Self {
            enabled: Members(enabled.0 & Members::RECALLED.0),
            known: Members::NONE,
            first_seen: 0,
            last_seen: 0,
            ro_spec_id: 0,
            access_spec_id: 0,
            spec_index: 0,
            inventory_parameter_spec_id: 0,
            antenna_id: 0,
            channel_index: 0,
            peak_rssi: 0,
        }
    }

    /// Fills in what the report leaves out, and remembers what it says.
    #[inline]
    pub fn fill(&mut self, tag: &mut TagReport<'_>) {
        let said = tag.members;
        macro_rules! each {
            ($($field:ident, $member:ident;)*) => { $(
                if said.contains(Members::$member) {
                    self.$field = tag.$field;
                } else if self.enabled.contains(Members::$member) && self.known.contains(Members::$member) {
                    tag.$field = self.$field;
                    tag.members.insert(Members::$member);
                }
            )* };
        }
        macro_rules! remember {
            ($($field:ident)*) => { $( self.$field = tag.$field; )* };
        }
        if said.contains(self.enabled) {
            // As almost always: nothing is left out, and of others nothing is ever filled in.
            remember! {
                ro_spec_id spec_index inventory_parameter_spec_id antenna_id peak_rssi channel_index
                first_seen last_seen access_spec_id
            }
            self.known = said;
            return;
        }
        each! {
            ro_spec_id, RO_SPEC_ID;
            spec_index, SPEC_INDEX;
            inventory_parameter_spec_id, INVENTORY_PARAMETER_SPEC_ID;
            antenna_id, ANTENNA_ID;
            peak_rssi, PEAK_RSSI;
            channel_index, CHANNEL_INDEX;
            first_seen, FIRST_SEEN;
            last_seen, LAST_SEEN;
            access_spec_id, ACCESS_SPEC_ID;
        }
        for (time, is_uptime) in [
            (Members::FIRST_SEEN, Members::FIRST_SEEN_IS_UPTIME),
            (Members::LAST_SEEN, Members::LAST_SEEN_IS_UPTIME),
        ] {
            if said.contains(time) {
                // A reader that gets its clock set changes from one kind to the other.
                self.known.0 &= !is_uptime.0;
                self.known.0 |= said.0 & is_uptime.0;
            } else if tag.members.contains(time) {
                tag.members.insert(Members(self.known.0 & is_uptime.0));
            }
        }
        self.known.insert(Members(said.0 & Members::RECALLED.0));
    }
}
