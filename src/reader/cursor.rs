//! Where a partition is fetched next, and from whom: the engine's side of it, under one lock. Decisions
//! only: no I/O, and time is an argument.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::Chunks;
use super::lane::Lane;
use super::partition::Check;
use crate::cluster::Backoff;
use crate::types::Start;
use crate::wire::Uuid;

/// The engine's side.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Bumped by every seek. Data carries the epoch it was fetched in, and is dropped in a later.
    pub(super) epoch: u64,
    pub(super) state: State,
    pub(super) topic_id: Uuid,
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    /// That of the leader that wrote what comes before the next fetch; -1 while it is not known.
    pub(super) last_epoch: i32,
    /// A follower to fetch from, and until when.
    pub(super) replica: Option<(i32, Instant)>,
    /// No follower until then: one has failed.
    pub(super) leader_only: Option<Instant>,
    /// The broker whose data is on its way to the reader, and in how many pieces. No other broker
    /// may be asked meanwhile, or newer messages would overtake it.
    pub(super) delivering: Option<(i32, usize)>,
    /// Whether its data has a channel of its own, and so a limit of its own.
    pub(super) diverted: bool,
    /// Where what is fetched goes.
    pub(super) outlet: UnboundedSender<Chunks>,
    /// Who fetches it, and whether it has been told that something has changed.
    pub(super) lane: Weak<Lane>,
    pub(super) touched: bool,
    /// Where the last seek led; -1 while that is not known.
    pub(super) sought: i64,
    failures: u32,
    retry_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Where to go on has to be looked up at the leader.
    Unresolved(Origin),
    /// It is being looked up.
    Resolving(Origin),
    /// This offset is fetched next.
    At(i64),
    /// As `At`, once the new leader has said that it has what was read so far.
    Unvalidated(i64),
    Validating(i64),
    /// An error was delivered; only a seek goes on from here.
    Halted,
}

/// Why an offset has to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was asked for.
    Start(Start),
    /// The log does not have this offset any more: what then is a setting.
    Reset { from: i64 },
}

impl Cursor {
    pub(super) fn new(start: Start, topic_id: Uuid, outlet: UnboundedSender<Chunks>) -> Self {
        let (state, sought) = begin(start);
        Self {
            epoch: 1,
            state,
            topic_id,
            leader: None,
            leader_epoch: -1,
            last_epoch: -1,
            replica: None,
            leader_only: None,
            delivering: None,
            diverted: false,
            outlet,
            lane: Weak::new(),
            touched: false,
            sought,
            failures: 0,
            retry_at: None,
        }
    }

    /// Starts anew, there.
    pub(super) fn seek(&mut self, start: Start) {
        self.epoch += 1;
        self.succeeded();
        (self.state, self.sought) = begin(start);
        self.last_epoch = -1;
    }

    /// Whether nothing from another broker is on its way to the reader.
    pub(super) fn may_come_from(&self, broker: i32) -> bool {
        self.delivering.is_none_or(|(other, _)| other == broker)
    }

    /// Another leader, or the same one anew: it gets its chance at once. It may not have what was
    /// read before.
    pub(super) fn lead(&mut self, leader: Option<i32>, epoch: i32) {
        let is_newer = epoch > self.leader_epoch;
        (self.leader, self.leader_epoch, self.replica) = (leader, epoch, None);
        self.succeeded();
        self.state = match self.state {
            State::Resolving(origin) => State::Unresolved(origin),
            State::Validating(offset) => State::Unvalidated(offset),
            State::At(offset) if is_newer && self.last_epoch >= 0 => State::Unvalidated(offset),
            state => state,
        };
    }

    /// Whether the answer to that is still waited for, and from this leader.
    pub(super) fn is_validating(&self, check: &Check) -> bool {
        matches!(self.state, State::Validating(_))
            && (self.epoch, self.leader_epoch) == (check.epoch, check.leader_epoch)
    }

    /// What this broker sent goes to the reader.
    pub(super) fn deliver(&mut self, broker: i32) {
        let count = self.delivering.map_or(0, |(_, count)| count);
        self.delivering = Some((broker, count + 1));
    }

    /// Whether all that was fetched has gone to the reader.
    pub(super) fn is_delivered(&self) -> bool {
        self.delivering.is_none()
    }

    pub(super) fn is_in(&self, lane: &Arc<Lane>) -> bool {
        std::ptr::eq(self.lane.as_ptr(), Arc::as_ptr(lane))
    }

    /// The lane has looked at it.
    pub(super) fn looked_at(&mut self, lane: &Arc<Lane>) {
        if self.is_in(lane) {
            self.touched = false;
        }
    }

    /// Back to the leader, because a follower has failed.
    pub(super) fn leave_replica(&mut self, until: Instant) {
        self.replica = None;
        self.leader_only = Some(until);
        self.succeeded();
    }

    /// Whether it does not wait after a failure.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    /// When to look again at a partition that waits after a failure.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }

    /// Takes the partition out of the fetches for a while. The jitter is drawn once for all that
    /// fail together: a thousand partitions that came back one by one would be looked through a
    /// thousand times.
    pub(super) fn failed(&mut self, now: Instant, backoff: Backoff) {
        self.failures += 1;
        self.retry_at = Some(now + backoff.exactly(self.failures));
    }
}

/// The state of a cursor that begins there, and the offset if it is known.
fn begin(start: Start) -> (State, i64) {
    match start.fixed() {
        Start::Offset(offset) => (State::At(offset), offset),
        start => (State::Unresolved(Origin::Start(start)), -1),
    }
}
