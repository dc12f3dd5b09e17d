//! `DescribeConfigs`: the settings of topics, brokers and other resources. Any broker answers, but
//! for the resources of one broker.

use super::message;

message! {
    request DescribeConfigsRequest(32): 0..=4, flexible 4, to Broker, throttled 2, returns DescribeConfigsResponse;

    /// Asks for the settings of resources.
    struct DescribeConfigsRequest {
        resources: Vec<DescribeConfigsResource> [..],
        include_synonyms: bool [1..],
        include_documentation: bool [3..],
    }

    /// A resource, and which of its settings; null for all.
    struct DescribeConfigsResource {
        resource_type: i8 [..],
        resource_name: String [..],
        configuration_keys: Option<Vec<String>> [..],
    }
}

message! {
    /// The settings of each resource.
    struct DescribeConfigsResponse {
        throttle_time_ms: i32 [..],
        results: Vec<DescribeConfigsResult> [..],
    }

    /// The settings of one resource.
    struct DescribeConfigsResult {
        error_code: i16 [..],
        error_message: Option<String> [..],
        resource_type: i8 [..],
        resource_name: String [..],
        configs: Vec<DescribeConfigsResourceResult> [..],
    }

    /// A setting; the value of a sensitive one is null.
    struct DescribeConfigsResourceResult {
        name: String [..],
        value: Option<String> [..],
        read_only: bool [..],
        is_default: bool [..=0],
        config_source: i8 [1..; ignorable] = -1,
        is_sensitive: bool [..],
        synonyms: Vec<DescribeConfigsSynonym> [1..; ignorable],
        config_type: i8 [3..; ignorable],
        documentation: Option<String> [3..; ignorable],
    }

    /// Where else the value may come from, the strongest first.
    struct DescribeConfigsSynonym {
        name: String [1..],
        value: Option<String> [1..],
        source: i8 [1..],
    }
}
