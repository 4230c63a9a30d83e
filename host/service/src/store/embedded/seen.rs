//! What a load has brought so far: so many values that a hash table would take most of the memory.

use std::collections::HashSet;

/// Values that are not sorted into runs yet.
const FRESH: usize = 1 << 16;

/// A set of values that only grows, with little beside the values themselves.
///
/// They lie in sorted runs, each at least twice as long as the next; the latest are in a small table.
#[derive(Default)]
pub(super) struct Seen {
    fresh: HashSet<[u8; 16]>,
    runs: Vec<Vec<[u8; 16]>>,
}

impl Seen {
    /// Puts a value in; `false` if it is there already.
    pub(super) fn insert(&mut self, value: [u8; 16]) -> bool {
        if self.runs.iter().any(|run| run.binary_search(&value).is_ok()) || !self.fresh.insert(value) {
            return false;
        }
        if self.fresh.len() >= FRESH {
            let mut run: Vec<[u8; 16]> = self.fresh.drain().collect();
            run.sort_unstable();
            while self.runs.last().is_some_and(|last| last.len() < 2 * run.len()) {
                let last = self.runs.pop().unwrap_or_default();
                run = merged(last, run);
            }
            self.runs.push(run);
        }
        true
    }
}

fn merged(one: Vec<[u8; 16]>, other: Vec<[u8; 16]>) -> Vec<[u8; 16]> {
    let mut merged = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter().peekable(), other.into_iter().peekable());
    while let (Some(left), Some(right)) = (one.peek(), other.peek()) {
        let next = if left < right { one.next() } else { other.next() };
        merged.extend(next);
    }
    merged.extend(one);
    merged.extend(other);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(number: u64) -> [u8; 16] {
        u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes()
    }

    #[test]
    fn a_value_is_new_once_however_many_come() {
        let mut seen = Seen::default();
        let many = 5 * FRESH as u64 + 7;
        for number in 0..many {
            assert!(seen.insert(value(number)), "{number}");
            // One from each age.
            assert!(!seen.insert(value(number * 7 / 11)), "{number}");
        }
        assert!((0..many).all(|number| !seen.insert(value(number))));
        let lengths: Vec<usize> = seen.runs.iter().map(Vec::len).collect();
        assert!(lengths.windows(2).all(|pair| pair[0] >= 2 * pair[1]), "{lengths:?}");
        assert_eq!(lengths.iter().sum::<usize>() + seen.fresh.len(), 5 * FRESH + 7);
    }
}
