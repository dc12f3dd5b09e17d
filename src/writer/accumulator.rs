//! What is accepted and not yet written: which records go into which batch, which batches may leave
//! now, and in which order. Decisions only: no I/O, no tasks, and time is an argument.
//!
//! # Invariants
//!
//! - The batches of a partition leave in the order in which they were opened, also after failures:
//!   several are under way only if they are numbered, and after one has failed they leave one by one.
//! - A partition that has a batch to send stands in the queue of its leader; one without a leader,
//!   or with as much in flight as it may have, stands in none.
//! - A lane that has found nothing is woken by the first thing that it could send earlier than it
//!   means to look again, and not by each record.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::{At, Batch};
use super::budget::Budget;
use super::delivery::{BatchResult, Delivery, Outcome};
use super::interceptor::Observers;
use super::partitioner::{Adaptive, Sticky};
use super::queue::{Choice, Limits, Partition, Topic};
use super::sequence::{Identity, Producer};
use super::spare::Spare;
use crate::cluster::{TopicMetadata, WHILE_ENDING};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::record::Record;
use crate::types::Timestamp;
use crate::wire::Uuid;

mod transaction;

use transaction::Transactions;
pub(super) use transaction::{End, Errand, Heard, Told};

#[derive(Debug)]
pub(super) struct Accumulator {
    limits: Limits,
    budget: Arc<Budget>,
    observers: Arc<Observers>,
    topics: Vec<Topic>,
    names: HashMap<Arc<str>, usize>,
    lanes: BTreeMap<i32, Lane>,
    spare: Spare,
    state: State,
    producer: Producer,
    /// Batches of one partition that may be under way together, if they are numbered.
    numbered: usize,
    /// How many batches were opened.
    opened: u64,
    /// As many as there were when time was last looked at.
    opened_before: u64,
    transactions: Option<Transactions>,
    /// Wakes the engine, which asks brokers.
    engine: Arc<Notify>,
}

#[derive(Debug)]
enum State {
    Open,
    /// Accepts nothing more, and goes on with what it has.
    Draining,
    /// Holds nothing any more.
    Failed(Error),
}

/// What the loop of one broker has to do.
#[derive(Debug, Default)]
struct Lane {
    /// Partitions with something to send, the one whose turn it is first.
    queue: VecDeque<At>,
    idle: Option<Idle>,
    wake: Arc<Notify>,
    /// Why the broker cannot be reached.
    last_error: Option<Error>,
    /// When it has last taken something.
    taken: Option<Instant>,
}

/// The loop has found nothing to do.
#[derive(Debug)]
struct Idle {
    /// When it looks again by itself.
    until: Option<Instant>,
}

/// Loops to be woken, once the lock is released.
#[derive(Debug, Default)]
#[must_use = "loops that are not woken may sleep for ever"]
pub(super) struct Wakes(Vec<Arc<Notify>>);

/// A batch that leaves.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) batch: Batch,
    pub(super) topic_id: Uuid,
}

/// What may leave now, and else when to look again.
#[derive(Debug)]
pub(super) enum Drained {
    Ready(Vec<Ready>),
    Idle(Option<Instant>),
}

/// What was not written in time.
#[derive(Debug, Default)]
pub(super) struct Expired {
    /// They have not left, or have come back.
    pub(super) waiting: Vec<(Batch, Error)>,
    /// They are under way.
    pub(super) in_flight: Vec<(Arc<BatchResult>, Error)>,
    /// When the next may expire.
    pub(super) next: Option<Instant>,
    told: Told,
}

impl Accumulator {
    /// Where batches are numbered, nothing leaves before [`identify`](Self::identify).
    pub(super) fn new(
        mut limits: Limits,
        budget: Arc<Budget>,
        observers: Arc<Observers>,
        engine: Arc<Notify>,
        is_idempotent: bool,
        is_transactional: bool,
    ) -> Self {
        let producer = if is_idempotent { Producer::Wanted(None) } else { Producer::Nobody };
        let numbered = limits.in_flight;
        limits.in_flight = usize::from(!is_idempotent);
        let spare = Spare::new(limits.spare_bytes);
        Self {
            limits,
            budget,
            observers,
            topics: Vec::new(),
            names: HashMap::new(),
            lanes: BTreeMap::new(),
            spare,
            state: State::Open,
            producer,
            numbered,
            opened: 0,
            opened_before: 0,
            transactions: is_transactional.then(Transactions::new),
            engine,
        }
    }

    /// Whether a broker is to be asked for an id.
    pub(super) fn wants_identity(&self) -> bool {
        matches!(self.producer, Producer::Wanted(_))
    }

    /// The writer is this producer from now on, or none if the brokers know no such thing.
    pub(super) fn identify(&mut self, identity: Option<Identity>) -> Wakes {
        self.producer = identity.map_or(Producer::Nobody, Producer::Known);
        self.limits.in_flight = if identity.is_some() { self.numbered } else { 1 };
        let mut wakes = Wakes::default();
        for (topic, it) in self.topics.iter_mut().enumerate() {
            for (number, partition) in it.partitions.iter_mut().enumerate() {
                let at = At { topic, partition: number };
                touch(&mut self.lanes, partition, at, &self.limits, &mut wakes);
            }
        }
        wakes
    }

    /// There is no id yet, and why.
    pub(super) fn not_identified(&mut self, error: Error) {
        self.producer = Producer::Wanted(Some(error));
    }

    /// Why nothing more is accepted.
    pub(super) fn check_open(&self) -> Result<()> {
        self.check_alive()?;
        self.transactions.as_ref().map_or(Ok(()), Transactions::check_open)
    }

    /// Why nothing will be accepted any more.
    pub(super) fn check_alive(&self) -> Result<()> {
        match &self.state {
            State::Open => Ok(()),
            State::Draining => Err(Error::closed("writer")),
            State::Failed(error) => Err(error.clone()),
        }
    }

    pub(super) fn topic(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// How many partitions a topic has, and which of them have a leader.
    pub(super) fn partitions(&self, name: &str) -> Option<(usize, Arc<[i32]>)> {
        let topic = self.topics.get(self.topic(name)?)?;
        Some((topic.count, topic.available.clone()))
    }

    /// Adds a topic, or takes over what is new of it: partitions, leaders, its id.
    pub(super) fn follow(&mut self, metadata: &TopicMetadata) -> Wakes {
        let index = *self.names.entry(metadata.name.clone()).or_insert_with(|| {
            self.topics.push(Topic {
                name: metadata.name.clone(),
                id: Uuid::default(),
                partitions: Vec::new(),
                count: 0,
                available: Arc::default(),
                sticky: Sticky::default(),
                batch_bytes: self.limits.batch_bytes,
            });
            self.topics.len() - 1
        });
        let mut wakes = Wakes::default();
        let Some(topic) = self.topics.get_mut(index) else {
            return wakes;
        };
        let is_new = !topic.id.is_nil() && !metadata.id.is_nil() && topic.id != metadata.id;
        let mut is_broken = false;
        if !metadata.id.is_nil() {
            topic.id = metadata.id;
        }
        topic.count = metadata.partitions.len();
        let total = topic.count.max(topic.partitions.len());
        topic.partitions.resize_with(total, Partition::default);
        let mut available = Vec::new();
        for (number, partition) in topic.partitions.iter_mut().enumerate() {
            if is_new {
                // Its log knows nothing of what the old one had.
                partition.sequence.break_off();
                is_broken |= partition.sequence.is_of(&self.producer);
            }
            let leader = metadata.partitions.get(number).and_then(|known| known.leader);
            available.extend(leader.and(i32::try_from(number).ok()));
            if leader == partition.leader {
                continue;
            }
            let at = At { topic: index, partition: number };
            if let Some(lane) = partition.leader.and_then(|broker| self.lanes.get_mut(&broker)) {
                lane.queue.retain(|queued| *queued != at);
            }
            partition.leader = leader;
            partition.queued = false;
            // A new leader gets its chance at once.
            partition.retry_at = None;
            if let Some(broker) = leader {
                self.lanes.entry(broker).or_default();
            }
            touch(&mut self.lanes, partition, at, &self.limits, &mut wakes);
        }
        topic.available = available.into();
        let stands = topic.sticky.partition.and_then(|number| topic.partitions.get(number));
        if stands.is_some_and(|partition| partition.leader.is_none()) {
            topic.sticky.go(None);
        }
        if is_broken {
            let text = format!("topic {} was deleted and created again", metadata.name);
            self.fail_transaction(&Error::new(ErrorKind::DataLoss, text));
        }
        wakes
    }

    /// The partition of a record.
    fn place(
        &mut self,
        topic: usize,
        choice: Choice,
        size: usize,
        now: &impl Fn() -> Instant,
    ) -> Result<At> {
        let goes_on = |topic: &Topic| choice == Choice::Any && !topic.stays(size);
        if self.topics.get(topic).is_some_and(goes_on) {
            let unavailable = self.unavailable(now);
            if let Some(topic) = self.topics.get_mut(topic) {
                topic.go_on(self.limits.adaptive.is_enabled, &unavailable);
            }
        }
        let found = self.topics.get(topic).ok_or_else(|| Error::closed("topic"))?;
        Ok(At { topic, partition: found.choose(choice)? })
    }

    /// Brokers that have let batches wait for the availability timeout, and taken nothing.
    fn unavailable(&self, now: &impl Fn() -> Instant) -> Vec<i32> {
        let Adaptive { is_enabled, availability_timeout } = self.limits.adaptive;
        if !is_enabled || availability_timeout.is_zero() {
            return Vec::new();
        }
        let now = now();
        let is_late = |since: Instant| since + availability_timeout <= now;
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        let waiting = partitions.filter(|it| it.waits_since(&self.limits).is_some_and(is_late));
        let brokers = waiting.filter_map(|partition| partition.leader);
        let taken = |broker: &i32| self.lanes.get(broker).and_then(|lane| lane.taken);
        brokers.filter(|broker| taken(broker).is_none_or(is_late)).collect()
    }

    /// Closes the open batch of a partition if a record of this size does not fit.
    fn make_room(&mut self, at: At, size: usize, wakes: &mut Wakes) -> bool {
        let Some(topic) = self.topics.get_mut(at.topic) else {
            return false;
        };
        let closed = topic.make_room(at.partition, size);
        if let Some(partition) = topic.partitions.get_mut(at.partition).filter(|_| closed) {
            touch(&mut self.lanes, partition, at, &self.limits, wakes);
        }
        closed
    }

    /// The topics that are written to.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.iter().map(|topic| &topic.name)
    }

    /// The brokers that need a loop, and what wakes it.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (i32, &Arc<Notify>)> {
        self.lanes.iter().map(|(broker, lane)| (*broker, &lane.wake))
    }

    /// Accepts a record, whose size at worst is charged to the budget.
    ///
    /// # Errors
    ///
    /// The writer is closed, or the partition does not exist.
    pub(super) fn append(
        &mut self,
        topic: usize,
        choice: Choice,
        record: &Record,
        timestamp: Timestamp,
        size: usize,
        now: impl Fn() -> Instant,
    ) -> Result<(Delivery, Wakes)> {
        self.check_open()?;
        let mut wakes = Wakes::default();
        let mut at = self.place(topic, choice, size, &now)?;
        if self.make_room(at, size, &mut wakes) {
            // A record without a key may go on elsewhere.
            at = self.place(topic, choice, size, &now)?;
            self.make_room(at, size, &mut wakes);
        }
        let (limits, number, index) = (&self.limits, at.partition, topic);
        let topic = self.topics.get_mut(index).ok_or_else(|| Error::closed("topic"))?;
        let limit = topic.batch_bytes;
        let partition = topic.partitions.get_mut(number).ok_or_else(|| Error::closed("topic"))?;
        let (opens, partition_len) = (partition.open.is_none(), partition.last_len);
        let batch = partition.open.get_or_insert_with(|| {
            let opened = now();
            let partition = i32::try_from(number).unwrap_or(i32::MAX);
            let observers = self.observers.clone();
            let result = BatchResult::new(topic.name.clone(), partition, observers);
            let deadline = opened + limits.delivery_timeout;
            let buffer = self.spare.take(partition_len, self.budget.unused());
            self.opened += 1;
            let order = self.opened;
            Batch::open(at, order, result, buffer, self.budget.clone(), opened, deadline)
        });
        let before = if opens { 0 } else { batch.len() };
        let delivery = batch.push(record, timestamp, size);
        if choice == Choice::Any {
            topic.sticky.put(batch.len() - before);
        }
        // The next record of this size would not fit: no need to wait for it.
        let full = batch.len() + size > limit;
        if full {
            topic.close(number);
        }
        if opens || full {
            if let Some(partition) = topic.partitions.get_mut(number) {
                touch(&mut self.lanes, partition, at, limits, &mut wakes);
                if !partition.joined {
                    self.wants_to_join(at);
                }
            }
        }
        Ok((delivery, wakes))
    }

    /// Takes what may leave to a broker now: a batch of each partition, in turn, up to `max_bytes`,
    /// but one at least.
    pub(super) fn drain(&mut self, broker: i32, max_bytes: usize, now: Instant) -> Drained {
        let limits = &mut self.limits;
        let Some(lane) = self.lanes.get_mut(&broker) else {
            return Drained::Idle(None);
        };
        let (mut ready, mut bytes, mut until) = (Vec::new(), 0, None);
        for _ in 0..lane.queue.len() {
            let Some(at) = lane.queue.pop_front() else {
                break;
            };
            let Some(topic) = self.topics.get_mut(at.topic) else {
                continue;
            };
            let Some(partition) = topic.partitions.get_mut(at.partition) else {
                continue;
            };
            match partition.due(limits) {
                None => partition.queued = false,
                Some(due) if due > now => {
                    until = Some(until.map_or(due, |until: Instant| until.min(due)));
                    lane.queue.push_back(at);
                }
                Some(_) => {
                    bytes += partition.next_len();
                    if bytes > max_bytes && !ready.is_empty() {
                        lane.queue.push_front(at);
                        break;
                    }
                    let batch = partition.take(&mut self.producer);
                    if batch.is_none() && matches!(self.producer, Producer::Wanted(_)) {
                        // Nothing leaves before there is another id.
                        limits.in_flight = 0;
                        partition.queued = false;
                        break;
                    }
                    partition.queued = partition.due(limits).is_some();
                    if partition.queued {
                        lane.queue.push_back(at);
                    }
                    let topic_id = topic.id;
                    ready.extend(batch.map(|batch| Ready { batch, topic_id }));
                }
            }
        }
        if ready.is_empty() {
            lane.idle = Some(Idle { until });
            return Drained::Idle(until);
        }
        (lane.idle, lane.taken) = (None, Some(now));
        self.has_begun();
        Drained::Ready(ready)
    }

    /// Whether [`drain`](Self::drain) would give anything: asked before there is a connection.
    pub(super) fn peek(&mut self, broker: i32, now: Instant) -> Drained {
        let Some(lane) = self.lanes.get_mut(&broker) else {
            return Drained::Idle(None);
        };
        let partitions = lane.queue.iter().filter_map(|at| {
            let topic = self.topics.get(at.topic)?;
            topic.partitions.get(at.partition)?.due(&self.limits)
        });
        let until = partitions.min();
        if until.is_some_and(|due| due <= now) {
            lane.idle = None;
            return Drained::Ready(Vec::new());
        }
        lane.idle = Some(Idle { until });
        Drained::Idle(until)
    }

    /// Whether a batch that does not follow on what the log has must have been in it: one that came
    /// behind it is.
    pub(super) fn is_written(&self, batch: &Batch, error: &Error) -> bool {
        let code = error.code();
        let is_gap = code == Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
            || code == Some(ErrorCode::UNKNOWN_PRODUCER_ID);
        let topic = self.topics.get(batch.at.topic);
        let partition = topic.and_then(|topic| topic.partitions.get(batch.at.partition));
        is_gap && partition.is_some_and(|it| it.sequence.is_passed(batch.order))
    }

    /// A batch is done with: it is written, or never will be.
    pub(super) fn complete(&mut self, at: At, result: &Arc<BatchResult>, written: bool) -> Wakes {
        let mut wakes = Wakes::default();
        if let Some(partition) = partition(&mut self.topics, at) {
            let order = partition.landed(result);
            if written {
                partition.sequence.acknowledged(order);
            } else {
                partition.sequence.break_off();
            }
            (partition.failures, partition.retry_at) = (0, None);
            partition.last_error = None;
            touch(&mut self.lanes, partition, at, &self.limits, &mut wakes);
        }
        if let Some(error) = result.error().filter(|_| !written) {
            self.fail_transaction(error);
        }
        self.has_landed(written);
        wakes
    }

    /// A batch was not written, and is to be sent again, before all others of its partition. Gives
    /// it back if that is too late.
    pub(super) fn requeue(
        &mut self,
        mut batch: Batch,
        broker: i32,
        error: Error,
        now: Instant,
    ) -> (Option<(Batch, Error)>, Wakes) {
        let (at, mut wakes) = (batch.at, Wakes::default());
        let mut given_up = self.is_given_up();
        let Some(partition) = partition(&mut self.topics, at) else {
            return (Some((batch, error)), wakes);
        };
        partition.landed(batch.result());
        // Its records may have been told that it was too late while it was away.
        let late = given_up.is_some() || batch.result().is_settled();
        let is_gap = error.code().is_some_and(ErrorCode::is_sequence_broken);
        let is_absent = is_gap && partition.is_oldest(&batch);
        if error.code() == Some(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT) {
            if self.transactions.is_some() || !batch.is_numbered() {
                given_up.get_or_insert_with(|| error.clone());
            } else {
                partition.sequence.switch_off();
            }
        }
        if late || is_absent {
            partition.sequence.break_off();
        }
        if is_absent {
            batch.number(None);
            if self.transactions.is_some() {
                // What the log has lost may belong to the transaction.
                given_up.get_or_insert_with(|| error.clone());
            }
        }
        // What comes behind one that has failed has not failed itself, nor what was lost with it.
        let waits = partition.retry_at.is_some_and(|at| at > now);
        if !waits && (!is_gap || partition.failures == 0) {
            partition.failures += 1;
        }
        // If the leader has changed meanwhile, the new one has not failed.
        let backoff = match error.code() {
            Some(ErrorCode::CONCURRENT_TRANSACTIONS) => WHILE_ENDING,
            _ => self.limits.backoff.after(partition.failures),
        };
        if partition.leader != Some(broker) {
            partition.retry_at = None;
        } else if !waits {
            partition.retry_at = Some(now + backoff);
        }
        partition.last_error = Some(error.clone());
        let back = if late || given_up.is_some() {
            Some((batch, given_up.unwrap_or_else(|| error.clone())))
        } else {
            partition.put_back(batch);
            None
        };
        touch(&mut self.lanes, partition, at, &self.limits, &mut wakes);
        if back.is_some() {
            self.fail_transaction(&error);
        }
        self.has_landed(false);
        (back, wakes)
    }

    /// A batch was too large for the broker: its parts are sent in its place, and later batches of
    /// the topic do not get that large.
    #[expect(clippy::result_large_err, reason = "rare, and given back to be dropped elsewhere")]
    pub(super) fn requeue_parts(
        &mut self,
        whole: &Arc<BatchResult>,
        first: Batch,
        rest: Batch,
    ) -> Result<Wakes, [Batch; 2]> {
        let (at, mut wakes) = (first.at, Wakes::default());
        if let Some(topic) = self.topics.get_mut(at.topic) {
            topic.batch_bytes = topic.batch_bytes.min(first.len().max(rest.len()));
        }
        let given_up = self.is_given_up().is_some();
        let Some(partition) = partition(&mut self.topics, at) else {
            return Err([first, rest]);
        };
        partition.landed(whole);
        if given_up {
            self.has_landed(false);
            return Err([first, rest]);
        }
        (partition.failures, partition.retry_at) = (0, None);
        partition.put_back(rest);
        partition.put_back(first);
        touch(&mut self.lanes, partition, at, &self.limits, &mut wakes);
        Ok(wakes)
    }

    /// Lets everything leave without waiting for more, and tells what is not done yet.
    pub(super) fn flush(&mut self) -> (Vec<Arc<BatchResult>>, Wakes) {
        let (mut results, mut wakes) = (Vec::new(), Wakes::default());
        for (index, topic) in self.topics.iter_mut().enumerate() {
            for number in 0..topic.partitions.len() {
                let closed = topic.close(number);
                let Some(partition) = topic.partitions.get_mut(number) else {
                    continue;
                };
                results.extend(partition.in_flight.iter().map(|away| away.result.clone()));
                results.extend(partition.closed.iter().map(|batch| batch.result().clone()));
                let at = At { topic: index, partition: number };
                if closed {
                    touch(&mut self.lanes, partition, at, &self.limits, &mut wakes);
                }
            }
        }
        (results, wakes)
    }

    /// Accepts nothing more.
    pub(super) fn close(&mut self) {
        if matches!(self.state, State::Open) {
            self.state = State::Draining;
        }
    }

    /// Gives up everything: nothing is accepted any more, and nothing sent.
    pub(super) fn fail(&mut self, error: &Error) -> Expired {
        let mut all = Expired::default();
        if !matches!(self.state, State::Failed(_)) {
            self.state = State::Failed(error.clone());
        }
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            let waiting = partition.closed.drain(..).chain(partition.open.take());
            all.waiting.extend(waiting.map(|batch| (batch, error.clone())));
            let away = partition.in_flight.drain(..);
            all.in_flight.extend(away.map(|away| (away.result, error.clone())));
        }
        if let Some(transactions) = &mut self.transactions {
            all.told = transactions.end(error);
        }
        all
    }

    /// Gives up everything that was not written within this time.
    pub(super) fn give_up(&mut self, within: Duration, now: Instant) -> Expired {
        let latest = now + std::mem::replace(&mut self.limits.delivery_timeout, within);
        let expired = self.expire(latest);
        self.fail(&Error::closed("writer"));
        expired
    }

    /// Takes out what has been here for too long.
    pub(super) fn expire(&mut self, now: Instant) -> Expired {
        if std::mem::replace(&mut self.opened_before, self.opened) == self.opened {
            self.spare.trim();
        }
        let (mut expired, mut failed) = (Expired::default(), None);
        let timeout = self.limits.delivery_timeout;
        for topic in &mut self.topics {
            for (number, partition) in topic.partitions.iter_mut().enumerate() {
                let waiting = partition.expired(now);
                let overdue: Vec<_> = partition.overdue(now).collect();
                expired.next = expired.next.into_iter().chain(partition.deadline(now)).min();
                if waiting.is_empty() && overdue.is_empty() {
                    continue;
                }
                let lane = partition.leader.and_then(|broker| self.lanes.get(&broker));
                let unreachable = match &self.producer {
                    Producer::Wanted(error) => error.as_ref(),
                    _ => lane.and_then(|lane| lane.last_error.as_ref()),
                };
                let error = partition.too_late(&topic.name, number, timeout, unreachable);
                let with = |error: &Error| error.clone();
                expired.waiting.extend(waiting.into_iter().map(|batch| (batch, with(&error))));
                expired.in_flight.extend(overdue.into_iter().map(|away| (away, with(&error))));
                failed.get_or_insert(error);
            }
        }
        if let Some(error) = failed {
            self.fail_transaction(&error);
        }
        expired
    }

    /// Remembers why a broker cannot be reached, for what expires meanwhile.
    pub(super) fn unreachable(&mut self, broker: i32, error: Option<Error>) {
        if let Some(lane) = self.lanes.get_mut(&broker) {
            lane.last_error = error;
        }
    }

    /// Keeps a buffer for a later batch.
    pub(super) fn recycle(&mut self, buffer: BytesMut) {
        self.spare.put(buffer, self.budget.unused());
    }
}

impl Expired {
    /// Tells the records, outside of the lock.
    pub(super) fn tell(self) {
        for (batch, error) in self.waiting {
            batch.failed(error);
        }
        for (result, error) in self.in_flight {
            result.settle(Outcome::Failed(error.ambiguous()));
        }
        self.told.tell();
    }
}

/// Something has changed that may let a partition send: it gets into the queue of its leader, whose
/// loop is woken if it means to look later than that.
fn touch(
    lanes: &mut BTreeMap<i32, Lane>,
    partition: &mut Partition,
    at: At,
    limits: &Limits,
    wakes: &mut Wakes,
) {
    let Some(due) = partition.due(limits) else {
        return;
    };
    let Some(lane) = partition.leader.and_then(|broker| lanes.get_mut(&broker)) else {
        return;
    };
    if !partition.queued {
        partition.queued = true;
        lane.queue.push_back(at);
    }
    if lane.idle.as_ref().is_some_and(|idle| idle.until.is_none_or(|until| due < until)) {
        lane.idle = None;
        wakes.0.push(lane.wake.clone());
    }
}

fn partition(topics: &mut [Topic], at: At) -> Option<&mut Partition> {
    topics.get_mut(at.topic)?.partitions.get_mut(at.partition)
}

impl Wakes {
    pub(super) fn wake(self) {
        self.0.iter().for_each(|wake| wake.notify_one());
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

#[cfg(test)]
mod tests;
