//! Makes fetch requests out of cursors, and moves the cursors by the answers. No I/O: the loop in
//! `broker.rs` sends and receives.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::partition::{Origin, Partition, State};
use super::{Config, OutOfRange};
use crate::cluster::Backoff;
use crate::error::{Error, ErrorKind};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData,
};
use crate::record::{Filter, RawBatch, RawBatches};
use crate::types::IsolationLevel;
use crate::wire::Uuid;

/// A request, and what was asked for in it.
pub(super) struct Fetch {
    pub(super) request: FetchRequest,
    pub(super) asked: Vec<Asked>,
    /// Whether every topic in it has an id.
    pub(super) has_ids: bool,
}

/// One partition in a request: at that offset, in that epoch.
pub(super) struct Asked {
    pub(super) partition: Arc<Partition>,
    topic_id: Uuid,
    pub(super) epoch: u64,
    offset: i64,
}

/// What one partition of an answer holds for the reader.
pub(super) struct Fetched {
    pub(super) partition: Arc<Partition>,
    pub(super) epoch: u64,
    /// Batches may begin before it.
    pub(super) from: i64,
    /// In order; a batch without records for the application only moves the position.
    pub(super) batches: Vec<Found>,
}

pub(super) enum Found {
    Batch(RawBatch),
    /// Nothing to deliver up to this offset.
    Skip(i64),
}

/// An answer, taken apart.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) fetched: Vec<Fetched>,
    /// To be delivered: these partitions have halted, in that epoch.
    pub(super) errors: Vec<(Arc<Partition>, u64, Error)>,
    /// The bytes of all records in the answer, wanted or not.
    pub(super) bytes: usize,
    /// New leaders that the answer named: topic, partition, broker, epoch.
    pub(super) hints: Vec<(Arc<Partition>, i32, i32)>,
    /// Whether leaders or topics are not as we thought.
    pub(super) stale: bool,
    /// Whether a cursor must be looked up again.
    pub(super) unresolved: bool,
}

impl Fetch {
    /// Asks for all partitions that want data now, beginning with another one each time (`turn`),
    /// because a broker fills an answer in the order of the request. If nothing is wanted, when to
    /// look again.
    pub(super) fn build(
        partitions: &[Arc<Partition>],
        broker: i32,
        turn: usize,
        max_bytes: i32,
        config: &Config,
        now: Instant,
    ) -> Result<Self, Option<Instant>> {
        let mut asked = Vec::with_capacity(partitions.len());
        let mut topics: Vec<FetchTopic> = Vec::new();
        let mut index = HashMap::<Arc<str>, usize>::new();
        let mut has_ids = true;
        let mut retry: Option<Instant> = None;
        let (done, first) = partitions.split_at(turn % partitions.len().max(1));
        for partition in first.iter().chain(done) {
            let cursor = partition.cursor();
            let Some(offset) = cursor.wanted(broker, now) else {
                let later = cursor.retry_at().filter(|at| *at > now);
                retry = retry.into_iter().chain(later).min();
                continue;
            };
            let topic_id = cursor.topic_id;
            has_ids &= !topic_id.is_nil();
            asked.push(Asked {
                partition: partition.clone(),
                topic_id,
                epoch: cursor.epoch,
                offset,
            });
            let at = *index.entry(partition.at.topic.clone()).or_insert_with(|| {
                topics.push(FetchTopic {
                    topic: partition.at.topic.to_string(),
                    topic_id,
                    ..Default::default()
                });
                topics.len() - 1
            });
            if let Some(topic) = topics.get_mut(at) {
                topic.partitions.push(FetchPartition {
                    partition: partition.at.partition,
                    current_leader_epoch: cursor.leader_epoch,
                    fetch_offset: offset,
                    partition_max_bytes: config.partition_max_bytes,
                    ..Default::default()
                });
            }
        }
        if asked.is_empty() {
            return Err(retry);
        }
        let request = FetchRequest {
            max_wait_ms: i32::try_from(config.max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: config.min_bytes,
            max_bytes,
            isolation_level: i8::from(config.isolation == IsolationLevel::ReadCommitted),
            topics,
            ..Default::default()
        };
        Ok(Self { request, asked, has_ids })
    }
}

/// Takes an answer apart, and moves the cursors of what was asked so that the next request can go
/// out before this data is even looked at.
pub(super) fn apply(
    response: FetchResponse,
    asked: &[Asked],
    broker: i32,
    config: &Config,
    backoff: Backoff,
    now: Instant,
) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(code) = ErrorCode(response.error_code).check() {
        // Only sessions have errors of the whole request, and we keep none.
        tracing::debug!(%code, "fetch refused");
        outcome.stale = true;
        for asked in asked {
            asked.partition.cursor().failed(now, backoff);
        }
        return outcome;
    }
    let by_name: BTreeMap<_, _> = asked
        .iter()
        .map(|asked| ((&*asked.partition.at.topic, asked.partition.at.partition), asked))
        .collect();
    let names: HashMap<Uuid, &str> =
        asked.iter().map(|asked| (asked.topic_id, &*asked.partition.at.topic)).collect();
    for topic in response.responses {
        let name = if topic.topic_id.is_nil() {
            topic.topic.as_str()
        } else {
            names.get(&topic.topic_id).copied().unwrap_or_default()
        };
        for data in topic.partitions {
            // Data that nobody asked for is not delivered.
            if let Some(asked) = by_name.get(&(name, data.partition_index)) {
                outcome.bytes += data.records.as_ref().map_or(0, Bytes::len);
                apply_partition(data, asked, broker, config, backoff, now, &mut outcome);
            }
        }
    }
    outcome
}

fn apply_partition(
    data: PartitionData,
    asked: &Asked,
    broker: i32,
    config: &Config,
    backoff: Backoff,
    now: Instant,
    outcome: &mut Outcome,
) {
    let partition = &asked.partition;
    let mut cursor = partition.cursor();
    // Sought elsewhere, or halted by what came before: this data must not move it on.
    if cursor.epoch != asked.epoch || cursor.state != State::At(asked.offset) {
        return;
    }
    let code = ErrorCode(data.error_code);
    if code != ErrorCode::NONE {
        let leader = &data.current_leader;
        if leader.leader_id >= 0 {
            outcome.hints.push((partition.clone(), leader.leader_id, leader.leader_epoch));
        }
        match on_error(code, config) {
            OnError::Retry => {
                cursor.failed(now, backoff);
                outcome.stale = true;
            }
            OnError::Reset => {
                tracing::warn!(partition = %partition.at, offset = asked.offset, "offset out of range");
                cursor.state = State::Unresolved(Origin::Reset { from: asked.offset });
                outcome.unresolved = true;
            }
            OnError::Halt => {
                cursor.state = State::Halted;
                let text = format!("fetch from {} at offset {}", partition.at, asked.offset);
                outcome.errors.push((partition.clone(), asked.epoch, Error::broker(code, text)));
            }
        }
        return;
    }
    cursor.succeeded();
    partition.set_end(match config.isolation {
        IsolationLevel::ReadCommitted if data.last_stable_offset >= 0 => data.last_stable_offset,
        _ => data.high_watermark,
    });
    let mut filter = Filter::new(data.aborted_transactions);
    let mut next = asked.offset;
    let mut batches = Vec::new();
    let records = data.records.unwrap_or_default();
    let received = records.len();
    let mut whole = 0;
    let mut failure = None;
    for batch in RawBatches::new(records).inspect(|_| whole += 1) {
        match batch {
            // A compacted or repeated batch may end before what was asked for.
            Ok(batch) if batch.next_offset() <= next => {}
            Ok(batch) => {
                let at = next;
                next = batch.next_offset();
                if filter.keeps(&batch) {
                    batches.push(Found::Batch(batch));
                } else if let Err(error) = batch.verify() {
                    // What says that there is nothing to deliver may be the damage itself.
                    let text = format!("batch of {} at offset {at} is damaged", partition.at);
                    failure = Some(Error::new(ErrorKind::Record, text).with_source(error));
                    next = at;
                    break;
                } else if let Some(Found::Skip(to)) = batches.last_mut() {
                    *to = next;
                } else {
                    batches.push(Found::Skip(next));
                }
            }
            Err(error) => {
                let text = format!("records of {} at offset {next}", partition.at);
                failure = Some(Error::new(ErrorKind::Record, text).with_source(error));
                break;
            }
        }
    }
    if received > 0 && whole == 0 {
        // Bytes that never become a batch would be fetched for ever.
        let (at, limit) = (&partition.at, config.partition_max_bytes);
        let text =
            format!("batch of {at} at offset {next} is larger than partition_max_bytes ({limit})");
        failure = Some(Error::new(ErrorKind::TooLarge, text));
    }
    if let Some(error) = failure {
        cursor.state = State::Halted;
        outcome.errors.push((partition.clone(), asked.epoch, error));
    }
    if cursor.state != State::Halted {
        cursor.state = State::At(next);
        if received > 0 && next == asked.offset {
            // All of it lies before what was asked for: not to be asked for again at once.
            cursor.failed(now, backoff);
        }
    }
    if !batches.is_empty() {
        cursor.delivering = Some(broker);
        let (partition, epoch) = (partition.clone(), asked.epoch);
        outcome.fetched.push(Fetched { partition, epoch, from: asked.offset, batches });
    }
}

enum OnError {
    /// The leader moved, or is not ready: ask again later, with fresh metadata.
    Retry,
    /// The offset is not there.
    Reset,
    /// Trying again cannot help.
    Halt,
}

fn on_error(code: ErrorCode, config: &Config) -> OnError {
    match code {
        ErrorCode::OFFSET_OUT_OF_RANGE => match config.out_of_range {
            OutOfRange::Error => OnError::Halt,
            _ => OnError::Reset,
        },
        // An unexpected failure inside the broker: nothing says that it will last.
        ErrorCode::UNKNOWN_SERVER_ERROR => OnError::Retry,
        code if code.is_retriable() => OnError::Retry,
        _ => OnError::Halt,
    }
}
