//! Heartbeat: keeps a member in its classic group. The group's coordinator answers.

use super::message;

message! {
    request HeartbeatRequest(12): 0..=4, flexible 4, to Group, throttled 2, returns HeartbeatResponse;

    /// Says that the member lives.
    struct HeartbeatRequest {
        group_id: String [..],
        generation_id: i32 [..],
        member_id: String [..],
        group_instance_id: Option<String> [3..],
    }
}

message! {
    /// Whether the member is still in the group; `REBALANCE_IN_PROGRESS` asks it to join anew.
    struct HeartbeatResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [..],
    }
}
