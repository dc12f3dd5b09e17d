//! `CreatePartitions`: gives topics more partitions. The controller answers.

use super::message;

message! {
    request CreatePartitionsRequest(37): 0..=3, flexible 2, to Controller, throttled 1, returns CreatePartitionsResponse;

    /// Asks the controller to add partitions.
    struct CreatePartitionsRequest {
        topics: Vec<CreatePartitionsTopic> [..],
        timeout_ms: i32 [..],
        validate_only: bool [..],
    }

    /// A topic, and how many partitions it is to have in all. `assignments` holds the new ones in
    /// order; null leaves their place to the controller.
    struct CreatePartitionsTopic {
        name: String [..],
        count: i32 [..],
        assignments: Option<Vec<CreatePartitionsAssignment>> [..],
    }

    /// The brokers of one new partition; the first is to lead it.
    struct CreatePartitionsAssignment {
        broker_ids: Vec<i32> [..],
    }
}

message! {
    /// What became of each topic.
    struct CreatePartitionsResponse {
        throttle_time_ms: i32 [..],
        results: Vec<CreatePartitionsTopicResult> [..],
    }

    /// What became of one topic.
    struct CreatePartitionsTopicResult {
        name: String [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
