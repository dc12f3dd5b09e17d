//! `SaslAuthenticate`: carries the tokens of the mechanism that `SaslHandshake` has named.

use super::message;
use crate::wire::Secret;

message! {
    request SaslAuthenticateRequest(36): 0..=2, flexible 2, to Any, returns SaslAuthenticateResponse;

    /// A token of the client.
    struct SaslAuthenticateRequest {
        auth_bytes: Secret [..],
    }
}

message! {
    /// A token of the broker; with the last one, how long the session lasts (KIP-368).
    struct SaslAuthenticateResponse {
        error_code: i16 [..],
        error_message: Option<String> [..],
        auth_bytes: Secret [..],
        session_lifetime_ms: i64 [1..; ignorable],
    }
}
