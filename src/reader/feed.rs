//! Delivers what was fetched, of all partitions or of one: message by message, or batch by batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use futures::task::AtomicWaker;
use tokio::sync::mpsc::UnboundedReceiver;

use super::budget::Charge;
use super::events::ReaderEvent;
use super::partition::{Partition, State};
use super::stats::count;
use super::{Chunk, Delivery, Event, Owner, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Batch, Message, Messages};

/// What a stream of messages or batches reads from.
pub(super) struct Feed {
    pub(super) shared: Arc<Shared>,
    /// The background work ends with the last feed.
    pub(super) owner: Arc<Owner>,
    pub(super) events: UnboundedReceiver<Event>,
    /// The partition that it is for, if not for all.
    only: Option<Arc<Partition>>,
    /// The batch that is being handed out.
    current: Option<Current>,
    /// The [`Shared::version`] that `current`, `ready` and `stash` were checked against.
    version: u64,
    /// What comes before that which is in the channel.
    pub(super) ready: VecDeque<Chunk>,
    /// What came of partitions that are paused, in order. It is in the budget.
    stash: VecDeque<Chunk>,
    has_ended: bool,
}

struct Current {
    batch: Batch,
    messages: Messages,
    partition: Arc<Partition>,
    epoch: u64,
    next_offset: i64,
    charge: Charge,
}

/// A batch to hand out.
struct Taken {
    batch: Batch,
    partition: Arc<Partition>,
    epoch: u64,
    from: i64,
    charge: Charge,
}

impl Feed {
    pub(super) fn new(
        owner: Arc<Owner>,
        events: UnboundedReceiver<Event>,
        only: Option<Arc<Partition>>,
    ) -> Self {
        Self {
            shared: owner.shared.clone(),
            owner,
            events,
            only,
            current: None,
            version: 0,
            ready: VecDeque::new(),
            stash: VecDeque::new(),
            has_ended: false,
        }
    }

    /// The next message. Of a batch that is there it costs no lock, no allocation, no wake.
    #[inline]
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
        loop {
            if self.shared.version.load(Ordering::Acquire) != self.version {
                self.resync();
            }
            if let Some(current) = &mut self.current {
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
                        let partition = current.partition.clone();
                        self.current = None;
                        return Poll::Ready(Some(Err(self.failed(&partition, error))));
                    }
                    None => {
                        current.partition.advance(current.next_offset);
                        self.shared.passed(&current.partition, Some(&current.batch));
                        self.current = None;
                    }
                }
            }
            match ready!(self.poll_taken(cx)) {
                Some(Ok(Taken { batch, partition, epoch, from, charge })) => {
                    let next_offset = batch.next_offset().min(partition.limit);
                    let messages = batch.clone().messages_in(from..partition.limit);
                    let current =
                        Current { batch, messages, partition, epoch, next_offset, charge };
                    self.current = Some(current);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// The next batch.
    pub(super) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        if self.shared.version.load(Ordering::Acquire) != self.version {
            self.resync();
        }
        // The rest of a batch that was being read message by message.
        if let Some(Current { batch, partition, next_offset, .. }) = self.current.take() {
            partition.advance(next_offset);
            self.shared.passed(&partition, Some(&batch));
            return Poll::Ready(Some(Ok(batch)));
        }
        loop {
            match ready!(self.poll_taken(cx)) {
                Some(Ok(Taken { batch, partition, epoch, .. })) => {
                    // It may have been sought elsewhere in between.
                    if partition.advance_in(epoch, batch.next_offset().min(partition.limit)) {
                        self.shared.passed(&partition, Some(&batch));
                        return Poll::Ready(Some(Ok(batch)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// The next batch with records to hand out, skipping what a seek has made stale.
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Taken>>> {
        loop {
            if self.shared.version.load(Ordering::Acquire) != self.version {
                self.resync();
            }
            if self.shared.is_closed() {
                return Poll::Ready(self.end().map(Err));
            }
            // A reader with data at hand never waits: it must still let other tasks run.
            let progress = ready!(tokio::task::coop::poll_proceed(cx));
            let chunk = match self.ready.pop_front() {
                Some(chunk) => chunk,
                None => match self.events.poll_recv(cx) {
                    Poll::Ready(Some(Event::Data(chunk))) => chunk,
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => {
                        self.signal().register(cx.waker());
                        // What has changed before this has woken nobody.
                        if self.shared.version.load(Ordering::Acquire) != self.version {
                            continue;
                        }
                        if self.is_done() {
                            self.finish();
                            return Poll::Ready(None);
                        }
                        count(&self.shared.counters.waits, 1);
                        return Poll::Pending;
                    }
                },
            };
            progress.made_progress();
            if let Some(item) = self.take(chunk) {
                return Poll::Ready(Some(item));
            }
        }
    }

    /// What of a chunk is for the application.
    fn take(&mut self, chunk: Chunk) -> Option<Result<Taken>> {
        if chunk.partition.is_paused() {
            self.stash.push_back(chunk);
            return None;
        }
        let Chunk { partition, epoch, from, item, charge } = chunk;
        if partition.cursor().epoch != epoch {
            return None;
        }
        let skipped = match item {
            Delivery::Error(error) => return Some(Err(self.failed(&partition, error))),
            Delivery::Batch(batch) if batch.base_offset() < partition.limit => {
                return Some(Ok(Taken { batch, partition, epoch, from, charge }));
            }
            Delivery::Batch(batch) => batch.next_offset(),
            Delivery::Skip(next) => next,
        };
        if partition.advance_in(epoch, skipped.min(partition.limit)) {
            self.shared.passed(&partition, None);
        }
        None
    }

    /// An error of a partition, which may have stopped.
    fn failed(&self, partition: &Partition, error: Error) -> Error {
        let has_stopped = partition.cursor().state == State::Halted;
        partition.stopped.store(has_stopped, Ordering::Release);
        count(&self.shared.counters.errors, 1);
        error
    }

    /// Whoever is woken by changes of what this is for.
    fn signal(&self) -> &AtomicWaker {
        self.only.as_ref().map_or(&self.shared.signal, |partition| &partition.signal)
    }

    /// Nothing is left, and nothing will come.
    fn is_done(&self) -> bool {
        match &self.only {
            Some(partition) => partition.is_retired() || partition.is_done(),
            None => self.shared.is_done(),
        }
    }

    fn finish(&mut self) {
        match &self.only {
            // Whoever waits for all of them looks again.
            Some(_) => self.shared.signal.wake(),
            None => self.shared.close(),
        }
    }

    /// After the end: the error that led to it, once.
    fn end(&mut self) -> Option<Error> {
        self.ready.clear();
        self.stash.clear();
        let is_told = std::mem::replace(&mut self.has_ended, true);
        self.shared.failure.get().filter(|_| !is_told).cloned()
    }

    /// After a seek, a pause, a close and the like: drops what is stale, puts aside what is paused
    /// and takes up what is not any more.
    #[cold]
    fn resync(&mut self) {
        self.version = self.shared.version.load(Ordering::Acquire);
        let is_closed = self.shared.is_closed();
        if let Some(current) = self.current.take() {
            let cursor = current.partition.cursor();
            let is_current = cursor.epoch == current.epoch;
            if !is_current {
                // The last message may have overwritten what the seek had set.
                current.partition.settle(&cursor);
            }
            drop(cursor);
            if is_closed || !is_current {
            } else if current.partition.is_paused() {
                self.ready.push_front(current.into_chunk());
            } else {
                self.current = Some(current);
            }
        }
        let waiting = self.ready.drain(..).chain(self.stash.drain(..)).collect::<Vec<_>>();
        for chunk in waiting {
            let is_paused = chunk.partition.is_paused();
            if chunk.partition.cursor().epoch == chunk.epoch {
                if is_paused { &mut self.stash } else { &mut self.ready }.push_back(chunk);
            }
        }
    }

    /// Takes everything out of it, in order.
    pub(super) fn into_chunks(mut self) -> (impl Iterator<Item = Chunk>, UnboundedReceiver<Event>) {
        let current = self.current.take().map(Current::into_chunk);
        (current.into_iter().chain(self.ready).chain(self.stash), self.events)
    }
}

impl Current {
    /// What is left of it, to be taken up again later.
    fn into_chunk(self) -> Chunk {
        let Self { batch, partition, epoch, charge, .. } = self;
        let from = partition.position().unwrap_or(batch.base_offset());
        Chunk { partition, epoch, from, item: Delivery::Batch(batch), charge }
    }
}

impl Shared {
    /// The position of a partition has moved past a batch, which was handed out if it is here.
    pub(super) fn passed(&self, partition: &Partition, batch: Option<&Batch>) {
        if let Some(batch) = batch {
            count(&self.counters.batches, 1);
            count(&self.counters.messages, batch.len());
            count(&self.counters.bytes, batch.size());
        }
        if let Some(offset) = partition.catches_up() {
            let at = partition.at.clone();
            self.listeners.tell(&ReaderEvent::CaughtUp { at, offset });
        }
    }
}
