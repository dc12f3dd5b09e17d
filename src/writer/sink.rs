//! The writer as a sink: what one handle has sent, and how it went.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::{self, BoxFuture};
use futures::{FutureExt, Sink};
use tokio::time::Instant;
use tokio_util::sync::PollSemaphore;

use super::delivery::{BatchResult, Outcome};
use super::{Refusal, Shared, Writer};
use crate::error::{Error, Result};
use crate::record::Record;

/// What one handle has sent as a sink. A clone of the handle begins with nothing.
#[derive(Default)]
pub(super) struct SinkState {
    /// The batches that its records have joined, each once, in the order of sending, until it is
    /// known and told how they ended.
    sent: VecDeque<Sent>,
    /// Where the batches of `sent` are in memory. They stay there as long as they are in `sent`.
    known: HashSet<usize>,
    /// How long `sent` may get before it is searched for batches that are written.
    sweep_at: usize,
    /// A record whose topic is not known yet.
    pending: Option<Pending>,
    /// Waits for room in the budget.
    waiting: Option<PollSemaphore>,
    /// Whether a flush has begun that is not done.
    flushing: bool,
    closed: bool,
}

struct Sent {
    batch: Arc<BatchResult>,
    waiter: Option<usize>,
}

struct Pending {
    record: Record,
    topic: Known,
}

/// Done when a topic is known. Several may wait for it: the sink, and a flush through the handle.
type Known = future::Shared<BoxFuture<'static, Result<()>>>;

/// Below that many batches it does not matter how many of them are done.
const MIN_SWEEP: usize = 64;

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
/// order of sending; they say which topic and partition it was. [`Writer::flush`] and
/// [`Writer::close`], which are not those of the sink, wait for its records too.
impl Sink<Record> for Writer {
    type Error = Error;

    #[inline]
    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let (sink, shared) = self.sink_mut();
        ready!(sink.poll_pending(cx, shared))?;
        sink.reap(cx)?;
        sink.poll_budget(cx, shared)
    }

    #[inline]
    fn start_send(mut self: Pin<&mut Self>, mut record: Record) -> Result<()> {
        let (sink, shared) = self.sink_mut();
        shared.observers.on_send(&mut record);
        sink.start_send(record, shared)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let (sink, shared) = self.sink_mut();
        ready!(sink.poll_pending(cx, shared))?;
        if !sink.flushing {
            sink.flushing = true;
            shared.expedite();
        }
        let result = ready!(sink.poll_sent(cx));
        sink.flushing = false;
        Poll::Ready(result)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let result = ready!(self.as_mut().poll_flush(cx));
        self.sink_mut().0.closed = true;
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
                if let Some(batch) = delivery.batch() {
                    self.sent(batch);
                }
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
                self.pending = Some(Pending { record, topic: topic.boxed().shared() });
                Ok(())
            }
        }
    }

    /// Sends a record whose topic was not known, as soon as it is.
    fn poll_pending(&mut self, cx: &mut Context<'_>, shared: &Arc<Shared>) -> Poll<Result<()>> {
        let Some(pending) = &mut self.pending else {
            return Poll::Ready(Ok(()));
        };
        let known = ready!(pending.topic.poll_unpin(cx));
        Poll::Ready(self.send_pending(known, shared))
    }

    /// What the record that is not sent yet waits for.
    pub(super) fn pending(&self) -> Option<Known> {
        self.pending.as_ref().map(|pending| pending.topic.clone())
    }

    /// The record that is not sent yet.
    pub(super) fn pending_record(&self) -> Option<&Record> {
        self.pending.as_ref().map(|pending| &pending.record)
    }

    /// Goes on with the record that is not sent yet, or gives it up.
    pub(super) fn send_pending(&mut self, known: Result<()>, shared: &Arc<Shared>) -> Result<()> {
        match self.pending.take() {
            Some(Pending { record, .. }) => known.and_then(|()| self.start_send(record, shared)),
            None => Ok(()),
        }
    }

    /// The batches whose end is not told yet.
    pub(super) fn untold(&self) -> Vec<Arc<BatchResult>> {
        self.sent.iter().map(|sent| sent.batch.clone()).collect()
    }

    /// These batches have been told about, or others tell.
    pub(super) fn told(&mut self, batches: &[Arc<BatchResult>]) {
        for batch in batches {
            self.known.remove(&address(batch));
        }
        let known = &self.known;
        self.sent.retain(|sent| known.contains(&address(&sent.batch)));
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
            if shared.budget.has_room() {
                return Poll::Ready(Ok(()));
            }
            shared.expedite();
        }
        let semaphore = || PollSemaphore::new(shared.budget.semaphore());
        let waiting = self.waiting.get_or_insert_with(semaphore);
        loop {
            let Some(permit) = ready!(waiting.poll_acquire(cx)) else {
                self.waiting = None;
                return Poll::Ready(Err(shared.closed()));
            };
            // Given back at once: the record takes what there is, and goes beyond it if need be.
            permit.forget();
            let in_debt = shared.budget.in_debt();
            shared.budget.release(1);
            // Another sink that was woken with this one may have gone beyond it meanwhile.
            if !in_debt {
                self.waiting = None;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Remembers each batch once.
    #[inline]
    fn sent(&mut self, batch: &Arc<BatchResult>) {
        let last = self.sent.back().is_some_and(|last| Arc::ptr_eq(&last.batch, batch));
        if last || !self.known.insert(address(batch)) {
            return;
        }
        self.sent.push_back(Sent { batch: batch.clone(), waiter: None });
        if self.sent.len() >= self.sweep_at.max(MIN_SWEEP) {
            self.sweep();
        }
    }

    /// Forgets all that is written, behind a batch that is not, too. Failures stay to be told.
    fn sweep(&mut self) {
        let known = &mut self.known;
        self.sent.retain(|sent| {
            let written = sent.batch.is_written();
            if written {
                known.remove(&address(&sent.batch));
            }
            !written
        });
        self.sweep_at = self.sent.len() * 2;
    }

    /// Forgets what is written, up to the first that is not.
    #[inline]
    fn reap(&mut self, cx: &mut Context<'_>) -> Result<()> {
        while self.sent.front().is_some_and(|sent| sent.batch.is_settled()) {
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
        loop {
            let Some(sent) = self.sent.front_mut() else {
                return Poll::Ready(Ok(()));
            };
            let outcome = ready!(sent.batch.poll(cx, &mut sent.waiter));
            let parts = match outcome {
                Outcome::Split { first, rest, .. } => Some([rest.clone(), first.clone()]),
                _ => None,
            };
            let result = outcome.error().map_or(Ok(()), |error| Err(error.clone()));
            self.known.remove(&address(&sent.batch));
            self.sent.pop_front();
            let Some(parts) = parts else {
                return Poll::Ready(result);
            };
            for batch in parts {
                self.known.insert(address(&batch));
                self.sent.push_front(Sent { batch, waiter: None });
            }
        }
    }
}

fn address(batch: &Arc<BatchResult>) -> usize {
    Arc::as_ptr(batch).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Outcome {
        Outcome::Written { base_offset: None, append_time: None }
    }

    #[test]
    fn what_is_written_is_forgotten_behind_what_is_not() {
        let mut sink = SinkState::default();
        let batch = || BatchResult::new("t".into(), 0, Arc::default());
        let (stuck, failed) = (batch(), batch());
        failed.settle(Outcome::Failed(Error::closed("writer")));
        sink.sent(&stuck);
        sink.sent(&failed);
        for _ in 0..10_000 {
            let batch = batch();
            sink.sent(&batch);
            sink.sent(&stuck);
            batch.settle(written());
        }
        assert!(sink.sent.len() <= MIN_SWEEP, "{} batches", sink.sent.len());
        assert_eq!(sink.sent.len(), sink.known.len());
        stuck.settle(written());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(sink.poll_sent(&mut cx), Poll::Ready(Err(_))), "the failure is kept");
        assert!(matches!(sink.poll_sent(&mut cx), Poll::Ready(Ok(()))));
    }
}
