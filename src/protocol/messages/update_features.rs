//! `UpdateFeatures`: changes the levels of the cluster's features. The controller answers (KIP-584).

use super::message;

message! {
    request UpdateFeaturesRequest(57): 0..=2, flexible 0, to Controller, returns UpdateFeaturesResponse;

    /// Asks for other levels.
    struct UpdateFeaturesRequest {
        timeout_ms: i32 [..] = 60000,
        feature_updates: Vec<FeatureUpdateKey> [..],
        validate_only: bool [1..],
    }

    /// A feature and its new level, 0 to turn it off. Upgrade type 1 only goes up, 2 down without
    /// loss of metadata, 3 down in any case.
    struct FeatureUpdateKey {
        feature: String [..],
        max_version_level: i16 [..],
        allow_downgrade: bool [0..=0],
        upgrade_type: i8 [1..] = 1,
    }
}

message! {
    /// What became of the update; up to version 1 also what became of each feature.
    struct UpdateFeaturesResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        results: Vec<UpdatableFeatureResult> [..=1; ignorable],
    }

    /// What became of one feature.
    struct UpdatableFeatureResult {
        feature: String [..=1],
        error_code: i16 [..=1],
        error_message: Option<String> [..=1],
    }
}
