//! Hands out whole batches.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;

use super::{PartitionStream, Reader, ReaderHandle};
use crate::error::Result;
use crate::record::Batch;

/// A [`Reader`], or one partition of it, that hands out batches, as they were written: records are
/// decoded when asked for, and borrow from the batch.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// # client.writer().topic("orders").build().await?.send("a").await?.await?;
/// use futures::StreamExt;
///
/// let mut batches = client.reader().topic("orders").build().await?.batches();
/// if let Some(batch) = batches.next().await {
///     for record in batch?.records() {
///         println!("{:?}", record?.value());
///     }
/// }
/// # Ok(()) }
/// ```
///
/// The first batch after a seek, or of a reader that was read message by message before, may begin
/// before the position, and the last one before an [`End`](super::End) may reach behind it: compare
/// [`Batch::base_offset`] and [`Batch::last_offset`], or take [`Batch::records_in`].
///
/// # Cancel safety
///
/// Dropping a `next()` loses nothing. The position moves when a batch is handed out.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Batches<S = Reader> {
    stream: S,
}

impl<S> Batches<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Back to single messages.
    pub fn into_messages(self) -> S {
        self.stream
    }
}

impl Batches {
    /// Steers this reader.
    pub fn handle(&self) -> ReaderHandle {
        self.stream.handle()
    }

    /// As [`Reader::close`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the background work all the same.
    pub async fn close(self) {
        self.stream.close().await;
    }
}

impl Batches<PartitionStream> {
    /// The name of the topic.
    pub fn topic(&self) -> &str {
        self.stream.topic()
    }

    /// The number of the partition.
    pub fn partition(&self) -> i32 {
        self.stream.partition()
    }

    /// Steers the reader.
    pub fn handle(&self) -> ReaderHandle {
        self.stream.handle()
    }
}

/// What batches can be had of: a reader, or one partition of it.
#[expect(unnameable_types, reason = "nothing else can be read from")]
pub trait Source: Unpin {
    #[doc(hidden)]
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>>;
}

impl Source for Reader {
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        self.feed.poll_batch(cx)
    }
}

impl Source for PartitionStream {
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        self.feed.poll_batch(cx)
    }
}

impl<S: Source> Stream for Batches<S> {
    type Item = Result<Batch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        self.stream.poll_batch(cx)
    }
}
