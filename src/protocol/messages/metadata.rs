//! Metadata: brokers, topics, partitions and their leaders. Any broker answers.

use super::message;
use crate::wire::Uuid;

message! {
    request MetadataRequest(3): 0..=13, flexible 9, to Any, throttled 6, returns MetadataResponse;

    /// Asks for topics: null for all of them, and in version 0 an empty list.
    ///
    /// From version 1 on, an empty list asks for the brokers alone.
    struct MetadataRequest {
        topics: Option<Vec<MetadataRequestTopic>> [..; null 1..] = Some(Vec::new()),
        allow_auto_topic_creation: bool [4..] = true,
        include_cluster_authorized_operations: bool [8..=10],
        include_topic_authorized_operations: bool [8..],
    }

    /// A topic to ask for: by name, or from version 12 on by id with a null name.
    struct MetadataRequestTopic {
        topic_id: Uuid [10..; ignorable],
        name: Option<String> [..; null 10..] = Some(String::new()),
    }
}

message! {
    /// The cluster as one broker sees it, which may be behind.
    struct MetadataResponse {
        throttle_time_ms: i32 [3..; ignorable],
        brokers: Vec<MetadataResponseBroker> [..],
        cluster_id: Option<String> [2..; ignorable],
        controller_id: i32 [1..; ignorable] = -1,
        topics: Vec<MetadataResponseTopic> [..],
        cluster_authorized_operations: i32 [8..=10] = i32::MIN,
        error_code: i16 [13..; ignorable],
    }

    /// A live broker, and its address for clients on this listener.
    struct MetadataResponseBroker {
        node_id: i32 [..],
        host: String [..],
        port: i32 [..],
        rack: Option<String> [1..; ignorable],
    }

    /// A topic. One that was asked for by an unknown id has no name.
    struct MetadataResponseTopic {
        error_code: i16 [..],
        name: Option<String> [..; null 12..] = Some(String::new()),
        topic_id: Uuid [10..; ignorable],
        is_internal: bool [1..; ignorable],
        partitions: Vec<MetadataResponsePartition> [..],
        topic_authorized_operations: i32 [8..] = i32::MIN,
    }

    /// A partition; `leader_id` is -1 while it has no leader.
    struct MetadataResponsePartition {
        error_code: i16 [..],
        partition_index: i32 [..],
        leader_id: i32 [..],
        leader_epoch: i32 [7..; ignorable] = -1,
        replica_nodes: Vec<i32> [..],
        isr_nodes: Vec<i32> [..],
        offline_replicas: Vec<i32> [5..; ignorable],
    }
}
