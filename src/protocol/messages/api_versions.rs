//! ApiVersions: DOC.

use super::message;

message! {
    request ApiVersionsRequest(18): 0..=4, flexible 3, returns ApiVersionsResponse;

    /// DOC ApiVersionsRequest
    struct ApiVersionsRequest {
        client_software_name: String [3..; ignorable],
        client_software_version: String [3..; ignorable],
    }
}

message! {
    /// DOC ApiVersionsResponse
    struct ApiVersionsResponse {
        error_code: i16 [..],
        api_keys: Vec<ApiVersion> [..],
        throttle_time_ms: i32 [1..; ignorable],
    } tagged {
        0 => supported_features: Vec<SupportedFeatureKey> [3..; ignorable],
        1 => finalized_features_epoch: i64 [3..; ignorable] = -1,
        2 => finalized_features: Vec<FinalizedFeatureKey> [3..; ignorable],
        3 => zk_migration_ready: bool [3..; ignorable],
    }

    /// DOC ApiVersion
    struct ApiVersion {
        api_key: i16 [..],
        min_version: i16 [..],
        max_version: i16 [..],
    }

    /// DOC SupportedFeatureKey
    struct SupportedFeatureKey {
        name: String [3..],
        min_version: i16 [3..],
        max_version: i16 [3..],
    }

    /// DOC FinalizedFeatureKey
    struct FinalizedFeatureKey {
        name: String [3..],
        max_version_level: i16 [3..],
        min_version_level: i16 [3..],
    }
}
