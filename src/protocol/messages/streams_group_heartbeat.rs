//! `StreamsGroupHeartbeat`: joins, stays in and leaves a streams group (KIP-1071).

use super::message;

message! {
    request StreamsGroupHeartbeatRequest(88): 0..=0, flexible 0, to Group, returns StreamsGroupHeartbeatResponse;

    /// What a member has and wants. It makes its own id, joins with epoch 0 and the topology, and
    /// leaves with -1; what is null has not changed.
    struct StreamsGroupHeartbeatRequest {
        group_id: String [..],
        member_id: String [..],
        member_epoch: i32 [..],
        endpoint_information_epoch: i32 [..],
        instance_id: Option<String> [..],
        rack_id: Option<String> [..],
        rebalance_timeout_ms: i32 [..] = -1,
        topology: Option<Box<Topology>> [..],
        active_tasks: Option<Vec<TaskIds>> [..],
        standby_tasks: Option<Vec<TaskIds>> [..],
        warmup_tasks: Option<Vec<TaskIds>> [..],
        process_id: Option<String> [..],
        user_endpoint: Option<Box<Endpoint>> [..],
        client_tags: Option<Vec<KeyValue>> [..],
        task_offsets: Option<Vec<TaskOffset>> [..],
        task_end_offsets: Option<Vec<TaskOffset>> [..],
        shutdown_application: bool [..],
    }

    /// What the application computes.
    struct Topology {
        epoch: i32 [..],
        subtopologies: Vec<Subtopology> [..],
    }

    /// A part of the topology that runs by itself, one task for each partition of its sources.
    struct Subtopology {
        subtopology_id: String [..],
        source_topics: Vec<String> [..],
        source_topic_regex: Vec<String> [..],
        state_changelog_topics: Vec<TopicInfo> [..],
        repartition_sink_topics: Vec<String> [..],
        repartition_source_topics: Vec<TopicInfo> [..],
        copartition_groups: Vec<CopartitionGroup> [..],
    }

    /// Topics that must have equally many partitions, as indexes into the lists of the subtopology.
    struct CopartitionGroup {
        source_topics: Vec<i16> [..],
        source_topic_regex: Vec<i16> [..],
        repartition_source_topics: Vec<i16> [..],
    }

    /// A tag of the member, or a setting of a topic.
    struct KeyValue {
        key: String [..],
        value: String [..],
    }

    /// An internal topic as the application needs it; 0 leaves the choice to the broker.
    struct TopicInfo {
        name: String [..],
        partitions: i32 [..],
        replication_factor: i16 [..],
        topic_configs: Vec<KeyValue> [..],
    }

    /// Where a member answers interactive queries.
    struct Endpoint {
        host: String [..],
        port: u16 [..],
    }

    /// How far the state of a task is, in all its changelogs together.
    struct TaskOffset {
        subtopology_id: String [..],
        partition: i32 [..],
        offset: i64 [..],
    }

    /// Tasks of one subtopology.
    struct TaskIds {
        subtopology_id: String [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// What the member is to do; what is null has not changed.
    struct StreamsGroupHeartbeatResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        member_id: String [..],
        member_epoch: i32 [..],
        heartbeat_interval_ms: i32 [..],
        acceptable_recovery_lag: i32 [..],
        task_offset_interval_ms: i32 [..],
        status: Option<Vec<Status>> [..],
        active_tasks: Option<Vec<TaskIds>> [..],
        standby_tasks: Option<Vec<TaskIds>> [..],
        warmup_tasks: Option<Vec<TaskIds>> [..],
        endpoint_information_epoch: i32 [..],
        partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>> [..],
    }

    /// Something about the group that the member should know, such as missing topics.
    struct Status {
        status_code: i8 [..],
        status_detail: String [..],
    }

    /// Which partitions the member at an endpoint has.
    struct EndpointToPartitions {
        user_endpoint: Endpoint [..],
        active_partitions: Vec<TopicPartition> [..],
        standby_partitions: Vec<TopicPartition> [..],
    }

    /// Partitions of one topic.
    struct TopicPartition {
        topic: String [..],
        partitions: Vec<i32> [..],
    }
}
