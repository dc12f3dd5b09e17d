//! Transactions: see [`admin::transactions`](crate::admin::transactions).

use super::Client;
use crate::admin::Call;
use crate::admin::transactions::{
    AbortTransaction, DescribeProducers, DescribeTransactions, FenceProducers,
    ForceTerminateTransaction, ListTransactions,
};
use crate::types::TopicPartition;

impl Client {
    /// Lists the transactional ids of all brokers: see [`ListTransactions`]. Needs Kafka 3.0.
    pub fn list_transactions(&self) -> Call<ListTransactions> {
        self.request(ListTransactions::new())
    }

    /// Describes transactional ids, and their open transactions. Needs Kafka 3.0.
    ///
    /// An id that was never used, or not for long, is
    /// [`ErrorCode::TRANSACTIONAL_ID_NOT_FOUND`](crate::protocol::ErrorCode::TRANSACTIONAL_ID_NOT_FOUND).
    pub fn describe_transactions<S: Into<String>>(
        &self,
        transactional_ids: impl IntoIterator<Item = S>,
    ) -> Call<DescribeTransactions> {
        self.request(DescribeTransactions::new(transactional_ids))
    }

    /// Describes the producers that have lately written to partitions, and where their open
    /// transactions begin. Needs Kafka 2.8.
    pub fn describe_producers(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Call<DescribeProducers> {
        self.request(DescribeProducers::new(partitions))
    }

    /// Aborts a transaction in one partition, behind the back of its coordinator: for one that
    /// hangs, as [`describe_producers`](Self::describe_producers) shows it. Needs Kafka 0.11.
    ///
    /// Of a transaction that its coordinator knows, fence the producer instead: the coordinator
    /// may still commit what is in other partitions.
    ///
    /// The partition has had a producer of a later epoch:
    /// [`ErrorCode::INVALID_PRODUCER_EPOCH`](crate::protocol::ErrorCode::INVALID_PRODUCER_EPOCH);
    /// or a later coordinator:
    /// [`ErrorCode::TRANSACTION_COORDINATOR_FENCED`](crate::protocol::ErrorCode::TRANSACTION_COORDINATOR_FENCED).
    pub fn abort_transaction(
        &self,
        partition: TopicPartition,
        producer_id: i64,
        producer_epoch: i16,
        coordinator_epoch: i32,
    ) -> Call<AbortTransaction> {
        let (epoch, coordinator) = (producer_epoch, coordinator_epoch);
        self.request(AbortTransaction::new(partition, producer_id, epoch, coordinator))
    }

    /// Ends what the producers of these transactional ids do: their next calls fail, and their
    /// open transactions are aborted, which this waits for. Needs Kafka 0.11.
    ///
    /// An id that nobody has used exists from then on.
    pub fn fence_producers<S: Into<String>>(
        &self,
        transactional_ids: impl IntoIterator<Item = S>,
    ) -> Call<FenceProducers> {
        self.request(FenceProducers::new(transactional_ids))
    }

    /// Aborts the transaction of a transactional id, also one that waits for the second phase of
    /// its commit (KIP-939), by fencing its producer.
    pub fn force_terminate_transaction(
        &self,
        transactional_id: impl Into<String>,
    ) -> Call<ForceTerminateTransaction> {
        self.request(ForceTerminateTransaction::new(transactional_id))
    }
}
