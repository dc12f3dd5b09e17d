//! Replicas: makes others lead, and moves partitions to other brokers.
//!
//! Where a broker keeps its replicas is [`log_dirs`](super::log_dirs).
//!
//! A move takes as long as the data need. The call that begins it returns at once; it is done when
//! the partition is no longer listed:
//!
//! ```no_run
//! # // The in-process cluster moves nothing.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! use std::time::Duration;
//! use kafkio::admin::replicas::Reassignment;
//!
//! let moves = [Reassignment::new("orders", 0, [2, 3]), Reassignment::new("orders", 1, [3, 1])];
//! client.alter_partition_reassignments(moves).await?.into_result()?;
//! while !client.list_partition_reassignments().await?.is_empty() {
//!     tokio::time::sleep(Duration::from_secs(1)).await;
//! }
//! # Ok(()) }
//! ```
//!
//! Afterwards others than the preferred replicas may lead:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use kafkio::admin::replicas::{Election, ElectionType};
//!
//! let orders = [("orders", 0)];
//! let election = client.elect_leaders(ElectionType::Preferred, orders).await?.into_only()?;
//! assert_eq!(election, Election::NotNeeded);
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sealed::{Context, Run};
use super::{PerItem, Results, Running, by_topic, check_once, each_partition, setters};
use crate::cluster::{Answers, At, Split, Target, check_response, split};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignableTopic,
};
use crate::protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, TopicPartitions,
};
use crate::protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    ListPartitionReassignmentsTopics,
};
use crate::types::TopicPartition;

/// Which replica is to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElectionType {
    /// The first of the partition's list, if it is in sync.
    Preferred,
    /// Any that is alive, where none in sync is left: **records that it lacks are lost**. Needs
    /// Kafka 2.4 (KIP-460).
    Unclean,
}

/// How an election ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Election {
    /// There is another leader.
    Elected,
    /// The partition had the wanted leader already: `ELECTION_NOT_NEEDED`, which Java's client
    /// reports as an error.
    NotNeeded,
}

/// Elects leaders: see [`Client::elect_leaders`](crate::Client::elect_leaders).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ElectLeaders {
    kind: ElectionType,
    partitions: Option<Vec<TopicPartition>>,
}

impl ElectLeaders {
    /// Elects leaders of these partitions. Needs Kafka 2.2 (KIP-183).
    pub fn new<T: Into<Arc<str>>>(
        kind: ElectionType,
        partitions: impl IntoIterator<Item = (T, i32)>,
    ) -> Self {
        let partitions = partitions.into_iter().map(|(topic, id)| TopicPartition::new(topic, id));
        Self { kind, partitions: Some(partitions.collect()) }
    }

    /// Elects leaders of all partitions. The results do not list those that need none.
    pub fn all(kind: ElectionType) -> Self {
        Self { kind, partitions: None }
    }

    #[inline]
    fn request(&self, partitions: Option<&[TopicPartition]>, at: &At) -> ElectLeadersRequest {
        let topic = |(topic, partitions): (&str, _)| TopicPartitions {
            topic: topic.to_owned(),
            partitions,
            ..Default::default()
        };
        ElectLeadersRequest {
            election_type: i8::from(self.kind == ElectionType::Unclean),
            topic_partitions: partitions.map(|partitions| {
                by_topic(partitions.iter().map(|at| (at, at.partition)))
                    .into_iter()
                    .map(topic)
                    .collect()
            }),
            timeout_ms: at.left_ms,
            ..Default::default()
        }
    }
}

/// Each partition with its code and what the controller said besides.
fn elections(
    response: ElectLeadersResponse,
) -> impl Iterator<Item = (TopicPartition, i16, Option<String>, Election)> {
    let topics = response.replica_election_results.into_iter();
    let topics = topics.map(|it| (it.topic, it.partition_result));
    each_partition(topics, |it| it.partition_id).map(|(at, it)| match ErrorCode(it.error_code) {
        ErrorCode::ELECTION_NOT_NEEDED => (at, 0, None, Election::NotNeeded),
        code => (at, code.0, it.error_message, Election::Elected),
    })
}

impl Split for ElectLeaders {
    type Item = TopicPartition;
    type Key = TopicPartition;
    type Request = ElectLeadersRequest;
    type Value = Election;
    const WHAT: &'static str = "elect a leader of";

    fn key(&self, item: &TopicPartition) -> TopicPartition {
        item.clone()
    }

    fn target(&self, _: &TopicPartition) -> Target {
        Target::Controller
    }

    #[inline]
    fn request(&self, items: &[TopicPartition], at: &At) -> Result<ElectLeadersRequest> {
        Ok(self.request(Some(items), at))
    }

    #[inline]
    fn answers(
        &self,
        _: &[TopicPartition],
        response: ElectLeadersResponse,
        answers: &mut Answers<TopicPartition, Election>,
    ) {
        answers.all(response.error_code, None);
        for (at, code, message, election) in elections(response) {
            answers.insert(at, code, message, election);
        }
    }
}

impl Run for ElectLeaders {
    type Output = Results<TopicPartition, Election>;

    fn check(&self) -> Result<()> {
        check_once("partition", self.partitions.iter().flatten())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            if let Some(partitions) = self.partitions.clone() {
                return split(&cluster, deadline, &self, partitions).await.map(Results::new);
            }
            let what = "elect leaders of all partitions";
            let request = |at: &At| Ok(self.request(None, at));
            let read = |response: ElectLeadersResponse| {
                check_response(response.error_code, None)?;
                let results = elections(response).map(|(at, code, message, election)| {
                    let result = check_response(code, message);
                    let text = || format!("{} {at}", Self::WHAT);
                    let result = result.map_err(|error| error.context(text())).map(|()| election);
                    (at, result)
                });
                Ok(Results::new(results.collect()))
            };
            cluster.ask(&Target::Controller, deadline, what, request, read).await
        })
    }
}

/// Where one partition is to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    at: TopicPartition,
    brokers: Option<Vec<i32>>,
}

impl Reassignment {
    /// These brokers are to hold the partition; the first is its preferred leader. The same
    /// brokers in another order move nothing, and make another replica preferred.
    pub fn new(
        topic: impl Into<Arc<str>>,
        partition: i32,
        brokers: impl IntoIterator<Item = i32>,
    ) -> Self {
        let brokers = Some(brokers.into_iter().collect());
        Self { at: TopicPartition::new(topic, partition), brokers }
    }

    /// The partition is to stay on the brokers that held it before the move that is under way; they
    /// may come back in another order, with another preferred leader.
    pub fn cancel(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { at: TopicPartition::new(topic, partition), brokers: None }
    }
}

/// Begins or cancels moves: see
/// [`Client::alter_partition_reassignments`](crate::Client::alter_partition_reassignments).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AlterPartitionReassignments {
    moves: Vec<Reassignment>,
    allow_replication_factor_change: bool,
}

impl AlterPartitionReassignments {
    /// Begins or cancels these moves. Needs Kafka 2.4 (KIP-455).
    pub fn new(moves: impl IntoIterator<Item = Reassignment>) -> Self {
        let moves = moves.into_iter().collect();
        Self { moves, allow_replication_factor_change: true }
    }
}

setters!(AlterPartitionReassignments {
    /// Whether a partition may have more or fewer replicas than before. Default: yes. To refuse
    /// it needs Kafka 4.1 (KIP-860).
    allow_replication_factor_change: bool => |this, value| this.allow_replication_factor_change = value;
});

impl Split for AlterPartitionReassignments {
    type Item = Reassignment;
    type Key = TopicPartition;
    type Request = AlterPartitionReassignmentsRequest;
    type Value = ();
    const WHAT: &'static str = "reassign";

    fn key(&self, item: &Reassignment) -> TopicPartition {
        item.at.clone()
    }

    fn target(&self, _: &Reassignment) -> Target {
        Target::Controller
    }

    #[inline]
    fn request(
        &self,
        items: &[Reassignment],
        at: &At,
    ) -> Result<AlterPartitionReassignmentsRequest> {
        let partition = |item: &Reassignment| ReassignablePartition {
            partition_index: item.at.partition,
            replicas: item.brokers.clone(),
            ..Default::default()
        };
        let topics = by_topic(items.iter().map(|item| (&item.at, partition(item))));
        let topic = |(name, partitions): (&str, _)| ReassignableTopic {
            name: name.to_owned(),
            partitions,
            ..Default::default()
        };
        Ok(AlterPartitionReassignmentsRequest {
            timeout_ms: at.left_ms,
            allow_replication_factor_change: self.allow_replication_factor_change,
            topics: topics.into_iter().map(topic).collect(),
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Reassignment],
        response: AlterPartitionReassignmentsResponse,
        answers: &mut Answers<TopicPartition, ()>,
    ) {
        answers.all(response.error_code, response.error_message);
        // Beside an error of all, those of partitions say nothing.
        let topics = response.responses.into_iter().filter(|_| response.error_code == 0);
        let topics = topics.map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            answers.insert(at, it.error_code, it.error_message, ());
        }
    }
}

impl PerItem for AlterPartitionReassignments {
    fn items(&self) -> Vec<Self::Item> {
        self.moves.clone()
    }

    fn check(&self) -> Result<()> {
        for Reassignment { at, brokers } in &self.moves {
            if brokers.as_ref().is_some_and(Vec::is_empty) {
                return Err(Error::config(format!("reassign {at}: no brokers")));
            }
            check_once(&format!("reassign {at}: broker"), brokers.iter().flatten())?;
        }
        check_once("partition", self.moves.iter().map(|item| &item.at))
    }
}

/// Lists the moves that are under way: see
/// [`Client::list_partition_reassignments`](crate::Client::list_partition_reassignments).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListPartitionReassignments {
    partitions: Option<Vec<TopicPartition>>,
}

impl ListPartitionReassignments {
    /// Lists the moves of all partitions. Needs Kafka 2.4 (KIP-455).
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(ListPartitionReassignments {
    /// Only moves of these partitions. Default: all.
    partitions: Vec<TopicPartition> => |this, value| this.partitions = Some(value);
});

/// A move that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionReassignment {
    /// The brokers that hold the partition for now, those that come and go among them.
    pub replicas: Vec<i32>,
    /// Those that are to hold it and have not all of it yet.
    pub adding: Vec<i32>,
    /// Those that let go of it when the others have it.
    pub removing: Vec<i32>,
}

impl Run for ListPartitionReassignments {
    type Output = BTreeMap<TopicPartition, PartitionReassignment>;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let topic = |(name, partition_indexes): (&str, _)| ListPartitionReassignmentsTopics {
                name: name.to_owned(),
                partition_indexes,
                ..Default::default()
            };
            let request = |at: &At| {
                Ok(ListPartitionReassignmentsRequest {
                    timeout_ms: at.left_ms,
                    topics: self.partitions.as_ref().map(|partitions| {
                        by_topic(partitions.iter().map(|at| (at, at.partition)))
                            .into_iter()
                            .map(topic)
                            .collect()
                    }),
                    ..Default::default()
                })
            };
            let what = "list partition reassignments";
            cluster.ask(&Target::Controller, deadline, what, request, reassignments).await
        })
    }
}

fn reassignments(
    response: ListPartitionReassignmentsResponse,
) -> Result<BTreeMap<TopicPartition, PartitionReassignment>> {
    check_response(response.error_code, response.error_message)?;
    let mut found = BTreeMap::new();
    let topics = response.topics.into_iter().map(|it| (it.name, it.partitions));
    for (at, it) in each_partition(topics, |it| it.partition_index) {
        let reassignment = PartitionReassignment {
            replicas: it.replicas,
            adding: it.adding_replicas,
            removing: it.removing_replicas,
        };
        found.insert(at, reassignment);
    }
    Ok(found)
}
