//! The engine of a reader: follows the metadata, has looked up where partitions start, and keeps a
//! fetch loop for each broker that leads any of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::broker::{self, Context, Lane};
use super::lookup::{self, Lookup};
use super::partition::{Partition, State};
use super::{Event, Shared};
use crate::cluster::Metadata;
use crate::error::{Error, ErrorKind};
use crate::protocol::ErrorCode;
use crate::task::{self, Task};
use crate::types::{Start, TopicPartition};

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

    /// Runs until the reader is dropped.
    pub(super) async fn run(mut self) {
        let mut watch = self.context.cluster.watch();
        let engine = self.context.engine.clone();
        loop {
            let metadata = watch.borrow_and_update().clone();
            self.follow(&metadata);
            let retry = self.look_up(Instant::now());
            tokio::select! {
                changed = watch.changed() => if changed.is_err() { return },
                () = engine.notified() => {}
                () = sleep_or_never(retry) => {}
                Some(()) = self.lookups.next() => self.wake_loops(),
                Some(ended) = self.loops.next() => {
                    let error = Error::new(ErrorKind::Internal, "reader: a fetch loop ended");
                    let _ = self.context.events.send(Event::Error(match ended {
                        Ok(()) => error,
                        Err(failed) => error.with_source(failed),
                    }));
                    return;
                }
            }
        }
    }

    /// Takes over new partitions and new leaders.
    fn follow(&mut self, metadata: &Metadata) {
        self.shared.follow(&mut self.shared.selection());
        let mut by_leader = BTreeMap::<i32, Vec<Arc<Partition>>>::new();
        for partition in self.shared.partitions() {
            let Some(topic) = metadata.topics.get(&partition.at.topic) else {
                continue;
            };
            if topic.error == ErrorCode::NONE && recreated(&partition, topic.id) {
                self.shared.version.fetch_add(1, Ordering::AcqRel);
            }
            let Some(known) = topic.partition(partition.at.partition) else {
                continue;
            };
            let mut cursor = partition.cursor();
            if cursor.leader != known.leader || cursor.leader_epoch != known.leader_epoch {
                (cursor.leader, cursor.leader_epoch) = (known.leader, known.leader_epoch);
                // A new leader gets its chance at once.
                cursor.succeeded();
                if let State::Resolving(origin) = cursor.state {
                    cursor.state = State::Unresolved(origin);
                }
            }
            drop(cursor);
            if let Some(leader) = known.leader {
                by_leader.entry(leader).or_default().push(partition);
            }
        }
        let brokers = by_leader.len().max(1);
        for (broker, lane) in &self.lanes {
            if !by_leader.contains_key(broker) {
                lane.assign(Vec::new(), 0);
            }
        }
        for (broker, partitions) in by_leader {
            let lane = self.lanes.entry(broker).or_insert_with(|| {
                let lane = Lane::new(broker);
                self.loops.push(task::spawn(broker::run(self.context.clone(), lane.clone())));
                lane
            });
            lane.assign(partitions, self.context.config.buffer_bytes / brokers);
        }
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
            if !cursor.is_due(now) {
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

    fn wake_loops(&self) {
        for lane in self.lanes.values() {
            lane.budget.wake.notify_one();
        }
    }
}

async fn sleep_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// A topic that was deleted and created again has another id. Offsets of the old one mean nothing
/// in it: it is read from its beginning.
fn recreated(partition: &Partition, id: crate::wire::Uuid) -> bool {
    let mut cursor = partition.cursor();
    if cursor.topic_id == id || id.is_nil() {
        return false;
    }
    let known = !cursor.topic_id.is_nil();
    cursor.topic_id = id;
    drop(cursor);
    if known {
        let TopicPartition { topic, .. } = &partition.at;
        tracing::warn!(%topic, "topic was created anew; reading it from the beginning");
        partition.seek(Start::Earliest);
    }
    known
}
