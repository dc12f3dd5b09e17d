//! Makes message sets out of the records of a v2 batch.

use bytes::{BufMut, Bytes, BytesMut};

use super::COVERED_FROM;
use crate::record::cursor::{self, Entry};
use crate::record::encode::patch;
use crate::record::{Codec, Compression, RecordError};

/// The fields of a message besides offset, key and value.
#[derive(Clone, Copy)]
struct Kind {
    magic: u8,
    attributes: u8,
    timestamp: i64,
}

/// Turns the encoded records of a v2 batch into a message set of format 0 or 1, compressed where
/// that makes it smaller.
pub(in crate::record) fn write(
    records: &[u8],
    base_timestamp: i64,
    magic: u8,
    compression: Compression,
) -> Result<Bytes, RecordError> {
    if compression.codec() == Codec::Zstd {
        return Err(RecordError::CodecTooNew(Codec::Zstd));
    }
    let mut set = BytesMut::with_capacity(records.len() * 2);
    let (mut at, mut last, mut max_timestamp) = (0, 0, i64::MIN);
    while at < records.len() {
        let (entry, end) = cursor::read(records, at)?;
        let Entry { timestamp, offset_delta, key, value, headers } = entry;
        at = end;
        if headers.of(records).is_some() {
            return Err(RecordError::Headers);
        }
        let timestamp = base_timestamp.wrapping_add(timestamp);
        let kind = Kind { magic, attributes: 0, timestamp };
        last = offset_delta.into();
        max_timestamp = max_timestamp.max(timestamp);
        put_message(&mut set, last, kind, key.of(records), value.of(records))?;
    }
    if compression.id() == 0 {
        return Ok(set.freeze());
    }
    let mut value = BytesMut::new();
    compression.compress(&set, magic, &mut value)?;
    let attributes = u8::try_from(compression.id()).map_err(|_| RecordError::Length)?;
    let kind = Kind { magic, attributes, timestamp: max_timestamp };
    let mut wrapper = BytesMut::new();
    put_message(&mut wrapper, last, kind, None, Some(&value))?;
    let smaller = if wrapper.len() < set.len() { wrapper } else { set };
    Ok(smaller.freeze())
}

fn put_message(
    dst: &mut BytesMut,
    offset: i64,
    kind: Kind,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), RecordError> {
    let start = dst.len();
    dst.put_i64(offset);
    dst.put_i32(0); // the length, and
    dst.put_u32(0); // the checksum are filled in below.
    dst.put_u8(kind.magic);
    dst.put_u8(kind.attributes);
    if kind.magic > 0 {
        dst.put_i64(kind.timestamp);
    }
    put_bytes(dst, key)?;
    put_bytes(dst, value)?;
    let message = dst.get_mut(start..).unwrap_or_default();
    let length = i32::try_from(message.len() - 12).map_err(|_| RecordError::BatchTooLarge)?;
    let checksum = crc32fast::hash(message.get(COVERED_FROM..).unwrap_or_default());
    patch(message, 8, length.to_be_bytes());
    patch(message, 12, checksum.to_be_bytes());
    Ok(())
}

fn put_bytes(dst: &mut BytesMut, bytes: Option<&[u8]>) -> Result<(), RecordError> {
    let length = bytes.map_or(Ok(-1), |bytes| i32::try_from(bytes.len()));
    dst.put_i32(length.map_err(|_| RecordError::BatchTooLarge)?);
    dst.put_slice(bytes.unwrap_or_default());
    Ok(())
}
