//! `RenewDelegationToken`: lets a token live longer. Any broker answers.

use super::message;
use crate::wire::Secret;

message! {
    request RenewDelegationTokenRequest(39): 0..=2, flexible 2, to Any, throttled 1, returns RenewDelegationTokenResponse;

    /// For how long; -1 is the broker's default.
    struct RenewDelegationTokenRequest {
        hmac: Secret [..],
        renew_period_ms: i64 [..],
    }
}

message! {
    /// When the token ends now, in milliseconds since 1970.
    struct RenewDelegationTokenResponse {
        error_code: i16 [..],
        expiry_timestamp_ms: i64 [..],
        throttle_time_ms: i32 [..],
    }
}
