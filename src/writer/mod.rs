//! The writer: a sink of records.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod.rs` | accepts records: `send`, `write`, `flush`, `close` |
//! | `closing.rs` | closes within a time, and hands back what is not written |
//! | `sink.rs`, `service.rs` | the same as a `Sink`, and as a tower service |
//! | `builder.rs` | settings, and what is wrong with them |
//! | `delivery.rs`, `deliveries.rs` | tell what became of a record, and of many |
//! | `interceptor.rs` | who sees each record, and learns how each batch ends |
//! | `transaction.rs` | transactions, and who writes in them |
//! | `engine.rs` | metadata, one loop per broker, what is too late |
//! | `coordinator.rs` | asks for ids, and for what transactions need |
//! | `lane.rs` | the loop of one broker |
//! | `accumulator.rs`, `queue.rs` | which batch leaves when, and in which order: no I/O |
//! | `accumulator/transaction.rs` | which transaction is open, and when it may end: no I/O |
//! | `sequence.rs` | which number a batch has, and when numbers begin anew: no I/O |
//! | `produce.rs` | requests and answers: no I/O |
//! | `batch.rs`, `budget.rs`, `spare.rs` | the bytes of a batch, and their limit |
//! | `partitioner/` | which partition a record goes to |
//!
//! # Invariants
//!
//! - A record is encoded once, into its batch, when it is accepted; a batch that is sent again has
//!   the same bytes.
//! - Every batch is told about, at the latest when it is dropped: no delivery waits for ever.
//! - A failure is ambiguous unless it is known that the record is not in the log.
//! - The lock of the accumulator is never held across an await, a compression or a user's code.

mod accumulator;
mod batch;
mod budget;
mod builder;
mod closing;
mod coordinator;
mod deliveries;
mod delivery;
mod engine;
mod interceptor;
mod lane;
mod partitioner;
mod produce;
mod queue;
mod sequence;
mod service;
mod sink;
mod spare;
mod transaction;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

pub use builder::WriterBuilder;
pub use closing::Unwritten;
pub use deliveries::Deliveries;
pub use delivery::{Delivery, RecordMetadata};
pub use interceptor::{BatchReport, WriterInterceptor};
pub use partitioner::{
    HashPartitioner, LeastBytesPartitioner, Partitioner, Partitioning, RoundRobinPartitioner,
};
pub use service::Writing;
pub use transaction::{GroupMetadata, Transaction, TransactionalWriter};

use crate::cluster::{Cluster, Interest, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{BatchEncoder, Record};
use crate::task::{self, Task};
use crate::types::Timestamp;
use accumulator::{Accumulator, Wakes};
use batch::Batch;
use budget::Budget;
use builder::{Config, Transactional};
use interceptor::Observers;
use queue::{Choice, Limits};
use sink::SinkState;

/// A broker remembers so many batches of a producer in each partition, to know them when they come
/// again.
const MAX_NUMBERED: usize = 5;

/// Writes records; a [`Sink`](futures::Sink) of them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use kafkio::Record;
///
/// let writer = client.writer().topic("orders").build().await?;
/// let delivery = writer.send(Record::new("hello").key("k")).await?;  // accepted
/// let written = delivery.await?;                                     // acknowledged
/// println!("{}[{}] at {:?}", written.topic(), written.partition(), written.offset());
/// writer.close().await?;
/// # Ok(()) }
/// ```
///
/// Records of a partition are written in the order in which they are accepted, and once, also after
/// failures: the writer is idempotent (KIP-98), unless it is told otherwise or the brokers are older
/// than Kafka 0.11.
/// A batch leaves as soon as its broker has room for it, and what arrives meanwhile makes the next
/// one; all partitions of a broker share requests. [`send`](Self::send) waits while the byte budget
/// is used up.
///
/// Clones are handles to one writer. When the last one is dropped, what is not written yet is given
/// up, and its deliveries fail with [`ErrorKind::Closed`]: call [`close`](Self::close) to have it
/// written.
///
/// # Errors
///
/// Failures that may pass are retried until the
/// [`delivery_timeout`](WriterBuilder::delivery_timeout). A record that has failed is not in the
/// log, unless [`Error::is_ambiguous`] says that nobody knows. When an answer is lost, the batch is
/// sent again; a broker takes it once, unless the writer is not
/// [`idempotent`](WriterBuilder::idempotent).
pub struct Writer {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
    /// What this handle has sent as a sink.
    sink: Mutex<SinkState>,
}

/// Ends the background work with the last handle.
struct Owner {
    shared: Arc<Shared>,
    engine: Mutex<Option<Task<()>>>,
}

/// What the handles, the engine and its loops share.
struct Shared {
    cluster: Cluster,
    config: Config,
    topic: Option<Arc<str>>,
    budget: Arc<Budget>,
    observers: Arc<Observers>,
    accumulator: Mutex<Accumulator>,
    /// The topics that are in use, or asked for.
    interests: Mutex<HashMap<Arc<str>, Interest>>,
    /// Wakes the engine, to look again at topics, brokers and transactions.
    engine: Arc<Notify>,
}

/// Why a record is not accepted.
enum Refusal {
    /// Nothing is known of its topic.
    Unknown(Arc<str>),
    Failed(Error),
}

impl Writer {
    /// Begins a writer with a client of its own, at its default settings. To share one, or to
    /// change its settings, use [`Client::writer`](crate::Client::writer).
    pub fn builder<S: Into<String>>(bootstrap: impl IntoIterator<Item = S>) -> WriterBuilder {
        WriterBuilder::new(Source::bootstrap(bootstrap.into_iter().map(Into::into).collect()))
    }

    fn start(shared: Arc<Shared>) -> Self {
        let engine = Mutex::new(Some(task::spawn(engine::run(shared.clone()))));
        let owner = Arc::new(Owner { shared: shared.clone(), engine });
        Self { shared, owner, sink: Mutex::default() }
    }

    /// Accepts a record, as soon as there is room for it, and gives the [`Delivery`] that tells
    /// what becomes of it. The first record to a topic waits until its metadata is there.
    ///
    /// # Errors
    ///
    /// The record is too large, its topic or partition does not exist, or the writer is closed: it
    /// has not been accepted.
    ///
    /// # Cancel safety
    ///
    /// A record whose future was dropped before it was ready has not been accepted, and will not be
    /// written. Then again, a dropped [`Delivery`] stops nothing.
    pub fn send(
        &self,
        record: impl Into<Record>,
    ) -> impl Future<Output = Result<Delivery>> + Send + '_ {
        let mut record = record.into();
        async move {
            self.shared.observers.on_send(&mut record);
            self.shared.accept(&record).await
        }
    }

    /// Accepts a record if there is room for it now.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), with the record; and [`ErrorKind::Timeout`] if there is no room,
    /// or nothing is known of its topic yet, in which case it is asked for.
    #[expect(clippy::result_large_err, reason = "the record goes back to its owner")]
    pub fn try_send(&self, record: impl Into<Record>) -> Result<Delivery, (Record, Error)> {
        let record = record.into();
        let mut seen = Cow::Borrowed(&record);
        if self.shared.observers.is_intercepted() {
            self.shared.observers.on_send(seen.to_mut());
        }
        match self.shared.try_accept(&seen) {
            Ok(delivery) => Ok(delivery),
            Err(error) => Err((record, error)),
        }
    }

    /// Sends all records and waits until all are written; nothing waits for
    /// [`linger`](WriterBuilder::linger). Gives their metadata in the order of the records.
    ///
    /// # Errors
    ///
    /// The first failure, or the first [ambiguous](Error::is_ambiguous) one if there is any; the
    /// other records may be written all the same. To know about each, use
    /// [`write_all`](Self::write_all).
    ///
    /// # Cancel safety
    ///
    /// Records that were accepted before the future was dropped are written, the others are not.
    pub async fn write(
        &self,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Vec<RecordMetadata>> {
        let results = self.deliver(records, true).await;
        let failures = results.iter().filter_map(|result| result.as_ref().err());
        // An ambiguous one says the most.
        match failures.min_by_key(|error| !error.is_ambiguous()).cloned() {
            Some(error) => Err(error),
            None => results.into_iter().collect(),
        }
    }

    /// As [`write`](Self::write), but one failure is none of the others: gives what became of each
    /// record, in their order.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
    /// # let client = cluster.client().connect().await?;
    /// use kafkio::Record;
    ///
    /// let writer = client.writer().topic("orders").build().await?;
    /// let records = [Record::new("a"), Record::new("b").partition(7)];
    /// let results = writer.write_all(records).await;
    /// assert!(results[0].is_ok());
    /// assert!(results[1].is_err(), "there are three partitions");
    /// # Ok(()) }
    /// ```
    ///
    /// A topic that does not exist is waited for once, and not for each of its records.
    ///
    /// # Cancel safety
    ///
    /// As for [`write`](Self::write).
    pub async fn write_all(
        &self,
        records: impl IntoIterator<Item = Record>,
    ) -> Vec<Result<RecordMetadata>> {
        self.deliver(records, false).await
    }

    /// Sends records, up to the first that is refused or all, and waits for them.
    async fn deliver(
        &self,
        records: impl IntoIterator<Item = Record>,
        stops: bool,
    ) -> Vec<Result<RecordMetadata>> {
        let mut sent = Vec::new();
        let mut missing: HashMap<Option<Arc<str>>, Error> = HashMap::new();
        for mut record in records {
            self.shared.observers.on_send(&mut record);
            let accepted = match missing.get(&record.topic) {
                Some(error) => Err(error.clone()),
                None => self.shared.accept(&record).await,
            };
            let refused = accepted.as_ref().err().cloned();
            sent.push(accepted);
            match refused {
                Some(_) if stops => break,
                // Another record of its topic would wait as long, and in vain.
                Some(error) if error.is_retriable() => {
                    missing.insert(record.topic, error);
                }
                _ => {}
            }
        }
        self.shared.expedite();
        let mut results = Vec::with_capacity(sent.len());
        for accepted in sent {
            results.push(match accepted {
                Ok(delivery) => delivery.await,
                Err(error) => Err(error),
            });
        }
        results
    }

    /// Waits until everything that was accepted before, from any handle, is written or has failed;
    /// nothing of it waits for [`linger`](WriterBuilder::linger). What this handle has sent as a
    /// sink belongs to it, also a record whose topic is not known yet.
    ///
    /// # Errors
    ///
    /// The first failure among what it has waited for, and among what this handle has sent as a
    /// sink. What had failed before is else told by its deliveries only.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops nothing but the waiting.
    pub async fn flush(&self) -> Result<()> {
        let sent = self.send_pending().await;
        sent.and(self.wait_for_all().await)
    }

    /// Hands over a record that was sent as a sink before its topic was known.
    async fn send_pending(&self) -> Result<()> {
        let mut result = Ok(());
        loop {
            let Some(topic) = self.sink().pending() else {
                return result;
            };
            let known = topic.await;
            result = result.and(self.sink().send_pending(known, &self.shared));
        }
    }

    async fn wait_for_all(&self) -> Result<()> {
        let sent = self.sink().untold();
        let (batches, wakes) = self.shared.accumulator().flush();
        wakes.wake();
        let mut result = Ok(());
        for batch in sent.iter().cloned().chain(batches) {
            result = result.and(batch.wait().await);
        }
        self.sink().told(&sent);
        result.and(self.shared.check())
    }

    /// Accepts nothing more, from any handle, waits until everything is written or has failed, and
    /// ends the background work.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the writer accepts nothing more, unless it still waited for the
    /// topic of a record that this handle has sent as a sink. What it has is written as long as
    /// there is another handle, and else given up.
    pub async fn close(self) -> Result<()> {
        let result = self.drain().await;
        self.stop().await;
        result
    }

    async fn drain(&self) -> Result<()> {
        let sent = self.send_pending().await;
        self.shared.accumulator().close();
        self.shared.budget.close();
        sent.and(self.wait_for_all().await)
    }

    async fn stop(&self) {
        let engine = self.owner.engine().take();
        if let Some(engine) = engine {
            engine.stop().await;
        }
    }

    fn sink(&self) -> MutexGuard<'_, SinkState> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sink_mut(&mut self) -> (&mut SinkState, &Arc<Shared>) {
        (self.sink.get_mut().unwrap_or_else(PoisonError::into_inner), &self.shared)
    }
}

impl Owner {
    fn engine(&self) -> MutexGuard<'_, Option<Task<()>>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // The engine would do it when its runtime gets round to dropping it.
        self.shared.fail_all(&Error::closed("writer"));
        self.engine().take();
    }
}

impl Clone for Writer {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), owner: self.owner.clone(), sink: Mutex::default() }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("topic", &self.shared.topic)
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn new(cluster: Cluster, topic: Option<Arc<str>>, config: Config) -> Self {
        let limits = Limits {
            batch_bytes: config.batch_bytes,
            linger: config.linger,
            delivery_timeout: config.delivery_timeout,
            backoff: cluster.config().backoff,
            in_flight: config.max_in_flight.min(MAX_NUMBERED),
            joins: false,
            spare_bytes: (config.buffer_bytes / 4).min(16 << 20),
            adaptive: config.adaptive,
        };
        let (budget, engine) = (Budget::new(config.buffer_bytes), Arc::new(Notify::new()));
        let observers = Observers::new(config.interceptors.clone());
        Self {
            accumulator: Mutex::new(Accumulator::new(
                limits,
                budget.clone(),
                observers.clone(),
                engine.clone(),
                config.is_idempotent(),
                config.transactional.is_some(),
            )),
            cluster,
            config,
            topic,
            budget,
            observers,
            interests: Mutex::default(),
            engine,
        }
    }

    fn accumulator(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(&self, record: &Record) -> Result<Delivery> {
        let size = self.size(record)?;
        loop {
            let charge = if let Some(charge) = self.budget.try_charge(size) {
                charge
            } else {
                // Nothing to linger for: nothing more can come.
                self.expedite();
                self.budget.charge(size).await.map_err(|_| self.closed())?
            };
            match self.enqueue(record, size) {
                Ok(delivery) => {
                    charge.keep();
                    return Ok(delivery);
                }
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::Unknown(topic)) => {
                    drop(charge);
                    self.resolve(&topic, Instant::now() + self.config.topic_timeout).await?;
                }
            }
        }
    }

    fn try_accept(&self, record: &Record) -> Result<Delivery> {
        let size = self.size(record)?;
        let Some(charge) = self.budget.try_charge(size) else {
            self.accumulator().check_open()?;
            self.expedite();
            let limit = self.config.buffer_bytes;
            return Err(Error::timeout(format!("writer: buffer_bytes ({limit}) are used up")));
        };
        match self.enqueue(record, size) {
            Ok(delivery) => {
                charge.keep();
                Ok(delivery)
            }
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Unknown(topic)) => {
                self.want(&topic);
                Err(Error::timeout(format!("writer: nothing is known of topic {topic} yet")))
            }
        }
    }

    /// The bytes that a record is charged with.
    #[inline]
    fn size(&self, record: &Record) -> Result<usize> {
        let (size, limit) = (BatchEncoder::worst_len(record), self.config.batch_bytes);
        if BatchEncoder::HEADER + size > limit {
            let text = format!(
                "record of {size} bytes does not fit a batch of {limit} bytes (batch_bytes)"
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(size)
    }

    /// Puts a record that was charged into its batch.
    fn enqueue(&self, record: &Record, size: usize) -> Result<Delivery, Refusal> {
        let name = record.topic.as_ref().or(self.topic.as_ref());
        let name = name.ok_or_else(|| {
            let text = "topic: neither the record nor the writer names one";
            Refusal::Failed(Error::config(text))
        })?;
        let choice = match (record.partition, &self.config.partitioner, &record.key) {
            (Some(partition), _, _) => Choice::This(partition),
            (None, Some(partitioner), _) => {
                let known = self.accumulator().partitions(name);
                let (count, available) = known.ok_or_else(|| Refusal::Unknown(name.clone()))?;
                let count = i32::try_from(count).unwrap_or(i32::MAX);
                let record = Partitioning::new(name, record, count, &available);
                partitioner.partition(&record).map_or(Choice::Any, Choice::This)
            }
            (None, None, Some(key)) if !self.config.ignore_keys => {
                Choice::Hash(partitioner::default_hash(key))
            }
            (None, None, _) => Choice::Any,
        };
        let timestamp = record.timestamp.unwrap_or_else(Timestamp::now);
        let mut accumulator = self.accumulator();
        // The writer's own topic is the first one.
        let topic = match &record.topic {
            None => Some(0),
            Some(name) => accumulator.topic(name),
        };
        let topic = topic.ok_or_else(|| Refusal::Unknown(name.clone()))?;
        let appended = accumulator.append(topic, choice, record, timestamp, size, Instant::now);
        drop(accumulator);
        let (delivery, wakes) = appended.map_err(Refusal::Failed)?;
        wakes.wake();
        Ok(delivery)
    }

    /// Waits until a topic exists, and takes it over.
    async fn resolve(&self, name: &Arc<str>, deadline: Instant) -> Result<()> {
        self.accumulator().check_alive()?;
        if name.is_empty() {
            return Err(Error::config("topic: a topic needs a name"));
        }
        let interest = self.cluster.track(std::slice::from_ref(name));
        let topic = self.cluster.topic(name, deadline).await?;
        let wakes = {
            // As one step, or the engine could forget the topic in between.
            let mut interests = self.interests();
            interests.insert(name.clone(), interest);
            self.accumulator().follow(&topic)
        };
        wakes.wake();
        self.engine.notify_one();
        Ok(())
    }

    /// Asks for a topic, without waiting for it.
    fn want(&self, name: &Arc<str>) {
        let mut interests = self.interests();
        if !interests.contains_key(name) {
            let interest = self.cluster.track(std::slice::from_ref(name));
            interests.insert(name.clone(), interest);
        }
    }

    /// Ends what [`want`](Self::want) began, unless the topic has come into use.
    fn forget_unused(&self, name: &Arc<str>) {
        let mut interests = self.interests();
        if !self.accumulator().topics().any(|used| used == name) {
            interests.remove(name);
        }
    }

    /// The topics that are in use, or asked for.
    fn wanted(&self) -> Vec<Arc<str>> {
        self.interests().keys().cloned().collect()
    }

    fn interests(&self) -> MutexGuard<'_, HashMap<Arc<str>, Interest>> {
        self.interests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything leave without lingering.
    fn expedite(&self) {
        if !self.config.linger.is_zero() {
            let (_, wakes) = self.accumulator().flush();
            wakes.wake();
        }
    }

    /// Fails if the background work has ended by itself.
    fn check(&self) -> Result<()> {
        match self.accumulator().check_open() {
            Err(error) if error.kind() == ErrorKind::Internal => Err(error),
            _ => Ok(()),
        }
    }

    /// Why nothing is accepted.
    fn closed(&self) -> Error {
        let open = self.accumulator().check_open();
        open.err().unwrap_or_else(|| Error::closed("writer"))
    }

    /// A batch will not be sent again.
    fn fail(&self, batch: Batch, error: Error) {
        let (at, result) = (batch.at, batch.result().clone());
        batch.failed(error);
        let wakes = self.accumulator().complete(at, &result, false);
        wakes.wake();
    }

    /// A batch is to be sent again.
    fn retry(&self, mut batch: Batch, broker: i32, error: Error) -> Wakes {
        if error.is_ambiguous() {
            batch.mark_maybe_written();
        }
        let now = Instant::now();
        let (late, wakes) = self.accumulator().requeue(batch, broker, error, now);
        if let Some((batch, error)) = late {
            batch.failed(error);
        }
        wakes
    }

    /// Nothing will be written any more.
    fn fail_all(&self, error: &Error) {
        let given_up = self.accumulator().fail(error);
        self.budget.close();
        given_up.tell();
    }
}
