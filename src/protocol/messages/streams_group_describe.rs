//! `StreamsGroupDescribe`: the state, topology and members of streams groups (KIP-1071).

use super::message;
pub use super::streams_group_heartbeat::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};

message! {
    request StreamsGroupDescribeRequest(89): 0..=0, flexible 0, to Group, returns StreamsGroupDescribeResponse;

    /// Asks about groups, which all have this coordinator.
    struct StreamsGroupDescribeRequest {
        group_ids: Vec<String> [..],
        include_authorized_operations: bool [..],
    }
}

message! {
    /// The description of each group.
    struct StreamsGroupDescribeResponse {
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
        topology: Option<Box<Topology>> [..],
        members: Vec<Member> [..],
        authorized_operations: i32 [..] = i32::MIN,
    }

    /// What the application computes; the parts are null until the group has resolved its topics.
    struct Topology {
        epoch: i32 [..],
        subtopologies: Option<Vec<Subtopology>> [..],
    }

    /// A part of the topology that runs by itself.
    struct Subtopology {
        subtopology_id: String [..],
        source_topics: Vec<String> [..],
        repartition_sink_topics: Vec<String> [..],
        state_changelog_topics: Vec<TopicInfo> [..],
        repartition_source_topics: Vec<TopicInfo> [..],
    }

    /// One member.
    struct Member {
        member_id: String [..],
        member_epoch: i32 [..],
        instance_id: Option<String> [..],
        rack_id: Option<String> [..],
        client_id: String [..],
        client_host: String [..],
        topology_epoch: i32 [..],
        process_id: String [..],
        user_endpoint: Option<Box<Endpoint>> [..],
        client_tags: Vec<KeyValue> [..],
        task_offsets: Vec<TaskOffset> [..],
        task_end_offsets: Vec<TaskOffset> [..],
        assignment: Assignment [..],
        target_assignment: Assignment [..],
        is_classic: bool [..],
    }

    /// The tasks of a member.
    struct Assignment {
        active_tasks: Vec<TaskIds> [..],
        standby_tasks: Vec<TaskIds> [..],
        warmup_tasks: Vec<TaskIds> [..],
    }
}
