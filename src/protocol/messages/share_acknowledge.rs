//! `ShareAcknowledge`: says what became of records that a share group's member had (KIP-932).

use super::message;
use crate::wire::Uuid;

message! {
    request ShareAcknowledgeRequest(79): 1..=2, flexible 0, to Leader, returns ShareAcknowledgeResponse;

    /// Acknowledges records of the share session, without fetching more.
    struct ShareAcknowledgeRequest {
        group_id: Option<String> [..],
        member_id: Option<String> [..],
        share_session_epoch: i32 [..],
        is_renew_ack: bool [2..],
        topics: Vec<AcknowledgeTopic> [..],
    }

    /// The partitions of one topic.
    struct AcknowledgeTopic {
        topic_id: Uuid [..],
        partitions: Vec<AcknowledgePartition> [..],
    }

    /// The records of one partition.
    struct AcknowledgePartition {
        partition_index: i32 [..],
        acknowledgement_batches: Vec<AcknowledgementBatch> [..],
    }

    /// A range of offsets, both ends in it, with one type for all or one for each: 0 gap, 1 accept,
    /// 2 release, 3 reject, 4 renew.
    struct AcknowledgementBatch {
        first_offset: i64 [..],
        last_offset: i64 [..],
        acknowledge_types: Vec<i8> [..],
    }
}

message! {
    /// What became of the acknowledgements.
    struct ShareAcknowledgeResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        acquisition_lock_timeout_ms: i32 [2..; ignorable],
        responses: Vec<ShareAcknowledgeTopicResponse> [..],
        node_endpoints: Vec<NodeEndpoint> [..],
    }

    /// What became of those of one topic.
    struct ShareAcknowledgeTopicResponse {
        topic_id: Uuid [..],
        partitions: Vec<PartitionData> [..],
    }

    /// What became of those of one partition.
    struct PartitionData {
        partition_index: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        current_leader: LeaderIdAndEpoch [..],
    }

    /// The leader that the broker knows of, when it is another than the client thought.
    struct LeaderIdAndEpoch {
        leader_id: i32 [..],
        leader_epoch: i32 [..],
    }

    /// The address of a leader named in `current_leader`.
    struct NodeEndpoint {
        node_id: i32 [..],
        host: String [..],
        port: i32 [..],
        rack: Option<String> [..],
    }
}
