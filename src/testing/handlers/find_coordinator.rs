//! `FindCoordinator`: which broker keeps a group or a transaction.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use crate::testing::state::State;

/// Keys travel in a list from this version on (KIP-699).
const BATCHED: i16 = 4;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let find = |key| find(state, context, key, request.key_type);
    let throttle_time_ms = context.throttle_time_ms;
    if context.version >= BATCHED {
        let coordinators = request.coordinator_keys.into_iter().map(find).collect();
        return FindCoordinatorResponse { throttle_time_ms, coordinators, ..Default::default() };
    }
    let found = find(request.key);
    FindCoordinatorResponse {
        throttle_time_ms,
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

fn find(state: &State, context: &Context, key: String, key_type: i8) -> Coordinator {
    let is_known = match key_type {
        0 | 1 => true,
        // Share groups (KIP-932).
        2 => context.version >= 6,
        _ => false,
    };
    let found = match context.fail {
        Some(code) => Err(code),
        None if !is_known => Err(ErrorCode::INVALID_REQUEST),
        None => state.coordinator(&key).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    };
    match found {
        Ok(node_id) => {
            let broker = state.brokers.get(&node_id);
            Coordinator {
                key,
                node_id,
                host: broker.map(|it| it.host.clone()).unwrap_or_default(),
                port: broker.map_or(-1, |it| it.port.into()),
                ..Default::default()
            }
        }
        Err(code) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: code.0,
            error_message: Some(code.text().to_owned()).filter(|text| !text.is_empty()),
            ..Default::default()
        },
    }
}
