//! Describes brokers, topics and partitions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Running;
use super::sealed::{Context, Run};
pub use crate::cluster::{Broker, PartitionMetadata, TopicMetadata};
use crate::cluster::{Metadata, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::wire::Uuid;

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

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let mut attempts = cluster.attempts(deadline);
            loop {
                let request = |version| metadata_request(self.topics.as_deref(), version);
                let attempt = cluster.attempt(&Target::Any, request);
                match attempts.run(|| "describe metadata".to_owned(), attempt).await {
                    Ok(response) => {
                        let metadata = Metadata::default().merged(response);
                        return Ok(ClusterMetadata {
                            cluster_id: metadata.cluster_id,
                            controller: metadata.controller,
                            brokers: metadata.brokers,
                            topics: wanted(metadata.topics, self.topics.as_deref()),
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

/// The topics that were asked for, also those of which an old broker has said nothing.
fn wanted(
    mut topics: HashMap<Arc<str>, Arc<TopicMetadata>>,
    names: Option<&[String]>,
) -> BTreeMap<Arc<str>, Arc<TopicMetadata>> {
    let Some(names) = names else {
        return topics.into_iter().collect();
    };
    let topic = |name: &String| {
        topics.remove_entry(name.as_str()).unwrap_or_else(|| {
            let name = Arc::<str>::from(name.as_str());
            let topic = TopicMetadata {
                name: name.clone(),
                id: Uuid::default(),
                error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                is_internal: false,
                partitions: Vec::new(),
            };
            (name, Arc::new(topic))
        })
    };
    let names: BTreeSet<_> = names.iter().collect();
    names.into_iter().map(topic).collect()
}

/// A request that creates no topic. Before version 4 a broker may create the topics that it is
/// asked for by name, so that all of them are asked for then, and those that are wanted have to be
/// picked from the answer.
pub(crate) fn metadata_request<S: AsRef<str>>(
    topics: Option<&[S]>,
    version: i16,
) -> MetadataRequest {
    let topics = topics.filter(|topics| version >= 4 || (version >= 1 && topics.is_empty()));
    let named = topics.map(|topics| {
        let topics = topics.iter().map(|name| MetadataRequestTopic {
            name: Some(name.as_ref().to_owned()),
            ..Default::default()
        });
        topics.collect()
    });
    MetadataRequest {
        // Version 0 has no null: an empty list means all topics.
        topics: if version == 0 { Some(Vec::new()) } else { named },
        // Cannot be said before version 4, and nothing is named there.
        allow_auto_topic_creation: version < 4,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Request;

    #[test]
    fn asking_creates_no_topic_in_any_version() {
        let names = |topics: Option<&[&str]>, version| {
            let request = metadata_request(topics, version);
            let mut bytes = crate::wire::Output::default();
            request.encode_body(version, &mut bytes).unwrap();
            assert!(version < 4 || !request.allow_auto_topic_creation);
            request.topics.map(|topics| topics.len())
        };
        for version in MetadataRequest::VERSIONS {
            let all = if version == 0 { Some(0) } else { None };
            assert_eq!(names(None, version), all, "version {version}");
            let none = Some(0);
            assert_eq!(names(Some(&[]), version), none, "version {version}");
            let some = if version < 4 { all } else { Some(2) };
            assert_eq!(names(Some(&["a", "b"]), version), some, "version {version}");
        }
    }
}
