//! Produce: appends batches of records to partitions that the broker leads.

use bytes::Bytes;

use super::message;
use crate::wire::Uuid;

message! {
    request ProduceRequest(0): 0..=13, flexible 9, to Leader, throttled 6, returns ProduceResponse;

    /// Batches to append. With `acks` 0 the broker sends no response.
    ///
    /// Versions 0 and 1 carry message sets of format 0, version 2 those of format 1, later ones
    /// batches of format 2, one a partition.
    struct ProduceRequest {
        transactional_id: Option<String> [3..],
        acks: i16 [..],
        timeout_ms: i32 [..],
        topic_data: Vec<TopicProduceData> [..],
    }

    /// The batches of one topic: by name up to version 12, by id from 13 on (KIP-516).
    struct TopicProduceData {
        name: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partition_data: Vec<PartitionProduceData> [..],
    }

    /// The batch of one partition.
    struct PartitionProduceData {
        index: i32 [..],
        records: Option<Bytes> [..],
    }
}

impl ProduceRequest {
    /// The last version that names topics; later ones need their ids (KIP-516).
    pub(crate) const LAST_BY_NAME: i16 = 12;
}

message! {
    /// What became of each batch.
    struct ProduceResponse {
        responses: Vec<TopicProduceResponse> [..],
        throttle_time_ms: i32 [1..; ignorable],
    } tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [10..],
    }

    /// What became of one topic's batches.
    struct TopicProduceResponse {
        name: String [..=12; ignorable],
        topic_id: Uuid [13..; ignorable],
        partition_responses: Vec<PartitionProduceResponse> [..],
    }

    /// What became of one batch: it begins at `base_offset`.
    ///
    /// `log_append_time_ms` is -1 where records keep the time that the client gave them.
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

    /// A record that made the broker refuse the batch (KIP-467).
    struct BatchIndexAndErrorMessage {
        batch_index: i32 [8..],
        batch_index_error_message: Option<String> [8..],
    }

    /// The leader that the broker knows of, when it is another than the client thought (KIP-951).
    struct LeaderIdAndEpoch {
        leader_id: i32 [10..] = -1,
        leader_epoch: i32 [10..] = -1,
    }

    /// The address of a leader named in `current_leader` (KIP-951).
    struct NodeEndpoint {
        node_id: i32 [10..],
        host: String [10..],
        port: i32 [10..],
        rack: Option<String> [10..],
    }
}
