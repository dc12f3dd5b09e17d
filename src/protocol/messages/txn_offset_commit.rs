//! `TxnOffsetCommit`: commits offsets of a group as part of a transaction.

use super::message;

message! {
    request TxnOffsetCommitRequest(28): 0..=5, flexible 3, to Group, throttled 1, returns TxnOffsetCommitResponse;

    /// Offsets that count once the transaction is committed. Goes to the coordinator of the group.
    struct TxnOffsetCommitRequest {
        transactional_id: String [..],
        group_id: String [..],
        producer_id: i64 [..],
        producer_epoch: i16 [..],
        generation_id: i32 [3..] = -1,
        member_id: String [3..],
        group_instance_id: Option<String> [3..],
        topics: Vec<TxnOffsetCommitRequestTopic> [..],
    }

    /// The offsets of one topic.
    struct TxnOffsetCommitRequestTopic {
        name: String [..],
        partitions: Vec<TxnOffsetCommitRequestPartition> [..],
    }

    /// The offset of one partition: that of the next record to read.
    struct TxnOffsetCommitRequestPartition {
        partition_index: i32 [..],
        committed_offset: i64 [..],
        committed_leader_epoch: i32 [2..; ignorable] = -1,
        committed_metadata: Option<String> [..],
    }
}

message! {
    /// What became of each offset.
    struct TxnOffsetCommitResponse {
        throttle_time_ms: i32 [..],
        topics: Vec<TxnOffsetCommitResponseTopic> [..],
    }

    /// What became of the offsets of one topic.
    struct TxnOffsetCommitResponseTopic {
        name: String [..],
        partitions: Vec<TxnOffsetCommitResponsePartition> [..],
    }

    /// Whether one offset was taken.
    struct TxnOffsetCommitResponsePartition {
        partition_index: i32 [..],
        error_code: i16 [..],
    }
}
