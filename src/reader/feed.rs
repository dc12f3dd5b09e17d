//! Delivers what was fetched, of all partitions or of one: message by message, or batch by batch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use futures::task::AtomicWaker;
use tokio::sync::mpsc::UnboundedReceiver;

use super::budget::Charge;
use super::cursor::State;
use super::events::ReaderEvent;
use super::partition::{Partition, address};
use super::stats::count;
use super::{Chunk, Chunks, Delivery, Owner, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Batch, Message, Messages};

/// The bytes of a batch that cost a unit of the budget that a task has before it must yield.
const COOP: usize = 64 << 10;

/// What a stream of messages or batches reads from.
pub(super) struct Feed {
    pub(super) shared: Arc<Shared>,
    /// The background work ends with the last feed.
    pub(super) owner: Arc<Owner>,
    pub(super) chunks: UnboundedReceiver<Chunks>,
    /// The partition that it is for, if not for all.
    only: Option<Arc<Partition>>,
    /// The batch that is being handed out.
    current: Option<Current>,
    /// The [`Shared::version`] that `current`, `ready` and `stash` were checked against.
    version: u64,
    /// What comes before that which is in the channel.
    pub(super) ready: VecDeque<Chunk>,
    /// By the address of the partition: what came of those that are paused, in order, before what
    /// is in `ready`. It is in the budget.
    stash: BTreeMap<usize, VecDeque<Chunk>>,
    has_ended: bool,
}

struct Current {
    batch: Batch,
    messages: Messages,
    partition: Arc<Partition>,
    epoch: u64,
    next_offset: i64,
    charge: Option<Charge>,
}

/// A batch to hand out.
struct Taken {
    batch: Batch,
    partition: Arc<Partition>,
    epoch: u64,
    from: i64,
    charge: Option<Charge>,
}

impl Feed {
    pub(super) fn new(
        owner: Arc<Owner>,
        chunks: UnboundedReceiver<Chunks>,
        only: Option<Arc<Partition>>,
    ) -> Self {
        Self {
            shared: owner.shared.clone(),
            owner,
            chunks,
            only,
            current: None,
            version: 0,
            ready: VecDeque::new(),
            stash: BTreeMap::new(),
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
                        let (partition, epoch) = (current.partition.clone(), current.epoch + 1);
                        self.current = None;
                        return Poll::Ready(Some(Err(self.failed(&partition, epoch, error))));
                    }
                    None => {
                        current.pass(&self.shared);
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
        if let Some(current) = self.current.take() {
            let is_over = current.from() >= current.next_offset;
            if current.pass(&self.shared) && !is_over {
                return Poll::Ready(Some(Ok(current.batch)));
            }
        }
        loop {
            match ready!(self.poll_taken(cx)) {
                Some(Ok(Taken { batch, partition, epoch, from, .. })) => {
                    let next_offset = batch.next_offset().min(partition.limit);
                    // It may have been sought elsewhere in between.
                    if partition.advance_in(epoch, next_offset) {
                        self.shared.passed(&partition, Some(&batch));
                        if from < next_offset {
                            return Poll::Ready(Some(Ok(batch)));
                        }
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
            let Some(chunk) = self.ready.pop_front() else {
                match self.chunks.poll_recv(cx) {
                    Poll::Ready(Some(chunks)) => self.ready.extend(chunks),
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
                }
                continue;
            };
            progress.made_progress();
            if let Some(item) = self.take(chunk) {
                if let Ok(Taken { batch, .. }) = &item {
                    // A large batch is more work than one unit of the task's budget stands for.
                    for _ in 0..batch.size() / COOP {
                        let Poll::Ready(unit) = tokio::task::coop::poll_proceed(cx) else { break };
                        unit.made_progress();
                    }
                }
                return Poll::Ready(Some(item));
            }
        }
    }

    /// What of a chunk is for the application.
    fn take(&mut self, chunk: Chunk) -> Option<Result<Taken>> {
        let key = address(&chunk.partition);
        // A partition is resumed before this is told so: what is put aside comes first.
        if chunk.partition.is_paused() || self.stash.contains_key(&key) {
            self.stash.entry(key).or_default().push_back(chunk);
            return None;
        }
        let Chunk { partition, epoch, from, item, charge } = chunk;
        if partition.cursor().epoch != epoch {
            return None;
        }
        let skipped = match item {
            Delivery::Error(error) => return Some(Err(self.failed(&partition, epoch, error))),
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
    fn failed(&self, partition: &Partition, epoch: u64, error: Error) -> Error {
        let cursor = partition.cursor();
        // Under the lock: a seek starts it again.
        if cursor.epoch == epoch {
            partition.stopped.store(cursor.state == State::Halted, Ordering::Release);
        }
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
        let (stash, ready) = (std::mem::take(&mut self.stash), std::mem::take(&mut self.ready));
        let current = self.current.take().filter(|current| {
            let cursor = current.partition.cursor();
            let is_current = cursor.epoch == current.epoch;
            if !is_current {
                // The last message may have overwritten what the seek had set.
                current.partition.settle(&cursor);
            }
            is_current && !self.shared.is_closed()
        });
        let (mut first, mut paused) = (None, BTreeMap::new());
        match current {
            Some(current) if current.partition.is_paused() => first = Some(current.into_chunk()),
            current => self.current = current,
        }
        for chunk in first.into_iter().chain(stash.into_values().flatten()).chain(ready) {
            if chunk.partition.cursor().epoch == chunk.epoch {
                let key = address(&chunk.partition);
                // Once for all chunks of a partition: it may change meanwhile.
                if *paused.entry(key).or_insert_with(|| chunk.partition.is_paused()) {
                    self.stash.entry(key).or_default().push_back(chunk);
                } else {
                    self.ready.push_back(chunk);
                }
            }
        }
    }

    /// Takes everything out of it, in order.
    pub(super) fn into_chunks(
        mut self,
    ) -> (impl Iterator<Item = Chunk>, UnboundedReceiver<Chunks>) {
        let current = self.current.take().map(Current::into_chunk);
        let waiting = self.stash.into_values().flatten().chain(self.ready);
        (current.into_iter().chain(waiting), self.chunks)
    }
}

impl Current {
    /// Where its first message is that was not handed out; `next_offset` if there is none.
    fn from(&self) -> i64 {
        let position = self.partition.position().unwrap_or(self.batch.base_offset());
        if self.messages.is_over() { self.next_offset } else { position }
    }

    /// The position moves past it, unless it has been sought elsewhere.
    fn pass(&self, shared: &Shared) -> bool {
        let is_current = self.partition.advance_in(self.epoch, self.next_offset);
        if is_current {
            shared.passed(&self.partition, Some(&self.batch));
        } else {
            self.partition.settle(&self.partition.cursor());
        }
        is_current
    }

    /// What is left of it, to be taken up again later.
    fn into_chunk(self) -> Chunk {
        let from = self.from();
        let Self { batch, partition, epoch, charge, .. } = self;
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
