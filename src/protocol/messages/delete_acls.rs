//! `DeleteAcls`: removes the access control entries that match filters. Any broker answers, and
//! passes it on.

use super::message;

message! {
    request DeleteAclsRequest(31): 0..=3, flexible 2, to Any, throttled 1, returns DeleteAclsResponse;

    /// The filters; an entry is removed if one of them matches.
    struct DeleteAclsRequest {
        filters: Vec<DeleteAclsFilter> [..],
    }

    /// Null matches every name, principal or host.
    struct DeleteAclsFilter {
        resource_type_filter: i8 [..],
        resource_name_filter: Option<String> [..],
        pattern_type_filter: i8 [1..] = 3,
        principal_filter: Option<String> [..],
        host_filter: Option<String> [..],
        operation: i8 [..],
        permission_type: i8 [..],
    }
}

message! {
    /// What the filters have removed, in their order.
    struct DeleteAclsResponse {
        throttle_time_ms: i32 [..],
        filter_results: Vec<DeleteAclsFilterResult> [..],
    }

    /// What one filter has removed.
    struct DeleteAclsFilterResult {
        error_code: i16 [..],
        error_message: Option<String> [..],
        matching_acls: Vec<DeleteAclsMatchingAcl> [..],
    }

    /// An entry that matched, and whether it is gone.
    struct DeleteAclsMatchingAcl {
        error_code: i16 [..],
        error_message: Option<String> [..],
        resource_type: i8 [..],
        resource_name: String [..],
        pattern_type: i8 [1..] = 3,
        principal: String [..],
        host: String [..],
        operation: i8 [..],
        permission_type: i8 [..],
    }
}
