//! The log of one partition: what was appended, at which offsets, in which leader epochs. Knows
//! neither topics nor leaders.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{self, Header};
use super::producers::{Aborted, Producers};
use super::versions::Release;
use crate::protocol::ErrorCode;
use crate::record::{Batch, Compression, RawBatches};

/// The most that a compressed batch may hold, when the broker looks into it.
const MAX_DECOMPRESSED: usize = 256 << 20;

/// Batches in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    start: i64,
    end: i64,
    batches: Vec<Stored>,
    /// Leader epochs, and the offset that each began at.
    epochs: Vec<(i32, i64)>,
    pub(super) producers: Producers,
}

/// One batch of version 2, or one message of an old format.
#[derive(Debug)]
struct Stored {
    base: i64,
    last: i64,
    magic: u8,
    max_timestamp: i64,
    leader_epoch: i32,
    bytes: Bytes,
}

/// How an append is checked, and what it is stamped with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) produce_version: i16,
    pub(super) max_batch_bytes: usize,
    pub(super) release: Release,
    /// The time, for topics whose records carry the broker's.
    pub(super) log_append_time: Option<i64>,
}

/// Where the records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Appended {
    pub(super) base_offset: i64,
    /// The time that is told of them, if any: that of a batch that was there before, too.
    pub(super) time: Option<i64>,
}

/// Why nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) code: ErrorCode,
    pub(super) text: &'static str,
}

/// A record that was looked up by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) timestamp: i64,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
}

/// How much one read may return.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadLimit {
    pub(super) bytes: usize,
    /// The first batch comes whole, even if it is larger (KIP-74).
    pub(super) at_least_one: bool,
    /// The last batch is cut off at the limit, rather than left out.
    pub(super) cut: bool,
}

impl PartitionLog {
    /// The first offset that can be read.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record gets.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The first offset of a transaction that is open; the end of the log if there is none.
    pub(super) fn stable_end(&self) -> i64 {
        self.producers.first_open().unwrap_or(self.end).max(self.start)
    }

    /// The aborted transactions with anything between these offsets, the last one excluded.
    pub(super) fn aborted(&self, from: i64, until: i64) -> impl Iterator<Item = Aborted> + '_ {
        self.producers.aborted(from, until)
    }

    /// Ends the transaction of the producer, of which an empty one may count too; returns the
    /// offset of the marker.
    pub(super) fn end_transaction(&mut self, marker: Bytes, empty_counts: bool) -> i64 {
        let at = self.end;
        if let Some(header) = Header::read(&marker).filter(|_| empty_counts) {
            self.producers.open_at(&header, at);
        }
        let mut marker = BytesMut::from(marker);
        batch::set_offset(&mut marker, at);
        batch::set_leader_epoch(&mut marker, self.leader_epoch());
        self.append_raw(marker.freeze());
        at
    }

    /// A new leader takes over; a later one may have left nothing.
    pub(super) fn begin_epoch(&mut self, epoch: i32) {
        self.epochs.retain(|(_, start)| *start < self.end);
        self.epochs.push((epoch, self.end));
    }

    /// The epoch of the current leader.
    pub(super) fn leader_epoch(&self) -> i32 {
        self.epochs.last().map_or(-1, |(epoch, _)| *epoch)
    }

    /// The epoch that the record at this offset was written in.
    pub(super) fn epoch_at(&self, offset: i64) -> i32 {
        let epochs = self.epochs.iter().rev();
        epochs.copied().find(|(_, start)| *start <= offset).map_or(-1, |(epoch, _)| epoch)
    }

    /// The largest epoch that is not above this one, and the offset where it ended (KIP-101);
    /// -1 for both if there is no telling.
    pub(super) fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        if epoch < 0 {
            return (-1, -1);
        }
        if epoch == self.leader_epoch() {
            return (epoch, self.end);
        }
        let Some((_, end)) = self.epochs.iter().find(|(other, _)| *other > epoch) else {
            return (-1, -1);
        };
        let floor = self.epochs.iter().rev().find(|(other, _)| *other <= epoch);
        (floor.map_or(epoch, |(floor, _)| *floor), *end)
    }

    /// Appends what a producer sent, at offsets of the log's choice; once only, if the producer
    /// numbers what it sends.
    pub(super) fn append(&mut self, records: Bytes, rules: &Rules) -> Result<Appended, Rejected> {
        let entries = check(records, rules)?;
        for (header, _) in entries.iter().filter(|(header, _)| header.producer_id >= 0) {
            if let Some(repeated) = self.producers.check(header, rules)? {
                let (base_offset, time) = (repeated.base_offset, Some(repeated.max_timestamp));
                return Ok(Appended { base_offset, time });
            }
        }
        let base = self.end;
        let mut next = base;
        let mut stored = Vec::with_capacity(entries.len());
        for (header, bytes) in entries {
            let entry = self.stamp(header, &bytes, next, rules)?;
            next = entry.last + 1;
            stored.push(entry);
        }
        for batch in &stored {
            self.producers.note(&batch.bytes, batch.base, batch.last);
        }
        self.batches.append(&mut stored);
        self.end = next;
        Ok(Appended { base_offset: base, time: rules.log_append_time })
    }

    /// Stores bytes as they are. Batches that cannot be told apart become one, which begins where
    /// the log ends.
    pub(super) fn append_raw(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let whole = batch::next(&mut bytes).unwrap_or_else(|| std::mem::take(&mut bytes));
            let header = Header::read(&whole);
            let base = header.map_or(self.end, |header| header.base_offset).max(self.end);
            let delta = header.map_or(0, |header| header.last_offset_delta).max(0);
            let last = base.saturating_add(delta.into());
            let stored = Stored {
                base,
                last,
                magic: header.map_or(2, |header| header.magic),
                max_timestamp: header.map_or(-1, |header| header.max_timestamp),
                leader_epoch: self.leader_epoch(),
                bytes: whole,
            };
            self.producers.note(&stored.bytes, base, last);
            self.batches.push(stored);
            self.end = last.saturating_add(1);
        }
    }

    /// Drops what is before this offset, as retention does.
    pub(super) fn delete_before(&mut self, offset: i64, release: Release) {
        self.start = offset.clamp(self.start, self.end);
        self.batches.retain(|batch| batch.last >= self.start);
        if release.forgets_producers_early() {
            self.producers.forget_before(self.start);
        }
    }

    /// Drops what is at this offset and after it, as a leader that had not got it yet does.
    pub(super) fn truncate(&mut self, offset: i64) {
        self.end = offset.clamp(self.start, self.end);
        self.batches.retain(|batch| batch.last < self.end);
        self.epochs.retain(|(_, start)| *start < self.end);
        self.producers = Producers::default();
        for batch in &self.batches {
            self.producers.note(&batch.bytes, batch.base, batch.last);
        }
    }

    /// The batches between these offsets: whole ones, the first of which may begin before it; and
    /// the offset behind them.
    pub(super) fn read(&self, from: i64, until: i64, limit: ReadLimit) -> (Bytes, i64) {
        let batches = self.between(from, until);
        let mut next = from;
        let mut room = limit.bytes;
        let mut read = BytesMut::new();
        for batch in batches {
            let size = batch.bytes.len();
            if size <= room || (read.is_empty() && limit.at_least_one) {
                read.put_slice(&batch.bytes);
                next = batch.last.saturating_add(1);
                room = room.saturating_sub(size);
            } else {
                if limit.cut {
                    read.put_slice(batch.bytes.get(..room).unwrap_or_default());
                }
                break;
            }
        }
        (read.freeze(), next)
    }

    /// The bytes that wait between these offsets; counts no further than `enough`.
    pub(super) fn available(&self, from: i64, until: i64, enough: usize) -> usize {
        let mut bytes = 0;
        for batch in self.between(from, until) {
            bytes += batch.bytes.len();
            if bytes >= enough {
                return enough;
            }
        }
        bytes
    }

    /// Whether there is a batch of version 2 from this offset on, which old versions of `Fetch`
    /// cannot carry.
    pub(super) fn has_batches_from(&self, from: i64) -> bool {
        self.from(from).iter().any(|batch| batch.magic == 2)
    }

    /// Whether the messages have no times (format 0).
    pub(super) fn is_without_times(&self) -> bool {
        self.batches.last().is_some_and(|batch| batch.magic == 0)
    }

    /// The first record that is not older than this.
    pub(super) fn find_time(&self, at_least: i64) -> Option<Located> {
        let mut batches = self.from(self.start).iter();
        batches.find_map(|batch| {
            if batch.max_timestamp < at_least {
                return None;
            }
            let mut records = batch.records().into_iter();
            let (offset, timestamp) =
                records.find(|(offset, time)| *offset >= self.start && *time >= at_least)?;
            Some(Located { timestamp, offset, leader_epoch: batch.leader_epoch })
        })
    }

    /// The newest record by time; the first of those that are equally new.
    pub(super) fn newest(&self) -> Option<Located> {
        let batches = self.from(self.start);
        self.find_time(batches.iter().map(|batch| batch.max_timestamp).max()?)
    }

    /// Everything that can be read.
    pub(super) fn bytes(&self) -> Bytes {
        let limit = ReadLimit { bytes: usize::MAX, at_least_one: true, cut: false };
        self.read(self.start, self.end, limit).0
    }

    fn between(&self, from: i64, until: i64) -> impl Iterator<Item = &Stored> {
        self.from(from).iter().take_while(move |batch| batch.last < until)
    }

    fn from(&self, offset: i64) -> &[Stored] {
        let first = self.batches.partition_point(|batch| batch.last < offset);
        self.batches.get(first..).unwrap_or_default()
    }

    fn stamp(
        &self,
        header: Header,
        bytes: &[u8],
        base: i64,
        rules: &Rules,
    ) -> Result<Stored, Rejected> {
        let mut last = base + i64::from(header.last_offset_delta);
        let mut bytes = BytesMut::from(bytes);
        if header.magic == 2 {
            batch::set_offset(&mut bytes, base);
            batch::set_leader_epoch(&mut bytes, self.leader_epoch());
        } else {
            if header.codec() != 0 {
                let (wrapper, count) = place_inner(header, bytes, base)?;
                bytes = wrapper;
                last = base + count - 1;
            }
            // A wrapper has the offset of the last message in it.
            batch::set_offset(&mut bytes, last);
        }
        let mut max_timestamp = header.max_timestamp;
        if let Some(time) = rules.log_append_time.filter(|_| header.magic > 0) {
            batch::set_log_append_time(&mut bytes, header.magic, time);
            max_timestamp = time;
        }
        Ok(Stored {
            base,
            last,
            magic: header.magic,
            max_timestamp,
            leader_epoch: self.leader_epoch(),
            bytes: bytes.freeze(),
        })
    }
}

impl Stored {
    /// Offset and time of each record, as far as they can be read.
    fn records(&self) -> Vec<(i64, i64)> {
        let topic = Arc::from("");
        let batches = RawBatches::new(self.bytes.clone()).map_while(Result::ok);
        let batches = batches.map_while(|raw| raw.decode(&topic, 0, MAX_DECOMPRESSED).ok());
        let mut found = Vec::new();
        for batch in batches {
            found.extend(times(&batch));
        }
        if found.is_empty() {
            found.push((self.base, self.max_timestamp));
        }
        found
    }
}

fn times(batch: &Batch) -> impl Iterator<Item = (i64, i64)> + '_ {
    let records = batch.records().map_while(Result::ok);
    records.map(|record| (record.offset(), record.timestamp().as_millis()))
}

/// Takes apart what a producer sent for one partition, and checks all of it.
fn check(mut records: Bytes, rules: &Rules) -> Result<Vec<(Header, Bytes)>, Rejected> {
    let rejected = |code, text| Err(Rejected { code, text });
    // Before Kafka 2.4 there was no code of its own for this (KIP-467).
    let invalid = match rules.produce_version {
        ..8 => ErrorCode::CORRUPT_MESSAGE,
        8.. => ErrorCode::INVALID_RECORD,
    };
    let mut entries = Vec::new();
    while !records.is_empty() {
        let Some(entry) = batch::next(&mut records) else {
            return rejected(ErrorCode::CORRUPT_MESSAGE, "the records end inside a batch");
        };
        let Some(header) = Header::read(&entry) else {
            return rejected(ErrorCode::CORRUPT_MESSAGE, "not a record batch");
        };
        if header.magic == 2 && !rules.release.has_batches() {
            return rejected(ErrorCode::CORRUPT_MESSAGE, "the message format is not known yet");
        }
        if (rules.produce_version >= 3) != (header.magic == 2) {
            return rejected(invalid, "the message format is not that of the produce version");
        }
        if entry.len() > rules.max_batch_bytes {
            return rejected(ErrorCode::MESSAGE_TOO_LARGE, "the batch exceeds max.message.bytes");
        }
        if !batch::is_intact(&entry) {
            return rejected(ErrorCode::CORRUPT_MESSAGE, "the checksum does not fit");
        }
        if header.is_control() {
            return rejected(invalid, "clients cannot write control records");
        }
        if header.producer_id >= 0 && header.base_sequence < 0 {
            return rejected(invalid, "a producer id without a sequence number");
        }
        if header.count < 1 || header.last_offset_delta != header.count - 1 {
            return rejected(invalid, "the offsets do not fit the number of records");
        }
        if header.codec() == 4 && rules.produce_version < 7 {
            let code = ErrorCode::UNSUPPORTED_COMPRESSION_TYPE;
            return rejected(code, "zstd needs version 7 of produce");
        }
        entries.push((header, entry));
    }
    match entries.len() {
        0 => rejected(invalid, "no records"),
        2.. if rules.produce_version >= 3 => rejected(invalid, "more than one batch"),
        _ => Ok(entries),
    }
}

/// Gives the messages inside a compressed one their offsets, and counts them. Format 1 counts from
/// 0 there and stays as it is; format 0 has absolute offsets, and is compressed anew.
fn place_inner(
    header: Header,
    mut wrapper: BytesMut,
    base: i64,
) -> Result<(BytesMut, i64), Rejected> {
    let corrupt =
        Rejected { code: ErrorCode::CORRUPT_MESSAGE, text: "the compressed messages are broken" };
    let value_at = batch::legacy_value_at(&wrapper, header.magic).ok_or(corrupt)?;
    let compression = Compression::from_id(header.codec()).map_err(|_| corrupt)?;
    let value = wrapper.split_off(value_at).freeze();
    let mut inner =
        compression.decompress(&value, header.magic, MAX_DECOMPRESSED).map_err(|_| corrupt)?;
    let mut placed = BytesMut::with_capacity(inner.len());
    let mut count = 0;
    while !inner.is_empty() {
        let mut message = BytesMut::from(&*batch::next(&mut inner).ok_or(corrupt)?);
        batch::set_offset(&mut message, base + count);
        placed.unsplit(message);
        count += 1;
    }
    if count == 0 {
        return Err(corrupt);
    }
    if header.magic == 1 {
        wrapper.extend_from_slice(&value);
        return Ok((wrapper, count));
    }
    compression.compress(&placed, header.magic, &mut wrapper).map_err(|_| corrupt)?;
    let value_length = i32::try_from(wrapper.len() - value_at).map_err(|_| corrupt)?;
    let length = i32::try_from(wrapper.len() - 12).map_err(|_| corrupt)?;
    for (at, value) in [(value_at - 4, value_length), (8, length)] {
        if let Some(place) = wrapper.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
    batch::set_checksum(&mut wrapper, header.magic);
    Ok((wrapper, count))
}
