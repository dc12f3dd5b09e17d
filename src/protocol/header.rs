//! Request and response headers.

use bytes::Bytes;

use super::{ApiKey, Request};
use crate::wire::{DecodeError, EncodeError, Output, Tags, UnknownTags, Version, Wire, get_tags};

/// What stands before the body of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which call this is.
    pub api_key: ApiKey,
    /// The version that the body is encoded in.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// Names the client in the broker's logs, metrics and quotas.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Appends the header, with tagged fields if the body of request `R` is flexible too.
    ///
    /// # Errors
    ///
    /// A client id of more than 32 767 bytes.
    pub fn encode<R: Request>(&self, dst: &mut Output) -> Result<(), EncodeError> {
        // The client id kept its old encoding when headers became flexible (KIP-482).
        let plain = Version { number: 1, flexible: false };
        self.api_key.0.encode(dst, plain)?;
        self.api_version.encode(dst, plain)?;
        self.correlation_id.encode(dst, plain)?;
        self.client_id.encode(dst, plain)?;
        if R::version(self.api_version).flexible {
            Tags::default().finish(&UnknownTags::default(), dst)?;
        }
        Ok(())
    }

    /// Takes a header from the front of `src`; `flexible_from` gives the first flexible version
    /// of each call.
    ///
    /// # Errors
    ///
    /// Bytes that are no header.
    pub fn decode(
        src: &mut Bytes,
        flexible_from: impl FnOnce(ApiKey) -> Option<i16>,
    ) -> Result<Self, DecodeError> {
        let plain = Version { number: 1, flexible: false };
        let header = Self {
            api_key: ApiKey(Wire::decode(src, plain)?),
            api_version: Wire::decode(src, plain)?,
            correlation_id: Wire::decode(src, plain)?,
            client_id: Wire::decode(src, plain)?,
        };
        if flexible_from(header.api_key).is_some_and(|first| header.api_version >= first) {
            get_tags(src, |_, _| Ok(()))?;
        }
        Ok(header)
    }
}

/// What stands before the body of every response, after the length of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The id of the request that this answers.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Whether the header before a response of this version ends with tagged fields.
    ///
    /// A response to `ApiVersions` never does: the client that reads it does not know yet what
    /// the broker speaks (KIP-511).
    fn is_flexible<R: Request>(version: i16) -> bool {
        R::KEY != ApiKey::API_VERSIONS && R::version(version).flexible
    }

    /// Takes the rest of the header, of which the transport has read the correlation id.
    ///
    /// # Errors
    ///
    /// Tagged fields that do not fit into `src`.
    pub(crate) fn skip_tags<R: Request>(src: &mut Bytes, version: i16) -> Result<(), DecodeError> {
        if Self::is_flexible::<R>(version) { get_tags(src, |_, _| Ok(())) } else { Ok(()) }
    }

    /// Appends the header.
    ///
    /// # Errors
    ///
    /// None today; the signature is that of the other encoders.
    pub fn encode<R: Request>(&self, version: i16, dst: &mut Output) -> Result<(), EncodeError> {
        self.correlation_id.encode(dst, Version { number: 0, flexible: false })?;
        if Self::is_flexible::<R>(version) {
            Tags::default().finish(&UnknownTags::default(), dst)?;
        }
        Ok(())
    }
}
