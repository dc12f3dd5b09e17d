//! Describes brokers, topics and partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sealed::{Context, Run};
use super::{Broker, Running, TopicMetadata};
use crate::cluster::{Metadata, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};

/// Describes the cluster and topics: see [`Client::metadata`](crate::Client::metadata).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeMetadata {
    topics: Option<Vec<String>>,
}

impl DescribeMetadata {
    /// Describes these topics. Never creates one.
    pub fn new<S: Into<String>>(topics: impl IntoIterator<Item = S>) -> Self {
        Self { topics: Some(topics.into_iter().map(Into::into).collect()) }
    }

    /// Describes all topics of the cluster, which can be many.
    pub fn all() -> Self {
        Self { topics: None }
    }
}

/// A cluster at one moment, as one broker saw it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterMetadata {
    /// The id of the cluster, from Kafka 0.10.1 on.
    pub cluster_id: Option<String>,
    /// The broker that changes topics and settings.
    pub controller: Option<i32>,
    /// The brokers, by id.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that were asked for, by name. One that cannot be described has an
    /// [`error`](TopicMetadata::error).
    pub topics: BTreeMap<Arc<str>, Arc<TopicMetadata>>,
}

impl ClusterMetadata {
    /// A topic that exists.
    ///
    /// # Errors
    ///
    /// What the broker said of the topic, such as `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn topic(&self, name: &str) -> Result<&TopicMetadata> {
        let topic = self.topics.get(name);
        let code = topic.map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |topic| topic.error);
        code.check().map_err(|code| Error::broker(code, format!("metadata of topic {name}")))?;
        topic
            .map(AsRef::as_ref)
            .ok_or_else(|| Error::config(format!("topic {name} was not asked for")))
    }
}

impl Run for DescribeMetadata {
    type Output = ClusterMetadata;

    fn run(self, Context(cluster): Context) -> Running<Self::Output> {
        Box::pin(async move {
            let mut attempts = cluster.attempts(cluster.deadline());
            loop {
                let request = |version| request(self.topics.as_deref(), version);
                let attempt = cluster.attempt(&Target::Any, request);
                match attempts.run(|| "describe metadata".to_owned(), attempt).await {
                    Ok(response) => {
                        let metadata = Metadata::default().merged(response);
                        return Ok(ClusterMetadata {
                            cluster_id: metadata.cluster_id,
                            controller: metadata.controller,
                            brokers: metadata.brokers,
                            topics: metadata.topics.into_iter().collect(),
                        });
                    }
                    Err(error) => {
                        cluster.refresh();
                        attempts.next(error).await?;
                    }
                }
            }
        })
    }
}

fn request(topics: Option<&[String]>, version: i16) -> MetadataRequest {
    let named = topics.map(|names| {
        let named = names
            .iter()
            .map(|name| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() });
        named.collect()
    });
    MetadataRequest {
        // Version 0 has no null: an empty list means all topics.
        topics: if version == 0 { Some(named.unwrap_or_default()) } else { named },
        // Before version 4 the broker decides alone, and the field cannot be sent.
        allow_auto_topic_creation: version < 4,
        ..Default::default()
    }
}
