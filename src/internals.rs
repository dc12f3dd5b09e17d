//! Doors to what is not public, for fuzz targets and benchmarks: there with `--cfg fuzzing` and
//! `--cfg kafkio_internals` only. Knows no tests and no measurements.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::protocol::{Request, messages};
use crate::record::{
    Batch, BatchEncoder, Compression, ProducerState, RawBatch, RawBatches, Record, RecordError,
};
use crate::types::Timestamp;
use crate::wire::{Version, Wire, decode_all};

/// How many kinds of requests [`reencode`] knows.
pub const REQUESTS: usize = messages::for_each_request!(count);

/// Decodes `body` as the `kind`th request and as its response, in the version nearest to `version`.
///
/// # Panics
/// Where what was decoded is another thing when it is encoded and decoded again.
pub fn reencode(kind: usize, version: i16, body: &Bytes) {
    messages::for_each_request!(reencode_as)
        .into_iter()
        .nth(kind)
        .into_iter()
        .for_each(|reencode| reencode(version, body));
}

/// These records as one batch, in this buffer.
///
/// # Errors
/// Where the codec is not built in.
pub fn encode(
    buffer: BytesMut,
    records: &[Record],
    timestamp: Timestamp,
    compression: Compression,
) -> Result<Bytes, RecordError> {
    let mut batch = BatchEncoder::new(buffer);
    for record in records {
        batch.append(record, timestamp);
    }
    batch.finish(compression, ProducerState::NONE)
}

/// The batches in a partition of a fetch, each of at most `max_bytes`.
pub fn decode(
    fetched: Bytes,
    topic: &Arc<str>,
    max_bytes: usize,
) -> impl Iterator<Item = Result<Batch, RecordError>> {
    RawBatches::new(fetched).map(move |raw| raw?.decode(topic, 0, max_bytes))
}

/// The checksums in a partition of a fetch.
pub fn verify(fetched: Bytes) -> impl Iterator<Item = Result<(), RecordError>> {
    RawBatches::new(fetched).map(|raw| raw?.verify())
}

/// What the readers look at in each batch before they decode it.
///
/// # Panics
/// Where the offsets of a batch go backwards.
pub fn inspect(fetched: Bytes) {
    for raw in RawBatches::new(fetched).map_while(Result::ok) {
        assert!(raw.next_offset() > raw.last_offset(), "{raw:?} ends where it began");
        assert!(raw.size() > 0, "{raw:?} takes no bytes");
        if raw.is_control() {
            // An error is an answer as well.
            let _: Result<_, _> = RawBatch::control(&raw);
        }
    }
}

/// As it stands in a batch of this message format.
///
/// # Errors
/// Where the codec is not built in.
pub fn compress(compression: Compression, plain: &[u8], magic: u8) -> Result<Bytes, RecordError> {
    let mut dst = BytesMut::new();
    compression.compress(plain, magic, &mut dst)?;
    Ok(dst.freeze())
}

/// At most `max_bytes`, out of a batch of this message format. `codec`: from 0 to 4.
///
/// # Errors
/// As [`RecordError`] says.
pub fn decompress(
    codec: i16,
    compressed: &Bytes,
    magic: u8,
    max_bytes: usize,
) -> Result<Bytes, RecordError> {
    Compression::from_id(codec)?.decompress(compressed, magic, max_bytes)
}

macro_rules! count {
    ($($module:ident::$request:ident),*) => { [$(stringify!($request)),*].len() };
}
use count;

macro_rules! reencode_as {
    ($($module:ident::$request:ident),*) => {
        [$(reencode_pair::<messages::$module::$request> as fn(i16, &Bytes)),*]
    };
}
use reencode_as;

fn reencode_pair<R: Request>(version: i16, body: &Bytes) {
    let number = version.clamp(*R::VERSIONS.start(), *R::VERSIONS.end());
    reencode_one::<R>(body, R::version(number));
    reencode_one::<R::Response>(body, R::version(number));
}

/// Not everything that is decoded is encoded as it was (varints may be longer than they must), but
/// what is encoded once stays.
fn reencode_one<M: Wire>(body: &Bytes, version: Version) {
    let Ok(message) = decode_all::<M>(body.clone(), version) else {
        return;
    };
    let first = message.to_bytes(version).expect("what was decoded can be encoded");
    let again = decode_all::<M>(first.clone(), version).expect("what was encoded can be decoded");
    let second = again.to_bytes(version).expect("what was decoded can be encoded");
    assert_eq!(first, second, "changes when it is encoded again");
}
