//! Looks up offsets: the ends of the log, or by time.

use std::sync::Arc;

use super::sealed::{Context, Run};
use super::{FoundOffset, Results, Running, setters};
use crate::cluster::{EARLIEST, LATEST, MAX_TIMESTAMP, list_offsets};
use crate::error::Error;
use crate::protocol::ErrorCode;
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

impl OffsetSpec {
    /// How the protocol says it.
    fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST,
            Self::Latest => LATEST,
            Self::Timestamp(timestamp) => timestamp.as_millis(),
            Self::MaxTimestamp => MAX_TIMESTAMP,
        }
    }
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
            let mut attempts = cluster.attempts(deadline);
            while !topics.iter().all(|topic| cluster.metadata().topics.contains_key(topic)) {
                let what = || "list offsets".to_owned();
                match attempts.run(what, cluster.refreshed()).await {
                    Ok(()) => break,
                    Err(error) => attempts.next(error).await?,
                }
            }
            // What waiting cannot mend is told at once, and the others go on without it.
            let metadata = cluster.metadata();
            let hopeless = |at: &TopicPartition| {
                let code = metadata.topics.get(&at.topic)?.error;
                let fails = code != ErrorCode::NONE && !code.is_retriable();
                fails.then(|| Error::broker(code, format!("list offsets of {at}")))
            };
            let mut questions = Vec::new();
            let told: Vec<_> = self
                .questions
                .into_iter()
                .map(|(at, spec)| {
                    let error = hopeless(&at);
                    if error.is_none() {
                        questions.push((at.clone(), spec.timestamp()));
                    }
                    (at, error)
                })
                .collect();
            let mut found =
                list_offsets(&cluster, questions, self.isolation, deadline).await.into_iter();
            let results = told.into_iter().filter_map(|(at, error)| match error {
                Some(error) => Some((at, Err(error))),
                None => found.next(),
            });
            Ok(Results::new(results.collect()))
        })
    }
}
