//! Message sets, as they were before Kafka 0.11: one message of format 0 or 1, taken apart in
//! place. `read.rs` finds runs of them and opens compressed ones, `write.rs` makes sets.
//!
//! A message is `offset: i64, length: i32, checksum: u32, magic: i8, attributes: i8`, in format 1
//! `timestamp: i64`, then key and value, each behind an `i32` length (-1 is null). The checksum
//! covers what comes behind it. A compressed set is the value of another message, its *wrapper*,
//! which has the offset of the last message inside and the largest timestamp. Inside, format 0
//! has the offsets of the partition, format 1 has relative ones, which only their distance to the
//! last gives a meaning.

mod read;
mod write;

use bytes::Buf;

use super::RecordError;
use super::cursor::{Entry, Span};

pub(super) use read::{Run, verify};
pub(super) use write::write;

/// A message takes no less behind its length: format 0, without key and value.
pub(super) const MIN_LENGTH: usize = 14;
/// Offset, length and checksum.
const COVERED_FROM: usize = 16;

const CODEC: u8 = 0x07;
const LOG_APPEND_TIME: u8 = 0x08;

/// One message, its key and value not looked at.
struct Message<'a> {
    offset: i64,
    checksum: u32,
    magic: u8,
    attributes: u8,
    /// What the checksum covers: from the magic byte on.
    covered: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes one from the front; `None` if it is cut off.
    fn take(src: &mut &'a [u8]) -> Result<Option<Self>, RecordError> {
        let mut head = *src;
        let (Ok(offset), Ok(length)) = (head.try_get_i64(), head.try_get_i32()) else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| RecordError::Length)?;
        if length < MIN_LENGTH {
            return Err(RecordError::Length);
        }
        let Some((mut body, rest)) = head.split_at_checked(length) else {
            return Ok(None);
        };
        let checksum = body.try_get_u32().map_err(|_| RecordError::Length)?;
        let &[magic, attributes, ..] = body else {
            return Err(RecordError::Length);
        };
        if magic > 1 {
            return Err(RecordError::Magic(magic));
        }
        *src = rest;
        Ok(Some(Self { offset, checksum, magic, attributes, covered: body }))
    }

    fn is_compressed(&self) -> bool {
        self.attributes & CODEC != 0
    }

    fn is_append_time(&self) -> bool {
        self.magic > 0 && self.attributes & LOG_APPEND_TIME != 0
    }

    fn verify(&self) -> Result<(), RecordError> {
        super::raw::check(self.checksum, crc32fast::hash(self.covered))
    }

    /// Timestamp, key and value; `end` is where the message ends in the bytes it is read from.
    fn fields(&self, end: usize) -> Result<(i64, Span, Span), RecordError> {
        let mut src = self.covered.get(2..).unwrap_or_default();
        let timestamp = if self.magic == 0 {
            -1
        } else {
            src.try_get_i64().map_err(|_| RecordError::Truncated)?
        };
        let key = take_span(&mut src, end)?;
        let value = take_span(&mut src, end)?;
        if src.is_empty() { Ok((timestamp, key, value)) } else { Err(RecordError::Trailing) }
    }
}

fn take_span(src: &mut &[u8], end: usize) -> Result<Span, RecordError> {
    let length = src.try_get_i32().map_err(|_| RecordError::Truncated)?;
    let start = end - src.len();
    let Ok(length) = usize::try_from(length) else {
        return if length == -1 { Ok(Span::NULL) } else { Err(RecordError::Length) };
    };
    *src = src.get(length..).ok_or(RecordError::Length)?;
    Ok(Span::new(start, start + length))
}

/// How to read the messages of a set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inner {
    /// The offset that the first message says; what it means is up to the batch.
    first: i64,
    /// The timestamp of all messages, where the broker has set that of their wrapper.
    append_time: Option<i64>,
}

impl Inner {
    /// Reads the message at `at`, and says where it ends.
    pub(super) fn read(self, bytes: &[u8], at: usize) -> Result<(Entry, usize), RecordError> {
        let mut rest = bytes.get(at..).unwrap_or_default();
        let message = Message::take(&mut rest)?.ok_or(RecordError::Truncated)?;
        let end = bytes.len() - rest.len();
        let (timestamp, key, value) = message.fields(end)?;
        let delta = message.offset.checked_sub(self.first).ok_or(RecordError::Offset)?;
        let entry = Entry {
            timestamp: self.append_time.filter(|_| message.magic > 0).unwrap_or(timestamp),
            offset_delta: u32::try_from(delta).map_err(|_| RecordError::Offset)?,
            key,
            value,
            headers: Span::NULL,
        };
        Ok((entry, end))
    }
}
