//! `DescribeUserScramCredentials`: which SCRAM credentials users have (KIP-554). The controller
//! answers.

use super::message;

message! {
    request DescribeUserScramCredentialsRequest(50): 0..=0, flexible 0, to Controller, returns DescribeUserScramCredentialsResponse;

    /// Which users; null is all.
    struct DescribeUserScramCredentialsRequest {
        users: Option<Vec<UserName>> [..],
    }

    /// A user.
    struct UserName {
        name: String [..],
    }
}

message! {
    /// The users.
    struct DescribeUserScramCredentialsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        results: Vec<DescribeUserScramCredentialsResult> [..],
    }

    /// What one user has.
    struct DescribeUserScramCredentialsResult {
        user: String [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        credential_infos: Vec<CredentialInfo> [..],
    }

    /// One credential, without what is secret.
    struct CredentialInfo {
        /// 1: SCRAM-SHA-256; 2: SCRAM-SHA-512.
        mechanism: i8 [..],
        iterations: i32 [..],
    }
}
