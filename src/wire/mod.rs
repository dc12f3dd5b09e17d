//! The bytes of the Kafka protocol: integers, varints, strings, arrays, tagged fields.
//!
//! Knows nothing about messages and does no I/O. Every declared length is checked against the
//! bytes that remain, in one place (`Length::get`), before anything is allocated for it.

mod array;
mod output;
mod primitive;
mod tagged;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod varint;

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

pub(crate) use array::Length;
pub use output::Output;
pub use primitive::Uuid;
pub use tagged::UnknownTags;
pub(crate) use tagged::{Tags, get_tags};
pub use text::Secret;

/// How the enclosing message is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The version of the request or response.
    pub number: i16,
    /// Whether lengths are compact varints and structs end with tagged fields (KIP-482).
    pub flexible: bool,
}

/// Bytes that are not what the protocol promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message ends in the middle of a field.
    #[error("message ends inside a field")]
    Truncated,
    /// A length is negative, or larger than the bytes that remain.
    #[error("declared length exceeds the message")]
    Length,
    /// A string is not UTF-8.
    #[error("string is not UTF-8")]
    Utf8,
    /// A varint has more bits than its type.
    #[error("varint is too long")]
    Varint,
    /// A field that must not be null is null.
    #[error("null in a field that cannot be null")]
    Null,
    /// Bytes are left over after the last field.
    #[error("{0} bytes left after the last field")]
    Trailing(usize),
}

/// A value that the negotiated version cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The field does not exist in this version, and leaving it out would change the meaning.
    #[error("field {field} cannot be sent in version {version}{}", since_text(*since))]
    Unsupported {
        /// `Struct.field`.
        field: &'static str,
        /// The version it should have been sent in.
        version: i16,
        /// The first later version that has it; `None` if it has been removed.
        since: Option<i16>,
    },
    /// The field cannot be null in this version.
    #[error("field {field} cannot be null in version {version}{}", since_text(*since))]
    Null {
        /// `Struct.field`.
        field: &'static str,
        /// The version it should have been sent in.
        version: i16,
        /// The first later version that allows it.
        since: Option<i16>,
    },
    /// A string or array is longer than its length prefix can say.
    #[error("value is too long for its length prefix")]
    Length,
}

fn since_text(since: Option<i16>) -> String {
    since.map(|since| format!(", only from version {since} on")).unwrap_or_default()
}

/// The first of these versions, if it is still to come.
pub(crate) fn since(versions: &impl RangeBounds<i16>, version: i16) -> Option<i16> {
    match versions.start_bound() {
        Bound::Included(first) if *first > version => Some(*first),
        _ => None,
    }
}

/// A value with an encoding on the wire.
pub trait Wire: Sized {
    /// Takes the value from the front of `src`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says what is wrong with the bytes.
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError>;

    /// Appends the value to `dst`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] names the field that this version cannot carry.
    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError>;

    /// The value alone, in one piece.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    fn to_bytes(&self, version: Version) -> Result<Bytes, EncodeError> {
        let mut output = Output::default();
        self.encode(&mut output, version)?;
        Ok(output.into_bytes())
    }

    /// Whether this is the null of a nullable type.
    fn is_null(&self) -> bool {
        false
    }
}

/// Decodes a whole message: bytes left over are an error.
pub(crate) fn decode_all<T: Wire>(mut src: Bytes, version: Version) -> Result<T, DecodeError> {
    let value = T::decode(&mut src, version)?;
    if src.is_empty() { Ok(value) } else { Err(DecodeError::Trailing(src.len())) }
}
