//! `CreateTopics`: makes topics. The controller answers.

use super::message;
use crate::wire::Uuid;

message! {
    request CreateTopicsRequest(19): 0..=7, flexible 5, to Controller, throttled 3, returns CreateTopicsResponse;

    /// Asks the controller to make topics.
    struct CreateTopicsRequest {
        topics: Vec<CreatableTopic> [..],
        timeout_ms: i32 [..] = 60000,
        validate_only: bool [1..],
    }

    /// A topic to make: with counts, or with `assignments` and both counts -1.
    ///
    /// From version 4 on, -1 alone asks for the broker's default (KIP-464).
    struct CreatableTopic {
        name: String [..],
        num_partitions: i32 [..],
        replication_factor: i16 [..],
        assignments: Vec<CreatableReplicaAssignment> [..],
        configs: Vec<CreatableTopicConfig> [..],
    }

    /// The brokers that one partition is to live on; the first is to lead it.
    struct CreatableReplicaAssignment {
        partition_index: i32 [..],
        broker_ids: Vec<i32> [..],
    }

    /// A setting of the topic that is to differ from the broker's.
    struct CreatableTopicConfig {
        name: String [..],
        value: Option<String> [..],
    }
}

message! {
    /// What became of each topic.
    struct CreateTopicsResponse {
        throttle_time_ms: i32 [2..; ignorable],
        topics: Vec<CreatableTopicResult> [..],
    }

    /// What became of one topic; from version 5 on with what it was made with (KIP-525).
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

    /// A setting of the new topic, and where its value came from.
    struct CreatableTopicConfigs {
        name: String [5..],
        value: Option<String> [5..],
        read_only: bool [5..],
        config_source: i8 [5..; ignorable] = -1,
        is_sensitive: bool [5..],
    }
}
