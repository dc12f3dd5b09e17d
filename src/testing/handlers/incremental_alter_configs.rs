//! `IncrementalAlterConfigs`: changes some of what was set for a topic or a broker (KIP-339).

use super::Context;
use super::alter_configs::alter_all;
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::testing::state::State;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let resources = request.resources.into_iter().map(|asked| {
        let changes = asked.configs.into_iter();
        let changes = changes.map(|config| (config.name, config.config_operation, config.value));
        ((asked.resource_type, asked.resource_name), changes.collect())
    });
    let altered = alter_all(state, context, resources.collect(), true, request.validate_only);
    let responses = altered.into_iter().map(|((resource_type, resource_name), (code, text))| {
        AlterConfigsResourceResponse {
            error_code: code.0,
            error_message: text,
            resource_type,
            resource_name,
            ..Default::default()
        }
    });
    IncrementalAlterConfigsResponse {
        throttle_time_ms: context.throttle_time_ms,
        responses: responses.collect(),
        ..Default::default()
    }
}
