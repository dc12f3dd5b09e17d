//! `DescribeTopicPartitions`: topics by name, page by page (KIP-966).

use std::collections::BTreeSet;

use super::Context;
use super::metadata::describe_partition;
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::testing::broker::Shared;
use crate::testing::faults::Call;
use crate::testing::handlers::{Reply, body, request};
use crate::testing::state::{Partition, State, is_topic_name};

/// `max.request.partition.size.limit`
const MAX_PARTITIONS: i32 = 2000;

pub(super) fn serve(shared: &Shared, context: &Context, call: &Call) -> Reply {
    let request = match request::<DescribeTopicPartitionsRequest>(call) {
        Ok(request) => request,
        Err(close) => return close,
    };
    match shared.with(|state| page(state, context, &request)) {
        Some(response) => body::<DescribeTopicPartitionsRequest>(context, &response),
        // The answer has no place for an error of the request as a whole.
        None => Reply::Close("a cursor that does not fit the topics"),
    }
}

fn page(
    state: &State,
    context: &Context,
    request: &DescribeTopicPartitionsRequest,
) -> Option<DescribeTopicPartitionsResponse> {
    let asks_all = request.topics.is_empty();
    let asked: BTreeSet<&str> = if asks_all {
        state.topics.0.keys().map(String::as_str).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.as_str()).collect()
    };
    let cursor = request.cursor.as_deref();
    let (from, from_partition) = match cursor {
        Some(cursor) if cursor.partition_index < 0 => return None,
        Some(cursor) if !asks_all && !asked.contains(cursor.topic_name.as_str()) => return None,
        Some(cursor) => (cursor.topic_name.as_str(), cursor.partition_index),
        None => ("", 0),
    };
    let live = state.live();
    let limit = request.response_partition_limit.clamp(1, MAX_PARTITIONS);
    let mut room = usize::try_from(limit).unwrap_or(1);
    let mut response = DescribeTopicPartitionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    let next = |name: &str, index: usize| {
        let partition_index = i32::try_from(index).unwrap_or(i32::MAX);
        let topic_name = name.to_owned();
        Some(Box::new(Cursor { topic_name, partition_index, ..Default::default() }))
    };
    for name in asked.into_iter().filter(|name| *name >= from) {
        if room == 0 {
            response.next_cursor = next(name, 0);
            break;
        }
        let mut row = DescribeTopicPartitionsResponseTopic {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        let topic = state.topics.0.get(name);
        let code = match (context.fail, topic) {
            (Some(code), _) => code,
            (None, Some(_)) => ErrorCode::NONE,
            (None, None) if is_topic_name(name) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            (None, None) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        };
        row.error_code = code.0;
        if let Some(topic) = topic.filter(|_| code == ErrorCode::NONE) {
            let first = if name == from { usize::try_from(from_partition).unwrap_or(0) } else { 0 };
            let partitions = topic.partitions.iter().zip(0..).skip(first).take(room);
            row.topic_id = topic.id;
            row.partitions = partitions.map(|(it, index)| describe(it, index, &live)).collect();
            room -= row.partitions.len();
            let end = first + row.partitions.len();
            if end < topic.partitions.len() {
                response.topics.push(row);
                response.next_cursor = next(name, end);
                break;
            }
        }
        response.topics.push(row);
    }
    Some(response)
}

fn describe(
    partition: &Partition,
    partition_index: i32,
    live: &BTreeSet<i32>,
) -> DescribeTopicPartitionsResponsePartition {
    let described = describe_partition(partition, live);
    DescribeTopicPartitionsResponsePartition {
        // A partition without a leader is no error here.
        error_code: ErrorCode::NONE.0,
        partition_index,
        leader_id: described.leader_id,
        leader_epoch: described.leader_epoch,
        replica_nodes: described.replica_nodes,
        isr_nodes: described.isr_nodes,
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: described.offline_replicas,
        ..Default::default()
    }
}
