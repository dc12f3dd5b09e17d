//! `SyncGroup`: hands out the assignment of a classic group. The group's coordinator answers.

use bytes::Bytes;

use super::message;

message! {
    request SyncGroupRequest(14): 0..=5, flexible 4, to Group, throttled 2, returns SyncGroupResponse;

    /// Asks for the member's assignment. The leader brings those of all members.
    struct SyncGroupRequest {
        group_id: String [..],
        generation_id: i32 [..],
        member_id: String [..],
        group_instance_id: Option<String> [3..],
        protocol_type: Option<String> [5..; ignorable],
        protocol_name: Option<String> [5..; ignorable],
        assignments: Vec<SyncGroupRequestAssignment> [..],
    }

    /// The assignment of one member.
    struct SyncGroupRequestAssignment {
        member_id: String [..],
        assignment: Bytes [..],
    }
}

message! {
    /// The member's assignment.
    struct SyncGroupResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [..],
        protocol_type: Option<String> [5..; ignorable],
        protocol_name: Option<String> [5..; ignorable],
        assignment: Bytes [..],
    }
}
