//! Rows whose check code does not fit.
//!
//! The code of a Gen2 tag covers its control word, which a row does not carry, and no client of the
//! vendor's verifies it (mercury4-rql §4.2). So a code that does not fit may be a tag with an unusual word,
//! or a reader that makes codes otherwise than we know; and it may be a row that was spoilt on its way,
//! which would be somebody whom nobody has seen. They are told apart by time: a tag shows the same code
//! again and again, and a spoilt row does not come a second time. Only rows of several reads are compared: one
//! of a single read announces nobody by itself.

use std::hash::{DefaultHasher, Hash, Hasher};

/// An id is believed in spite of its code when both have come this often.
const TIMES: u8 = 8;
/// Ids that are under observation at once; another in the same place pushes one out.
const PLACES: usize = 256;
/// Codes that may be strange before those of the reader have shown that they mostly fit.
const CREDIT: u64 = 64;

/// What is thought of the check codes of one reader.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    fitting: u64,
    strange: u64,
    /// Empty until a code is strange.
    observed: Vec<Observed>,
}

#[derive(Clone, Debug, Default)]
struct Observed {
    key: u64,
    times: u8,
}

impl Doubt {
    /// So many more codes did fit.
    #[inline(always)]
    pub(super) fn fit(&mut self, rows: u64) {
        self.fitting = self.fitting.saturating_add(rows);
    }

    /// Whether an id is believed whose code does not fit.
    pub(super) fn believes(&mut self, id: &[u8], code: u16) -> bool {
        self.strange = self.strange.saturating_add(1);
        if self.strange > self.fitting.saturating_add(CREDIT) {
            // This reader makes them otherwise, so they say nothing.
            return true;
        }
        let mut hasher = DefaultHasher::new();
        (id, code).hash(&mut hasher);
        let key = hasher.finish();
        if self.observed.is_empty() {
            self.observed.resize(PLACES, Observed::default());
        }
        let Some(observed) = self.observed.get_mut(key as usize % PLACES) else { return true };
        if observed.key != key {
            *observed = Observed { key, times: 0 };
        }
        observed.times = observed.times.saturating_add(1);
        observed.times >= TIMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoilt_row_is_not_believed_and_a_tag_that_is_so_each_time_is() {
        let mut doubt = Doubt::default();
        doubt.fit(1000);
        for spoilt in 0..200u16 {
            assert!(!doubt.believes(&spoilt.to_be_bytes(), 1));
        }
        let believed: Vec<bool> = (0..10).map(|_| doubt.believes(b"unusual", 1)).collect();
        assert_eq!(believed, [false, false, false, false, false, false, false, true, true, true]);
    }

    #[test]
    fn a_reader_whose_codes_hardly_ever_fit_is_believed() {
        let mut doubt = Doubt::default();
        let others: Vec<bool> = (0..100u64).map(|id| doubt.believes(&id.to_be_bytes(), 1)).collect();
        let credit = CREDIT as usize;
        assert!(others.iter().take(credit).all(|believed| !believed));
        assert!(others.iter().skip(credit).all(|believed| *believed));
    }
}
