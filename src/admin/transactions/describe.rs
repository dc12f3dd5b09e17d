//! Describes transactional ids.

use std::time::Duration;

use super::{TransactionState, check_ids};
use crate::admin::{PerItem, partitions_of};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::Result;
use crate::protocol::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse,
};
use crate::types::{Timestamp, TopicPartition};

/// Describes transactional ids: see
/// [`Client::describe_transactions`](crate::Client::describe_transactions).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeTransactions {
    ids: Vec<String>,
}

impl DescribeTransactions {
    /// Describes these transactional ids.
    pub fn new<S: Into<String>>(transactional_ids: impl IntoIterator<Item = S>) -> Self {
        Self { ids: transactional_ids.into_iter().map(Into::into).collect() }
    }
}

/// A transactional id, and its transaction if one is open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transaction {
    /// What it is doing.
    pub state: TransactionState,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// The id of its latest producer.
    pub producer_id: i64,
    /// How often the producer id was fenced.
    pub producer_epoch: i16,
    /// How long its transactions may be open (property `transaction.timeout.ms`).
    pub timeout: Duration,
    /// When the open transaction began; where none is open, the one before, or `None`.
    pub start_time: Option<Timestamp>,
    /// The partitions in the open transaction.
    pub partitions: Vec<TopicPartition>,
}

impl PerItem for DescribeTransactions {
    fn items(&self) -> Vec<Self::Item> {
        self.ids.clone()
    }

    fn check(&self) -> Result<()> {
        check_ids(&self.ids)
    }
}

impl Split for DescribeTransactions {
    type Item = String;
    type Key = String;
    type Request = DescribeTransactionsRequest;
    type Value = Transaction;
    const WHAT: &'static str = "describe transactional id";

    fn key(&self, id: &String) -> String {
        id.clone()
    }

    fn target(&self, id: &String) -> Target {
        Target::Transaction(id.clone())
    }

    #[inline]
    fn request(&self, ids: &[String], _: &At) -> Result<DescribeTransactionsRequest> {
        let transactional_ids = ids.to_vec();
        Ok(DescribeTransactionsRequest { transactional_ids, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[String],
        response: DescribeTransactionsResponse,
        answers: &mut Answers<String, Transaction>,
    ) {
        for it in response.transaction_states {
            let partitions = it.topics.into_iter();
            let partitions = partitions.flat_map(|it| partitions_of(it.topic, it.partitions));
            let transaction = Transaction {
                state: TransactionState::from_name(&it.transaction_state),
                coordinator: answers.broker,
                producer_id: it.producer_id,
                producer_epoch: it.producer_epoch,
                timeout: Duration::from_millis(
                    u64::try_from(it.transaction_timeout_ms).unwrap_or_default(),
                ),
                start_time: Some(it.transaction_start_time_ms)
                    .filter(|time| *time >= 0)
                    .map(Timestamp::from_millis),
                partitions: partitions.collect(),
            };
            answers.insert(it.transactional_id, it.error_code, None, transaction);
        }
    }
}
