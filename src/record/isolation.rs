//! Which fetched batches hold records for the application: not the markers of transactions, and
//! not, when only committed records are asked for, those of aborted transactions.

use std::collections::HashSet;

use super::{ControlKind, RawBatch};
use crate::protocol::messages::fetch::AbortedTransaction;

/// Walks the batches of one partition of one fetch, in order.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// Aborted transactions that have not begun yet, the first one last. A broker may list them
    /// in any order.
    coming: Vec<(i64, i64)>,
    /// Producers whose open transaction will be aborted.
    aborting: HashSet<i64>,
}

impl Filter {
    pub(crate) fn new(aborted: Option<Vec<AbortedTransaction>>) -> Self {
        let mut coming: Vec<_> = aborted
            .unwrap_or_default()
            .into_iter()
            .map(|aborted| (aborted.first_offset, aborted.producer_id))
            .collect();
        coming.sort_unstable_by(|a, b| b.cmp(a));
        Self { coming, aborting: HashSet::new() }
    }

    /// Whether the batch has records to deliver.
    pub(crate) fn keeps(&mut self, batch: &RawBatch) -> bool {
        if batch.is_control() {
            // A marker that cannot be read ends nothing: the list of the next fetch is complete.
            if matches!(batch.control(), Ok(ControlKind::Abort)) {
                self.begin_up_to(batch.last_offset());
                self.aborting.remove(&batch.producer_id());
            }
            return false;
        }
        if !batch.is_transactional() {
            return true;
        }
        self.begin_up_to(batch.last_offset());
        !self.aborting.contains(&batch.producer_id())
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some((first, producer)) = self.coming.last().copied() {
            if first > offset {
                break;
            }
            self.coming.pop();
            self.aborting.insert(producer);
        }
    }
}
