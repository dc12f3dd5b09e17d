//! The cluster itself: its brokers, and which calls each of them knows.
//!
//! The levels of its features are [`features`](super::features), its controllers
//! [`quorum`](super::quorum).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use kafkio::protocol::ApiKey;
//!
//! let cluster = client.describe_cluster().await?;
//! for broker in cluster.nodes.values() {
//!     let calls = client.api_versions(broker.id).await?;
//!     println!("{}:{} answers {:?}", broker.host, broker.port, calls[&ApiKey::FETCH]);
//! }
//! # assert_eq!(cluster.nodes.len(), 1);
//! # Ok(()) }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tokio::time::Instant;

use super::acls::{AclOperation, authorized_operations};
use super::metadata::metadata_request;
use super::sealed::{Context, Run};
use super::{Running, setters};
pub use crate::cluster::Broker;
use crate::cluster::{At, Cluster, Metadata, Target, check_response};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ApiKey;
use crate::protocol::messages::api_versions::ApiVersionsResponse;
use crate::protocol::messages::describe_cluster::{
    DescribeClusterRequest, DescribeClusterResponse,
};
use crate::protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::messages::unregister_broker::{
    UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use crate::transport::api_versions_request;

/// Describes the cluster: see [`Client::describe_cluster`](crate::Client::describe_cluster).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeCluster {
    authorized_operations: bool,
    fenced_brokers: bool,
}

impl DescribeCluster {
    /// Describes the brokers that are there; with a client of controllers, those. Brokers before
    /// Kafka 2.8, which lack this call, are asked for metadata instead.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(DescribeCluster {
    /// Whether to tell what this client may do with the cluster. Default: no. Needs Kafka 2.3
    /// (KIP-430).
    include_authorized_operations: bool => |this, value| this.authorized_operations = value;
    /// Whether to list brokers too that are registered but out of service (KIP-1073). Default: no.
    /// Needs Kafka 4.0.
    fenced_brokers: bool => |this, value| this.fenced_brokers = value;
});

/// The cluster, as the broker saw it that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// The id of the cluster, from Kafka 0.10.1 on.
    pub cluster_id: Option<String>,
    /// The broker that takes requests for the controller: any of them, where there is KRaft. The
    /// active controller itself, with a client of controllers.
    pub controller: Option<i32>,
    /// The brokers, by id; or the controllers.
    pub nodes: BTreeMap<i32, Broker>,
    /// Those of the brokers that are registered but out of service.
    pub fenced: BTreeSet<i32>,
    /// What this client may do with the cluster, if that was asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

impl DescribeCluster {
    const WHAT: &str = "describe the cluster";

    /// What a broker that lacks the call tells in its metadata.
    async fn run_on_old_broker(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<ClusterDescription> {
        let request = |at: &At| {
            Ok(MetadataRequest {
                include_cluster_authorized_operations: self.authorized_operations,
                ..metadata_request::<&str>(Some(&[]), at.version)
            })
        };
        let read = |response: MetadataResponse| {
            let authorized = authorized_operations(response.cluster_authorized_operations);
            let metadata = Metadata::default().merged(response);
            Ok(ClusterDescription::new(metadata, BTreeSet::new(), authorized))
        };
        cluster.ask(&Target::Any, deadline, Self::WHAT, request, read).await
    }
}

impl ClusterDescription {
    fn new(
        metadata: Metadata,
        fenced: BTreeSet<i32>,
        authorized_operations: Option<BTreeSet<AclOperation>>,
    ) -> Self {
        let Metadata { cluster_id, controller, brokers: nodes, .. } = metadata;
        Self { cluster_id, controller, nodes, fenced, authorized_operations }
    }
}

impl Run for DescribeCluster {
    type Output = ClusterDescription;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |_: &At| {
                Ok(DescribeClusterRequest {
                    include_cluster_authorized_operations: self.authorized_operations,
                    endpoint_type: if cluster.config().controllers { 2 } else { 1 },
                    include_fenced_brokers: self.fenced_brokers,
                    ..Default::default()
                })
            };
            let read = |response: DescribeClusterResponse| {
                check_response(response.error_code, response.error_message.clone())?;
                let fenced = response.brokers.iter().filter(|node| node.is_fenced);
                let fenced = fenced.map(|node| node.broker_id).collect();
                let authorized = authorized_operations(response.cluster_authorized_operations);
                Ok(ClusterDescription::new(Metadata::of_nodes(response), fenced, authorized))
            };
            let asked = cluster.ask(&Target::Any, deadline, Self::WHAT, request, read).await;
            match asked {
                Err(error)
                    if error.kind() == ErrorKind::Unsupported
                        && !(self.fenced_brokers || cluster.config().controllers) =>
                {
                    self.run_on_old_broker(&cluster, deadline).await
                }
                asked => asked,
            }
        })
    }
}

/// Tells which calls a broker knows: see [`Client::api_versions`](crate::Client::api_versions).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeApiVersions {
    broker: i32,
}

impl DescribeApiVersions {
    /// Asks this broker.
    pub fn new(broker: i32) -> Self {
        Self { broker }
    }
}

impl Run for DescribeApiVersions {
    type Output = BTreeMap<ApiKey, RangeInclusive<i16>>;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |_: &At| Ok(api_versions_request());
            let read = |response: ApiVersionsResponse| {
                check_response(response.error_code, None)?;
                let calls = response.api_keys.into_iter();
                let call = calls.map(|it| (ApiKey(it.api_key), it.min_version..=it.max_version));
                Ok(call.collect())
            };
            let target = Target::Broker(self.broker);
            cluster.ask(&target, deadline, "describe API versions", request, read).await
        })
    }
}

/// Makes the cluster forget a broker: see
/// [`Client::unregister_broker`](crate::Client::unregister_broker).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct UnregisterBroker {
    broker: i32,
}

impl UnregisterBroker {
    /// Forgets this broker. Needs Kafka 3.3, with KRaft (KIP-631).
    pub fn new(broker: i32) -> Self {
        Self { broker }
    }
}

impl Run for UnregisterBroker {
    type Output = ();

    fn check(&self) -> Result<()> {
        match self.broker {
            ..0 => Err(Error::config(format!("unregister broker {}: negative id", self.broker))),
            _ => Ok(()),
        }
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let broker_id = self.broker;
            let request = |_: &At| Ok(UnregisterBrokerRequest { broker_id, ..Default::default() });
            let read = |response: UnregisterBrokerResponse| {
                check_response(response.error_code, response.error_message)
            };
            let what = format!("unregister broker {broker_id}");
            cluster.ask(&Target::Controller, deadline, &what, request, read).await
        })
    }
}
