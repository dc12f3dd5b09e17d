//! Record batches and old messages as a broker sees them: where they begin and end, which offsets
//! and times they claim, whether their checksum holds. Written apart from `crate::record`, so that
//! a mistake there does not hide itself here.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// What stands before the part that a length counts: the offset and the length itself.
const LOG_OVERHEAD: usize = 12;
/// Where the magic byte stands in all formats.
const MAGIC_AT: usize = 16;
/// The header of a batch of version 2.
const HEADER_V2: usize = 61;

const LEADER_EPOCH: Range<usize> = 12..16;
const LEGACY_CRC: Range<usize> = 12..16;
const LEGACY_TIMESTAMP: Range<usize> = 18..26;
const CRC: Range<usize> = 17..21;
const ATTRIBUTES: Range<usize> = 21..23;
const MAX_TIMESTAMP: Range<usize> = 35..43;
const PRODUCER_ID: usize = 43;
const PRODUCER_EPOCH: usize = 51;
const BASE_SEQUENCE: usize = 53;

/// Bit of the attributes: the time is the broker's.
const LOG_APPEND_TIME: u8 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const CODEC: i16 = 0x07;

/// What the header of a batch, or of one message of an old format, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) magic: u8,
    pub(super) base_offset: i64,
    /// From the base offset to the last one; 0 for an old message.
    pub(super) last_offset_delta: i32,
    pub(super) count: i32,
    /// -1 where the format has none.
    pub(super) max_timestamp: i64,
    /// -1 where there is none.
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    /// -1 where there is none.
    pub(super) base_sequence: i32,
    attributes: i16,
}

impl Header {
    /// `None` if the bytes are too few for it, or of no known format.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let base_offset = i64::from_be_bytes(array(bytes, 0)?);
        let magic = *bytes.get(MAGIC_AT)?;
        let header = match magic {
            0 | 1 => Self {
                magic,
                base_offset,
                last_offset_delta: 0,
                count: 1,
                max_timestamp: match magic {
                    0 => -1,
                    _ => i64::from_be_bytes(array(bytes, LEGACY_TIMESTAMP.start)?),
                },
                producer_id: -1,
                producer_epoch: -1,
                base_sequence: -1,
                attributes: i16::from(*bytes.get(MAGIC_AT + 1)?),
            },
            2 if bytes.len() >= HEADER_V2 => Self {
                magic,
                base_offset,
                last_offset_delta: i32::from_be_bytes(array(bytes, 23)?),
                count: i32::from_be_bytes(array(bytes, 57)?),
                max_timestamp: i64::from_be_bytes(array(bytes, MAX_TIMESTAMP.start)?),
                producer_id: i64::from_be_bytes(array(bytes, PRODUCER_ID)?),
                producer_epoch: i16::from_be_bytes(array(bytes, PRODUCER_EPOCH)?),
                base_sequence: i32::from_be_bytes(array(bytes, BASE_SEQUENCE)?),
                attributes: i16::from_be_bytes(array(bytes, ATTRIBUTES.start)?),
            },
            _ => return None,
        };
        Some(header)
    }

    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub(super) fn codec(&self) -> i16 {
        self.attributes & CODEC
    }

    /// After the largest sequence number comes 0.
    pub(super) fn last_sequence(&self) -> i32 {
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    pub(super) fn is_control(&self) -> bool {
        self.magic == 2 && self.attributes & CONTROL != 0
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.magic == 2 && self.producer_id >= 0 && self.attributes & TRANSACTIONAL != 0
    }
}

/// The batch that a coordinator ends a transaction with (KIP-98).
pub(super) fn marker(producer_id: i64, producer_epoch: i16, committed: bool, now: i64) -> Bytes {
    // Length, attributes, deltas of time and offset; the key, whose second half is the type; the
    // value: its version, and the epoch of the coordinator; no headers.
    let mut record = [0; 17];
    record[..5].copy_from_slice(&[32, 0, 0, 0, 8]);
    record[8] = committed.into();
    record[9] = 12;
    let mut bytes = BytesMut::zeroed(HEADER_V2);
    bytes.extend_from_slice(&record);
    let length = i32::try_from(bytes.len() - LOG_OVERHEAD).unwrap_or(0);
    put(&mut bytes, 8..LOG_OVERHEAD, &length.to_be_bytes());
    put(&mut bytes, MAGIC_AT..MAGIC_AT + 1, &[2]);
    put(&mut bytes, ATTRIBUTES, &(TRANSACTIONAL | CONTROL).to_be_bytes());
    put(&mut bytes, 27..35, &now.to_be_bytes());
    put(&mut bytes, MAX_TIMESTAMP, &now.to_be_bytes());
    put(&mut bytes, PRODUCER_ID..PRODUCER_ID + 8, &producer_id.to_be_bytes());
    put(&mut bytes, PRODUCER_EPOCH..BASE_SEQUENCE, &producer_epoch.to_be_bytes());
    put(&mut bytes, BASE_SEQUENCE..BASE_SEQUENCE + 4, &(-1i32).to_be_bytes());
    put(&mut bytes, 57..61, &1i32.to_be_bytes());
    set_checksum(&mut bytes, 2);
    bytes.freeze()
}

/// Whether a control batch aborts a transaction; `None` if it does not end one.
pub(super) fn aborts(bytes: &[u8]) -> Option<bool> {
    // Any key of a marker is this short, so that its record begins as those of `marker` do.
    match bytes.get(HEADER_V2 + 4..HEADER_V2 + 9)? {
        [8, _, _, 0, 0] => Some(true),
        [8, _, _, 0, 1] => Some(false),
        _ => None,
    }
}

/// Takes the next batch or old message off the front; `None` when what is left is not a whole one.
pub(super) fn next(rest: &mut Bytes) -> Option<Bytes> {
    let length = i32::from_be_bytes(array(rest, 8)?);
    let size = usize::try_from(length).ok()?.checked_add(LOG_OVERHEAD)?;
    (MAGIC_AT < size && size <= rest.len()).then(|| rest.split_to(size))
}

/// Whether the checksum holds: CRC-32C from the attributes on, CRC-32 from the magic byte before.
pub(super) fn is_intact(bytes: &[u8]) -> bool {
    let Some(header) = Header::read(bytes) else {
        return false;
    };
    let stored = array(bytes, if header.magic == 2 { CRC.start } else { LEGACY_CRC.start });
    stored.map(u32::from_be_bytes) == Some(checksum(header.magic, bytes))
}

/// Sets the offset that the bytes begin with.
pub(super) fn set_offset(bytes: &mut BytesMut, offset: i64) {
    put(bytes, 0..8, &offset.to_be_bytes());
}

/// Sets the epoch of the leader that appends the batch; the checksum does not cover it.
pub(super) fn set_leader_epoch(bytes: &mut BytesMut, epoch: i32) {
    put(bytes, LEADER_EPOCH, &epoch.to_be_bytes());
}

/// Makes the broker's time that of all records, and the checksum fit again.
pub(super) fn set_log_append_time(bytes: &mut BytesMut, magic: u8, time: i64) {
    let (flags, timestamp) = match magic {
        2 => (ATTRIBUTES.end - 1, MAX_TIMESTAMP),
        1 => (MAGIC_AT + 1, LEGACY_TIMESTAMP),
        _ => return,
    };
    if let Some(byte) = bytes.get_mut(flags) {
        *byte |= LOG_APPEND_TIME;
    }
    put(bytes, timestamp, &time.to_be_bytes());
    set_checksum(bytes, magic);
}

/// Computes the checksum anew.
pub(super) fn set_checksum(bytes: &mut BytesMut, magic: u8) {
    let crc = checksum(magic, bytes).to_be_bytes();
    put(bytes, if magic == 2 { CRC } else { LEGACY_CRC }, &crc);
}

/// Where the value of an old message begins: the messages inside, if it is a compressed one.
pub(super) fn legacy_value_at(bytes: &[u8], magic: u8) -> Option<usize> {
    let key_length_at = if magic == 0 { LEGACY_TIMESTAMP.start } else { LEGACY_TIMESTAMP.end };
    let key_length = i32::from_be_bytes(array(bytes, key_length_at)?);
    let key = usize::try_from(key_length).unwrap_or(0);
    let value_length_at = (key_length_at + 4).checked_add(key)?;
    let value_length = i32::from_be_bytes(array(bytes, value_length_at)?);
    let value_at = value_length_at + 4;
    let length = usize::try_from(value_length).ok()?;
    (bytes.len() == value_at.checked_add(length)?).then_some(value_at)
}

fn checksum(magic: u8, bytes: &[u8]) -> u32 {
    match magic {
        2 => crc32c::crc32c(bytes.get(CRC.end..).unwrap_or_default()),
        _ => crc32fast::hash(bytes.get(MAGIC_AT..).unwrap_or_default()),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn put(bytes: &mut BytesMut, at: Range<usize>, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at) {
        place.copy_from_slice(value);
    }
}
