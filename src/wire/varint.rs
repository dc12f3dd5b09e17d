//! Variable-length integers: seven bits a byte, least significant first.
//!
//! Unsigned ones are lengths and tags of flexible messages; zig-zag ones are the fields of records.

use bytes::{Buf, BufMut, Bytes};

use super::DecodeError;

/// Takes an unsigned varint of at most 32 bits.
pub(crate) fn get_u32(src: &mut Bytes) -> Result<u32, DecodeError> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = src.try_get_u8().map_err(|_| DecodeError::Truncated)?;
        if shift == 28 && byte > 0x0f {
            return Err(DecodeError::Varint);
        }
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DecodeError::Varint)
}

/// Appends an unsigned varint.
pub(crate) fn put_u64(dst: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        dst.put_u8(low_byte(value) | 0x80);
        value >>= 7;
    }
    dst.put_u8(low_byte(value));
}

/// Appends a zig-zag varint: small magnitudes of either sign are short.
pub(crate) fn put_i64(dst: &mut impl BufMut, value: i64) {
    put_u64(dst, zigzag(value));
}

/// The bytes that [`put_i64`] will take.
pub(crate) const fn len_i64(value: i64) -> usize {
    len_u64(zigzag(value))
}

/// The bytes that [`put_u64`] will take.
pub(crate) const fn len_u64(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Reads a zig-zag varint of at most 64 bits at `*at`, and moves `*at` behind it.
///
/// `None` when the bytes end first, or go on for longer than 64 bits.
#[inline]
pub(crate) fn read_i64(src: &[u8], at: &mut usize) -> Option<i64> {
    // Nearly every field of a small record is one byte.
    let first = *src.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(unzigzag(u64::from(first)));
    }
    let mut value = u64::from(first & 0x7f);
    let mut shift = 7;
    loop {
        let byte = *src.get(*at)?;
        *at += 1;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(unzigzag(value));
        }
        shift += 7;
    }
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_at_every_length() {
        for bits in 0..64 {
            for value in [1i64 << bits, (1i64 << bits).wrapping_sub(1), (1i64 << bits).wrapping_neg()] {
                let mut bytes = Vec::new();
                put_i64(&mut bytes, value);
                assert_eq!(bytes.len(), len_i64(value));
                let mut at = 0;
                assert_eq!(read_i64(&bytes, &mut at), Some(value));
                assert_eq!(at, bytes.len());
            }
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let too_long = [0xff; 10];
        assert_eq!(read_i64(&too_long, &mut 0), None);
        assert_eq!(read_i64(&[0x80], &mut 0), None);
        assert_eq!(get_u32(&mut Bytes::from_static(&[0xff; 5])), Err(DecodeError::Varint));
        assert_eq!(get_u32(&mut Bytes::from_static(&[0xff; 4])), Err(DecodeError::Truncated));
        let max = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(get_u32(&mut max.clone()), Ok(u32::MAX));
    }
}
