//! Ends transactions from outside: by a marker in a partition, or by fencing the producer.

use super::check_ids;
use crate::admin::sealed::{Context, Run};
use crate::admin::{PerItem, Results, Running, each_partition};
use crate::cluster::{Answers, At, Split, Target, split};
use crate::error::{Error, Result};
use crate::protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use crate::types::TopicPartition;

/// Aborts a transaction in one partition: see
/// [`Client::abort_transaction`](crate::Client::abort_transaction).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AbortTransaction {
    partition: TopicPartition,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
}

impl AbortTransaction {
    /// Aborts what this producer has open in this partition, as
    /// [`DescribeProducers`](super::DescribeProducers) tells it. Where that knows no epoch of the
    /// coordinator, 0 will do.
    pub fn new(
        partition: TopicPartition,
        producer_id: i64,
        producer_epoch: i16,
        coordinator_epoch: i32,
    ) -> Self {
        Self { partition, producer_id, producer_epoch, coordinator_epoch }
    }
}

impl Run for AbortTransaction {
    type Output = ();

    fn check(&self) -> Result<()> {
        if self.producer_id < 0 || self.producer_epoch < 0 || self.coordinator_epoch < 0 {
            return Err(Error::config("an id or epoch of the transaction to abort is negative"));
        }
        Ok(())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<()> {
        Box::pin(async move {
            let partitions = vec![self.partition.clone()];
            Results::new(split(&cluster, deadline, &self, partitions).await?).into_only()
        })
    }
}

impl Split for AbortTransaction {
    type Item = TopicPartition;
    type Key = TopicPartition;
    type Request = WriteTxnMarkersRequest;
    type Value = ();
    const WHAT: &'static str = "abort the transaction in";

    fn key(&self, at: &TopicPartition) -> TopicPartition {
        at.clone()
    }

    fn target(&self, at: &TopicPartition) -> Target {
        Target::Leader(at.clone())
    }

    #[inline]
    fn request(&self, _: &[TopicPartition], _: &At) -> Result<WriteTxnMarkersRequest> {
        let topic = WritableTxnMarkerTopic {
            name: self.partition.topic.as_ref().to_owned(),
            partition_indexes: vec![self.partition.partition],
            ..Default::default()
        };
        let marker = WritableTxnMarker {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            transaction_result: false,
            topics: vec![topic],
            coordinator_epoch: self.coordinator_epoch,
            ..Default::default()
        };
        Ok(WriteTxnMarkersRequest { markers: vec![marker], ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[TopicPartition],
        response: WriteTxnMarkersResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        let markers = response.markers.into_iter().filter(|it| it.producer_id == self.producer_id);
        let topics = markers.flat_map(|marker| marker.topics).map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            answers.insert(at, it.error_code, None, ());
        }
    }
}

/// Fences producers: see [`Client::fence_producers`](crate::Client::fence_producers).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct FenceProducers {
    ids: Vec<String>,
}

impl FenceProducers {
    /// Fences the producers of these transactional ids.
    pub fn new<S: Into<String>>(transactional_ids: impl IntoIterator<Item = S>) -> Self {
        Self { ids: transactional_ids.into_iter().map(Into::into).collect() }
    }
}

/// What a transactional id has after it was fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FencedProducer {
    /// The id of the producer, which is another if the epochs of the old one were used up.
    pub producer_id: i64,
    /// The epoch from which on a producer is not fenced.
    pub producer_epoch: i16,
}

/// The transaction timeout to ask for, if there is that much time: the coordinator takes it for how
/// long it may write the new epoch, and refuses what is above its `transaction.max.timeout.ms`. As
/// long as Java's client waits for an answer; the next producer says a timeout of its own.
const TRANSACTION_TIMEOUT_MS: i32 = 30_000;

impl PerItem for FenceProducers {
    fn items(&self) -> Vec<Self::Item> {
        self.ids.clone()
    }

    fn check(&self) -> Result<()> {
        check_ids(&self.ids)
    }
}

impl Split for FenceProducers {
    type Item = String;
    type Key = String;
    type Request = InitProducerIdRequest;
    type Value = FencedProducer;
    const WHAT: &'static str = "fence producers of transactional id";
    const MANY_FROM: i16 = i16::MAX;

    fn key(&self, id: &String) -> String {
        id.clone()
    }

    fn target(&self, id: &String) -> Target {
        Target::Transaction(id.clone())
    }

    #[inline]
    fn request(&self, ids: &[String], at: &At) -> Result<InitProducerIdRequest> {
        Ok(InitProducerIdRequest {
            transactional_id: ids.first().cloned(),
            transaction_timeout_ms: at.left_ms.clamp(1, TRANSACTION_TIMEOUT_MS),
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        ids: &[String],
        response: InitProducerIdResponse,
        answers: &mut Answers<String, FencedProducer>,
    ) {
        let (producer_id, producer_epoch) = (response.producer_id, response.producer_epoch);
        let fenced = FencedProducer { producer_id, producer_epoch };
        for id in ids {
            answers.insert(id.clone(), response.error_code, None, fenced);
        }
    }
}

/// Ends the transaction of a transactional id: see
/// [`Client::force_terminate_transaction`](crate::Client::force_terminate_transaction).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ForceTerminateTransaction(FenceProducers);

impl ForceTerminateTransaction {
    /// Ends the transaction of this transactional id.
    pub fn new(transactional_id: impl Into<String>) -> Self {
        Self(FenceProducers::new([transactional_id]))
    }
}

impl Run for ForceTerminateTransaction {
    type Output = ();

    fn check(&self) -> Result<()> {
        PerItem::check(&self.0)
    }

    #[inline]
    fn run(self, context: Context) -> Running<()> {
        Box::pin(async move { self.0.run(context).await?.into_only().map(|_| ()) })
    }
}
