//! Fetch: DOC.

use bytes::Bytes;

use super::message;
use crate::wire::Uuid;

message! {
    request FetchRequest(1): 0..=18, flexible 12, returns FetchResponse;

    /// DOC FetchRequest
    struct FetchRequest {
        replica_id: i32 [..=14] = -1,
        max_wait_ms: i32 [..],
        min_bytes: i32 [..],
        max_bytes: i32 [3..; ignorable] = i32::MAX,
        isolation_level: i8 [4..; ignorable],
        session_id: i32 [7..; ignorable],
        session_epoch: i32 [7..; ignorable] = -1,
        topics: Vec<FetchTopic> [..],
        forgotten_topics_data: Vec<ForgottenTopic> [7..],
        rack_id: String [11..; ignorable],
    } tagged {
        0 => cluster_id: Option<String> [12..; ignorable],
        1 => replica_state: ReplicaState [15..],
    }

    /// DOC ReplicaState
    struct ReplicaState {
        replica_id: i32 [15..] = -1,
        replica_epoch: i64 [15..] = -1,
    }

    /// DOC FetchTopic
    struct FetchTopic {
        topic: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<FetchPartition> [..],
    }

    /// DOC FetchPartition
    struct FetchPartition {
        partition: i32 [..],
        current_leader_epoch: i32 [9..; ignorable] = -1,
        fetch_offset: i64 [..],
        last_fetched_epoch: i32 [12..] = -1,
        log_start_offset: i64 [5..; ignorable] = -1,
        partition_max_bytes: i32 [..],
    } tagged {
        0 => replica_directory_id: Uuid [17..; ignorable],
        1 => high_watermark: i64 [18..; ignorable] = i64::MAX,
    }

    /// DOC ForgottenTopic
    struct ForgottenTopic {
        topic: String [7..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<i32> [7..],
    }
}

message! {
    /// DOC FetchResponse
    struct FetchResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [7..; ignorable],
        session_id: i32 [7..],
        responses: Vec<FetchableTopicResponse> [..],
    } tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [16..],
    }

    /// DOC FetchableTopicResponse
    struct FetchableTopicResponse {
        topic: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<PartitionData> [..],
    }

    /// DOC PartitionData
    struct PartitionData {
        partition_index: i32 [..],
        error_code: i16 [..],
        high_watermark: i64 [..],
        last_stable_offset: i64 [4..; ignorable] = -1,
        log_start_offset: i64 [5..; ignorable] = -1,
        aborted_transactions: Option<Vec<AbortedTransaction>> [4..; ignorable],
        preferred_read_replica: i32 [11..] = -1,
        records: Option<Bytes> [..],
    } tagged {
        0 => diverging_epoch: EpochEndOffset [12..],
        1 => current_leader: LeaderIdAndEpoch [12..],
        2 => snapshot_id: SnapshotId [12..],
    }

    /// DOC EpochEndOffset
    struct EpochEndOffset {
        epoch: i32 [12..] = -1,
        end_offset: i64 [12..] = -1,
    }

    /// DOC LeaderIdAndEpoch
    struct LeaderIdAndEpoch {
        leader_id: i32 [12..] = -1,
        leader_epoch: i32 [12..] = -1,
    }

    /// DOC SnapshotId
    struct SnapshotId {
        end_offset: i64 [..] = -1,
        epoch: i32 [..] = -1,
    }

    /// DOC AbortedTransaction
    struct AbortedTransaction {
        producer_id: i64 [4..],
        first_offset: i64 [4..],
    }

    /// DOC NodeEndpoint
    struct NodeEndpoint {
        node_id: i32 [16..],
        host: String [16..],
        port: i32 [16..],
        rack: Option<String> [16..],
    }
}
