//! Offsets: see [`admin::offsets`](crate::admin::offsets).

use std::sync::Arc;

use super::Client;
use crate::admin::Call;
use crate::admin::offsets::{ListOffsets, OffsetSpec, OffsetsForLeaderEpochs};
use crate::types::TopicPartition;

impl Client {
    /// Looks up offsets: where partitions begin and end, or by time.
    pub fn list_offsets<T: Into<Arc<str>>>(
        &self,
        partitions: impl IntoIterator<Item = (T, i32, OffsetSpec)>,
    ) -> Call<ListOffsets> {
        self.request(ListOffsets::new(partitions))
    }

    /// Looks up where the records of a leader's epoch ended (KIP-101), to find out how much of a log
    /// was cut off when the leader changed. Needs Kafka 0.11.
    pub fn offsets_for_leader_epochs(
        &self,
        epochs: impl IntoIterator<Item = (TopicPartition, i32)>,
    ) -> Call<OffsetsForLeaderEpochs> {
        self.request(OffsetsForLeaderEpochs::new(epochs))
    }
}
