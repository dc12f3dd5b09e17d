//! `Fetch`: reads logs within byte limits, and waits for data like a broker does. Keeps no sessions:
//! every request is a full one. Only leaders serve it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{Context, Reply, body, request, topic_ref};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use crate::testing::broker::Shared;
use crate::testing::faults::Call;
use crate::testing::log::{PartitionLog, ReadLimit};
use crate::testing::state::{State, TopicRef};

/// The first version whose limits always let one batch through (KIP-74).
const AT_LEAST_ONE: i16 = 3;
/// The first version that can carry batches of version 2.
const BATCHES: i16 = 4;
/// Topics have ids in place of names from this version on.
const BY_ID: i16 = 13;
/// The answer says who leads instead, from this version on (KIP-951).
const LEADER_HINTS: i16 = 16;
/// `fetch.max.bytes` of the broker, above which no answer goes.
const MAX_BYTES: usize = 55 << 20;

pub(super) async fn serve(shared: &Arc<Shared>, context: &Context, call: &Call) -> Reply {
    let request = match request::<FetchRequest>(call) {
        Ok(request) => request,
        Err(close) => return close,
    };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + wait;
    let mut changes = shared.changes();
    loop {
        // Looked at first, so that nothing that comes after the read is missed.
        changes.mark_unchanged();
        let read = shared.with(|state| read(state, context, &request));
        if read.is_enough || Instant::now() >= deadline {
            return body::<FetchRequest>(context, &read.response);
        }
        // Whether the time or a change came first, the next look tells.
        let _ = timeout_at(deadline, changes.changed()).await;
    }
}

/// One look at all partitions of a request.
struct Read {
    response: FetchResponse,
    /// It need not wait for more.
    is_enough: bool,
}

fn read(state: &mut State, context: &Context, request: &FetchRequest) -> Read {
    let mut room = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_BYTES);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0).min(room);
    let (mut total, mut available) = (0, 0);
    // Errors are told at once.
    let mut is_urgent = request.topics.is_empty();
    let mut leaders = BTreeSet::new();
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let by = topic_ref(&topic.topic, topic.topic_id, context.version, BY_ID);
        let partitions = topic.partitions.iter().map(|asked| {
            let limit = ReadLimit {
                bytes: usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(room),
                at_least_one: total == 0 && context.version >= AT_LEAST_ONE,
                cut: state.settings.cut_batches || context.version < AT_LEAST_ONE,
            };
            let mut data = match read_partition(state, context, by, asked, limit) {
                Ok((data, log)) => {
                    // More may be there than fits, and counts too.
                    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
                    available += log.available(asked.fetch_offset, min_bytes.min(most));
                    data
                }
                Err(code) => failed(code),
            };
            let size = data.records.as_ref().map_or(0, Bytes::len);
            room = room.saturating_sub(size);
            total += size;
            is_urgent |= data.error_code != 0 || data.diverging_epoch.epoch >= 0;
            data.partition_index = asked.partition;
            data.aborted_transactions = (request.isolation_level == 1).then(Vec::new);
            if moved(data.error_code) && context.version >= LEADER_HINTS {
                if let Some((leader_id, leader_epoch)) = state.topics.leader(by, asked.partition) {
                    leaders.insert(leader_id);
                    data.current_leader =
                        LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
                }
            }
            data
        });
        let partitions = partitions.collect();
        responses.push(FetchableTopicResponse {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partitions,
            ..Default::default()
        });
    }
    let node_endpoints = leaders.into_iter().filter_map(|node_id| {
        let broker = state.brokers.get(&node_id)?;
        Some(NodeEndpoint {
            node_id,
            host: broker.host.clone(),
            port: broker.port.into(),
            rack: broker.rack.clone(),
            ..Default::default()
        })
    });
    let response = FetchResponse {
        throttle_time_ms: context.throttle_time_ms,
        node_endpoints: node_endpoints.collect(),
        responses,
        ..Default::default()
    };
    Read { response, is_enough: is_urgent || available >= min_bytes }
}

fn read_partition<'a>(
    state: &'a mut State,
    context: &Context,
    by: TopicRef<'_>,
    asked: &FetchPartition,
    limit: ReadLimit,
) -> Result<(PartitionData, &'a PartitionLog), ErrorCode> {
    if let Some(code) = context.fail {
        return Err(code);
    }
    let topic = state.topics.find(by)?;
    let partition = topic.led(asked.partition, context.broker, asked.current_leader_epoch)?;
    let log = &partition.log;
    let offset = asked.fetch_offset;
    let mut data = PartitionData {
        high_watermark: log.end(),
        last_stable_offset: log.end(),
        log_start_offset: log.start(),
        records: Some(Bytes::new()),
        ..Default::default()
    };
    if asked.last_fetched_epoch >= 0 {
        let (epoch, end_offset) = log.end_of_epoch(asked.last_fetched_epoch);
        if epoch < 0 {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        if epoch < asked.last_fetched_epoch || end_offset < offset {
            data.diverging_epoch = EpochEndOffset { epoch, end_offset, ..Default::default() };
            return Ok((data, log));
        }
    }
    if !(log.start()..=log.end()).contains(&offset) {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    if context.version < BATCHES && log.has_batches_from(offset) {
        return Err(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT);
    }
    data.records = Some(log.read(offset, limit));
    Ok((data, log))
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
