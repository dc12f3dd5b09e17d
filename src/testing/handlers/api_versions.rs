//! `ApiVersions`: what the emulated Kafka has.

use super::{Context, Reply};
use crate::protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse,
};
use crate::protocol::{ApiKey, ErrorCode};
use crate::testing::faults::encode;
use crate::testing::state::State;
use crate::testing::versions::Release;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    _: ApiVersionsRequest,
) -> ApiVersionsResponse {
    let error = context.fail.unwrap_or(ErrorCode::NONE);
    let api_keys = match context.fail {
        Some(_) => Vec::new(),
        None => state.settings.release.calls().map(row).collect(),
    };
    ApiVersionsResponse {
        error_code: error.0,
        api_keys,
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    }
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
