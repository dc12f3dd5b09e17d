//! The client: one cluster, and everything that is made from it. The only module that sees readers,
//! writers and admin calls together; a file for each family of the latter.

mod builder;
mod cluster;
mod configs;
mod groups;
mod offsets;
mod replicas;
mod security;
mod share_groups;
mod streams_groups;
mod topics;
mod transactions;

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::admin::{self, Call, Operation, Running, Target};
use crate::cluster::{Cluster, ClusterConfig, Source};
use crate::error::{Error, Result};
use crate::protocol::Request;
use crate::reader::ReaderBuilder;
use crate::transport::TcpConnector;
use crate::writer::WriterBuilder;

pub use builder::ClientBuilder;

/// A handle to a Kafka cluster. Clones share its connections; the last one to drop closes them.
///
/// Readers and writers made from one client share metadata, and keep connections of their own
/// where one would hold up the other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
/// use kafkio::{Client, admin::topics::NewTopic};
///
/// # let servers = cluster.bootstrap();
/// let client = Client::builder(servers).client_id("billing").connect().await?;
/// client.create_topics([NewTopic::new("orders").partitions(3)]).await?.into_result()?;
/// let topics = client.metadata(["orders"]).await?;
/// assert_eq!(topics.topic("orders")?.partitions.len(), 3);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    cluster: Cluster,
}

impl Client {
    /// Begins a client of the cluster that these brokers belong to: `host:port`, or `host` for
    /// port 9092. One that answers is enough; the others are found through it.
    pub fn builder<S: Into<String>>(bootstrap: impl IntoIterator<Item = S>) -> ClientBuilder {
        ClientBuilder {
            config: ClusterConfig::new(bootstrap.into_iter().map(Into::into).collect()),
            connector: Arc::new(TcpConnector::default()),
        }
    }

    /// Begins a client that speaks with the controllers of a cluster without `ZooKeeper`, of which
    /// these are some, and never with brokers (property `bootstrap.controllers`, KIP-919). It can
    /// describe and change the cluster, also when no broker is up; it can neither read nor write.
    /// Needs Kafka 3.7.
    ///
    /// ```no_run
    /// # async fn example() -> kafkio::Result<()> {
    /// let client = kafkio::Client::controllers(["localhost:9093"]).connect().await?;
    /// let cluster = client.describe_cluster().await?;
    /// println!("controller {:?} of {:?}", cluster.controller, cluster.nodes);
    /// # Ok(()) }
    /// ```
    pub fn controllers<S: Into<String>>(controllers: impl IntoIterator<Item = S>) -> ClientBuilder {
        let mut builder = Self::builder(controllers);
        builder.config.controllers = true;
        builder
    }

    /// Begins a [`Reader`](crate::Reader).
    pub fn reader(&self) -> ReaderBuilder {
        ReaderBuilder::new(Source::Cluster(self.cluster.clone()))
    }

    /// Begins a [`Writer`](crate::Writer).
    pub fn writer(&self) -> WriterBuilder {
        WriterBuilder::new(Source::Cluster(self.cluster.clone()))
    }

    /// Sends any request of [`protocol`](crate::protocol) as it is, again where that may help, and
    /// gives the response, whose error codes are yours to look at.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
    /// # let client = cluster.client().connect().await?;
    /// use kafkio::admin::Target;
    /// use kafkio::protocol::messages::metadata::MetadataRequest;
    ///
    /// let request = MetadataRequest { topics: None, ..Default::default() };
    /// let response = client.send(Target::Any, request).await?;
    /// assert_eq!(response.brokers.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn send<R: Request>(&self, target: Target, request: R) -> Call<admin::Raw<R>> {
        self.request(admin::Raw::new(target, request))
    }

    /// Runs an operation of [`admin`](crate::admin) that is already a value.
    pub fn request<O: Operation>(&self, operation: O) -> Call<O> {
        Call::new(self.cluster.clone(), operation)
    }
}

/// Every operation of [`admin`](crate::admin) is a request of this service.
impl<O: Operation> tower_service::Service<O> for Client {
    type Response = O::Output;
    type Error = Error;
    type Future = Running<O::Output>;

    /// Always ready: what limits the operations is the broker, and they wait for it themselves.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, operation: O) -> Self::Future {
        admin::start(self.cluster.clone(), operation)
    }
}
