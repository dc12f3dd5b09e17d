//! `TxnOffsetCommit`: offsets of a group that count once the transaction is committed.

use super::{Context, coordinator, offset_commit};
use crate::protocol::ErrorCode;
use crate::protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
};
use crate::testing::offsets::OFFSETS_TOPIC;
use crate::testing::state::{State, TopicRef, coordinator_partition};

/// From these versions on clients know `TRANSACTION_ABORTABLE`, and the offsets become part of the
/// transaction by this (KIP-890).
const ABORTABLE: i16 = 4;
const ADDS: i16 = 5;

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let checked = check(state, context, &request);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|it| {
            let by = TopicRef::Name(&topic.name);
            let offset = (it.committed_offset, it.committed_leader_epoch, it.committed_metadata);
            let kept = checked.and_then(|()| {
                let producer = Some(request.producer_id);
                let at = (by, it.partition_index);
                offset_commit::keep(state, &request.group_id, producer, at, offset)
            });
            TxnOffsetCommitResponsePartition {
                partition_index: it.partition_index,
                error_code: kept.err().unwrap_or(ErrorCode::NONE).0,
                ..Default::default()
            }
        });
        let partitions = partitions.collect();
        TxnOffsetCommitResponseTopic { name: topic.name, partitions, ..Default::default() }
    });
    TxnOffsetCommitResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
        ..Default::default()
    }
}

fn check(
    state: &mut State,
    context: &Context,
    request: &TxnOffsetCommitRequest,
) -> Result<(), ErrorCode> {
    coordinator(state, context, &request.group_id)?;
    offset_commit::check_member(request.generation_id, &request.member_id)?;
    let offsets = (OFFSETS_TOPIC.to_owned(), coordinator_partition(&request.group_id));
    let producer = (request.producer_id, request.producer_epoch);
    let adds = context.version >= ADDS;
    match state.verify(&request.transactional_id, producer, offsets, adds) {
        Err(ErrorCode::TRANSACTION_ABORTABLE) if context.version < ABORTABLE => {
            Err(ErrorCode::INVALID_TXN_STATE)
        }
        verified => verified,
    }
}
