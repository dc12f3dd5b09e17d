//! `OffsetFetch`: the committed positions of groups. The groups' coordinator answers.

use super::message;
use crate::wire::Uuid;

message! {
    request OffsetFetchRequest(9): 0..=10, flexible 6, to Group, throttled 4, returns OffsetFetchResponse;

    /// Asks for offsets of one group up to version 7, of many from 8 on (KIP-709). Null topics mean
    /// all that have an offset.
    struct OffsetFetchRequest {
        group_id: String [..=7],
        topics: Option<Vec<OffsetFetchRequestTopic>> [..=7; null 2..=7] = Some(Vec::new()),
        groups: Vec<OffsetFetchRequestGroup> [8..],
        require_stable: bool [7..],
    }

    /// The partitions of one topic to ask about.
    struct OffsetFetchRequestTopic {
        name: String [..=7],
        partition_indexes: Vec<i32> [..=7],
    }

    /// A group to ask about; the member and its epoch only for members of a KIP-848 group.
    struct OffsetFetchRequestGroup {
        group_id: String [8..],
        member_id: Option<String> [9..; ignorable],
        member_epoch: i32 [9..; ignorable] = -1,
        topics: Option<Vec<OffsetFetchRequestTopics>> [8..],
    }

    /// The partitions of one topic of one group: by name up to version 9, by id from 10 on.
    struct OffsetFetchRequestTopics {
        name: String [8..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partition_indexes: Vec<i32> [8..],
    }
}

message! {
    /// The offsets of one group up to version 7, of many from 8 on.
    struct OffsetFetchResponse {
        throttle_time_ms: i32 [3..; ignorable],
        topics: Vec<OffsetFetchResponseTopic> [..=7],
        error_code: i16 [2..=7; ignorable],
        groups: Vec<OffsetFetchResponseGroup> [8..],
    }

    /// The offsets of one topic.
    struct OffsetFetchResponseTopic {
        name: String [..=7],
        partitions: Vec<OffsetFetchResponsePartition> [..=7],
    }

    /// The next offset to read; -1 if none is committed.
    struct OffsetFetchResponsePartition {
        partition_index: i32 [..=7],
        committed_offset: i64 [..=7],
        committed_leader_epoch: i32 [5..=7; ignorable] = -1,
        metadata: Option<String> [..=7],
        error_code: i16 [..=7],
    }

    /// The offsets of one group.
    struct OffsetFetchResponseGroup {
        group_id: String [8..],
        topics: Vec<OffsetFetchResponseTopics> [8..],
        error_code: i16 [8..],
    }

    /// The offsets of one topic of one group.
    struct OffsetFetchResponseTopics {
        name: String [8..=9; ignorable],
        topic_id: Uuid [10..; ignorable],
        partitions: Vec<OffsetFetchResponsePartitions> [8..],
    }

    /// The next offset to read; -1 if none is committed.
    struct OffsetFetchResponsePartitions {
        partition_index: i32 [8..],
        committed_offset: i64 [8..],
        committed_leader_epoch: i32 [8..; ignorable] = -1,
        metadata: Option<String> [8..],
        error_code: i16 [8..],
    }
}
