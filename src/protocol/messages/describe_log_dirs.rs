//! `DescribeLogDirs`: what one broker keeps in its log directories.

use super::message;

message! {
    request DescribeLogDirsRequest(35): 0..=5, flexible 2, to EveryBroker, throttled 1, returns DescribeLogDirsResponse;

    /// Asks a broker for its directories, and what they hold of these topics: null for all.
    struct DescribeLogDirsRequest {
        topics: Option<Vec<DescribableLogDirTopic>> [..],
    }

    /// Partitions of one topic to describe.
    struct DescribableLogDirTopic {
        topic: String [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// The directories of the broker.
    struct DescribeLogDirsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [3..; ignorable],
        results: Vec<DescribeLogDirsResult> [..],
    }

    /// One directory; sizes are those of its volume.
    struct DescribeLogDirsResult {
        error_code: i16 [..],
        log_dir: String [..],
        topics: Vec<DescribeLogDirsTopic> [..],
        total_bytes: i64 [4..; ignorable] = -1,
        usable_bytes: i64 [4..; ignorable] = -1,
        is_cordoned: bool [5..; ignorable],
    }

    /// Replicas of one topic.
    struct DescribeLogDirsTopic {
        name: String [..],
        partitions: Vec<DescribeLogDirsPartition> [..],
    }

    /// One replica, or the copy that is to take its place after a move between directories.
    struct DescribeLogDirsPartition {
        partition_index: i32 [..],
        partition_size: i64 [..],
        offset_lag: i64 [..],
        is_future_key: bool [..],
    }
}
