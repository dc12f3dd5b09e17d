//! Hands out whole batches.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use futures::Stream;

use super::{Reader, ReaderHandle, Taken};
use crate::error::Result;
use crate::record::Batch;

/// A [`Reader`] that hands out batches, as they were written: records are decoded when asked for,
/// and borrow from the batch.
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
/// before the position: compare [`Batch::base_offset`], or take [`Batch::messages_from`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Batches {
    reader: Reader,
}

impl Batches {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// Steers this reader.
    pub fn handle(&self) -> ReaderHandle {
        self.reader.handle()
    }

    /// Back to single messages.
    pub fn into_messages(self) -> Reader {
        self.reader
    }
}

impl Stream for Batches {
    type Item = Result<Batch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        let reader = &mut self.reader;
        if reader.shared.version.load(Ordering::Acquire) != reader.version {
            reader.resync();
        }
        // The rest of a batch that was being read message by message.
        if let Some(current) = reader.current.take() {
            current.partition.advance(current.next_offset);
            return Poll::Ready(Some(Ok(current.batch)));
        }
        loop {
            match ready!(reader.poll_batch(cx)) {
                Some(Ok(Taken { batch, partition, epoch, .. })) => {
                    // It may have been sought elsewhere while the batch was decompressed.
                    if partition.advance_in(epoch, batch.next_offset()) {
                        return Poll::Ready(Some(Ok(batch)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
