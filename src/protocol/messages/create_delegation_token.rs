//! `CreateDelegationToken`: makes a token that stands for a principal (KIP-48). Any broker answers.

use super::message;
use crate::wire::Secret;

message! {
    request CreateDelegationTokenRequest(38): 0..=3, flexible 2, to Any, throttled 1, returns CreateDelegationTokenResponse;

    /// For whom; by default for the principal of the connection.
    struct CreateDelegationTokenRequest {
        owner_principal_type: Option<String> [3..],
        owner_principal_name: Option<String> [3..],
        renewers: Vec<CreatableRenewers> [..],
        /// -1 is the broker's limit.
        max_lifetime_ms: i64 [..],
    }

    /// A principal that may renew the token besides its owner.
    struct CreatableRenewers {
        principal_type: String [..],
        principal_name: String [..],
    }
}

message! {
    /// The new token; times are milliseconds since 1970.
    struct CreateDelegationTokenResponse {
        error_code: i16 [..],
        principal_type: String [..],
        principal_name: String [..],
        token_requester_principal_type: String [3..],
        token_requester_principal_name: String [3..],
        issue_timestamp_ms: i64 [..],
        expiry_timestamp_ms: i64 [..],
        max_timestamp_ms: i64 [..],
        token_id: String [..],
        hmac: Secret [..],
        throttle_time_ms: i32 [..],
    }
}
