//! `AddOffsetsToTxn`: tells the coordinator that a transaction commits offsets of a group.

use super::message;

message! {
    request AddOffsetsToTxnRequest(25): 0..=4, flexible 3, to Transaction, throttled 1, returns AddOffsetsToTxnResponse;

    /// Adds the group's partition of the offsets topic to the transaction.
    struct AddOffsetsToTxnRequest {
        transactional_id: String [..],
        producer_id: i64 [..],
        producer_epoch: i16 [..],
        group_id: String [..],
    }
}

message! {
    /// Whether it was added.
    struct AddOffsetsToTxnResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
    }
}
