//! A batch that was read, and the two ways through its records: borrowed, and as messages. Knows
//! nothing about compression and checksums: those are over when a batch is made.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::{self, Entry, Headers};
use super::{Compression, Header, Message, RecordError, legacy};
use crate::types::Timestamp;

/// Who set the timestamps of a batch (topic property `message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampType {
    /// Nobody: the message format before Kafka 0.10 has no timestamps.
    None,
    /// The writer.
    CreateTime,
    /// The broker, when it appended the batch.
    LogAppendTime,
}

/// A batch that was read: checked and decompressed, its records still encoded.
///
/// Cheap to clone. Records are decoded when [`records`](Self::records) or
/// [`messages`](Self::messages) come to them.
#[derive(Clone)]
pub struct Batch {
    shared: Arc<Shared>,
}

/// What the messages of a batch have in common.
pub(super) struct Shared {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// -1 for none.
    pub(super) leader_epoch: i32,
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) timestamp_type: TimestampType,
    pub(super) compression: Compression,
    /// What the header says.
    pub(super) count: u32,
    pub(super) format: Format,
    /// At most [`cursor::MAX_LEN`].
    pub(super) bytes: Bytes,
    /// Where the records start in `bytes`.
    pub(super) start: usize,
}

/// How the records are encoded.
#[derive(Clone, Copy)]
pub(super) enum Format {
    /// Timestamps are this, plus a delta if `create_time`.
    V2 { timestamp: i64, create_time: bool },
    /// Messages of format 0 or 1.
    Legacy(legacy::Inner),
}

impl Batch {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The topic it was read from.
    pub fn topic(&self) -> &str {
        &self.shared.topic
    }

    /// The partition it was read from.
    pub fn partition(&self) -> i32 {
        self.shared.partition
    }

    /// The offset of the first record that was written. Compaction may have removed it.
    pub fn base_offset(&self) -> i64 {
        self.shared.base_offset
    }

    /// The offset of the last record that was written. Compaction may have removed it.
    pub fn last_offset(&self) -> i64 {
        self.shared.last_offset
    }

    /// The offset behind this batch, `last_offset + 1`: where to go on.
    pub fn next_offset(&self) -> i64 {
        // Batches that end at the last of all offsets are refused.
        self.shared.last_offset.saturating_add(1)
    }

    /// How many records there are, as the batch says. It may have fewer only if it is damaged:
    /// then the records end in an error.
    pub fn len(&self) -> usize {
        self.shared.count as usize
    }

    /// Whether there are no records: compaction has removed them.
    pub fn is_empty(&self) -> bool {
        self.shared.count == 0
    }

    /// The bytes that its records take in memory.
    pub(crate) fn size(&self) -> usize {
        self.shared.bytes.len()
    }

    /// How the batch was compressed; it is not any more.
    pub fn compression(&self) -> Compression {
        self.shared.compression
    }

    /// Who set the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        self.shared.timestamp_type
    }

    /// The epoch of the leader that wrote the batch; `None` before Kafka 0.11.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.shared.leader_epoch()
    }

    /// The records, borrowed: the fastest way through a batch.
    pub fn records(&self) -> Records<'_> {
        self.records_in(0..i64::MAX)
    }

    /// As [`records`](Self::records), of these offsets only.
    pub fn records_in(&self, offsets: Range<i64>) -> Records<'_> {
        Records { cursor: Cursor::new(&self.shared, offsets), shared: &self.shared }
    }

    /// The records as messages, which share the batch and may outlive it.
    pub fn messages(&self) -> Messages {
        self.clone().messages_from(0)
    }

    /// As [`messages`](Self::messages), without those before this offset. A broker sends whole
    /// batches: the first one may begin before the offset that was asked for.
    pub fn messages_from(self, offset: i64) -> Messages {
        self.messages_in(offset..i64::MAX)
    }

    /// As [`messages`](Self::messages), of these offsets only.
    pub fn messages_in(self, offsets: Range<i64>) -> Messages {
        Messages { cursor: Cursor::new(&self.shared, offsets), shared: self.shared }
    }
}

/// `orders[3]@70..=79 (10 records)`
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { topic, partition, base_offset, last_offset, count, .. } = &*self.shared;
        write!(f, "{topic}[{partition}]@{base_offset}..={last_offset} ({count} records)")
    }
}

impl Shared {
    pub(super) fn leader_epoch(&self) -> Option<i32> {
        (self.leader_epoch >= 0).then_some(self.leader_epoch)
    }

    /// How far an offset is behind the first; 0 for those before.
    fn delta(&self, offset: i64) -> u32 {
        let delta = offset.saturating_sub(self.base_offset).max(0);
        u32::try_from(delta).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(super) fn offset(&self, entry: &Entry) -> i64 {
        // No overflow: every delta is at most that of `last_offset`.
        self.base_offset.wrapping_add(i64::from(entry.offset_delta))
    }

    pub(super) fn headers(&self, entry: &Entry) -> impl ExactSizeIterator<Item = Header> + '_ {
        let share = |slice: &[u8]| self.bytes.slice_ref(slice);
        Headers::new(&self.bytes, entry).map(move |(key, value)| match value {
            Some(value) => Header::new(share(key), share(value)),
            None => Header::null(share(key)),
        })
    }
}

/// A place among the records of a batch.
struct Cursor {
    at: usize,
    left: u32,
    /// Records with a smaller offset delta are not wanted.
    first_delta: u32,
    /// Records with a larger offset delta are not wanted, or may not be there at all.
    last_delta: u32,
}

impl Cursor {
    fn new(shared: &Shared, wanted: Range<i64>) -> Self {
        // Nothing before the end of the range can be in here.
        let is_before = wanted.end <= shared.base_offset;
        Self {
            at: if is_before { shared.bytes.len() } else { shared.start },
            left: if is_before { 0 } else { shared.count },
            first_delta: shared.delta(wanted.start),
            last_delta: shared.delta(shared.last_offset.min(wanted.end.saturating_sub(1))),
        }
    }

    /// The next record, if it is one of a v2 batch, wanted, and without fault: otherwise nothing
    /// has happened, and [`advance`](Self::advance) does the same with all care.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: out of line, copies double the time")]
    fn fast(&mut self, shared: &Shared) -> Option<Entry> {
        let Format::V2 { timestamp, create_time } = shared.format else {
            return None;
        };
        let left = self.left.checked_sub(1)?;
        let (entry, end) = cursor::read(&shared.bytes, self.at).ok()?;
        if entry.offset_delta < self.first_delta || entry.offset_delta > self.last_delta {
            return None;
        }
        (self.at, self.left) = (end, left);
        Some(entry.at_time(timestamp, create_time))
    }

    /// The next record that is wanted. Nothing comes after an error.
    #[cold]
    #[inline(never)]
    fn advance(&mut self, shared: &Shared) -> Option<Result<Entry, RecordError>> {
        loop {
            match self.read(shared) {
                Ok(Some(entry)) if entry.offset_delta < self.first_delta => {}
                Ok(entry) => return entry.map(Ok),
                Err(error) => {
                    (self.at, self.left) = (shared.bytes.len(), 0);
                    return Some(Err(error));
                }
            }
        }
    }

    fn read(&mut self, shared: &Shared) -> Result<Option<Entry>, RecordError> {
        let Some(left) = self.left.checked_sub(1) else {
            // The header said how many records there are: they must be all there is.
            let all = self.at == shared.bytes.len();
            return if all { Ok(None) } else { Err(RecordError::Trailing) };
        };
        let (entry, end) = match shared.format {
            Format::V2 { timestamp, create_time } => {
                let (entry, end) = cursor::read(&shared.bytes, self.at)?;
                (entry.at_time(timestamp, create_time), end)
            }
            Format::Legacy(inner) => inner.read(&shared.bytes, self.at)?,
        };
        if entry.offset_delta > shared.delta(shared.last_offset) {
            return Err(RecordError::Offset);
        }
        if entry.offset_delta > self.last_delta {
            (self.at, self.left) = (shared.bytes.len(), 0);
            return Ok(None);
        }
        (self.at, self.left) = (end, left);
        Ok(Some(entry))
    }
}

/// The records of a [`Batch`], borrowed from it.
///
/// An error says that the batch is damaged, and is the last item.
pub struct Records<'a> {
    cursor: Cursor,
    shared: &'a Shared,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let shared = self.shared;
        if let Some(entry) = self.cursor.fast(shared) {
            return Some(Ok(RecordRef { shared, entry }));
        }
        Some(self.cursor.advance(shared)?.map(|entry| RecordRef { shared, entry }))
    }
}

impl FusedIterator for Records<'_> {}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("left", &self.cursor.left).finish_non_exhaustive()
    }
}

/// One record of a [`Batch`], borrowed from it.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    shared: &'a Shared,
    entry: Entry,
}

impl<'a> RecordRef<'a> {
    /// Its offset in the partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.shared.offset(&self.entry)
    }

    /// When it was written; -1 if that is not known. See [`Batch::timestamp_type`].
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.entry.timestamp)
    }

    /// The key; `None` is null.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.entry.key.of(&self.shared.bytes)
    }

    /// The value; `None` is null.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.entry.value.of(&self.shared.bytes)
    }

    /// The headers, in order, duplicates kept. They share the bytes of the batch.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = Header> + 'a {
        self.shared.headers(&self.entry)
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(f, self.shared, &self.entry)
    }
}

/// The messages of a [`Batch`].
///
/// An error says that the batch is damaged, and is the last item.
pub struct Messages {
    cursor: Cursor,
    shared: Arc<Shared>,
}

impl Messages {
    /// Whether none is left.
    pub(crate) fn is_over(&self) -> bool {
        self.cursor.left == 0
    }
}

impl Iterator for Messages {
    type Item = Result<Message, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.cursor.fast(&self.shared) {
            return Some(Ok(Message::new(self.shared.clone(), entry)));
        }
        let entry = self.cursor.advance(&self.shared)?;
        Some(entry.map(|entry| Message::new(self.shared.clone(), entry)))
    }
}

impl FusedIterator for Messages {}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("left", &self.cursor.left).finish_non_exhaustive()
    }
}

/// `orders[3]@77 (key 5 B, value 120 B, 2 headers)`: contents may be large, or secret.
pub(super) fn describe(f: &mut fmt::Formatter<'_>, shared: &Shared, entry: &Entry) -> fmt::Result {
    let Shared { topic, partition, .. } = shared;
    write!(f, "{topic}[{partition}]@{} (", shared.offset(entry))?;
    for (name, span) in [("key", entry.key), ("value", entry.value)] {
        match span.of(&shared.bytes) {
            Some(bytes) => write!(f, "{name} {} B, ", bytes.len())?,
            None => write!(f, "no {name}, ")?,
        }
    }
    write!(f, "{} headers)", shared.headers(entry).len())
}
