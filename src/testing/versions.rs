//! What the brokers of a release do otherwise than those of another, besides the versions that
//! they have.

pub(super) use crate::protocol::releases::Release;

impl Release {
    /// Whether it stores record batches of version 2 (KIP-98).
    pub(super) fn has_batches(self) -> bool {
        self >= Self::V0_11
    }

    /// Whether it answers first and throttles then (KIP-219), rather than answering late.
    pub(super) fn throttles_after_answer(self) -> bool {
        self >= Self::V2_0
    }

    /// Whether it says in an answer of version 0 which versions of `ApiVersions` it has (KIP-511),
    /// and fills in the defaults of partitions and replication (KIP-464).
    pub(super) fn is_since_2_4(self) -> bool {
        self >= Self::V2_4
    }

    /// Whether a topic that is being created automatically is unknown, rather than leaderless.
    pub(super) fn creates_topics_unseen(self) -> bool {
        self >= Self::V2_8
    }

    /// Whether an abort of nothing is told to readers, as a transaction that began at its marker.
    pub(super) fn tells_empty_aborts(self) -> bool {
        self < Self::V2_8
    }
}
