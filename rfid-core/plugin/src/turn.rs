//! What one call at a time has for itself.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

/// A value for one at a time, who never waits for it. A mutex would cost twice as much: it has to look
/// whether somebody waits, and whether somebody panicked.
pub(crate) struct Turn<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only lent, and to one thread at a time.
unsafe impl<T: Send> Sync for Turn<T> {}

impl<T> Turn<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { is_taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, unless somebody has it.
    pub(crate) fn take(&self) -> Option<Taken<'_, T>> {
        // Made only where it is due: one that is dropped gives the value free.
        (!self.is_taken.swap(true, Ordering::Acquire)).then(|| Taken(self))
    }
}

/// The value, until it is dropped.
pub(crate) struct Taken<'a, T>(&'a Turn<T>);

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: there is one of these at a time.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_had_by_one_at_a_time() {
        let turn = Turn::new(1);
        let mut taken = turn.take().unwrap();
        assert!(turn.take().is_none());
        assert!(turn.take().is_none(), "who gets nothing gives nothing free");
        *taken += 1;
        drop(taken);
        assert_eq!(*turn.take().unwrap(), 2);
    }

    #[test]
    fn no_turn_is_lost_between_threads() {
        let turn = Turn::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        loop {
                            if let Some(mut taken) = turn.take() {
                                *taken += 1;
                                break;
                            }
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(*turn.take().unwrap(), 200);
    }
}
