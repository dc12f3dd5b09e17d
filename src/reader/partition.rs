//! One partition of a reader: where it is, and which fetched data is still wanted. Where it is fetched
//! next, its cursor knows. Decisions only: no I/O, and time is an argument.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::task::AtomicWaker;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::cursor::{Cursor, Origin, State};
use super::lane::Lane;
use super::{Chunk, Chunks, Delivery};
use crate::cluster::Backoff;
use crate::error::Error;
use crate::types::{Start, TopicPartition};
use crate::wire::Uuid;

/// Shared by the engine, which fetches, and the reader, which delivers.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) at: TopicPartition,
    /// Nothing at or behind this offset is wanted.
    pub(super) limit: i64,
    /// Wakes who reads it alone.
    pub(super) signal: AtomicWaker,
    /// The reader has been given an error of it, and not sought since.
    pub(super) stopped: AtomicBool,
    /// It is not read any more.
    retired: AtomicBool,
    /// Its end was told, and is still the end.
    caught_up: AtomicBool,
    /// The offset of the next message to be delivered; -1 while it is not known.
    position: AtomicI64,
    /// Where the messages that may be read end; -1 while it is not known.
    end: AtomicI64,
    /// The bytes that were fetched and not decoded.
    pending: AtomicUsize,
    /// The bytes that were decoded and not delivered.
    held: AtomicUsize,
    /// When less than this is held, its lane goes on with it; 0 while it does not wait for that.
    relief: [AtomicUsize; 2],
    /// Not to be fetched, and not to be delivered. Changed under the lock of the cursor.
    paused: AtomicBool,
    cursor: Mutex<Cursor>,
}

/// What waits for less to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relief {
    Fetch,
    Decode,
}

/// One cursor to validate; a seek meanwhile ends that.
pub(super) struct Check {
    pub(super) partition: Arc<Partition>,
    pub(super) epoch: u64,
    pub(super) offset: i64,
    /// That of the leader that wrote what comes before the offset.
    pub(super) last_epoch: i32,
    pub(super) leader_epoch: i32,
}

/// Tells partitions apart without looking at their names.
pub(super) fn address(partition: &Arc<Partition>) -> usize {
    Arc::as_ptr(partition).addr()
}

impl Partition {
    pub(super) fn new(
        at: TopicPartition,
        start: Start,
        topic_id: Uuid,
        outlet: UnboundedSender<Chunks>,
        limit: i64,
    ) -> Self {
        let cursor = Cursor::new(start, topic_id, outlet);
        Self {
            at,
            limit,
            signal: AtomicWaker::new(),
            stopped: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            caught_up: AtomicBool::new(false),
            position: AtomicI64::new(cursor.sought),
            end: AtomicI64::new(-1),
            pending: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            relief: Default::default(),
            paused: AtomicBool::new(false),
            cursor: Mutex::new(cursor),
        }
    }

    pub(super) fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts anew; whatever was fetched before is not delivered any more.
    pub(super) fn seek(self: &Arc<Self>, start: Start) {
        self.seek_in(&mut self.cursor(), start);
    }

    pub(super) fn seek_in(self: &Arc<Self>, cursor: &mut Cursor, start: Start) {
        if self.is_retired() {
            return;
        }
        cursor.seek(start);
        self.stopped.store(false, Ordering::Release);
        self.caught_up.store(false, Ordering::Release);
        self.settle(cursor);
        self.touch_in(cursor);
    }

    /// The leader has looked up where to start, for a seek that may be over by now: whether it is
    /// not.
    pub(super) fn resolved(self: &Arc<Self>, epoch: u64, offset: i64, leader_epoch: i32) -> bool {
        let mut cursor = self.cursor();
        let State::Resolving(origin) = cursor.state else { return false };
        if cursor.epoch != epoch {
            return false;
        }
        cursor.state = State::At(offset);
        cursor.last_epoch = leader_epoch;
        cursor.succeeded();
        if cursor.sought < 0 {
            cursor.sought = offset;
            self.settle(&cursor);
        }
        // The position follows when what was fetched before has been handed out.
        let is_reset = matches!(origin, Origin::Reset { .. });
        if is_reset {
            let _ = cursor.outlet.send(vec![self.chunk(epoch, Delivery::Skip(offset))]);
        }
        self.touch_in(&mut cursor);
        true
    }

    /// The lookup has failed for good: whether anybody still waits for it.
    pub(super) fn unresolvable(&self, epoch: u64) -> bool {
        let mut cursor = self.cursor();
        let is_current = cursor.epoch == epoch && matches!(cursor.state, State::Resolving(_));
        if is_current {
            cursor.state = State::Halted;
        }
        is_current
    }

    /// The leader still has everything before `offset`, written by leaders up to `last_epoch`; for
    /// a validation that may be over by now: whether it is not.
    pub(super) fn validated(self: &Arc<Self>, check: &Check, offset: i64, last_epoch: i32) -> bool {
        let mut cursor = self.cursor();
        let is_current = cursor.is_validating(check);
        if is_current {
            cursor.state = State::At(offset);
            cursor.last_epoch = last_epoch;
            cursor.succeeded();
            self.touch_in(&mut cursor);
        }
        is_current
    }

    /// The validation has failed, and is tried again after a while.
    pub(super) fn unvalidated(&self, check: &Check, now: Instant, backoff: Backoff) {
        let mut cursor = self.cursor();
        if cursor.is_validating(check) {
            cursor.state = State::Unvalidated(check.offset);
            cursor.failed(now, backoff);
        }
    }

    /// The lookup has failed, and is tried again after a while.
    pub(super) fn unresolved(&self, epoch: u64, origin: Origin, now: Instant, backoff: Backoff) {
        let mut cursor = self.cursor();
        if cursor.epoch == epoch && matches!(cursor.state, State::Resolving(_)) {
            cursor.state = State::Unresolved(origin);
            cursor.failed(now, backoff);
        }
    }

    /// Whether it belongs into a fetch sent to `broker` at `now`, and from which offset.
    pub(super) fn wanted(&self, cursor: &Cursor, broker: i32, now: Instant) -> Option<i64> {
        match cursor.state {
            State::At(offset) if cursor.may_come_from(broker) && cursor.is_due(now) => {
                Some(offset).filter(|offset| !self.is_paused() && *offset < self.limit)
            }
            _ => None,
        }
    }

    /// Hands something to whoever reads this partition. `false` when nobody does any more.
    pub(super) fn send(&self, chunks: Chunks) -> bool {
        // Under the lock: what is sent before a diversion is in the old channel when it returns.
        let sent = self.cursor().outlet.send(chunks);
        // What came back is dropped outside of it: its charge needs the cursor.
        sent.is_ok()
    }

    /// Sends what comes from now on there.
    pub(super) fn divert(self: &Arc<Self>, outlet: UnboundedSender<Chunks>) {
        let mut cursor = self.cursor();
        cursor.outlet = outlet;
        cursor.diverted = true;
        self.touch_in(&mut cursor);
    }

    /// Fetches no more until it is resumed. Whoever delivers keeps what is there.
    pub(super) fn pause(self: &Arc<Self>) {
        self.set_paused(true);
    }

    pub(super) fn resume(self: &Arc<Self>) {
        self.set_paused(false);
    }

    fn set_paused(self: &Arc<Self>, paused: bool) {
        let mut cursor = self.cursor();
        self.paused.store(paused, Ordering::Release);
        self.touch_in(&mut cursor);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Drops what was fetched and not delivered of a paused partition, an error that comes behind it
    /// as well; it is fetched again from the position. `false` if there was nothing to drop.
    pub(super) fn rewind(self: &Arc<Self>) -> bool {
        let mut cursor = self.cursor();
        let Some(position) = self.position() else { return false };
        let is_told = self.is_retired() || self.stopped.load(Ordering::Acquire);
        // Resumed meanwhile: it is being handed out.
        if !self.is_paused() || is_told || (self.held() == 0 && self.pending() == 0) {
            return false;
        }
        cursor.state = match cursor.state {
            // What is held is stale already.
            State::At(at) | State::Unvalidated(at) | State::Validating(at) if at == position => {
                return false;
            }
            State::Unvalidated(_) | State::Validating(_) => State::Unvalidated(position),
            _ => State::At(position),
        };
        cursor.epoch += 1;
        cursor.sought = position;
        self.touch_in(&mut cursor);
        true
    }

    /// Tells whoever reads this partition what is wrong with it.
    pub(super) fn fail(self: &Arc<Self>, epoch: u64, error: Error) {
        self.tell(epoch, Delivery::Error(error));
    }

    /// Tells whoever reads this partition something that holds no data.
    pub(super) fn tell(self: &Arc<Self>, epoch: u64, item: Delivery) {
        self.send(vec![self.chunk(epoch, item)]);
    }

    fn chunk(self: &Arc<Self>, epoch: u64, item: Delivery) -> Chunk {
        Chunk { partition: self.clone(), epoch, from: 0, item, charge: None }
    }

    /// Is fetched by that lane from now on. Whether it was not before.
    pub(super) fn move_to(self: &Arc<Self>, lane: &Arc<Lane>) -> bool {
        let mut cursor = self.cursor();
        let is_new = !cursor.is_in(lane);
        if is_new {
            // The old one hands out at once what it has of it, and waits for nothing.
            if let Some(old) = cursor.lane.upgrade() {
                old.post(self.clone());
            }
            cursor.lane = Arc::downgrade(lane);
            cursor.touched = false;
        }
        is_new
    }

    /// Tells its lane to look at it again.
    pub(super) fn touch(self: &Arc<Self>) {
        self.touch_in(&mut self.cursor());
    }

    pub(super) fn touch_in(self: &Arc<Self>, cursor: &mut Cursor) {
        if let Some(lane) = cursor.lane.upgrade() {
            if !std::mem::replace(&mut cursor.touched, true) {
                lane.post(self.clone());
            }
        }
    }

    /// What was decoded and not delivered, in bytes.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    pub(super) fn hold(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(super) fn release(self: &Arc<Self>, bytes: usize) {
        let held = self.held.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        let waits = |relief: &AtomicUsize| held < relief.load(Ordering::SeqCst);
        if self.relief.iter().any(waits) {
            self.relief.iter().filter(|it| waits(it)).for_each(|it| it.store(0, Ordering::SeqCst));
            self.touch();
        }
    }

    /// Asks to be told when less than this is held. `false` if that is so already.
    pub(super) fn awaits_relief(&self, of: Relief, below: usize) -> bool {
        let [fetch, decode] = &self.relief;
        let relief = if of == Relief::Fetch { fetch } else { decode };
        relief.store(below.max(1), Ordering::SeqCst);
        // Looked at again: it may have happened in between.
        let waits = self.held() >= below.max(1);
        if !waits {
            relief.store(0, Ordering::SeqCst);
        }
        waits
    }

    /// What was fetched and not decoded, in bytes.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    pub(super) fn add_pending(&self, bytes: usize) {
        self.pending.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn sub_pending(&self, bytes: usize) {
        self.pending.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A piece of what that broker sent has gone to the reader, or was dropped. Whether somebody
    /// has been waiting for it.
    pub(super) fn passed_on(self: &Arc<Self>, lane: &Arc<Lane>) -> bool {
        let mut cursor = self.cursor();
        cursor.delivering =
            cursor.delivering.map(|(at, count)| (at, count - 1)).filter(|(_, count)| *count > 0);
        let is_next =
            matches!(cursor.state, State::Unvalidated(_) | State::Unresolved(Origin::Reset { .. }));
        let is_waiting = cursor.delivering.is_none() && (is_next || !cursor.is_in(lane));
        if is_waiting || cursor.diverted {
            self.touch_in(&mut cursor);
        }
        is_waiting
    }

    /// It is not read any more, and never will be again.
    pub(super) fn retire(self: &Arc<Self>) {
        let mut cursor = self.cursor();
        self.retired.store(true, Ordering::Release);
        cursor.epoch += 1;
        cursor.state = State::Halted;
        self.touch_in(&mut cursor);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Whether nothing more will be delivered of it, unless it is sought elsewhere.
    pub(super) fn is_done(&self) -> bool {
        self.limit < i64::MAX
            && (self.position.load(Ordering::Acquire) >= self.limit
                || self.stopped.load(Ordering::Acquire))
    }

    /// The end, if everything before it has been delivered and it was not told yet.
    pub(super) fn catches_up(&self) -> Option<i64> {
        let end = self.end.load(Ordering::Acquire);
        let is_there = end >= 0 && self.position.load(Ordering::Acquire) >= end;
        (is_there && !self.caught_up.swap(true, Ordering::AcqRel)).then_some(end)
    }

    /// Fetches no more of it, unless it has been sought elsewhere since; what was fetched before
    /// is still delivered.
    pub(super) fn halt(&self, epoch: u64) {
        let mut cursor = self.cursor();
        if cursor.epoch == epoch {
            cursor.state = State::Halted;
        }
    }

    /// Halts, and drops what was fetched but not delivered, so that nothing is skipped silently.
    pub(super) fn halt_here(&self, epoch: u64) {
        let mut cursor = self.cursor();
        if cursor.epoch == epoch {
            cursor.epoch += 1;
            cursor.state = State::Halted;
        }
    }

    /// Sets the position to where the last seek led.
    pub(super) fn settle(&self, cursor: &Cursor) {
        self.position.store(cursor.sought, Ordering::Release);
    }

    /// Delivered everything before `offset`, unless it has been sought elsewhere since `epoch`.
    pub(super) fn advance_in(&self, epoch: u64, offset: i64) -> bool {
        let cursor = self.cursor();
        let is_current = cursor.epoch == epoch;
        if is_current {
            self.advance(offset);
        }
        is_current
    }

    /// Delivered everything before `offset`.
    #[inline]
    pub(super) fn advance(&self, offset: i64) {
        self.position.store(offset, Ordering::Relaxed);
    }

    pub(super) fn position(&self) -> Option<i64> {
        Some(self.position.load(Ordering::Acquire)).filter(|offset| *offset >= 0)
    }

    pub(super) fn set_end(&self, offset: i64) {
        if self.end.swap(offset, Ordering::AcqRel) < offset {
            self.caught_up.store(false, Ordering::Release);
        }
    }

    pub(super) fn lag(&self) -> Option<i64> {
        let end = Some(self.end.load(Ordering::Relaxed)).filter(|offset| *offset >= 0)?;
        Some((end - self.position()?).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::budget::{Budget, Charge};
    use std::time::Duration;

    fn partition() -> Arc<Partition> {
        let outlet = tokio::sync::mpsc::unbounded_channel().0;
        Arc::new(Partition::new(
            TopicPartition::new("t", 0),
            Start::Offset(5),
            Uuid::default(),
            outlet,
            i64::MAX,
        ))
    }

    fn wanted(partition: &Partition, broker: i32, now: Instant) -> Option<i64> {
        partition.wanted(&partition.cursor(), broker, now)
    }

    #[test]
    fn a_seek_beats_what_was_under_way() {
        let partition = partition();
        let before = partition.cursor().epoch;
        partition.seek(Start::Earliest);
        assert_eq!(partition.position(), None);
        partition.resolved(before, 99, -1);
        let earliest = Origin::Start(Start::Earliest);
        assert_eq!(partition.cursor().state, State::Unresolved(earliest));
        let epoch = partition.cursor().epoch;
        partition.resolved(epoch, 7, -1);
        assert_eq!(partition.position(), None, "nobody has begun to look it up");
        partition.cursor().state = State::Resolving(earliest);
        partition.resolved(epoch, 7, -1);
        assert_eq!(partition.position(), Some(7));
        partition.resolved(epoch, 3, -1);
        assert_eq!(partition.cursor().state, State::At(7), "a second answer comes too late");
    }

    #[test]
    fn the_position_does_not_run_ahead_of_what_is_delivered() {
        let partition = partition();
        partition.cursor().state = State::At(1000);
        let cursor = partition.cursor();
        partition.settle(&cursor);
        assert_eq!(partition.position(), Some(5), "fetched is not delivered");
        let epoch = cursor.epoch;
        drop(cursor);
        partition.advance(9);
        partition.cursor().state = State::Resolving(Origin::Reset { from: 1000 });
        partition.resolved(epoch, 2000, -1);
        assert_eq!(partition.position(), Some(9), "what was fetched before comes first");
        assert!(!partition.advance_in(epoch + 1, 50));
        assert!(partition.advance_in(epoch, 50));
    }

    #[test]
    fn a_reset_is_told_once() {
        let partition = partition();
        let (outlet, mut chunks) = tokio::sync::mpsc::unbounded_channel();
        partition.divert(outlet);
        let epoch = partition.cursor().epoch;
        let reset = State::Resolving(Origin::Reset { from: 5 });
        partition.cursor().state = reset;
        assert!(!partition.resolved(epoch + 1, 7, -1), "it was for another seek");
        assert!(partition.resolved(epoch, 7, -1));
        assert!(!partition.resolved(epoch, 9, -1), "so was this, or it has been told");
        assert!(!partition.unresolvable(epoch));
        assert_eq!(partition.cursor().state, State::At(7));
        let chunk = chunks.try_recv().expect("where it goes on");
        assert!(matches!(chunk[0].item, Delivery::Skip(7)));
        assert!(chunks.try_recv().is_err(), "and no more");
        partition.cursor().state = reset;
        assert!(partition.unresolvable(epoch));
    }

    #[test]
    fn what_is_paused_gives_its_room_back_whatever_its_state() {
        let partition = partition();
        partition.hold(100);
        for (before, after) in [
            (State::At(9), State::At(5)),
            (State::Halted, State::At(5)),
            (State::Validating(9), State::Unvalidated(5)),
            (State::Unresolved(Origin::Reset { from: 9 }), State::At(5)),
        ] {
            partition.cursor().state = before;
            assert!(!partition.rewind(), "it is being handed out");
            partition.pause();
            let epoch = partition.cursor().epoch;
            assert!(partition.rewind());
            assert_eq!(partition.cursor().state, after);
            assert_eq!(partition.cursor().epoch, epoch + 1);
            assert!(!partition.rewind(), "once is enough");
            partition.resume();
        }
        partition.release(100);
        partition.pause();
        assert!(!partition.rewind(), "it has nothing");
    }

    #[test]
    fn what_nobody_takes_is_dropped_without_the_lock() {
        let partition = partition();
        partition.divert(tokio::sync::mpsc::unbounded_channel().0);
        let lane = Lane::new(1);
        partition.move_to(&lane);
        let loan = Arc::new(Budget::default()).lend(0);
        let charge = Charge::new(loan, partition.clone(), 100);
        assert!(partition.awaits_relief(Relief::Decode, 50));
        let item = Delivery::Skip(7);
        let charge = Some(charge);
        let chunk = Chunk { partition: partition.clone(), epoch: 1, from: 0, item, charge };
        assert!(!partition.send(vec![chunk]));
        assert_eq!(partition.held(), 0);
    }

    #[test]
    fn no_broker_overtakes_another() {
        let partition = partition();
        let now = Instant::now();
        partition.cursor().deliver(1);
        assert_eq!(wanted(&partition, 1, now), Some(5));
        assert_eq!(wanted(&partition, 2, now), None);
    }

    #[test]
    fn a_failed_partition_waits_and_comes_back() {
        let partition = partition();
        let now = Instant::now();
        let backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(9) };
        assert_eq!(wanted(&partition, 1, now), Some(5));
        partition.cursor().failed(now, backoff);
        assert_eq!(wanted(&partition, 1, now), None);
        assert_eq!(wanted(&partition, 1, now + Duration::from_secs(2)), Some(5));
        partition.cursor().succeeded();
        assert_eq!(wanted(&partition, 1, now), Some(5));
    }

    #[test]
    fn lag_needs_both_ends() {
        let partition = partition();
        assert_eq!(partition.lag(), None);
        partition.set_end(12);
        assert_eq!(partition.lag(), Some(7));
        partition.advance(12);
        assert_eq!(partition.lag(), Some(0));
    }
}
