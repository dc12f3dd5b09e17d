//! What the log of a partition knows of the producers that write to it: their epochs, their last
//! batches, and their transactions (KIP-98).

use std::collections::{BTreeMap, VecDeque};

use super::batch::{self, Header};
use super::log::{Rejected, Rules};
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_producers::ProducerState;

/// The most batches of one producer that are remembered, and that it may have under way.
const REMEMBERED: usize = 5;

/// What is written becomes part of the producer's transaction from this version of `Produce` on
/// (KIP-890).
pub(super) const ADDS: i16 = 12;

/// The producers of one log.
#[derive(Debug, Default)]
pub(super) struct Producers {
    by_id: BTreeMap<i64, Producer>,
    /// In the order of their markers.
    aborted: Vec<Aborted>,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: i16,
    /// Its last batches in this epoch, newest first.
    recent: VecDeque<Remembered>,
    /// Where its open transaction begins.
    open: Option<i64>,
    last_timestamp: i64,
    has_marker: bool,
}

/// A batch that was appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    pub(super) base_offset: i64,
    last_offset: i64,
    pub(super) max_timestamp: i64,
}

/// A transaction that was aborted: from its first record to its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) producer_id: i64,
    pub(super) first: i64,
    last: i64,
}

impl Producers {
    /// The first offset of a transaction that is open.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.by_id.values().filter_map(|it| it.open).min()
    }

    /// The aborted transactions with anything between these offsets, the last one excluded.
    pub(super) fn aborted(&self, from: i64, until: i64) -> impl Iterator<Item = Aborted> + '_ {
        let all = self.aborted.iter().copied();
        all.filter(move |it| it.last >= from && it.first < until)
    }

    /// Whether the producer has a transaction open in this epoch.
    pub(super) fn is_open(&self, header: &Header) -> bool {
        let known = self.by_id.get(&header.producer_id);
        known.is_some_and(|it| it.open.is_some() && it.epoch == header.producer_epoch)
    }

    /// Whether the producer has been seen in a later epoch.
    pub(super) fn is_fenced(&self, producer_id: i64, epoch: i16) -> bool {
        self.by_id.get(&producer_id).is_some_and(|it| epoch < it.epoch)
    }

    /// All that are known, as `DescribeProducers` tells them.
    pub(super) fn describe(&self) -> Vec<ProducerState> {
        let described = self.by_id.iter().map(|(id, it)| ProducerState {
            producer_id: *id,
            producer_epoch: it.epoch.into(),
            last_sequence: it.recent.front().map_or(-1, |it| it.last_sequence),
            last_timestamp: it.last_timestamp,
            coordinator_epoch: if it.has_marker { 0 } else { -1 },
            current_txn_start_offset: it.open.unwrap_or(-1),
            ..Default::default()
        });
        described.collect()
    }

    /// Whether the next batch of a producer may be appended. The one that was remembered, if it
    /// has been already.
    pub(super) fn check(
        &self,
        header: &Header,
        rules: &Rules,
    ) -> Result<Option<Remembered>, Rejected> {
        let rejected = |code: ErrorCode| Err(Rejected { code, text: code.text() });
        let (first, release) = (header.base_sequence, rules.release);
        let Some(known) = self.by_id.get(&header.producer_id) else {
            let is_added = header.is_transactional() && rules.produce_version >= ADDS;
            let refused = release.refuses_unknown_producers(is_added).filter(|_| first != 0);
            return refused.map_or(Ok(None), rejected);
        };
        let is_same_epoch = header.producer_epoch == known.epoch;
        let range = (first, header.last_sequence());
        let mut recent = known.recent.iter().take(release.remembered_batches());
        let repeated =
            recent.find(|it| is_same_epoch && (it.first_sequence, it.last_sequence) == range);
        if repeated.is_some() {
            return Ok(repeated.copied());
        }
        if header.producer_epoch < known.epoch {
            return rejected(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let last = known.recent.front().filter(|_| is_same_epoch);
        if first != last.map_or(0, |it| it.last_sequence.wrapping_add(1) & i32::MAX) {
            let oldest = known.recent.back().filter(|_| is_same_epoch);
            let is_old = oldest.is_some_and(|it| header.last_sequence() < it.first_sequence);
            return rejected(if is_old && release.tells_old_repeats() {
                ErrorCode::DUPLICATE_SEQUENCE_NUMBER
            } else {
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            });
        }
        if known.open.is_some() && !header.is_transactional() {
            return rejected(ErrorCode::INVALID_TXN_STATE);
        }
        Ok(None)
    }

    /// Takes note of what was appended at these offsets.
    pub(super) fn note(&mut self, bytes: &[u8], base_offset: i64, last_offset: i64) {
        let Some(header) = Header::read(bytes).filter(|it| it.producer_id >= 0) else {
            return;
        };
        if !header.is_control() {
            let producer = self.enter(&header);
            producer.last_timestamp = header.max_timestamp;
            if header.is_transactional() {
                producer.open.get_or_insert(base_offset);
            }
            if header.base_sequence >= 0 {
                producer.recent.truncate(REMEMBERED - 1);
                producer.recent.push_front(Remembered {
                    first_sequence: header.base_sequence,
                    last_sequence: header.last_sequence(),
                    base_offset,
                    last_offset,
                    max_timestamp: header.max_timestamp,
                });
            }
            return;
        }
        let Some(aborts) = batch::aborts(bytes).filter(|_| header.is_transactional()) else {
            return;
        };
        let producer = self.enter(&header);
        (producer.last_timestamp, producer.has_marker) = (header.max_timestamp, true);
        if let Some(first) = producer.open.take().filter(|_| aborts) {
            let producer_id = header.producer_id;
            self.aborted.push(Aborted { producer_id, first, last: last_offset });
        }
    }

    /// Opens a transaction where a marker is about to end it, if none is open.
    pub(super) fn open_at(&mut self, marker: &Header, offset: i64) {
        self.enter(marker).open.get_or_insert(offset);
    }

    /// Forgets all that have no open transaction.
    pub(super) fn forget(&mut self) {
        self.by_id.retain(|_, it| it.open.is_some());
    }

    /// Forgets all that have written nothing from this offset on.
    pub(super) fn forget_before(&mut self, offset: i64) {
        self.by_id.retain(|_, it| it.recent.front().is_some_and(|it| it.last_offset >= offset));
    }

    /// The producer, in the epoch of the header.
    fn enter(&mut self, header: &Header) -> &mut Producer {
        let producer = self.by_id.entry(header.producer_id).or_default();
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.recent.clear();
        }
        producer
    }
}
