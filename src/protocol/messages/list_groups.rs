//! `ListGroups`: the groups that a broker coordinates. Each broker knows its own.

use super::message;

message! {
    request ListGroupsRequest(16): 0..=5, flexible 3, to EveryBroker, throttled 2, returns ListGroupsResponse;

    /// Asks for the groups in these states (KIP-518) and of these types (KIP-848); for all if empty.
    struct ListGroupsRequest {
        states_filter: Vec<String> [4..],
        types_filter: Vec<String> [5..],
    }
}

message! {
    /// The groups.
    struct ListGroupsResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [..],
        groups: Vec<ListedGroup> [..],
    }

    /// One group.
    struct ListedGroup {
        group_id: String [..],
        protocol_type: String [..],
        group_state: String [4..; ignorable],
        group_type: String [5..; ignorable],
    }
}
