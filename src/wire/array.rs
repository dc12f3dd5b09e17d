//! Length prefixes and arrays, and structs that may be null.

use bytes::{Buf, BufMut, Bytes};

use super::{DecodeError, EncodeError, Output, Version, Wire, varint};

/// The length prefix of strings (`i16`), and of bytes and arrays (`i32`); a varint when flexible.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    Short,
    Long,
}

impl Length {
    /// `None` is null. Never returns a length larger than the bytes that remain: every element of
    /// an array takes at least one byte, so this bounds arrays too.
    pub(crate) fn get(
        self,
        src: &mut Bytes,
        version: Version,
    ) -> Result<Option<usize>, DecodeError> {
        let length = match (version.flexible, self) {
            (true, _) => i64::from(varint::get_u32(src)?) - 1,
            (false, Self::Short) => i64::from(i16::decode(src, version)?),
            (false, Self::Long) => i64::from(i32::decode(src, version)?),
        };
        match usize::try_from(length) {
            Ok(length) if length <= src.len() && length <= self.max() => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            _ => Err(DecodeError::Length),
        }
    }

    pub(crate) fn put(
        self,
        dst: &mut Output,
        version: Version,
        length: Option<usize>,
    ) -> Result<(), EncodeError> {
        if length.is_some_and(|length| length > self.max()) {
            return Err(EncodeError::Length);
        }
        let length = length.map_or(Ok(-1), i64::try_from).map_err(|_| EncodeError::Length)?;
        match (version.flexible, self) {
            (true, _) => {
                let prefix = u32::try_from(length + 1).map_err(|_| EncodeError::Length)?;
                varint::put_u64(&mut **dst, prefix.into());
            }
            (false, Self::Short) => {
                dst.put_i16(i16::try_from(length).map_err(|_| EncodeError::Length)?);
            }
            (false, Self::Long) => {
                dst.put_i32(i32::try_from(length).map_err(|_| EncodeError::Length)?);
            }
        }
        Ok(())
    }

    /// What Kafka accepts, also where a varint could say more.
    const fn max(self) -> usize {
        match self {
            Self::Short => 0x7fff,
            Self::Long => 0x7fff_ffff,
        }
    }
}

/// Bytes of memory reserved for elements ahead of decoding them; more grow as they are read.
///
/// An array that ends early fails the whole message, so at any time only the arrays around the
/// current element, as many as the schema is deep, hold memory that the input has not paid for.
const MAX_PREALLOCATION: usize = 64 * 1024;

impl<T: Wire> Wire for Option<Vec<T>> {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let Some(length) = Length::Long.get(src, version)? else {
            return Ok(None);
        };
        let cap = MAX_PREALLOCATION / size_of::<T>().max(1);
        let mut items = Vec::with_capacity(length.min(cap));
        for _ in 0..length {
            items.push(T::decode(src, version)?);
        }
        Ok(Some(items))
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        Length::Long.put(dst, version, self.as_ref().map(Vec::len))?;
        self.iter().flatten().try_for_each(|item| item.encode(dst, version))
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Option::<Self>::decode(src, version)?.ok_or(DecodeError::Null)
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        Length::Long.put(dst, version, Some(self.len()))?;
        self.iter().try_for_each(|item| item.encode(dst, version))
    }
}

/// A struct that may be null, marked by a leading `i8`.
///
/// A box: nullable structs are rare, and may nest.
impl<T: Wire> Wire for Option<Box<T>> {
    fn decode(src: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        match src.try_get_i8().map_err(|_| DecodeError::Truncated)? {
            ..0 => Ok(None),
            _ => T::decode(src, version).map(Box::new).map(Some),
        }
    }

    fn encode(&self, dst: &mut Output, version: Version) -> Result<(), EncodeError> {
        dst.put_i8(if self.is_some() { 1 } else { -1 });
        self.iter().try_for_each(|value| value.encode(dst, version))
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}
