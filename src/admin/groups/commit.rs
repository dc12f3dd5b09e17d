//! Sets and drops the committed offsets of groups.

use super::offsets::{CommittedOffset, LAST_BY_NAME};
use crate::admin::{PerItem, by_topic, check_once, each_partition};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};
use crate::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
};
use crate::types::TopicPartition;

/// Sets offsets of a group from outside: see
/// [`Client::alter_group_offsets`](crate::Client::alter_group_offsets).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AlterGroupOffsets {
    group: String,
    offsets: Vec<(TopicPartition, CommittedOffset)>,
}

impl AlterGroupOffsets {
    /// Commits these offsets for the group, which is made if it does not exist.
    pub fn new<O: Into<CommittedOffset>>(
        group: impl Into<String>,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Self {
        let offsets = offsets.into_iter().map(|(at, offset)| (at, offset.into())).collect();
        Self { group: group.into(), offsets }
    }
}

impl PerItem for AlterGroupOffsets {
    fn items(&self) -> Vec<Self::Item> {
        self.offsets.clone()
    }

    fn check(&self) -> Result<()> {
        if let Some((at, _)) = self.offsets.iter().find(|(_, committed)| committed.offset < 0) {
            return Err(Error::config(format!("the offset to commit for {at} is negative")));
        }
        check_once("partition", self.offsets.iter().map(|(at, _)| at))
    }
}

impl Split for AlterGroupOffsets {
    type Item = (TopicPartition, CommittedOffset);
    type Key = TopicPartition;
    type Request = OffsetCommitRequest;
    type Value = ();
    const WHAT: &'static str = "commit offset of";
    const LAST: i16 = LAST_BY_NAME;

    fn key(&self, (at, _): &Self::Item) -> TopicPartition {
        at.clone()
    }

    fn target(&self, _: &Self::Item) -> Target {
        Target::Group(self.group.clone())
    }

    fn is_again(&self, code: ErrorCode) -> Option<bool> {
        (code == ErrorCode::REBALANCE_IN_PROGRESS).then_some(true)
    }

    #[inline]
    fn request(&self, items: &[Self::Item], _: &At) -> Result<OffsetCommitRequest> {
        let partition = |(at, committed): &Self::Item| OffsetCommitRequestPartition {
            partition_index: at.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
            // Null is legal, and old brokers have stored it as they could.
            committed_metadata: Some(committed.metadata.clone().unwrap_or_default()),
            ..Default::default()
        };
        let topics = by_topic(items.iter().map(|item| (&item.0, partition(item)))).into_iter();
        let topics = topics.map(|(name, partitions)| OffsetCommitRequestTopic {
            name: name.to_owned(),
            partitions,
            ..Default::default()
        });
        let topics = topics.collect();
        Ok(OffsetCommitRequest { group_id: self.group.clone(), topics, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Self::Item],
        response: OffsetCommitResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        let topics = response.topics.into_iter().map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            answers.insert(at, it.error_code, None, ());
        }
    }
}

/// Drops offsets of a group: see
/// [`Client::delete_group_offsets`](crate::Client::delete_group_offsets).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteGroupOffsets {
    group: String,
    partitions: Vec<TopicPartition>,
}

impl DeleteGroupOffsets {
    /// Drops what the group has committed for these partitions.
    pub fn new(
        group: impl Into<String>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Self {
        let partitions = partitions.into_iter().collect();
        Self { group: group.into(), partitions }
    }
}

impl PerItem for DeleteGroupOffsets {
    fn items(&self) -> Vec<Self::Item> {
        self.partitions.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("partition", &self.partitions)
    }
}

impl Split for DeleteGroupOffsets {
    type Item = TopicPartition;
    type Key = TopicPartition;
    type Request = OffsetDeleteRequest;
    type Value = ();
    const WHAT: &'static str = "delete offset of";

    fn key(&self, at: &TopicPartition) -> TopicPartition {
        at.clone()
    }

    fn target(&self, _: &TopicPartition) -> Target {
        Target::Group(self.group.clone())
    }

    #[inline]
    fn request(&self, items: &[TopicPartition], _: &At) -> Result<OffsetDeleteRequest> {
        let partition = |at: &TopicPartition| OffsetDeleteRequestPartition {
            partition_index: at.partition,
            ..Default::default()
        };
        let topics = by_topic(items.iter().map(|at| (at, partition(at)))).into_iter();
        let topics = topics.map(|(name, partitions)| OffsetDeleteRequestTopic {
            name: name.to_owned(),
            partitions,
            ..Default::default()
        });
        let topics = topics.collect();
        Ok(OffsetDeleteRequest { group_id: self.group.clone(), topics, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[TopicPartition],
        response: OffsetDeleteResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.all(response.error_code, None);
        let topics = response.topics.into_iter().map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            answers.insert(at, it.error_code, None, ());
        }
    }
}
