//! `AddRaftVoter`: gives a controller a vote. The leader of the controllers answers (KIP-853).

use super::message;
use crate::wire::Uuid;

message! {
    request AddRaftVoterRequest(80): 0..=1, flexible 0, to Controller, returns AddRaftVoterResponse;

    /// The new voter: its id, its directory, and where it listens for other controllers.
    struct AddRaftVoterRequest {
        cluster_id: Option<String> [..],
        timeout_ms: i32 [..],
        voter_id: i32 [..],
        voter_directory_id: Uuid [..],
        listeners: Vec<Listener> [..],
        ack_when_committed: bool [1..] = true,
    }

    /// Where a controller listens.
    struct Listener {
        name: String [..],
        host: String [..],
        port: u16 [..],
    }
}

message! {
    /// Whether it has a vote.
    struct AddRaftVoterResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..; ignorable],
    }
}
