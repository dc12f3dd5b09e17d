//! `InitProducerId`: a producer id for who has no transactional id.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::testing::state::State;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let given = match context.fail {
        Some(code) => Err(code),
        None => init(state, request),
    };
    let (error, (producer_id, producer_epoch)) = match given {
        Ok(given) => (ErrorCode::NONE, given),
        Err(code) => (code, (-1, -1)),
    };
    InitProducerIdResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: error.0,
        producer_id,
        producer_epoch,
        ..Default::default()
    }
}

fn init(state: &mut State, request: InitProducerIdRequest) -> Result<(i64, i16), ErrorCode> {
    if (request.producer_id < 0) != (request.producer_epoch < 0) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    match request.transactional_id.as_deref() {
        // Whatever id it had: such producers raise their epochs themselves (KIP-360).
        None => Ok((state.new_producer_id(), 0)),
        Some("") => Err(ErrorCode::INVALID_REQUEST),
        Some(_) => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    }
}
