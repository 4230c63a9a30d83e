//! Entering or leaving, where two zones stand one behind the other.

use ahash::RandomState;
use hashbrown::HashMap;

use super::moment::{At, Nanos};
use super::settings::Passage;
use super::signal::milliwatts;
use super::tracked::{Heard, ZoneIndex};
use crate::event::{Direction, Heading};

/// The weight of a read halves in this time, in seconds: a passage takes a few.
const HALF_LIFE: f32 = 5.0;

/// Who was heard in a zone by less than this many reads of late was not heard there.
const LEAST_READS: f32 = 0.2;

/// How far apart in time, in seconds, two zones must be heard to be told apart: a round of a reader
/// that asks its antennas one after the other.
const RESOLUTION: f32 = 0.25;

/// Reads in the new zone that a move takes at least.
const READS_OF_A_MOVE: f32 = 2.0;

/// Which side of which passage a zone is on.
#[derive(Clone, Copy, Debug)]
struct Place {
    passage: u16,
    side: Side,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Outer,
    Inner,
}

/// The courses of all tags that are in a passage. Holds nothing where no passage is configured.
#[derive(Debug)]
pub(super) struct Passages {
    /// By zone.
    places: Vec<Option<Place>>,
    /// By number of the tag.
    courses: HashMap<u32, Course, RandomState>,
}

/// When a tag was heard on both sides of a passage.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    passage: u16,
    last: Nanos,
    outer: Centre,
    inner: Centre,
}

/// When a zone was heard, as the mean and the spread of the reads' ages, each weighted by its power.
#[derive(Clone, Copy, Debug, Default)]
struct Centre {
    reads: f32,
    weight: f32,
    /// Seconds before the course's last read.
    age: f32,
    /// Square seconds.
    spread: f32,
}

impl Passages {
    pub(super) fn new<'a>(passages: &[Passage], zones: impl Iterator<Item = &'a str>) -> Self {
        let place = |zone: &str| {
            passages.iter().zip(0..).find_map(|(Passage { outer, inner }, passage)| match zone {
                zone if zone == outer => Some(Place { passage, side: Side::Outer }),
                zone if zone == inner => Some(Place { passage, side: Side::Inner }),
                _ => None,
            })
        };
        let places = if passages.is_empty() { Vec::new() } else { zones.map(place).collect() };
        Self { places, courses: HashMap::default() }
    }

    /// A tag was heard.
    #[inline]
    pub(super) fn hear(&mut self, number: u32, heard: &Heard) {
        if !self.places.is_empty() {
            self.note(number, heard.zone, heard.last, f32::from(heard.count), heard.rssi_cdbm);
        }
    }

    /// A tag that has arrived was first heard in this zone at this moment.
    pub(super) fn began(&mut self, number: u32, zone: ZoneIndex, at: At, rssi_cdbm: Option<i16>) {
        if !self.places.is_empty() {
            self.courses.remove(&number);
            self.note(number, zone, at, 1.0, rssi_cdbm);
        }
    }

    fn note(&mut self, number: u32, zone: ZoneIndex, at: At, reads: f32, rssi_cdbm: Option<i16>) {
        let Some(place) = self.places.get(usize::from(zone)).copied().flatten() else { return };
        let course = self.courses.entry(number).or_default();
        if course.passage != place.passage {
            *course = Course::default();
        }
        course.passage = place.passage;
        let seconds = (at.mono - course.last).max(0) as f32 * 1e-9;
        course.last = course.last.max(at.mono);
        course.outer.age_by(seconds);
        course.inner.age_by(seconds);
        let centre = match place.side {
            Side::Outer => &mut course.outer,
            Side::Inner => &mut course.inner,
        };
        centre.add(reads, rssi_cdbm.map_or(1.0, milliwatts));
    }

    /// A tag has moved from one zone into another, with a read as strong as this.
    pub(super) fn moved(&mut self, number: u32, from: ZoneIndex, into: ZoneIndex, rssi_cdbm: Option<i16>) {
        let place = |zone: ZoneIndex| self.places.get(usize::from(zone)).copied().flatten();
        let (Some(from), Some(into)) = (place(from), place(into)) else { return };
        let Some(course) = self.courses.get_mut(&number) else { return };
        if from.passage == into.passage {
            course.moved(into.side, rssi_cdbm.map_or(1.0, milliwatts));
        }
    }

    /// Where the tag is heading, if it was heard on both sides of late.
    pub(super) fn heading(&self, number: u32) -> Option<Heading> {
        self.courses.get(&number)?.heading()
    }

    /// The tag is gone.
    pub(super) fn forget(&mut self, number: u32) {
        self.courses.remove(&number);
    }
}

impl Course {
    /// Whoever moves the other way than all reads of late say has turned round: what was heard on
    /// this side before belongs to another way through.
    fn moved(&mut self, into: Side, power: f32) {
        let way = match into {
            Side::Outer => Direction::Leaving,
            Side::Inner => Direction::Entering,
        };
        if self.heading().is_none_or(|heading| heading.direction == way) {
            return;
        }
        let mut anew = Centre::default();
        anew.add(READS_OF_A_MOVE, power);
        match into {
            Side::Outer => self.outer = anew,
            Side::Inner => self.inner = anew,
        }
    }

    fn heading(&self) -> Option<Heading> {
        if self.outer.reads < LEAST_READS || self.inner.reads < LEAST_READS {
            return None;
        }
        // Who comes in was heard outside before inside.
        let lead = self.outer.age - self.inner.age;
        let error = (self.outer.error() + self.inner.error()).sqrt();
        // The logistic curve that lies closest to the normal distribution's.
        let confidence = 1.0 / (1.0 + (-1.702 * lead.abs() / error).exp());
        let direction = if lead >= 0.0 { Direction::Entering } else { Direction::Leaving };
        Some(Heading { direction, confidence: (confidence * 100.0).round() / 100.0 })
    }
}

impl Centre {
    fn age_by(&mut self, seconds: f32) {
        let fade = (-seconds / HALF_LIFE).exp2();
        self.reads *= fade;
        self.weight *= fade;
        self.age += seconds;
    }

    /// Takes in reads of age zero.
    fn add(&mut self, reads: f32, power: f32) {
        let more = reads * power;
        let weight = self.weight + more;
        let part = if weight > 0.0 { more / weight } else { 1.0 };
        self.spread = (1.0 - part) * (self.spread + part * self.age * self.age);
        self.age *= 1.0 - part;
        self.weight = weight;
        self.reads += reads;
    }

    /// Square of the mean's likely error.
    fn error(&self) -> f32 {
        self.spread / self.reads.max(1.0) + RESOLUTION * RESOLUTION / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Walk(Passages);

    impl Walk {
        fn new() -> Self {
            let passage = Passage { outer: "street".to_owned(), inner: "hall".to_owned() };
            Self(Passages::new(&[passage], ["street", "hall", "desk"].into_iter()))
        }

        fn read(&mut self, millis: i64, zone: ZoneIndex, rssi_cdbm: Option<i16>) {
            let at = At { mono: millis * 1_000_000, utc: 0 };
            self.0.note(7, zone, at, 1.0, rssi_cdbm);
        }

        fn heading(&self) -> Option<(Direction, f32)> {
            self.0.heading(7).map(|heading| (heading.direction, heading.confidence))
        }
    }

    const STREET: ZoneIndex = 0;
    const HALL: ZoneIndex = 1;

    #[test]
    fn who_is_heard_outside_and_then_inside_enters() {
        let mut walk = Walk::new();
        for step in 0..8 {
            walk.read(step * 250, STREET, None);
        }
        assert_eq!(walk.heading(), None, "one side says nothing");
        for step in 8..12 {
            walk.read(step * 250, HALL, None);
        }
        let (direction, confidence) = walk.heading().unwrap();
        assert_eq!(direction, Direction::Entering);
        assert!(confidence > 0.95, "{confidence}");
    }

    #[test]
    fn who_has_stood_inside_for_an_hour_and_is_then_heard_outside_leaves() {
        let mut walk = Walk::new();
        for second in 0..3600 {
            walk.read(second * 1000, HALL, Some(-5000));
        }
        walk.read(3_600_000, STREET, Some(-5500));
        walk.read(3_600_250, STREET, Some(-5500));
        let (direction, confidence) = walk.heading().unwrap();
        assert_eq!(direction, Direction::Leaving);
        assert!(confidence > 0.95, "{confidence}");
    }

    #[test]
    fn who_comes_in_and_turns_round_leaves() {
        let mut walk = Walk::new();
        (0..40).for_each(|step| walk.read(step * 50, STREET, Some(-5500)));
        (8..48).for_each(|step| walk.read(step * 125, HALL, Some(-5800)));
        walk.0.moved(7, STREET, HALL, Some(-5800));
        let (direction, entering) = walk.heading().unwrap();
        assert!(direction == Direction::Entering && entering > 0.95, "{entering}");
        (26..30).for_each(|step| walk.read(step * 250, STREET, Some(-6000)));
        assert_eq!(walk.heading().unwrap().0, Direction::Entering, "as long as it is in the hall");
        walk.0.moved(7, HALL, STREET, Some(-6000));
        for step in 30..40 {
            let (direction, leaving) = walk.heading().unwrap();
            assert!(direction == Direction::Leaving && leaving > 0.9, "{leaving}");
            walk.read(step * 250, STREET, Some(-6000));
        }
    }

    #[test]
    fn both_sides_at_once_are_hardly_better_than_a_guess() {
        let mut walk = Walk::new();
        for step in 0..40 {
            walk.read(step * 250, STREET, Some(-6000));
            walk.read(step * 250 + 10, HALL, Some(-6000));
        }
        let (_, confidence) = walk.heading().unwrap();
        assert!(confidence < 0.6, "{confidence}");
    }

    #[test]
    fn what_was_heard_long_ago_tells_nothing_of_now() {
        let mut walk = Walk::new();
        walk.read(0, STREET, None);
        walk.read(60_000, HALL, None);
        assert_eq!(walk.heading(), None);
    }

    #[test]
    fn zones_outside_of_passages_are_not_remembered() {
        let mut walk = Walk::new();
        walk.read(0, 2, None);
        assert!(walk.0.courses.is_empty());
        let none = Passages::new(&[], ["street"].into_iter());
        assert!(none.places.is_empty());
    }
}
