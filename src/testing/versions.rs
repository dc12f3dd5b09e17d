//! What the brokers of a release do otherwise than those of another, besides the versions that
//! they have.

use crate::protocol::ErrorCode;
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

    /// Whether it refuses records of a transaction that has no name; before that, an authorizer
    /// did.
    pub(super) fn wants_transactional_ids(self) -> bool {
        self >= Self::V2_2
    }

    /// Whether it asks the coordinator of a transaction before it writes to a partition (KIP-890).
    pub(super) fn verifies_transactions(self) -> bool {
        self >= Self::V3_6
    }

    /// Whether there is the feature `transaction.version`.
    pub(super) fn has_transaction_version(self) -> bool {
        self >= Self::V4_0
    }

    /// How many of a producer's last batches a log knows again.
    pub(super) fn remembered_batches(self) -> usize {
        if self < Self::V1_0 { 1 } else { usize::MAX }
    }

    /// Whether it tells a batch that a log no longer remembers from one that comes too early.
    pub(super) fn tells_old_repeats(self) -> bool {
        (Self::V1_0..Self::V1_1).contains(&self)
    }

    /// What a producer is told that a log does not know, and that does not begin at 0. All may go
    /// on since KIP-360, except for those whose transaction begins with that.
    pub(super) fn refuses_unknown_producers(self, begins: bool) -> Option<ErrorCode> {
        match self {
            _ if self >= Self::V4_1 && begins => Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
            _ if self < Self::V1_0 => Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
            _ if self < Self::V2_5 => Some(ErrorCode::UNKNOWN_PRODUCER_ID),
            _ => None,
        }
    }

    /// Whether a log forgets a producer together with its last record, rather than after a time.
    pub(super) fn forgets_producers_early(self) -> bool {
        self < Self::V2_4
    }
}
