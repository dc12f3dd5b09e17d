//! DeleteTopics: DOC.

use super::message;
use crate::wire::Uuid;

message! {
    request DeleteTopicsRequest(20): 0..=6, flexible 4, returns DeleteTopicsResponse;

    /// DOC DeleteTopicsRequest
    struct DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> [6..],
        topic_names: Vec<String> [..=5; ignorable],
        timeout_ms: i32 [..],
    }

    /// DOC DeleteTopicState
    struct DeleteTopicState {
        name: Option<String> [6..],
        topic_id: Uuid [6..],
    }
}

message! {
    /// DOC DeleteTopicsResponse
    struct DeleteTopicsResponse {
        throttle_time_ms: i32 [1..; ignorable],
        responses: Vec<DeletableTopicResult> [..],
    }

    /// DOC DeletableTopicResult
    struct DeletableTopicResult {
        name: Option<String> [..; null 6..],
        topic_id: Uuid [6..; ignorable],
        error_code: i16 [..],
        error_message: Option<String> [5..; ignorable],
    }
}
