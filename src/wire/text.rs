//! Strings and byte strings.

use std::fmt;

use bytes::{BufMut, Bytes};

use super::{DecodeError, EncodeError, Length, Output, Version, Wire};

impl Wire for Option<String> {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let Some(length) = Length::Short.get(src, version)? else {
            return Ok(None);
        };
        let text = src.split_to(length);
        std::str::from_utf8(&text).map(|s| Some(s.to_owned())).map_err(|_| DecodeError::Utf8)
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        Length::Short.put(dst, version, self.as_ref().map(String::len))?;
        dst.put_slice(self.as_deref().unwrap_or_default().as_bytes());
        Ok(())
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl Wire for String {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Option::<Self>::decode(src, version)?.ok_or(DecodeError::Null)
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        Length::Short.put(dst, version, Some(self.len()))?;
        dst.put_slice(self.as_bytes());
        Ok(())
    }
}

/// Decodes to a slice of the frame: it keeps the frame alive, and copies nothing.
impl Wire for Option<Bytes> {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Length::Long.get(src, version)?.map(|length| src.split_to(length)))
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        Length::Long.put(dst, version, self.as_ref().map(Bytes::len))?;
        if let Some(payload) = self {
            dst.put_payload(payload);
        }
        Ok(())
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl Wire for Bytes {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Option::<Self>::decode(src, version)?.ok_or(DecodeError::Null)
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        Length::Long.put(dst, version, Some(self.len()))?;
        dst.put_payload(self);
        Ok(())
    }
}

/// Bytes that are nobody's business, such as a password or a key: `Debug` tells only how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub Bytes);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // None at all are no secret, and print as bytes do.
        if self.0.is_empty() { self.0.fmt(f) } else { write!(f, "<{} bytes>", self.0.len()) }
    }
}

impl<T: Into<Bytes>> From<T> for Secret {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl Wire for Secret {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Bytes::decode(src, version).map(Self)
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        self.0.encode(dst, version)
    }
}
