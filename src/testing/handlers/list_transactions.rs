//! `ListTransactions`: the transactional ids that a broker coordinates (KIP-664).

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionState,
};
use crate::testing::state::State;
use crate::testing::transactions::{Phase, Transaction};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let throttle_time_ms = context.throttle_time_ms;
    let failed = |code: ErrorCode| ListTransactionsResponse {
        throttle_time_ms,
        error_code: code.0,
        ..Default::default()
    };
    if let Some(code) = context.fail {
        return failed(code);
    }
    // All of the id has to match.
    let pattern = request.transactional_id_pattern.filter(|it| !it.is_empty());
    let pattern = pattern.map(|it| regex_lite::Regex::new(&format!("^(?:{it})$"))).transpose();
    let Ok(pattern) = pattern else {
        return failed(ErrorCode::INVALID_REGULAR_EXPRESSION);
    };
    let now = state.now();
    let passes = |name: &str, it: &Transaction| {
        let (states, ids) = (&request.state_filters, &request.producer_id_filters);
        let is_old = it.phase == Phase::Ongoing && now - it.started > request.duration_filter;
        state.coordinator(name) == Some(context.broker)
            && (states.is_empty() || states.iter().any(|state| state == it.phase.name()))
            && (ids.is_empty() || ids.contains(&it.producer_id))
            && (request.duration_filter < 0 || is_old)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(name))
    };
    let listed = state.transactions.iter().filter(|(name, it)| passes(name, it));
    let listed = listed.map(|(name, it)| TransactionState {
        transactional_id: name.clone(),
        producer_id: it.producer_id,
        transaction_state: it.phase.name().to_owned(),
        ..Default::default()
    });
    let is_unknown = |name: &String| !Phase::ALL.iter().any(|phase| phase.name() == name);
    ListTransactionsResponse {
        throttle_time_ms,
        transaction_states: listed.collect(),
        unknown_state_filters: request
            .state_filters
            .iter()
            .filter(|it| is_unknown(it))
            .cloned()
            .collect(),
        ..Default::default()
    }
}
