//! `DescribeTransactions`: what the coordinator knows of transactional ids (KIP-664).

use super::{Context, coordinator};
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicData, TransactionState,
};
use crate::testing::state::State;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let described = request.transactional_ids.into_iter().map(|transactional_id| {
        let described = describe(state, context, &transactional_id);
        let described = described
            .unwrap_or_else(|code| TransactionState { error_code: code.0, ..Default::default() });
        TransactionState { transactional_id, ..described }
    });
    DescribeTransactionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        transaction_states: described.collect(),
        ..Default::default()
    }
}

fn describe(
    state: &mut State,
    context: &Context,
    name: &str,
) -> Result<TransactionState, ErrorCode> {
    coordinator(state, context, name)?;
    let it = state.transactions.get(name).ok_or(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND)?;
    let mut topics: Vec<TopicData> = Vec::new();
    for (name, index) in &it.partitions {
        match topics.last_mut() {
            Some(last) if last.topic == *name => last.partitions.push(*index),
            _ => topics.push(TopicData {
                topic: name.clone(),
                partitions: vec![*index],
                ..Default::default()
            }),
        }
    }
    Ok(TransactionState {
        transaction_state: it.phase.name().to_owned(),
        transaction_timeout_ms: it.timeout_ms,
        transaction_start_time_ms: it.started,
        producer_id: it.producer_id,
        producer_epoch: it.epoch,
        topics,
        ..Default::default()
    })
}
