//! What is known of the cluster: brokers, topics, partitions, leaders. Pure data: it is merged
//! from answers here, and asked for in `refresh.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_cluster::DescribeClusterResponse;
use crate::protocol::messages::metadata::{
    MetadataResponse, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::Uuid;

/// A snapshot; a new one replaces it, it never changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) cluster_id: Option<String>,
    pub(crate) controller: Option<i32>,
    pub(crate) brokers: BTreeMap<i32, Broker>,
    pub(crate) topics: HashMap<Arc<str>, Arc<TopicMetadata>>,
}

/// One broker, known by its id: the address may change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broker {
    /// Its number in the cluster.
    pub id: i32,
    /// Where clients reach it.
    pub host: String,
    /// Where clients reach it.
    pub port: u16,
    /// The rack or zone it says it is in.
    pub rack: Option<String>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicMetadata {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; nil from brokers before 2.8.
    pub id: Uuid,
    /// What the broker said of the topic as a whole.
    pub error: ErrorCode,
    /// Whether Kafka keeps its own state in it.
    pub is_internal: bool,
    /// Its partitions, in order of their ids: partition `n` is at index `n`.
    pub partitions: Vec<PartitionMetadata>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionMetadata {
    /// Its number in the topic.
    pub id: i32,
    /// The broker that takes writes; `None` while there is none.
    pub leader: Option<i32>,
    /// How often the leader has changed; -1 from brokers before 2.1.
    pub leader_epoch: i32,
    /// The brokers that hold a copy, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are up to date.
    pub isr: Vec<i32>,
    /// Those of them that are down; always empty from brokers before 1.0.
    pub offline: Vec<i32>,
    /// What the broker said of this partition.
    pub error: ErrorCode,
    /// How many answers in turn have named a leader of an older epoch.
    pub(crate) contradicted: u8,
}

/// A leader that a response told of (KIP-951).
#[derive(Clone, Debug)]
pub(crate) struct LeaderHint {
    pub(crate) topic: Arc<str>,
    /// Nil if it is not known.
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    /// Where it is, if the response said so.
    pub(crate) endpoint: Option<Broker>,
}

impl Metadata {
    /// This snapshot with an answer merged in. Topics that were not asked for stay as they are.
    pub(crate) fn merged(&self, response: MetadataResponse) -> Self {
        let mut next = self.clone();
        next.cluster_id = response.cluster_id.or(next.cluster_id);
        // A broker that has just started may know no brokers at all.
        if !response.brokers.is_empty() {
            let nodes = response.brokers.into_iter();
            next.brokers = brokers(nodes.map(|it| (it.node_id, it.host, it.port, it.rack)));
        }
        next.controller = Some(response.controller_id).filter(|id| *id >= 0);
        for topic in response.topics {
            let Some(name) = topic.name.as_deref().map(Arc::<str>::from) else {
                continue;
            };
            let merged = match self.topics.get(&name) {
                Some(known) => merge_topic(known, topic, name),
                None => TopicMetadata::new(topic, name),
            };
            next.topics.insert(merged.name.clone(), Arc::new(merged));
        }
        next
    }

    /// A snapshot without topics. Of a controller's answer, controllers take the place of the
    /// brokers (KIP-919).
    pub(crate) fn of_nodes(response: DescribeClusterResponse) -> Self {
        let nodes = response.brokers.into_iter();
        let nodes = nodes.map(|it| (it.broker_id, it.host, it.port, it.rack));
        Self {
            cluster_id: Some(response.cluster_id),
            controller: Some(response.controller_id).filter(|id| *id >= 0),
            brokers: brokers(nodes),
            topics: HashMap::new(),
        }
    }

    /// This snapshot with a leader that a response told of (KIP-951), unless it is known already
    /// or known to be older, or is of another topic that had the name.
    pub(crate) fn with_leader(&self, hint: &LeaderHint) -> Option<Self> {
        let (name, known) = self.topics.get_key_value(&hint.topic)?;
        let index = usize::try_from(hint.partition).ok()?;
        let is_other = !hint.topic_id.is_nil() && !known.id.is_nil() && hint.topic_id != known.id;
        if is_other || known.partitions.get(index)?.leader_epoch >= hint.epoch {
            return None;
        }
        let mut next = self.clone();
        if !self.brokers.contains_key(&hint.leader) {
            let endpoint = hint.endpoint.as_ref().filter(|it| it.id == hint.leader)?;
            next.brokers.insert(hint.leader, endpoint.clone());
        }
        let mut topic = TopicMetadata::clone(known);
        let moved = topic.partitions.get_mut(index)?;
        (moved.leader, moved.leader_epoch) = (Some(hint.leader), hint.epoch);
        next.topics.insert(name.clone(), Arc::new(topic));
        Some(next)
    }

    /// The leader of a partition and its epoch, if there is a leader.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let partition = self.topics.get(topic)?.partition(partition)?;
        Some((partition.leader?, partition.leader_epoch))
    }
}

fn brokers(
    nodes: impl Iterator<Item = (i32, String, i32, Option<String>)>,
) -> BTreeMap<i32, Broker> {
    let broker = |(id, host, port, rack)| {
        let port = u16::try_from(port).unwrap_or_default();
        (id, Broker { id, host, port, rack })
    };
    nodes.map(broker).collect()
}

impl TopicMetadata {
    pub(crate) fn new(topic: MetadataResponseTopic, name: Arc<str>) -> Self {
        let mut partitions: Vec<_> =
            topic.partitions.into_iter().map(PartitionMetadata::new).collect();
        partitions.sort_by_key(|partition| partition.id);
        // Index and id agree, or the topic is not usable yet.
        let in_order = partitions.iter().zip(0..).all(|(partition, id)| partition.id == id);
        Self {
            name,
            id: topic.topic_id,
            error: match ErrorCode(topic.error_code) {
                ErrorCode::NONE if !in_order => ErrorCode::LEADER_NOT_AVAILABLE,
                error => error,
            },
            is_internal: topic.is_internal,
            partitions: if in_order { partitions } else { Vec::new() },
        }
    }

    /// The partition of that number.
    pub fn partition(&self, id: i32) -> Option<&PartitionMetadata> {
        self.partitions.get(usize::try_from(id).ok()?)
    }
}

impl PartitionMetadata {
    fn new(partition: MetadataResponsePartition) -> Self {
        Self {
            id: partition.partition_index,
            leader: Some(partition.leader_id).filter(|id| *id >= 0),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes,
            isr: partition.isr_nodes,
            offline: partition.offline_replicas,
            error: ErrorCode(partition.error_code),
            contradicted: 0,
        }
    }
}

/// One broker's view may be stale; when this many in turn say the same, it is ours that is wrong.
const ENOUGH_CONTRADICTIONS: u8 = 5;

/// One broker's view may be stale: an error of the topic keeps the leaders known so far, and a
/// leader of an older epoch does not replace one of a newer.
fn merge_topic(known: &TopicMetadata, new: MetadataResponseTopic, name: Arc<str>) -> TopicMetadata {
    let mut merged = TopicMetadata::new(new, name);
    if merged.error != ErrorCode::NONE && merged.partitions.is_empty() {
        merged.id = known.id;
        merged.partitions.clone_from(&known.partitions);
        if merged.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
            // Epochs begin anew if the topic does, and before Kafka 2.8 no id tells that.
            merged.partitions.iter_mut().for_each(|partition| partition.leader_epoch = -1);
        }
    } else if merged.id == known.id {
        for (partition, old) in merged.partitions.iter_mut().zip(&known.partitions) {
            let is_older = partition.leader_epoch >= 0 && partition.leader_epoch < old.leader_epoch;
            if is_older && old.contradicted < ENOUGH_CONTRADICTIONS {
                *partition = old.clone();
                partition.contradicted += 1;
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::metadata::MetadataResponseBroker;

    fn answer(error: i16, epoch: i32, leader: i32, id: u128) -> MetadataResponse {
        let partition = MetadataResponsePartition {
            leader_id: leader,
            leader_epoch: epoch,
            ..Default::default()
        };
        MetadataResponse {
            brokers: (1..=2)
                .map(|node_id| MetadataResponseBroker { node_id, ..Default::default() })
                .collect(),
            topics: vec![MetadataResponseTopic {
                error_code: error,
                name: Some("t".to_owned()),
                topic_id: Uuid(id),
                partitions: if error == 0 { vec![partition] } else { Vec::new() },
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn a_stale_view_does_not_move_a_leader_back() {
        let known = Metadata::default().merged(answer(0, 5, 1, 7));
        assert_eq!(known.merged(answer(0, 4, 2, 7)).leader("t", 0), Some((1, 5)));
        assert_eq!(known.merged(answer(0, 6, 2, 7)).leader("t", 0), Some((2, 6)));
        assert_eq!(known.merged(answer(0, 0, 2, 8)).leader("t", 0), Some((2, 0)), "a new topic");
        assert_eq!(known.merged(answer(0, -1, 2, 7)).leader("t", 0), Some((2, -1)), "no epochs");
    }

    #[test]
    fn a_topic_made_anew_without_ids_is_believed_in_the_end() {
        let mut known = Metadata::default().merged(answer(0, 5, 1, 0));
        let gone = known.merged(answer(3, 0, 0, 0));
        assert_eq!(gone.merged(answer(0, 0, 2, 0)).leader("t", 0), Some((2, 0)), "seen to be gone");
        for _ in 0..ENOUGH_CONTRADICTIONS {
            known = known.merged(answer(0, 0, 2, 0));
            assert_eq!(known.leader("t", 0), Some((1, 5)));
        }
        assert_eq!(known.merged(answer(0, 0, 2, 0)).leader("t", 0), Some((2, 0)), "insisted on");
    }

    #[test]
    fn an_error_of_the_topic_keeps_its_leaders() {
        let known = Metadata::default().merged(answer(0, 5, 1, 7));
        let glitch = known.merged(answer(3, 0, 0, 0));
        assert_eq!(glitch.leader("t", 0), Some((1, -1)));
        assert_eq!(glitch.topics["t"].error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }

    #[test]
    fn a_hint_moves_the_leader_forward_only() {
        let known = Metadata::default().merged(answer(0, 5, 1, 7));
        let hint = |partition, leader, epoch, id| LeaderHint {
            topic: "t".into(),
            topic_id: Uuid(id),
            partition,
            leader,
            epoch,
            endpoint: None,
        };
        let with = |hint| known.with_leader(&hint);
        assert_eq!(with(hint(0, 2, 6, 7)).unwrap().leader("t", 0), Some((2, 6)));
        assert_eq!(with(hint(0, 2, 6, 0)).unwrap().leader("t", 0), Some((2, 6)), "no id");
        assert!(with(hint(0, 2, 5, 7)).is_none());
        assert!(with(hint(0, 2, 6, 8)).is_none(), "another topic of that name");
        assert!(with(hint(0, 9, 6, 7)).is_none(), "not a broker we know");
        assert!(with(hint(1, 2, 6, 7)).is_none());
        let endpoint = Broker { id: 9, host: "nine".to_owned(), port: 9, rack: None };
        let told = with(LeaderHint { endpoint: Some(endpoint), ..hint(0, 9, 6, 7) }).unwrap();
        assert_eq!((told.leader("t", 0), &*told.brokers[&9].host), (Some((9, 6)), "nine"));
    }

    #[test]
    fn partitions_with_gaps_are_not_usable_yet() {
        let mut gaps = answer(0, 5, 1, 7);
        gaps.topics[0].partitions[0].partition_index = 1;
        let topic = &Metadata::default().merged(gaps).topics["t"];
        assert_eq!(topic.error, ErrorCode::LEADER_NOT_AVAILABLE);
        assert!(topic.partitions.is_empty());
    }
}
