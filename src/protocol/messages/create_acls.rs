//! `CreateAcls`: adds access control entries. Any broker answers, and passes it on.

use super::message;

message! {
    request CreateAclsRequest(30): 0..=3, flexible 2, to Any, throttled 1, returns CreateAclsResponse;

    /// The entries to add.
    struct CreateAclsRequest {
        creations: Vec<AclCreation> [..],
    }

    /// One entry: who may, or may not, do what from where on which resource.
    struct AclCreation {
        resource_type: i8 [..],
        resource_name: String [..],
        resource_pattern_type: i8 [1..] = 3,
        principal: String [..],
        host: String [..],
        operation: i8 [..],
        permission_type: i8 [..],
    }
}

message! {
    /// What became of the entries, in their order.
    struct CreateAclsResponse {
        throttle_time_ms: i32 [..],
        results: Vec<AclCreationResult> [..],
    }

    /// What became of one entry.
    struct AclCreationResult {
        error_code: i16 [..],
        error_message: Option<String> [..],
    }
}
