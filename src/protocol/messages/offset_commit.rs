//! `OffsetCommit`: keeps positions of a group. The group's coordinator answers.

use super::message;
use crate::wire::Uuid;

message! {
    request OffsetCommitRequest(8): 0..=10, flexible 8, to Group, throttled 4, returns OffsetCommitResponse;

    /// Commits offsets: as a member of the group, or from outside an empty group, with the
    /// defaults of generation and member.
    struct OffsetCommitRequest {
        group_id: String [..],
        generation_id_or_member_epoch: i32 [1..; ignorable] = -1,
        member_id: String [1..; ignorable],
        group_instance_id: Option<String> [7..],
        retention_time_ms: i64 [2..=4; ignorable] = -1,
        topics: Vec<OffsetCommitRequestTopic> [..],
    }

    /// The partitions of one topic: by name up to version 9, by id from 10 on (KIP-848).
    struct OffsetCommitRequestTopic {
        name: String [..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partitions: Vec<OffsetCommitRequestPartition> [..],
    }

    /// The next offset to read, the leader epoch of the record before it, and any text.
    struct OffsetCommitRequestPartition {
        partition_index: i32 [..],
        committed_offset: i64 [..],
        committed_leader_epoch: i32 [6..; ignorable] = -1,
        commit_timestamp: i64 [1..=1] = -1,
        committed_metadata: Option<String> [..],
    }
}

message! {
    /// What became of each offset.
    struct OffsetCommitResponse {
        throttle_time_ms: i32 [3..; ignorable],
        topics: Vec<OffsetCommitResponseTopic> [..],
    }

    /// What became of one topic's offsets.
    struct OffsetCommitResponseTopic {
        name: String [..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partitions: Vec<OffsetCommitResponsePartition> [..],
    }

    /// What became of one offset.
    struct OffsetCommitResponsePartition {
        partition_index: i32 [..],
        error_code: i16 [..],
    }
}
