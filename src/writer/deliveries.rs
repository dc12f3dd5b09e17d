//! Deliveries in a row. Knows nothing of batches.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;

use super::{Delivery, RecordMetadata};
use crate::error::Result;

/// What becomes of many records: a stream of their results, in the order of sending, each with what
/// its owner wants to know it by. Instead of a future for each record.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use futures::{FutureExt, StreamExt};
/// use kafkio::{Deliveries, Record};
///
/// let writer = client.writer().topic("orders").build().await?;
/// let mut deliveries = Deliveries::new();
/// for order in 0..1000 {
///     deliveries.push(order, writer.send(Record::new(format!("order {order}"))).await?);
///     // Those that are done already:
///     while let Some(Some((order, result))) = deliveries.next().now_or_never() {
///         println!("{order} is at {:?}", result?.offset());
///     }
/// }
/// while let Some((order, result)) = deliveries.next().await {
///     println!("{order} is at {:?}", result?.offset());
/// }
/// # Ok(()) }
/// ```
///
/// The stream ends when nothing is in it, and goes on when something is pushed again. It has no
/// bound of its own: what is not acknowledged is within
/// [`buffer_bytes`](super::WriterBuilder::buffer_bytes), and what is takes 40 bytes and the context
/// until it is taken out.
///
/// # Cancel safety
///
/// `next()` can be dropped in `select!`: nothing is lost. Dropping the stream means not to be told;
/// the records are written all the same.
pub struct Deliveries<T>(VecDeque<(T, Delivery)>);

impl<T> Deliveries<T> {
    /// None yet.
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Adds one behind the others.
    pub fn push(&mut self, context: T, delivery: Delivery) {
        self.0.push_back((context, delivery));
    }

    /// How many have not been taken out.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all have been taken out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A context is never pinned.
impl<T> Unpin for Deliveries<T> {}

impl<T> Stream for Deliveries<T> {
    type Item = (T, Result<RecordMetadata>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some((_, first)) = self.0.front_mut() else {
            return Poll::Ready(None);
        };
        let result = ready!(Pin::new(first).poll(cx));
        Poll::Ready(self.0.pop_front().map(|(context, _)| (context, result)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T> Default for Deliveries<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Deliveries<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").field("len", &self.len()).finish_non_exhaustive()
    }
}
