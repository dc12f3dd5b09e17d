//! `OffsetForLeaderEpoch`: where a leader's epoch ended (KIP-101, KIP-320).

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use crate::testing::state::{State, TopicRef};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = match context.fail {
                Some(code) => Err(code),
                None => look_up(state, context, &topic.topic, asked),
            };
            let (error_code, (leader_epoch, end_offset)) = match found {
                Ok(found) => (ErrorCode::NONE.0, found),
                Err(code) => (code.0, (-1, -1)),
            };
            EpochEndOffset {
                error_code,
                partition: asked.partition,
                leader_epoch,
                end_offset,
                ..Default::default()
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions, ..Default::default() }
    });
    OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    }
}

fn look_up(
    state: &mut State,
    context: &Context,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<(i32, i64), ErrorCode> {
    let topic = state.topics.find(TopicRef::Name(topic))?;
    let partition = topic.led(asked.partition, context.broker, asked.current_leader_epoch)?;
    Ok(partition.log.end_of_epoch(asked.leader_epoch))
}
