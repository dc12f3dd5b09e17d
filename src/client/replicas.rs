//! Replicas and where they are: see [`admin::replicas`](crate::admin::replicas) and
//! [`admin::log_dirs`](crate::admin::log_dirs).

use std::sync::Arc;

use super::Client;
use crate::admin::Call;
use crate::admin::log_dirs::{
    AlterReplicaLogDirs, DescribeLogDirs, DescribeReplicaLogDirs, Replica,
};
use crate::admin::replicas::{
    AlterPartitionReassignments, ElectLeaders, ElectionType, ListPartitionReassignments,
    Reassignment,
};

impl Client {
    /// Makes other replicas of these partitions lead. One that leads already is a success:
    /// [`Election::NotNeeded`](crate::admin::replicas::Election::NotNeeded).
    pub fn elect_leaders<T: Into<Arc<str>>>(
        &self,
        kind: ElectionType,
        partitions: impl IntoIterator<Item = (T, i32)>,
    ) -> Call<ElectLeaders> {
        self.request(ElectLeaders::new(kind, partitions))
    }

    /// Makes other replicas lead in all partitions that need it.
    pub fn elect_all_leaders(&self, kind: ElectionType) -> Call<ElectLeaders> {
        self.request(ElectLeaders::all(kind))
    }

    /// Begins to move partitions to other brokers, or cancels moves. To cancel where nothing moves
    /// is `NO_REASSIGNMENT_IN_PROGRESS`.
    pub fn alter_partition_reassignments(
        &self,
        moves: impl IntoIterator<Item = Reassignment>,
    ) -> Call<AlterPartitionReassignments> {
        self.request(AlterPartitionReassignments::new(moves))
    }

    /// Lists the moves to other brokers that are under way; partitions that stay, or do not exist,
    /// are not in it.
    pub fn list_partition_reassignments(&self) -> Call<ListPartitionReassignments> {
        self.request(ListPartitionReassignments::new())
    }

    /// Describes the log directories of all brokers, or of some, and the replicas in them.
    pub fn describe_log_dirs(&self) -> Call<DescribeLogDirs> {
        self.request(DescribeLogDirs::new())
    }

    /// Tells in which directories these replicas are, and to which they move.
    pub fn describe_replica_log_dirs(
        &self,
        replicas: impl IntoIterator<Item = Replica>,
    ) -> Call<DescribeReplicaLogDirs> {
        self.request(DescribeReplicaLogDirs::new(replicas))
    }

    /// Begins to move replicas to other directories of their brokers.
    ///
    /// `LOG_DIR_NOT_FOUND` where the broker has no such directory. `REPLICA_NOT_AVAILABLE` where it
    /// has no such replica: it remembers the directory, for when it gets one;
    /// `UNKNOWN_TOPIC_OR_PARTITION` where nobody has.
    pub fn alter_replica_log_dirs<P: Into<String>>(
        &self,
        moves: impl IntoIterator<Item = (Replica, P)>,
    ) -> Call<AlterReplicaLogDirs> {
        self.request(AlterReplicaLogDirs::new(moves))
    }
}
