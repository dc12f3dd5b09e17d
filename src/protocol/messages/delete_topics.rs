//! `DeleteTopics`: deletes topics by name or id. The controller answers.

use super::message;
use crate::wire::Uuid;

message! {
    request DeleteTopicsRequest(20): 0..=6, flexible 4, to Controller, throttled 2, returns DeleteTopicsResponse;

    /// Asks the controller to delete topics: `topics` from version 6 on, `topic_names` before.
    struct DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> [6..],
        topic_names: Vec<String> [..=5; ignorable],
        timeout_ms: i32 [..],
    }

    /// A topic to delete, by its name or else by its id.
    struct DeleteTopicState {
        name: Option<String> [6..],
        topic_id: Uuid [6..],
    }
}

message! {
    /// What became of each topic.
    struct DeleteTopicsResponse {
        throttle_time_ms: i32 [1..; ignorable],
        responses: Vec<DeletableTopicResult> [..],
    }

    /// What became of one topic. The name is null where the principal may not see it.
    struct DeletableTopicResult {
        name: Option<String> [..; null 6..] = Some(String::new()),
        topic_id: Uuid [6..; ignorable],
        error_code: i16 [..],
        error_message: Option<String> [5..; ignorable],
    }
}
