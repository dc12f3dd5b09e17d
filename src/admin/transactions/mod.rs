//! Transactions: which there are, who writes in them, and ways to end those that hang (KIP-664).
//!
//! A transactional id is kept by a broker, its coordinator; what it writes is kept by the leaders
//! of the partitions. While a transaction is open, readers with
//! [`IsolationLevel::ReadCommitted`](crate::IsolationLevel::ReadCommitted) stop before its first
//! record. Coordinators abort what is open for too long (property `transaction.timeout.ms`), so
//! one that blocks readers for longer is one that its coordinator does not know of: a partition
//! has a producer with an open transaction, and no transactional id has that producer's id.
//! [`Client::abort_transaction`](crate::Client::abort_transaction) ends it in that partition.
//!
//! ```no_run
//! // Compiled only: the in-process cluster has no transactions.
//! use kafkio::admin::transactions::TransactionState;
//! use kafkio::{Client, TopicPartition};
//! use std::time::Duration;
//!
//! # async fn run(client: Client) -> kafkio::Result<()> {
//! let old = client.list_transactions().longer_than(Duration::from_secs(900));
//! let old = old.states(vec![TransactionState::Ongoing]).await?.into_result()?;
//! for transaction in old {
//!     println!("{} is open", transaction.transactional_id);
//! }
//! let orders = TopicPartition::new("orders", 0);
//! for producer in client.describe_producers([orders]).await?.into_only()? {
//!     if let Some(offset) = producer.transaction_start_offset {
//!         println!("producer {} has readers wait at {offset}", producer.producer_id);
//!     }
//! }
//! // Whoever has this transactional id cannot go on, and what it has not committed is aborted.
//! client.fence_producers(["billing"]).await?.into_result()?;
//! # Ok(()) }
//! ```

mod describe;
mod end;
mod list;
mod producers;

pub use describe::{DescribeTransactions, Transaction};
pub use end::{AbortTransaction, FenceProducers, FencedProducer, ForceTerminateTransaction};
pub use list::{ListTransactions, TransactionListing};
pub use producers::{DescribeProducers, ProducerState};

use super::names;
use crate::error::{Error, Result};

names! {
    /// What a transactional id is doing.
    enum TransactionState {
        /// No transaction since the producer began.
        Empty = "Empty",
        /// A transaction is open.
        Ongoing = "Ongoing",
        /// A commit is being written to the partitions.
        PrepareCommit = "PrepareCommit",
        /// An abort is being written to the partitions.
        PrepareAbort = "PrepareAbort",
        /// The last transaction was committed.
        CompleteCommit = "CompleteCommit",
        /// The last transaction was aborted.
        CompleteAbort = "CompleteAbort",
        /// The id is about to be forgotten, as it was not used for long.
        Dead = "Dead",
        /// The producer is being fenced, and its transaction aborted.
        PrepareEpochFence = "PrepareEpochFence",
    }
}

fn check_ids(ids: &[String]) -> Result<()> {
    super::check_once("transactional id", ids)?;
    if ids.iter().any(String::is_empty) {
        return Err(Error::config("a transactional id is empty"));
    }
    Ok(())
}
