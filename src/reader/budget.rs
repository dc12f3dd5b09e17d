//! The bytes that the lane of one broker may hold: fetched, decompressed, and not delivered yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::partition::Partition;

/// A reader gives each broker an equal share of its budget, so that one that never answers keeps
/// nothing from the others.
#[derive(Debug, Default)]
pub(super) struct Budget {
    held: AtomicUsize,
    /// Chunks that were decoded and not delivered.
    chunks: AtomicUsize,
    /// The loop waits for bytes to come back.
    is_short: AtomicBool,
    /// Wakes the fetch loop: bytes came back, or there is something else to do.
    pub(super) wake: Notify,
}

/// Bytes that are given back when nobody needs them any more: a frame that was fetched, or a batch
/// that was decompressed.
#[derive(Debug)]
pub(super) struct Loan {
    budget: Arc<Budget>,
    bytes: usize,
}

/// What a chunk holds of its lane, and counts for in its partition, until it has been delivered or
/// dropped.
#[derive(Debug)]
pub(super) struct Charge {
    loan: Arc<Loan>,
    partition: Arc<Partition>,
    bytes: usize,
}

impl Budget {
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Whether nothing that was decoded waits for delivery.
    pub(super) fn is_delivered(&self) -> bool {
        self.chunks.load(Ordering::SeqCst) == 0
    }

    pub(super) fn lend(self: &Arc<Self>, bytes: usize) -> Arc<Loan> {
        self.held.fetch_add(bytes, Ordering::SeqCst);
        Arc::new(Loan { budget: self.clone(), bytes })
    }

    /// Whether the condition holds. If it does not, whatever comes back wakes the loop.
    pub(super) fn check(&self, has_room: impl Fn() -> bool) -> bool {
        if has_room() {
            return true;
        }
        self.is_short.store(true, Ordering::SeqCst);
        // Looked at again: bytes may have come back in between.
        has_room()
    }

    /// Wakes the loop if it waits for this.
    fn came_back(&self) {
        if self.is_short.load(Ordering::SeqCst) && self.is_short.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }
}

impl Charge {
    pub(super) fn new(loan: Arc<Loan>, partition: Arc<Partition>, bytes: usize) -> Self {
        loan.budget.chunks.fetch_add(1, Ordering::SeqCst);
        partition.hold(bytes);
        Self { loan, partition, bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.partition.release(self.bytes);
        let budget = &self.loan.budget;
        if budget.chunks.fetch_sub(1, Ordering::SeqCst) == 1 {
            budget.came_back();
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::SeqCst);
        self.budget.came_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loan_comes_back_with_the_last_who_has_it() {
        let budget = Arc::new(Budget::default());
        let loan = budget.lend(10);
        let other = loan.clone();
        drop(loan);
        assert_eq!(budget.held(), 10);
        assert!(!budget.check(|| budget.held() == 0));
        drop(other);
        assert!(budget.check(|| budget.held() == 0) && budget.is_delivered());
    }
}
