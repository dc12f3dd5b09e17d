//! The reader: a stream of messages.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod.rs` | the stream of messages, and what its parts share |
//! | `batches.rs`, `partitions.rs` | the same by batch, and by partition |
//! | `feed.rs` | delivers what was fetched, to all of them |
//! | `builder.rs`, `topics.rs` | settings, and what is wrong with them; which topics are read |
//! | `handle.rs`, `events.rs`, `stats.rs` | steers and watches a reader that has been moved away |
//! | `engine.rs` | metadata, one fetch loop per broker |
//! | `lookup.rs` | where partitions start |
//! | `broker.rs`, `lane.rs` | the fetch loop of one broker, and what it is told from outside |
//! | `session.rs`, `fetch.rs` | its decisions: requests, and what answers mean. No I/O |
//! | `partition.rs`, `cursor.rs` | one partition: the side of who delivers, and of who fetches |
//! | `decode.rs` | what was fetched and not decoded |
//! | `validate.rs` | whether a new leader has what was read |
//! | `appetite.rs`, `budget.rs` | how much to ask for at once; the bytes that may wait for delivery |
//!
//! # Invariants
//!
//! - Fetching never happens inside the caller's future: a `next()` that is dropped has no effect.
//! - Data carries the epoch of its partition; a seek bumps the epoch, and older data is dropped.
//! - The position of a partition moves when a message is handed out, and at no other time.

mod appetite;
mod batches;
mod broker;
mod budget;
mod builder;
mod cursor;
mod decode;
mod engine;
mod events;
mod feed;
mod fetch;
mod handle;
mod lane;
mod lookup;
mod partition;
mod partitions;
mod session;
mod stats;
mod topics;
mod validate;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::task::{Context as TaskContext, Poll};

use futures::Stream;
use futures::task::AtomicWaker;
use tokio::sync::{Notify, mpsc};

pub use batches::Batches;
pub use builder::{End, OutOfRange, ReaderBuilder};
pub use events::{ReaderEvent, ReaderEvents};
pub use handle::ReaderHandle;
pub use partitions::{PartitionStream, Partitions};
pub use stats::ReaderStats;

use crate::cluster::{Cluster, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Batch, Message};
use crate::task::{self, Task, TaskFailed};
use crate::types::TopicPartition;
use broker::Context;
use budget::Charge;
use builder::Config;
use engine::Engine;
use events::Listeners;
use feed::Feed;
use partition::Partition;
use stats::Counters;
use topics::Selection;

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
/// stream does not end by itself, unless it was built with an [`End`]: it waits for new messages
/// until it is closed, here or through its [`handle`](Self::handle).
///
/// # Errors
///
/// After an error of a partition that partition stops until [`ReaderHandle::seek`], where nothing
/// else is said, and the others go on; a reader with an [`End`] counts it as done. After a
/// [fatal](Error::is_fatal) error the stream ends.
///
/// | what happens | what the stream does |
/// |---|---|
/// | a broker dies and comes back | nothing: it is tried again, with backoff |
/// | a broker does not answer | nothing: likewise, after `request_timeout` |
/// | a leader moves | nothing: the new one is found |
/// | a partition has no leader | nothing: it is waited for |
/// | a broker fails inside | nothing: it is tried again |
/// | a topic is deleted | nothing: it may be created again; one that was there by pattern is dropped |
/// | a topic is created anew | an error ([`DataLoss`](ErrorKind::DataLoss)); goes on at its beginning, unless with [`OutOfRange::Error`] or an [`End`] |
/// | a log is truncated | an error ([`DataLoss`](ErrorKind::DataLoss)); goes on where it was cut, unless with [`OutOfRange::Error`] |
/// | a position is not in the log | goes on as [`OutOfRange`] says; an error with [`OutOfRange::Error`] |
/// | access is denied | an error |
/// | a batch is damaged | an error |
/// | a batch is too large | an error: it is larger than the limits of fetches, or of decompressed batches |
/// | an answer cannot be read | an error of each partition that is read from that broker |
/// | a background task panics | a fatal error, then the end |
/// | a reader is closed | the end |
///
/// What happens without an error can be watched: see [`ReaderHandle::events`].
///
/// # Cancel safety
///
/// Dropping a `next()` loses nothing and delays nothing: fetching goes on in the background. The
/// position moves when a message is handed out.
///
/// # For those who know kafka-go
///
/// | kafka-go `Reader` | here |
/// |---|---|
/// | `ReadMessage`, `FetchMessage` | [`next()`](futures::StreamExt::next) |
/// | `SetOffset`, `SetOffsetAt` | [`ReaderHandle::seek`], [`ReaderHandle::seek_all`] |
/// | `Offset` | [`ReaderHandle::position`] |
/// | `Lag` | [`ReaderHandle::lag`] |
/// | `ReadLag` | [`ReaderHandle::fetch_lag`] |
/// | `Stats` | [`ReaderHandle::stats`], which does not reset its counters |
/// | `Config` | [`ReaderHandle::config`] |
/// | `Close` | [`close`](Self::close), [`ReaderHandle::close`] |
/// | `Conn.ReadBatch`, `Conn.Seek` | [`PartitionConn::read_batch`](crate::PartitionConn::read_batch), [`PartitionConn::seek`](crate::PartitionConn::seek) |
#[must_use = "streams do nothing unless polled"]
pub struct Reader {
    feed: Feed,
}

/// What the reader, its handles and its engine share.
struct Shared {
    cluster: Cluster,
    config: Arc<Config>,
    /// What it was made from; the settings that the engine needs are in `config`.
    settings: ReaderBuilder,
    /// Where partitions end whose end had to be looked up.
    limits: BTreeMap<TopicPartition, i64>,
    selection: Mutex<Selection>,
    has_patterns: bool,
    partitions: RwLock<BTreeMap<TopicPartition, Arc<Partition>>>,
    /// Where partitions are announced that are added from now on, each with a channel of its own.
    announce: OnceLock<mpsc::UnboundedSender<Announced>>,
    /// Bumped by each change from outside, so that the hot path looks at one word only.
    version: AtomicU64,
    closed: AtomicBool,
    /// Why it was closed, if nobody asked for that.
    failure: OnceLock<Error>,
    engine: Arc<Notify>,
    chunks: mpsc::UnboundedSender<Chunks>,
    /// Wakes who reads all partitions.
    signal: AtomicWaker,
    listeners: Listeners,
    counters: Counters,
}

/// A partition of its own, and what comes of it.
type Announced = (Arc<Partition>, mpsc::UnboundedReceiver<Chunks>);

/// The background work. It ends when all that reads from it has been dropped.
struct Owner {
    shared: Arc<Shared>,
    engine: Mutex<Option<Task<()>>>,
}

/// What travels at once from the engine to the reader: one wake for all that one answer had for a
/// partition.
type Chunks = Vec<Chunk>;

/// From the engine to the reader: what was fetched of a partition. Its chunks come in order; those
/// of an older epoch than the partition's are to be dropped. The channels are bounded by the byte budget.
#[derive(Debug)]
struct Chunk {
    partition: Arc<Partition>,
    epoch: u64,
    /// Batches may begin before it.
    from: i64,
    item: Delivery,
    /// What it holds of the budget; nothing, if it came from no broker.
    charge: Option<Charge>,
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

impl Reader {
    /// Begins a reader with a client of its own, at its default settings. To share one, or to
    /// change its settings, use [`Client::reader`](crate::Client::reader).
    pub fn builder<S: Into<String>>(bootstrap: impl IntoIterator<Item = S>) -> ReaderBuilder {
        ReaderBuilder::new(Source::bootstrap(bootstrap.into_iter().map(Into::into).collect()))
    }

    fn start(shared: Shared, chunks: mpsc::UnboundedReceiver<Chunks>) -> Self {
        let shared = Arc::new(shared);
        let context = Context {
            cluster: shared.cluster.clone(),
            config: shared.config.clone(),
            engine: shared.engine.clone(),
            shared: shared.clone(),
        };
        let engine = task::spawn(Engine::new(shared.clone(), context).run());
        let engine = Mutex::new(Some(task::spawn(supervise(shared.clone(), engine))));
        Self { feed: Feed::new(Arc::new(Owner { shared, engine }), chunks, None) }
    }

    /// Steers this reader, also after it has been moved into a combinator or a task.
    pub fn handle(&self) -> ReaderHandle {
        ReaderHandle::new(self.feed.shared.clone())
    }

    /// The same reader, handing out whole batches: the fastest way to read.
    pub fn batches(self) -> Batches {
        Batches::new(self)
    }

    /// The same reader, with a stream for each partition: one that is read slowly holds up no
    /// other.
    pub fn partitions(self) -> Partitions {
        Partitions::new(self.feed)
    }

    /// Ends the background work, and waits until it has ended. Dropping the reader does the same
    /// without waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the background work all the same.
    pub async fn close(self) {
        self.feed.owner.close().await;
    }
}

impl Stream for Reader {
    type Item = Result<Message>;

    #[inline]
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Message>>> {
        self.feed.poll_message(cx)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("positions", &self.feed.shared.positions())
            .finish_non_exhaustive()
    }
}

impl Owner {
    /// Ends the background work, and waits for that.
    async fn close(&self) {
        self.shared.close();
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(engine) = engine {
            let _ = engine.await;
        }
    }
}

impl Drop for Owner {
    /// Handles that outlive the reader are told so.
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Runs the background work. If it ends by itself, that is told to all who read.
async fn supervise(shared: Arc<Shared>, engine: Task<()>) {
    let ended: Result<(), TaskFailed> = tokio::select! {
        ended = engine => ended,
        // A task of its own: a panic in it must not be one here.
        ended = task::spawn(topics::follow(shared.clone())) => ended,
    };
    if !shared.is_closed() {
        let error = Error::new(ErrorKind::Internal, "reader: its engine ended");
        let _ = shared.failure.set(match ended {
            Ok(()) => error,
            Err(failed) => error.with_source(failed),
        });
        shared.close();
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

    /// Every partition has been read to its end.
    fn is_done(&self) -> bool {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        self.settings.is_bounded() && partitions.values().all(|partition| partition.is_done())
    }

    fn selection(&self) -> MutexGuard<'_, Selection> {
        self.selection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is read, as far as the metadata knows it; the engine does the rest.
    fn select(&self, change: impl FnOnce(&mut Selection)) {
        let mut selection = self.selection();
        change(&mut selection);
        self.follow(&mut selection);
        drop(selection);
        self.engine.notify_one();
    }

    /// Takes up the partitions that are wanted and exist, and drops those that are not wanted.
    fn follow(&self, selection: &mut Selection) {
        let metadata = self.cluster.metadata();
        let mut all = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Vec::new();
        all.retain(|at, partition| {
            let is_wanted = selection.wants(&at.topic, at.partition);
            if !is_wanted {
                partition.retire();
                changes.push((partition.clone(), ReaderEvent::Removed(at.clone())));
            }
            is_wanted
        });
        for (at, start, topic) in selection.take(&metadata, &self.settings) {
            if all.contains_key(&at) {
                continue;
            }
            let limit =
                self.limits.get(&at).copied().unwrap_or_else(|| self.settings.limit_of(&at));
            let outlet = self.chunks.clone();
            let partition = Arc::new(Partition::new(at.clone(), start, topic.id, outlet, limit));
            if let Some(announce) = self.announce.get() {
                let (outlet, chunks) = mpsc::unbounded_channel();
                partition.divert(outlet);
                if announce.send((partition.clone(), chunks)).is_err() {
                    continue;
                }
            }
            all.insert(at.clone(), partition.clone());
            changes.push((partition, ReaderEvent::Added(at)));
        }
        drop(all);
        for (partition, event) in changes {
            self.listeners.tell(&event);
            self.wake(&partition);
        }
    }

    /// Something about a partition has changed: whoever reads it looks again.
    fn wake(&self, partition: &Partition) {
        self.version.fetch_add(1, Ordering::AcqRel);
        self.signal.wake();
        partition.signal.wake();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.version.fetch_add(1, Ordering::AcqRel);
        self.listeners.close();
        self.signal.wake();
        self.partitions().iter().for_each(|partition| partition.signal.wake());
        self.engine.notify_one();
    }
}
