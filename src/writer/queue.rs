//! The batches of one topic and its partitions: which one a record joins, and which leaves next.
//! Knows nothing of brokers but their ids.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::Batch;
use super::delivery::BatchResult;
use super::partitioner::{Adaptive, Sticky, pick};
use super::sequence::{Producer, Sequence};
use crate::cluster::Backoff;
use crate::error::{Error, Result};
use crate::wire::Uuid;

/// What the decisions depend on.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// The largest batch.
    pub(super) batch_bytes: usize,
    pub(super) linger: Duration,
    pub(super) delivery_timeout: Duration,
    pub(super) backoff: Backoff,
    /// Batches of one partition that may be under way together. More than one needs sequence
    /// numbers, or a retry would change their order; none as long as those are waited for.
    pub(super) in_flight: usize,
    /// Whether a partition has to become part of the transaction before anything leaves.
    pub(super) joins: bool,
    /// Bytes of buffers that are kept for the next batches.
    pub(super) spare_bytes: usize,
    pub(super) adaptive: Adaptive,
}

/// How the partition of a record is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    This(i32),
    /// By a hash.
    Hash(u32),
    /// Where the writer stands.
    Any,
}

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) id: Uuid,
    /// Never fewer than there were: a topic that was created anew may have lost some.
    pub(super) partitions: Vec<Partition>,
    /// As many of them as the topic has now.
    pub(super) count: usize,
    /// Those that have a leader.
    pub(super) available: Arc<[i32]>,
    /// Where records without a key go.
    pub(super) sticky: Sticky,
    pub(super) batch_bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) leader: Option<i32>,
    pub(super) open: Option<Batch>,
    /// Full, or asked for; the oldest first.
    pub(super) closed: VecDeque<Batch>,
    pub(super) in_flight: Vec<InFlight>,
    pub(super) sequence: Sequence,
    /// How long the last batch was that has left.
    pub(super) last_len: usize,
    /// Whether it is part of the transaction.
    pub(super) joined: bool,
    pub(super) failures: u32,
    pub(super) retry_at: Option<Instant>,
    pub(super) last_error: Option<Error>,
    /// Whether it stands in the queue of its leader.
    pub(super) queued: bool,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) result: Arc<BatchResult>,
    pub(super) order: u64,
    /// No other may be under way with it.
    is_alone: bool,
    pub(super) deadline: Instant,
}

impl Topic {
    pub(super) fn choose(&self, choice: Choice) -> Result<usize> {
        let count = self.count;
        let chosen = match choice {
            Choice::This(number) => {
                let valid = usize::try_from(number).ok().filter(|number| *number < count);
                return valid.ok_or_else(|| {
                    let name = &self.name;
                    let last = count.saturating_sub(1);
                    let text = format!(
                        "partition: {name}[{number}] does not exist, {name} has partitions 0 to {last}"
                    );
                    Error::config(text)
                });
            }
            Choice::Hash(hash) => usize::try_from(hash).unwrap_or_default().checked_rem(count),
            Choice::Any => self.sticky.partition,
        };
        chosen.ok_or_else(|| Error::config(format!("topic {} has no partitions", self.name)))
    }

    /// Whether records without a key go on where they went.
    #[inline]
    pub(super) fn stays(&self, size: usize) -> bool {
        let stands = self.sticky.partition.and_then(|number| self.partitions.get(number));
        let between = stands.is_some_and(|partition| partition.open.is_none());
        self.sticky.stays(size, self.batch_bytes, between)
    }

    /// Lets records without a key go to another partition that has a leader, none of these brokers
    /// if there is another.
    pub(super) fn go_on(&mut self, adaptive: bool, unavailable: &[i32]) {
        let numbered = || self.partitions.iter().enumerate();
        let waiting = |(number, partition): (usize, &Partition)| {
            (number, if adaptive { partition.waiting() } else { 0 })
        };
        let led = numbered().filter(|(_, partition)| partition.leader.is_some());
        let is_available = |(_, partition): &(usize, &Partition)| {
            partition.leader.is_some_and(|leader| !unavailable.contains(&leader))
        };
        let random = |total| fastrand::usize(..total);
        let next = pick(numbered().filter(is_available).map(waiting), random);
        let next = next.or_else(|| pick(led.map(waiting), random));
        self.sticky.go(next.or_else(|| pick((0..self.count).map(|number| (number, 0)), random)));
    }

    /// Closes the open batch of a partition if a record of this size does not fit.
    #[inline]
    pub(super) fn make_room(&mut self, number: usize, size: usize) -> bool {
        let open = self.partitions.get(number).and_then(|partition| partition.open.as_ref());
        open.is_some_and(|open| open.len() + size > self.batch_bytes) && self.close(number)
    }

    pub(super) fn close(&mut self, number: usize) -> bool {
        let Some(partition) = self.partitions.get_mut(number) else {
            return false;
        };
        let Some(batch) = partition.open.take() else {
            return false;
        };
        partition.closed.push_back(batch);
        true
    }
}

impl Partition {
    /// When its next batch may leave; `None` if there is none, or it has to wait for an answer.
    pub(super) fn due(&self, limits: &Limits) -> Option<Instant> {
        // What is sent again goes alone. A broker remembers the last five batches: if newer ones went
        // on meanwhile, it would not know any more that it has this one. The first of an epoch does, too:
        // a log that does not know the producer takes any number as its first.
        let is_alone = self.sequence.is_broken()
            || self.sequence.is_off()
            || self.closed.front().is_some_and(Batch::is_numbered)
            || self.in_flight.iter().any(|away| away.is_alone);
        let most = if is_alone { limits.in_flight.min(1) } else { limits.in_flight };
        if self.in_flight.len() >= most || (limits.joins && !self.joined) {
            return None;
        }
        let due = self.waits_since(limits)?;
        Some(self.retry_at.map_or(due, |retry| retry.max(due)))
    }

    /// Since when, or from when on, its next batch only waits for its broker.
    pub(super) fn waits_since(&self, limits: &Limits) -> Option<Instant> {
        match (self.closed.front(), &self.open) {
            (Some(batch), _) => Some(batch.opened),
            (None, Some(batch)) => Some(batch.opened + limits.linger),
            (None, None) => None,
        }
    }

    /// How many batches wait to leave.
    fn waiting(&self) -> usize {
        self.closed.len() + usize::from(self.open.is_some())
    }

    pub(super) fn next_len(&self) -> usize {
        let next = self.closed.front().or(self.open.as_ref());
        next.map_or(0, Batch::len)
    }

    /// Sends the next batch away. `None`, if the writer has to become another producer first.
    pub(super) fn take(&mut self, producer: &mut Producer) -> Option<Batch> {
        let is_away = !self.in_flight.is_empty();
        if !self.sequence.begin(producer, &mut self.closed, is_away) {
            return None;
        }
        let mut batch = self.closed.pop_front().or_else(|| self.open.take())?;
        self.last_len = batch.len();
        let is_again = batch.is_numbered();
        self.sequence.number(&mut batch);
        let is_alone = is_again || batch.is_first();
        let (result, order, deadline) = (batch.result().clone(), batch.order, batch.deadline);
        self.in_flight.push(InFlight { result, order, is_alone, deadline });
        Some(batch)
    }

    /// A batch is not under way any more; its place among all.
    pub(super) fn landed(&mut self, result: &Arc<BatchResult>) -> Option<u64> {
        let at = self.in_flight.iter().position(|away| Arc::ptr_eq(&away.result, result))?;
        Some(self.in_flight.remove(at).order)
    }

    /// Whether all before it have an answer, and are not to be sent again.
    pub(super) fn is_oldest(&self, batch: &Batch) -> bool {
        // The parts of a batch have its place: the one that waits is the later one.
        let waiting = self.closed.front().is_none_or(|other| other.order >= batch.order);
        waiting && self.in_flight.iter().all(|away| away.order >= batch.order)
    }

    /// Puts a batch back where it belongs: before the later part of the same whole.
    pub(super) fn put_back(&mut self, batch: Batch) {
        let at = self.closed.partition_point(|other| other.order < batch.order);
        self.closed.insert(at, batch);
    }

    /// Takes out what was not sent in time.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Batch> {
        let late = |batch: &Batch| batch.deadline <= now;
        let mut expired = Vec::new();
        while self.closed.front().is_some_and(late) {
            expired.extend(self.closed.pop_front());
        }
        if self.closed.is_empty() && self.open.as_ref().is_some_and(late) {
            expired.extend(self.open.take());
        }
        if expired.iter().any(Batch::is_numbered) {
            self.sequence.break_off();
        }
        expired
    }

    /// What has left and was not answered in time. It stays in flight: nothing else leaves before
    /// its answer is there.
    pub(super) fn overdue(&self, now: Instant) -> impl Iterator<Item = Arc<BatchResult>> {
        let away = self.in_flight.iter().filter(move |away| away.deadline <= now);
        away.filter(|away| !away.result.is_settled()).map(|away| away.result.clone())
    }

    /// When something of it is too late.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let oldest = self.closed.front().or(self.open.as_ref()).map(|batch| batch.deadline);
        let away = self.in_flight.iter().map(|away| away.deadline);
        away.filter(|deadline| *deadline > now).chain(oldest).min()
    }

    pub(super) fn too_late(
        &self,
        topic: &str,
        number: usize,
        timeout: Duration,
        unreachable: Option<&Error>,
    ) -> Error {
        let text = format!("produce to {topic}[{number}]: not acknowledged within {timeout:?}");
        match self.last_error.as_ref().or(unreachable) {
            Some(error) => {
                Error::timeout(format!("{text}; last: {error}")).with_source(error.clone())
            }
            None if self.leader.is_none() => Error::timeout(format!("{text}; it has no leader")),
            None => Error::timeout(text),
        }
    }
}
