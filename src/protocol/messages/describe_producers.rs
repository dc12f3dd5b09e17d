//! `DescribeProducers`: which producers have lately written to partitions (KIP-664).

use super::message;

message! {
    request DescribeProducersRequest(61): 0..=0, flexible 0, to Leader, returns DescribeProducersResponse;

    /// Asks about partitions. Followers answer too, of what they have copied.
    struct DescribeProducersRequest {
        topics: Vec<TopicRequest> [..],
    }

    /// The partitions of one topic to ask about.
    struct TopicRequest {
        name: String [..],
        partition_indexes: Vec<i32> [..],
    }
}

message! {
    /// The producers of each partition.
    struct DescribeProducersResponse {
        throttle_time_ms: i32 [..],
        topics: Vec<TopicResponse> [..],
    }

    /// The producers of one topic's partitions.
    struct TopicResponse {
        name: String [..],
        partitions: Vec<PartitionResponse> [..],
    }

    /// The producers of one partition that the broker remembers.
    struct PartitionResponse {
        partition_index: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        active_producers: Vec<ProducerState> [..],
    }

    /// What the broker remembers of one producer; -1 is "none".
    struct ProducerState {
        producer_id: i64 [..],
        producer_epoch: i32 [..],
        last_sequence: i32 [..] = -1,
        last_timestamp: i64 [..] = -1,
        coordinator_epoch: i32 [..],
        current_txn_start_offset: i64 [..] = -1,
    }
}
