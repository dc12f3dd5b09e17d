//! `LeaveGroup`: takes members out of a group. The group's coordinator answers.

use super::message;

message! {
    request LeaveGroupRequest(13): 0..=5, flexible 4, to Group, throttled 2, returns LeaveGroupResponse;

    /// Takes out one member up to version 2, many from 3 on (KIP-345).
    struct LeaveGroupRequest {
        group_id: String [..],
        member_id: String [..=2],
        members: Vec<MemberIdentity> [3..],
    }

    /// A member: by its id, or with an empty id by its instance id.
    struct MemberIdentity {
        member_id: String [3..],
        group_instance_id: Option<String> [3..],
        reason: Option<String> [5..; ignorable],
    }
}

message! {
    /// What became of each member.
    struct LeaveGroupResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [..],
        members: Vec<MemberResponse> [3..],
    }

    /// What became of one member.
    struct MemberResponse {
        member_id: String [3..],
        group_instance_id: Option<String> [3..],
        error_code: i16 [3..],
    }
}
