//! `DescribeQuorum`: the controllers that keep the cluster's metadata. Their leader answers.

pub use response::DescribeQuorumResponse;

use super::message;

message! {
    request DescribeQuorumRequest(55): 0..=2, flexible 0, to Controller, returns DescribeQuorumResponse;

    /// Asks about quorums: of partition 0 of `__cluster_metadata`.
    struct DescribeQuorumRequest {
        topics: Vec<TopicData> [..],
    }

    /// Partitions of one topic.
    struct TopicData {
        topic_name: String [..],
        partitions: Vec<PartitionData> [..],
    }

    /// One partition.
    struct PartitionData {
        partition_index: i32 [..],
    }
}

/// The response: a module of its own, because its structs have names of the request's.
pub mod response {
    use crate::protocol::message;
    use crate::wire::Uuid;

    message! {
        /// The quorums, and where their nodes listen.
        struct DescribeQuorumResponse {
            error_code: i16 [..],
            error_message: Option<String> [2..; ignorable],
            topics: Vec<TopicData> [..],
            nodes: Vec<Node> [2..],
        }

        /// Quorums of one topic.
        struct TopicData {
            topic_name: String [..],
            partitions: Vec<PartitionData> [..],
        }

        /// One quorum.
        struct PartitionData {
            partition_index: i32 [..],
            error_code: i16 [..],
            error_message: Option<String> [2..; ignorable],
            leader_id: i32 [..],
            leader_epoch: i32 [..],
            high_watermark: i64 [..],
            current_voters: Vec<ReplicaState> [..],
            observers: Vec<ReplicaState> [..],
        }

        /// How far a voter or observer has come.
        struct ReplicaState {
            replica_id: i32 [..],
            replica_directory_id: Uuid [2..],
            log_end_offset: i64 [..],
            last_fetch_timestamp: i64 [1..; ignorable] = -1,
            last_caught_up_timestamp: i64 [1..; ignorable] = -1,
        }

        /// A voter.
        struct Node {
            node_id: i32 [2..],
            listeners: Vec<Listener> [2..],
        }

        /// Where a voter listens.
        struct Listener {
            name: String [2..],
            host: String [2..],
            port: u16 [2..],
        }
    }
}
