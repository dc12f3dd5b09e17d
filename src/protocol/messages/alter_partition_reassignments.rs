//! `AlterPartitionReassignments`: moves partitions to other brokers. The controller answers (KIP-455).

use super::message;

message! {
    request AlterPartitionReassignmentsRequest(45): 0..=1, flexible 0, to Controller, throttled 0, returns AlterPartitionReassignmentsResponse;

    /// Asks the controller to begin moves, or to cancel them.
    struct AlterPartitionReassignmentsRequest {
        timeout_ms: i32 [..] = 60000,
        allow_replication_factor_change: bool [1..] = true,
        topics: Vec<ReassignableTopic> [..],
    }

    /// Partitions of one topic.
    struct ReassignableTopic {
        name: String [..],
        partitions: Vec<ReassignablePartition> [..],
    }

    /// One partition, and the brokers that are to hold it; null cancels the move that is under way.
    struct ReassignablePartition {
        partition_index: i32 [..],
        replicas: Option<Vec<i32>> [..],
    }
}

message! {
    /// Whether each move has begun, or was cancelled.
    struct AlterPartitionReassignmentsResponse {
        throttle_time_ms: i32 [..],
        allow_replication_factor_change: bool [1..; ignorable] = true,
        error_code: i16 [..],
        error_message: Option<String> [..],
        responses: Vec<ReassignableTopicResponse> [..],
    }

    /// What became of the partitions of one topic.
    struct ReassignableTopicResponse {
        name: String [..],
        partitions: Vec<ReassignablePartitionResponse> [..],
    }

    /// What became of one partition.
    struct ReassignablePartitionResponse {
        partition_index: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
