//! Settings of a `Conn`, and how it is dialled. Knows nothing of what it is used for.

use std::sync::Arc;
use std::time::Duration;

use super::{Conn, PartitionConn};
use crate::cluster::{Broker, ClusterConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{Connect, Connection, ConnectionConfig, TcpConnector};
use crate::types::IsolationLevel;

/// Collects the settings of a [`Conn`]; [`dial`](Self::dial) checks them all at once.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
/// # let servers = cluster.bootstrap();
/// use std::time::Duration;
/// use kafkio::{Conn, IsolationLevel};
///
/// let conn = Conn::builder(servers)
///     .client_id("inspector")
///     .request_timeout(Duration::from_secs(5))
///     .isolation(IsolationLevel::ReadCommitted)
///     .dial_leader("orders", 0)
///     .await?;
/// assert_eq!(conn.read_last_offset().await?, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `dial`"]
pub struct ConnBuilder {
    settings: Settings,
}

/// What a connection hands on to those that are dialled from it.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) cluster: ClusterConfig,
    pub(super) connector: Arc<dyn Connect>,
    pub(super) isolation: IsolationLevel,
}

impl ConnBuilder {
    pub(super) fn new(bootstrap: Vec<String>) -> Self {
        Self::with(ClusterConfig::new(bootstrap), Arc::new(TcpConnector::default()))
    }

    /// With the settings that a client would have.
    pub(crate) fn with(cluster: ClusterConfig, connector: Arc<dyn Connect>) -> Self {
        Self { settings: Settings { cluster, connector, isolation: IsolationLevel::default() } }
    }

    /// Names this program in the broker's logs, metrics and quotas (property `client.id`).
    /// Default: `kafkio`.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.settings.cluster.client_id = id.into();
        self
    }

    /// How long a request may wait for its answer; then the connection counts as dead (property
    /// `request.timeout.ms`). A fetch has the time it waits for data on top. Default: 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.cluster.request_timeout = timeout;
        self
    }

    /// How long the connection and its handshake may take (property
    /// `socket.connection.setup.timeout.ms`). Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.cluster.connect_timeout = timeout;
        self
    }

    /// The largest response that is accepted, and the most that one fetch may be when
    /// decompressed; a broker that announces more is not believed, and the connection is closed
    /// (property `receive.message.max.bytes` of librdkafka). Default: 128 MiB.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.settings.cluster.max_frame_size = bytes;
        self
    }

    /// Which records of transactions are read, and what the last offset is (property
    /// `isolation.level`). Default: all records.
    pub fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.settings.isolation = isolation;
        self
    }

    /// How the connection is made. Default: plain TCP.
    pub fn connector(mut self, connector: impl Connect) -> Self {
        self.settings.connector = Arc::new(connector);
        self
    }

    /// Connects to one of the addresses, in random order.
    ///
    /// # Errors
    ///
    /// A wrong setting, by its name; or why the last address could not be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn dial(self) -> Result<Conn> {
        let mut addresses = self.settings.cluster.check()?;
        fastrand::shuffle(&mut addresses);
        let mut failure = Error::new(ErrorKind::Connection, "no address was given");
        for (host, port) in addresses {
            let broker = Broker { id: Conn::UNKNOWN_ID, host, port, rack: None };
            match self.settings.dial(broker).await {
                Ok(conn) => return Ok(conn),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Connects to one of the addresses, asks it which broker leads the partition, and connects
    /// to that one. Never creates the topic.
    ///
    /// # Errors
    ///
    /// Those of [`dial`](Self::dial) and of [`Conn::leader`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what has been opened.
    pub async fn dial_leader(
        self,
        topic: impl Into<Arc<str>>,
        partition: i32,
    ) -> Result<PartitionConn> {
        let topic = topic.into();
        self.dial().await?.leader(topic, partition).await
    }
}

impl Settings {
    pub(super) async fn dial(&self, broker: Broker) -> Result<Conn> {
        let config = ConnectionConfig {
            client_id: self.cluster.client_id.clone(),
            connect_timeout: self.cluster.connect_timeout,
            request_timeout: self.cluster.request_timeout,
            max_frame_size: self.cluster.max_frame_size,
            ..ConnectionConfig::default()
        };
        let connector = self.connector.as_ref();
        match Connection::open(connector, &broker.host, broker.port, &config).await {
            Ok(connection) => Ok(Conn::new(connection, broker, self.clone())),
            Err(error) => Err(Error::from(error).context(format!("dial {}", super::name(&broker)))),
        }
    }
}
