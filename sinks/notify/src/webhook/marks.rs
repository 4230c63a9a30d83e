//! Up to where an outbox is done, when notices finish in any order.

use std::collections::BTreeSet;

/// Numbers that were taken from an outbox and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    unfinished: BTreeSet<u64>,
    /// Highest number that was taken.
    taken: Option<u64>,
    /// Up to where the outbox was told that it is done.
    told: Option<u64>,
}

impl Marks {
    /// A number was taken from the outbox; they come in ascending order.
    pub(crate) fn take(&mut self, number: u64) {
        self.unfinished.insert(number);
        self.taken = Some(number);
    }

    pub(crate) fn finish(&mut self, number: u64) {
        self.unfinished.remove(&number);
    }

    /// Behind which number the outbox goes on.
    pub(crate) fn taken(&self) -> Option<u64> {
        self.taken
    }

    /// Up to where the outbox may be told that it is done, if that is news.
    pub(crate) fn news(&self) -> Option<u64> {
        let taken = self.taken?;
        let done = self.unfinished.first().map_or(Some(taken), |first| first.checked_sub(1))?;
        // Below the first number that was taken there is nothing of ours.
        (self.told.is_none_or(|told| done > told)).then_some(done)
    }

    /// The outbox knows.
    pub(crate) fn told(&mut self, number: u64) {
        self.told = Some(number);
    }

    /// Notices that the outbox still counts although they are finished.
    pub(crate) fn finished_early(&self) -> u64 {
        let (Some(taken), Some(first)) = (self.taken, self.unfinished.first()) else { return 0 };
        (taken - first + 1).saturating_sub(self.unfinished.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_mark_moves_over_a_finished_prefix_only() {
        let mut marks = Marks::default();
        assert_eq!(marks.news(), None);
        for number in 5..9 {
            marks.take(number);
        }
        marks.finish(6);
        marks.finish(8);
        assert_eq!(marks.news(), Some(4), "what was before is done");
        assert_eq!(marks.finished_early(), 2);
        marks.told(4);
        assert_eq!(marks.news(), None);
        marks.finish(5);
        assert_eq!(marks.news(), Some(6));
        marks.finish(7);
        assert_eq!(marks.news(), Some(8));
        marks.told(8);
        assert_eq!((marks.news(), marks.finished_early()), (None, 0));
    }

    proptest! {
        #[test]
        fn nothing_unfinished_is_ever_marked(order in Just((1u64..40).collect::<Vec<_>>()).prop_shuffle()) {
            let mut marks = Marks::default();
            (1..40).for_each(|number| marks.take(number));
            let mut open: BTreeSet<u64> = (1..40).collect();
            for number in order {
                marks.finish(number);
                open.remove(&number);
                if let Some(mark) = marks.news() {
                    prop_assert!(open.first().is_none_or(|first| mark < *first));
                    marks.told(mark);
                }
            }
            prop_assert_eq!(marks.told, Some(39));
        }
    }
}
