//! What a partition of a fetch holds: batch after batch, headers looked at, nothing decompressed.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::batch::{Batch, Format, Shared, TimestampType};
use super::cursor::{self, MAX_LEN};
use super::{Compression, RecordError, legacy};

/// What comes before the length: the offset, and the length itself.
const LENGTH_END: usize = 12;
/// The magic byte stands at the same place in every format.
const MAGIC: usize = 16;
/// The header of a v2 batch.
pub(super) const HEADER: usize = 61;
/// The checksum of a v2 batch covers what comes behind it.
pub(super) const CHECKSUM_END: usize = 21;
/// A record takes no less: seven varints and bytes of zero.
const MIN_RECORD: usize = 7;

pub(super) const CODEC: i16 = 0x07;
pub(super) const LOG_APPEND_TIME: i16 = 0x08;
pub(super) const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// One v2 batch, or one run of messages of the old formats, as fetched.
#[derive(Clone, Debug)]
pub(crate) struct RawBatch {
    bytes: Bytes,
    base_offset: i64,
    last_offset: i64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    V2(Header),
    Legacy(legacy::Run),
}

/// The end of a transaction, as a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlKind {
    Abort,
    Commit,
    /// Nothing that concerns readers.
    Other,
}

impl RawBatch {
    /// The bytes that it takes in the fetched frame.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Of the first record; a compressed message of an old format only says that of its last.
    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// By what the header says, never by counting: compaction leaves gaps.
    pub(crate) fn next_offset(&self) -> i64 {
        // Batches that end at the last of all offsets are refused.
        self.last_offset.saturating_add(1)
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes() & CONTROL != 0
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL != 0
    }

    /// That of the leader that wrote it; -1 for none.
    pub(crate) fn leader_epoch(&self) -> i32 {
        if let Kind::V2(header) = &self.kind { header.leader_epoch } else { -1 }
    }

    /// Whether decoding it takes memory.
    pub(crate) fn is_compressed(&self) -> bool {
        match &self.kind {
            Kind::V2(header) => header.attributes & CODEC != 0,
            Kind::Legacy(run) => run.is_compressed(),
        }
    }

    /// -1 for none.
    pub(crate) fn producer_id(&self) -> i64 {
        if let Kind::V2(header) = &self.kind { header.producer_id } else { -1 }
    }

    fn attributes(&self) -> i16 {
        if let Kind::V2(header) = &self.kind { header.attributes } else { 0 }
    }

    /// What a control batch says: its first key is a version and a type, two `i16`.
    pub(crate) fn control(&self) -> Result<ControlKind, RecordError> {
        let Kind::V2(header) = &self.kind else {
            return Err(RecordError::Control);
        };
        if header.attributes & CONTROL == 0 || header.attributes & CODEC != 0 {
            return Err(RecordError::Control);
        }
        if header.count == 0 {
            return Ok(ControlKind::Other);
        }
        let (marker, _) = cursor::read(&self.bytes, HEADER)?;
        let mut key = marker.key.of(&self.bytes).ok_or(RecordError::Control)?;
        let _version = key.try_get_i16().map_err(|_| RecordError::Control)?;
        match key.try_get_i16().map_err(|_| RecordError::Control)? {
            0 => Ok(ControlKind::Abort),
            1 => Ok(ControlKind::Commit),
            _ => Ok(ControlKind::Other),
        }
    }

    /// Checks the checksum.
    pub(crate) fn verify(&self) -> Result<(), RecordError> {
        let Kind::V2(header) = &self.kind else {
            return legacy::verify(&self.bytes);
        };
        let covered = self.bytes.get(CHECKSUM_END..).unwrap_or_default();
        check(header.checksum, crc32c::crc32c(covered))
    }

    /// Decompresses, to at most `max_bytes`.
    pub(crate) fn decode(
        self,
        topic: &Arc<str>,
        partition: i32,
        max_bytes: usize,
    ) -> Result<Batch, RecordError> {
        let topic = topic.clone();
        let header = match self.kind {
            Kind::V2(header) => header,
            Kind::Legacy(run) => {
                let set = run.open(self.bytes, max_bytes)?;
                return Ok(Batch::new(Shared {
                    topic,
                    partition,
                    leader_epoch: -1,
                    base_offset: set.base_offset,
                    last_offset: self.last_offset,
                    timestamp_type: set.timestamp_type,
                    compression: set.compression,
                    count: set.count,
                    format: Format::Legacy(set.inner),
                    bytes: set.bytes,
                    start: 0,
                }));
            }
        };
        let (compression, bytes, start) = match header.attributes & CODEC {
            0 => (Compression::none(), self.bytes, HEADER),
            id => {
                let compression = Compression::from_id(id)?;
                let records = self.bytes.slice(HEADER..);
                (compression, compression.decompress(&records, 2, max_bytes.min(MAX_LEN))?, 0)
            }
        };
        if header.count as usize > (bytes.len() - start) / MIN_RECORD {
            return Err(RecordError::Count(header.count.into()));
        }
        let append_time = header.attributes & LOG_APPEND_TIME != 0;
        Ok(Batch::new(Shared {
            topic,
            partition,
            leader_epoch: header.leader_epoch,
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            timestamp_type: if append_time {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            compression,
            count: header.count,
            format: Format::V2 {
                timestamp: if append_time { header.max_timestamp } else { header.base_timestamp },
                create_time: !append_time,
            },
            bytes,
            start,
        }))
    }
}

/// What the header of a v2 batch says, besides offsets.
#[derive(Clone, Debug)]
struct Header {
    leader_epoch: i32,
    checksum: u32,
    attributes: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    /// Not negative as an `i32`.
    count: u32,
}

/// Walks the records of one partition of a fetch. A batch that is cut off at the end is not an
/// item and not an error: brokers cut where the requested size ends. Nothing comes after an error.
#[derive(Debug)]
pub(crate) struct RawBatches {
    rest: Bytes,
}

impl RawBatches {
    pub(crate) fn new(rest: Bytes) -> Self {
        Self { rest }
    }

    fn take(&mut self) -> Result<Option<RawBatch>, RecordError> {
        let Some(&[_, _, _, _, _, _, _, _, a, b, c, d]) = self.rest.first_chunk::<LENGTH_END>()
        else {
            return Ok(None);
        };
        let length = i32::from_be_bytes([a, b, c, d]);
        let length = usize::try_from(length).map_err(|_| RecordError::Length)?;
        if length < legacy::MIN_LENGTH {
            return Err(RecordError::Length);
        }
        let Some(&[magic]) = self.rest.get(MAGIC..=MAGIC) else {
            return Ok(None);
        };
        let end = LENGTH_END + length;
        match magic {
            0 | 1 => self.take_legacy(),
            2 if length < HEADER - LENGTH_END => Err(RecordError::Length),
            2 if self.rest.len() < end => Ok(None),
            2 => v2(self.rest.split_to(end)).map(Some),
            _ => Err(RecordError::Magic(magic)),
        }
    }

    fn take_legacy(&mut self) -> Result<Option<RawBatch>, RecordError> {
        let Some(run) = legacy::Run::find(&self.rest)? else {
            return Ok(None);
        };
        Ok(Some(RawBatch {
            bytes: self.rest.split_to(run.size),
            base_offset: run.base_offset,
            last_offset: run.last_offset,
            kind: Kind::Legacy(run),
        }))
    }
}

impl Iterator for RawBatches {
    type Item = Result<RawBatch, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.take().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.rest.clear();
        }
        item
    }
}

/// Reads the header of a batch that is whole.
fn v2(bytes: Bytes) -> Result<RawBatch, RecordError> {
    // The reads below take exactly this many bytes, so that none can panic.
    let mut src = bytes.get(..HEADER).ok_or(RecordError::Length)?;
    let base_offset = src.get_i64();
    let _length = src.get_i32();
    let leader_epoch = src.get_i32();
    let _magic = src.get_i8();
    let checksum = src.get_u32();
    let attributes = src.get_i16();
    let last_offset_delta = src.get_i32();
    let base_timestamp = src.get_i64();
    let max_timestamp = src.get_i64();
    let producer_id = src.get_i64();
    let _producer_epoch = src.get_i16();
    let _base_sequence = src.get_i32();
    let count = src.get_i32();

    let last_offset = base_offset.saturating_add(last_offset_delta.into());
    if base_offset < 0 || last_offset_delta < 0 || last_offset == i64::MAX {
        return Err(RecordError::Offset);
    }
    let count = u32::try_from(count).map_err(|_| RecordError::Count(count.into()))?;
    let kind = Kind::V2(Header {
        leader_epoch,
        checksum,
        attributes,
        base_timestamp,
        max_timestamp,
        producer_id,
        count,
    });
    Ok(RawBatch { bytes, base_offset, last_offset, kind })
}

pub(super) fn check(stored: u32, computed: u32) -> Result<(), RecordError> {
    if stored == computed { Ok(()) } else { Err(RecordError::Checksum { stored, computed }) }
}
