//! `DeleteShareGroupOffsets`: makes a share group forget topics (KIP-932).

use super::message;
use crate::wire::Uuid;

message! {
    request DeleteShareGroupOffsetsRequest(92): 0..=0, flexible 0, to Group, returns DeleteShareGroupOffsetsResponse;

    /// The topics that a group without members is to forget.
    struct DeleteShareGroupOffsetsRequest {
        group_id: String [..],
        topics: Vec<DeleteShareGroupOffsetsRequestTopic> [..],
    }

    /// One topic.
    struct DeleteShareGroupOffsetsRequestTopic {
        topic_name: String [..],
    }
}

message! {
    /// What became of each topic.
    struct DeleteShareGroupOffsetsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        responses: Vec<DeleteShareGroupOffsetsResponseTopic> [..],
    }

    /// Whether one topic was forgotten.
    struct DeleteShareGroupOffsetsResponseTopic {
        topic_name: String [..],
        topic_id: Uuid [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
