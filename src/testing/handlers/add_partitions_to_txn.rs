//! `AddPartitionsToTxn`: makes partitions part of a transaction, or tells whether they are.

use super::{Context, coordinator, for_clients};
use crate::protocol::ErrorCode;
use crate::protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
};
use crate::testing::state::{State, TopicRef};

/// Brokers send many transactions at once from this version on (KIP-890).
const BATCHED: i16 = 4;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let throttle_time_ms = context.throttle_time_ms;
    if context.version >= BATCHED {
        let results = request.transactions.into_iter().map(|it| AddPartitionsToTxnResult {
            topic_results: add(state, context, &it),
            transactional_id: it.transactional_id,
            ..Default::default()
        });
        return AddPartitionsToTxnResponse {
            throttle_time_ms,
            results_by_transaction: results.collect(),
            ..Default::default()
        };
    }
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: request.v3_and_below_transactional_id,
        producer_id: request.v3_and_below_producer_id,
        producer_epoch: request.v3_and_below_producer_epoch,
        topics: request.v3_and_below_topics,
        ..Default::default()
    };
    AddPartitionsToTxnResponse {
        throttle_time_ms,
        results_by_topic_v3_and_below: add(state, context, &transaction),
        ..Default::default()
    }
}

fn add(
    state: &mut State,
    context: &Context,
    asked: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let name = &asked.transactional_id;
    let producer = (asked.producer_id, asked.producer_epoch);
    let all: Vec<_> = asked.topics.iter().flat_map(partitions).collect();
    let exists = |state: &mut State, (topic, index): &(String, i32)| {
        state.topics.find(TopicRef::Name(topic)).is_ok_and(|it| it.partition(*index).is_some())
    };
    // All or none.
    let added = coordinator(state, context, name).map(|()| {
        let all_exist = all.iter().all(|at| exists(state, at));
        all_exist.then(|| {
            if asked.verify_only {
                return Ok(());
            }
            state.add_to_transaction(name, producer, all)
        })
    });
    let mut result = |at: (String, i32)| match added {
        Err(code) | Ok(Some(Err(code))) => code,
        Ok(Some(Ok(()))) if asked.verify_only => {
            state.is_in_transaction(name, producer, &at).err().unwrap_or(ErrorCode::NONE)
        }
        Ok(Some(Ok(()))) => ErrorCode::NONE,
        Ok(None) if exists(state, &at) => ErrorCode::OPERATION_NOT_ATTEMPTED,
        Ok(None) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    let topics = asked.topics.iter().map(|topic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: partitions(topic)
            .map(|at| AddPartitionsToTxnPartitionResult {
                partition_index: at.1,
                partition_error_code: for_clients(result(at), context.version, 2).0,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    topics.collect()
}

fn partitions(topic: &AddPartitionsToTxnTopic) -> impl Iterator<Item = (String, i32)> + '_ {
    topic.partitions.iter().map(|index| (topic.name.clone(), *index))
}
