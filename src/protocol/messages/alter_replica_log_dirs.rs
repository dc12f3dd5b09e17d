//! `AlterReplicaLogDirs`: moves replicas between the log directories of one broker, which answers.

use super::message;

message! {
    request AlterReplicaLogDirsRequest(34): 0..=2, flexible 2, to Broker, throttled 1, returns AlterReplicaLogDirsResponse;

    /// Asks a broker to keep its replicas elsewhere.
    struct AlterReplicaLogDirsRequest {
        dirs: Vec<AlterReplicaLogDir> [..],
    }

    /// A directory of the broker, and what is to go there.
    struct AlterReplicaLogDir {
        path: String [..],
        topics: Vec<AlterReplicaLogDirTopic> [..],
    }

    /// Partitions of one topic that are to go there.
    struct AlterReplicaLogDirTopic {
        name: String [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// Whether each move has begun, or is to follow once the broker has the replica.
    struct AlterReplicaLogDirsResponse {
        throttle_time_ms: i32 [..],
        results: Vec<AlterReplicaLogDirTopicResult> [..],
    }

    /// What became of the partitions of one topic.
    struct AlterReplicaLogDirTopicResult {
        topic_name: String [..],
        partitions: Vec<AlterReplicaLogDirPartitionResult> [..],
    }

    /// What became of one partition.
    struct AlterReplicaLogDirPartitionResult {
        partition_index: i32 [..],
        error_code: i16 [..],
    }
}
