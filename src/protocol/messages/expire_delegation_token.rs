//! `ExpireDelegationToken`: ends a token, now or later. Any broker answers.

use super::message;
use crate::wire::Secret;

message! {
    request ExpireDelegationTokenRequest(40): 0..=2, flexible 2, to Any, throttled 1, returns ExpireDelegationTokenResponse;

    /// In how long; a negative period is at once.
    struct ExpireDelegationTokenRequest {
        hmac: Secret [..],
        expiry_time_period_ms: i64 [..],
    }
}

message! {
    /// When the token ends, in milliseconds since 1970.
    struct ExpireDelegationTokenResponse {
        error_code: i16 [..],
        expiry_timestamp_ms: i64 [..],
        throttle_time_ms: i32 [..],
    }
}
