//! The first words on a connection: who we are, and which versions the broker speaks. Knows how
//! brokers of every age react to a handshake that is younger than they are.

use std::time::Duration;

use bytes::Bytes;

use super::TransportError;
use super::link::Link;
use crate::protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::{ApiKey, ErrorCode, Request};

/// The versions that a broker speaks.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions {
    /// Sorted by key.
    ranges: Vec<(ApiKey, (i16, i16))>,
}

impl Versions {
    fn new(response: &ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter();
        let mut ranges: Vec<_> = ranges
            .map(|range| (ApiKey(range.api_key), (range.min_version, range.max_version)))
            .collect();
        ranges.sort_unstable();
        Self { ranges }
    }

    /// First and last version of a request.
    fn broker(&self, api: ApiKey) -> Option<(i16, i16)> {
        let at = self.ranges.binary_search_by_key(&api, |(key, _)| *key).ok()?;
        self.ranges.get(at).map(|(_, range)| *range)
    }

    /// The highest version that both sides speak.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(super) fn best<R: Request>(&self) -> Result<i16, TransportError> {
        self.best_in::<R>(*R::VERSIONS.start(), *R::VERSIONS.end())
    }

    /// Whether both sides speak that version.
    ///
    /// # Errors
    ///
    /// They do not.
    pub(super) fn check<R: Request>(&self, version: i16) -> Result<(), TransportError> {
        let (first, last) = (*R::VERSIONS.start(), *R::VERSIONS.end());
        if !(first..=last).contains(&version) {
            let broker = self.broker(R::KEY);
            return Err(TransportError::Unsupported { api: R::KEY, broker, ours: (first, last) });
        }
        self.best_in::<R>(version, version).map(drop)
    }

    fn best_in<R: Request>(&self, first: i16, last: i16) -> Result<i16, TransportError> {
        let broker = self.broker(R::KEY);
        if let Some((min, max)) = broker {
            let best = last.min(max);
            if first.max(min) <= best {
                return Ok(best);
            }
        }
        Err(TransportError::Unsupported { api: R::KEY, broker, ours: (first, last) })
    }
}

/// The version that the handshake begins with.
pub(super) const FIRST_ATTEMPT: i16 = *ApiVersionsRequest::VERSIONS.end();
/// The version that every broker knows which knows the request.
pub(super) const LAST_RESORT: i16 = *ApiVersionsRequest::VERSIONS.start();

/// Asks for the broker's versions, in `version` or in one that the broker then asks for.
///
/// # Errors
///
/// What happened instead of an answer, as it is; [`Connection::open`](super::Connection::open)
/// says it in the words of a handshake.
pub(super) async fn shake(
    link: &Link,
    mut version: i16,
    timeout: Duration,
) -> Result<Versions, TransportError> {
    loop {
        let response = ask(link, version, timeout).await?;
        let code = ErrorCode(response.error_code);
        let versions = Versions::new(&response);
        if code == ErrorCode::NONE {
            link.mute(ApiVersionsRequest::throttle(&response, version));
            return Ok(versions);
        }
        // Brokers since 2.4 say what they speak (KIP-511), older ones nothing.
        let next = match versions.best::<ApiVersionsRequest>() {
            _ if code != ErrorCode::UNSUPPORTED_VERSION => version,
            Ok(best) => best,
            Err(_) => LAST_RESORT,
        };
        if next >= version {
            return Err(TransportError::Refused { code });
        }
        tracing::debug!(version, next, "the broker is older than the handshake");
        version = next;
    }
}

async fn ask(
    link: &Link,
    version: i16,
    timeout: Duration,
) -> Result<ApiVersionsResponse, TransportError> {
    let request = api_versions_request();
    let slot = link.slot().await?;
    let received = link.submit(version, &request, timeout, slot, true)?;
    let frame = received.await.unwrap_or_else(|_| Err(link.ended()))?;
    decode(frame, version)
}

/// Asks for versions and features. It has to say who asks from version 3 on; older ones leave that
/// out.
pub(crate) fn api_versions_request() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: env!("CARGO_PKG_NAME").to_owned(),
        client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    }
}

/// Decodes the answer. A broker that does not know the version says so in version 0.
fn decode(frame: Bytes, version: i16) -> Result<ApiVersionsResponse, TransportError> {
    let code = frame.first_chunk().map(|code| ErrorCode(i16::from_be_bytes(*code)));
    let version = match code {
        Some(ErrorCode::UNSUPPORTED_VERSION) => LAST_RESORT,
        _ => version,
    };
    ApiVersionsRequest::decode_response(version, frame).map_err(|source| TransportError::Decode {
        api: ApiKey::API_VERSIONS,
        version,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::api_versions::ApiVersion;
    use crate::protocol::messages::metadata::MetadataRequest;
    use crate::protocol::messages::produce::ProduceRequest;

    fn versions(ranges: &[(i16, i16, i16)]) -> Versions {
        let range = |&(api_key, min_version, max_version)| ApiVersion {
            api_key,
            min_version,
            max_version,
            ..Default::default()
        };
        let api_keys = ranges.iter().map(range).collect();
        Versions::new(&ApiVersionsResponse { api_keys, ..Default::default() })
    }

    #[test]
    fn takes_the_highest_common_version() {
        let versions = versions(&[(3, 0, 5), (0, 3, i16::MAX)]);
        assert_eq!(versions.best::<MetadataRequest>().unwrap(), 5);
        assert_eq!(versions.best::<ProduceRequest>().unwrap(), *ProduceRequest::VERSIONS.end());
        versions.check::<MetadataRequest>(0).unwrap();
        versions.check::<MetadataRequest>(6).unwrap_err();
        versions.check::<ProduceRequest>(2).unwrap_err();
        versions.check::<ProduceRequest>(i16::MAX).unwrap_err();
    }

    #[test]
    fn no_common_version_says_what_both_speak() {
        let error = versions(&[(0, 99, 100)]).best::<ProduceRequest>().unwrap_err();
        assert!(matches!(error, TransportError::Unsupported { broker: Some((99, 100)), .. }));
        let error = versions(&[]).best::<ProduceRequest>().unwrap_err();
        assert!(matches!(error, TransportError::Unsupported { broker: None, .. }));
        // Nonsense of the broker is no common version either.
        versions(&[(0, 9, 3)]).best::<ProduceRequest>().unwrap_err();
    }
}
