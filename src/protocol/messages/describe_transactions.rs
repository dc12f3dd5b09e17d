//! `DescribeTransactions`: what coordinators know of transactional ids (KIP-664).

use super::message;

message! {
    request DescribeTransactionsRequest(65): 0..=0, flexible 0, to Transaction, returns DescribeTransactionsResponse;

    /// Asks about transactional ids, which all have this coordinator.
    struct DescribeTransactionsRequest {
        transactional_ids: Vec<String> [..],
    }
}

message! {
    /// The state of each transactional id.
    struct DescribeTransactionsResponse {
        throttle_time_ms: i32 [..],
        transaction_states: Vec<TransactionState> [..],
    }

    /// The state of one transactional id. The start is -1 while no transaction is open.
    struct TransactionState {
        error_code: i16 [..],
        transactional_id: String [..],
        transaction_state: String [..],
        transaction_timeout_ms: i32 [..],
        transaction_start_time_ms: i64 [..],
        producer_id: i64 [..],
        producer_epoch: i16 [..],
        topics: Vec<TopicData> [..],
    }

    /// The partitions of one topic that are in the open transaction.
    struct TopicData {
        topic: String [..],
        partitions: Vec<i32> [..],
    }
}
