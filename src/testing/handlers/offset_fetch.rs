//! `OffsetFetch`: the positions of groups.

use std::collections::BTreeMap;

use super::{Context, coordinator, topic_ref};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::testing::state::{State, TopicRef};

/// Errors of a whole group have a place of their own from this version on.
const GROUP_ERRORS: i16 = 2;
/// A request may be about many groups from this version on (KIP-709).
const BATCHED: i16 = 8;
/// Topics have ids in place of names from this version on.
const BY_ID: i16 = 10;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let (throttle_time_ms, stable) = (context.throttle_time_ms, request.require_stable);
    if context.version >= BATCHED {
        let groups = request.groups.into_iter().map(|it| fetch(state, context, it, stable));
        return OffsetFetchResponse {
            throttle_time_ms,
            groups: groups.collect(),
            ..Default::default()
        };
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|it| OffsetFetchRequestTopics {
            name: it.name,
            partition_indexes: it.partition_indexes,
            ..Default::default()
        });
        topics.collect()
    });
    let group =
        OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
    let found = fetch(state, context, group, stable);
    let topics = found.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|it| OffsetFetchResponsePartition {
            partition_index: it.partition_index,
            committed_offset: it.committed_offset,
            committed_leader_epoch: it.committed_leader_epoch,
            metadata: it.metadata,
            error_code: it.error_code,
            ..Default::default()
        });
        let partitions = partitions.collect();
        OffsetFetchResponseTopic { name: topic.name, partitions, ..Default::default() }
    });
    OffsetFetchResponse {
        throttle_time_ms,
        topics: topics.collect(),
        error_code: found.error_code,
        ..Default::default()
    }
}

fn fetch(
    state: &mut State,
    context: &Context,
    asked: OffsetFetchRequestGroup,
    stable: bool,
) -> OffsetFetchResponseGroup {
    let group = asked.group_id;
    let checked = coordinator(state, context, &group);
    if let (Err(code), GROUP_ERRORS..) = (checked, context.version) {
        return OffsetFetchResponseGroup {
            group_id: group,
            error_code: code.0,
            ..Default::default()
        };
    }
    let asked = asked.topics.unwrap_or_else(|| all(state, &group));
    let topics = asked.into_iter().map(|topic| {
        let by = topic_ref(&topic.name, topic.topic_id, context.version, BY_ID);
        // By name, topics may have been deleted since.
        let name = match by {
            TopicRef::Name(name) => Ok(name.to_owned()),
            TopicRef::Id(_) => state.topics.find(by).map(|it| it.name.clone()),
        };
        let partitions = topic.partition_indexes.into_iter().map(|partition_index| {
            let at = checked.and(name.clone()).map(|name| (name, partition_index));
            let found = at.and_then(|at| state.offsets.fetch(&group, &at, stable));
            let error = found.as_ref().err().copied().unwrap_or(ErrorCode::NONE);
            let found = found.ok().flatten();
            OffsetFetchResponsePartitions {
                partition_index,
                committed_offset: found.map_or(-1, |it| it.offset),
                committed_leader_epoch: found.map_or(-1, |it| it.leader_epoch),
                metadata: Some(found.map(|it| it.metadata.clone()).unwrap_or_default()),
                error_code: error.0,
                ..Default::default()
            }
        });
        OffsetFetchResponseTopics {
            partitions: partitions.collect(),
            name: topic.name,
            topic_id: topic.topic_id,
            ..Default::default()
        }
    });
    let topics = topics.collect();
    OffsetFetchResponseGroup { group_id: group, topics, ..Default::default() }
}

/// What to ask for, if it is all that there is.
fn all(state: &mut State, group: &str) -> Vec<OffsetFetchRequestTopics> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (name, index) in state.offsets.partitions(group) {
        topics.entry(name).or_default().push(*index);
    }
    let topics = topics.into_iter().map(|(name, partition_indexes)| OffsetFetchRequestTopics {
        topic_id: state.topics.find(TopicRef::Name(name)).map(|it| it.id).unwrap_or_default(),
        name: name.to_owned(),
        partition_indexes,
        ..Default::default()
    });
    topics.collect()
}
