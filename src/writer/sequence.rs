//! Sequence numbers, by which a broker tells a batch that comes again from a new one (KIP-98).
//! Decisions only.
//!
//! The batches of a partition are numbered as they leave for the first time, and keep their numbers.
//! Where one will never be in the log, or the log has lost what it had, the numbers have a gap that no
//! broker accepts: they begin anew then, in an epoch that the partition has not seen. The first batch of
//! an epoch goes alone: a log that does not know the producer takes any number. Neither a gap
//! nor a new epoch may come while older batches are under way (see [`Partition::due`]), nor before
//! it is known what became of them, unless the log says itself that they are not in it.
//!
//! [`Partition::due`]: super::queue::Partition::due

use std::collections::VecDeque;

use super::batch::Batch;
use crate::error::Error;
use crate::record::ProducerState;

/// Who writes: an id that a broker has given, and how often its numbers have begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
    pub(super) transactional: bool,
}

/// Who the writer is.
#[derive(Debug)]
pub(super) enum Producer {
    /// Its batches have no numbers.
    Nobody,
    /// A broker is to be asked, and nothing leaves before; why there has been no answer.
    Wanted(Option<Error>),
    Known(Identity),
}

/// The numbers of one partition. They belong to it whoever leads it, and outlive all that the metadata
/// says.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// Whose they are; `None` before the first.
    identity: Option<Identity>,
    next: i32,
    /// The last batch that is known to be in the log.
    acknowledged: u64,
    /// There is a gap, or may be.
    is_broken: bool,
    /// The log keeps records in a format that has no room for them.
    is_off: bool,
}

impl Producer {
    /// The next epoch. Behind the last one comes another id.
    fn bump(&mut self) {
        if let Self::Known(Identity { epoch, .. }) = self {
            match epoch.checked_add(1) {
                Some(next) => *epoch = next,
                None => *self = Self::Wanted(None),
            }
        }
    }
}

impl Sequence {
    /// What was numbered is not in the log, and will not be.
    pub(super) fn break_off(&mut self) {
        self.is_broken = self.identity.is_some();
    }

    /// From now on, nothing is numbered here.
    pub(super) fn switch_off(&mut self) {
        *self = Self { is_off: true, ..Self::default() };
    }

    pub(super) fn is_off(&self) -> bool {
        self.is_off
    }

    /// The batch of this place, among all of the writer, is in the log.
    pub(super) fn acknowledged(&mut self, order: Option<u64>) {
        self.acknowledged = self.acknowledged.max(order.unwrap_or(0));
    }

    /// Whether a later batch is known to be in the log: a broker takes it only behind this one. That
    /// happens when the answer is lost and others go on to another leader.
    pub(super) fn is_passed(&self, order: u64) -> bool {
        self.identity.is_some() && self.acknowledged > order
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether the numbers are of this producer, in its epoch.
    pub(super) fn is_of(&self, producer: &Producer) -> bool {
        matches!(producer, Producer::Known(known) if self.identity == Some(*known))
    }

    /// Makes ready for the next batch, while none is under way. `waiting` are those that have not
    /// left, or have come back. `false` if an id is needed first.
    pub(super) fn begin(
        &mut self,
        producer: &mut Producer,
        waiting: &mut VecDeque<Batch>,
        is_away: bool,
    ) -> bool {
        if self.is_off {
            for batch in waiting {
                batch.number(None);
            }
            return true;
        }
        if self.is_broken {
            // Behind one that is not in the log there is none that is.
            let absent = waiting.iter_mut().skip_while(|batch| batch.may_be_in_the_log());
            absent.for_each(|batch| batch.number(None));
        }
        // What may be in the log under the old numbers must come again under them.
        let is_bound = is_away || waiting.front().is_some_and(Batch::is_numbered);
        if self.is_broken && !is_bound && self.is_of(producer) {
            producer.bump();
        }
        let known = match producer {
            Producer::Nobody => return true,
            Producer::Wanted(_) => return false,
            Producer::Known(known) => *known,
        };
        if is_bound || (self.identity == Some(known) && !self.is_broken) {
            return true;
        }
        *self = Self { identity: Some(known), ..Self::default() };
        true
    }

    /// Numbers a batch that leaves for the first time.
    pub(super) fn number(&mut self, batch: &mut Batch) {
        let identity = self.identity.filter(|_| !batch.is_numbered());
        let Some(Identity { id, epoch, transactional }) = identity else {
            return;
        };
        let state = ProducerState { id, epoch, base_sequence: self.next, transactional };
        batch.number(Some(state));
        self.next = after(self.next, batch.count());
    }
}

/// The number so many records later: behind the last one comes 0.
pub(super) fn after(sequence: i32, count: u32) -> i32 {
    let next = (i64::from(sequence) + i64::from(count)) & i64::from(i32::MAX);
    i32::try_from(next).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_to_zero() {
        assert_eq!(after(0, 3), 3);
        assert_eq!(after(i32::MAX, 1), 0);
        assert_eq!(after(i32::MAX - 1, 3), 1);
    }

    #[test]
    fn behind_the_last_epoch_comes_another_id() {
        let mut producer =
            Producer::Known(Identity { id: 7, epoch: i16::MAX - 1, transactional: false });
        producer.bump();
        assert!(matches!(producer, Producer::Known(Identity { id: 7, epoch: i16::MAX, .. })));
        producer.bump();
        assert!(matches!(producer, Producer::Wanted(None)));
    }
}
