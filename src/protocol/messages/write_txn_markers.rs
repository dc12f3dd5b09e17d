//! `WriteTxnMarkers`: ends transactions in partitions. Coordinators send it to leaders, and tools
//! to abort a transaction that no coordinator knows any more (KIP-664).

use super::message;

message! {
    request WriteTxnMarkersRequest(27): 0..=2, flexible 1, to Leader, returns WriteTxnMarkersResponse;

    /// The markers to append.
    struct WriteTxnMarkersRequest {
        markers: Vec<WritableTxnMarker> [..],
    }

    /// A marker of one producer: commit if `transaction_result`, else abort.
    struct WritableTxnMarker {
        producer_id: i64 [..],
        producer_epoch: i16 [..],
        transaction_result: bool [..],
        topics: Vec<WritableTxnMarkerTopic> [..],
        coordinator_epoch: i32 [..],
        transaction_version: i8 [2..; ignorable],
    }

    /// The partitions of one topic to append the marker to.
    struct WritableTxnMarkerTopic {
        name: String [..],
        partition_indexes: Vec<i32> [..],
    }
}

message! {
    /// What became of each marker.
    struct WriteTxnMarkersResponse {
        markers: Vec<WritableTxnMarkerResult> [..],
    }

    /// What became of the marker of one producer.
    struct WritableTxnMarkerResult {
        producer_id: i64 [..],
        topics: Vec<WritableTxnMarkerTopicResult> [..],
    }

    /// What became of the marker in the partitions of one topic.
    struct WritableTxnMarkerTopicResult {
        name: String [..],
        partitions: Vec<WritableTxnMarkerPartitionResult> [..],
    }

    /// Whether the marker is in one partition.
    struct WritableTxnMarkerPartitionResult {
        partition_index: i32 [..],
        error_code: i16 [..],
    }
}
