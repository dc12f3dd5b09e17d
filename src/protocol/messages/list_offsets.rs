//! ListOffsets: DOC.

use super::message;

message! {
    request ListOffsetsRequest(2): 0..=11, flexible 6, returns ListOffsetsResponse;

    /// DOC ListOffsetsRequest
    struct ListOffsetsRequest {
        replica_id: i32 [..],
        isolation_level: i8 [2..],
        topics: Vec<ListOffsetsTopic> [..],
        timeout_ms: i32 [10..; ignorable],
    }

    /// DOC ListOffsetsTopic
    struct ListOffsetsTopic {
        name: String [..],
        partitions: Vec<ListOffsetsPartition> [..],
    }

    /// DOC ListOffsetsPartition
    struct ListOffsetsPartition {
        partition_index: i32 [..],
        current_leader_epoch: i32 [4..; ignorable] = -1,
        timestamp: i64 [..],
        max_num_offsets: i32 [..=0] = 1,
    }
}

message! {
    /// DOC ListOffsetsResponse
    struct ListOffsetsResponse {
        throttle_time_ms: i32 [2..; ignorable],
        topics: Vec<ListOffsetsTopicResponse> [..],
    }

    /// DOC ListOffsetsTopicResponse
    struct ListOffsetsTopicResponse {
        name: String [..],
        partitions: Vec<ListOffsetsPartitionResponse> [..],
    }

    /// DOC ListOffsetsPartitionResponse
    struct ListOffsetsPartitionResponse {
        partition_index: i32 [..],
        error_code: i16 [..],
        old_style_offsets: Vec<i64> [..=0],
        timestamp: i64 [1..] = -1,
        offset: i64 [1..] = -1,
        leader_epoch: i32 [4..] = -1,
    }
}
