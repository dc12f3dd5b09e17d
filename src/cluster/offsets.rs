//! Looks up offsets by time, each at the leader of its partition: split, sent at once, retried per
//! partition.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::future::join_all;
use tokio::time::Instant;

use super::{Cluster, Target};
use crate::error::{Error, ErrorKind, Result};
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

/// Looks up one offset for each partition and time; the topics must be tracked. The answers come
/// in the order of the questions.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    questions: Vec<(TopicPartition, i64)>,
    isolation: IsolationLevel,
    deadline: Instant,
) -> Vec<(TopicPartition, Result<FoundOffset>)> {
    let mut attempts = cluster.attempts(deadline);
    // What is known of each question: its answer, or why it has none yet.
    let mut answers: Vec<Option<Result<FoundOffset>>> = questions.iter().map(|_| None).collect();
    let is_settled = |answer: &Option<Result<FoundOffset>>| match answer {
        Some(Err(error)) => !error.is_retriable(),
        answer => answer.is_some(),
    };
    loop {
        let mut by_leader = BTreeMap::<(i32, usize), Vec<usize>>::new();
        let mut times_asked = HashMap::<&TopicPartition, usize>::new();
        let metadata = cluster.metadata();
        for (index, ((at, _), answer)) in questions.iter().zip(&mut answers).enumerate() {
            if is_settled(answer) {
                continue;
            }
            match metadata.leader(&at.topic, at.partition) {
                Some((leader, _)) => {
                    // One request may name a partition only once.
                    let times = times_asked.entry(at).or_default();
                    by_leader.entry((leader, *times)).or_default().push(index);
                    *times += 1;
                }
                None => *answer = Some(Err(unknown(at, &metadata))),
            }
        }
        let asked = by_leader.into_iter().map(async |((leader, _), indexes)| {
            let part = indexes
                .iter()
                .filter_map(|index| questions.get(*index))
                .cloned()
                .collect::<Vec<_>>();
            let work = list_offsets_at(cluster, leader, &part, isolation);
            let what = || format!("list offsets at broker {leader}");
            (indexes, attempts.run(what, work).await)
        });
        for (indexes, mut result) in join_all(asked).await {
            for index in indexes {
                let (Some((at, _)), Some(answer)) = (questions.get(index), answers.get_mut(index))
                else {
                    continue;
                };
                *answer = Some(match &mut result {
                    Ok(found) => found.remove(at).unwrap_or_else(|| {
                        let text = format!("list offsets: the broker did not answer for {at}");
                        Err(Error::new(ErrorKind::Protocol, text))
                    }),
                    Err(error) => Err(error.clone()),
                });
            }
        }
        let open = answers.iter().find(|answer| !is_settled(answer));
        let Some(Some(Err(error))) = open.cloned() else { break };
        cluster.refresh();
        if attempts.next(error).await.is_err() {
            break;
        }
    }
    let answered = questions.into_iter().zip(answers);
    answered.filter_map(|((at, _), answer)| Some((at, answer?))).collect()
}

fn unknown(at: &TopicPartition, metadata: &super::Metadata) -> Error {
    let known = metadata.topics.get(&at.topic);
    let code = match known {
        Some(topic) if topic.error != ErrorCode::NONE => topic.error,
        Some(topic) if topic.partition(at.partition).is_some() => ErrorCode::LEADER_NOT_AVAILABLE,
        _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    Error::broker(code, format!("list offsets of {at}"))
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
    let request = |version| {
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
        ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(version >= 2 && isolation == IsolationLevel::ReadCommitted),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| ListOffsetsTopic {
                    name: name.to_string(),
                    partitions,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }
    };
    let response = cluster.attempt(&Target::Broker(leader), request).await?;
    let mut found = HashMap::new();
    for topic in response.topics {
        let name = Arc::<str>::from(topic.name);
        for partition in topic.partitions {
            let at = TopicPartition::new(name.clone(), partition.partition_index);
            let answer = read(&partition).map_err(|code| {
                Error::broker(code, format!("list offsets of {at} at broker {leader}"))
            });
            found.insert(at, answer);
        }
    }
    Ok(found)
}

fn read(partition: &ListOffsetsPartitionResponse) -> Result<FoundOffset, ErrorCode> {
    ErrorCode(partition.error_code).check()?;
    let offset = match partition.old_style_offsets.first() {
        Some(offset) => *offset,
        None => partition.offset,
    };
    let known = |value: i64| Some(value).filter(|value| *value >= 0);
    Ok(FoundOffset {
        offset: known(offset),
        timestamp: known(partition.timestamp).map(Timestamp::from_millis),
        leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
    })
}
