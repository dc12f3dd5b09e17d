//! The client: one cluster, and everything that is made from it. The only file that sees readers,
//! writers and admin calls together.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::admin::{
    self, Call, CreateTopics, DeleteTopics, DescribeMetadata, ListOffsets, NewTopic, OffsetSpec,
    Operation, Running, Target,
};
use crate::cluster::{Backoff, Cluster, ClusterConfig, Source};
use crate::conn::ConnBuilder;
use crate::error::{Error, Result};
use crate::protocol::Request;
use crate::reader::ReaderBuilder;
use crate::transport::{Connect, TcpConnector};
use crate::writer::WriterBuilder;

/// A handle to a Kafka cluster. Clones share its connections; the last one to drop closes them.
///
/// Readers and writers made from one client share metadata, and keep connections of their own
/// where one would hold up the other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
/// use kafkio::{Client, admin::NewTopic};
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

    /// Begins a [`Reader`](crate::Reader).
    pub fn reader(&self) -> ReaderBuilder {
        ReaderBuilder::new(Source::Cluster(self.cluster.clone()))
    }

    /// Begins a [`Writer`](crate::Writer).
    pub fn writer(&self) -> WriterBuilder {
        WriterBuilder::new(Source::Cluster(self.cluster.clone()))
    }

    /// Creates topics. Await the call, or set options first: see [`CreateTopics`].
    ///
    /// Each topic has a result of its own. One that exists already is
    /// [`ErrorCode::TOPIC_ALREADY_EXISTS`](crate::protocol::ErrorCode::TOPIC_ALREADY_EXISTS).
    pub fn create_topics(&self, topics: impl IntoIterator<Item = NewTopic>) -> Call<CreateTopics> {
        self.request(CreateTopics::new(topics))
    }

    /// Deletes topics, with all that is in them.
    pub fn delete_topics<S: Into<String>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Call<DeleteTopics> {
        self.request(DeleteTopics::new(names))
    }

    /// Describes the brokers and these topics.
    pub fn metadata<S: Into<String>>(
        &self,
        topics: impl IntoIterator<Item = S>,
    ) -> Call<DescribeMetadata> {
        self.request(DescribeMetadata::new(topics))
    }

    /// Describes the brokers and all topics.
    pub fn all_metadata(&self) -> Call<DescribeMetadata> {
        self.request(DescribeMetadata::all())
    }

    /// Looks up offsets: where partitions begin and end, or by time.
    pub fn list_offsets<T: Into<Arc<str>>>(
        &self,
        partitions: impl IntoIterator<Item = (T, i32, OffsetSpec)>,
    ) -> Call<ListOffsets> {
        self.request(ListOffsets::new(partitions))
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

/// Collects the settings of a [`Client`]; [`connect`](Self::connect) checks them all at once.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct ClientBuilder {
    config: ClusterConfig,
    connector: Arc<dyn Connect>,
}

impl ClientBuilder {
    /// Names this program in the brokers' logs, metrics and quotas (property `client.id`).
    /// Default: `kafkio`.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.config.client_id = id.into();
        self
    }

    /// How long one request may wait for its answer; then its connection counts as dead (property
    /// `request.timeout.ms`). Default: 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self
    }

    /// How long a call may take with all its retries, unless it is given a time of its own
    /// (property `default.api.timeout.ms`). Default: 60 s.
    pub fn api_timeout(mut self, timeout: Duration) -> Self {
        self.config.api_timeout = timeout;
        self
    }

    /// How long a connection and its handshake may take (property
    /// `socket.connection.setup.timeout.ms`), and how long [`connect`](Self::connect) tries to find
    /// a broker that answers. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Metadata is asked for again when it is this old; errors refresh it at once (property
    /// `metadata.max.age.ms`). Default: 5 minutes.
    pub fn metadata_max_age(mut self, age: Duration) -> Self {
        self.config.metadata_max_age = age;
        self
    }

    /// The wait after a first failure, doubled after each further one up to `max`, with jitter
    /// (properties `retry.backoff.ms`, `retry.backoff.max.ms`). Default: 100 ms to 1 s.
    pub fn retry_backoff(mut self, min: Duration, max: Duration) -> Self {
        self.config.backoff = Backoff { min, max };
        self
    }

    /// The largest response that is accepted; a broker that announces more is not believed, and
    /// its connection is closed (property `receive.message.max.bytes` of librdkafka). Must exceed
    /// the largest fetch. Default: 128 MiB.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.config.max_frame_size = bytes;
        self
    }

    /// Whether using a topic that does not exist may create it, where the broker has
    /// `auto.create.topics.enable` (property `allow.auto.create.topics`). Brokers before 0.11 do
    /// not ask. Default: no.
    pub fn allow_auto_topic_creation(mut self, allow: bool) -> Self {
        self.config.allow_auto_topic_creation = allow;
        self
    }

    /// How connections are made. Default: plain TCP.
    pub fn connector(mut self, connector: impl Connect) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// Begins a [`Conn`](crate::Conn) to one of these brokers, with these settings; those of
    /// retries and metadata mean nothing to it.
    pub fn conn(self) -> ConnBuilder {
        ConnBuilder::with(self.config, self.connector)
    }

    /// Checks the settings, and waits until a broker has answered.
    ///
    /// # Errors
    ///
    /// A wrong setting, by its name; or why each of the addresses could not be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn connect(self) -> Result<Client> {
        let source = Source::Config(self.config, self.connector);
        Ok(Client { cluster: source.cluster().await? })
    }
}
