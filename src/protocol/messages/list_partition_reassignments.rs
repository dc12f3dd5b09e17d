//! `ListPartitionReassignments`: the moves that are under way. The controller answers (KIP-455).

use super::message;

message! {
    request ListPartitionReassignmentsRequest(46): 0..=0, flexible 0, to Controller, throttled 0, returns ListPartitionReassignmentsResponse;

    /// Asks for the moves of these topics: null for all.
    struct ListPartitionReassignmentsRequest {
        timeout_ms: i32 [..] = 60000,
        topics: Option<Vec<ListPartitionReassignmentsTopics>> [..],
    }

    /// Partitions of one topic.
    struct ListPartitionReassignmentsTopics {
        name: String [..],
        partition_indexes: Vec<i32> [..],
    }
}

message! {
    /// The moves; partitions that do not move are left out.
    struct ListPartitionReassignmentsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        topics: Vec<OngoingTopicReassignment> [..],
    }

    /// Moves of one topic.
    struct OngoingTopicReassignment {
        name: String [..],
        partitions: Vec<OngoingPartitionReassignment> [..],
    }

    /// The move of one partition: all brokers that hold it for now, and which come and go.
    struct OngoingPartitionReassignment {
        partition_index: i32 [..],
        replicas: Vec<i32> [..],
        adding_replicas: Vec<i32> [..],
        removing_replicas: Vec<i32> [..],
    }
}
