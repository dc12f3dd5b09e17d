//! `ConsumerGroupDescribe`: consumer groups of the new protocol (KIP-848). Their coordinator answers.

use super::message;
use crate::wire::Uuid;

message! {
    request ConsumerGroupDescribeRequest(69): 0..=1, flexible 0, to Group, returns ConsumerGroupDescribeResponse;

    /// Asks about these groups.
    struct ConsumerGroupDescribeRequest {
        group_ids: Vec<String> [..],
        include_authorized_operations: bool [..],
    }
}

message! {
    /// The groups.
    struct ConsumerGroupDescribeResponse {
        throttle_time_ms: i32 [..],
        groups: Vec<DescribedGroup> [..],
    }

    /// One group.
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

    /// One member. `member_type`: 0 classic, 1 consumer, -1 unknown.
    struct Member {
        member_id: String [..],
        instance_id: Option<String> [..],
        rack_id: Option<String> [..],
        member_epoch: i32 [..],
        client_id: String [..],
        client_host: String [..],
        subscribed_topic_names: Vec<String> [..],
        subscribed_topic_regex: Option<String> [..],
        assignment: Assignment [..],
        target_assignment: Assignment [..],
        member_type: i8 [1..; ignorable] = -1,
    }

    /// What the member reads now, or is to read.
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
