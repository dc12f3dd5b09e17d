//! `Produce`: checks and appends what a producer sent.

use std::collections::BTreeSet;

use super::{Context, Reply, body, request, topic_ref};
use crate::protocol::ErrorCode;
use crate::protocol::messages::produce::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceResponse,
};
use crate::testing::batch::Header;
use crate::testing::broker::Shared;
use crate::testing::faults::Call;
use crate::testing::log::{Rejected, Rules};
use crate::testing::producers::ADDS;
use crate::testing::state::{State, Topic, TopicRef};

/// Topics have ids in place of names from this version on.
const BY_ID: i16 = 13;
/// Clients know `TRANSACTION_ABORTABLE` from this version on.
const ABORTABLE: i16 = 11;
/// The answer says who leads instead, from this version on (KIP-951).
const LEADER_HINTS: i16 = 10;

pub(super) fn serve(shared: &Shared, context: &Context, call: &Call) -> Reply {
    let request = match request::<ProduceRequest>(call) {
        Ok(request) => request,
        Err(close) => return close,
    };
    let wants_answer = request.acks != 0;
    let response = shared.update(|state| handle(state, context, request));
    if wants_answer {
        return body::<ProduceRequest>(context, &response);
    }
    // The only way to tell a producer that wants no answer.
    let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    if partitions.any(|partition| partition.error_code != 0) {
        return Reply::Close("an error that cannot be answered");
    }
    Reply::Silence
}

fn handle(state: &mut State, context: &Context, request: ProduceRequest) -> ProduceResponse {
    let mut leaders = BTreeSet::new();
    let name = request.transactional_id.as_deref();
    let mut responses = Vec::new();
    for topic in request.topic_data {
        let by = topic_ref(&topic.name, topic.topic_id, context.version, BY_ID);
        let partitions = topic.partition_data.into_iter().map(|partition| {
            let index = partition.index;
            let mut response = match append(state, context, by, partition, (request.acks, name)) {
                Ok(response) => response,
                Err(rejected) => failed(rejected),
            };
            response.index = index;
            if response.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER.0
                && context.version >= LEADER_HINTS
            {
                if let Some((leader_id, leader_epoch)) = state.topics.leader(by, index) {
                    leaders.insert(leader_id);
                    response.current_leader =
                        LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
                }
            }
            response
        });
        let partition_responses = partitions.collect();
        responses.push(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses,
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
    ProduceResponse {
        node_endpoints: node_endpoints.collect(),
        responses,
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    }
}

fn append(
    state: &mut State,
    context: &Context,
    by: TopicRef<'_>,
    data: PartitionProduceData,
    (acks, transactional_id): (i16, Option<&str>),
) -> Result<PartitionProduceResponse, Rejected> {
    let rejected = |code: ErrorCode| Rejected { code, text: code.text() };
    if let Some(code) = context.fail {
        return Err(rejected(code));
    }
    if !(-1..=1).contains(&acks) {
        return Err(rejected(ErrorCode::INVALID_REQUIRED_ACKS));
    }
    let records = data.records.unwrap_or_default();
    if let Some(header) = Header::read(&records).filter(Header::is_transactional) {
        let at = (by, data.index);
        verify(state, context, transactional_id, &header, at).map_err(rejected)?;
    }
    let (now, live) = (state.now(), state.live());
    let topic = state.topics.find(by).map_err(rejected)?;
    let rules = Rules {
        produce_version: context.version,
        max_batch_bytes: max_batch_bytes(topic).unwrap_or(state.settings.message_max_bytes),
        release: state.settings.release,
        log_append_time: topic.is_log_append_time().then_some(now),
    };
    let min_in_sync = topic.number("min.insync.replicas").unwrap_or(1);
    let partition = topic.led(data.index, context.broker, -1).map_err(rejected)?;
    if acks == -1 && partition.in_sync(&live).count() < min_in_sync {
        return Err(rejected(ErrorCode::NOT_ENOUGH_REPLICAS));
    }
    let appended = partition.log.append(records, &rules)?;
    Ok(PartitionProduceResponse {
        base_offset: appended.base_offset,
        log_append_time_ms: appended.time.unwrap_or(-1),
        log_start_offset: partition.log.start(),
        ..Default::default()
    })
}

/// Whether the producer may write to the partition in its transaction.
fn verify(
    state: &mut State,
    context: &Context,
    transactional_id: Option<&str>,
    header: &Header,
    (by, index): (TopicRef<'_>, i32),
) -> Result<(), ErrorCode> {
    let Some(name) = transactional_id else {
        let is_refused = state.settings.release.wants_transactional_ids();
        let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        return if is_refused { Err(code) } else { Ok(()) };
    };
    let topic = state.topics.find(by)?;
    if topic.led(index, context.broker, -1)?.log.producers.is_open(header) {
        return Ok(());
    }
    let at = (topic.name.clone(), index);
    let producer = (header.producer_id, header.producer_epoch);
    let verified = state.verify(name, producer, at, context.version >= ADDS);
    verified.map_err(|code| match code {
        ErrorCode::TRANSACTION_ABORTABLE if context.version < ABORTABLE => {
            ErrorCode::INVALID_TXN_STATE
        }
        // Older clients would not try again.
        ErrorCode::CONCURRENT_TRANSACTIONS if context.version < ADDS => {
            ErrorCode::NOT_ENOUGH_REPLICAS
        }
        code => code,
    })
}

fn max_batch_bytes(topic: &Topic) -> Option<usize> {
    topic.number("max.message.bytes")
}

fn failed(rejected: Rejected) -> PartitionProduceResponse {
    PartitionProduceResponse {
        error_code: rejected.code.0,
        base_offset: -1,
        error_message: Some(rejected.text.to_owned()).filter(|text| !text.is_empty()),
        ..Default::default()
    }
}
