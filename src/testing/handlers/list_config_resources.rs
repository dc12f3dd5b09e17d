//! `ListConfigResources`: which topics and brokers have configurations (KIP-1142).

use super::Context;
use super::alter_configs::{BROKER, TOPIC};
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use crate::testing::state::State;

/// Brokers have levels of loggers too.
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let kinds = match request.resource_types {
        _ if context.version == 0 => vec![CLIENT_METRICS],
        kinds if kinds.is_empty() => vec![TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP],
        kinds => kinds,
    };
    let is_known = |kind: &i8| (TOPIC..=GROUP).contains(kind) && kind.count_ones() == 1;
    let code = match context.fail {
        Some(code) => code,
        None if kinds.iter().all(is_known) => ErrorCode::NONE,
        None => ErrorCode::UNSUPPORTED_VERSION,
    };
    let mut found = Vec::new();
    for kind in kinds.into_iter().filter(|_| code == ErrorCode::NONE) {
        let names: Vec<String> = match kind {
            TOPIC => state.topics.0.keys().cloned().collect(),
            BROKER | BROKER_LOGGER => state.brokers.keys().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        found.extend(names.into_iter().map(|resource_name| ConfigResource {
            resource_name,
            resource_type: kind,
            ..Default::default()
        }));
    }
    ListConfigResourcesResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: code.0,
        config_resources: found,
        ..Default::default()
    }
}
