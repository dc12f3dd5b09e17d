//! Produce: DOC.

use bytes::Bytes;

use super::message;
use crate::wire::Uuid;

message! {
    request ProduceRequest(0): 0..=13, flexible 9, returns ProduceResponse;

    /// DOC ProduceRequest
    struct ProduceRequest {
        transactional_id: Option<String> [3..],
        acks: i16 [..],
        timeout_ms: i32 [..],
        topic_data: Vec<TopicProduceData> [..],
    }

    /// DOC TopicProduceData
    struct TopicProduceData {
        name: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partition_data: Vec<PartitionProduceData> [..],
    }

    /// DOC PartitionProduceData
    struct PartitionProduceData {
        index: i32 [..],
        records: Option<Bytes> [..],
    }
}

message! {
    /// DOC ProduceResponse
    struct ProduceResponse {
        responses: Vec<TopicProduceResponse> [..],
        throttle_time_ms: i32 [1..; ignorable],
    } tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [10..],
    }

    /// DOC TopicProduceResponse
    struct TopicProduceResponse {
        name: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partition_responses: Vec<PartitionProduceResponse> [..],
    }

    /// DOC PartitionProduceResponse
    struct PartitionProduceResponse {
        index: i32 [..],
        error_code: i16 [..],
        base_offset: i64 [..],
        log_append_time_ms: i64 [2..; ignorable] = -1,
        log_start_offset: i64 [5..; ignorable] = -1,
        record_errors: Vec<BatchIndexAndErrorMessage> [8..; ignorable],
        error_message: Option<String> [8..; ignorable],
    } tagged {
        0 => current_leader: LeaderIdAndEpoch [10..],
    }

    /// DOC BatchIndexAndErrorMessage
    struct BatchIndexAndErrorMessage {
        batch_index: i32 [8..],
        batch_index_error_message: Option<String> [8..],
    }

    /// DOC LeaderIdAndEpoch
    struct LeaderIdAndEpoch {
        leader_id: i32 [10..] = -1,
        leader_epoch: i32 [10..] = -1,
    }

    /// DOC NodeEndpoint
    struct NodeEndpoint {
        node_id: i32 [10..],
        host: String [10..],
        port: i32 [10..],
        rack: Option<String> [10..],
    }
}
