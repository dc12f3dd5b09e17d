//! `EndTxn`: commits or aborts a transaction.

use super::message;

message! {
    request EndTxnRequest(26): 0..=5, flexible 3, to Transaction, throttled 1, returns EndTxnResponse;

    /// Commits the transaction, or aborts it.
    struct EndTxnRequest {
        transactional_id: String [..],
        producer_id: i64 [..],
        producer_epoch: i16 [..],
        committed: bool [..],
    }
}

message! {
    /// Whether the transaction ends so. From version 5 on the epoch rises with each transaction,
    /// and the id changes when the epochs are used up (KIP-890).
    struct EndTxnResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        producer_id: i64 [5..; ignorable] = -1,
        producer_epoch: i16 [5..; ignorable] = -1,
    }
}
