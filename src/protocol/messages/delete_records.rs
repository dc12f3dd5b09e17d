//! `DeleteRecords`: deletes what lies before an offset. The leaders of the partitions answer.

use super::message;

message! {
    request DeleteRecordsRequest(21): 0..=2, flexible 2, to Leader, throttled 1, returns DeleteRecordsResponse;

    /// Asks a leader to move the beginning of partitions.
    struct DeleteRecordsRequest {
        topics: Vec<DeleteRecordsTopic> [..],
        timeout_ms: i32 [..],
    }

    /// A topic of the request.
    struct DeleteRecordsTopic {
        name: String [..],
        partitions: Vec<DeleteRecordsPartition> [..],
    }

    /// A partition, and the first offset that is kept; -1 for the high watermark.
    struct DeleteRecordsPartition {
        partition_index: i32 [..],
        offset: i64 [..],
    }
}

message! {
    /// What became of each partition.
    struct DeleteRecordsResponse {
        throttle_time_ms: i32 [..],
        topics: Vec<DeleteRecordsTopicResult> [..],
    }

    /// A topic of the response.
    struct DeleteRecordsTopicResult {
        name: String [..],
        partitions: Vec<DeleteRecordsPartitionResult> [..],
    }

    /// Where the partition begins now on all its replicas; -1 after an error.
    struct DeleteRecordsPartitionResult {
        partition_index: i32 [..],
        low_watermark: i64 [..],
        error_code: i16 [..],
    }
}
