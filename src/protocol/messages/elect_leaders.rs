//! `ElectLeaders`: makes another replica the leader. The controller answers.

use super::message;

message! {
    request ElectLeadersRequest(43): 0..=2, flexible 2, to Controller, throttled 0, returns ElectLeadersResponse;

    /// Asks for elections: of the preferred replica (type 0), or of any that lives (type 1).
    ///
    /// Null means all partitions.
    struct ElectLeadersRequest {
        election_type: i8 [1..],
        topic_partitions: Option<Vec<TopicPartitions>> [..],
        timeout_ms: i32 [..] = 60000,
    }

    /// Partitions of one topic.
    struct TopicPartitions {
        topic: String [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// What became of each election; asked for all, those that were not needed are left out.
    struct ElectLeadersResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [1..],
        replica_election_results: Vec<ReplicaElectionResult> [..],
    }

    /// What became of the partitions of one topic.
    struct ReplicaElectionResult {
        topic: String [..],
        partition_result: Vec<PartitionResult> [..],
    }

    /// What became of one partition.
    struct PartitionResult {
        partition_id: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
