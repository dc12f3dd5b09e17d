//! `InitProducerId`: gives a producer its id and epoch, and fences older ones of its transactional
//! id (KIP-98).

use super::message;

message! {
    request InitProducerIdRequest(22): 0..=5, flexible 2, to Transaction, throttled 1, returns InitProducerIdResponse;

    /// Asks for a producer id: of the transactional id, or a fresh one from any broker.
    ///
    /// A producer that has an id and epoch names them to keep the id and raise the epoch (KIP-360).
    /// Version 6 (KIP-939) may still change: 4.3 has it for trials only, and it is not spoken here.
    struct InitProducerIdRequest {
        transactional_id: Option<String> [..],
        transaction_timeout_ms: i32 [..],
        producer_id: i64 [3..] = -1,
        producer_epoch: i16 [3..] = -1,
    }
}

message! {
    /// The producer's id and epoch.
    struct InitProducerIdResponse {
        throttle_time_ms: i32 [..; ignorable],
        error_code: i16 [..],
        producer_id: i64 [..] = -1,
        producer_epoch: i16 [..],
    }
}
