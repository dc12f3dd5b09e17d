//! `ApiVersions`: what the emulated Kafka has, as far as somebody answers it: a handler, or a hook.

use super::{Context, Reply, body, handler, request};
use crate::protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use crate::protocol::{ApiKey, ErrorCode};
use crate::testing::broker::Shared;
use crate::testing::faults::{Call, encode};
use crate::testing::versions::Release;

pub(super) fn serve(shared: &Shared, context: &Context, call: &Call) -> Reply {
    if let Err(close) = request::<ApiVersionsRequest>(call) {
        return close;
    }
    let (release, level) =
        shared.with(|state| (state.settings.release, state.settings.transaction_version));
    let is_answered =
        |row: &(ApiKey, i16, i16)| handler(row.0).is_some() || shared.hooks.has_seen(row.0);
    let api_keys = match context.fail {
        Some(_) => Vec::new(),
        None => release.calls().filter(is_answered).map(row).collect(),
    };
    let has_features = release.has_transaction_version() && context.fail.is_none();
    let name = || "transaction.version".to_owned();
    let supported = SupportedFeatureKey { name: name(), max_version: 2, ..Default::default() };
    let finalized = FinalizedFeatureKey {
        name: name(),
        max_version_level: level,
        min_version_level: level,
        ..Default::default()
    };
    let response = ApiVersionsResponse {
        supported_features: has_features.then_some(supported).into_iter().collect(),
        finalized_features_epoch: if has_features { 0 } else { -1 },
        // Level 0 is none.
        finalized_features: (has_features && level > 0).then_some(finalized).into_iter().collect(),
        error_code: context.fail.unwrap_or(ErrorCode::NONE).0,
        api_keys,
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    body::<ApiVersionsRequest>(context, &response)
}

/// The answer to a version of this call that the broker does not have: one that every client can
/// read, from 2.4 on with the versions to try instead.
pub(super) fn refuse(release: Release) -> Reply {
    let own = release.calls().filter(|(key, ..)| *key == ApiKey::API_VERSIONS);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.0,
        api_keys: own.filter(|_| release.is_since_2_4()).map(row).collect(),
        ..Default::default()
    };
    match encode::<ApiVersionsRequest>(0, &response) {
        Ok(body) => Reply::Body(body),
        Err(_) => Reply::Close("an answer that cannot be encoded"),
    }
}

fn row((key, min_version, max_version): (ApiKey, i16, i16)) -> ApiVersion {
    ApiVersion { api_key: key.0, min_version, max_version, ..Default::default() }
}
