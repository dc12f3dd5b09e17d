//! Which transaction is open, what stands in its way, and what its coordinator is to be asked next.
//! Decisions only: `writer/coordinator.rs` asks.
//!
//! # Invariants
//!
//! - Nothing is committed unless every record that was accepted is acknowledged, and every call for
//!   the transaction has succeeded.
//! - Nothing is under way when a transaction ends, and no partition is added.
//! - Once a coordinator was asked for one end, it is not asked for the other, unless it has said
//!   that there will be none like that (KAFKA-17754).
//! - What may arrive late must not count for the next transaction: that has an epoch of its own. With
//!   KIP-890 each has, else where an answer is missing.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use super::{Accumulator, Expired, State, Wakes, touch};
use crate::error::{Error, ErrorKind, Result};
use crate::types::TopicPartition;
use crate::writer::batch::At;
use crate::writer::sequence::{Identity, Producer};

/// What a writer of transactions knows of them.
#[derive(Debug)]
pub(super) struct Transactions {
    phase: Phase,
    /// Writing to a partition makes it part of the transaction (KIP-890), or a call of its own does.
    is_implicit: bool,
    /// Partitions that have records, and of which the coordinator is to be told.
    wanted: BTreeSet<At>,
    heard: Heard,
    commit: Commit,
    /// Calls by the application that have not succeeded yet.
    unsure: u32,
    /// Why it can only be aborted.
    failure: Option<Error>,
    /// Whether the next one needs another epoch first.
    is_spoiled: bool,
    /// The coordinator has not answered in time: whoever needs it next has it asked again.
    is_stalled: bool,
    waiter: Option<oneshot::Sender<Result<()>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// An id and an epoch are asked for.
    Renewing,
    /// No transaction is open.
    Idle,
    Open,
    Ending {
        /// As it was asked for; a failure makes it an abort.
        commit: bool,
    },
}

/// What brokers are to be asked.
#[derive(Debug)]
pub(in crate::writer) enum Errand {
    /// The id of a producer without transactions.
    Identify,
    /// The next epoch; who the writer was before.
    Renew(Option<Identity>),
    /// To add partitions.
    Join(Identity, Vec<(At, TopicPartition)>),
    /// To end the transaction. There is nothing to end if it has not begun.
    End(End),
}

/// How a transaction is to end.
#[derive(Clone, Copy, Debug)]
pub(in crate::writer) struct End {
    pub(in crate::writer) identity: Identity,
    pub(in crate::writer) commit: bool,
    pub(in crate::writer) is_implicit: bool,
    pub(in crate::writer) heard: Heard,
    /// A commit was asked for before, and perhaps done.
    pub(in crate::writer) is_repeated: bool,
}

/// Whether the coordinator was asked to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// No, or it has refused.
    Undecided,
    /// From now on, no failure makes an abort of it.
    Asked,
    /// Asked before, and not answered.
    Unanswered,
}

/// What the coordinator has heard of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::writer) enum Heard {
    Nothing,
    Perhaps,
    /// Something of it has succeeded.
    Surely,
}

/// Tells who waits, outside of the lock.
#[derive(Debug, Default)]
#[must_use = "somebody waits for it"]
pub(in crate::writer) struct Told(Option<(oneshot::Sender<Result<()>>, Result<()>)>);

impl Told {
    pub(in crate::writer) fn tell(self) {
        if let Some((waiter, result)) = self.0 {
            // Who has given up waiting needs no answer.
            let _ = waiter.send(result);
        }
    }
}

impl Transactions {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Renewing,
            is_implicit: false,
            wanted: BTreeSet::new(),
            heard: Heard::Nothing,
            commit: Commit::Undecided,
            unsure: 0,
            failure: None,
            is_spoiled: false,
            is_stalled: false,
            waiter: None,
        }
    }

    /// Why no record is accepted.
    pub(super) fn check_open(&self) -> Result<()> {
        match (&self.failure, self.phase) {
            (Some(failure), _) => Err(must_abort(failure)),
            (None, Phase::Open) => Ok(()),
            (None, _) => Err(Error::new(ErrorKind::Aborted, "transaction: it is over")),
        }
    }

    /// Whether nothing is sent any more.
    fn gives_up(&self) -> bool {
        self.failure.is_some() || self.phase == Phase::Ending { commit: false }
    }

    /// What those are told whose records are given up.
    fn given_up(&self) -> Error {
        match &self.failure {
            Some(failure) => must_abort(failure),
            None => Error::new(ErrorKind::Aborted, "transaction: it was aborted"),
        }
    }

    /// What the writer's end means for who waits.
    pub(super) fn end(&mut self, error: &Error) -> Told {
        let is_unknown = self.commit != Commit::Undecided;
        self.tell(Err(if is_unknown { error.clone().ambiguous() } else { error.clone() }))
    }

    fn tell(&mut self, result: Result<()>) -> Told {
        Told(self.waiter.take().map(|waiter| (waiter, result)))
    }
}

/// What those are told who come after a failure.
fn must_abort(failure: &Error) -> Error {
    let text = format!("transaction: has to be aborted, for it has failed: {failure}");
    Error::new(ErrorKind::Aborted, text).with_source(failure.clone())
}

impl Accumulator {
    /// What is to be asked now.
    pub(in crate::writer) fn errand(&mut self) -> Option<Errand> {
        if matches!(self.state, State::Failed(_)) {
            return None;
        }
        let is_quiet = self.transactions.is_some() && self.is_quiet();
        let Some(it) = &mut self.transactions else {
            return self.wants_identity().then_some(Errand::Identify);
        };
        if it.is_stalled {
            return None;
        }
        let known = match self.producer {
            Producer::Known(identity) => Some(identity),
            _ => None,
        };
        if it.phase == Phase::Renewing {
            return Some(Errand::Renew(known));
        }
        let identity = known?;
        match it.phase {
            Phase::Ending { commit } if is_quiet => {
                if it.unsure > 0 {
                    it.is_spoiled |= !it.is_implicit;
                    let text = "transaction: sending offsets was not finished";
                    it.failure.get_or_insert_with(|| Error::new(ErrorKind::Aborted, text));
                }
                let commit = commit && it.failure.is_none();
                if commit && it.commit == Commit::Undecided && it.heard > Heard::Nothing {
                    it.commit = Commit::Asked;
                }
                Some(Errand::End(End {
                    identity,
                    commit,
                    is_implicit: it.is_implicit,
                    heard: it.heard,
                    is_repeated: it.commit == Commit::Unanswered,
                }))
            }
            Phase::Open | Phase::Ending { .. } if !it.wanted.is_empty() && !it.gives_up() => {
                let named = it.wanted.iter().filter_map(|at| {
                    let topic = self.topics.get(at.topic)?.name.clone();
                    let partition = i32::try_from(at.partition).ok()?;
                    Some((*at, TopicPartition { topic, partition }))
                });
                Some(Errand::Join(identity, named.collect()))
            }
            _ => None,
        }
    }

    /// Whether nothing is under way, and nothing waits.
    fn is_quiet(&self) -> bool {
        let mut partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.all(|it| it.in_flight.is_empty() && it.closed.is_empty() && it.open.is_none())
    }

    /// Who writes, unless nothing may be written any more.
    pub(in crate::writer) fn transaction(&self) -> Result<(Identity, bool)> {
        self.check_open()?;
        match (&self.transactions, &self.producer) {
            (Some(it), Producer::Known(identity)) => Ok((*identity, it.is_implicit)),
            _ => Err(Error::new(ErrorKind::Internal, "writer: it has no transactions")),
        }
    }

    /// The coordinator is about to be told of partitions, unless nobody needs them any more.
    pub(in crate::writer) fn joins(&mut self) -> Result<()> {
        self.check_alive()?;
        if let Some(it) = self.transactions.as_ref().filter(|it| it.gives_up()) {
            return Err(it.given_up());
        }
        self.has_begun();
        Ok(())
    }

    /// Whether batches belong to transactions, and need a call to be part of one.
    pub(in crate::writer) fn is_transactional(&self) -> Option<bool> {
        self.transactions.as_ref().map(|it| it.is_implicit)
    }

    /// Makes ready for the next transaction; if that takes a while, a channel that tells when to
    /// look again.
    pub(in crate::writer) fn settle(&mut self) -> Result<Option<oneshot::Receiver<Result<()>>>> {
        self.check_alive()?;
        let Some(it) = &mut self.transactions else { return Ok(None) };
        match it.phase {
            Phase::Idle if it.is_spoiled => it.phase = Phase::Renewing,
            Phase::Idle => return Ok(None),
            // It was leaked.
            Phase::Open => it.phase = Phase::Ending { commit: false },
            Phase::Renewing | Phase::Ending { .. } => {}
        }
        let (waiter, told) = oneshot::channel();
        (it.waiter, it.is_stalled) = (Some(waiter), false);
        self.engine.notify_one();
        Ok(Some(told))
    }

    /// Opens a transaction, if it may begin.
    pub(in crate::writer) fn open(&mut self) -> Result<bool> {
        self.check_alive()?;
        let is_ready = |it: &&mut Transactions| it.phase == Phase::Idle && !it.is_spoiled;
        let Some(it) = self.transactions.as_mut().filter(is_ready) else {
            return Ok(false);
        };
        it.phase = Phase::Open;
        (it.heard, it.commit) = (Heard::Nothing, Commit::Undecided);
        (it.unsure, it.failure) = (0, None);
        it.wanted.clear();
        self.limits.joins = !it.is_implicit;
        self.limits.in_flight = self.numbered;
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.joined = false;
        }
        Ok(true)
    }

    /// The transaction is to end, and how; the channel tells how it did.
    pub(in crate::writer) fn decide(
        &mut self,
        commit: bool,
    ) -> Result<(oneshot::Receiver<Result<()>>, Wakes)> {
        self.check_alive()?;
        let (waiter, told) = oneshot::channel();
        if let Some(it) = self.transactions.as_mut().filter(|it| it.phase == Phase::Open) {
            it.phase = Phase::Ending { commit };
            it.waiter = Some(waiter);
        }
        if !commit {
            self.limits.in_flight = 0;
        }
        let (_, wakes) = self.flush();
        self.engine.notify_one();
        Ok((told, wakes))
    }

    /// The transaction can only be aborted from now on. What waits is given up by
    /// [`abandon`](Self::abandon).
    pub(in crate::writer) fn fail_transaction(&mut self, error: &Error) {
        let Some(it) = &mut self.transactions else { return };
        it.is_spoiled |= !it.is_implicit;
        let is_undecided = it.commit == Commit::Undecided;
        if is_undecided && matches!(it.phase, Phase::Open | Phase::Ending { .. }) {
            it.failure.get_or_insert_with(|| error.clone());
            self.limits.in_flight = 0;
            self.engine.notify_one();
        }
    }

    /// Takes out what will not be sent any more.
    pub(in crate::writer) fn abandon(&mut self) -> Expired {
        let mut given_up = Expired::default();
        let Some(it) = self.transactions.as_mut().filter(|it| it.gives_up()) else {
            return given_up;
        };
        let error = it.given_up();
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            let waiting = partition.closed.drain(..).chain(partition.open.take());
            given_up.waiting.extend(waiting.map(|batch| (batch, error.clone())));
        }
        // There will be a gap in the numbers.
        let is_gap = given_up.waiting.iter().any(|(batch, _)| batch.is_numbered());
        it.is_spoiled |= is_gap && !it.is_implicit;
        given_up
    }

    /// Why a batch that has come back is not sent again.
    pub(super) fn is_given_up(&mut self) -> Option<Error> {
        if let State::Failed(error) = &self.state {
            return Some(error.clone());
        }
        let it = self.transactions.as_mut().filter(|it| it.gives_up())?;
        it.is_spoiled |= !it.is_implicit;
        Some(it.given_up())
    }

    /// A partition has got records.
    pub(super) fn wants_to_join(&mut self, at: At) {
        if let Some(it) = self.transactions.as_mut().filter(|_| self.limits.joins) {
            it.wanted.insert(at);
            self.engine.notify_one();
        }
    }

    /// Something was sent.
    pub(super) fn has_begun(&mut self) {
        if let Some(it) = &mut self.transactions {
            it.heard = it.heard.max(Heard::Perhaps);
        }
    }

    /// Something has come back: perhaps the transaction can end.
    pub(super) fn has_landed(&mut self, written: bool) {
        if let Some(it) = &mut self.transactions {
            if written {
                it.heard = Heard::Surely;
            }
            if matches!(it.phase, Phase::Ending { .. }) {
                self.engine.notify_one();
            }
        }
    }

    /// A call of the application for the transaction begins. It is unsure until it has
    /// [succeeded](Self::is_sure): it may be dropped.
    pub(in crate::writer) fn is_unsure(&mut self) {
        if let Some(it) = &mut self.transactions {
            it.unsure += 1;
            it.heard = it.heard.max(Heard::Perhaps);
        }
    }

    pub(in crate::writer) fn is_sure(&mut self) {
        if let Some(it) = &mut self.transactions {
            it.unsure = it.unsure.saturating_sub(1);
            it.heard = Heard::Surely;
        }
    }

    /// Something may still be on its way to the coordinator.
    pub(in crate::writer) fn spoil(&mut self) {
        if let Some(it) = &mut self.transactions {
            it.is_spoiled |= !it.is_implicit;
        }
    }

    /// The coordinator has added partitions.
    pub(in crate::writer) fn joined(&mut self, partitions: &[(At, TopicPartition)]) -> Wakes {
        let mut wakes = Wakes::default();
        for (at, _) in partitions {
            if let Some(it) = &mut self.transactions {
                it.wanted.remove(at);
                it.heard = Heard::Surely;
            }
            if let Some(partition) = super::partition(&mut self.topics, *at) {
                partition.joined = true;
                touch(&mut self.lanes, partition, *at, &self.limits, &mut wakes);
            }
        }
        wakes
    }

    /// There is a new epoch.
    pub(in crate::writer) fn renewed(&mut self, identity: Identity, is_implicit: bool) -> Told {
        self.producer = Producer::Known(identity);
        let Some(it) = &mut self.transactions else { return Told::default() };
        (it.phase, it.is_spoiled, it.is_implicit) = (Phase::Idle, false, is_implicit);
        it.tell(Ok(()))
    }

    /// The transaction is over. `renews` if the next one needs another epoch all the same.
    pub(in crate::writer) fn ended(&mut self, next: Identity, renews: bool) -> Told {
        self.producer = Producer::Known(next);
        let Some(it) = &mut self.transactions else { return Told::default() };
        let commit = it.phase == Phase::Ending { commit: true };
        let renews = renews || it.is_spoiled;
        it.phase = if renews { Phase::Renewing } else { Phase::Idle };
        self.engine.notify_one();
        match it.failure.take().filter(|_| commit) {
            Some(failure) => {
                let text = format!("transaction: was aborted, for it has failed: {failure}");
                it.tell(Err(Error::new(ErrorKind::Aborted, text).with_source(failure)))
            }
            None => it.tell(Ok(())),
        }
    }

    /// The coordinator has said that it will not commit.
    pub(in crate::writer) fn is_refused(&mut self, error: &Error) {
        if let Some(it) = &mut self.transactions {
            it.commit = Commit::Undecided;
            it.failure.get_or_insert_with(|| error.clone());
            self.engine.notify_one();
        }
    }

    /// The coordinator has not answered in time.
    pub(in crate::writer) fn stalled(&mut self, error: Error) -> Told {
        let Some(it) = &mut self.transactions else { return Told::default() };
        it.is_stalled = true;
        if it.commit == Commit::Asked {
            it.commit = Commit::Unanswered;
        }
        it.is_spoiled |= !it.is_implicit;
        it.tell(Err(error))
    }
}
