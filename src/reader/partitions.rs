//! A stream for each partition.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::feed::Feed;
use super::partition::Partition;
use super::{Announced, Batches, Chunk, Chunks, Owner, ReaderHandle, Shared};
use crate::error::Result;
use crate::record::Message;

/// A [`Stream`] of the partitions of a reader, each a stream of its own: those that are there, and
/// later those that are added. One that is read slowly, or not at all, holds up no other.
///
/// Each may keep one decompressed batch beyond [`buffer_bytes`](super::ReaderBuilder::buffer_bytes), so
/// that no other has to wait for it: a stream that nobody wants is better dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// # client.writer().topic("orders").build().await?.write(["a", "b"].map(kafkio::Record::new)).await?;
/// use futures::TryStreamExt;
/// use kafkio::End;
///
/// let reader = client.reader().topic("orders").end(End::Latest).build().await?;
/// let work = reader.partitions().try_for_each_concurrent(None, async |mut partition| {
///     while let Some(message) = partition.try_next().await? {
///         println!("{}: {:?}", partition.partition(), message.value());
///     }
///     Ok(())
/// });
/// work.await?;
/// # Ok(()) }
/// ```
///
/// It ends when the reader is closed, or each partition has been read to its [`End`](super::End),
/// that is until its stream has ended or was dropped. An error is one of the reader as a whole;
/// those of partitions are in their streams. The streams make progress, whether this is polled or
/// not; when it is dropped, no partition is added any more. The background work ends when this and
/// all of them have been dropped.
///
/// # Cancel safety
///
/// Dropping a `next()` loses nothing.
#[must_use = "streams do nothing unless polled"]
pub struct Partitions {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
    ready: VecDeque<PartitionStream>,
    added: UnboundedReceiver<Announced>,
    has_ended: bool,
}

/// One partition of a reader, as a [`Stream`] of its messages: see [`Partitions`].
///
/// It ends when the partition is not read any more, has been read to its [`End`](super::End), or
/// the reader is closed. Errors are those of [`Reader`](super::Reader). When the stream is dropped,
/// its partition is not read any more, as after
/// [`remove_partitions`](ReaderHandle::remove_partitions); it can be added again.
///
/// # Cancel safety
///
/// Dropping a `next()` loses nothing.
#[must_use = "streams do nothing unless polled"]
pub struct PartitionStream {
    pub(super) feed: Feed,
    partition: Arc<Partition>,
}

impl Partitions {
    pub(super) fn new(feed: Feed) -> Self {
        let (shared, owner) = (feed.shared.clone(), feed.owner.clone());
        let (announce, added) = mpsc::unbounded_channel();
        let mut streams = BTreeMap::new();
        // No partition is added meanwhile.
        let all = shared.partitions.write().unwrap_or_else(PoisonError::into_inner);
        for (at, partition) in &*all {
            let (outlet, chunks) = mpsc::unbounded_channel();
            partition.divert(outlet);
            let stream = PartitionStream::new(owner.clone(), partition.clone(), chunks);
            streams.insert(at.clone(), stream);
        }
        let _ = shared.announce.set(announce);
        drop(all);
        // What has come by now comes first.
        let (first, mut chunks) = feed.into_chunks();
        let mut keep = |chunk: Chunk| {
            if let Some(stream) = streams.get_mut(&chunk.partition.at) {
                stream.feed.ready.push_back(chunk);
            }
        };
        first.for_each(&mut keep);
        while let Ok(more) = chunks.try_recv() {
            more.into_iter().for_each(&mut keep);
        }
        let ready = streams.into_values().collect();
        Self { shared, owner, ready, added, has_ended: false }
    }

    /// Steers the reader.
    pub fn handle(&self) -> ReaderHandle {
        ReaderHandle::new(self.shared.clone())
    }

    /// As [`Reader::close`](super::Reader::close): the streams of the partitions end too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the background work all the same.
    pub async fn close(self) {
        self.owner.close().await;
    }
}

impl Drop for Partitions {
    /// Nobody reads those that are announced and were not taken.
    fn drop(&mut self) {
        self.added.close();
        while let Ok((partition, chunks)) = self.added.try_recv() {
            drop(PartitionStream::new(self.owner.clone(), partition, chunks));
        }
    }
}

impl Stream for Partitions {
    type Item = Result<PartitionStream>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<PartitionStream>>> {
        let this = &mut *self;
        loop {
            this.shared.signal.register(cx.waker());
            if this.shared.is_closed() {
                let is_told = std::mem::replace(&mut this.has_ended, true);
                return Poll::Ready(
                    this.shared.failure.get().filter(|_| !is_told).cloned().map(Err),
                );
            }
            if let Some(stream) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(stream)));
            }
            if let Poll::Ready(Some((partition, chunks))) = this.added.poll_recv(cx) {
                this.ready.push_back(PartitionStream::new(this.owner.clone(), partition, chunks));
                continue;
            }
            if this.shared.is_done() {
                this.shared.close();
                continue;
            }
            return Poll::Pending;
        }
    }
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl PartitionStream {
    fn new(
        owner: Arc<Owner>,
        partition: Arc<Partition>,
        chunks: UnboundedReceiver<Chunks>,
    ) -> Self {
        Self { feed: Feed::new(owner, chunks, Some(partition.clone())), partition }
    }

    /// The name of the topic.
    pub fn topic(&self) -> &str {
        &self.partition.at.topic
    }

    /// The number of the partition.
    pub fn partition(&self) -> i32 {
        self.partition.at.partition
    }

    /// Steers the reader.
    pub fn handle(&self) -> ReaderHandle {
        ReaderHandle::new(self.feed.shared.clone())
    }

    /// The same stream, handing out whole batches.
    pub fn batches(self) -> Batches<Self> {
        Batches::new(self)
    }
}

impl Drop for PartitionStream {
    /// What nobody reads is not fetched, and holds up no end.
    fn drop(&mut self) {
        let (shared, at) = (&self.feed.shared, &self.partition.at);
        if shared.is_closed() {
            return;
        }
        shared.select(|selection| {
            // It may have been removed and added again: that is another one.
            if !self.partition.is_retired() {
                selection.remove_partitions(&at.topic, [at.partition]);
            }
        });
    }
}

impl Stream for PartitionStream {
    type Item = Result<Message>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
        self.feed.poll_message(cx)
    }
}

impl fmt::Debug for PartitionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.partition.at;
        f.debug_struct("PartitionStream").field("at", at).finish_non_exhaustive()
    }
}
