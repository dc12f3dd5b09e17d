//! `AlterUserScramCredentials`: sets and deletes SCRAM credentials (KIP-554). The controller answers.

use bytes::Bytes;

use super::message;
use crate::wire::Secret;

message! {
    request AlterUserScramCredentialsRequest(51): 0..=0, flexible 0, to Controller, returns AlterUserScramCredentialsResponse;

    /// What to delete and what to set.
    struct AlterUserScramCredentialsRequest {
        deletions: Vec<ScramCredentialDeletion> [..],
        upsertions: Vec<ScramCredentialUpsertion> [..],
    }

    /// A credential to delete.
    struct ScramCredentialDeletion {
        name: String [..],
        mechanism: i8 [..],
    }

    /// A credential to set.
    struct ScramCredentialUpsertion {
        name: String [..],
        mechanism: i8 [..],
        iterations: i32 [..],
        salt: Bytes [..],
        salted_password: Secret [..],
    }
}

message! {
    /// What became of each user.
    struct AlterUserScramCredentialsResponse {
        throttle_time_ms: i32 [..],
        results: Vec<AlterUserScramCredentialsResult> [..],
    }

    /// What became of one user.
    struct AlterUserScramCredentialsResult {
        user: String [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
