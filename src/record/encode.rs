//! A batch that is being written. Knows nothing about who writes it: the identity of the writer
//! comes in when the batch is finished.

use bytes::{BufMut, Bytes, BytesMut};

use super::raw::{CHECKSUM_END, HEADER, TRANSACTIONAL};
use super::{Compression, Header, Record, RecordError, legacy};
use crate::types::Timestamp;
use crate::wire::varint::{len_i64, put_i64};

/// Identity of an idempotent or transactional writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerState {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) transactional: bool,
}

impl ProducerState {
    /// A writer without identity: the broker cannot tell duplicates.
    pub(crate) const NONE: Self =
        Self { id: -1, epoch: -1, base_sequence: -1, transactional: false };
}

/// The same batch, of format 2, in the name of another producer.
pub(crate) fn renumber(batch: &[u8], producer: ProducerState) -> Bytes {
    let mut batch = BytesMut::from(batch);
    seal(&mut batch, producer);
    batch.freeze()
}

/// Names the producer, and sets the checksum.
fn seal(batch: &mut BytesMut, producer: ProducerState) {
    patch(batch, 43, producer.id.to_be_bytes());
    patch(batch, 51, producer.epoch.to_be_bytes());
    patch(batch, 53, producer.base_sequence.to_be_bytes());
    let checksum = crc32c::crc32c(batch.get(CHECKSUM_END..).unwrap_or_default());
    patch(batch, 17, checksum.to_be_bytes());
}

/// A batch that is being written: each record is encoded once, when it is appended.
#[derive(Debug)]
pub(crate) struct BatchEncoder {
    /// Room for the header, and the records so far.
    buffer: BytesMut,
    count: u32,
    /// The timestamp of the first record: those of the others are encoded as distances to it.
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchEncoder {
    /// What every batch takes besides its records.
    pub(crate) const HEADER: usize = HEADER;

    /// Into this buffer (cleared; its capacity is reused).
    pub(crate) fn new(mut buffer: BytesMut) -> Self {
        buffer.clear();
        buffer.put_bytes(0, HEADER);
        Self { buffer, count: 0, base_timestamp: 0, max_timestamp: i64::MIN }
    }

    /// The bytes that `append` would add.
    pub(crate) fn encoded_len(&self, record: &Record, timestamp: Timestamp) -> usize {
        let body = self.body_len(record, timestamp);
        len_i64(signed(body)) + body
    }

    /// The most bytes that a record can take in any batch, besides the header.
    pub(crate) fn worst_len(record: &Record) -> usize {
        let body = 1 + len_i64(i64::MIN) + len_i64(i32::MAX.into()) + contents_len(record);
        len_i64(signed(body)) + body
    }

    pub(crate) fn append(&mut self, record: &Record, timestamp: Timestamp) {
        let body = self.body_len(record, timestamp);
        let delta = self.delta(timestamp);
        if self.count == 0 {
            self.base_timestamp = timestamp.as_millis();
        }
        self.max_timestamp = self.max_timestamp.max(timestamp.as_millis());
        let dst = &mut self.buffer;
        dst.reserve(len_i64(signed(body)) + body);
        // The small fields together: one copy takes less than a check of capacity for each.
        let mut small = Small::default();
        small.put(signed(body));
        small.put(0); // attributes
        small.put(delta);
        small.put(self.count.into());
        for bytes in [&record.key, &record.value] {
            let Some(bytes) = bytes else {
                small.put(-1);
                continue;
            };
            small.put(signed(bytes.len()));
            small.flush(dst);
            dst.put_slice(bytes);
        }
        small.put(signed(record.headers.len()));
        small.flush(dst);
        for header in &record.headers {
            put_bytes(dst, Some(header.key_bytes()));
            put_bytes(dst, header.value());
        }
        self.count += 1;
    }

    /// Bytes so far, header included, uncompressed.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Records so far.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Compresses where that makes it smaller, fills in the header and the checksum. Without
    /// compression nothing is copied.
    pub(crate) fn finish(
        self,
        compression: Compression,
        producer: ProducerState,
    ) -> Result<Bytes, RecordError> {
        let count = i32::try_from(self.count).map_err(|_| RecordError::BatchTooLarge)?;
        if count == 0 {
            return Err(RecordError::Empty);
        }
        let (mut batch, mut attributes) = (self.buffer, 0);
        if compression.id() != 0 {
            let mut compressed = BytesMut::with_capacity(HEADER);
            compressed.put_bytes(0, HEADER);
            let records = batch.get(HEADER..).unwrap_or_default();
            compression.compress(records, 2, &mut compressed)?;
            if compressed.len() < batch.len() {
                (batch, attributes) = (compressed, compression.id());
            }
        }
        let length = i32::try_from(batch.len() - 12).map_err(|_| RecordError::BatchTooLarge)?;
        attributes |= if producer.transactional { TRANSACTIONAL } else { 0 };
        // The base offset stays 0: the broker sets it.
        patch(&mut batch, 8, length.to_be_bytes());
        patch(&mut batch, 12, (-1i32).to_be_bytes()); // leader epoch: the broker's, too
        patch(&mut batch, 16, [2]); // magic
        patch(&mut batch, 21, attributes.to_be_bytes());
        patch(&mut batch, 23, (count - 1).to_be_bytes()); // last offset delta
        patch(&mut batch, 27, self.base_timestamp.to_be_bytes());
        patch(&mut batch, 35, self.max_timestamp.to_be_bytes());
        patch(&mut batch, 57, count.to_be_bytes());
        seal(&mut batch, producer);
        Ok(batch.freeze())
    }

    /// The same records as a message set of format 0 or 1, for brokers before 0.11. Headers cannot
    /// be said there: an error.
    pub(crate) fn finish_legacy(
        self,
        magic: u8,
        compression: Compression,
    ) -> Result<Bytes, RecordError> {
        if self.count == 0 {
            return Err(RecordError::Empty);
        }
        let records = self.buffer.get(HEADER..).unwrap_or_default();
        legacy::write(records, self.base_timestamp, magic, compression)
    }

    fn delta(&self, timestamp: Timestamp) -> i64 {
        if self.count == 0 { 0 } else { timestamp.as_millis().wrapping_sub(self.base_timestamp) }
    }

    /// What the length of the record says.
    #[inline]
    fn body_len(&self, record: &Record, timestamp: Timestamp) -> usize {
        1 + len_i64(self.delta(timestamp)) + len_i64(self.count.into()) + contents_len(record)
    }
}

/// Varints on their way into the buffer.
struct Small {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Small {
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl Small {
    /// At most six go before a flush, of ten bytes at most.
    fn put(&mut self, value: i64) {
        let Some(mut free) = self.bytes.get_mut(self.len..) else {
            return;
        };
        let room = free.len();
        put_i64(&mut free, value);
        self.len += room - free.len();
    }

    fn flush(&mut self, dst: &mut BytesMut) {
        dst.put_slice(self.bytes.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

#[inline]
fn contents_len(record: &Record) -> usize {
    let headers = if record.headers.is_empty() { 1 } else { headers_len(&record.headers) };
    bytes_len(record.key.as_deref()) + bytes_len(record.value.as_deref()) + headers
}

fn headers_len(headers: &[Header]) -> usize {
    let header = |header: &Header| bytes_len(Some(header.key_bytes())) + bytes_len(header.value());
    len_i64(signed(headers.len())) + headers.iter().map(header).sum::<usize>()
}

#[inline]
fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| len_i64(signed(bytes.len())) + bytes.len())
}

fn put_bytes(dst: &mut BytesMut, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        return dst.put_u8(1);
    };
    put_i64(dst, signed(bytes.len()));
    dst.put_slice(bytes);
}

/// No slice is longer than `isize::MAX`.
fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Overwrites the bytes at `at`.
pub(super) fn patch<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = bytes.get_mut(at..at + N) {
        field.copy_from_slice(&value);
    }
}
