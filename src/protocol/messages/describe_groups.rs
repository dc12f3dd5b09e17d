//! `DescribeGroups`: the members and the state of classic groups. Their coordinator answers.

use bytes::Bytes;

use super::message;

message! {
    request DescribeGroupsRequest(15): 0..=6, flexible 5, to Group, throttled 2, returns DescribeGroupsResponse;

    /// Asks about these groups.
    struct DescribeGroupsRequest {
        groups: Vec<String> [..],
        include_authorized_operations: bool [3..],
    }
}

message! {
    /// The groups.
    struct DescribeGroupsResponse {
        throttle_time_ms: i32 [1..; ignorable],
        groups: Vec<DescribedGroup> [..],
    }

    /// One group. One that does not exist is in state `Dead` up to version 5, and
    /// `GROUP_ID_NOT_FOUND` from 6 on.
    struct DescribedGroup {
        error_code: i16 [..],
        error_message: Option<String> [6..],
        group_id: String [..],
        group_state: String [..],
        protocol_type: String [..],
        protocol_data: String [..],
        members: Vec<DescribedGroupMember> [..],
        authorized_operations: i32 [3..] = i32::MIN,
    }

    /// One member; what its bytes mean depends on the group's protocol type.
    struct DescribedGroupMember {
        member_id: String [..],
        group_instance_id: Option<String> [4..; ignorable],
        client_id: String [..],
        client_host: String [..],
        member_metadata: Bytes [..],
        member_assignment: Bytes [..],
    }
}
