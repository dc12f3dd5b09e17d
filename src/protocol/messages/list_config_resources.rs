//! `ListConfigResources`: which resources have settings (KIP-1142). Any broker answers.
//!
//! Version 0 is `ListClientMetricsResources` of KIP-714: it knows no other kind.

use super::message;

message! {
    request ListConfigResourcesRequest(74): 0..=1, flexible 0, to Any, returns ListConfigResourcesResponse;

    /// Asks for the resources of these kinds; empty for all kinds.
    struct ListConfigResourcesRequest {
        resource_types: Vec<i8> [1..],
    }
}

message! {
    /// The resources.
    struct ListConfigResourcesResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        config_resources: Vec<ConfigResource> [..],
    }

    /// A resource; one of client metrics, where its kind is not told.
    struct ConfigResource {
        resource_name: String [..],
        resource_type: i8 [1..; ignorable] = 16,
    }
}
