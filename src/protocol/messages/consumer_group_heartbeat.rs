//! `ConsumerGroupHeartbeat`: joins, keeps and leaves a consumer group of the new protocol (KIP-848).
//! The group's coordinator answers, and assigns.

use super::message;
use crate::wire::Uuid;

message! {
    request ConsumerGroupHeartbeatRequest(68): 0..=1, flexible 0, to Group, returns ConsumerGroupHeartbeatResponse;

    /// Says what the member wants and has; null is what has not changed.
    ///
    /// Epoch 0 joins, -1 leaves, -2 leaves for a while as a static member.
    struct ConsumerGroupHeartbeatRequest {
        group_id: String [..],
        member_id: String [..],
        member_epoch: i32 [..],
        instance_id: Option<String> [..],
        rack_id: Option<String> [..],
        rebalance_timeout_ms: i32 [..] = -1,
        subscribed_topic_names: Option<Vec<String>> [..],
        subscribed_topic_regex: Option<String> [1..],
        server_assignor: Option<String> [..],
        topic_partitions: Option<Vec<TopicPartitions>> [..],
    }

    /// Partitions of one topic.
    struct TopicPartitions {
        topic_id: Uuid [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// The member's epoch, and its partitions; null where they have not changed.
    struct ConsumerGroupHeartbeatResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        member_id: Option<String> [..],
        member_epoch: i32 [..],
        heartbeat_interval_ms: i32 [..],
        assignment: Option<Box<Assignment>> [..],
    }

    /// What the member is to read.
    struct Assignment {
        topic_partitions: Vec<TopicPartitions> [..],
    }
}
