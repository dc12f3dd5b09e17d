//! The writer as a sink: what one handle has sent, and how it went.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt, Sink};
use tokio::time::Instant;
use tokio_util::sync::PollSemaphore;

use super::{Delivery, Refusal, Shared, Writer};
use crate::error::{Error, Result};
use crate::record::Record;

/// What one handle has sent as a sink. A clone of the handle begins with nothing.
#[derive(Default)]
pub(super) struct SinkState {
    /// One delivery of each batch, in the order of sending; done ones go from the front.
    sent: VecDeque<Delivery>,
    /// A record whose topic is not known yet.
    pending: Option<Pending>,
    /// Waits for room in the budget.
    waiting: Option<PollSemaphore>,
    /// Whether a flush has begun that is not done.
    flushing: bool,
    closed: bool,
}

struct Pending {
    record: Record,
    /// The mutex is never locked: it lets handles be shared between threads.
    topic: Mutex<BoxFuture<'static, Result<()>>>,
}

/// How many batches back to look for the one that a record has joined.
const RECENT: usize = 16;

/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use futures::{SinkExt, StreamExt, stream};
/// use kafkio::Record;
///
/// let mut writer = client.writer().topic("orders").build().await?;
/// writer.send_all(&mut stream::iter(["a", "b"]).map(|value| Ok(Record::new(value)))).await?;
/// # Ok(()) }
/// ```
///
/// The sink is ready while there is room in the byte budget; then one record may go beyond it.
/// Flushing waits for what this handle has sent as a sink, and closing closes this handle alone.
/// Errors of records that were sent before come out of later calls, once for each batch and in the
/// order of sending; they say which topic and partition it was.
impl Sink<Record> for Writer {
    type Error = Error;

    #[inline]
    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        ready!(this.sink.poll_pending(cx, &this.shared))?;
        this.sink.reap(cx)?;
        this.sink.poll_budget(cx, &this.shared)
    }

    #[inline]
    fn start_send(mut self: Pin<&mut Self>, record: Record) -> Result<()> {
        let this = &mut *self;
        this.sink.start_send(record, &this.shared)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        ready!(this.sink.poll_pending(cx, &this.shared))?;
        if !this.sink.flushing {
            this.sink.flushing = true;
            this.shared.expedite();
        }
        let result = ready!(this.sink.poll_sent(cx));
        this.sink.flushing = false;
        Poll::Ready(result)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let result = ready!(self.as_mut().poll_flush(cx));
        self.sink.closed = true;
        Poll::Ready(result)
    }
}

impl SinkState {
    fn start_send(&mut self, record: Record, shared: &Arc<Shared>) -> Result<()> {
        if self.closed {
            return Err(Error::closed("sink"));
        }
        let size = shared.size(&record)?;
        let charge = shared.budget.overdraw(size);
        match shared.enqueue(&record, size) {
            Ok(delivery) => {
                charge.keep();
                self.sent(delivery);
                Ok(())
            }
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Unknown(topic)) => {
                drop(charge);
                let shared = shared.clone();
                let topic = async move {
                    let deadline = Instant::now() + shared.config.topic_timeout;
                    shared.resolve(&topic, deadline).await
                };
                self.pending = Some(Pending { record, topic: Mutex::new(topic.boxed()) });
                Ok(())
            }
        }
    }

    /// Sends a record whose topic was not known, as soon as it is.
    fn poll_pending(&mut self, cx: &mut Context<'_>, shared: &Arc<Shared>) -> Poll<Result<()>> {
        let Some(pending) = &mut self.pending else {
            return Poll::Ready(Ok(()));
        };
        let topic = pending.topic.get_mut().unwrap_or_else(PoisonError::into_inner);
        let known = ready!(topic.as_mut().poll(cx));
        let Some(Pending { record, .. }) = self.pending.take() else {
            return Poll::Ready(Ok(()));
        };
        Poll::Ready(known.and_then(|()| self.start_send(record, shared)))
    }

    /// Waits until there is any room in the budget.
    pub(super) fn poll_budget(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
    ) -> Poll<Result<()>> {
        if self.closed {
            return Poll::Ready(Err(Error::closed("sink")));
        }
        if shared.budget.is_closed() {
            return Poll::Ready(Err(shared.closed()));
        }
        if self.waiting.is_none() {
            if shared.budget.available() > 0 {
                return Poll::Ready(Ok(()));
            }
            shared.expedite();
        }
        let semaphore = || PollSemaphore::new(shared.budget.semaphore());
        let permit = ready!(self.waiting.get_or_insert_with(semaphore).poll_acquire(cx));
        self.waiting = None;
        // Given back at once: the record takes what there is, and goes beyond it if need be.
        Poll::Ready(permit.map(drop).ok_or_else(|| shared.closed()))
    }

    /// Remembers one delivery of each batch.
    #[inline]
    fn sent(&mut self, delivery: Delivery) {
        let mut recent = self.sent.iter().rev().take(RECENT);
        if !recent.any(|sent| sent.shares_batch(&delivery)) {
            self.sent.push_back(delivery);
        }
    }

    /// Forgets what is written, up to the first that is not.
    #[inline]
    fn reap(&mut self, cx: &mut Context<'_>) -> Result<()> {
        while self.sent.front().is_some_and(Delivery::is_settled) {
            if let Poll::Ready(result) = self.poll_front(cx) {
                result?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Waits for all, or for the first failure.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.sent.is_empty() {
            ready!(self.poll_front(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_front(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(delivery) = self.sent.front_mut() else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(delivery.poll_unpin(cx));
        self.sent.pop_front();
        Poll::Ready(result.map(drop))
    }
}
