//! Looks up offsets: the ends of the log, or by time.

use std::sync::Arc;

use super::sealed::{Context, Run};
use super::{FoundOffset, Results, Running, setters};
use crate::cluster::{EARLIEST, LATEST, MAX_TIMESTAMP, list_offsets};
use crate::types::{IsolationLevel, Timestamp, TopicPartition};

/// Which offset to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The oldest record that is still there.
    Earliest,
    /// Behind the newest record; with [`IsolationLevel::ReadCommitted`], behind the newest that is
    /// decided.
    Latest,
    /// The first record that is not older.
    Timestamp(Timestamp),
    /// The record with the highest timestamp (KIP-734). Needs Kafka 3.0.
    MaxTimestamp,
}

/// Looks up offsets: see [`Client::list_offsets`](crate::Client::list_offsets).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListOffsets {
    questions: Vec<(TopicPartition, OffsetSpec)>,
    isolation: IsolationLevel,
}

impl ListOffsets {
    /// Looks up one offset in each of these partitions.
    pub fn new<T: Into<Arc<str>>>(
        partitions: impl IntoIterator<Item = (T, i32, OffsetSpec)>,
    ) -> Self {
        let questions = partitions
            .into_iter()
            .map(|(topic, partition, spec)| (TopicPartition::new(topic, partition), spec))
            .collect();
        Self { questions, isolation: IsolationLevel::default() }
    }
}

setters!(ListOffsets {
    /// Whether [`OffsetSpec::Latest`] stops before open transactions. Default: no.
    isolation: IsolationLevel => |this, value| this.isolation = value;
});

impl Run for ListOffsets {
    type Output = Results<TopicPartition, FoundOffset>;

    fn run(self, Context(cluster): Context) -> Running<Self::Output> {
        Box::pin(async move {
            let mut topics: Vec<_> =
                self.questions.iter().map(|(at, _)| at.topic.clone()).collect();
            topics.sort();
            topics.dedup();
            let _interest = cluster.track(&topics);
            let deadline = cluster.deadline();
            for topic in &topics {
                cluster.topic(topic, deadline).await?;
            }
            let questions = self.questions.into_iter().map(|(at, spec)| {
                let timestamp = match spec {
                    OffsetSpec::Earliest => EARLIEST,
                    OffsetSpec::Latest => LATEST,
                    OffsetSpec::Timestamp(timestamp) => timestamp.as_millis(),
                    OffsetSpec::MaxTimestamp => MAX_TIMESTAMP,
                };
                (at, timestamp)
            });
            let questions = questions.collect();
            Ok(Results::new(list_offsets(&cluster, questions, self.isolation, deadline).await))
        })
    }
}
