//! The engine of a reader: follows the metadata, looks up where partitions start, and keeps a
//! fetch loop for each broker that leads any of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::broker::{self, Context, Lane};
use super::partition::{Partition, State};
use super::{Event, Shared};
use crate::cluster::{EARLIEST, LATEST, Metadata, list_offsets};
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
            self.look_up();
            tokio::select! {
                changed = watch.changed() => if changed.is_err() { return },
                () = engine.notified() => {}
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
        self.shared.add_partitions(metadata);
        let mut by_leader = BTreeMap::<i32, Vec<Arc<Partition>>>::new();
        for partition in self.shared.partitions() {
            let Some(topic) = metadata.topics.get(&partition.at.topic) else {
                continue;
            };
            if topic.error == ErrorCode::NONE {
                recreated(&partition, topic.id);
            }
            let Some(known) = topic.partition(partition.at.partition) else {
                continue;
            };
            let mut cursor = partition.cursor();
            if cursor.leader != known.leader || cursor.leader_epoch != known.leader_epoch {
                (cursor.leader, cursor.leader_epoch) = (known.leader, known.leader_epoch);
                // A new leader gets its chance at once.
                cursor.succeeded();
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
    /// answer delays its own partitions only.
    fn look_up(&mut self) {
        let mut by_leader = BTreeMap::<i32, Vec<(Arc<Partition>, u64, Start)>>::new();
        for partition in self.shared.partitions() {
            let mut cursor = partition.cursor();
            let (Some(leader), State::Unresolved(start)) = (cursor.leader, cursor.state) else {
                continue;
            };
            cursor.state = State::Resolving(start);
            let entry = (partition.clone(), cursor.epoch, start);
            by_leader.entry(leader).or_default().push(entry);
        }
        for work in by_leader.into_values() {
            self.lookups.push(Box::pin(resolve(self.context.clone(), work)));
        }
    }

    fn wake_loops(&self) {
        for lane in self.lanes.values() {
            lane.budget.wake.notify_one();
        }
    }
}

/// Looks up the starts of partitions of one leader.
async fn resolve(context: Context, work: Vec<(Arc<Partition>, u64, Start)>) {
    let questions = work.iter().map(|(partition, _, start)| {
        let timestamp = match start {
            Start::Latest => LATEST,
            Start::Timestamp(timestamp) => timestamp.as_millis(),
            Start::Earliest | Start::Offset(_) => EARLIEST,
        };
        (partition.at.clone(), timestamp)
    });
    let (cluster, isolation) = (&context.cluster, context.config.isolation);
    let answers = list_offsets(cluster, questions.collect(), isolation, cluster.deadline()).await;
    let mut past_the_end = Vec::new();
    for (partition, epoch, start) in work {
        let answer = answers.iter().find(|(at, _)| *at == partition.at).map(|(_, answer)| answer);
        match answer {
            Some(Ok(found)) => match found.offset {
                Some(offset) => partition.resolved(epoch, offset),
                // No record is that new: begin with the next one that is written.
                None => past_the_end.push((partition, epoch)),
            },
            Some(Err(error)) if error.is_retriable() => retry(&partition, epoch, start),
            Some(Err(error)) => {
                partition.halt(epoch);
                let _ = context.events.send(Event::Error(error.clone()));
            }
            None => retry(&partition, epoch, start),
        }
    }
    if !past_the_end.is_empty() {
        let work = past_the_end.into_iter().map(|(p, epoch)| (p, epoch, Start::Latest)).collect();
        Box::pin(resolve(context, work)).await;
    }
}

fn retry(partition: &Partition, epoch: u64, start: Start) {
    let mut cursor = partition.cursor();
    if cursor.epoch == epoch {
        cursor.state = State::Unresolved(start);
    }
}

/// A topic that was deleted and created again has another id. Offsets of the old one mean nothing
/// in it: it is read from its beginning.
fn recreated(partition: &Partition, id: crate::wire::Uuid) {
    let mut cursor = partition.cursor();
    if cursor.topic_id == id || id.is_nil() {
        return;
    }
    let known = !cursor.topic_id.is_nil();
    cursor.topic_id = id;
    drop(cursor);
    if known {
        let TopicPartition { topic, .. } = &partition.at;
        tracing::warn!(%topic, "topic was created anew; reading it from the beginning");
        partition.seek(Start::Earliest);
    }
}
