//! `JoinGroup`: joins a classic group, and waits for the others. The group's coordinator answers.

use bytes::Bytes;

use super::message;

message! {
    request JoinGroupRequest(11): 0..=9, flexible 6, to Group, throttled 3, returns JoinGroupResponse;

    /// Joins with an empty member id first; from version 4 on the answer is then
    /// `MEMBER_ID_REQUIRED` with the id to join with (KIP-394).
    struct JoinGroupRequest {
        group_id: String [..],
        session_timeout_ms: i32 [..],
        rebalance_timeout_ms: i32 [1..; ignorable] = -1,
        member_id: String [..],
        group_instance_id: Option<String> [5..],
        protocol_type: String [..],
        protocols: Vec<JoinGroupRequestProtocol> [..],
        reason: Option<String> [8..; ignorable],
    }

    /// An assignor that the member can use, and what the leader has to know of the member for it.
    struct JoinGroupRequestProtocol {
        name: String [..],
        metadata: Bytes [..],
    }
}

message! {
    /// The new generation. Only its leader is told the members.
    struct JoinGroupResponse {
        throttle_time_ms: i32 [2..; ignorable],
        error_code: i16 [..],
        generation_id: i32 [..] = -1,
        protocol_type: Option<String> [7..; ignorable],
        protocol_name: Option<String> [..; null 7..] = Some(String::new()),
        leader: String [..],
        skip_assignment: bool [9..],
        member_id: String [..],
        members: Vec<JoinGroupResponseMember> [..],
    }

    /// A member, with what it said for the assignor that was chosen.
    struct JoinGroupResponseMember {
        member_id: String [..],
        group_instance_id: Option<String> [5..; ignorable],
        metadata: Bytes [..],
    }
}
