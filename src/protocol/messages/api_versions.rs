//! `ApiVersions`: which versions of which calls a broker speaks. The first request on a connection.

use super::message;

message! {
    request ApiVersionsRequest(18): 0..=4, flexible 3, to Any, throttled 2, returns ApiVersionsResponse;

    /// Asks for the versions that the broker speaks.
    ///
    /// A broker that does not know the request's version answers in version 0, with
    /// [`UNSUPPORTED_VERSION`](crate::protocol::ErrorCode::UNSUPPORTED_VERSION).
    struct ApiVersionsRequest {
        client_software_name: String [3..; ignorable],
        client_software_version: String [3..; ignorable],
    }
}

message! {
    /// The calls that the broker knows, and the features of its cluster (KIP-584).
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

    /// The versions of one call that the broker speaks.
    struct ApiVersion {
        api_key: i16 [..],
        min_version: i16 [..],
        max_version: i16 [..],
    }

    /// A feature that the broker could take part in.
    struct SupportedFeatureKey {
        name: String [3..],
        min_version: i16 [3..],
        max_version: i16 [3..],
    }

    /// A feature that is on in the whole cluster, and its level.
    struct FinalizedFeatureKey {
        name: String [3..],
        max_version_level: i16 [3..],
        min_version_level: i16 [3..],
    }
}
