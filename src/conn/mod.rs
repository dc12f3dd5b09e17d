//! A handle to one connection: one broker, one request for each call, and no retries.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod.rs` | the broker, and what it says of the cluster |
//! | `builder.rs` | settings, and how the connection is made |
//! | `topics.rs` | creating and deleting topics |
//! | `partition.rs` | one partition of the broker: position, offsets, reading, writing |
//! | `fetch.rs`, `produce.rs` | the requests and answers of reading and writing: no I/O |

mod builder;
mod fetch;
mod partition;
mod produce;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

pub use builder::ConnBuilder;
pub use fetch::{Fetched, ReadBatch};
pub use partition::PartitionConn;
pub use produce::Written;

use crate::admin::metadata::metadata_request;
use crate::cluster::{Broker, Metadata, TopicMetadata};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::messages::api_versions::ApiVersionsRequest;
use crate::protocol::{ApiKey, ErrorCode, Request};
use crate::transport::{Connection, TransportError};
use builder::Settings;

/// A connection to one broker. Clones share it, and the last one to drop closes it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::start().await.unwrap();
/// # let address = cluster.bootstrap().remove(0);
/// use kafkio::{Conn, admin::topics::NewTopic};
///
/// let conn = Conn::dial(&address).await?;
/// let controller = conn.dial_broker(&conn.controller().await?).await?;
/// controller.create_topics([NewTopic::new("orders").partitions(3)]).await?.into_result()?;
///
/// for topic in conn.read_partitions(&["orders"]).await? {
///     println!("{} has {} partitions", topic.name, topic.partitions.len());
/// }
/// # Ok(()) }
/// ```
///
/// Each call is one request to this broker, in the newest version that both know. Nothing is
/// retried and nothing is sent elsewhere: when this broker is the wrong one to ask, the error
/// says so, and when the connection has ended, every call says so until
/// another is dialled. [`Client`](crate::Client), [`Reader`](crate::Reader) and
/// [`Writer`](crate::Writer) do all of that by themselves.
///
/// Calls may overlap: their requests go out at once, and the broker answers them in order.
///
/// # Errors
///
/// Of every call: the connection has ended ([`ErrorKind::Connection`], [`ErrorKind::Timeout`]),
/// the broker does not know the request ([`ErrorKind::Unsupported`]), or it answered with an
/// error code ([`Error::code`]). What is [retriable](Error::is_retriable) may succeed over a
/// connection that is dialled anew.
///
/// # Cancel safety
///
/// Dropping the future of a call abandons its answer, and hurts neither the connection nor other
/// calls. What was asked for may still happen if the request was sent.
#[derive(Clone, Debug)]
pub struct Conn {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    broker: Broker,
    settings: Settings,
}

impl Conn {
    /// The id of a broker that was dialled by its address: brokers do not tell it.
    const UNKNOWN_ID: i32 = -1;

    fn new(connection: Connection, broker: Broker, settings: Settings) -> Self {
        Self { inner: Arc::new(Inner { connection, broker, settings }) }
    }

    /// Connects to the broker at `host:port`, or `host` for port 9092.
    ///
    /// # Errors
    ///
    /// The address is not one, or why it could not be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn dial(address: &str) -> Result<Self> {
        Self::builder([address]).dial().await
    }

    /// Asks the broker at this address for the leader of a partition, and connects to it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
    /// # let address = cluster.bootstrap().remove(0);
    /// use kafkio::{Conn, Record};
    ///
    /// let mut conn = Conn::dial_leader(&address, "orders", 0).await?;
    /// conn.write_messages([Record::new("one"), Record::new("two")]).await?;
    /// assert_eq!(conn.read_message().await?.value(), Some(&b"one"[..]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`dial`](Self::dial) and [`leader`](Self::leader).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn dial_leader(
        address: &str,
        topic: impl Into<Arc<str>>,
        partition: i32,
    ) -> Result<PartitionConn> {
        let topic = topic.into();
        Self::builder([address]).dial_leader(topic, partition).await
    }

    /// Begins a connection with other settings than the defaults, to the first of these addresses
    /// that answers.
    pub fn builder<S: Into<String>>(bootstrap: impl IntoIterator<Item = S>) -> ConnBuilder {
        ConnBuilder::new(bootstrap.into_iter().map(Into::into).collect())
    }

    /// The broker at the other end. One that was dialled by its address has the id -1.
    pub fn broker(&self) -> &Broker {
        &self.inner.broker
    }

    /// Whether the connection has ended; it does not come back.
    pub fn is_closed(&self) -> bool {
        self.inner.connection.is_closed()
    }

    /// Closes the connection if this is the last handle to it, as dropping it does.
    pub fn close(self) {
        drop(self);
    }

    /// Connects to another broker, with the settings of this connection.
    ///
    /// # Errors
    ///
    /// Why it could not be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn dial_broker(&self, broker: &Broker) -> Result<Self> {
        self.inner.settings.dial(broker.clone()).await
    }

    /// Asks this broker for the leader of a partition, and connects to it, with the settings of
    /// this connection. Never creates the topic.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `LEADER_NOT_AVAILABLE`, or why the leader could not be
    /// reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn leader(
        &self,
        topic: impl Into<Arc<str>>,
        partition: i32,
    ) -> Result<PartitionConn> {
        let topic = topic.into();
        let metadata = self.metadata(Some(&[&topic])).await?;
        let failed = |code| Error::broker(code, format!("leader of {topic}[{partition}]"));
        let known = metadata.topics.get(&topic);
        let known = known.ok_or_else(|| failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
        known.error.check().map_err(failed)?;
        if known.partition(partition).is_none() {
            return Err(failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        }
        let leader = metadata.leader(&topic, partition);
        let leader = leader.and_then(|(id, _)| metadata.brokers.get(&id));
        let leader = leader.ok_or_else(|| failed(ErrorCode::LEADER_NOT_AVAILABLE))?;
        let conn = self.dial_broker(leader).await?;
        Ok(PartitionConn::new(conn, topic, partition, known.id))
    }

    /// A view of one partition over this connection, without asking whether the broker leads it.
    pub fn partition(&self, topic: impl Into<Arc<str>>, partition: i32) -> PartitionConn {
        PartitionConn::new(self.clone(), topic.into(), partition, crate::wire::Uuid::default())
    }

    /// The broker that creates and deletes topics. Under `KRaft` any broker may be named: each of
    /// them passes such requests on.
    ///
    /// # Errors
    ///
    /// The cluster has no controller at the moment; and see [`Conn`].
    ///
    /// # Cancel safety
    ///
    /// See [`Conn`].
    pub async fn controller(&self) -> Result<Broker> {
        let metadata = self.metadata(Some(&[])).await?;
        let controller = metadata.controller.and_then(|id| metadata.brokers.get(&id));
        controller.cloned().ok_or_else(|| {
            let text = format!("{} knows no controller at the moment", self.name());
            Error::new(ErrorKind::Connection, text)
        })
    }

    /// The brokers of the cluster, by their ids.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    ///
    /// # Cancel safety
    ///
    /// See [`Conn`].
    pub async fn brokers(&self) -> Result<Vec<Broker>> {
        Ok(self.metadata(Some(&[])).await?.brokers.into_values().collect())
    }

    /// Describes these topics with their partitions, in that order; all topics of the cluster, by
    /// name, if none is given. Never creates a topic.
    ///
    /// # Errors
    ///
    /// What the broker says of a topic that was asked for, such as `UNKNOWN_TOPIC_OR_PARTITION`.
    /// When all topics are listed, each has its own [`error`](TopicMetadata::error) instead. And
    /// see [`Conn`].
    ///
    /// # Cancel safety
    ///
    /// See [`Conn`].
    pub async fn read_partitions(&self, topics: &[&str]) -> Result<Vec<TopicMetadata>> {
        let wanted = Some(topics).filter(|topics| !topics.is_empty());
        let metadata = self.metadata(wanted).await?;
        if topics.is_empty() {
            let mut all: Vec<_> = metadata.topics.into_values().map(Arc::unwrap_or_clone).collect();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            return Ok(all);
        }
        let described = topics.iter().map(|name| {
            let topic = metadata.topics.get(*name);
            let code = topic.map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |topic| topic.error);
            match topic {
                Some(topic) if code == ErrorCode::NONE => Ok(TopicMetadata::clone(topic)),
                _ => Err(Error::broker(code, format!("partitions of {name}"))),
            }
        });
        described.collect()
    }

    /// The calls that this broker knows, with the versions of each.
    ///
    /// # Errors
    ///
    /// See [`Conn`].
    ///
    /// # Cancel safety
    ///
    /// See [`Conn`].
    pub async fn api_versions(&self) -> Result<BTreeMap<ApiKey, RangeInclusive<i16>>> {
        let request = |_| ApiVersionsRequest {
            client_software_name: env!("CARGO_PKG_NAME").to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        let response = self.call(request).await?;
        ErrorCode(response.error_code).check().map_err(|code| {
            Error::broker(code, format!("{} to {}", ApiKey::API_VERSIONS, self.name()))
        })?;
        let ranges = response.api_keys.into_iter();
        Ok(ranges.map(|api| (ApiKey(api.api_key), api.min_version..=api.max_version)).collect())
    }

    /// What the broker says of these topics; of all, if `None`.
    async fn metadata(&self, topics: Option<&[&str]>) -> Result<Metadata> {
        let response = self.call(|version| metadata_request(topics, version)).await?;
        ErrorCode(response.error_code).check().map_err(|code| {
            Error::broker(code, format!("{} to {}", ApiKey::METADATA, self.name()))
        })?;
        let mut metadata = Metadata::default().merged(response);
        if let Some(topics) = topics {
            let wanted: BTreeSet<_> = topics.iter().copied().collect();
            metadata.topics.retain(|name, _| wanted.contains(&**name));
        }
        Ok(metadata)
    }

    /// Sends the request that `request` makes for the version in use, and waits for its answer.
    async fn call<R: Request>(&self, request: impl FnOnce(i16) -> R + Send) -> Result<R::Response> {
        let version = self.version::<R>()?;
        let timeout = self.inner.settings.cluster.request_timeout;
        let answer = self.inner.connection.call(&request(version), timeout).await;
        answer.map_err(|error| self.failed(R::KEY, error))
    }

    fn version<R: Request>(&self) -> Result<i16> {
        self.inner.connection.version::<R>().map_err(|error| self.failed(R::KEY, error))
    }

    fn failed(&self, key: ApiKey, error: TransportError) -> Error {
        Error::from(error).context(format!("{key} to {}", self.name()))
    }

    /// How errors call the broker.
    fn name(&self) -> String {
        name(&self.inner.broker)
    }
}

fn name(broker: &Broker) -> String {
    match broker {
        Broker { id: Conn::UNKNOWN_ID, host, port, .. } => format!("{host}:{port}"),
        Broker { id, host, port, .. } => format!("broker {id} at {host}:{port}"),
    }
}

/// Where to go when the broker is not the leader: `leader` is the one it named, if any.
fn leader_hint(code: ErrorCode, leader: i32) -> String {
    match code {
        ErrorCode::NOT_LEADER_OR_FOLLOWER if leader >= 0 => {
            format!(" (broker {leader} leads it now: dial the leader again)")
        }
        ErrorCode::NOT_LEADER_OR_FOLLOWER => " (dial the leader again)".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_broker() {
        let mut broker = Broker { id: -1, host: "kafka".to_owned(), port: 9092, rack: None };
        assert_eq!(name(&broker), "kafka:9092");
        broker.id = 3;
        assert_eq!(name(&broker), "broker 3 at kafka:9092");
    }

    #[test]
    fn handles_move_between_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<Conn>();
        check::<PartitionConn>();
        check::<Fetched>();
    }
}
