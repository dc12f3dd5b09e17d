//! `IncrementalAlterConfigs`: changes some settings of resources (KIP-339). Any broker answers,
//! but for the resources of one broker.

use super::message;

message! {
    request IncrementalAlterConfigsRequest(44): 0..=1, flexible 1, to Broker, returns IncrementalAlterConfigsResponse;

    /// Asks for changes of settings.
    struct IncrementalAlterConfigsRequest {
        resources: Vec<AlterConfigsResource> [..],
        validate_only: bool [..],
    }

    /// A resource with its changes.
    struct AlterConfigsResource {
        resource_type: i8 [..],
        resource_name: String [..],
        configs: Vec<AlterableConfig> [..],
    }

    /// A change: 0 sets, 1 deletes, 2 appends to a list, 3 takes out of it.
    struct AlterableConfig {
        name: String [..],
        config_operation: i8 [..],
        value: Option<String> [..],
    }
}

message! {
    /// What became of each resource.
    struct IncrementalAlterConfigsResponse {
        throttle_time_ms: i32 [..],
        responses: Vec<AlterConfigsResourceResponse> [..],
    }

    /// What became of one resource.
    struct AlterConfigsResourceResponse {
        error_code: i16 [..],
        error_message: Option<String> [..],
        resource_type: i8 [..],
        resource_name: String [..],
    }
}
