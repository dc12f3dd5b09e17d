//! What a cluster is told at its start, and where readers and writers get theirs from.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Backoff, Cluster};
use crate::error::{Error, Result};
use crate::transport::{Connect, TcpConnector};

/// Settings that every call to the cluster shares; `ClientBuilder` documents them.
#[derive(Clone, Debug)]
pub(crate) struct ClusterConfig {
    /// `host:port` of the brokers to ask first.
    pub(crate) bootstrap: Vec<String>,
    /// These are controllers, and the client is to speak with controllers only (KIP-919).
    pub(crate) controllers: bool,
    pub(crate) client_id: String,
    pub(crate) request_timeout: Duration,
    pub(crate) api_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) metadata_max_age: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) max_frame_size: usize,
    pub(crate) allow_auto_topic_creation: bool,
}

/// Where a reader or writer gets its cluster from: one that exists, or settings for one.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Cluster(Cluster),
    Config(ClusterConfig, Arc<dyn Connect>),
}

impl ClusterConfig {
    /// The defaults.
    pub(crate) fn new(bootstrap: Vec<String>) -> Self {
        Self {
            bootstrap,
            controllers: false,
            client_id: "kafkio".to_owned(),
            request_timeout: Duration::from_secs(30),
            api_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            metadata_max_age: Duration::from_secs(300),
            backoff: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) },
            max_frame_size: 128 << 20,
            allow_auto_topic_creation: false,
        }
    }

    /// The bootstrap addresses, without those that stand twice.
    ///
    /// # Errors
    ///
    /// A wrong setting, by its name.
    pub(crate) fn check(&self) -> Result<Vec<(String, u16)>> {
        let mut addresses = Vec::new();
        for address in &self.bootstrap {
            let parsed = parse_address(address)?;
            if !addresses.contains(&parsed) {
                addresses.push(parsed);
            }
        }
        if addresses.is_empty() {
            return Err(Error::config("bootstrap: no address was given"));
        }
        for (name, value) in [
            ("request_timeout", self.request_timeout),
            ("api_timeout", self.api_timeout),
            ("connect_timeout", self.connect_timeout),
            ("metadata_max_age", self.metadata_max_age),
            ("retry_backoff", self.backoff.min),
        ] {
            if value.is_zero() {
                return Err(Error::config(format!("{name}: must be longer than zero")));
            }
            check_duration(name, value)?;
        }
        check_duration("retry_backoff", self.backoff.max)?;
        if self.backoff.max < self.backoff.min {
            return Err(Error::config("retry_backoff: max is shorter than min"));
        }
        if !(1024..=i32::MAX as usize).contains(&self.max_frame_size) {
            return Err(Error::config("max_frame_size: must be from 1 KiB to 2 GiB"));
        }
        if i16::try_from(self.client_id.len()).is_err() {
            return Err(Error::config("client_id: longer than 32767 bytes"));
        }
        Ok(addresses)
    }
}

impl Source {
    /// Settings at their defaults, over plain TCP.
    pub(crate) fn bootstrap(addresses: Vec<String>) -> Self {
        Self::Config(ClusterConfig::new(addresses), Arc::new(TcpConnector::default()))
    }

    /// The cluster of readers and writers; waits until a broker has answered if it is new.
    ///
    /// # Errors
    ///
    /// A wrong setting, or why no broker could be asked.
    pub(crate) async fn cluster(self) -> Result<Cluster> {
        match self {
            Self::Cluster(cluster) if cluster.config().controllers => {
                Err(Error::config("controllers: only brokers have records to read and write"))
            }
            Self::Cluster(cluster) => Ok(cluster),
            Self::Config(config, connector) => {
                let deadline = Instant::now() + config.connect_timeout;
                let cluster = Cluster::new(config, connector)?;
                cluster.bootstrap(deadline).await?;
                Ok(cluster)
            }
        }
    }
}

/// Refuses times that the protocol cannot say, and that the clock cannot be added to.
///
/// # Errors
///
/// The time is longer than 2^31 - 1 milliseconds.
pub(crate) fn check_duration(name: &str, time: Duration) -> Result<()> {
    match i32::try_from(time.as_millis()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::config(format!("{name}: must be shorter than 24 days"))),
    }
}

/// `host:port`, `host`, `[v6]:port`, `[v6]`.
fn parse_address(address: &str) -> Result<(String, u16)> {
    let wrong = |why: &str| Error::config(format!("bootstrap: {address:?} {why}"));
    let (host, port) = match address.rsplit_once(':') {
        // A colon inside brackets, or several without any, belongs to an IPv6 address.
        Some((host, port))
            if !port.contains(']') && (!host.contains(':') || host.ends_with(']')) =>
        {
            (
                host,
                port.parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| wrong("has no valid port"))?,
            )
        }
        _ => (address, 9092),
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || host.contains(['/', ' ', '[', ']', ',']) {
        return Err(wrong("is not host:port"));
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let ok = |text: &str| parse_address(text).unwrap();
        assert_eq!(ok("kafka:9093"), ("kafka".to_owned(), 9093));
        assert_eq!(ok("kafka"), ("kafka".to_owned(), 9092));
        assert_eq!(ok("[::1]:9093"), ("::1".to_owned(), 9093));
        assert_eq!(ok("::1"), ("::1".to_owned(), 9092));
        for text in ["", ":9092", "kafka:", "kafka:0", "kafka:99999", "http://kafka", "a:1,b:2"] {
            let error = parse_address(text).unwrap_err().to_string();
            assert!(error.starts_with("bootstrap: "), "{error}");
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        let with = |change: fn(&mut ClusterConfig)| {
            let mut config = ClusterConfig::new(vec!["localhost".to_owned()]);
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(with(|c| c.request_timeout = Duration::ZERO).starts_with("request_timeout"));
        assert!(with(|c| c.api_timeout = Duration::MAX).starts_with("api_timeout"));
        assert!(with(|c| c.max_frame_size = 1).starts_with("max_frame_size"));
        assert!(with(|c| c.backoff.max = Duration::ZERO).starts_with("retry_backoff"));
        assert!(with(|c| c.bootstrap.clear()).starts_with("bootstrap"));
    }
}
