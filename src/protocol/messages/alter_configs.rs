//! `AlterConfigs`: replaces all settings of resources. Any broker answers, but for the resources
//! of one broker.

use super::message;

message! {
    request AlterConfigsRequest(33): 0..=2, flexible 2, to Broker, throttled 1, returns AlterConfigsResponse;

    /// Asks for other settings.
    struct AlterConfigsRequest {
        resources: Vec<AlterConfigsResource> [..],
        validate_only: bool [..],
    }

    /// A resource with all the settings that it is to have: the others go back to their defaults.
    struct AlterConfigsResource {
        resource_type: i8 [..],
        resource_name: String [..],
        configs: Vec<AlterableConfig> [..],
    }

    /// A setting.
    struct AlterableConfig {
        name: String [..],
        value: Option<String> [..],
    }
}

message! {
    /// What became of each resource.
    struct AlterConfigsResponse {
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
