//! `AddPartitionsToTxn`: tells the coordinator which partitions a transaction writes to.

use super::message;

message! {
    request AddPartitionsToTxnRequest(24): 0..=5, flexible 3, to Transaction, throttled 1, returns AddPartitionsToTxnResponse;

    /// Adds partitions to one transaction up to version 3, to many from 4 on, which brokers use
    /// among each other (KIP-890).
    struct AddPartitionsToTxnRequest {
        transactions: Vec<AddPartitionsToTxnTransaction> [4..],
        v3_and_below_transactional_id: String [..=3],
        v3_and_below_producer_id: i64 [..=3],
        v3_and_below_producer_epoch: i16 [..=3],
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> [..=3],
    }

    /// The partitions to add to one transaction, or only to look for in it.
    struct AddPartitionsToTxnTransaction {
        transactional_id: String [4..],
        producer_id: i64 [4..],
        producer_epoch: i16 [4..],
        verify_only: bool [4..],
        topics: Vec<AddPartitionsToTxnTopic> [4..],
    }

    /// Partitions of one topic.
    struct AddPartitionsToTxnTopic {
        name: String [..],
        partitions: Vec<i32> [..],
    }
}

message! {
    /// What became of each partition: in `results_by_topic_v3_and_below` up to version 3.
    struct AddPartitionsToTxnResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [4..; ignorable],
        results_by_transaction: Vec<AddPartitionsToTxnResult> [4..],
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [..=3],
    }

    /// What became of the partitions of one transaction.
    struct AddPartitionsToTxnResult {
        transactional_id: String [4..],
        topic_results: Vec<AddPartitionsToTxnTopicResult> [4..],
    }

    /// What became of the partitions of one topic.
    struct AddPartitionsToTxnTopicResult {
        name: String [..],
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult> [..],
    }

    /// Whether one partition was added.
    struct AddPartitionsToTxnPartitionResult {
        partition_index: i32 [..],
        partition_error_code: i16 [..],
    }
}
