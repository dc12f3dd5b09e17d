//! `AddOffsetsToTxn`: makes the offsets of a group part of a transaction.

use super::{Context, coordinator, for_clients};
use crate::protocol::ErrorCode;
use crate::protocol::messages::add_offsets_to_txn::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse,
};
use crate::testing::offsets::OFFSETS_TOPIC;
use crate::testing::state::{State, coordinator_partition};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let AddOffsetsToTxnRequest { transactional_id, group_id, .. } = request;
    let producer = (request.producer_id, request.producer_epoch);
    let offsets = (OFFSETS_TOPIC.to_owned(), coordinator_partition(&group_id));
    let added = coordinator(state, context, &transactional_id)
        .and_then(|()| state.add_to_transaction(&transactional_id, producer, [offsets]));
    let code = added.err().unwrap_or(ErrorCode::NONE);
    AddOffsetsToTxnResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: for_clients(code, context.version, 2).0,
        ..Default::default()
    }
}
