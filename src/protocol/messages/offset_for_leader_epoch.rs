//! `OffsetForLeaderEpoch`: where a leader's epoch ended, to detect a truncated log (KIP-320).

use super::message;

message! {
    request OffsetForLeaderEpochRequest(23): 0..=4, flexible 4, to Leader, returns OffsetForLeaderEpochResponse;

    /// Asks leaders where epochs ended. Consumers set `replica_id` to -1.
    struct OffsetForLeaderEpochRequest {
        replica_id: i32 [3..; ignorable] = -2,
        topics: Vec<OffsetForLeaderTopic> [..],
    }

    /// The partitions of one topic to ask about.
    struct OffsetForLeaderTopic {
        topic: String [..],
        partitions: Vec<OffsetForLeaderPartition> [..],
    }

    /// The epoch to ask about: that of the last record the client has read.
    struct OffsetForLeaderPartition {
        partition: i32 [..],
        current_leader_epoch: i32 [2..; ignorable] = -1,
        leader_epoch: i32 [..],
    }
}

message! {
    /// Where the epochs ended.
    struct OffsetForLeaderEpochResponse {
        throttle_time_ms: i32 [2..; ignorable],
        topics: Vec<OffsetForLeaderTopicResult> [..],
    }

    /// Where the epochs of one topic's partitions ended.
    struct OffsetForLeaderTopicResult {
        topic: String [..],
        partitions: Vec<EpochEndOffset> [..],
    }

    /// The largest epoch not above the one asked for, and the offset behind its last record.
    ///
    /// An end below the client's position means that records it has read were truncated.
    struct EpochEndOffset {
        error_code: i16 [..],
        partition: i32 [..],
        leader_epoch: i32 [1..; ignorable] = -1,
        end_offset: i64 [..] = -1,
    }
}
