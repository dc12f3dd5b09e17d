//! Metadata: DOC.

use super::message;
use crate::wire::Uuid;

message! {
    request MetadataRequest(3): 0..=13, flexible 9, returns MetadataResponse;

    /// DOC MetadataRequest
    struct MetadataRequest {
        topics: Option<Vec<MetadataRequestTopic>> [..; null 1..],
        allow_auto_topic_creation: bool [4..] = true,
        include_cluster_authorized_operations: bool [8..=10],
        include_topic_authorized_operations: bool [8..],
    }

    /// DOC MetadataRequestTopic
    struct MetadataRequestTopic {
        topic_id: Uuid [10..; ignorable],
        name: Option<String> [..; null 10..],
    }
}

message! {
    /// DOC MetadataResponse
    struct MetadataResponse {
        throttle_time_ms: i32 [3..; ignorable],
        brokers: Vec<MetadataResponseBroker> [..],
        cluster_id: Option<String> [2..; ignorable],
        controller_id: i32 [1..; ignorable] = -1,
        topics: Vec<MetadataResponseTopic> [..],
        cluster_authorized_operations: i32 [8..=10] = i32::MIN,
        error_code: i16 [13..; ignorable],
    }

    /// DOC MetadataResponseBroker
    struct MetadataResponseBroker {
        node_id: i32 [..],
        host: String [..],
        port: i32 [..],
        rack: Option<String> [1..; ignorable],
    }

    /// DOC MetadataResponseTopic
    struct MetadataResponseTopic {
        error_code: i16 [..],
        name: Option<String> [..; null 12..],
        topic_id: Uuid [10..; ignorable],
        is_internal: bool [1..; ignorable],
        partitions: Vec<MetadataResponsePartition> [..],
        topic_authorized_operations: i32 [8..] = i32::MIN,
    }

    /// DOC MetadataResponsePartition
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
