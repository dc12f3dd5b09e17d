//! `InitProducerId`: an id and epoch for a producer, with or without a transactional id.

use super::{Context, coordinator, for_clients};
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
        None => init(state, context, request),
    };
    let (error, (producer_id, producer_epoch)) = match given {
        Ok(given) => (ErrorCode::NONE, given),
        Err(code) => (code, (-1, -1)),
    };
    InitProducerIdResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: for_clients(error, context.version, 4).0,
        producer_id,
        producer_epoch,
        ..Default::default()
    }
}

fn init(
    state: &mut State,
    context: &Context,
    request: InitProducerIdRequest,
) -> Result<(i64, i16), ErrorCode> {
    if (request.producer_id < 0) != (request.producer_epoch < 0) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let before = (request.producer_id, request.producer_epoch);
    match request.transactional_id {
        // Whatever id it had: such producers raise their epochs themselves (KIP-360).
        None => Ok((state.new_producer_id(), 0)),
        Some(name) if name.is_empty() => Err(ErrorCode::INVALID_REQUEST),
        Some(name) => {
            coordinator(state, context, &name)?;
            let before = Some(before).filter(|(id, _)| *id >= 0);
            state.init_transactions(&name, request.transaction_timeout_ms, before)
        }
    }
}
