//! `WriteTxnMarkers`: ends transactions in partitions, as tools do whose coordinator does not.

use super::Context;
use crate::protocol::ErrorCode;
use crate::protocol::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use crate::testing::batch;
use crate::testing::state::{State, TopicRef};

pub(super) fn handle(
    state: &mut State,
    context: &Context,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let markers = request.markers.into_iter().map(|marker| {
        let topics = marker.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                let written = write(state, context, &marker, (&topic.name, *index));
                WritableTxnMarkerPartitionResult {
                    partition_index: *index,
                    error_code: written.err().unwrap_or(ErrorCode::NONE).0,
                    ..Default::default()
                }
            });
            WritableTxnMarkerTopicResult {
                name: topic.name.clone(),
                partitions: partitions.collect(),
                ..Default::default()
            }
        });
        WritableTxnMarkerResult {
            producer_id: marker.producer_id,
            topics: topics.collect(),
            ..Default::default()
        }
    });
    WriteTxnMarkersResponse { markers: markers.collect(), ..Default::default() }
}

fn write(
    state: &mut State,
    context: &Context,
    marker: &WritableTxnMarker,
    (topic, index): (&str, i32),
) -> Result<(), ErrorCode> {
    if let Some(code) = context.fail {
        return Err(code);
    }
    let (now, empty_counts) = (state.now(), state.settings.release.tells_empty_aborts());
    let topic = state.topics.find(TopicRef::Name(topic))?;
    let log = &mut topic.led(index, context.broker, -1)?.log;
    let (id, epoch) = (marker.producer_id, marker.producer_epoch);
    if log.producers.is_fenced(id, epoch) {
        return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
    }
    log.end_transaction(batch::marker(id, epoch, marker.transaction_result, now), empty_counts);
    Ok(())
}
