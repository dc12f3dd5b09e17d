//! CreateTopics: DOC.

use super::message;
use crate::wire::Uuid;

message! {
    request CreateTopicsRequest(19): 0..=7, flexible 5, returns CreateTopicsResponse;

    /// DOC CreateTopicsRequest
    struct CreateTopicsRequest {
        topics: Vec<CreatableTopic> [..],
        timeout_ms: i32 [..] = 60000,
        validate_only: bool [1..],
    }

    /// DOC CreatableTopic
    struct CreatableTopic {
        name: String [..],
        num_partitions: i32 [..],
        replication_factor: i16 [..],
        assignments: Vec<CreatableReplicaAssignment> [..],
        configs: Vec<CreatableTopicConfig> [..],
    }

    /// DOC CreatableReplicaAssignment
    struct CreatableReplicaAssignment {
        partition_index: i32 [..],
        broker_ids: Vec<i32> [..],
    }

    /// DOC CreatableTopicConfig
    struct CreatableTopicConfig {
        name: String [..],
        value: Option<String> [..],
    }
}

message! {
    /// DOC CreateTopicsResponse
    struct CreateTopicsResponse {
        throttle_time_ms: i32 [2..; ignorable],
        topics: Vec<CreatableTopicResult> [..],
    }

    /// DOC CreatableTopicResult
    struct CreatableTopicResult {
        name: String [..],
        topic_id: Uuid [7..; ignorable],
        error_code: i16 [..],
        error_message: Option<String> [1..; ignorable],
        num_partitions: i32 [5..; ignorable] = -1,
        replication_factor: i16 [5..; ignorable] = -1,
        configs: Option<Vec<CreatableTopicConfigs>> [5..; ignorable],
    } tagged {
        0 => topic_config_error_code: i16 [5..; ignorable],
    }

    /// DOC CreatableTopicConfigs
    struct CreatableTopicConfigs {
        name: String [5..],
        value: Option<String> [5..],
        read_only: bool [5..],
        config_source: i8 [5..; ignorable] = -1,
        is_sensitive: bool [5..],
    }
}
