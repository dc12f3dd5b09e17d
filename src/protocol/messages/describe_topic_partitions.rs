//! `DescribeTopicPartitions`: topics and their partitions, page by page (KIP-966). Any broker
//! answers.

use super::message;
use crate::wire::Uuid;

message! {
    request DescribeTopicPartitionsRequest(75): 0..=0, flexible 0, to Any, throttled 0, returns DescribeTopicPartitionsResponse;

    /// Asks for topics by name; for all of them if there is none.
    struct DescribeTopicPartitionsRequest {
        topics: Vec<TopicRequest> [..],
        response_partition_limit: i32 [..] = 2000,
        cursor: Option<Box<Cursor>> [..],
    }

    /// A topic of the request.
    struct TopicRequest {
        name: String [..],
    }

    /// Where a page begins. The broker goes through the topics in the order of their names.
    struct Cursor {
        topic_name: String [..],
        partition_index: i32 [..],
    }
}

message! {
    /// A page of topics, and where the next begins.
    struct DescribeTopicPartitionsResponse {
        throttle_time_ms: i32 [..; ignorable],
        topics: Vec<DescribeTopicPartitionsResponseTopic> [..],
        next_cursor: Option<Box<Cursor>> [..],
    }

    /// A topic, with those of its partitions that are on this page.
    struct DescribeTopicPartitionsResponseTopic {
        error_code: i16 [..],
        name: Option<String> [..],
        topic_id: Uuid [..; ignorable],
        is_internal: bool [..; ignorable],
        partitions: Vec<DescribeTopicPartitionsResponsePartition> [..],
        topic_authorized_operations: i32 [..] = i32::MIN,
    }

    /// A partition; `leader_id` is -1 while it has no leader.
    struct DescribeTopicPartitionsResponsePartition {
        error_code: i16 [..],
        partition_index: i32 [..],
        leader_id: i32 [..],
        leader_epoch: i32 [..; ignorable] = -1,
        replica_nodes: Vec<i32> [..],
        isr_nodes: Vec<i32> [..],
        eligible_leader_replicas: Option<Vec<i32>> [..],
        last_known_elr: Option<Vec<i32>> [..],
        offline_replicas: Vec<i32> [..; ignorable],
    }
}
