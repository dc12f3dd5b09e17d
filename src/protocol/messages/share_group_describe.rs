//! `ShareGroupDescribe`: the state and members of share groups (KIP-932).

use super::message;
use crate::wire::Uuid;

message! {
    request ShareGroupDescribeRequest(77): 1..=1, flexible 0, to Group, returns ShareGroupDescribeResponse;

    /// Asks about groups, which all have this coordinator.
    struct ShareGroupDescribeRequest {
        group_ids: Vec<String> [..],
        include_authorized_operations: bool [..],
    }
}

message! {
    /// The description of each group.
    struct ShareGroupDescribeResponse {
        throttle_time_ms: i32 [..],
        groups: Vec<DescribedGroup> [..],
    }

    /// One group. The operations are a bit field, `i32::MIN` if they were not asked for.
    struct DescribedGroup {
        error_code: i16 [..],
        error_message: Option<String> [..],
        group_id: String [..],
        group_state: String [..],
        group_epoch: i32 [..],
        assignment_epoch: i32 [..],
        assignor_name: String [..],
        members: Vec<Member> [..],
        authorized_operations: i32 [..] = i32::MIN,
    }

    /// One member.
    struct Member {
        member_id: String [..],
        rack_id: Option<String> [..],
        member_epoch: i32 [..],
        client_id: String [..],
        client_host: String [..],
        subscribed_topic_names: Vec<String> [..],
        assignment: Assignment [..],
    }

    /// The partitions that a member fetches from.
    struct Assignment {
        topic_partitions: Vec<TopicPartitions> [..],
    }

    /// Partitions of one topic.
    struct TopicPartitions {
        topic_id: Uuid [..],
        topic_name: String [..],
        partitions: Vec<i32> [..],
    }
}
