//! The quorum: the controllers that keep the metadata of a cluster with KRaft.
//!
//! ```no_run
//! # // The in-process cluster has no controllers.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! let quorum = client.describe_quorum().await?;
//! for voter in &quorum.voters {
//!     let behind = quorum.high_watermark.unwrap_or(0) - voter.log_end_offset.unwrap_or(0);
//!     println!("controller {} is {} records behind", voter.id, behind.max(0));
//!     if Some(voter.id) != quorum.leader && behind > 10_000 {
//!         let directory = voter.directory_id.expect("Kafka 3.9 and later tell it");
//!         client.remove_raft_voter(voter.id, directory).await?;
//!     }
//! }
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;

use super::sealed::{Context, Run};
use super::{Running, check_once, setters};
use crate::cluster::{At, Target, check_response};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::messages::add_raft_voter::{
    AddRaftVoterRequest, AddRaftVoterResponse, Listener,
};
use crate::protocol::messages::describe_quorum::response::ReplicaState;
use crate::protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, PartitionData, TopicData,
};
use crate::protocol::messages::remove_raft_voter::{
    RemoveRaftVoterRequest, RemoveRaftVoterResponse,
};
use crate::types::Timestamp;
use crate::wire::Uuid;

/// The topic in which controllers keep the metadata.
const METADATA: &str = "__cluster_metadata";

/// Describes the quorum: see [`Client::describe_quorum`](crate::Client::describe_quorum).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeQuorum {}

impl DescribeQuorum {
    /// Describes the quorum. Needs Kafka 3.3, with KRaft (KIP-836).
    pub fn new() -> Self {
        Self::default()
    }
}

/// The controllers, and how far they and the brokers have come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuorumDescription {
    /// The controller that leads.
    pub leader: Option<i32>,
    /// How often the leader has changed.
    pub leader_epoch: i32,
    /// The offset behind what a majority of the voters has; `None` while a new leader does not
    /// know it.
    pub high_watermark: Option<i64>,
    /// The controllers that vote.
    pub voters: Vec<QuorumReplica>,
    /// The brokers and controllers that follow without a vote.
    pub observers: Vec<QuorumReplica>,
    /// Where the voters listen, by id; empty before Kafka 3.9.
    pub nodes: BTreeMap<i32, Vec<VoterEndpoint>>,
}

/// How far a voter or observer has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuorumReplica {
    /// The id of the controller or broker.
    pub id: i32,
    /// The id of its directory, from Kafka 3.9 on (KIP-853).
    pub directory_id: Option<Uuid>,
    /// The offset behind its last record, where the leader knows it.
    pub log_end_offset: Option<i64>,
    /// When it last fetched, on the leader's clock; `None` where the leader does not know.
    pub last_fetch: Option<Timestamp>,
    /// When it last had all that the leader had, on the leader's clock.
    pub last_caught_up: Option<Timestamp>,
}

/// Where a controller listens for other controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VoterEndpoint {
    /// The name of the listener, such as `CONTROLLER`.
    pub listener: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl VoterEndpoint {
    /// An endpoint of a new voter.
    pub fn new(listener: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self { listener: listener.into(), host: host.into(), port }
    }
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    let known = |value: i64| Some(value).filter(|value| *value >= 0);
    QuorumReplica {
        id: state.replica_id,
        directory_id: Some(state.replica_directory_id).filter(|id| !id.is_nil()),
        log_end_offset: known(state.log_end_offset),
        last_fetch: known(state.last_fetch_timestamp).map(Timestamp::from_millis),
        last_caught_up: known(state.last_caught_up_timestamp).map(Timestamp::from_millis),
    }
}

fn description(response: DescribeQuorumResponse) -> Result<QuorumDescription> {
    check_response(response.error_code, response.error_message)?;
    let mut topics = response.topics.into_iter().filter(|topic| topic.topic_name == METADATA);
    let quorum = topics.next().and_then(|topic| topic.partitions.into_iter().next());
    let quorum =
        quorum.ok_or_else(|| Error::new(ErrorKind::Protocol, "no quorum in the answer"))?;
    check_response(quorum.error_code, quorum.error_message)?;
    let nodes = response.nodes.into_iter().map(|node| {
        let endpoints = node.listeners.into_iter();
        let endpoint = endpoints.map(|it| VoterEndpoint::new(it.name, it.host, it.port));
        (node.node_id, endpoint.collect())
    });
    Ok(QuorumDescription {
        leader: Some(quorum.leader_id).filter(|id| *id >= 0),
        leader_epoch: quorum.leader_epoch,
        high_watermark: Some(quorum.high_watermark).filter(|offset| *offset >= 0),
        voters: quorum.current_voters.iter().map(replica).collect(),
        observers: quorum.observers.iter().map(replica).collect(),
        nodes: nodes.collect(),
    })
}

impl Run for DescribeQuorum {
    type Output = QuorumDescription;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |_: &At| {
                let topic = TopicData {
                    topic_name: METADATA.to_owned(),
                    partitions: vec![PartitionData::default()],
                    ..Default::default()
                };
                Ok(DescribeQuorumRequest { topics: vec![topic], ..Default::default() })
            };
            let target = Target::Controller;
            cluster.ask(&target, deadline, "describe the quorum", request, description).await
        })
    }
}

/// Gives a controller a vote: see [`Client::add_raft_voter`](crate::Client::add_raft_voter).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AddRaftVoter {
    voter: i32,
    directory: Uuid,
    endpoints: Vec<VoterEndpoint>,
    cluster_id: Option<String>,
    ack_when_committed: bool,
}

impl AddRaftVoter {
    /// Gives the controller of this id, with this directory, a vote. Needs Kafka 3.9, and
    /// `kraft.version` 1 (KIP-853).
    pub fn new(
        voter: i32,
        directory: Uuid,
        endpoints: impl IntoIterator<Item = VoterEndpoint>,
    ) -> Self {
        Self {
            voter,
            directory,
            endpoints: endpoints.into_iter().collect(),
            cluster_id: None,
            ack_when_committed: true,
        }
    }
}

setters!(AddRaftVoter {
    /// Refuses if the cluster has another id: `INCONSISTENT_CLUSTER_ID`. Default: any.
    cluster_id: String => |this, value| this.cluster_id = Some(value);
    /// Whether to wait until a majority knows of the new voter, the new one among them, rather than
    /// until the leader does. Default: yes. Not to wait needs Kafka 4.2.
    ack_when_committed: bool => |this, value| this.ack_when_committed = value;
});

impl Run for AddRaftVoter {
    type Output = ();

    fn check(&self) -> Result<()> {
        check_voter(self.voter, self.directory)?;
        if self.endpoints.is_empty() {
            return Err(Error::config(format!("raft voter {}: no endpoints", self.voter)));
        }
        check_once("endpoint", self.endpoints.iter().map(|endpoint| &endpoint.listener))
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let listener = |endpoint: &VoterEndpoint| Listener {
                name: endpoint.listener.clone(),
                host: endpoint.host.clone(),
                port: endpoint.port,
                ..Default::default()
            };
            let request = |at: &At| {
                Ok(AddRaftVoterRequest {
                    cluster_id: self.cluster_id.clone(),
                    timeout_ms: at.left_ms,
                    voter_id: self.voter,
                    voter_directory_id: self.directory,
                    listeners: self.endpoints.iter().map(listener).collect(),
                    ack_when_committed: self.ack_when_committed,
                    ..Default::default()
                })
            };
            let read = |response: AddRaftVoterResponse| {
                check_response(response.error_code, response.error_message)
            };
            let what = format!("add raft voter {}", self.voter);
            cluster.ask(&Target::Controller, deadline, &what, request, read).await
        })
    }
}

/// Takes the vote from a controller: see
/// [`Client::remove_raft_voter`](crate::Client::remove_raft_voter).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct RemoveRaftVoter {
    voter: i32,
    directory: Uuid,
    cluster_id: Option<String>,
}

impl RemoveRaftVoter {
    /// Takes the vote from the controller of this id with this directory. Needs Kafka 3.9, and
    /// `kraft.version` 1 (KIP-853).
    pub fn new(voter: i32, directory: Uuid) -> Self {
        Self { voter, directory, cluster_id: None }
    }
}

setters!(RemoveRaftVoter {
    /// Refuses if the cluster has another id: `INCONSISTENT_CLUSTER_ID`. Default: any.
    cluster_id: String => |this, value| this.cluster_id = Some(value);
});

impl Run for RemoveRaftVoter {
    type Output = ();

    fn check(&self) -> Result<()> {
        check_voter(self.voter, self.directory)
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |_: &At| {
                Ok(RemoveRaftVoterRequest {
                    cluster_id: self.cluster_id.clone(),
                    voter_id: self.voter,
                    voter_directory_id: self.directory,
                    ..Default::default()
                })
            };
            let read = |response: RemoveRaftVoterResponse| {
                check_response(response.error_code, response.error_message)
            };
            let what = format!("remove raft voter {}", self.voter);
            cluster.ask(&Target::Controller, deadline, &what, request, read).await
        })
    }
}

fn check_voter(voter: i32, directory: Uuid) -> Result<()> {
    match voter {
        ..0 => Err(Error::config(format!("raft voter {voter}: negative id"))),
        _ if directory.is_nil() => {
            Err(Error::config(format!("raft voter {voter}: the directory id is nil")))
        }
        _ => Ok(()),
    }
}
