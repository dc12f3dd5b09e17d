//! `OffsetCommit`: keeps the positions of a group that has no members.

use super::{Context, coordinator, topic_ref};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use crate::testing::state::{State, TopicRef};

/// Topics have ids in place of names from this version on.
const BY_ID: i16 = 10;
/// `offset.metadata.max.bytes`
const MAX_METADATA: usize = 4096;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let group = &request.group_id;
    let member = (request.generation_id_or_member_epoch, &request.member_id);
    let checked = coordinator(state, context, group);
    let checked = checked.and_then(|()| check_member(member.0, member.1));
    let topics = request.topics.into_iter().map(|topic| {
        let by = topic_ref(&topic.name, topic.topic_id, context.version, BY_ID);
        let partitions = topic.partitions.into_iter().map(|it| {
            let offset = (it.committed_offset, it.committed_leader_epoch, it.committed_metadata);
            let at = (by, it.partition_index);
            let kept = checked.and_then(|()| keep(state, group, None, at, offset));
            OffsetCommitResponsePartition {
                partition_index: it.partition_index,
                error_code: kept.err().unwrap_or(ErrorCode::NONE).0,
                ..Default::default()
            }
        });
        let partitions = partitions.collect();
        let (name, topic_id) = (topic.name, topic.topic_id);
        OffsetCommitResponseTopic { name, topic_id, partitions, ..Default::default() }
    });
    OffsetCommitResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
        ..Default::default()
    }
}

/// No group has members yet.
pub(super) fn check_member(generation: i32, member: &str) -> Result<(), ErrorCode> {
    match generation {
        0.. => Err(ErrorCode::ILLEGAL_GENERATION),
        ..0 if !member.is_empty() => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        ..0 => Ok(()),
    }
}

pub(super) fn keep(
    state: &mut State,
    group: &str,
    producer_id: Option<i64>,
    (by, index): (TopicRef<'_>, i32),
    offset: (i64, i32, Option<String>),
) -> Result<(), ErrorCode> {
    let topic = state.topics.find(by)?;
    topic.partition(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if offset.2.as_ref().is_some_and(|it| it.len() > MAX_METADATA) {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    state.offsets.commit(group, producer_id, (topic.name.clone(), index), offset);
    Ok(())
}
