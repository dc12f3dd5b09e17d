//! FindCoordinator: DOC.

use super::message;

message! {
    request FindCoordinatorRequest(10): 0..=6, flexible 3, returns FindCoordinatorResponse;

    /// DOC FindCoordinatorRequest
    struct FindCoordinatorRequest {
        key: String [..=3],
        key_type: i8 [1..],
        coordinator_keys: Vec<String> [4..],
    }
}

message! {
    /// DOC FindCoordinatorResponse
    struct FindCoordinatorResponse {
        throttle_time_ms: i32 [1..; ignorable],
        error_code: i16 [..=3],
        error_message: Option<String> [1..=3; ignorable],
        node_id: i32 [..=3],
        host: String [..=3],
        port: i32 [..=3],
        coordinators: Vec<Coordinator> [4..],
    }

    /// DOC Coordinator
    struct Coordinator {
        key: String [4..],
        node_id: i32 [4..],
        host: String [4..],
        port: i32 [4..],
        error_code: i16 [4..],
        error_message: Option<String> [4..; ignorable],
    }
}
