//! One batch of one partition: its bytes, its deadline, and the promise to tell what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::budget::Budget;
use super::delivery::{BatchResult, Delivery, Outcome};
use super::sequence;
use crate::error::{Error, ErrorKind, Result};
use crate::record::{
    BatchEncoder, Compression, ProducerState, RawBatches, Record, RecordError, renumber,
};
use crate::types::Timestamp;

const NOBODY: ProducerState = ProducerState::NONE;

/// Where a batch belongs: indices of a topic, and of a partition in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) topic: usize,
    pub(super) partition: usize,
}

/// Records that are written together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) at: At,
    /// Its place among all batches of the writer, in which it is sent.
    pub(super) order: u64,
    /// When its first record was accepted.
    pub(super) opened: Instant,
    /// When its records have to be told what became of them.
    pub(super) deadline: Instant,
    /// Its producer and the number of its first record, once it has left.
    producer: Option<ProducerState>,
    body: Body,
    promise: Promise,
}

#[derive(Debug)]
enum Body {
    Open(BatchEncoder),
    /// As it is sent, in this message format and with this compression, if that has made it
    /// smaller: a batch that is sent again has the same bytes.
    Finished {
        magic: u8,
        compression: Compression,
        producer: Option<ProducerState>,
        bytes: Bytes,
    },
    /// What it was made of could not be encoded.
    Gone,
    /// In the log, or in other batches.
    Elsewhere,
}

/// Whatever happens to a batch, its records are told, and its bytes go back to the budget: at the
/// latest when it is dropped.
#[derive(Debug)]
struct Promise {
    result: Arc<BatchResult>,
    budget: Arc<Budget>,
    charged: usize,
    maybe_written: bool,
}

impl Batch {
    pub(super) fn open(
        at: At,
        order: u64,
        result: Arc<BatchResult>,
        buffer: BytesMut,
        budget: Arc<Budget>,
        opened: Instant,
        deadline: Instant,
    ) -> Self {
        budget.open_batch();
        Self {
            at,
            order,
            opened,
            deadline,
            producer: None,
            body: Body::Open(BatchEncoder::new(buffer)),
            promise: Promise { result, budget, charged: 0, maybe_written: false },
        }
    }

    /// Encodes a record, and takes over what was charged for it.
    #[inline]
    pub(super) fn push(
        &mut self,
        record: &Record,
        timestamp: Timestamp,
        charged: usize,
    ) -> Delivery {
        let result = &self.promise.result;
        let index = result.count();
        if let Body::Open(encoder) = &mut self.body {
            encoder.append(record, timestamp);
            result.set_count(encoder.count());
        }
        self.promise.charged += charged;
        Delivery::new(result.clone(), index, timestamp)
    }

    /// Bytes so far, uncompressed; the bytes to send once it is finished.
    pub(super) fn len(&self) -> usize {
        match &self.body {
            Body::Open(encoder) => encoder.len(),
            Body::Finished { bytes, .. } => bytes.len(),
            Body::Gone | Body::Elsewhere => 0,
        }
    }

    /// How many bytes [`finish`](Self::finish) has to compress.
    pub(super) fn uncompressed(&self, compression: Compression) -> usize {
        match &self.body {
            Body::Open(encoder) if compression != Compression::none() => encoder.len(),
            _ => 0,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.promise.result.count()
    }

    pub(super) fn result(&self) -> &Arc<BatchResult> {
        &self.promise.result
    }

    /// Gives it the number of its first record, or takes that away.
    pub(super) fn number(&mut self, producer: Option<ProducerState>) {
        self.producer = producer;
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.producer.is_some()
    }

    /// From now on a failure is ambiguous.
    pub(super) fn mark_maybe_written(&mut self) {
        self.promise.maybe_written = true;
    }

    /// Whether numbers begin with it.
    pub(super) fn is_first(&self) -> bool {
        self.producer.is_some_and(|producer| producer.base_sequence == 0)
    }

    /// Whether it may be in the log under its number.
    pub(super) fn may_be_in_the_log(&self) -> bool {
        self.is_numbered() && self.promise.maybe_written
    }

    /// The bytes to send, in a message format; the same ones each time, unless it is numbered anew.
    ///
    /// # Errors
    ///
    /// The records cannot be said in that format, or not be compressed.
    pub(super) fn finish(&mut self, magic: u8, compression: Compression) -> Result<Bytes> {
        let producer = self.producer;
        let finished = match std::mem::replace(&mut self.body, Body::Gone) {
            Body::Open(encoder) => encode(encoder, magic, compression, producer),
            Body::Finished { magic: as_is, compression: chosen, producer: before, bytes }
                if (as_is, chosen) == (magic, compression) =>
            {
                let is_same = before == producer || magic < 2;
                Ok(if is_same { bytes } else { renumber(&bytes, producer.unwrap_or(NOBODY)) })
            }
            // The partition has moved to a broker that knows another format, or another codec.
            Body::Finished { bytes, .. } => {
                decode(&bytes, self.promise.result.partition).and_then(|records| {
                    let mut encoder = BatchEncoder::new(BytesMut::new());
                    for (record, timestamp) in &records {
                        encoder.append(record, *timestamp);
                    }
                    encode(encoder, magic, compression, producer)
                })
            }
            Body::Gone | Body::Elsewhere => Err(RecordError::Empty),
        };
        let bytes = finished.map_err(|error| {
            let kind = match error {
                RecordError::Headers => ErrorKind::Unsupported,
                _ => ErrorKind::Record,
            };
            let BatchResult { topic, partition, .. } = &*self.promise.result;
            Error::new(kind, format!("batch for {topic}[{partition}]")).with_source(error)
        })?;
        self.body = Body::Finished { magic, compression, producer, bytes: bytes.clone() };
        Ok(bytes)
    }

    /// The same records in two batches, the first with half of the bytes at least. `None` if it
    /// cannot be done: the batch has failed then, for the reason that is given.
    pub(super) fn split(mut self, reason: Error) -> Option<(Self, Self)> {
        let Some((first, rest)) = self.halves() else {
            self.failed(reason);
            return None;
        };
        self.promise.result.settle(Outcome::Split {
            at: first.count(),
            first: first.result().clone(),
            rest: rest.result().clone(),
        });
        self.body = Body::Elsewhere;
        // The parts give back what they were charged.
        let parts = first.promise.charged + rest.promise.charged;
        self.promise.charged = self.promise.charged.saturating_sub(parts);
        Some((first, rest))
    }

    fn halves(&self) -> Option<(Self, Self)> {
        let Body::Finished { bytes, .. } = &self.body else {
            return None;
        };
        let records = decode(bytes, self.promise.result.partition).ok()?;
        let sizes = records.iter().map(|(record, _)| BatchEncoder::worst_len(record));
        let half = sizes.clone().sum::<usize>() / 2;
        let (mut size, mut at) = (0, 0);
        for one in sizes.take(records.len().checked_sub(1)?) {
            if size >= half {
                break;
            }
            size += one;
            at += 1;
        }
        let (first, rest) = records.split_at(at);
        (!first.is_empty()).then(|| (self.part(first, 0), self.part(rest, at)))
    }

    /// Its numbers are those that its records have had: nothing of the whole is in the log.
    fn part(&self, records: &[(Record, Timestamp)], at: usize) -> Self {
        let Promise { result, budget, maybe_written, .. } = &self.promise;
        let BatchResult { topic, partition, observers, .. } = &**result;
        let result = BatchResult::new(topic.clone(), *partition, observers.clone());
        let buffer = BytesMut::new();
        let (budget, opened, deadline) = (budget.clone(), self.opened, self.deadline);
        let mut part = Self::open(self.at, self.order, result, buffer, budget, opened, deadline);
        part.producer = self.producer.map(|producer| ProducerState {
            base_sequence: sequence::after(producer.base_sequence, u32::try_from(at).unwrap_or(0)),
            ..producer
        });
        for (record, timestamp) in records {
            drop(part.push(record, *timestamp, BatchEncoder::worst_len(record)));
        }
        part.promise.maybe_written = *maybe_written;
        part
    }

    /// Written: tells its records, and gives its buffer back if nobody else holds it.
    pub(super) fn written(
        mut self,
        base_offset: Option<i64>,
        append_time: Option<Timestamp>,
    ) -> Option<BytesMut> {
        self.promise.result.settle(Outcome::Written { base_offset, append_time });
        match std::mem::replace(&mut self.body, Body::Elsewhere) {
            Body::Finished { bytes, .. } => bytes.try_into_mut().ok(),
            _ => None,
        }
    }

    /// Not written, as far as is known.
    pub(super) fn failed(self, error: Error) {
        let error = if self.promise.maybe_written { error.ambiguous() } else { error };
        self.promise.result.settle(Outcome::Failed(error));
    }

    /// Not written because of some of its records, the last time.
    pub(super) fn refused(self, mut named: BTreeMap<u32, Error>, mut others: Error) {
        if self.promise.maybe_written {
            named = named.into_iter().map(|(index, error)| (index, error.ambiguous())).collect();
            others = others.ambiguous();
        }
        self.promise.result.settle(Outcome::Refused { named, others });
    }
}

/// What is left of a batch that was dropped and is not known to be written.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) result: Arc<BatchResult>,
    pub(super) order: u64,
    body: Body,
}

impl Remains {
    /// Its records, as they were accepted.
    pub(super) fn records(self) -> Vec<Record> {
        let BatchResult { topic, partition, .. } = &*self.result;
        let bytes = match self.body {
            Body::Open(encoder) => encoder.finish(Compression::none(), NOBODY).ok(),
            Body::Finished { bytes, .. } => Some(bytes),
            Body::Gone | Body::Elsewhere => None,
        };
        let records = bytes.and_then(|bytes| decode(&bytes, *partition).ok()).unwrap_or_default();
        let place = |(record, _): (Record, _)| record.topic(topic.clone()).partition(*partition);
        records.into_iter().map(place).collect()
    }
}

impl Drop for Batch {
    /// Its promise tells the records afterwards.
    fn drop(&mut self) {
        let result = &self.promise.result;
        let heir = result.observers.heir().filter(|_| !matches!(self.body, Body::Elsewhere));
        if let Some(heir) = heir {
            let body = std::mem::replace(&mut self.body, Body::Elsewhere);
            // Whoever wanted it may be gone.
            let _ = heir.send(Remains { result: result.clone(), order: self.order, body });
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.result.is_settled() {
            let error = if std::thread::panicking() {
                Error::new(ErrorKind::Internal, "writer: a background task panicked")
            } else {
                Error::closed("writer")
            };
            let error = if self.maybe_written { error.ambiguous() } else { error };
            self.result.settle(Outcome::Failed(error));
        }
        self.budget.drop_batch(self.charged);
    }
}

fn encode(
    encoder: BatchEncoder,
    magic: u8,
    compression: Compression,
    producer: Option<ProducerState>,
) -> Result<Bytes, RecordError> {
    match magic {
        0 | 1 => encoder.finish_legacy(magic, compression),
        _ => encoder.finish(compression, producer.unwrap_or(NOBODY)),
    }
}

/// The records of a finished batch. These are our own bytes: no limit is needed.
fn decode(bytes: &Bytes, partition: i32) -> Result<Vec<(Record, Timestamp)>, RecordError> {
    let topic = Arc::<str>::from("");
    let mut records = Vec::new();
    for raw in RawBatches::new(bytes.clone()) {
        let batch = raw?.decode(&topic, partition, usize::MAX)?;
        for message in batch.messages() {
            let message = message?;
            records.push((message.to_record(), message.timestamp()));
        }
    }
    Ok(records)
}
