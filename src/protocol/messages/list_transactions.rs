//! `ListTransactions`: the transactional ids that a broker coordinates (KIP-664).

use super::message;

message! {
    request ListTransactionsRequest(66): 0..=2, flexible 0, to EveryBroker, returns ListTransactionsResponse;

    /// Asks for transactional ids. Empty filters let all through.
    ///
    /// The duration is in milliseconds (KIP-994), the pattern an RE2J expression (KIP-1152).
    struct ListTransactionsRequest {
        state_filters: Vec<String> [..],
        producer_id_filters: Vec<i64> [..],
        duration_filter: i64 [1..] = -1,
        transactional_id_pattern: Option<String> [2..],
    }
}

message! {
    /// The transactional ids that pass the filters; and the filters that name no state.
    struct ListTransactionsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        unknown_state_filters: Vec<String> [..],
        transaction_states: Vec<TransactionState> [..],
    }

    /// One transactional id.
    struct TransactionState {
        transactional_id: String [..],
        producer_id: i64 [..],
        transaction_state: String [..],
    }
}
