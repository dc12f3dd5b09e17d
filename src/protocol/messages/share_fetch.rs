//! `ShareFetch`: acquires records for a member of a share group, and acknowledges those it had
//! (KIP-932).

use bytes::Bytes;

use super::message;
pub use super::share_acknowledge::{AcknowledgementBatch, LeaderIdAndEpoch, NodeEndpoint};
use crate::wire::Uuid;

message! {
    request ShareFetchRequest(78): 1..=2, flexible 0, to Leader, returns ShareFetchResponse;

    /// Asks for records from the partitions of the share session, and waits for them.
    ///
    /// Epoch 0 opens the session, -1 closes it; between, topics name only what changed.
    struct ShareFetchRequest {
        group_id: Option<String> [..],
        member_id: Option<String> [..],
        share_session_epoch: i32 [..],
        max_wait_ms: i32 [..],
        min_bytes: i32 [..],
        max_bytes: i32 [..] = i32::MAX,
        max_records: i32 [..],
        batch_size: i32 [..],
        share_acquire_mode: i8 [2..; ignorable],
        is_renew_ack: bool [2..],
        topics: Vec<FetchTopic> [..],
        forgotten_topics_data: Vec<ForgottenTopic> [..],
    }

    /// The partitions of one topic to fetch from.
    struct FetchTopic {
        topic_id: Uuid [..],
        partitions: Vec<FetchPartition> [..],
    }

    /// One partition to fetch from, and what became of records that came from it.
    struct FetchPartition {
        partition_index: i32 [..],
        acknowledgement_batches: Vec<AcknowledgementBatch> [..],
    }

    /// Partitions that the session is to drop.
    struct ForgottenTopic {
        topic_id: Uuid [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// Batches of records, of which the member has those that were acquired for it.
    struct ShareFetchResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        acquisition_lock_timeout_ms: i32 [..],
        responses: Vec<ShareFetchableTopicResponse> [..],
        node_endpoints: Vec<NodeEndpoint> [..],
    }

    /// What one topic's partitions gave.
    struct ShareFetchableTopicResponse {
        topic_id: Uuid [..],
        partitions: Vec<PartitionData> [..],
    }

    /// What one partition gave, and whether its acknowledgements were taken.
    struct PartitionData {
        partition_index: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        acknowledge_error_code: i16 [..],
        acknowledge_error_message: Option<String> [..],
        current_leader: LeaderIdAndEpoch [..],
        records: Bytes [..],
        acquired_records: Vec<AcquiredRecords> [..],
    }

    /// A range of offsets, both ends in it, that is the member's until its lock times out.
    struct AcquiredRecords {
        first_offset: i64 [..],
        last_offset: i64 [..],
        delivery_count: i16 [..],
    }
}
