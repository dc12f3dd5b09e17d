//! What a fetch loop is told from outside: its partitions, its share of the budget, and which cursors
//! have changed.

use std::sync::{Arc, Mutex, PoisonError};

use super::budget::Budget;
use super::partition::Partition;

/// What the engine, the partitions and the loop of one broker share.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) broker: i32,
    pub(super) budget: Arc<Budget>,
    inbox: Mutex<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    partitions: Vec<Arc<Partition>>,
    is_new: bool,
    /// This broker's share of the budget, in bytes.
    share: usize,
    /// Partitions whose cursors have changed; each at most once.
    touched: Vec<Arc<Partition>>,
}

impl Lane {
    pub(super) fn new(broker: i32) -> Arc<Self> {
        Arc::new(Self { broker, budget: Arc::default(), inbox: Mutex::default() })
    }

    /// Tells the loop which partitions to fetch from the broker now.
    pub(super) fn assign(self: &Arc<Self>, partitions: Vec<Arc<Partition>>, share: usize) {
        let mut is_new = false;
        for partition in &partitions {
            is_new |= partition.move_to(self);
        }
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (inbox.partitions.len(), inbox.share);
        if is_new || before != (partitions.len(), share) || inbox.differs(&partitions) {
            (inbox.partitions, inbox.share, inbox.is_new) = (partitions, share, true);
            drop(inbox);
            self.budget.wake.notify_one();
        }
    }

    /// The cursor of a partition has changed.
    pub(super) fn post(&self, partition: Arc<Partition>) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.touched.push(partition);
        drop(inbox);
        self.budget.wake.notify_one();
    }

    pub(super) fn news(&self) -> News {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        News {
            partitions: std::mem::take(&mut inbox.is_new).then(|| inbox.partitions.clone()),
            touched: std::mem::take(&mut inbox.touched),
            share: inbox.share,
        }
    }
}

/// What has changed since the loop has looked last.
pub(super) struct News {
    /// All partitions, if they are others than before.
    pub(super) partitions: Option<Vec<Arc<Partition>>>,
    /// Those whose cursors have changed.
    pub(super) touched: Vec<Arc<Partition>>,
    pub(super) share: usize,
}

impl Inbox {
    fn differs(&self, partitions: &[Arc<Partition>]) -> bool {
        self.partitions.iter().zip(partitions).any(|(old, new)| !Arc::ptr_eq(old, new))
    }
}
