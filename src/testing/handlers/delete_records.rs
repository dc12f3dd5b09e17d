//! `DeleteRecords`: moves the beginning of logs.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use crate::testing::configs;
use crate::testing::state::{State, TopicRef};

/// Stands for the end of the log.
const HIGH_WATERMARK: i64 = -1;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let deleted = match context.fail {
                Some(code) => Err(code),
                None => delete(state, context, &topic.name, asked),
            };
            DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark: deleted.unwrap_or(-1),
                error_code: deleted.err().unwrap_or(ErrorCode::NONE).0,
                ..Default::default()
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult { name: topic.name, partitions, ..Default::default() }
    });
    DeleteRecordsResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
        ..Default::default()
    }
}

fn delete(
    state: &mut State,
    context: &Context,
    topic: &str,
    asked: &DeleteRecordsPartition,
) -> Result<i64, ErrorCode> {
    let release = state.settings.release;
    let topic = state.topics.find(TopicRef::Name(topic))?;
    let policy = topic.configs.get("cleanup.policy");
    let deletes = policy.is_none_or(|it| configs::parts(it).any(|part| part == "delete"));
    let partition = topic.led(asked.partition_index, context.broker, -1)?;
    if !deletes {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let log = &mut partition.log;
    let offset = if asked.offset == HIGH_WATERMARK { log.end() } else { asked.offset };
    if !(0..=log.end()).contains(&offset) {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    log.delete_before(offset, release);
    Ok(log.start())
}
