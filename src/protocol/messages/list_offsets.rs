//! `ListOffsets`: the offset at a time, and the first and last of a partition. The leader answers.

use super::message;

message! {
    request ListOffsetsRequest(2): 0..=11, flexible 6, to Leader, throttled 3, returns ListOffsetsResponse;

    /// Asks leaders for offsets. Consumers set `replica_id` to -1.
    ///
    /// With `isolation_level` 1 (version 2), the latest offset is the last stable one.
    struct ListOffsetsRequest {
        replica_id: i32 [..],
        isolation_level: i8 [2..],
        topics: Vec<ListOffsetsTopic> [..],
        timeout_ms: i32 [10..; ignorable],
    }

    /// The partitions of one topic to ask about.
    struct ListOffsetsTopic {
        name: String [..],
        partitions: Vec<ListOffsetsPartition> [..],
    }

    /// Asks for the first offset whose timestamp, in milliseconds, is not before `timestamp`.
    ///
    /// Or for one with a name: -1 latest, -2 earliest, -3 that of the largest timestamp (version 7,
    /// KIP-734), -4 earliest on local disk (8, KIP-405), -5 latest in tiered storage (9, KIP-1005),
    /// -6 earliest not yet in tiered storage (11, KIP-1023).
    struct ListOffsetsPartition {
        partition_index: i32 [..],
        current_leader_epoch: i32 [4..; ignorable] = -1,
        timestamp: i64 [..],
        max_num_offsets: i32 [..=0] = 1,
    }
}

message! {
    /// The offsets found.
    struct ListOffsetsResponse {
        throttle_time_ms: i32 [2..; ignorable],
        topics: Vec<ListOffsetsTopicResponse> [..],
    }

    /// The offsets found in one topic.
    struct ListOffsetsTopicResponse {
        name: String [..],
        partitions: Vec<ListOffsetsPartitionResponse> [..],
    }

    /// The offset found in one partition, -1 if there is none.
    ///
    /// Version 0 gives segment starts in `old_style_offsets` instead, latest first.
    struct ListOffsetsPartitionResponse {
        partition_index: i32 [..],
        error_code: i16 [..],
        old_style_offsets: Vec<i64> [..=0],
        timestamp: i64 [1..] = -1,
        offset: i64 [1..] = -1,
        leader_epoch: i32 [4..] = -1,
    }
}
