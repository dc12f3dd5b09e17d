//! `ListOffsets`: where a log begins and ends, and what is at a time.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use crate::testing::log::{Located, PartitionLog};
use crate::testing::state::{State, TopicRef};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// The newest record by its time (KIP-734).
const MAX_TIMESTAMP: i64 = -3;
/// The earliest offset on the leader's own disks (KIP-405).
const EARLIEST_LOCAL: i64 = -4;
/// The latest offset in remote storage (KIP-1005); the fake has none.
const LATEST_TIERED: i64 = -5;
/// The earliest offset that is yet to go there (KIP-1023).
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let committed = request.isolation_level == 1;
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = match context.fail {
                Some(code) => Err(code),
                None => look_up(state, context, &topic.name, asked, committed),
            };
            let mut response = found.unwrap_or_else(|code| ListOffsetsPartitionResponse {
                error_code: code.0,
                ..Default::default()
            });
            response.partition_index = asked.partition_index;
            response
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse { name: topic.name, partitions, ..Default::default() }
    });
    ListOffsetsResponse {
        topics: topics.collect(),
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    }
}

fn look_up(
    state: &mut State,
    context: &Context,
    topic: &str,
    asked: &ListOffsetsPartition,
    committed: bool,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    let now = state.now();
    let topic = state.topics.find(TopicRef::Name(topic))?;
    let epoch = asked.current_leader_epoch;
    let partition = topic.led(asked.partition_index, context.broker, epoch)?;
    let log = &partition.log;
    if context.version == 0 {
        return Ok(ListOffsetsPartitionResponse {
            old_style_offsets: old_style(log, asked, now),
            ..Default::default()
        });
    }
    let at = |offset, leader_epoch| Located { timestamp: -1, offset, leader_epoch };
    let end = if committed { log.stable_end() } else { log.end() };
    let found = match asked.timestamp {
        LATEST => Some(at(end, partition.leader_epoch)),
        EARLIEST => Some(at(log.start(), log.epoch_at(log.start()))),
        MAX_TIMESTAMP if context.version >= 7 => log.newest().filter(|it| it.offset < end),
        EARLIEST_LOCAL if context.version >= 8 => Some(at(log.start(), log.epoch_at(log.start()))),
        LATEST_TIERED if context.version >= 9 => None,
        EARLIEST_PENDING_UPLOAD if context.version >= 11 => None,
        ..0 => return Err(ErrorCode::UNSUPPORTED_VERSION),
        _ if log.is_without_times() => return Err(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT),
        timestamp => log.find_time(timestamp).filter(|it| it.offset < end),
    };
    let found = found.unwrap_or(at(-1, -1));
    Ok(ListOffsetsPartitionResponse {
        timestamp: found.timestamp,
        offset: found.offset,
        leader_epoch: if context.version >= 4 { found.leader_epoch } else { -1 },
        ..Default::default()
    })
}

/// Version 0 told where segments begin, newest first; a log of the fake is one segment.
fn old_style(log: &PartitionLog, asked: &ListOffsetsPartition, now: i64) -> Vec<i64> {
    let last_append = log.newest().map_or(0, |newest| newest.timestamp);
    let mut offsets = Vec::new();
    if log.end() > log.start() && (asked.timestamp == LATEST || asked.timestamp >= now) {
        offsets.push(log.end());
    }
    if asked.timestamp < 0 || asked.timestamp >= last_append {
        offsets.push(log.start());
    }
    offsets.truncate(usize::try_from(asked.max_num_offsets).unwrap_or(0));
    offsets
}
