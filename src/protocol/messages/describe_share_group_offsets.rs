//! `DescribeShareGroupOffsets`: where share groups begin to read (KIP-932).

use super::message;
use crate::wire::Uuid;

message! {
    request DescribeShareGroupOffsetsRequest(90): 0..=1, flexible 0, to Group, returns DescribeShareGroupOffsetsResponse;

    /// Asks about groups, which all have this coordinator.
    struct DescribeShareGroupOffsetsRequest {
        groups: Vec<DescribeShareGroupOffsetsRequestGroup> [..],
    }

    /// A group, and the topics to ask about; null is all.
    struct DescribeShareGroupOffsetsRequestGroup {
        group_id: String [..],
        topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>> [..],
    }

    /// The partitions of one topic.
    struct DescribeShareGroupOffsetsRequestTopic {
        topic_name: String [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// The offsets of each group.
    struct DescribeShareGroupOffsetsResponse {
        throttle_time_ms: i32 [..],
        groups: Vec<DescribeShareGroupOffsetsResponseGroup> [..],
    }

    /// The offsets of one group.
    struct DescribeShareGroupOffsetsResponseGroup {
        group_id: String [..],
        topics: Vec<DescribeShareGroupOffsetsResponseTopic> [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }

    /// The offsets of one topic.
    struct DescribeShareGroupOffsetsResponseTopic {
        topic_name: String [..],
        topic_id: Uuid [..],
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition> [..],
    }

    /// Where the group begins in one partition, -1 if it has not begun; the lag came with
    /// KIP-1226.
    struct DescribeShareGroupOffsetsResponsePartition {
        partition_index: i32 [..],
        start_offset: i64 [..],
        leader_epoch: i32 [..],
        lag: i64 [1..; ignorable] = -1,
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
