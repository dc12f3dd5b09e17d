//! Lists topics, and describes them with their partitions.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::TopicRef;
use crate::admin::acls::{AclOperation, authorized_operations};
use crate::admin::metadata::metadata_request;
use crate::admin::sealed::{Context, Run};
use crate::admin::{Results, Running, check_once, setters};
use crate::cluster::{At, Cluster, Target, fail_together};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic, TopicRequest,
};
use crate::protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::Uuid;

/// Lists the topics: see [`Client::list_topics`](crate::Client::list_topics).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListTopics {
    include_internal: bool,
}

impl ListTopics {
    /// Lists the topics.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(ListTopics {
    /// Also the topics that Kafka keeps its own state in, such as `__consumer_offsets`. Default:
    /// no.
    include_internal: bool => |this, value| this.include_internal = value;
});

/// A topic of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id, from Kafka 2.8 on.
    pub id: Option<Uuid>,
    /// Whether Kafka keeps its own state in it.
    pub is_internal: bool,
}

impl Run for ListTopics {
    type Output = Vec<TopicListing>;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let topics = metadata(&cluster, deadline, "list topics", |version| {
                metadata_request::<&str>(None, version)
            });
            let listed = topics.await?.into_iter().filter_map(|topic| {
                let id = Some(topic.topic_id).filter(|id| !id.is_nil());
                Some(TopicListing { name: topic.name?, id, is_internal: topic.is_internal })
            });
            let wanted = listed.filter(|topic| self.include_internal || !topic.is_internal);
            let mut topics: Vec<_> = wanted.collect();
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(topics)
        })
    }
}

/// Describes topics: see [`Client::describe_topics`](crate::Client::describe_topics).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeTopics {
    topics: Vec<TopicRef>,
    include_authorized_operations: bool,
    page: Option<i32>,
}

impl DescribeTopics {
    /// Describes the topics of these names or ids. Ids need Kafka 3.1.
    pub fn new<T: Into<TopicRef>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self {
            topics: topics.into_iter().map(Into::into).collect(),
            include_authorized_operations: false,
            page: None,
        }
    }
}

setters!(DescribeTopics {
    /// Also what this client may do with each topic. Default: no. Needs Kafka 2.3 (KIP-430).
    include_authorized_operations: bool =>
        |this, value| this.include_authorized_operations = value;
    /// The most partitions that one response may have, where the broker tells them page by page
    /// (KIP-966): all pages are asked for. Default: 2000, and brokers cap it themselves by
    /// `max.request.partition.size.limit`.
    partitions_per_response: i32 => |this, value| this.page = Some(value);
});

/// A topic and its partitions, as one broker sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id, from Kafka 2.8 on.
    pub id: Option<Uuid>,
    /// Whether Kafka keeps its own state in it.
    pub is_internal: bool,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<PartitionDescription>,
    /// What this client may do with the topic, if it was asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A partition, as one broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its number in the topic.
    pub id: i32,
    /// The broker that takes writes; `None` while there is none.
    pub leader: Option<i32>,
    /// How often the leader has changed, from Kafka 2.1 on.
    pub leader_epoch: Option<i32>,
    /// The brokers that hold a copy, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are up to date.
    pub isr: Vec<i32>,
    /// Those that may be elected beside the ISR without loss (KIP-966); `None` where the broker
    /// does not tell: before Kafka 3.8, and of topics that are described by id.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// Those that were such before they were shut down uncleanly; `None` as above.
    pub last_known_eligible_leader_replicas: Option<Vec<i32>>,
    /// Those of the replicas that are down; always empty from brokers before 1.0.
    pub offline_replicas: Vec<i32>,
}

type Found = HashMap<TopicRef, Result<TopicDescription>>;

impl Run for DescribeTopics {
    type Output = Results<TopicRef, TopicDescription>;

    fn check(&self) -> Result<()> {
        check_once("topic", &self.topics)?;
        match self.page {
            Some(..1) => Err(Error::config("partitions_per_response: must be at least 1")),
            _ => Ok(()),
        }
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            // A request with an id in it is one about ids alone.
            let (mut names, mut ids) = (BTreeSet::new(), Vec::new());
            for topic in self.topics.iter().cloned() {
                match topic {
                    TopicRef::Name(name) => _ = names.insert(name),
                    TopicRef::Id(id) => ids.push(id),
                }
            }
            let by_name = async {
                match self.pages(&cluster, deadline, names.clone()).await {
                    Err(error) if error.kind() == ErrorKind::Unsupported => {
                        let names: Vec<_> = names.into_iter().collect();
                        let request = |version| metadata_request(Some(&names), version);
                        self.metadata(&cluster, deadline, request).await
                    }
                    found => found,
                }
            };
            let by_id = async {
                if ids.is_empty() {
                    return Ok(Found::new());
                }
                self.metadata(&cluster, deadline, |_| ids_request(&ids)).await
            };
            let (mut by_name, mut by_id) = futures::join!(by_name, by_id);
            let results = self.topics.iter().map(|topic| {
                let found = match topic {
                    TopicRef::Name(_) => &mut by_name,
                    TopicRef::Id(_) => &mut by_id,
                };
                let result = match found {
                    Ok(found) => found.remove(topic).unwrap_or_else(|| Err(missing(topic))),
                    Err(error) => Err(error.clone()),
                };
                (topic.clone(), result)
            });
            let says_nothing = |error: &Error| error.kind() != ErrorKind::Broker;
            fail_together(results.collect(), says_nothing).map(Results::new)
        })
    }
}

impl DescribeTopics {
    /// Asks page by page.
    async fn pages(
        &self,
        cluster: &Cluster,
        deadline: Instant,
        mut names: BTreeSet<String>,
    ) -> Result<Found> {
        let what = "describe topics";
        let mut found = Found::new();
        let mut cursor = None;
        // No names at all would ask for all topics.
        while !names.is_empty() {
            let name = |name: &String| TopicRequest { name: name.clone(), ..Default::default() };
            let mut request = DescribeTopicPartitionsRequest {
                topics: names.iter().map(name).collect(),
                cursor: cursor.clone(),
                ..Default::default()
            };
            request.response_partition_limit =
                self.page.unwrap_or(request.response_partition_limit);
            let response = cluster.ask(&Target::Any, deadline, what, |_| Ok(request.clone()), Ok);
            let response = response.await?;
            for topic in response.topics {
                let Some(name) = topic.name.clone() else { continue };
                let topic = self.described(topic.error_code, name.clone(), topic);
                match (found.get_mut(&TopicRef::Name(name.clone())), topic) {
                    (Some(Ok(known)), Ok(topic)) => known.partitions.extend(topic.partitions),
                    (_, topic) => _ = found.insert(TopicRef::Name(name), topic),
                }
            }
            let Some(next) = response.next_cursor else { break };
            let place = |at: &Cursor| (at.topic_name.clone(), at.partition_index);
            if cursor.as_deref().map(place) >= Some(place(&next)) {
                let text = format!("{what}: the cursor does not move on");
                return Err(Error::new(ErrorKind::Protocol, text));
            }
            names = names.split_off(&next.topic_name);
            cursor = Some(next);
        }
        Ok(found)
    }

    /// Asks as brokers before 3.8 can be asked, or for ids.
    async fn metadata(
        &self,
        cluster: &Cluster,
        deadline: Instant,
        request: impl Fn(i16) -> MetadataRequest + Send + Sync,
    ) -> Result<Found> {
        // Old brokers, which would create what they are asked for, are asked for all topics.
        let all = AtomicBool::new(false);
        let topics = metadata(cluster, deadline, "describe topics", |version| {
            let request = request(version);
            all.store(request.topics.is_none(), Ordering::Relaxed);
            MetadataRequest {
                include_topic_authorized_operations: self.include_authorized_operations,
                ..request
            }
        });
        let topics = topics.await?;
        let mut found = Found::new();
        if all.into_inner() {
            let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            let unknown = |it: &_| Err(Error::broker(code, format!("describe topic {it}")));
            found.extend(self.topics.iter().map(|topic| (topic.clone(), unknown(topic))));
        }
        for topic in topics {
            let (id, code) = (topic.topic_id, topic.error_code);
            let name = topic.name.clone();
            let topic = self.described(code, name.clone().unwrap_or_default(), topic);
            if !id.is_nil() {
                found.insert(TopicRef::Id(id), topic.clone());
            }
            if let Some(name) = name {
                found.insert(TopicRef::Name(name), topic);
            }
        }
        Ok(found)
    }

    fn described(
        &self,
        code: i16,
        name: String,
        topic: impl Into<TopicDescription>,
    ) -> Result<TopicDescription> {
        let mut topic = topic.into();
        let of = if name.is_empty() { topic.id.unwrap_or_default().to_string() } else { name };
        ErrorCode(code)
            .check()
            .map_err(|code| Error::broker(code, format!("describe topic {of}")))?;
        topic.partitions.sort_by_key(|partition| partition.id);
        topic.authorized_operations =
            topic.authorized_operations.filter(|_| self.include_authorized_operations);
        Ok(topic)
    }
}

fn missing(topic: &TopicRef) -> Error {
    Error::new(ErrorKind::Protocol, format!("describe topic {topic}: not in the answer"))
}

async fn metadata(
    cluster: &Cluster,
    deadline: Instant,
    what: &str,
    request: impl Fn(i16) -> MetadataRequest + Send + Sync,
) -> Result<Vec<MetadataResponseTopic>> {
    let request = |at: &At| {
        let request = request(at.version);
        let names = request.topics.as_deref().unwrap_or_default();
        if names.iter().any(|topic| topic.name.is_none()) {
            at.needs::<MetadataRequest>(12, "describing topics by id")?;
        }
        Ok(request)
    };
    cluster.ask(&Target::Any, deadline, what, request, |response| Ok(response.topics)).await
}

fn ids_request(ids: &[Uuid]) -> MetadataRequest {
    let topic =
        |id: &Uuid| MetadataRequestTopic { topic_id: *id, name: None, ..Default::default() };
    MetadataRequest {
        topics: Some(ids.iter().map(topic).collect()),
        allow_auto_topic_creation: false,
        ..Default::default()
    }
}

impl From<DescribeTopicPartitionsResponseTopic> for TopicDescription {
    fn from(topic: DescribeTopicPartitionsResponseTopic) -> Self {
        Self {
            name: topic.name.unwrap_or_default(),
            id: Some(topic.topic_id).filter(|id| !id.is_nil()),
            is_internal: topic.is_internal,
            partitions: topic.partitions.into_iter().map(Into::into).collect(),
            authorized_operations: authorized_operations(topic.topic_authorized_operations),
        }
    }
}

impl From<MetadataResponseTopic> for TopicDescription {
    fn from(topic: MetadataResponseTopic) -> Self {
        Self {
            name: topic.name.unwrap_or_default(),
            id: Some(topic.topic_id).filter(|id| !id.is_nil()),
            is_internal: topic.is_internal,
            partitions: topic.partitions.into_iter().map(Into::into).collect(),
            authorized_operations: authorized_operations(topic.topic_authorized_operations),
        }
    }
}

impl From<DescribeTopicPartitionsResponsePartition> for PartitionDescription {
    fn from(partition: DescribeTopicPartitionsResponsePartition) -> Self {
        Self {
            id: partition.partition_index,
            leader: Some(partition.leader_id).filter(|id| *id >= 0),
            leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
            replicas: partition.replica_nodes,
            isr: partition.isr_nodes,
            eligible_leader_replicas: partition.eligible_leader_replicas,
            last_known_eligible_leader_replicas: partition.last_known_elr,
            offline_replicas: partition.offline_replicas,
        }
    }
}

impl From<MetadataResponsePartition> for PartitionDescription {
    fn from(partition: MetadataResponsePartition) -> Self {
        Self {
            id: partition.partition_index,
            leader: Some(partition.leader_id).filter(|id| *id >= 0),
            leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
            replicas: partition.replica_nodes,
            isr: partition.isr_nodes,
            eligible_leader_replicas: None,
            last_known_eligible_leader_replicas: None,
            offline_replicas: partition.offline_replicas,
        }
    }
}
