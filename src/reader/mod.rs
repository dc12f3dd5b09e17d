//! The reader: a stream of messages.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod.rs` | delivers what was fetched: the stream of messages |
//! | `batches.rs` | delivers it batch by batch |
//! | `builder.rs` | settings, and what is wrong with them |
//! | `handle.rs` | steers a reader that has been moved away |
//! | `engine.rs` | metadata, one fetch loop per broker |
//! | `lookup.rs` | where partitions start |
//! | `broker.rs` | the fetch loop of one broker |
//! | `fetch.rs`, `partition.rs` | its decisions: no I/O |
//! | `budget.rs` | the bytes that may wait for delivery |
//!
//! # Invariants
//!
//! - Fetching never happens inside the caller's future: a `next()` that is dropped has no effect.
//! - Data carries the epoch of its partition; a seek bumps the epoch, and older data is dropped.
//! - The position of a partition moves when a message is handed out, and at no other time.

mod batches;
mod broker;
mod budget;
mod builder;
mod engine;
mod fetch;
mod handle;
mod lookup;
mod partition;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context as TaskContext, Poll, ready};

use futures::Stream;
use tokio::sync::{Notify, mpsc};

pub use batches::Batches;
pub use builder::{OutOfRange, ReaderBuilder};
pub use handle::ReaderHandle;

use crate::cluster::{Cluster, Interest, Metadata, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Batch, Message, Messages};
use crate::task::{self, Task};
use crate::types::{Start, TopicPartition};
use broker::Context;
use budget::Charge;
use builder::Config;
use engine::Engine;
use partition::Partition;

/// Reads topics, as a [`Stream`] of messages.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// # client.writer().topic("orders").build().await?.send("a").await?.await?;
/// use futures::StreamExt;
///
/// let mut reader = client.reader().topic("orders").build().await?;
/// while let Some(message) = reader.next().await {
///     let message = message?;
///     println!("{}[{}] at {}", message.topic(), message.partition(), message.offset());
/// #   break;
/// }
/// # Ok(()) }
/// ```
///
/// Messages of one partition come in order; partitions are mixed as their data arrives. The
/// stream does not end by itself: it waits for new messages until it is closed, here or through
/// its [`handle`](Self::handle).
///
/// # Errors
///
/// An item is an error when a partition cannot be read on: its position is not valid and
/// [`OutOfRange::Error`] was asked for, a batch is damaged, access is denied. That partition then
/// stops until [`ReaderHandle::seek`]; the others go on. Brokers that die, restart or move their
/// partitions cost time, and are no errors. After a [fatal](Error::is_fatal) error the stream
/// ends.
///
/// # Cancel safety
///
/// Dropping a `next()` loses nothing and delays nothing: fetching goes on in the background. The
/// position moves when a message is handed out.
#[must_use = "streams do nothing unless polled"]
pub struct Reader {
    shared: Arc<Shared>,
    events: mpsc::UnboundedReceiver<Event>,
    /// The batch that is being handed out.
    current: Option<Current>,
    /// The [`Shared::version`] that `current` was checked against.
    version: u64,
    engine: Option<Task<()>>,
}

struct Current {
    batch: Batch,
    messages: Messages,
    partition: Arc<Partition>,
    epoch: u64,
    next_offset: i64,
    _charge: Charge,
}

/// What the reader, its handles and its engine share.
struct Shared {
    cluster: Cluster,
    config: Arc<Config>,
    partitions: RwLock<BTreeMap<TopicPartition, Arc<Partition>>>,
    /// Topics of which all partitions are read, also those that are added later.
    whole_topics: Vec<Arc<str>>,
    /// Bumped by each seek and by close, so that the hot path looks at one word only.
    version: AtomicU64,
    closed: AtomicBool,
    engine: Arc<Notify>,
    events: mpsc::UnboundedSender<Event>,
    _interest: Interest,
}

/// From the engine to the reader. The channel is bounded by the byte budget.
#[derive(Debug)]
enum Event {
    Data(Chunk),
    Error(Error),
    /// Only wakes the reader: it is closed, or something else has changed.
    Wake,
}

/// What was fetched of a partition. Its chunks come in order; those of an older epoch than the
/// partition's are to be dropped.
#[derive(Debug)]
struct Chunk {
    partition: Arc<Partition>,
    epoch: u64,
    /// Batches may begin before it.
    from: i64,
    item: Delivery,
    charge: Charge,
}

#[derive(Debug)]
enum Delivery {
    /// Checked and decompressed.
    Batch(Batch),
    /// Nothing to deliver up to this offset.
    Skip(i64),
    /// The partition has halted.
    Error(Error),
}

/// A batch to hand out.
struct Taken {
    batch: Batch,
    partition: Arc<Partition>,
    epoch: u64,
    from: i64,
    charge: Charge,
}

impl Reader {
    /// Begins a reader with a client of its own, at its default settings. To share one, or to
    /// change its settings, use [`Client::reader`](crate::Client::reader).
    pub fn builder<S: Into<String>>(bootstrap: impl IntoIterator<Item = S>) -> ReaderBuilder {
        ReaderBuilder::new(Source::bootstrap(bootstrap.into_iter().map(Into::into).collect()))
    }

    fn start(shared: Shared, events: mpsc::UnboundedReceiver<Event>) -> Self {
        let shared = Arc::new(shared);
        let context = Context {
            cluster: shared.cluster.clone(),
            config: shared.config.clone(),
            events: shared.events.clone(),
            engine: shared.engine.clone(),
        };
        let engine = task::spawn(Engine::new(shared.clone(), context).run());
        Self { shared, events, current: None, version: 0, engine: Some(engine) }
    }

    /// Steers this reader, also after it has been moved into a combinator or a task.
    pub fn handle(&self) -> ReaderHandle {
        ReaderHandle::new(self.shared.clone())
    }

    /// The same reader, handing out whole batches: the fastest way to read.
    pub fn batches(self) -> Batches {
        Batches::new(self)
    }

    /// Ends the background work, and waits until it has ended. Dropping the reader does the same
    /// without waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the background work all the same.
    pub async fn close(mut self) {
        self.shared.close();
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
    }

    /// The next batch with records to hand out, skipping what a seek has made stale.
    fn poll_batch(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Taken>>> {
        loop {
            if self.shared.is_closed() {
                // Nobody reads any more: the background work ends now.
                self.engine = None;
                return Poll::Ready(None);
            }
            // A reader with data at hand never waits: it must still let other tasks run.
            let progress = ready!(tokio::task::coop::poll_proceed(cx));
            let event = match self.events.poll_recv(cx) {
                Poll::Ready(event) => event,
                Poll::Pending => return self.poll_engine(cx),
            };
            progress.made_progress();
            if self.shared.is_closed() {
                continue;
            }
            match event {
                None => return Poll::Ready(None),
                Some(Event::Wake) => {}
                Some(Event::Error(error)) => {
                    if error.is_fatal() {
                        self.shared.close();
                    }
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Event::Data(Chunk { partition, epoch, from, item, charge })) => {
                    if partition.cursor().epoch != epoch {
                        continue;
                    }
                    match item {
                        Delivery::Skip(next) => {
                            partition.advance_in(epoch, next);
                        }
                        Delivery::Error(error) => return Poll::Ready(Some(Err(error))),
                        Delivery::Batch(batch) => {
                            let taken = Taken { batch, partition, epoch, from, charge };
                            return Poll::Ready(Some(Ok(taken)));
                        }
                    }
                }
            }
        }
    }

    /// Nothing is there: either the engine is at work, or it has failed.
    fn poll_engine<T>(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<T>>> {
        let Some(engine) = &mut self.engine else {
            return Poll::Ready(None);
        };
        let ended = ready!(Pin::new(engine).poll(cx));
        self.engine = None;
        if self.shared.is_closed() {
            return Poll::Ready(None);
        }
        self.shared.close();
        let error = Error::new(ErrorKind::Internal, "reader: its engine ended");
        Poll::Ready(Some(Err(match ended {
            Ok(()) => error,
            Err(failed) => error.with_source(failed),
        })))
    }

    /// After a seek or a close: drops a batch that is stale.
    #[cold]
    fn resync(&mut self) {
        self.version = self.shared.version.load(Ordering::Acquire);
        self.current = self.current.take().filter(|current| {
            let cursor = current.partition.cursor();
            if cursor.epoch != current.epoch {
                // The last message may have overwritten what the seek had set.
                current.partition.settle(&cursor);
            }
            cursor.epoch == current.epoch && !self.shared.is_closed()
        });
    }
}

impl Stream for Reader {
    type Item = Result<Message>;

    #[inline]
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Message>>> {
        let this = &mut *self;
        loop {
            if this.shared.version.load(Ordering::Acquire) != this.version {
                this.resync();
            }
            if let Some(current) = &mut this.current {
                match current.messages.next() {
                    Some(Ok(message)) => {
                        current.partition.advance(message.offset() + 1);
                        return Poll::Ready(Some(Ok(message)));
                    }
                    Some(Err(error)) => {
                        let at = &current.partition.at;
                        let text = format!("a record of {at} cannot be read");
                        let error = Error::new(ErrorKind::Record, text).with_source(error);
                        current.partition.halt_here(current.epoch);
                        this.current = None;
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => {
                        current.partition.advance(current.next_offset);
                        this.current = None;
                    }
                }
            }
            match ready!(this.poll_batch(cx)) {
                Some(Ok(Taken { batch, partition, epoch, from, charge })) => {
                    let next_offset = batch.next_offset();
                    let messages = batch.clone().messages_from(from);
                    this.current = Some(Current {
                        batch,
                        messages,
                        partition,
                        epoch,
                        next_offset,
                        _charge: charge,
                    });
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Reader {
    /// Handles that outlive the reader are told so.
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("positions", &self.shared.positions())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn partitions(&self) -> Vec<Arc<Partition>> {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.values().cloned().collect()
    }

    fn partition(&self, topic: &str, partition: i32) -> Option<Arc<Partition>> {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.get(&TopicPartition::new(topic, partition)).cloned()
    }

    fn positions(&self) -> HashMap<TopicPartition, Option<i64>> {
        self.partitions().into_iter().map(|p| (p.at.clone(), p.position())).collect()
    }

    /// Adds what a topic has more than when the reader was built, from its beginning: whatever was
    /// written there was written after the reader began.
    fn add_partitions(&self, metadata: &Metadata) {
        for name in &self.whole_topics {
            let Some(topic) = metadata.topics.get(name) else {
                continue;
            };
            for known in &topic.partitions {
                if self.partition(name, known.id).is_none() {
                    let at = TopicPartition::new(name.clone(), known.id);
                    tracing::info!(partition = %at, "new partition");
                    let partition =
                        Partition::new(at.clone(), Start::Earliest, topic.id, self.events.clone());
                    let mut all = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
                    all.insert(at, Arc::new(partition));
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.version.fetch_add(1, Ordering::AcqRel);
        let _ = self.events.send(Event::Wake);
    }
}
