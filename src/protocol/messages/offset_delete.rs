//! `OffsetDelete`: drops committed positions of a group. The group's coordinator answers.

use super::message;

message! {
    request OffsetDeleteRequest(47): 0..=0, flexible 32767, to Group, throttled 0, returns OffsetDeleteResponse;

    /// Drops offsets of topics that the group is not subscribed to.
    struct OffsetDeleteRequest {
        group_id: String [..],
        topics: Vec<OffsetDeleteRequestTopic> [..],
    }

    /// The partitions of one topic.
    struct OffsetDeleteRequestTopic {
        name: String [..],
        partitions: Vec<OffsetDeleteRequestPartition> [..],
    }

    /// One partition.
    struct OffsetDeleteRequestPartition {
        partition_index: i32 [..],
    }
}

message! {
    /// What became of each offset.
    struct OffsetDeleteResponse {
        error_code: i16 [..],
        throttle_time_ms: i32 [..; ignorable],
        topics: Vec<OffsetDeleteResponseTopic> [..],
    }

    /// What became of one topic's offsets.
    struct OffsetDeleteResponseTopic {
        name: String [..],
        partitions: Vec<OffsetDeleteResponsePartition> [..],
    }

    /// What became of one offset.
    struct OffsetDeleteResponsePartition {
        partition_index: i32 [..],
        error_code: i16 [..],
    }
}
