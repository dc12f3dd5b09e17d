//! `DescribeAcls`: the access control entries that match a filter. Any broker answers.

use super::message;

message! {
    request DescribeAclsRequest(29): 0..=3, flexible 2, to Any, throttled 1, returns DescribeAclsResponse;

    /// Which entries are asked for; null matches every name, principal or host.
    struct DescribeAclsRequest {
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
    /// The entries, by resource.
    struct DescribeAclsResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        resources: Vec<DescribeAclsResource> [..],
    }

    /// A resource pattern with its entries.
    struct DescribeAclsResource {
        resource_type: i8 [..],
        resource_name: String [..],
        pattern_type: i8 [1..] = 3,
        acls: Vec<AclDescription> [..],
    }

    /// Who may, or may not, do what from where.
    struct AclDescription {
        principal: String [..],
        host: String [..],
        operation: i8 [..],
        permission_type: i8 [..],
    }
}
