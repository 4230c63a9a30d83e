//! Lines by hashes, each where its hash says or behind it, so that it is the first memory that is looked at.

use hashbrown::HashTable;

use super::line::Line;

/// Lines.
#[derive(Default)]
pub(super) struct Lines {
    /// A line stands at the place of its hash, or at the first free one behind that; behind the last is the
    /// first.
    places: Vec<Option<Line>>,
    count: usize,
}

impl Lines {
    /// Fewest places.
    const FEWEST: usize = 16;

    /// Makes room for so many lines.
    pub(super) fn reserve(&mut self, count: usize, hash: impl Fn(&Line) -> u32) {
        // Where more than this are taken, lines stand far behind where they belong.
        if self.places.len() / 5 * 3 < count {
            self.resize(count / 3 * 5 + Self::FEWEST, hash);
        }
    }

    fn resize(&mut self, places: usize, hash: impl Fn(&Line) -> u32) {
        let before = std::mem::replace(&mut self.places, vec![None; places]);
        self.count = 0;
        for line in before.into_iter().flatten() {
            self.place(hash(&line), line);
        }
    }

    fn home(&self, hash: u32) -> usize {
        // Less than there are places.
        ((u64::from(hash) * self.places.len() as u64) >> 32) as usize
    }

    /// What stands at the place of a hash and behind it, with how far.
    fn run(&self, hash: u32) -> impl Iterator<Item = (usize, &Line)> {
        let (before, behind) = self.places.split_at_checked(self.home(hash)).unwrap_or_default();
        behind.iter().chain(before).map_while(Option::as_ref).enumerate()
    }

    /// The place of the first line of this hash for which `is_it` holds.
    pub(super) fn place_of(&self, hash: u32, is_it: impl Fn(&Line) -> bool) -> Option<usize> {
        let (far, _) = self.run(hash).find(|(_, line)| is_it(line))?;
        Some((self.home(hash) + far) % self.places.len())
    }

    /// The first line of this hash for which `is_it` holds.
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(&Line) -> bool) -> Option<&Line> {
        self.run(hash).map(|(_, line)| line).find(|line| is_it(line))
    }

    pub(super) fn get(&self, place: usize) -> Option<&Line> {
        self.places.get(place)?.as_ref()
    }

    /// Lets all lines of this hash be changed, and maybe others.
    pub(super) fn change(&mut self, hash: u32, change: impl FnMut(&mut Line)) {
        let home = self.home(hash);
        let (before, behind) = self.places.split_at_mut_checked(home).unwrap_or_default();
        behind.iter_mut().chain(before).map_while(Option::as_mut).for_each(change);
    }

    /// Puts a line.
    pub(super) fn put(&mut self, line: Line, hash: impl Fn(&Line) -> u32) {
        if self.places.len() / 4 * 3 <= self.count {
            self.resize((self.places.len() / 2 * 3).max(Self::FEWEST), &hash);
        }
        self.place(hash(&line), line);
    }

    fn place(&mut self, hash: u32, line: Line) {
        let home = self.home(hash);
        let (before, behind) = self.places.split_at_mut_checked(home).unwrap_or_default();
        if let Some(place) = behind.iter_mut().chain(before).find(|place| place.is_none()) {
            *place = Some(line);
            self.count += 1;
        }
    }

    /// Takes the line at a place. Those behind it move up, so that no place is free before any of them.
    pub(super) fn take(&mut self, place: usize, hash: impl Fn(&Line) -> u32) -> Option<Line> {
        let taken = self.places.get_mut(place)?.take()?;
        self.count -= 1;
        let places = self.places.len();
        let far = |from: usize, to: usize| (to + places - from) % places;
        let (mut free, mut at) = (place, (place + 1) % places);
        while let Some(Some(line)) = self.places.get(at) {
            if far(self.home(hash(line)), at) >= far(free, at) {
                self.places.swap(free, at);
                free = at;
            }
            at = (at + 1) % places;
        }
        Some(taken)
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Option<Line>>()
    }
}

/// From hashes of what a card is found by to those by which its line is placed.
#[derive(Default)]
pub(super) struct Pointers(HashTable<(u32, u32)>);

impl Pointers {
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Makes room for so many.
    pub(super) fn reserve(&mut self, count: usize) {
        self.0.reserve(count.saturating_sub(self.0.len()), |(from, _)| Self::spread(*from));
    }

    pub(super) fn put(&mut self, from: u32, to: u32) {
        self.0.insert_unique(Self::spread(from), (from, to), |(from, _)| Self::spread(*from));
    }

    pub(super) fn remove(&mut self, from: u32, to: u32) {
        if let Ok(entry) = self.0.find_entry(Self::spread(from), |other| *other == (from, to)) {
            entry.remove();
        }
    }

    /// Where it leads from there: once for each that was put.
    pub(super) fn from(&self, hash: u32) -> impl Iterator<Item = u32> {
        self.0.iter_hash(Self::spread(hash)).filter(move |(from, _)| *from == hash).map(|(_, to)| *to)
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.allocation_size()
    }
}
