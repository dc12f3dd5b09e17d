//! Finds runs of messages in a fetch, and opens compressed ones.

use bytes::Bytes;

use super::{CODEC, Inner, Message};
use crate::record::cursor::MAX_LEN;
use crate::record::{Compression, RecordError, TimestampType};

/// Messages of one format that follow each other and are not compressed; or one that is.
#[derive(Clone, Debug)]
pub(in crate::record) struct Run {
    pub(in crate::record) size: usize,
    /// Of a compressed message: that of its last, because only decompression tells the first.
    pub(in crate::record) base_offset: i64,
    pub(in crate::record) last_offset: i64,
    /// Messages in the run; of a compressed one, itself.
    count: u32,
    compressed: bool,
    timestamp_type: TimestampType,
}

/// A run, decompressed.
pub(in crate::record) struct Set {
    pub(in crate::record) base_offset: i64,
    pub(in crate::record) timestamp_type: TimestampType,
    pub(in crate::record) compression: Compression,
    pub(in crate::record) count: u32,
    pub(in crate::record) inner: Inner,
    pub(in crate::record) bytes: Bytes,
}

impl Run {
    /// Finds the run at the front; `None` if its first message is cut off.
    pub(in crate::record) fn find(bytes: &[u8]) -> Result<Option<Self>, RecordError> {
        let mut rest = bytes;
        let Some(first) = Message::take(&mut rest)? else {
            return Ok(None);
        };
        if !(0..i64::MAX).contains(&first.offset) {
            return Err(RecordError::Offset);
        }
        let mut run = Self {
            size: bytes.len() - rest.len(),
            base_offset: first.offset,
            last_offset: first.offset,
            count: 1,
            compressed: first.is_compressed(),
            timestamp_type: timestamp_type(&first),
        };
        if !run.compressed {
            // Whatever is wrong with the next message is found when a run begins with it.
            while let Ok(Some(next)) = Message::take(&mut rest) {
                if !run.continues_with(&next) {
                    break;
                }
                run.size = bytes.len() - rest.len();
                run.last_offset = next.offset;
                run.count += 1;
            }
        }
        Ok(Some(run))
    }

    pub(in crate::record) fn is_compressed(&self) -> bool {
        self.compressed
    }

    fn continues_with(&self, next: &Message<'_>) -> bool {
        let distance = next.offset.saturating_sub(self.base_offset);
        !next.is_compressed()
            && timestamp_type(next) == self.timestamp_type
            && next.offset > self.last_offset
            && next.offset < i64::MAX
            && u32::try_from(distance).is_ok()
    }

    /// Decompresses, to at most `max_bytes`.
    pub(in crate::record) fn open(
        self,
        bytes: Bytes,
        max_bytes: usize,
    ) -> Result<Set, RecordError> {
        if self.compressed {
            return self.unwrap(&bytes, max_bytes);
        }
        Ok(Set {
            base_offset: self.base_offset,
            timestamp_type: self.timestamp_type,
            compression: Compression::none(),
            count: self.count,
            inner: Inner { first: self.base_offset, append_time: None },
            bytes,
        })
    }

    fn unwrap(self, bytes: &Bytes, max_bytes: usize) -> Result<Set, RecordError> {
        let mut rest = &**bytes;
        let wrapper = Message::take(&mut rest)?.ok_or(RecordError::Truncated)?;
        let (timestamp, _, value) = wrapper.fields(bytes.len() - rest.len())?;
        let value = value.of(bytes).ok_or(RecordError::Empty)?;
        let compression = Compression::from_id((wrapper.attributes & CODEC).into())?;
        let set = compression.decompress(
            &bytes.slice_ref(value),
            wrapper.magic,
            max_bytes.min(MAX_LEN),
        )?;
        let Walked { first, last, count } = walk(&set)?;
        // Relative offsets end at the wrapper's, and so do those of writers that already put the
        // right ones inside: for these the base is 0.
        let base = if wrapper.magic == 0 { 0 } else { wrapper.offset - last };
        let base_offset = base.checked_add(first).ok_or(RecordError::Offset)?;
        if base < 0 || base_offset < 0 || last > wrapper.offset {
            return Err(RecordError::Offset);
        }
        Ok(Set {
            base_offset,
            timestamp_type: self.timestamp_type,
            compression,
            count,
            inner: Inner { first, append_time: wrapper.is_append_time().then_some(timestamp) },
            bytes: set,
        })
    }
}

struct Walked {
    first: i64,
    last: i64,
    count: u32,
}

/// Checks all messages inside of a wrapper.
fn walk(mut set: &[u8]) -> Result<Walked, RecordError> {
    let mut walked: Option<Walked> = None;
    while !set.is_empty() {
        let message = Message::take(&mut set)?.ok_or(RecordError::Truncated)?;
        if message.is_compressed() {
            return Err(RecordError::Nested);
        }
        message.verify()?;
        let offset = message.offset;
        let walked = walked.get_or_insert(Walked { first: offset, last: offset, count: 0 });
        if offset < 0 || offset < walked.last {
            return Err(RecordError::Offset);
        }
        walked.last = offset;
        walked.count += 1;
    }
    walked.ok_or(RecordError::Empty)
}

fn timestamp_type(message: &Message<'_>) -> TimestampType {
    match message.magic {
        0 => TimestampType::None,
        _ if message.is_append_time() => TimestampType::LogAppendTime,
        _ => TimestampType::CreateTime,
    }
}

/// Checks the checksum of each message.
pub(in crate::record) fn verify(mut run: &[u8]) -> Result<(), RecordError> {
    while let Some(message) = Message::take(&mut run)? {
        message.verify()?;
    }
    Ok(())
}
