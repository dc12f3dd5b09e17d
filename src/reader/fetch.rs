//! Moves cursors by the answers to fetches, and says what is to be done about them. No I/O: the loop
//! in `broker.rs` sends and receives.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::OutOfRange;
use super::builder::Config;
use super::cursor::{Cursor, Origin, State};
use super::partition::Partition;
use super::session::{Asked, Session};
use crate::cluster::{Backoff, Broker, LeaderHint};
use crate::error::{Error, ErrorKind};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{FetchResponse, NodeEndpoint, PartitionData};
use crate::record::{Filter, RawBatch, RawBatches};
use crate::types::IsolationLevel;

/// What one partition of an answer holds for the reader.
pub(super) struct Fetched {
    pub(super) partition: Arc<Partition>,
    pub(super) epoch: u64,
    /// Batches may begin before it.
    pub(super) from: i64,
    /// In order; a batch without records for the application only moves the position.
    pub(super) batches: VecDeque<Found>,
    /// What the batches take.
    pub(super) bytes: usize,
    /// Whether they are a copy, and not a part of the frame.
    pub(super) is_copy: bool,
}

pub(super) enum Found {
    Batch(RawBatch),
    /// Nothing to deliver up to this offset.
    Skip(i64),
    /// The partition has halted here.
    Error(Error),
}

/// An answer, taken apart.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) fetched: Vec<Fetched>,
    /// New leaders that the answer named.
    pub(super) hints: Vec<LeaderHint>,
    /// There was nothing in them: what was read before may have been all.
    pub(super) idle: Vec<Arc<Partition>>,
    /// Whether leaders or topics are not as we thought.
    pub(super) stale: bool,
    /// Whether the engine has something to do: a cursor must be looked up, or moved elsewhere.
    pub(super) unresolved: bool,
}

impl Outcome {
    /// What its batches take.
    pub(super) fn bytes(&self) -> usize {
        self.fetched.iter().map(|fetched| fetched.bytes).sum()
    }
}

/// What decides about an answer, besides the answer.
pub(super) struct Rules<'a> {
    pub(super) broker: i32,
    pub(super) config: &'a Config,
    pub(super) now: Instant,
    pub(super) backoff: Backoff,
    /// How long a follower is fetched from before the leader is asked again.
    pub(super) replica_age: Duration,
    pub(super) is_broker: &'a dyn Fn(i32) -> bool,
}

/// For how long the leader is asked when a follower has failed.
pub(super) const LEADER_ONLY: Duration = Duration::from_secs(10);

/// Takes an answer apart, and moves the cursors of what was asked so that the next request can go
/// out before this data is even looked at.
pub(super) fn apply(response: FetchResponse, session: &mut Session, rules: &Rules<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    let endpoints: Vec<_> = response.node_endpoints.into_iter().map(endpoint).collect();
    let size = |data: &PartitionData| data.records.as_ref().map_or(0, Bytes::len);
    let total: usize =
        response.responses.iter().flat_map(|topic| &topic.partitions).map(size).sum();
    for topic in response.responses {
        for data in topic.partitions {
            // Data that nobody asked for is not delivered.
            let Some(at) = session.find(&topic.topic, topic.topic_id, data.partition_index) else {
                continue;
            };
            let Some(entry) = session.entries.get(at) else { continue };
            let Some(asked) = entry.asked else { continue };
            let partition = entry.partition.clone();
            apply_partition(data, &partition, asked, total, &endpoints, rules, &mut outcome);
            session.touch_at(at);
        }
    }
    outcome
}

fn endpoint(node: NodeEndpoint) -> Broker {
    let port = u16::try_from(node.port).unwrap_or_default();
    Broker { id: node.node_id, host: node.host, port, rack: node.rack }
}

fn apply_partition(
    data: PartitionData,
    partition: &Arc<Partition>,
    asked: Asked,
    total: usize,
    endpoints: &[Broker],
    rules: &Rules<'_>,
    outcome: &mut Outcome,
) {
    let Rules { broker, config, now, .. } = *rules;
    let mut cursor = partition.cursor();
    // Sought elsewhere, or halted by what came before: this data must not move it on. Nor may it
    // overtake what another broker has sent.
    if cursor.epoch != asked.epoch
        || cursor.state != State::At(asked.offset)
        || !cursor.may_come_from(broker)
    {
        return;
    }
    if data.error_code != ErrorCode::NONE.0 {
        refused(&data, partition, asked, &mut cursor, endpoints, rules, outcome);
        return;
    }
    cursor.succeeded();
    let replica = data.preferred_read_replica;
    if replica >= 0 && replica != broker {
        if (rules.is_broker)(replica) {
            tracing::debug!(partition = %partition.at, replica, "reading from a follower");
            cursor.replica = Some((replica, now + rules.replica_age));
        } else {
            // The leader sends nothing as long as it names somebody else.
            cursor.leader_only = Some(now + LEADER_ONLY);
            outcome.stale = true;
        }
        outcome.unresolved = true;
    }
    partition.set_end(match config.isolation {
        IsolationLevel::ReadCommitted if data.last_stable_offset >= 0 => data.last_stable_offset,
        _ => data.high_watermark,
    });
    records(data, total, partition, asked, &mut cursor, rules, outcome);
}

/// Goes through the batches, and moves the cursor past them.
fn records(
    data: PartitionData,
    total: usize,
    partition: &Arc<Partition>,
    asked: Asked,
    cursor: &mut Cursor,
    rules: &Rules<'_>,
    outcome: &mut Outcome,
) {
    let Rules { broker, config, now, .. } = *rules;
    let mut filter = Filter::new(data.aborted_transactions);
    let mut next = asked.offset;
    let mut batches = VecDeque::new();
    let mut records = data.records.unwrap_or_default();
    let received = records.len();
    // One that has a channel of its own may keep its data for long: that must not keep the rest.
    let is_copy = cursor.diverted && received > 0 && total - received > received / 4;
    if is_copy {
        records = Bytes::copy_from_slice(&records);
    }
    let mut bytes = 0;
    let mut epoch = -1;
    let mut whole = 0;
    let mut failure = None;
    for batch in RawBatches::new(records).inspect(|_| whole += 1) {
        match batch {
            // Nobody wants it, or what comes behind it, be it damaged or not.
            Ok(batch) if batch.base_offset() >= partition.limit => {
                if next < partition.limit {
                    next = partition.limit;
                    batches.push_back(Found::Skip(next));
                }
                break;
            }
            // A compacted or repeated batch may end before what was asked for.
            Ok(batch) if batch.next_offset() <= next => {}
            Ok(batch) => {
                let at = next;
                next = batch.next_offset();
                epoch = epoch.max(batch.leader_epoch());
                if filter.keeps(&batch) {
                    bytes += batch.size();
                    batches.push_back(Found::Batch(batch));
                } else if let Err(error) = batch.verify() {
                    // What says that there is nothing to deliver may be the damage itself.
                    let text = format!("batch of {} at offset {at} is damaged", partition.at);
                    failure = Some(Error::new(ErrorKind::Record, text).with_source(error));
                    next = at;
                    break;
                } else if let Some(Found::Skip(to)) = batches.back_mut() {
                    *to = next;
                } else {
                    batches.push_back(Found::Skip(next));
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
    if epoch >= 0 {
        cursor.last_epoch = epoch;
    }
    if let Some(error) = failure {
        cursor.state = State::Halted;
        batches.push_back(Found::Error(error));
    } else {
        cursor.state = State::At(next);
        if received > 0 && next == asked.offset {
            // All of it lies before what was asked for: not to be asked for again at once.
            cursor.failed(now, rules.backoff);
        }
    }
    if batches.is_empty() {
        outcome.idle.push(partition.clone());
    } else {
        push(outcome, partition, asked, batches, cursor, broker);
        if let Some(fetched) = outcome.fetched.last_mut() {
            (fetched.bytes, fetched.is_copy) = (bytes, is_copy);
        }
    }
}

/// The broker has nothing of this partition, and says why.
fn refused(
    data: &PartitionData,
    partition: &Arc<Partition>,
    asked: Asked,
    cursor: &mut Cursor,
    endpoints: &[Broker],
    rules: &Rules<'_>,
    outcome: &mut Outcome,
) {
    let Rules { broker, config, now, .. } = *rules;
    let (code, leader) = (ErrorCode(data.error_code), &data.current_leader);
    let is_follower = cursor.leader.is_some_and(|leader| leader != broker);
    if leader.leader_id >= 0 {
        let endpoint = endpoints.iter().find(|it| it.id == leader.leader_id);
        outcome.hints.push(LeaderHint {
            topic: partition.at.topic.clone(),
            topic_id: asked.topic_id,
            partition: partition.at.partition,
            leader: leader.leader_id,
            epoch: leader.leader_epoch,
            endpoint: endpoint.cloned(),
        });
    }
    match on_error(code) {
        // It has not got there yet, and will.
        OnError::Retry if is_follower && code == ErrorCode::OFFSET_NOT_AVAILABLE => {
            cursor.failed(now, rules.backoff);
        }
        // Only the leader knows.
        _ if is_follower => {
            tracing::debug!(partition = %partition.at, %code, "back to the leader");
            cursor.leave_replica(now + LEADER_ONLY);
            outcome.stale |= code != ErrorCode::OFFSET_OUT_OF_RANGE;
            outcome.unresolved = true;
        }
        OnError::Retry => {
            cursor.failed(now, rules.backoff);
            outcome.stale = true;
        }
        OnError::Reset if config.out_of_range != OutOfRange::Error => {
            tracing::warn!(partition = %partition.at, offset = asked.offset, "offset out of range");
            cursor.state = State::Unresolved(Origin::Reset { from: asked.offset });
            outcome.unresolved = true;
        }
        OnError::Reset | OnError::Halt => {
            cursor.state = State::Halted;
            let text = format!("fetch from {} at offset {}", partition.at, asked.offset);
            let error = Found::Error(Error::broker(code, text));
            push(outcome, partition, asked, VecDeque::from([error]), cursor, broker);
        }
    }
}

fn push(
    outcome: &mut Outcome,
    partition: &Arc<Partition>,
    asked: Asked,
    batches: VecDeque<Found>,
    cursor: &mut Cursor,
    broker: i32,
) {
    cursor.deliver(broker);
    let (partition, epoch, from) = (partition.clone(), asked.epoch, asked.offset);
    outcome.fetched.push(Fetched { partition, epoch, from, batches, bytes: 0, is_copy: false });
}

enum OnError {
    /// The leader moved, or is not ready: ask again later, with fresh metadata.
    Retry,
    /// The offset is not there.
    Reset,
    /// Trying again cannot help.
    Halt,
}

fn on_error(code: ErrorCode) -> OnError {
    match code {
        ErrorCode::OFFSET_OUT_OF_RANGE => OnError::Reset,
        // An unexpected failure inside the broker: nothing says that it will last.
        ErrorCode::UNKNOWN_SERVER_ERROR => OnError::Retry,
        code if code.is_retriable() => OnError::Retry,
        _ => OnError::Halt,
    }
}
