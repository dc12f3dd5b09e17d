//! What becomes of a batch, and of each record in it. Knows nothing of how batches are sent.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use super::interceptor::Observers;
use crate::error::{Error, ErrorKind, Result};
use crate::types::Timestamp;

/// What becomes of a record that was accepted: a future of where it was written.
///
/// Dropping it means not to be told; the record is written all the same.
///
/// # Errors
///
/// The record is not written, or [`is_ambiguous`](Error::is_ambiguous) says that nobody knows.
///
/// # Cancel safety
///
/// A delivery can be polled in `select!` by reference: nothing is lost.
#[must_use = "a delivery may be an error"]
pub struct Delivery {
    /// `None` once it has been told.
    batch: Option<Arc<BatchResult>>,
    index: u32,
    timestamp: Timestamp,
    waiter: Option<usize>,
}

/// Where a record was written.
#[derive(Clone)]
pub struct RecordMetadata {
    /// Its outcome is [`Outcome::Written`].
    batch: Arc<BatchResult>,
    index: u32,
    timestamp: Timestamp,
}

/// What all records of a batch share. Set once; whoever waits is woken then.
pub(super) struct BatchResult {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) observers: Arc<Observers>,
    count: AtomicU32,
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Vec<Waiter>>,
}

/// How a batch ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Written {
        /// `None` when the broker did not say.
        base_offset: Option<i64>,
        /// The broker's time, where it stamps records itself.
        append_time: Option<Timestamp>,
    },
    Failed(Error),
    /// Nothing was written, because of the records that are named (KIP-467).
    Refused {
        named: BTreeMap<u32, Error>,
        others: Error,
    },
    /// The records before `at` went on in one batch, the others in a second.
    Split {
        at: u32,
        first: Arc<BatchResult>,
        rest: Arc<BatchResult>,
    },
}

/// One waker, and how many deliveries lean on it: tasks often wait for many at once.
struct Waiter {
    waker: Waker,
    deliveries: usize,
}

impl BatchResult {
    pub(super) fn new(topic: Arc<str>, partition: i32, observers: Arc<Observers>) -> Arc<Self> {
        Arc::new(Self {
            topic,
            partition,
            observers,
            count: AtomicU32::new(0),
            outcome: OnceLock::new(),
            waiters: Mutex::default(),
        })
    }

    /// How many records the batch has.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_count(&self, count: u32) {
        self.count.store(count, Ordering::Relaxed);
    }

    /// Sets the outcome, unless there is one already.
    pub(super) fn settle(&self, outcome: Outcome) {
        if self.outcome.set(outcome).is_err() {
            return;
        }
        if let Some(outcome) = self.outcome.get() {
            self.observers.on_delivery(self, outcome);
        }
        let waiters = std::mem::take(&mut *self.waiters());
        for waiter in waiters {
            waiter.waker.wake();
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// Whether all of its records are known to be written.
    pub(super) fn is_written(&self) -> bool {
        match self.outcome.get() {
            Some(Outcome::Written { .. }) => true,
            Some(Outcome::Split { first, rest, .. }) => first.is_written() && rest.is_written(),
            _ => false,
        }
    }

    /// Why it is not written: of a batch that went on in parts, the first failure in them.
    pub(super) fn error(&self) -> Option<&Error> {
        match self.outcome.get()? {
            Outcome::Split { first, rest, .. } => first.error().or_else(|| rest.error()),
            outcome => outcome.error(),
        }
    }

    /// `slot` remembers where the caller's waker stands, so that polling again adds no other.
    pub(super) fn poll(&self, cx: &mut Context<'_>, slot: &mut Option<usize>) -> Poll<&Outcome> {
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome);
        }
        let mut waiters = self.waiters();
        // It may have been settled before the lock was taken; after it, it wakes what is there.
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome);
        }
        if let Some(own) = slot.and_then(|slot| waiters.get_mut(slot)) {
            if own.waker.will_wake(cx.waker()) {
                return Poll::Pending;
            }
            if own.deliveries == 1 {
                own.waker.clone_from(cx.waker());
                return Poll::Pending;
            }
            own.deliveries -= 1;
        }
        match waiters.last_mut() {
            Some(last) if last.waker.will_wake(cx.waker()) => last.deliveries += 1,
            _ => waiters.push(Waiter { waker: cx.waker().clone(), deliveries: 1 }),
        }
        *slot = Some(waiters.len() - 1);
        Poll::Pending
    }

    /// Waits until all records of the batch have been told.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub(super) async fn wait(self: Arc<Self>) -> Result<()> {
        let mut result = Ok(());
        let mut pending = vec![self];
        while let Some(batch) = pending.pop() {
            let mut slot = None;
            poll_fn(|cx| batch.poll(cx, &mut slot).map(|_| ())).await;
            let Some(outcome) = batch.outcome.get() else {
                continue;
            };
            if let Some(error) = outcome.error() {
                result = result.and(Err(error.clone()));
            }
            if let Outcome::Split { first, rest, .. } = outcome {
                pending.extend([rest.clone(), first.clone()]);
            }
        }
        result
    }

    fn waiters(&self) -> MutexGuard<'_, Vec<Waiter>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outcome {
    /// The first failure; `None` for a batch that is written, or goes on in parts.
    pub(super) fn error(&self) -> Option<&Error> {
        match self {
            Self::Written { .. } | Self::Split { .. } => None,
            Self::Failed(error) => Some(error),
            Self::Refused { named, others } => Some(named.values().next().unwrap_or(others)),
        }
    }
}

impl Delivery {
    #[inline]
    pub(super) fn new(batch: Arc<BatchResult>, index: u32, timestamp: Timestamp) -> Self {
        Self { batch: Some(batch), index, timestamp, waiter: None }
    }

    /// The batch that the record is in; `None` once it has been told.
    #[inline]
    pub(super) fn batch(&self) -> Option<&Arc<BatchResult>> {
        self.batch.as_ref()
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let Some(batch) = &this.batch else {
                let text = "delivery: polled again after it was told";
                return Poll::Ready(Err(Error::new(ErrorKind::Config, text)));
            };
            let part = match ready!(batch.poll(cx, &mut this.waiter)) {
                Outcome::Written { .. } => None,
                Outcome::Failed(error) => {
                    let error = error.clone();
                    this.batch = None;
                    return Poll::Ready(Err(error));
                }
                Outcome::Refused { named, others } => {
                    let error = named.get(&this.index).unwrap_or(others).clone();
                    this.batch = None;
                    return Poll::Ready(Err(error));
                }
                Outcome::Split { at, first, rest } => Some(match this.index.checked_sub(*at) {
                    None => (first.clone(), this.index),
                    Some(index) => (rest.clone(), index),
                }),
            };
            let Some((batch, index)) = part else {
                let (index, timestamp) = (this.index, this.timestamp);
                return Poll::Ready(match this.batch.take() {
                    Some(batch) => Ok(RecordMetadata { batch, index, timestamp }),
                    None => Err(Error::closed("delivery")),
                });
            };
            (this.batch, this.index, this.waiter) = (Some(batch), index, None);
        }
    }
}

impl RecordMetadata {
    /// The topic.
    pub fn topic(&self) -> &str {
        &self.batch.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.batch.partition
    }

    /// The offset; `None` where no broker tells it: with [`Acks::None`](crate::Acks::None), and if it
    /// turns out only later that the record is there.
    pub fn offset(&self) -> Option<i64> {
        match self.batch.outcome.get() {
            Some(Outcome::Written { base_offset: Some(base), .. }) => {
                Some(base.saturating_add(self.index.into()))
            }
            _ => None,
        }
    }

    /// The time that is stored with the record: the broker's, if the topic's records are stamped by
    /// the broker (`LogAppendTime`), else the record's own.
    pub fn timestamp(&self) -> Timestamp {
        match self.batch.outcome.get() {
            Some(Outcome::Written { append_time: Some(time), .. }) => *time,
            _ => self.timestamp,
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("batch", &self.batch)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RecordMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordMetadata")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .finish()
    }
}

impl fmt::Debug for BatchResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchResult")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("outcome", &self.outcome.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    fn result() -> Arc<BatchResult> {
        BatchResult::new("orders".into(), 3, Arc::default())
    }

    fn delivery(batch: &Arc<BatchResult>, index: u32) -> Delivery {
        Delivery::new(batch.clone(), index, Timestamp::from_millis(7))
    }

    fn written(base_offset: Option<i64>) -> Outcome {
        Outcome::Written { base_offset, append_time: None }
    }

    #[test]
    fn each_record_has_its_own_offset() {
        let batch = result();
        let mut second = delivery(&batch, 1);
        assert!((&mut second).now_or_never().is_none());
        batch.settle(written(Some(40)));
        batch.settle(Outcome::Failed(Error::closed("writer")));
        let metadata = second.now_or_never().unwrap().unwrap();
        assert_eq!((metadata.topic(), metadata.partition()), ("orders", 3));
        assert_eq!(metadata.offset(), Some(41));
        assert_eq!(metadata.timestamp().as_millis(), 7);
    }

    #[test]
    fn the_broker_s_time_wins() {
        let batch = result();
        batch.settle(Outcome::Written {
            base_offset: None,
            append_time: Some(Timestamp::from_millis(9)),
        });
        let metadata = delivery(&batch, 5).now_or_never().unwrap().unwrap();
        assert_eq!(metadata.offset(), None);
        assert_eq!(metadata.timestamp().as_millis(), 9);
    }

    #[test]
    fn a_split_batch_answers_in_parts() {
        let (batch, first, rest) = (result(), result(), result());
        let mut deliveries: Vec<_> = (0..3).map(|index| delivery(&batch, index)).collect();
        let mut whole = Box::pin(batch.clone().wait());
        assert!((&mut deliveries[2]).now_or_never().is_none());
        batch.settle(Outcome::Split { at: 1, first: first.clone(), rest: rest.clone() });
        first.settle(written(Some(10)));
        assert!((&mut whole).now_or_never().is_none());
        rest.settle(written(Some(20)));
        assert!(whole.now_or_never().unwrap().is_ok());
        let offsets: Vec<_> = deliveries
            .into_iter()
            .map(|delivery| delivery.now_or_never().unwrap().unwrap().offset().unwrap())
            .collect();
        assert_eq!(offsets, [10, 20, 21]);
    }

    #[test]
    fn only_named_records_get_the_broker_s_words() {
        let batch = result();
        batch.settle(Outcome::Refused {
            named: BTreeMap::from([(1, Error::config("bad key"))]),
            others: Error::config("another record"),
        });
        let text = |index| delivery(&batch, index).now_or_never().unwrap().unwrap_err();
        assert_eq!(text(1).to_string(), "bad key");
        assert_eq!(text(0).to_string(), "another record");
        let whole = batch.clone().wait().now_or_never().unwrap();
        assert_eq!(whole.unwrap_err().to_string(), "bad key");
    }

    /// Counts its wakes.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn polling_again_adds_no_waker() {
        let batch = result();
        let mut deliveries: Vec<_> = (0..3).map(|index| delivery(&batch, index)).collect();
        for _ in 0..10 {
            for delivery in &mut deliveries {
                assert!(delivery.now_or_never().is_none());
            }
        }
        assert_eq!(batch.waiters().len(), 1, "one task waits for all");
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        for _ in 0..10 {
            let polled = deliveries[0].poll_unpin(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        assert_eq!(batch.waiters().len(), 2, "another task waits for one of them");
        batch.settle(written(None));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_told_delivery_does_not_hang() {
        let batch = result();
        batch.settle(written(None));
        let mut delivery = delivery(&batch, 0);
        assert!((&mut delivery).now_or_never().unwrap().is_ok());
        assert!(delivery.now_or_never().unwrap().is_err());
    }
}
