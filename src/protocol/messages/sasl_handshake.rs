//! `SaslHandshake`: which mechanism a connection will authenticate with. Any broker answers, for
//! this connection alone.

use super::message;

message! {
    request SaslHandshakeRequest(17): 0..=1, flexible i16::MAX, to Any, returns SaslHandshakeResponse;

    /// Names the mechanism. After version 1 the tokens travel in `SaslAuthenticate`; after version
    /// 0 they are sent bare, without headers.
    struct SaslHandshakeRequest {
        mechanism: String [..],
    }
}

message! {
    /// Whether the mechanism is enabled, and which are.
    struct SaslHandshakeResponse {
        error_code: i16 [..],
        mechanisms: Vec<String> [..],
    }
}
