//! `Fetch`: reads logs within byte limits, and waits for data like a broker does; from version 7 on
//! in sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{Context, Reply, body, request, topic_ref};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition, FetchRequest, FetchResponse,
    FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use crate::testing::broker::Shared;
use crate::testing::faults::Call;
use crate::testing::log::ReadLimit;
use crate::testing::sessions::{self, Asked};
use crate::testing::state::{Broker, Partition, State};

/// The first version whose limits always let one batch through (KIP-74).
const AT_LEAST_ONE: i16 = 3;
/// The first version that can carry batches of version 2.
const BATCHES: i16 = 4;
/// There are sessions from this version on (KIP-227).
const SESSIONS: i16 = 7;
/// Followers serve consumers from this version on (KIP-392).
const FOLLOWERS: i16 = 11;
/// Topics have ids in place of names from this version on.
const BY_ID: i16 = 13;
/// The answer says who leads instead, from this version on (KIP-951).
const LEADER_HINTS: i16 = 16;
/// `fetch.max.bytes` of the broker, above which no answer goes.
const MAX_BYTES: usize = 55 << 20;

pub(super) async fn serve(shared: &Arc<Shared>, context: &Context, call: &Call) -> Reply {
    let mut request = match request::<FetchRequest>(call) {
        Ok(request) => request,
        Err(close) => return close,
    };
    if context.version < SESSIONS {
        request.session_epoch = -1;
    }
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + wait;
    let mut changes = shared.changes();
    let (session, asked) = match shared.with(|state| begin(state, context, &request)) {
        Ok(begun) => begun,
        Err(code) => return body::<FetchRequest>(context, &refused(context, code)),
    };
    loop {
        // Looked at first, so that nothing that comes after the read is missed.
        changes.mark_unchanged();
        let done = shared.with(|state| {
            let read = read(state, context, &request, &asked);
            let is_done = read.is_enough || Instant::now() >= deadline;
            is_done.then(|| finish(state, context, session, &asked, read))
        });
        if let Some(response) = done {
            return body::<FetchRequest>(context, &response);
        }
        // Whether the time or a change came first, the next look tells.
        let _ = timeout_at(deadline, changes.changed()).await;
    }
}

fn begin(
    state: &mut State,
    context: &Context,
    request: &FetchRequest,
) -> Result<(sessions::Context, Vec<Asked>), ErrorCode> {
    // Errors of the whole request; others are those of its partitions.
    if let Some(
        code @ (ErrorCode::FETCH_SESSION_ID_NOT_FOUND
        | ErrorCode::INVALID_FETCH_SESSION_EPOCH
        | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR),
    ) = context.fail
    {
        return Err(code);
    }
    let sessions = state.sessions.entry(context.broker).or_default();
    sessions.begin(request, context.version >= BY_ID, Instant::now())
}

fn refused(context: &Context, code: ErrorCode) -> FetchResponse {
    FetchResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: code.0,
        ..Default::default()
    }
}

/// One look at all partitions of a request.
struct Read {
    answered: Vec<PartitionData>,
    leaders: BTreeSet<i32>,
    /// It need not wait for more.
    is_enough: bool,
}

fn read(state: &mut State, context: &Context, request: &FetchRequest, all: &[Asked]) -> Read {
    let mut room = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_BYTES);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0).min(room);
    let (mut total, mut available) = (0, 0);
    // Errors are told at once.
    let mut is_urgent = all.is_empty();
    let mut leaders = BTreeSet::new();
    let mut answered = Vec::with_capacity(all.len());
    for Asked { topic, topic_id, partition: asked } in all {
        let by = topic_ref(topic, *topic_id, context.version, BY_ID);
        let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
        let limit = ReadLimit {
            bytes: most.min(room),
            at_least_one: total == 0 && context.version >= AT_LEAST_ONE,
            cut: state.settings.cut_batches || context.version < AT_LEAST_ONE,
        };
        let found = match context.fail {
            Some(code) => Err(code),
            None => state.topics.find(by),
        };
        let found = found
            .and_then(|it| it.hosted(asked.partition, context.broker, asked.current_leader_epoch));
        let read = found.and_then(|it| {
            let chosen = if state.settings.rack_aware && context.version >= FOLLOWERS {
                choose(it, context.broker, &state.brokers, &request.rack_id, asked.fetch_offset)
            } else {
                None
            };
            if let Some(preferred_read_replica) = chosen {
                return Ok(PartitionData {
                    preferred_read_replica,
                    ..described(it, context.broker)
                });
            }
            let read = Reading { context, request, asked, limit };
            let (data, waiting) = read.partition(it, min_bytes.min(most))?;
            // More may be there than fits, and counts too.
            available += waiting;
            Ok(data)
        });
        let mut data = read.unwrap_or_else(failed);
        let size = data.records.as_ref().map_or(0, Bytes::len);
        room = room.saturating_sub(size);
        total += size;
        is_urgent |= data.error_code != 0
            || data.diverging_epoch.epoch >= 0
            || data.preferred_read_replica >= 0;
        data.partition_index = asked.partition;
        if moved(data.error_code) && context.version >= LEADER_HINTS {
            if let Some((leader_id, leader_epoch)) = state.topics.leader(by, asked.partition) {
                leaders.insert(leader_id);
                data.current_leader =
                    LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
            }
        }
        answered.push(data);
    }
    Read { answered, leaders, is_enough: is_urgent || available >= min_bytes }
}

fn finish(
    state: &mut State,
    context: &Context,
    session: sessions::Context,
    asked: &[Asked],
    read: Read,
) -> FetchResponse {
    let mut answered: Vec<_> = asked.iter().cloned().zip(read.answered).collect();
    let slots = state.settings.fetch_session_slots;
    let sessions = state.sessions.entry(context.broker).or_default();
    let by_id = context.version >= BY_ID;
    let session_id = match sessions.finish(session, &mut answered, by_id, slots, Instant::now()) {
        Ok(id) => id,
        Err(code) => return refused(context, code),
    };
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    for (Asked { topic, topic_id, .. }, data) in answered {
        match responses.last_mut() {
            Some(last) if last.topic == *topic && last.topic_id == topic_id => {
                last.partitions.push(data);
            }
            _ => responses.push(FetchableTopicResponse {
                topic: topic.to_string(),
                topic_id,
                partitions: vec![data],
                ..Default::default()
            }),
        }
    }
    let node_endpoints = read.leaders.into_iter().filter_map(|node_id| {
        let broker = state.brokers.get(&node_id)?;
        Some(NodeEndpoint {
            node_id,
            host: broker.host.clone(),
            port: broker.port.into(),
            rack: broker.rack.clone(),
            ..Default::default()
        })
    });
    FetchResponse {
        throttle_time_ms: context.throttle_time_ms,
        session_id,
        node_endpoints: node_endpoints.collect(),
        responses,
        ..Default::default()
    }
}

/// The replica that a leader sends a consumer to: the most caught up one of those in its rack, if
/// the leader is not in it (KIP-392).
fn choose(
    partition: &Partition,
    broker: i32,
    brokers: &BTreeMap<i32, Broker>,
    rack: &str,
    offset: i64,
) -> Option<i32> {
    let is_there = |id: i32| {
        let it = brokers.get(&id);
        it.is_some_and(|it| it.is_up && it.rack.as_deref() == Some(rack))
    };
    if rack.is_empty() || partition.leader != Some(broker) || is_there(broker) {
        return None;
    }
    let log = &partition.log;
    let has_it = |id: i32| !partition.lagging.contains_key(&id);
    let replicas = partition.replicas.iter().copied().filter(|id| is_there(*id) && has_it(*id));
    replicas.max().filter(|_| (log.start()..=log.end()).contains(&offset))
}

/// One partition of a request.
struct Reading<'a> {
    context: &'a Context,
    request: &'a FetchRequest,
    asked: &'a FetchPartition,
    limit: ReadLimit,
}

impl Reading<'_> {
    /// What it has, and how many bytes wait there, counted up to `enough`.
    fn partition(
        &self,
        partition: &Partition,
        enough: usize,
    ) -> Result<(PartitionData, usize), ErrorCode> {
        let (broker, version) = (self.context.broker, self.context.version);
        if partition.leader != Some(broker) && version < FOLLOWERS {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let log = &partition.log;
        let mut data = described(partition, broker);
        let (offset, last_epoch) = (self.asked.fetch_offset, self.asked.last_fetched_epoch);
        if last_epoch >= 0 {
            let (epoch, end_offset) = log.end_of_epoch(last_epoch);
            if epoch < 0 {
                return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
            }
            if epoch < last_epoch || end_offset < offset {
                data.diverging_epoch = EpochEndOffset { epoch, end_offset, ..Default::default() };
                return Ok((data, 0));
            }
        }
        if !(log.start()..=data.high_watermark).contains(&offset) {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        if version < BATCHES && log.has_batches_from(offset) {
            return Err(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT);
        }
        let is_committed = self.request.isolation_level == 1;
        let until = if is_committed { data.last_stable_offset } else { data.high_watermark };
        let (records, next) = log.read(offset, until, self.limit);
        data.records = Some(records);
        data.aborted_transactions = is_committed.then(|| {
            let aborted = log.aborted(offset, next).map(|it| AbortedTransaction {
                producer_id: it.producer_id,
                first_offset: it.first,
                ..Default::default()
            });
            aborted.collect()
        });
        Ok((data, log.available(offset, until, enough)))
    }
}

/// A partition without its records, as the replica on that broker knows it.
fn described(partition: &Partition, broker: i32) -> PartitionData {
    let log = &partition.log;
    let high_watermark = partition.end(broker);
    PartitionData {
        high_watermark,
        last_stable_offset: log.stable_end().min(high_watermark),
        log_start_offset: log.start(),
        records: Some(Bytes::new()),
        ..Default::default()
    }
}

fn failed(code: ErrorCode) -> PartitionData {
    PartitionData {
        error_code: code.0,
        high_watermark: -1,
        records: Some(Bytes::new()),
        ..Default::default()
    }
}

fn moved(code: i16) -> bool {
    [ErrorCode::NOT_LEADER_OR_FOLLOWER.0, ErrorCode::FENCED_LEADER_EPOCH.0].contains(&code)
}
