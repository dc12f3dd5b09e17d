//! The engine of a reader: follows the metadata, has looked up where partitions start, and keeps a
//! fetch loop for each broker that leads any of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::broker::{self, Context, sleep_or_never};
use super::cursor::{Origin, State};
use super::events::ReaderEvent;
use super::lane::Lane;
use super::lookup::{self, Lookup};
use super::partition::{Check, Partition};
use super::validate;
use super::{OutOfRange, Shared};
use crate::cluster::Metadata;
use crate::error::{Error, ErrorKind};
use crate::protocol::ErrorCode;
use crate::task::Task;
use crate::types::Start;
use crate::wire::Uuid;

pub(super) struct Engine {
    shared: Arc<Shared>,
    context: Context,
    lanes: BTreeMap<i32, Arc<Lane>>,
    /// The fetch loops. They end only when the reader does, or in a panic.
    loops: FuturesUnordered<Task<()>>,
    lookups: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Engine {
    pub(super) fn new(shared: Arc<Shared>, context: Context) -> Self {
        Self {
            shared,
            context,
            lanes: BTreeMap::new(),
            loops: FuturesUnordered::new(),
            lookups: FuturesUnordered::new(),
        }
    }

    /// Runs until the reader is closed or dropped.
    pub(super) async fn run(mut self) {
        let mut watch = self.context.cluster.watch();
        let engine = self.context.engine.clone();
        loop {
            if self.shared.is_closed() {
                for fetching in std::mem::take(&mut self.loops) {
                    fetching.stop().await;
                }
                return;
            }
            let now = Instant::now();
            let metadata = watch.borrow_and_update().clone();
            let retries = [self.follow(&metadata, now), self.look_up(now), self.validate(now)];
            let retry = retries.into_iter().flatten().min();
            tokio::select! {
                changed = watch.changed() => if changed.is_err() { return },
                () = engine.notified() => {}
                () = sleep_or_never(retry) => {}
                Some(()) = self.lookups.next() => {}
                Some(ended) = self.loops.next() => {
                    let error = Error::new(ErrorKind::Internal, "reader: a fetch loop ended");
                    let _ = self.shared.failure.set(match ended {
                        Ok(()) => error,
                        Err(failed) => error.with_source(failed),
                    });
                    return;
                }
            }
        }
    }

    /// Takes over new partitions and new leaders. Returns when to look again.
    fn follow(&mut self, metadata: &Metadata, now: Instant) -> Option<Instant> {
        self.shared.follow(&mut self.shared.selection());
        let mut by_broker = BTreeMap::<i32, Vec<Arc<Partition>>>::new();
        let mut retry: Option<Instant> = None;
        for partition in self.shared.partitions() {
            let Some(topic) = metadata.topics.get(&partition.at.topic) else {
                continue;
            };
            if topic.error == ErrorCode::NONE {
                self.recreated(&partition, topic.id);
            }
            let Some(known) = topic.partition(partition.at.partition) else {
                continue;
            };
            let mut cursor = partition.cursor();
            if cursor.leader != known.leader || cursor.leader_epoch != known.leader_epoch {
                cursor.lead(known.leader, known.leader_epoch);
                partition.touch_in(&mut cursor);
            }
            // A follower for a while, unless it has gone.
            let is_there =
                |(id, until): &(i32, Instant)| *until > now && metadata.brokers.contains_key(id);
            cursor.replica = cursor.replica.filter(is_there);
            let replica = cursor.replica;
            drop(cursor);
            retry = retry.into_iter().chain(replica.map(|(_, until)| until)).min();
            if let Some(broker) = replica.map(|(id, _)| id).or(known.leader) {
                by_broker.entry(broker).or_default().push(partition);
            }
        }
        let brokers = by_broker.len().max(1);
        for (broker, lane) in &self.lanes {
            if !by_broker.contains_key(broker) {
                lane.assign(Vec::new(), 0);
            }
        }
        for (broker, partitions) in by_broker {
            let lane = self.lanes.entry(broker).or_insert_with(|| {
                let lane = Lane::new(broker);
                self.loops.push(broker::start(self.context.clone(), lane.clone()));
                lane
            });
            lane.assign(partitions, self.context.config.buffer_bytes / brokers);
        }
        retry
    }

    /// A topic that was deleted and created again has another id. Offsets of the old one mean
    /// nothing in it: it is read from its beginning.
    fn recreated(&self, partition: &Arc<Partition>, id: Uuid) {
        let mut cursor = partition.cursor();
        if cursor.topic_id == id || id.is_nil() {
            return;
        }
        let known = !cursor.topic_id.is_nil();
        cursor.topic_id = id;
        // Its epochs begin anew.
        cursor.leader_epoch = -1;
        if !known {
            partition.touch_in(&mut cursor);
            return;
        }
        partition.seek_in(&mut cursor, Start::Earliest);
        // An end that was given or found for the old one means nothing in the new one either.
        let is_bounded = partition.limit < i64::MAX;
        let halts = is_bounded || self.context.config.out_of_range == OutOfRange::Error;
        if halts {
            cursor.state = State::Halted;
        }
        let epoch = cursor.epoch;
        drop(cursor);
        let goes = if halts { "it waits for a seek" } else { "it is read from the beginning" };
        let at = &partition.at;
        let text = format!("{at}: the topic was deleted and created again; {goes}");
        tracing::warn!("{text}");
        partition.fail(epoch, Error::new(ErrorKind::DataLoss, text));
        self.shared.listeners.tell(&ReaderEvent::Recreated(at.clone()));
        self.shared.wake(partition);
    }

    /// Starts to look up the cursors that need it, one request per leader: a leader that does not
    /// answer delays its own partitions only. Returns when to look again.
    fn look_up(&mut self, now: Instant) -> Option<Instant> {
        let mut by_leader = BTreeMap::<i32, Vec<Lookup>>::new();
        let mut retry: Option<Instant> = None;
        for partition in self.shared.partitions() {
            let mut cursor = partition.cursor();
            let (Some(leader), State::Unresolved(origin)) = (cursor.leader, cursor.state) else {
                continue;
            };
            // Where a reset leads comes behind what was fetched before.
            let is_reset = matches!(origin, Origin::Reset { .. });
            if !cursor.is_due(now) || (is_reset && !cursor.is_delivered()) {
                retry = retry.into_iter().chain(cursor.retry_at()).min();
                continue;
            }
            cursor.state = State::Resolving(origin);
            let lookup = Lookup { partition: partition.clone(), epoch: cursor.epoch, origin };
            by_leader.entry(leader).or_default().push(lookup);
        }
        for (leader, lookups) in by_leader {
            self.lookups.push(Box::pin(lookup::resolve(self.context.clone(), leader, lookups)));
        }
        retry
    }

    /// Starts to validate the cursors that need it, one request per leader. Returns when to look
    /// again.
    fn validate(&mut self, now: Instant) -> Option<Instant> {
        let mut by_leader = BTreeMap::<i32, Vec<Check>>::new();
        let mut retry: Option<Instant> = None;
        for partition in self.shared.partitions() {
            let mut cursor = partition.cursor();
            let (Some(leader), State::Unvalidated(offset)) = (cursor.leader, cursor.state) else {
                continue;
            };
            // What was fetched from the old leader comes first.
            if !cursor.is_due(now) || !cursor.is_delivered() {
                retry = retry.into_iter().chain(cursor.retry_at()).min();
                continue;
            }
            cursor.state = State::Validating(offset);
            let check = Check {
                epoch: cursor.epoch,
                offset,
                last_epoch: cursor.last_epoch,
                leader_epoch: cursor.leader_epoch,
                partition: partition.clone(),
            };
            by_leader.entry(leader).or_default().push(check);
        }
        for (leader, checks) in by_leader {
            self.lookups.push(Box::pin(validate::ask(self.context.clone(), leader, checks)));
        }
        retry
    }
}
