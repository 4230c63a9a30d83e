//! A map that keeps about so much, and forgets first what was not asked for longest.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by their keys, each of some weight; at most twice the weight that is to be kept, and one more.
pub(super) struct Generations<K, V> {
    /// Those that were asked for since the others were put aside.
    recent: HashMap<K, V>,
    /// Those that were asked for before that, and are forgotten next.
    older: HashMap<K, V>,
    /// Of those in `recent`.
    weight: usize,
    kept: usize,
    weigh: fn(&V) -> usize,
}

impl<K: Clone + Eq + Hash, V> Generations<K, V> {
    pub(super) fn keeping(kept: usize, weigh: fn(&V) -> usize) -> Self {
        Self { recent: HashMap::new(), older: HashMap::new(), weight: 0, kept, weigh }
    }

    /// What is kept under a key, which stays the longer for being asked for.
    pub(super) fn asked(&mut self, key: &K) -> Option<&V> {
        if let Some(value) = self.older.remove(key) {
            self.keep(key.clone(), value);
        }
        self.recent.get(key)
    }

    /// What is kept under a key, for nobody who asks for it.
    pub(super) fn peek(&self, key: &K) -> Option<&V> {
        self.recent.get(key).or_else(|| self.older.get(key))
    }

    pub(super) fn keep(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.weight >= self.kept {
            self.older = std::mem::take(&mut self.recent);
            self.weight = 0;
        }
        self.weight += (self.weigh)(&value);
        self.recent.insert(key, value);
    }

    /// Puts another value where one is, which makes it stay no longer.
    pub(super) fn replace(&mut self, key: &K, value: V) {
        if let Some(here) = self.recent.get_mut(key) {
            self.weight = self.weight - (self.weigh)(here) + (self.weigh)(&value);
            *here = value;
        } else if let Some(here) = self.older.get_mut(key) {
            *here = value;
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.older.remove(key);
        if let Some(value) = self.recent.remove(key) {
            self.weight -= (self.weigh)(&value);
        }
    }

    pub(super) fn forget(&mut self) {
        self.recent.clear();
        self.older.clear();
        self.weight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_no_more_is_kept_than_twice_as_much() {
        let mut kept = Generations::keeping(20, |weight: &usize| *weight);
        kept.keep(0, 3);
        for key in 1..200 {
            kept.keep(key, key % 4);
            assert_eq!(kept.asked(&0), Some(&3), "at {key}");
            let weight = |values: &HashMap<usize, usize>| values.values().sum::<usize>();
            assert_eq!(kept.weight, weight(&kept.recent));
            assert!(kept.weight + weight(&kept.older) <= 2 * (20 + 3));
        }
        assert_eq!(kept.asked(&1), None);
    }

    #[test]
    fn what_is_replaced_is_weighed_anew_and_nothing_new_comes_that_way() {
        let mut kept = Generations::keeping(4, |weight: &usize| *weight);
        kept.replace(&1, 4);
        assert_eq!(kept.peek(&1), None);
        kept.keep(1, 4);
        kept.keep(2, 1);
        // One is among the older by now.
        kept.replace(&1, 2);
        kept.replace(&2, 3);
        assert_eq!((kept.peek(&1), kept.peek(&2), kept.weight), (Some(&2), Some(&3), 3));
        kept.remove(&2);
        assert_eq!((kept.peek(&2), kept.weight), (None, 0));
        kept.forget();
        assert_eq!(kept.peek(&1), None);
    }
}
