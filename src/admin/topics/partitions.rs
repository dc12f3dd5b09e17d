//! Gives topics more partitions.

use super::again_on_quota;
use crate::admin::{PerItem, check_once, setters};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic,
};

/// How many partitions a topic is to have, and where the new ones are to live.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "partitions are created by `Client::create_partitions`"]
pub struct NewPartitions {
    count: i32,
    assignments: Vec<Vec<i32>>,
}

impl NewPartitions {
    /// So many partitions in all, with those that are there.
    pub fn increase_to(count: i32) -> Self {
        Self { count, assignments: Vec::new() }
    }

    /// Which brokers keep the next of the new partitions, the preferred leader first. Must be given
    /// for each new one or for none; where it is not given, the controller chooses.
    pub fn assign(mut self, brokers: impl IntoIterator<Item = i32>) -> Self {
        self.assignments.push(brokers.into_iter().collect());
        self
    }
}

/// Gives topics more partitions: see
/// [`Client::create_partitions`](crate::Client::create_partitions).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct CreatePartitions {
    topics: Vec<(String, NewPartitions)>,
    validate_only: bool,
    retry_on_quota_violation: bool,
}

impl CreatePartitions {
    /// Gives these topics so many partitions. Needs Kafka 1.0 (KIP-195).
    pub fn new<T: Into<String>>(topics: impl IntoIterator<Item = (T, NewPartitions)>) -> Self {
        let topics = topics.into_iter().map(|(topic, new)| (topic.into(), new)).collect();
        Self { topics, validate_only: false, retry_on_quota_violation: true }
    }
}

setters!(CreatePartitions {
    /// Only asks whether the partitions could be created. Default: no.
    validate_only: bool => |this, value| this.validate_only = value;
    /// Whether to try again, until the time is over, what a quota of the brokers (KIP-599) puts
    /// off: `THROTTLING_QUOTA_EXCEEDED`. Default: yes.
    retry_on_quota_violation: bool => |this, value| this.retry_on_quota_violation = value;
});

impl PerItem for CreatePartitions {
    fn items(&self) -> Vec<Self::Item> {
        self.topics.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("topic", self.topics.iter().map(|(topic, _)| topic))?;
        match self.topics.iter().find(|(_, new)| new.assignments.iter().any(Vec::is_empty)) {
            Some((topic, _)) => {
                Err(Error::config(format!("topic {topic}: assign without brokers")))
            }
            None => Ok(()),
        }
    }
}

impl Split for CreatePartitions {
    type Item = (String, NewPartitions);
    type Key = String;
    type Request = CreatePartitionsRequest;
    type Value = ();
    const WHAT: &'static str = "create partitions of topic";

    fn key(&self, (topic, _): &Self::Item) -> String {
        topic.clone()
    }

    fn target(&self, _: &Self::Item) -> Target {
        Target::Controller
    }

    fn is_again(&self, code: ErrorCode) -> Option<bool> {
        again_on_quota(self.retry_on_quota_violation, code)
    }

    #[inline]
    fn request(&self, topics: &[Self::Item], at: &At) -> Result<CreatePartitionsRequest> {
        let topic = |(name, new): &Self::Item| {
            let assignments = new.assignments.iter().map(|brokers| CreatePartitionsAssignment {
                broker_ids: brokers.clone(),
                ..Default::default()
            });
            let assignments: Vec<_> = assignments.collect();
            CreatePartitionsTopic {
                name: name.clone(),
                count: new.count,
                assignments: (!assignments.is_empty()).then_some(assignments),
                ..Default::default()
            }
        };
        Ok(CreatePartitionsRequest {
            topics: topics.iter().map(topic).collect(),
            timeout_ms: at.left_ms,
            validate_only: self.validate_only,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Self::Item],
        response: CreatePartitionsResponse,
        answers: &mut Answers<String, ()>,
    ) {
        for topic in response.results {
            answers.insert(topic.name, topic.error_code, topic.error_message, ());
        }
    }
}
