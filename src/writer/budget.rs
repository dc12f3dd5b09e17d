//! The bytes that a writer may hold: accepted, and not yet acknowledged or failed.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{AcquireError, Notify, Semaphore};

/// Whoever waits for bytes gets them in the order of asking.
#[derive(Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    /// What a sink has taken beyond the limit; bytes that come back pay it off first.
    debt: AtomicUsize,
    /// How many batches there are, wherever they are.
    batches: AtomicUsize,
    /// The last one is gone.
    empty: Notify,
}

/// Bytes that are given back unless a batch takes them over.
#[derive(Debug)]
pub(super) struct Charge<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(bytes)),
            debt: AtomicUsize::new(0),
            batches: AtomicUsize::new(0),
            empty: Notify::new(),
        })
    }

    /// Takes bytes if there are enough and nobody waits for them.
    pub(super) fn try_charge(&self, bytes: usize) -> Option<Charge<'_>> {
        self.free.try_acquire_many(permits(bytes)).ok()?.forget();
        Some(Charge { budget: self, bytes })
    }

    /// Takes bytes as soon as there are enough; fails when the budget is closed.
    pub(super) async fn charge(&self, bytes: usize) -> Result<Charge<'_>, AcquireError> {
        self.free.acquire_many(permits(bytes)).await?.forget();
        Ok(Charge { budget: self, bytes })
    }

    /// Takes bytes even if there are not enough: for who has waited until there were any.
    pub(super) fn overdraw(&self, bytes: usize) -> Charge<'_> {
        let taken = self.free.forget_permits(bytes);
        self.debt.fetch_add(bytes - taken, Ordering::AcqRel);
        Charge { budget: self, bytes }
    }

    /// Whether a sink may go beyond the limit: there is something left.
    pub(super) fn has_room(&self) -> bool {
        self.free.available_permits() > 0 && !self.in_debt()
    }

    /// Whether a sink has gone beyond the limit.
    pub(super) fn in_debt(&self) -> bool {
        self.debt.load(Ordering::Acquire) > 0
    }

    /// What is not taken.
    pub(super) fn unused(&self) -> usize {
        self.free.available_permits()
    }

    /// To wait on from a `poll` function.
    pub(super) fn semaphore(&self) -> Arc<Semaphore> {
        self.free.clone()
    }

    /// Gives bytes back.
    pub(super) fn release(&self, bytes: usize) {
        let pay = |debt: usize| Some(debt.saturating_sub(bytes));
        let debt =
            self.debt.fetch_update(Ordering::AcqRel, Ordering::Acquire, pay).unwrap_or_default();
        self.free.add_permits(bytes.saturating_sub(debt));
    }

    /// There is one more batch, to which charges go.
    pub(super) fn open_batch(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch is gone, and gives its bytes back.
    pub(super) fn drop_batch(&self, bytes: usize) {
        self.release(bytes);
        if self.batches.fetch_sub(1, Ordering::AcqRel) == 1 && self.is_closed() {
            self.empty.notify_waiters();
        }
    }

    /// Waits until there is no batch, once it is closed. Bytes may still be held by who waits for
    /// more of them.
    pub(super) async fn empty(&self) {
        let mut empty = pin!(self.empty.notified());
        empty.as_mut().enable();
        if self.batches.load(Ordering::Acquire) > 0 {
            empty.await;
        }
    }

    /// Ends all waiting.
    pub(super) fn close(&self) {
        self.free.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.free.is_closed()
    }
}

impl Charge<'_> {
    /// The bytes belong to a batch now, which gives them back.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

/// No record is as large: `batch_bytes` has a limit.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_charge_that_is_not_kept_comes_back() {
        let budget = Budget::new(100);
        drop(budget.try_charge(60).unwrap());
        assert_eq!(budget.unused(), 100);
        budget.try_charge(60).unwrap().keep();
        assert!(budget.try_charge(41).is_none());
        budget.release(60);
        assert_eq!(budget.unused(), 100);
    }

    #[test]
    fn an_overdraft_is_paid_first() {
        let budget = Budget::new(100);
        budget.try_charge(90).unwrap().keep();
        budget.overdraw(30).keep();
        assert_eq!(budget.unused(), 0);
        budget.release(15);
        assert_eq!(budget.unused(), 0, "15 of 20 are paid");
        budget.release(15);
        assert_eq!(budget.unused(), 10);
        budget.release(90);
        assert_eq!(budget.unused(), 100);
    }

    #[test]
    fn waiters_are_served_in_order_and_a_dropped_one_takes_nothing() {
        let budget = Budget::new(100);
        budget.try_charge(100).unwrap().keep();
        let mut first = Box::pin(budget.charge(80));
        assert!(first.as_mut().now_or_never().is_none());
        budget.release(50);
        assert!(budget.try_charge(1).is_none(), "the waiter comes first");
        drop(first);
        assert_eq!(budget.unused(), 50);
    }

    #[test]
    fn closing_ends_the_waiting() {
        let budget = Budget::new(10);
        budget.try_charge(10).unwrap().keep();
        let mut waiting = Box::pin(budget.charge(5));
        assert!(waiting.as_mut().now_or_never().is_none());
        budget.close();
        assert!(waiting.now_or_never().unwrap().is_err());
    }

    #[test]
    fn after_the_end_the_last_batch_is_waited_for() {
        let budget = Budget::new(100);
        budget.try_charge(90).unwrap().keep();
        budget.open_batch();
        budget.open_batch();
        budget.close();
        let mut empty = Box::pin(budget.empty());
        budget.drop_batch(60);
        assert!(empty.as_mut().now_or_never().is_none());
        budget.drop_batch(30);
        assert!(empty.now_or_never().is_some());
        assert!(budget.empty().now_or_never().is_some());
    }
}
