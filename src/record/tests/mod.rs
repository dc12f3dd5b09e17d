//! What the tests of records share.

mod batches;
mod golden;
mod hostile;
mod legacy;
mod round_trip;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::types::Timestamp;

/// What a record comes back as: offset, timestamp, key, value, headers.
type Read = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

const MAX: usize = 1 << 20;

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn encode(records: &[(Record, i64)]) -> BatchEncoder {
    let mut encoder = BatchEncoder::new(BytesMut::new());
    for (record, timestamp) in records {
        encoder.append(record, at(*timestamp));
    }
    encoder
}

fn finish(records: &[(Record, i64)]) -> Bytes {
    encode(records).finish(Compression::none(), ProducerState::NONE).unwrap()
}

fn raw(bytes: &Bytes) -> Vec<RawBatch> {
    RawBatches::new(bytes.clone()).collect::<Result<_, _>>().unwrap()
}

fn decode(bytes: &Bytes) -> Result<Vec<Batch>, RecordError> {
    let topic: Arc<str> = "orders".into();
    RawBatches::new(bytes.clone())
        .map(|raw| {
            let raw = raw?;
            raw.verify()?;
            raw.decode(&topic, 3, MAX)
        })
        .collect()
}

/// The only batch in there.
fn batch(bytes: &Bytes) -> Batch {
    let mut batches = decode(bytes).unwrap();
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

fn message(message: &Message) -> Read {
    let (offset, timestamp) = (message.offset(), message.timestamp().as_millis());
    let (key, value) = (message.key().map(<[u8]>::to_vec), message.value().map(<[u8]>::to_vec));
    (offset, timestamp, key, value, message.headers().collect())
}

/// Reads a batch in both ways, which must agree.
fn read(batch: &Batch) -> Result<Vec<Read>, RecordError> {
    let messages: Result<Vec<_>, _> =
        batch.messages().map(|item| item.as_ref().map(message).map_err(Clone::clone)).collect();
    let borrowed: Result<Vec<Read>, _> = batch
        .records()
        .map(|record| {
            let record = record?;
            let (key, value) = (record.key().map(<[u8]>::to_vec), record.value());
            let (offset, timestamp) = (record.offset(), record.timestamp().as_millis());
            Ok((offset, timestamp, key, value.map(<[u8]>::to_vec), record.headers().collect()))
        })
        .collect();
    assert_eq!(messages, borrowed);
    messages
}

fn text(offset: i64, timestamp: i64, key: Option<&str>, value: Option<&str>) -> Read {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    (offset, timestamp, bytes(key), bytes(value), Vec::new())
}

/// Overwrites bytes and puts the checksum right again.
fn forge(bytes: &Bytes, place: usize, with: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[place..place + with.len()].copy_from_slice(with);
    sign(&mut bytes);
    bytes.into()
}

/// Puts the checksum of a v2 batch right.
fn sign(bytes: &mut [u8]) {
    let checksum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
}
