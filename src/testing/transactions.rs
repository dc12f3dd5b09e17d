//! The coordinators of transactions: who has a transactional id, what its transaction writes to,
//! and how it ends (KIP-98, KIP-360, KIP-890). One state for all brokers, which outlives them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::batch;
use super::offsets::OFFSETS_TOPIC;
use super::state::{State, TopicRef, coordinator_partition};
use crate::protocol::ErrorCode;

/// `transaction.max.timeout.ms`
const MAX_TIMEOUT_MS: i32 = 900_000;
/// The last epoch that a producer gets: the one after it fences that producer.
pub(super) const LAST_EPOCH: i16 = i16::MAX - 1;
/// From the decision to the markers: the coordinator answers before it writes them.
const MARKERS_AFTER: Duration = Duration::from_millis(1);
/// Until it looks again for the leader of a partition that waits for its marker.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Transactions by their transactional id.
pub(super) type Transactions = BTreeMap<String, Transaction>;

/// The id and epoch of a producer.
pub(super) type ProducerRef = (i64, i16);

/// What a coordinator knows of a transactional id.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    previous_id: i64,
    /// With which the current epoch was asked for.
    last_epoch: i16,
    /// The id that comes after the markers, once the epochs of this one are used up.
    next_id: Option<i64>,
    pub(super) timeout_ms: i32,
    pub(super) phase: Phase,
    pub(super) partitions: BTreeSet<(String, i32)>,
    /// When the transaction began, in milliseconds since 1970; -1 if there was none yet.
    pub(super) started: i64,
    /// When something happens by itself: it times out, or its markers are written.
    due: Option<Instant>,
}

/// How far a transaction is. `true` commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Empty,
    Ongoing,
    Prepare(bool),
    Complete(bool),
}

impl Phase {
    pub(super) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::Prepare(true),
        Self::Prepare(false),
        Self::Complete(true),
        Self::Complete(false),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::Prepare(true) => "PrepareCommit",
            Self::Prepare(false) => "PrepareAbort",
            Self::Complete(true) => "CompleteCommit",
            Self::Complete(false) => "CompleteAbort",
        }
    }
}

impl Transaction {
    fn new(producer_id: i64) -> Self {
        Self {
            producer_id,
            epoch: -1,
            previous_id: -1,
            last_epoch: -1,
            next_id: None,
            timeout_ms: 0,
            phase: Phase::Empty,
            partitions: BTreeSet::new(),
            started: -1,
            due: None,
        }
    }

    /// Checks who asks.
    fn of(&mut self, (id, epoch): ProducerRef) -> Result<&mut Self, ErrorCode> {
        if self.producer_id != id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if self.epoch != epoch {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        Ok(self)
    }

    /// Decides; the markers follow.
    fn decide(&mut self, committed: bool) {
        self.phase = Phase::Prepare(committed);
        self.due = Some(Instant::now() + MARKERS_AFTER);
    }

    /// Aborts, in an epoch that fences the producer.
    fn fence(&mut self) {
        self.epoch += 1;
        self.last_epoch = -1;
        self.decide(false);
    }
}

impl State {
    /// Gives a producer the transactional id; of one that had it before, if that says so.
    pub(super) fn init_transactions(
        &mut self,
        name: &str,
        timeout_ms: i32,
        expected: Option<ProducerRef>,
    ) -> Result<ProducerRef, ErrorCode> {
        if !(1..=MAX_TIMEOUT_MS).contains(&timeout_ms) {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        let fresh = self.next_producer_id;
        let it = self.transactions.entry(name.to_owned());
        let it = it.or_insert_with(|| {
            self.next_producer_id += 1;
            Transaction::new(fresh)
        });
        let is_known = |(id, epoch)| {
            it.epoch < 0 || id == it.producer_id || (id == it.previous_id && epoch >= LAST_EPOCH)
        };
        if !expected.is_none_or(is_known) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match it.phase {
            Phase::Empty | Phase::Complete(_) => {}
            Phase::Prepare(_) => return Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            Phase::Ongoing => {
                it.fence();
                self.alarm.notify_one();
                return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
            }
        }
        let (id, epoch) = (it.producer_id, it.epoch);
        let expected = expected.map(|(_, epoch)| epoch);
        match expected {
            _ if epoch >= LAST_EPOCH && expected.is_none_or(|it| it == epoch) => {
                (it.producer_id, it.epoch) = (self.next_producer_id, 0);
                self.next_producer_id += 1;
                it.last_epoch = if expected.is_some() { epoch } else { -1 };
            }
            None => (it.epoch, it.last_epoch) = (epoch + 1, -1),
            Some(expected) if epoch < 0 || expected == epoch => {
                (it.epoch, it.last_epoch) = (epoch + 1, epoch);
            }
            // It has asked before, and not heard the answer.
            Some(expected) if expected == it.last_epoch => {}
            Some(_) => return Err(ErrorCode::PRODUCER_FENCED),
        }
        it.previous_id = id;
        it.timeout_ms = timeout_ms;
        it.phase = Phase::Empty;
        it.started = -1;
        Ok((it.producer_id, it.epoch))
    }

    /// Makes partitions part of the transaction, which begins if there is none.
    pub(super) fn add_to_transaction(
        &mut self,
        name: &str,
        producer: ProducerRef,
        partitions: impl IntoIterator<Item = (String, i32)>,
    ) -> Result<(), ErrorCode> {
        let now = self.now();
        let it = self.transaction(name)?.of(producer)?;
        match it.phase {
            Phase::Prepare(_) => return Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            Phase::Ongoing => {}
            Phase::Empty | Phase::Complete(_) => {
                let timeout = u64::try_from(it.timeout_ms).unwrap_or(0);
                it.phase = Phase::Ongoing;
                it.started = now;
                it.due = Some(Instant::now() + Duration::from_millis(timeout));
            }
        }
        it.partitions.extend(partitions);
        self.alarm.notify_one();
        Ok(())
    }

    /// Whether the partition is part of the transaction.
    pub(super) fn is_in_transaction(
        &mut self,
        name: &str,
        producer: ProducerRef,
        partition: &(String, i32),
    ) -> Result<(), ErrorCode> {
        let it = self.transaction(name)?.of(producer)?;
        match it.phase {
            Phase::Prepare(_) => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            _ if it.partitions.contains(partition) => Ok(()),
            _ => Err(ErrorCode::TRANSACTION_ABORTABLE),
        }
    }

    /// Whether a producer may write to a partition as part of its transaction, which with `adds`
    /// it becomes by that.
    pub(super) fn verify(
        &mut self,
        name: &str,
        producer: ProducerRef,
        at: (String, i32),
        adds: bool,
    ) -> Result<(), ErrorCode> {
        let verified = if adds {
            self.add_to_transaction(name, producer, [at])
        } else if self.settings.release.verifies_transactions() {
            self.is_in_transaction(name, producer, &at)
        } else {
            Ok(())
        };
        verified.map_err(|code| match code {
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            code => code,
        })
    }

    /// Commits or aborts; who writes the next transaction. With `bumps` each transaction has an
    /// epoch of its own (KIP-890).
    pub(super) fn end_transaction(
        &mut self,
        name: &str,
        (id, epoch): ProducerRef,
        committed: bool,
        bumps: bool,
    ) -> Result<ProducerRef, ErrorCode> {
        let (now, fresh) = (self.now(), self.next_producer_id);
        let it = self.transaction(name)?;
        let is_rotated = bumps && (id, epoch, it.epoch) == (it.previous_id, LAST_EPOCH, 0);
        let is_repeated = is_rotated || (bumps && Some(it.epoch) == epoch.checked_add(1));
        if it.producer_id != id && !is_rotated {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        let is_current = match it.phase {
            Phase::Prepare(_) if bumps => is_repeated,
            Phase::Complete(_) => is_repeated || epoch == it.epoch,
            _ => epoch == it.epoch,
        };
        if !is_current {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match it.phase {
            Phase::Ongoing => {}
            Phase::Prepare(other) if committed == other => {
                return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
            }
            Phase::Complete(other) if committed == other && (is_repeated || !bumps) => {
                return Ok((it.producer_id, it.epoch));
            }
            // Nothing was written, as far as the producer knows, and now nothing will be.
            Phase::Empty | Phase::Complete(_) if bumps && !committed && !is_repeated => {
                it.started = now;
            }
            _ => return Err(ErrorCode::INVALID_TXN_STATE),
        }
        it.decide(committed);
        let mut next = (it.producer_id, it.epoch);
        if bumps {
            if epoch >= LAST_EPOCH {
                it.next_id = Some(fresh);
            }
            (it.epoch, it.last_epoch) = (epoch + 1, epoch);
            next = it.next_id.map_or((id, it.epoch), |id| (id, 0));
        }
        self.next_producer_id += i64::from(next.0 == fresh);
        self.alarm.notify_one();
        Ok(next)
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.transactions.values().filter_map(|it| it.due).min()
    }

    /// Does what is due: aborts what has timed out, and writes markers.
    pub(super) fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let is_due = |it: &Transaction| it.due.is_some_and(|due| due <= now);
        let due = self.transactions.iter().filter(|(_, it)| is_due(it));
        for name in due.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let Some(mut it) = self.transactions.remove(&name) else { continue };
            it.due = None;
            match it.phase {
                Phase::Ongoing => it.fence(),
                Phase::Prepare(committed) => self.write_markers(&mut it, committed),
                Phase::Empty | Phase::Complete(_) => {}
            }
            self.transactions.insert(name, it);
        }
    }

    fn write_markers(&mut self, it: &mut Transaction, committed: bool) {
        let marker = batch::marker(it.producer_id, it.epoch, committed, self.now());
        let empty_counts = self.settings.release.tells_empty_aborts();
        it.partitions.retain(|(topic, index)| {
            if topic == OFFSETS_TOPIC {
                let is_there = |group: &str| coordinator_partition(group) == *index;
                self.offsets.complete(it.producer_id, is_there, committed);
                return false;
            }
            // What is deleted needs no marker.
            let topic = self.topics.find(TopicRef::Name(topic)).ok();
            let Some(partition) = topic.and_then(|it| it.partition(*index)) else { return false };
            if partition.leader.is_some() {
                partition.log.end_transaction(marker.clone(), empty_counts);
            }
            partition.leader.is_none()
        });
        if !it.partitions.is_empty() {
            it.due = Some(Instant::now() + LOOK_AGAIN_AFTER);
            return;
        }
        it.phase = Phase::Complete(committed);
        if let Some(next) = it.next_id.take() {
            it.previous_id = it.producer_id;
            it.last_epoch = it.epoch;
            (it.producer_id, it.epoch) = (next, 0);
        }
    }

    fn transaction(&mut self, name: &str) -> Result<&mut Transaction, ErrorCode> {
        match name {
            "" => Err(ErrorCode::INVALID_REQUEST),
            _ => self.transactions.get_mut(name).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING),
        }
    }
}
