//! The bytes that one broker's fetches may hold: fetched, and not delivered yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

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
pub(super) struct Charge {
    budget: Arc<Budget>,
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
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Arc<Charge> {
        self.held.fetch_add(bytes, Ordering::AcqRel);
        Arc::new(Charge { budget: self.clone(), bytes })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.wake.notify_one();
    }
}
