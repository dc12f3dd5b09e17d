//! OffsetForLeaderEpoch: DOC.

use super::message;

message! {
    request OffsetForLeaderEpochRequest(23): 0..=4, flexible 4, returns OffsetForLeaderEpochResponse;

    /// DOC OffsetForLeaderEpochRequest
    struct OffsetForLeaderEpochRequest {
        replica_id: i32 [3..; ignorable] = -2,
        topics: Vec<OffsetForLeaderTopic> [..],
    }

    /// DOC OffsetForLeaderTopic
    struct OffsetForLeaderTopic {
        topic: String [..],
        partitions: Vec<OffsetForLeaderPartition> [..],
    }

    /// DOC OffsetForLeaderPartition
    struct OffsetForLeaderPartition {
        partition: i32 [..],
        current_leader_epoch: i32 [2..; ignorable] = -1,
        leader_epoch: i32 [..],
    }
}

message! {
    /// DOC OffsetForLeaderEpochResponse
    struct OffsetForLeaderEpochResponse {
        throttle_time_ms: i32 [2..; ignorable],
        topics: Vec<OffsetForLeaderTopicResult> [..],
    }

    /// DOC OffsetForLeaderTopicResult
    struct OffsetForLeaderTopicResult {
        topic: String [..],
        partitions: Vec<EpochEndOffset> [..],
    }

    /// DOC EpochEndOffset
    struct EpochEndOffset {
        error_code: i16 [..],
        partition: i32 [..],
        leader_epoch: i32 [1..; ignorable] = -1,
        end_offset: i64 [..] = -1,
    }
}
