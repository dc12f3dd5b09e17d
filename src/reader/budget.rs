//! The bytes that one broker's fetches may hold: fetched, and not delivered yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::partition::Partition;

/// A reader gives each broker an equal share of its budget, so that one that never answers keeps
/// nothing from the others.
#[derive(Debug)]
pub(super) struct Budget {
    held: AtomicUsize,
    /// Wakes the fetch loop: bytes came back, or there is something else to fetch.
    pub(super) wake: Notify,
}

/// Bytes that are given back when the data behind them has been delivered or dropped.
#[derive(Debug)]
pub(super) struct Loan {
    budget: Arc<Budget>,
    bytes: usize,
}

/// What a chunk holds of its lane, and counts for in its partition.
#[derive(Debug)]
pub(super) struct Charge {
    _loan: Arc<Loan>,
    partition: Arc<Partition>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), wake: Notify::new() })
    }

    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Charges an answer as a whole: each of its batches keeps the frame that it came in.
    pub(super) fn lend(self: &Arc<Self>, bytes: usize) -> Arc<Loan> {
        self.held.fetch_add(bytes, Ordering::AcqRel);
        Arc::new(Loan { budget: self.clone(), bytes })
    }
}

impl Charge {
    pub(super) fn new(loan: Arc<Loan>, partition: Arc<Partition>, bytes: usize) -> Self {
        partition.held.fetch_add(bytes, Ordering::Relaxed);
        Self { _loan: loan, partition, bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.partition.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.wake.notify_one();
    }
}
