//! `PushTelemetry`: metrics of this client, for the broker's plugin (KIP-714).

use bytes::Bytes;

use super::message;
use crate::wire::Uuid;

message! {
    request PushTelemetryRequest(72): 0..=0, flexible 0, to Any, throttled 0, returns PushTelemetryResponse;

    /// Metrics in the form of OpenTelemetry.
    struct PushTelemetryRequest {
        client_instance_id: Uuid [..],
        subscription_id: i32 [..],
        terminating: bool [..],
        compression_type: i8 [..],
        metrics: Bytes [..],
    }
}

message! {
    /// Whether they were taken.
    struct PushTelemetryResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
    }
}
