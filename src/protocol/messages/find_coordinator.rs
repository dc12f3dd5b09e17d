//! `FindCoordinator`: which broker looks after a group, a transactional id or a share group.

use super::message;

message! {
    request FindCoordinatorRequest(10): 0..=6, flexible 3, to Any, throttled 2, returns FindCoordinatorResponse;

    /// Asks for coordinators: of one key up to version 3, of many from 4 on (KIP-699).
    struct FindCoordinatorRequest {
        key: String [..=3],
        key_type: i8 [1..],
        coordinator_keys: Vec<String> [4..],
    }
}

message! {
    /// The coordinator of the key up to version 3, those of the keys from 4 on.
    struct FindCoordinatorResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [..=3],
        error_message: Option<String> [1..=3; ignorable],
        node_id: i32 [..=3],
        host: String [..=3],
        port: i32 [..=3],
        coordinators: Vec<Coordinator> [4..],
    }

    /// The coordinator of one key.
    struct Coordinator {
        key: String [4..],
        node_id: i32 [4..],
        host: String [4..],
        port: i32 [4..],
        error_code: i16 [4..],
        error_message: Option<String> [4..; ignorable],
    }
}
