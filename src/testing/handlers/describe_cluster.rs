//! `DescribeCluster`: the brokers, from any of them (KIP-700).

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use crate::testing::state::State;

/// Asks for brokers, not for controllers.
const BROKERS: i8 = 1;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    DescribeClusterRequest { endpoint_type, include_fenced_brokers, .. }: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let code = match context.fail {
        Some(code) => code,
        None if endpoint_type == BROKERS => ErrorCode::NONE,
        None => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
    };
    let mut response = DescribeClusterResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: code.0,
        endpoint_type,
        ..Default::default()
    };
    if code != ErrorCode::NONE {
        response.error_message = Some(code.text().to_owned());
        return response;
    }
    // A broker that is down is fenced.
    let shown = state.brokers.iter().filter(|(_, it)| it.is_up || include_fenced_brokers);
    let shown = shown.map(|(id, broker)| DescribeClusterBroker {
        broker_id: *id,
        host: broker.host.clone(),
        port: broker.port.into(),
        rack: broker.rack.clone(),
        is_fenced: !broker.is_up,
        ..Default::default()
    });
    response.brokers = shown.collect();
    response.cluster_id.clone_from(&state.cluster_id);
    response.controller_id = state.controller;
    response
}
