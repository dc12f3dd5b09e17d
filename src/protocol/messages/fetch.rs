//! Fetch: reads batches of records from partitions that the broker leads, or follows.

use bytes::Bytes;

use super::message;
use crate::wire::Uuid;

message! {
    request FetchRequest(1): 0..=18, flexible 12, to Leader, throttled 8, returns FetchResponse;

    /// Asks for records from many partitions at once, and waits for them.
    ///
    /// With a session (version 7, KIP-227), later requests name only the partitions that changed.
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

    /// Who a fetching replica is. Consumers leave it at its default.
    struct ReplicaState {
        replica_id: i32 [15..] = -1,
        replica_epoch: i64 [15..] = -1,
    }

    /// The partitions of one topic to read: by name up to version 12, by id from 13 on (KIP-516).
    struct FetchTopic {
        topic: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<FetchPartition> [..],
    }

    /// Where to read one partition, and how much.
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

    /// Partitions that the session is to drop.
    struct ForgottenTopic {
        topic: String [7..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<i32> [7..],
    }
}

impl FetchRequest {
    /// The last version that names topics; later ones need their ids (KIP-516).
    pub(crate) const LAST_BY_NAME: i16 = 12;
}

message! {
    /// Batches of records.
    ///
    /// From version 3 on, the first batch of the first partition that has one comes whole even if
    /// it exceeds the limits of the request (KIP-74). The last batch of a partition may be cut off.
    struct FetchResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [7..; ignorable],
        session_id: i32 [7..],
        responses: Vec<FetchableTopicResponse> [..],
    } tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [16..],
    }

    /// What one topic's partitions gave.
    struct FetchableTopicResponse {
        topic: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partitions: Vec<PartitionData> [..],
    }

    /// What one partition gave.
    ///
    /// Batches may begin before the offset that was asked for.
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

    /// Where the log of the leader diverges from what the client has read (KIP-595).
    struct EpochEndOffset {
        epoch: i32 [12..] = -1,
        end_offset: i64 [12..] = -1,
    }

    /// The leader that the broker knows of, when it is another than the client thought (KIP-951).
    struct LeaderIdAndEpoch {
        leader_id: i32 [12..] = -1,
        leader_epoch: i32 [12..] = -1,
    }

    /// The snapshot to load instead, for replicas of the metadata log.
    struct SnapshotId {
        end_offset: i64 [..] = -1,
        epoch: i32 [..] = -1,
    }

    /// A transaction that was aborted: `read_committed` skips the records of this producer from
    /// `first_offset` up to its control batch.
    struct AbortedTransaction {
        producer_id: i64 [4..],
        first_offset: i64 [4..],
    }

    /// The address of a leader named in `current_leader` (KIP-951).
    struct NodeEndpoint {
        node_id: i32 [16..],
        host: String [16..],
        port: i32 [16..],
        rack: Option<String> [16..],
    }
}
