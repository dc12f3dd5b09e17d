//! `AlterShareGroupOffsets`: sets where a share group begins to read (KIP-932).

use super::message;
use crate::wire::Uuid;

message! {
    request AlterShareGroupOffsetsRequest(91): 0..=0, flexible 0, to Group, returns AlterShareGroupOffsetsResponse;

    /// New start offsets of a group that has no members.
    struct AlterShareGroupOffsetsRequest {
        group_id: String [..],
        topics: Vec<AlterShareGroupOffsetsRequestTopic> [..],
    }

    /// Those of one topic.
    struct AlterShareGroupOffsetsRequestTopic {
        topic_name: String [..],
        partitions: Vec<AlterShareGroupOffsetsRequestPartition> [..],
    }

    /// That of one partition.
    struct AlterShareGroupOffsetsRequestPartition {
        partition_index: i32 [..],
        start_offset: i64 [..],
    }
}

message! {
    /// What became of each offset.
    struct AlterShareGroupOffsetsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        responses: Vec<AlterShareGroupOffsetsResponseTopic> [..],
    }

    /// What became of those of one topic.
    struct AlterShareGroupOffsetsResponseTopic {
        topic_name: String [..],
        topic_id: Uuid [..],
        partitions: Vec<AlterShareGroupOffsetsResponsePartition> [..],
    }

    /// Whether one offset was set.
    struct AlterShareGroupOffsetsResponsePartition {
        partition_index: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
