//! `UnregisterBroker`: makes the cluster forget a broker that is gone. The controller answers (KIP-631).

use super::message;

message! {
    request UnregisterBrokerRequest(64): 0..=0, flexible 0, to Controller, throttled 0, returns UnregisterBrokerResponse;

    /// Names the broker.
    struct UnregisterBrokerRequest {
        broker_id: i32 [..],
    }
}

message! {
    /// Whether the broker is forgotten.
    struct UnregisterBrokerResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
