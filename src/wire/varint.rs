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
#[inline]
pub(crate) const fn len_i64(value: i64) -> usize {
    len_u64(zigzag(value))
}

/// The bytes that [`put_u64`] will take.
#[inline]
pub(crate) const fn len_u64(value: u64) -> usize {
    // Nearly all fields of a record are that small.
    if value < 0x80 {
        return 1;
    }
    if value < 0x4000 {
        return 2;
    }
    (70 - value.leading_zeros() as usize) / 7
}

/// Takes a zig-zag varint of at most 64 bits from the front of `src`.
///
/// `None` when the bytes end first, or go on for longer than 64 bits.
#[inline(always)]
#[expect(clippy::inline_always, reason = "measured: the slice must stay in registers")]
pub(crate) fn take_i64(src: &mut &[u8]) -> Option<i64> {
    // Nearly every field of a record is one byte or two.
    match **src {
        [first, ref rest @ ..] if first < 0x80 => {
            *src = rest;
            Some(unzigzag(u64::from(first)))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *src = rest;
            Some(unzigzag(u64::from(first & 0x7f) | u64::from(second) << 7))
        }
        _ => {
            let (value, rest) = long(src)?;
            *src = rest;
            Some(value)
        }
    }
}

/// By value, so that the slice of the caller can stay in registers.
#[cold]
#[inline(never)]
fn long(mut src: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = src.split_first()?;
        src = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((unzigzag(value), src));
        }
    }
    None
}

const fn zigzag(value: i64) -> u64 {
    u64::from_ne_bytes(((value << 1) ^ (value >> 63)).to_ne_bytes())
}

const fn unzigzag(value: u64) -> i64 {
    i64::from_ne_bytes(((value >> 1) ^ (value & 1).wrapping_neg()).to_ne_bytes())
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
            for value in
                [1i64 << bits, (1i64 << bits).wrapping_sub(1), (1i64 << bits).wrapping_neg()]
            {
                let mut bytes = Vec::new();
                put_i64(&mut bytes, value);
                assert_eq!(bytes.len(), len_i64(value));
                let mut rest = bytes.as_slice();
                assert_eq!(take_i64(&mut rest), Some(value));
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let too_long = [0xff; 10];
        assert_eq!(take_i64(&mut &too_long[..]), None);
        assert_eq!(take_i64(&mut &[0x80][..]), None);
        assert_eq!(take_i64(&mut &[][..]), None);
        assert_eq!(get_u32(&mut Bytes::from_static(&[0xff; 5])), Err(DecodeError::Varint));
        assert_eq!(get_u32(&mut Bytes::from_static(&[0xff; 4])), Err(DecodeError::Truncated));
        let max = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(get_u32(&mut max.clone()), Ok(u32::MAX));
    }
}
