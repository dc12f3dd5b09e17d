//! `ShareGroupHeartbeat`: joins, stays in and leaves a share group (KIP-932).

use super::message;
use crate::wire::Uuid;

message! {
    request ShareGroupHeartbeatRequest(76): 1..=1, flexible 0, to Group, returns ShareGroupHeartbeatResponse;

    /// What a member wants. It makes its own id, joins with epoch 0 and leaves with -1; what is
    /// null has not changed.
    struct ShareGroupHeartbeatRequest {
        group_id: String [..],
        member_id: String [..],
        member_epoch: i32 [..],
        rack_id: Option<String> [..],
        subscribed_topic_names: Option<Vec<String>> [..],
    }
}

message! {
    /// What the member is to do; the assignment is null if it has not changed.
    struct ShareGroupHeartbeatResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        member_id: Option<String> [..],
        member_epoch: i32 [..],
        heartbeat_interval_ms: i32 [..],
        assignment: Option<Box<Assignment>> [..],
    }

    /// The partitions to fetch from.
    struct Assignment {
        topic_partitions: Vec<TopicPartitions> [..],
    }

    /// Partitions of one topic.
    struct TopicPartitions {
        topic_id: Uuid [..],
        partitions: Vec<i32> [..],
    }
}
