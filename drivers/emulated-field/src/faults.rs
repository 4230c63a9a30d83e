//! What goes wrong with an emulated reader on purpose, and what counts towards it.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Faults `F` of an emulated reader, which can be changed while it runs; what it counts towards them, `C`; and
/// where its connection is cut.
#[derive(Debug)]
pub struct FaultState<F, C> {
    faults: Mutex<F>,
    /// Bytes to the client until its connection is cut; negative for never.
    bytes_to_cut: AtomicI64,
    /// What is counted.
    pub counts: C,
}

impl<F: Clone, C: Default> FaultState<F, C> {
    /// These faults, and no cut.
    pub fn new(faults: F) -> Self {
        Self { faults: Mutex::new(faults), bytes_to_cut: AtomicI64::new(-1), counts: C::default() }
    }

    /// These faults from now on, in place of those before.
    pub fn set(&self, faults: F) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// The faults of now.
    pub fn faults(&self) -> F {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the connection cut once, when this many more bytes have gone out.
    pub fn cut_after(&self, bytes: u32) {
        self.bytes_to_cut.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// How many of these bytes still go out before the cut, if it comes now. Comes once.
    pub fn cut_within(&self, bytes: usize) -> Option<usize> {
        let before = self.bytes_to_cut.load(Ordering::SeqCst);
        if before < 0 {
            return None;
        }
        let left = before - i64::try_from(bytes).unwrap_or(i64::MAX);
        self.bytes_to_cut.store(left.max(-1), Ordering::SeqCst);
        (left < 0).then_some(usize::try_from(before).unwrap_or(0))
    }
}

/// Counts what fails every so often.
#[derive(Debug, Default)]
pub struct Nth(AtomicU32);

impl Nth {
    /// Counts one more, and says whether it is one of those: every `every`-th, none if that is absent.
    pub fn comes(&self, every: Option<u32>) -> bool {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        every.is_some_and(|every| every > 0 && number.is_multiple_of(every))
    }
}
