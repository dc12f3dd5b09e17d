//! How a client is made.

use std::sync::Arc;
use std::time::Duration;

use super::Client;
use crate::cluster::{Backoff, ClusterConfig, Source};
use crate::conn::ConnBuilder;
use crate::error::Result;
use crate::transport::Connect;

/// Collects the settings of a [`Client`]; [`connect`](Self::connect) checks them all at once.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct ClientBuilder {
    pub(super) config: ClusterConfig,
    pub(super) connector: Arc<dyn Connect>,
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
