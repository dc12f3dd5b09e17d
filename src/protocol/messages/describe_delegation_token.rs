//! `DescribeDelegationToken`: the tokens that the principal may see. Any broker answers.

use super::message;
use crate::wire::Secret;

message! {
    request DescribeDelegationTokenRequest(41): 0..=3, flexible 2, to Any, throttled 1, returns DescribeDelegationTokenResponse;

    /// Whose tokens; null is everybody's.
    struct DescribeDelegationTokenRequest {
        owners: Option<Vec<DescribeDelegationTokenOwner>> [..],
    }

    /// A principal that owns tokens.
    struct DescribeDelegationTokenOwner {
        principal_type: String [..],
        principal_name: String [..],
    }
}

message! {
    /// The tokens.
    struct DescribeDelegationTokenResponse {
        error_code: i16 [..],
        tokens: Vec<DescribedDelegationToken> [..],
        throttle_time_ms: i32 [..],
    }

    /// A token; times are milliseconds since 1970.
    struct DescribedDelegationToken {
        principal_type: String [..],
        principal_name: String [..],
        token_requester_principal_type: String [3..],
        token_requester_principal_name: String [3..],
        issue_timestamp: i64 [..],
        expiry_timestamp: i64 [..],
        max_timestamp: i64 [..],
        token_id: String [..],
        hmac: Secret [..],
        renewers: Vec<DescribedDelegationTokenRenewer> [..],
    }

    /// A principal that may renew the token.
    struct DescribedDelegationTokenRenewer {
        principal_type: String [..],
        principal_name: String [..],
    }
}
