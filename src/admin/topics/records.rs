//! Deletes the oldest records of partitions.

use std::sync::Arc;

use crate::admin::{PerItem, by_topic, check_once, each_partition};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::{Error, Result};
use crate::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use crate::types::TopicPartition;

/// Which records of a partition to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordsBefore {
    /// Those before this offset, which must not be above the high watermark.
    Offset(i64),
    /// All that are on all in-sync replicas.
    HighWatermark,
}

/// Deletes records: see [`Client::delete_records`](crate::Client::delete_records).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DeleteRecords {
    partitions: Vec<(TopicPartition, RecordsBefore)>,
}

impl DeleteRecords {
    /// Deletes records of these partitions. Needs Kafka 0.11 (KIP-107).
    pub fn new<T: Into<Arc<str>>>(
        partitions: impl IntoIterator<Item = (T, i32, RecordsBefore)>,
    ) -> Self {
        let partitions = partitions.into_iter();
        let partitions = partitions
            .map(|(topic, partition, before)| (TopicPartition::new(topic, partition), before));
        Self { partitions: partitions.collect() }
    }
}

/// A partition without its oldest records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeletedRecords {
    /// The smallest offset at which any of its live replicas begins now.
    pub low_watermark: i64,
}

impl PerItem for DeleteRecords {
    fn items(&self) -> Vec<Self::Item> {
        self.partitions.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("partition", self.partitions.iter().map(|(at, _)| at))?;
        let negative = |before: &RecordsBefore| matches!(before, RecordsBefore::Offset(..0));
        match self.partitions.iter().find(|(_, before)| negative(before)) {
            Some((at, _)) => Err(Error::config(format!("delete records of {at}: negative offset"))),
            None => Ok(()),
        }
    }
}

impl Split for DeleteRecords {
    type Item = (TopicPartition, RecordsBefore);
    type Key = TopicPartition;
    type Request = DeleteRecordsRequest;
    type Value = DeletedRecords;
    const WHAT: &'static str = "delete records of";

    fn key(&self, (at, _): &Self::Item) -> TopicPartition {
        at.clone()
    }

    fn target(&self, (at, _): &Self::Item) -> Target {
        Target::Leader(at.clone())
    }

    #[inline]
    fn request(&self, partitions: &[Self::Item], at: &At) -> Result<DeleteRecordsRequest> {
        let partition = |(at, before): &Self::Item| DeleteRecordsPartition {
            partition_index: at.partition,
            offset: match before {
                RecordsBefore::Offset(offset) => *offset,
                RecordsBefore::HighWatermark => -1,
            },
            ..Default::default()
        };
        let topics = by_topic(partitions.iter().map(|item| (&item.0, partition(item))));
        let topics = topics.into_iter().map(|(name, partitions)| DeleteRecordsTopic {
            name: name.to_owned(),
            partitions,
            ..Default::default()
        });
        Ok(DeleteRecordsRequest {
            topics: topics.collect(),
            timeout_ms: at.left_ms,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Self::Item],
        response: DeleteRecordsResponse,
        answers: &mut Answers<TopicPartition, DeletedRecords>,
    ) {
        let topics = response.topics.into_iter().map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            let deleted = DeletedRecords { low_watermark: it.low_watermark };
            answers.insert(at, it.error_code, None, deleted);
        }
    }
}
