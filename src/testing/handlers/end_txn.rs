//! `EndTxn`: commits or aborts.

use super::{Context, coordinator, for_clients};
use crate::protocol::ErrorCode;
use crate::protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use crate::testing::state::State;

/// Each transaction has an epoch of its own from this version on (KIP-890).
const BUMPS: i16 = 5;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: EndTxnRequest,
) -> EndTxnResponse {
    let EndTxnRequest { transactional_id, committed, .. } = request;
    let producer = (request.producer_id, request.producer_epoch);
    let bumps = context.version >= BUMPS;
    let ended = coordinator(state, context, &transactional_id)
        .and_then(|()| state.end_transaction(&transactional_id, producer, committed, bumps));
    let code = ended.err().unwrap_or(ErrorCode::NONE);
    let (producer_id, producer_epoch) = ended.unwrap_or((-1, -1));
    EndTxnResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: for_clients(code, context.version, 2).0,
        producer_id,
        producer_epoch,
        ..Default::default()
    }
}
