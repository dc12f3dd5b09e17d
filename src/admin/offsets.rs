//! Offsets: where partitions begin and end, which offset belongs to a time, where the records of a
//! leader's epoch ended.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! # use kafkio::admin::topics::NewTopic;
//! # client.create_topics([NewTopic::new("orders").partitions(2)]).await?.into_result()?;
//! use kafkio::admin::offsets::OffsetSpec;
//!
//! let ends = client.list_offsets([0, 1].map(|id| ("orders", id, OffsetSpec::Latest))).await?;
//! for (partition, found) in ends.into_result()? {
//!     println!("{partition} ends at {:?}", found.offset);
//! }
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use tokio::time::Instant;

use super::sealed::{Context, Run};
use super::{PerItem, Results, Running, by_topic, each_partition, setters};
pub use crate::cluster::FoundOffset;
use crate::cluster::{
    Answers, At, Cluster, EARLIEST, LATEST, MAX_TIMESTAMP, Split, Target, found_offset,
    list_offsets_request, split,
};
use crate::error::{Error, Result};
use crate::protocol::messages::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use crate::protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopic,
};
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
    /// The first record that is not older. A time before 1970 is refused.
    Timestamp(Timestamp),
    /// The record with the highest timestamp (KIP-734). Needs Kafka 3.0.
    MaxTimestamp,
    /// The oldest record on the leader's own disk; older ones are in tiered storage (KIP-405).
    /// Needs Kafka 3.5.
    EarliestLocal,
    /// The newest record in tiered storage (KIP-1005); none where there is nothing. Needs Kafka
    /// 3.9.
    LatestTiered,
    /// The oldest record that is yet to be copied to tiered storage (KIP-1023). Needs Kafka 4.2.
    EarliestPendingUpload,
}

impl OffsetSpec {
    /// How the protocol says it.
    fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST,
            Self::Latest => LATEST,
            Self::Timestamp(timestamp) => timestamp.as_millis(),
            Self::MaxTimestamp => MAX_TIMESTAMP,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::EarliestPendingUpload => -6,
        }
    }

    /// The version of the request that it needs, which others would take for a time, and why.
    fn needs(self) -> Option<(i16, &'static str)> {
        match self {
            Self::Earliest | Self::Latest | Self::Timestamp(_) => None,
            Self::MaxTimestamp => Some((7, "OffsetSpec::MaxTimestamp")),
            Self::EarliestLocal => Some((8, "OffsetSpec::EarliestLocal")),
            Self::LatestTiered => Some((9, "OffsetSpec::LatestTiered")),
            Self::EarliestPendingUpload => Some((11, "OffsetSpec::EarliestPendingUpload")),
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
    /// Looks up one offset in each of these partitions. A partition may be named many times.
    pub fn new<T: Into<Arc<str>>>(
        partitions: impl IntoIterator<Item = (T, i32, OffsetSpec)>,
    ) -> Self {
        let questions = partitions
            .into_iter()
            .map(|(topic, partition, spec)| (TopicPartition::new(topic, partition), spec));
        Self::of(questions.collect())
    }

    /// The first and the last offset of each, in turn.
    pub(super) fn ends<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Self {
        let ends = [OffsetSpec::Earliest, OffsetSpec::Latest];
        let questions =
            partitions.into_iter().flat_map(|at| ends.map(|spec| (at.clone(), spec))).collect();
        Self::of(questions)
    }

    fn of(questions: Vec<(TopicPartition, OffsetSpec)>) -> Self {
        Self { questions, isolation: IsolationLevel::default() }
    }
}

setters!(ListOffsets {
    /// Whether [`OffsetSpec::Latest`] stops before open transactions. Default: no.
    isolation: IsolationLevel => |this, value| this.isolation = value;
});

impl Run for ListOffsets {
    type Output = Results<TopicPartition, FoundOffset>;

    fn check(&self) -> Result<()> {
        // To brokers, some negative times mean other things than times.
        let negative = |spec: &OffsetSpec| match spec {
            OffsetSpec::Timestamp(time) => time.as_millis() < 0,
            _ => false,
        };
        match self.questions.iter().find(|(_, spec)| negative(spec)) {
            Some((at, _)) => Err(Error::config(format!("offset of {at}: negative timestamp"))),
            None => Ok(()),
        }
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move { Ok(Results::new(self.listed(&cluster, deadline).await?)) })
    }
}

impl ListOffsets {
    pub(super) async fn listed(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<Vec<(TopicPartition, Result<FoundOffset>)>> {
        // A broker that is too old for one question refuses its whole request.
        let mut parts = BTreeMap::<_, (Vec<_>, Vec<_>)>::new();
        for (index, question) in self.questions.iter().enumerate() {
            let (indexes, questions) = parts.entry(question.1.needs()).or_default();
            indexes.push(index);
            questions.push(question.clone());
        }
        let asked = parts.into_values().map(async |(indexes, questions)| {
            (indexes, split(cluster, deadline, self, questions).await)
        });
        let parts = join_all(asked).await;
        if parts.iter().all(|(_, results)| results.is_err()) {
            if let Some((_, Err(error))) = parts.into_iter().next() {
                return Err(error);
            }
            return Ok(Vec::new());
        }
        let mut found = BTreeMap::new();
        for (indexes, results) in parts {
            match results {
                Ok(results) => found.extend(indexes.into_iter().zip(results)),
                Err(error) => found.extend(indexes.into_iter().filter_map(|index| {
                    let (at, _) = self.questions.get(index)?;
                    Some((index, (at.clone(), Err(error.clone()))))
                })),
            }
        }
        Ok(found.into_values().collect())
    }
}

impl Split for ListOffsets {
    type Item = (TopicPartition, OffsetSpec);
    type Key = TopicPartition;
    type Request = ListOffsetsRequest;
    type Value = FoundOffset;
    const WHAT: &'static str = "list offsets of";

    fn key(&self, (at, _): &Self::Item) -> TopicPartition {
        at.clone()
    }

    fn target(&self, (at, _): &Self::Item) -> Target {
        Target::Leader(at.clone())
    }

    #[inline]
    fn request(&self, items: &[Self::Item], at: &At) -> Result<ListOffsetsRequest> {
        for (version, what) in items.iter().filter_map(|(_, spec)| spec.needs()) {
            at.needs::<ListOffsetsRequest>(version, what)?;
        }
        let questions = items.iter().map(|(at, spec)| (at.clone(), spec.timestamp()));
        let questions: Vec<_> = questions.collect();
        let request = list_offsets_request(&at.metadata, &questions, self.isolation, at.version);
        Ok(ListOffsetsRequest { timeout_ms: at.left_ms, ..request })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Self::Item],
        response: ListOffsetsResponse,
        answers: &mut Answers<TopicPartition, FoundOffset>,
    ) {
        let topics = response.topics.into_iter().map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            answers.insert(at, it.error_code, None, found_offset(&it));
        }
    }
}

/// Looks up where epochs of leaders ended: see
/// [`Client::offsets_for_leader_epochs`](crate::Client::offsets_for_leader_epochs).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct OffsetsForLeaderEpochs {
    questions: Vec<(TopicPartition, i32)>,
}

impl OffsetsForLeaderEpochs {
    /// Looks up where an epoch ended in each of these partitions.
    pub fn new(questions: impl IntoIterator<Item = (TopicPartition, i32)>) -> Self {
        Self { questions: questions.into_iter().collect() }
    }
}

/// Where the records of an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EpochEnd {
    /// The largest epoch with records that is not above the one asked for, from Kafka 2.0 on;
    /// `None` if there is none.
    pub leader_epoch: Option<i32>,
    /// The offset behind its last record; `None` if the broker does not know the epoch.
    pub end_offset: Option<i64>,
}

impl PerItem for OffsetsForLeaderEpochs {
    fn items(&self) -> Vec<Self::Item> {
        self.questions.clone()
    }
}

impl Split for OffsetsForLeaderEpochs {
    type Item = (TopicPartition, i32);
    type Key = TopicPartition;
    type Request = OffsetForLeaderEpochRequest;
    type Value = EpochEnd;
    const WHAT: &'static str = "look up an epoch of";

    fn key(&self, (at, _): &Self::Item) -> TopicPartition {
        at.clone()
    }

    fn target(&self, (at, _): &Self::Item) -> Target {
        Target::Leader(at.clone())
    }

    #[inline]
    fn request(&self, items: &[Self::Item], at: &At) -> Result<OffsetForLeaderEpochRequest> {
        let partition = |(of, leader_epoch): &Self::Item| OffsetForLeaderPartition {
            partition: of.partition,
            current_leader_epoch: (at.metadata.leader(&of.topic, of.partition))
                .map_or(-1, |(_, epoch)| epoch),
            leader_epoch: *leader_epoch,
            ..Default::default()
        };
        let topics = by_topic(items.iter().map(|item| (&item.0, partition(item))));
        let topics = topics.into_iter().map(|(topic, partitions)| OffsetForLeaderTopic {
            topic: topic.to_owned(),
            partitions,
            ..Default::default()
        });
        let topics = topics.collect();
        Ok(OffsetForLeaderEpochRequest { replica_id: -1, topics, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Self::Item],
        response: OffsetForLeaderEpochResponse,
        answers: &mut Answers<TopicPartition, EpochEnd>,
    ) {
        let topics = response.topics.into_iter().map(|it| (it.topic, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition) {
            let end = EpochEnd {
                leader_epoch: Some(it.leader_epoch).filter(|epoch| *epoch >= 0),
                end_offset: Some(it.end_offset).filter(|offset| *offset >= 0),
            };
            answers.insert(at, it.error_code, None, end);
        }
    }
}
