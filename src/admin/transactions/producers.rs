//! Describes the producers that partitions remember.

use crate::admin::{PerItem, by_topic, check_once, each_partition, setters};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::Result;
use crate::protocol::messages::describe_producers::{
    self, DescribeProducersRequest, DescribeProducersResponse, TopicRequest,
};
use crate::types::{Timestamp, TopicPartition};

/// Describes producers: see
/// [`Client::describe_producers`](crate::Client::describe_producers).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeProducers {
    partitions: Vec<TopicPartition>,
    broker: Option<i32>,
}

impl DescribeProducers {
    /// Describes the producers of these partitions.
    pub fn new(partitions: impl IntoIterator<Item = TopicPartition>) -> Self {
        Self { partitions: partitions.into_iter().collect(), broker: None }
    }
}

setters!(DescribeProducers {
    /// The broker to ask, which must have a copy of each of the partitions. Default: their leaders.
    broker: i32 => |this, value| this.broker = Some(value);
});

/// What a partition remembers of a producer, idempotent or transactional.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch; `None` if it is none that a producer can have.
    pub producer_epoch: Option<i16>,
    /// The sequence number of the last record that it has written.
    pub last_sequence: Option<i32>,
    /// The timestamp of the last record that it has written.
    pub last_timestamp: Option<Timestamp>,
    /// The epoch of the transaction coordinator that wrote the last marker, if there was one.
    pub coordinator_epoch: Option<i32>,
    /// The first record of its open transaction, if one is open in this partition.
    pub transaction_start_offset: Option<i64>,
}

impl PerItem for DescribeProducers {
    fn items(&self) -> Vec<Self::Item> {
        self.partitions.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("partition", &self.partitions)
    }
}

impl Split for DescribeProducers {
    type Item = TopicPartition;
    type Key = TopicPartition;
    type Request = DescribeProducersRequest;
    type Value = Vec<ProducerState>;
    const WHAT: &'static str = "describe producers of";

    fn key(&self, at: &TopicPartition) -> TopicPartition {
        at.clone()
    }

    fn target(&self, at: &TopicPartition) -> Target {
        self.broker.map_or_else(|| Target::Leader(at.clone()), Target::Broker)
    }

    #[inline]
    fn request(&self, items: &[TopicPartition], _: &At) -> Result<DescribeProducersRequest> {
        let topics = by_topic(items.iter().map(|at| (at, at.partition)));
        let topics = topics.into_iter().map(|(name, partition_indexes)| TopicRequest {
            name: name.to_owned(),
            partition_indexes,
            ..Default::default()
        });
        Ok(DescribeProducersRequest { topics: topics.collect(), ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[TopicPartition],
        response: DescribeProducersResponse,
        answers: &mut Answers<TopicPartition, Vec<ProducerState>>,
    ) {
        let topics = response.topics.into_iter().map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            let producers = it.active_producers.into_iter().map(ProducerState::from);
            let (code, message) = (it.error_code, it.error_message);
            answers.insert(at, code, message, producers.collect());
        }
    }
}

impl From<describe_producers::ProducerState> for ProducerState {
    fn from(it: describe_producers::ProducerState) -> Self {
        let some = |value: i32| Some(value).filter(|value| *value >= 0);
        let some_long = |value: i64| Some(value).filter(|value| *value >= 0);
        Self {
            producer_id: it.producer_id,
            producer_epoch: some(it.producer_epoch).and_then(|epoch| epoch.try_into().ok()),
            last_sequence: some(it.last_sequence),
            last_timestamp: some_long(it.last_timestamp).map(Timestamp::from_millis),
            coordinator_epoch: some(it.coordinator_epoch),
            transaction_start_offset: some_long(it.current_txn_start_offset),
        }
    }
}
