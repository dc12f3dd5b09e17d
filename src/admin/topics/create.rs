//! Creates topics.

use std::collections::BTreeMap;

use super::again_on_quota;
use crate::admin::configs::{ConfigEntry, ConfigSource};
use crate::admin::{PerItem, check_once, setters};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs,
    CreateTopicsRequest, CreateTopicsResponse,
};
use crate::wire::Uuid;

/// A topic to be created.
///
/// ```
/// use kafkio::admin::topics::NewTopic;
///
/// let topic = NewTopic::new("orders")
///     .partitions(12)
///     .replication_factor(3)
///     .config("retention.ms", "86400000");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a topic is created by `Client::create_topics`"]
pub struct NewTopic {
    name: String,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    assignments: Vec<(i32, Vec<i32>)>,
    configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with the broker's default of partitions and copies; one of each before Kafka 2.4,
    /// which does not know defaults in this call (KIP-464).
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }

    /// How many partitions.
    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// How many brokers keep a copy.
    pub fn replication_factor(mut self, copies: i16) -> Self {
        self.replication_factor = Some(copies);
        self
    }

    /// Which brokers keep a partition, the preferred leader first. Takes the place of
    /// [`partitions`](Self::partitions) and [`replication_factor`](Self::replication_factor), and
    /// must then be given for each partition.
    pub fn assign(mut self, partition: i32, brokers: impl IntoIterator<Item = i32>) -> Self {
        self.assignments.push((partition, brokers.into_iter().collect()));
        self
    }

    /// A setting of the topic, such as `cleanup.policy`.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), Some(value.into())));
        self
    }

    fn to_wire(&self, version: i16) -> CreatableTopic {
        let assigned = !self.assignments.is_empty();
        let default = if version >= 4 { -1 } else { 1 };
        CreatableTopic {
            name: self.name.clone(),
            num_partitions: if assigned { -1 } else { self.partitions.unwrap_or(default.into()) },
            replication_factor: if assigned {
                -1
            } else {
                self.replication_factor.unwrap_or(default)
            },
            assignments: self
                .assignments
                .iter()
                .map(|(partition, brokers)| CreatableReplicaAssignment {
                    partition_index: *partition,
                    broker_ids: brokers.clone(),
                    ..Default::default()
                })
                .collect(),
            configs: self
                .configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: name.clone(),
                    value: value.clone(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }
    }
}

/// Creates topics: see [`Client::create_topics`](crate::Client::create_topics).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct CreateTopics {
    topics: Vec<NewTopic>,
    validate_only: bool,
    retry_on_quota_violation: bool,
}

impl CreateTopics {
    /// Creates these topics.
    pub fn new(topics: impl IntoIterator<Item = NewTopic>) -> Self {
        Self {
            topics: topics.into_iter().collect(),
            validate_only: false,
            retry_on_quota_violation: true,
        }
    }
}

setters!(CreateTopics {
    /// Only asks whether the topics could be created. Default: no. Needs Kafka 0.10.2.
    validate_only: bool => |this, value| this.validate_only = value;
    /// Whether to try again, until the time is over, what a quota of the brokers (KIP-599) puts
    /// off: `THROTTLING_QUOTA_EXCEEDED`. Default: yes.
    retry_on_quota_violation: bool => |this, value| this.retry_on_quota_violation = value;
});

/// A topic that was created, as far as the broker tells: Kafka 2.4 and later (KIP-525).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id, from Kafka 2.8 on.
    pub id: Option<Uuid>,
    /// Its partitions.
    pub partitions: Option<i32>,
    /// Its copies.
    pub replication_factor: Option<i16>,
    /// All its settings by name, with their sources; or what the broker says against telling them, such as
    /// `TOPIC_AUTHORIZATION_FAILED`.
    pub configs: Option<Result<BTreeMap<String, ConfigEntry>, ErrorCode>>,
}

impl PerItem for CreateTopics {
    fn items(&self) -> Vec<Self::Item> {
        self.topics.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("topic", self.topics.iter().map(|topic| &topic.name))?;
        for topic in &self.topics {
            if !topic.assignments.is_empty()
                && (topic.partitions.is_some() || topic.replication_factor.is_some())
            {
                let name = &topic.name;
                return Err(Error::config(format!(
                    "topic {name}: assign replaces partitions and replication_factor"
                )));
            }
        }
        Ok(())
    }
}

impl Split for CreateTopics {
    type Item = NewTopic;
    type Key = String;
    type Request = CreateTopicsRequest;
    type Value = CreatedTopic;
    const WHAT: &'static str = "create topic";

    fn key(&self, topic: &NewTopic) -> String {
        topic.name.clone()
    }

    fn target(&self, _: &NewTopic) -> Target {
        Target::Controller
    }

    fn is_again(&self, code: ErrorCode) -> Option<bool> {
        again_on_quota(self.retry_on_quota_violation, code)
    }

    #[inline]
    fn request(&self, topics: &[NewTopic], at: &At) -> Result<CreateTopicsRequest> {
        let request = create_topics_request(topics, at.left_ms, at.version);
        Ok(CreateTopicsRequest { validate_only: self.validate_only, ..request })
    }

    #[inline]
    fn answers(
        &self,
        _: &[NewTopic],
        response: CreateTopicsResponse,
        answers: &mut Answers<String, CreatedTopic>,
    ) {
        for topic in response.topics {
            let configs = match ErrorCode(topic.topic_config_error_code).check() {
                Err(code) => Some(Err(code)),
                Ok(()) => topic.configs.map(|all| Ok(all.into_iter().map(config).collect())),
            };
            let created = CreatedTopic {
                id: Some(topic.topic_id).filter(|id| !id.is_nil()),
                partitions: Some(topic.num_partitions).filter(|count| *count > 0),
                replication_factor: Some(topic.replication_factor).filter(|copies| *copies > 0),
                configs,
            };
            answers.insert(topic.name, topic.error_code, topic.error_message, created);
        }
    }
}

/// The request of one attempt.
pub(crate) fn create_topics_request(
    topics: &[NewTopic],
    timeout_ms: i32,
    version: i16,
) -> CreateTopicsRequest {
    CreateTopicsRequest {
        topics: topics.iter().map(|topic| topic.to_wire(version)).collect(),
        timeout_ms,
        ..Default::default()
    }
}

fn config(config: CreatableTopicConfigs) -> (String, ConfigEntry) {
    let entry = ConfigEntry {
        value: config.value,
        source: ConfigSource::from_code(config.config_source),
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
        ..ConfigEntry::new(config.name)
    };
    (entry.name.clone(), entry)
}
