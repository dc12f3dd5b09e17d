//! `DeleteGroups`: deletes groups without members. Their coordinator answers.

use super::message;

message! {
    request DeleteGroupsRequest(42): 0..=2, flexible 2, to Group, throttled 1, returns DeleteGroupsResponse;

    /// Deletes these groups, with their offsets.
    struct DeleteGroupsRequest {
        groups_names: Vec<String> [..],
    }
}

message! {
    /// What became of each group.
    struct DeleteGroupsResponse {
        throttle_time_ms: i32 [..],
        results: Vec<DeletableGroupResult> [..],
    }

    /// What became of one group.
    struct DeletableGroupResult {
        group_id: String [..],
        error_code: i16 [..],
    }
}
