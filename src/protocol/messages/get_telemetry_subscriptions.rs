//! `GetTelemetrySubscriptions`: which metrics a broker wants of this client (KIP-714). Any broker
//! with a plugin for it answers.

use super::message;
use crate::wire::Uuid;

message! {
    request GetTelemetrySubscriptionsRequest(71): 0..=0, flexible 0, to Any, throttled 0, returns GetTelemetrySubscriptionsResponse;

    /// Who asks; the null id asks for an id.
    struct GetTelemetrySubscriptionsRequest {
        client_instance_id: Uuid [..],
    }
}

message! {
    /// What is wanted, how often and how.
    struct GetTelemetrySubscriptionsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        client_instance_id: Uuid [..],
        subscription_id: i32 [..],
        accepted_compression_types: Vec<i8> [..],
        push_interval_ms: i32 [..],
        telemetry_max_bytes: i32 [..],
        delta_temporality: bool [..],
        /// Prefixes of the names of metrics; an empty one is all of them.
        requested_metrics: Vec<String> [..],
    }
}
