//! What a reader counts. Batch by batch, so that messages cost nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a reader has done since it was built: see
/// [`ReaderHandle::stats`](super::ReaderHandle::stats). For rates, take the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaderStats {
    /// Fetches that were answered.
    pub fetches: u64,
    /// Fetches that failed as a whole: no connection, no answer, or a refusal.
    pub fetch_errors: u64,
    /// Bytes of records that were fetched, as they were compressed.
    pub fetched_bytes: u64,
    /// Batches that were handed out, as such or in messages.
    pub batches: u64,
    /// Records in these batches.
    pub messages: u64,
    /// Bytes of these batches, decompressed.
    pub bytes: u64,
    /// Errors that were handed out.
    pub errors: u64,
    /// How often whoever reads has waited because nothing was there.
    pub waits: u64,
    /// Bytes of batches that are decompressed and not handed out yet.
    pub buffered_bytes: u64,
    /// The most that may be: [`buffer_bytes`](super::ReaderBuilder::buffer_bytes).
    pub buffer_capacity: u64,
    /// The partitions that are read.
    pub partitions: usize,
    /// Those that are paused.
    pub paused: usize,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) fetches: AtomicU64,
    pub(super) fetch_errors: AtomicU64,
    pub(super) fetched_bytes: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) waits: AtomicU64,
}

/// Adds to a counter that nobody synchronizes with.
pub(super) fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn read(&self) -> ReaderStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReaderStats {
            fetches: read(&self.fetches),
            fetch_errors: read(&self.fetch_errors),
            fetched_bytes: read(&self.fetched_bytes),
            batches: read(&self.batches),
            messages: read(&self.messages),
            bytes: read(&self.bytes),
            errors: read(&self.errors),
            waits: read(&self.waits),
            ..ReaderStats::default()
        }
    }
}
