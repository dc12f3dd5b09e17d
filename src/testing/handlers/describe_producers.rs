//! `DescribeProducers`: who has lately written to partitions (KIP-664).

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, TopicResponse,
};
use crate::testing::state::{State, TopicRef};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let found = match context.fail {
                Some(code) => Err(code),
                None => state.topics.find(TopicRef::Name(&topic.name)),
            };
            // Followers answer too.
            let found = found.and_then(|it| it.hosted(*index, context.broker, -1));
            PartitionResponse {
                partition_index: *index,
                error_code: found.as_ref().err().copied().unwrap_or(ErrorCode::NONE).0,
                active_producers: found.map(|it| it.log.producers.describe()).unwrap_or_default(),
                ..Default::default()
            }
        });
        let partitions = partitions.collect();
        TopicResponse { name: topic.name, partitions, ..Default::default() }
    });
    DescribeProducersResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
        ..Default::default()
    }
}
