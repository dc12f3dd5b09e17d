//! What one lane has fetched and not decoded: in order for each partition, and as far as there is
//! room for what comes out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::budget::{Charge, Loan};
use super::fetch::{Fetched, Found};
use super::lane::Lane;
use super::partition::{Partition, Relief, address};
use super::{Chunk, Chunks, Delivery};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Batch, RawBatch};

/// The bytes that are decoded before others have their turn: about a millisecond of decompression.
/// Turns of an eighth of that took 15 % more CPU of reading 1 KiB messages: each asks the system for events.
const TURN: usize = 1 << 20;

/// What a chunk takes besides its records.
pub(super) const CHUNK: usize = size_of::<Chunk>();

#[derive(Default)]
pub(super) struct Backlog {
    ready: VecDeque<Pending>,
    /// By the address of the partition: enough of it waits to be delivered.
    blocked: HashMap<usize, VecDeque<Pending>>,
    /// How many times their size batches have been of late, when decompressed.
    ratio: usize,
}

/// What one answer had for one partition.
struct Pending {
    fetched: Fetched,
    /// Of the frame that it is a part of.
    loan: Arc<Loan>,
}

/// What there is room for.
pub(super) struct Room<'a> {
    pub(super) lane: &'a Arc<Lane>,
    /// The most that the lane may hold.
    pub(super) limit: usize,
    /// The most that one partition may hold that has a channel of its own.
    pub(super) cap: usize,
    /// The most that one batch may hold.
    pub(super) max_batch: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to decode, after others have had their turn.
    More,
    /// Nothing can be done before something else happens.
    Rest,
    /// As `Rest`: there is more, and no room for it.
    Short,
    /// Nobody reads any more.
    Closed,
}

impl Backlog {
    pub(super) fn push(&mut self, fetched: Fetched, loan: Arc<Loan>) {
        fetched.partition.add_pending(fetched.bytes);
        let pending = Pending { fetched, loan };
        match self.blocked.get_mut(&address(&pending.fetched.partition)) {
            Some(before) => before.push_back(pending),
            None => self.ready.push_back(pending),
        }
    }

    /// The partition has been sought elsewhere, or has room again.
    pub(super) fn touch(&mut self, partition: &Arc<Partition>) {
        if let Some(pending) = self.blocked.remove(&address(partition)) {
            self.ready.extend(pending);
        }
    }

    /// Decodes some, and hands it to the reader. `passed_on` hears of each partition that somebody
    /// else has been waiting for.
    pub(super) fn step(&mut self, room: &Room<'_>, mut passed_on: impl FnMut()) -> Step {
        let mut left = TURN;
        while let Some(pending) = self.ready.front_mut() {
            let partition = pending.fetched.partition.clone();
            let mut parcel = Vec::new();
            let stop = pending.decode(room, &mut self.ratio, &mut left, &mut parcel);
            if !parcel.is_empty() && !partition.send(parcel) {
                if !partition.cursor().diverted {
                    return Step::Closed;
                }
                // Only its own stream has been dropped.
                partition.retire();
            }
            match stop {
                Stop::Done => {
                    let Some(pending) = self.ready.pop_front() else { return Step::Rest };
                    partition.sub_pending(pending.fetched.bytes);
                    drop(pending);
                    if partition.passed_on(room.lane) {
                        passed_on();
                    }
                }
                Stop::Turn => return Step::More,
                Stop::Full => self.block(),
                Stop::Short => return Step::Short,
            }
        }
        Step::Rest
    }

    /// Sets the first aside, with all that comes after it in its partition.
    fn block(&mut self) {
        let Some(first) = self.ready.pop_front() else { return };
        let key = address(&first.fetched.partition);
        let is_same = |pending: &Pending| address(&pending.fetched.partition) == key;
        let (same, others): (VecDeque<_>, _) = self.ready.drain(..).partition(is_same);
        self.ready = others;
        let blocked = self.blocked.entry(key).or_default();
        blocked.push_back(first);
        blocked.extend(same);
    }
}

/// Why nothing more of one answer is decoded now.
enum Stop {
    /// There is no more, or nobody wants it.
    Done,
    /// Others have their turn.
    Turn,
    /// Its partition has a limit of its own, and waits until that gives room.
    Full,
    /// There is no room for anything.
    Short,
}

impl Pending {
    /// Decodes what there is room and time for, all of which the reader is then given at once: to
    /// wake it for each batch means twice as many changes of threads.
    fn decode(
        &mut self,
        room: &Room<'_>,
        ratio: &mut usize,
        left: &mut usize,
        parcel: &mut Chunks,
    ) -> Stop {
        let Fetched { partition, epoch, from, batches, bytes, .. } = &mut self.fetched;
        let epoch = *epoch;
        let (is_stale, diverted, is_here) = {
            let cursor = partition.cursor();
            (cursor.epoch != epoch, cursor.diverted, cursor.is_in(room.lane))
        };
        while let Some(next) = batches.front().filter(|_| !is_stale) {
            if *left == 0 {
                return Stop::Turn;
            }
            let compressed = match next {
                Found::Batch(raw) if raw.is_compressed() => Some(raw.size()),
                _ => None,
            };
            if let Some(size) = compressed {
                let estimate = size.saturating_mul((*ratio).max(2)) + CHUNK;
                if diverted {
                    let below = room.cap.saturating_sub(estimate);
                    // Where one has moved away to, nothing comes before this has gone.
                    let is_full = is_here && partition.held() > below;
                    if is_full && partition.awaits_relief(Relief::Decode, below) {
                        return Stop::Full;
                    }
                } else {
                    let budget = &room.lane.budget;
                    let has_room =
                        || budget.held() + estimate <= room.limit || budget.is_delivered();
                    if !budget.check(has_room) {
                        return Stop::Short;
                    }
                }
            }
            let Some(found) = batches.pop_front() else { return Stop::Done };
            let begin = *from;
            // Batches may overlap: what one has had the next has not again.
            *from = match &found {
                Found::Batch(raw) => raw.next_offset(),
                Found::Skip(next) => *next,
                Found::Error(_) => begin,
            };
            let (item, raw) = match found {
                Found::Skip(next) => (Delivery::Skip(next), 0),
                Found::Error(error) => (Delivery::Error(error), 0),
                Found::Batch(raw) => {
                    let size = raw.size();
                    let batch = decode(partition, raw, room.max_batch);
                    (batch.map_or_else(Delivery::Error, Delivery::Batch), size)
                }
            };
            *bytes -= raw.min(*bytes);
            partition.sub_pending(raw);
            if let Delivery::Error(_) = item {
                partition.halt(epoch);
                batches.clear();
            }
            let size = if let Delivery::Batch(batch) = &item { batch.size() } else { 0 };
            *left = left.saturating_sub(size.max(CHUNK));
            let loan = match compressed {
                Some(compressed) => {
                    *ratio = (*ratio * 7 / 8).max(size.div_ceil(compressed.max(1)));
                    room.lane.budget.lend(size + CHUNK)
                }
                None => self.loan.clone(),
            };
            let charge = Some(Charge::new(loan, partition.clone(), size));
            parcel.push(Chunk { partition: partition.clone(), epoch, from: begin, item, charge });
        }
        Stop::Done
    }
}

fn decode(partition: &Partition, raw: RawBatch, max_bytes: usize) -> Result<Batch> {
    let (at, offset) = (&partition.at, raw.base_offset());
    let failed = |error, what| {
        let text = format!("batch of {at} at offset {offset} {what}");
        Error::new(ErrorKind::Record, text).with_source(error)
    };
    raw.verify().map_err(|error| failed(error, "is damaged"))?;
    raw.decode(&at.topic, at.partition, max_bytes).map_err(|error| failed(error, "cannot be read"))
}
