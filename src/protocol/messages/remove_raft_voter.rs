//! `RemoveRaftVoter`: takes the vote from a controller. The leader of the controllers answers (KIP-853).

use super::message;
use crate::wire::Uuid;

message! {
    request RemoveRaftVoterRequest(81): 0..=0, flexible 0, to Controller, returns RemoveRaftVoterResponse;

    /// The voter, and its directory.
    struct RemoveRaftVoterRequest {
        cluster_id: Option<String> [..],
        voter_id: i32 [..],
        voter_directory_id: Uuid [..],
    }
}

message! {
    /// Whether it has no vote any more.
    struct RemoveRaftVoterResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..; ignorable],
    }
}
