//! The figures of the simulated door, each with its reason.
//!
//! They describe a bank branch with one reader and two antennas, over one business day. None of
//! them was chosen by what some rule makes of it.

use std::time::Duration;

/// Length of one inventory round of one antenna. The reader turns from antenna to antenna with
/// each.
pub const ROUND: Duration = Duration::from_millis(50);

/// Searches in one round: a reader at a middling link rate (Miller 4, 640 kHz) gets through some
/// 640 tags a second, and five people are inside at an average moment. It reports one row with
/// their number. Body and bearing do not change within 50 ms, so whether a card can be heard in a
/// round is decided once; the place then decides how many of the other searches hear it. A passer
/// at the limit of the field is heard by one, a card in the door by nearly all.
pub(super) const SEARCHES: u16 = 6;

/// Rounds in one second.
pub(super) const SECOND: u32 = 20;
/// Rounds in one minute.
pub(super) const MINUTE: u32 = 60 * SECOND;

/// The branch is open for eight hours.
pub(super) const OPEN: u32 = 8 * 60 * MINUTE;
/// The day is followed up after closing, so that a rule that waits ten minutes can still say who
/// left last.
pub(super) const AFTER_CLOSING: u32 = 15 * MINUTE;

/// People who come to the counter and go again.
pub(super) const SHORT_VISITS: u32 = 468;
/// So many of their cards come twice, in the morning and in the afternoon.
pub(super) const CARDS_THAT_COME_TWICE: u32 = 30;
/// People who wait in the hall for a quarter of an hour. The reader fails once in the stay of each.
pub(super) const LONG_VISITS: u32 = 92;
/// People who sit where they are hardly heard.
pub(super) const EDGE_VISITS: u32 = 40;
/// Reads of tags that are not there.
pub(super) const GHOSTS: u32 = 600;
/// People who walk past outside with a card.
pub(super) const PASSERS: u32 = 300;

/// Shortest and longest way through the door, in rounds: two to six seconds.
pub(super) const DOORWAY: (u32, u32) = (2 * SECOND, 6 * SECOND);
/// Shortest and longest time at the counter of a short visit: to ask, to sign, to fetch something.
pub(super) const AT_THE_COUNTER: (u32, u32) = (5 * SECOND, 40 * SECOND);
/// Shortest and longest time on a chair.
pub(super) const SEATED: (u32, u32) = (10 * MINUTE, 25 * MINUTE);

/// How long the reader fails: the time in which a switch or the reader itself starts again.
pub(super) const OUTAGE: u32 = 30 * SECOND;
/// How long the host takes to notice: a keep-alive that does not come.
pub(super) const NOTICED_AFTER: u32 = 5 * SECOND;
/// Least time between two failures.
pub(super) const BETWEEN_OUTAGES: u32 = 30 * SECOND;

/// Where somebody stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// For the antenna at the door and the one in the hall: the chance that a round hears a card
    /// that nothing shadows, and its signal in dBm.
    pub(super) antennas: [(f64, f64); 2],
}

/// In the door, one or two metres below the antenna. A reader hears a card in the open in nearly
/// every round; the antenna of the hall gets it over the side of its beam.
pub(super) const IN_THE_DOOR: Place = Place { antennas: [(0.9, -52.0), (0.3, -66.0)] };
/// At the counter, three metres from the antenna of the hall.
pub(super) const COUNTER: Place = Place { antennas: [(0.15, -69.0), (0.8, -56.0)] };
/// On a chair in the hall, beside its antenna's beam.
pub(super) const CHAIR: Place = Place { antennas: [(0.02, -71.0), (0.15, -64.0)] };
/// On a chair at the edge, where the field just reaches a tag when it fades the right way.
pub(super) const EDGE: Place = Place { antennas: [(0.0, -75.0), (0.03, -71.0)] };

/// How a card is carried: for how long it is in the open and for how long the body is between it
/// and the antenna, on average and in turns, in rounds; and what the way of carrying leaves of the
/// chance to be heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    pub(super) open: f64,
    pub(super) shadowed: f64,
    pub(super) heard: f64,
}

/// On a lanyard or in the hand: 400 reads and more at a visit.
pub(super) const IN_THE_OPEN: Carried = Carried { open: 80.0, shadowed: 10.0, heard: 1.0 };
/// In a bag or a breast pocket, which turns with its bearer.
pub(super) const IN_A_BAG: Carried = Carried { open: 20.0, shadowed: 30.0, heard: 0.8 };
/// In a wallet in a back pocket: five reads at a visit, or none.
pub(super) const IN_A_WALLET: Carried = Carried { open: 5.0, shadowed: 80.0, heard: 0.4 };

/// Of 100 people so many carry the card in the open, and so many in a bag. The others have it in
/// a wallet.
pub(super) const OF_HUNDRED: (u32, u32) = (50, 35);

/// Seated people move seldom: open and shadowed spells are so many times as long.
pub(super) const SPELLS_WHEN_SEATED: f64 = 5.0;

/// What still comes through or around a body, as a part of what comes in the open.
pub(super) const THROUGH_THE_BODY: f64 = 0.01;
/// How much weaker a signal is that comes through or around a body, in dB.
pub(super) const BODY_LOSS_DB: f64 = 8.0;
/// Fading from spell to spell, and from read to read, in dB.
pub(super) const FADING_DB: (f64, f64) = (3.0, 1.5);

/// Shortest and longest time in which somebody walks through the fringe of the field outside the
/// door: three to five metres at walking pace.
pub(super) const WALKING_PAST: (u32, u32) = (2 * SECOND, 4 * SECOND);
/// A passer's chance to be heard in a round. Whoever sets up a door turns the power down until
/// those outside are hardly heard; half of them are not heard at all, and most others once.
pub(super) const PASSER_HEARD: f64 = 0.02;
/// Signal of passers-by and of ghosts, in dBm: near what a reader can hear.
pub(super) const FAINT_DBM: f64 = -73.0;

/// The morning on which the host's clock starts: 2026-03-29T06:00:00Z, the day on which Europe
/// sets its clocks.
pub(super) const MORNING_NS: u64 = 1_774_764_000_000_000_000;
/// When the host's wall clock is set, in minutes after opening, and by how many minutes it is then
/// wrong. It is found three hours slow and set right, then five hours fast and set right, and at
/// last somebody sets it for daylight-saving time.
pub(super) const CLOCK_SET: [(u32, i64); 5] = [(60, -180), (135, 0), (225, 300), (300, 0), (390, 60)];
/// The reader's clock after each of its starts: 2004-01-01T00:00:00Z, since its battery is empty.
pub(super) const READER_STARTS_AT_NS: u64 = 1_072_915_200_000_000_000;
