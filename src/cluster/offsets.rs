//! Looks up offsets by time: what one leader is asked, and what it answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Cluster, Metadata, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::types::{IsolationLevel, Timestamp, TopicPartition};

/// Special times of the protocol.
pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;
pub(crate) const MAX_TIMESTAMP: i64 = -3;

/// What a leader answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundOffset {
    /// The offset; `None` when no record is that new.
    pub offset: Option<i64>,
    /// The time of the record there; `None` for the ends of the log.
    pub timestamp: Option<Timestamp>,
    /// The epoch of the leader that wrote it, from Kafka 2.1 on.
    pub leader_epoch: Option<i32>,
}

/// Asks one leader once for partitions of its own, each of them at most once.
///
/// # Errors
///
/// There is no answer; what the leader says of a partition is in the map.
pub(crate) async fn list_offsets_at(
    cluster: &Cluster,
    leader: i32,
    questions: &[(TopicPartition, i64)],
    isolation: IsolationLevel,
) -> Result<HashMap<TopicPartition, Result<FoundOffset>>> {
    let metadata = cluster.metadata();
    let request = |version| list_offsets_request(&metadata, questions, isolation, version);
    let response = cluster.attempt(&Target::Broker(leader), request).await?;
    let mut found = HashMap::new();
    for topic in response.topics {
        let name = Arc::<str>::from(topic.name);
        for partition in topic.partitions {
            let at = TopicPartition::new(name.clone(), partition.partition_index);
            let checked = ErrorCode(partition.error_code).check();
            let answer = checked.map(|()| found_offset(&partition)).map_err(|code| {
                Error::broker(code, format!("list offsets of {at} at broker {leader}"))
            });
            found.insert(at, answer);
        }
    }
    Ok(found)
}

/// A request for the partitions of one leader, each of them at most once.
pub(crate) fn list_offsets_request(
    metadata: &Metadata,
    questions: &[(TopicPartition, i64)],
    isolation: IsolationLevel,
    version: i16,
) -> ListOffsetsRequest {
    let mut topics = BTreeMap::<Arc<str>, Vec<ListOffsetsPartition>>::new();
    for (at, timestamp) in questions {
        topics.entry(at.topic.clone()).or_default().push(ListOffsetsPartition {
            partition_index: at.partition,
            current_leader_epoch: metadata
                .leader(&at.topic, at.partition)
                .map_or(-1, |(_, epoch)| epoch),
            timestamp: *timestamp,
            // Version 0 answers with a list of segment starts.
            max_num_offsets: 1,
            ..Default::default()
        });
    }
    let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic {
        name: name.to_string(),
        partitions,
        ..Default::default()
    });
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: i8::from(version >= 2 && isolation == IsolationLevel::ReadCommitted),
        topics: topics.collect(),
        ..Default::default()
    }
}

/// What the leader says of one partition, if there is no error.
pub(crate) fn found_offset(partition: &ListOffsetsPartitionResponse) -> FoundOffset {
    let offset = match partition.old_style_offsets.first() {
        Some(offset) => *offset,
        None => partition.offset,
    };
    let known = |value: i64| Some(value).filter(|value| *value >= 0);
    FoundOffset {
        offset: known(offset),
        timestamp: known(partition.timestamp).map(Timestamp::from_millis),
        leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
    }
}
