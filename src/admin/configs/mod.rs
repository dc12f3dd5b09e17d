//! Settings of topics, brokers, groups and client metrics: describes, changes and lists them.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
//! # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 1).start().await.unwrap();
//! # let client = cluster.client().connect().await?;
//! use kafkio::admin::configs::{ConfigChanges, ConfigResource, ConfigSource};
//!
//! let orders = ConfigResource::topic("orders");
//! let changes = ConfigChanges::new(orders.clone())
//!     .set("retention.ms", "86400000")
//!     .append("cleanup.policy", "compact");
//! client.incremental_alter_configs([changes]).await?.into_result()?;
//!
//! let configs = client.describe_configs([orders]).await?.into_only()?;
//! let retention = &configs["retention.ms"];
//! assert_eq!(retention.value.as_deref(), Some("86400000"));
//! assert_eq!(retention.source, ConfigSource::Topic);
//! # Ok(()) }
//! ```

mod alter;
mod describe;

use std::collections::HashSet;
use std::fmt;

pub use alter::{AlterConfigs, ConfigChanges, IncrementalAlterConfigs};
pub use describe::{ConfigEntry, ConfigSource, ConfigSynonym, ConfigType, DescribeConfigs};

use super::sealed::{Context, Run};
use super::{Running, codes};
use crate::cluster::{At, Target};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_config_resources::ListConfigResourcesRequest;

codes! {
    /// What sort of thing has settings.
    enum ConfigResourceKind {
        /// A topic.
        Topic = 2,
        /// A broker, or all brokers together.
        Broker = 4,
        /// The loggers of a broker, whose values are levels such as `INFO`. Kafka 2.4 (KIP-412).
        BrokerLogger = 8,
        /// A subscription to metrics of clients. Kafka 3.7 (KIP-714).
        ClientMetrics = 16,
        /// A group. Kafka 4.0 (KIP-848).
        Group = 32,
    }
}

/// A thing that has settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ConfigResource {
    /// What it is.
    pub kind: ConfigResourceKind,
    /// Its name; of brokers and their loggers, the id of the broker as text.
    pub name: String,
}

impl ConfigResource {
    /// A resource of any kind.
    pub fn new(kind: ConfigResourceKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(ConfigResourceKind::Topic, name)
    }

    /// One broker.
    pub fn broker(id: i32) -> Self {
        Self::new(ConfigResourceKind::Broker, id.to_string())
    }

    /// What is set at run time for all brokers, where a broker has nothing of its own (KIP-226).
    /// Kafka 1.1.
    pub fn all_brokers() -> Self {
        Self::new(ConfigResourceKind::Broker, "")
    }

    /// The loggers of one broker.
    pub fn broker_logger(id: i32) -> Self {
        Self::new(ConfigResourceKind::BrokerLogger, id.to_string())
    }

    /// A subscription to metrics of clients.
    pub fn client_metrics(name: impl Into<String>) -> Self {
        Self::new(ConfigResourceKind::ClientMetrics, name)
    }

    /// A group.
    pub fn group(name: impl Into<String>) -> Self {
        Self::new(ConfigResourceKind::Group, name)
    }

    /// What belongs to one broker is known to it alone.
    fn target(&self) -> Target {
        match (self.kind, self.name.parse()) {
            (ConfigResourceKind::Broker | ConfigResourceKind::BrokerLogger, Ok(id)) => {
                Target::Broker(id)
            }
            _ => Target::Any,
        }
    }

    /// Controllers keep the settings of all but loggers (KIP-919).
    fn controller_target(&self) -> Target {
        match self.kind {
            ConfigResourceKind::BrokerLogger => self.target(),
            _ => Target::Controller,
        }
    }
}

/// `topic orders`, `broker 1`, `all brokers`
impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            ConfigResourceKind::Topic => write!(f, "topic {name}"),
            ConfigResourceKind::Broker if name.is_empty() => f.write_str("all brokers"),
            ConfigResourceKind::Broker => write!(f, "broker {name}"),
            ConfigResourceKind::BrokerLogger => write!(f, "loggers of broker {name}"),
            ConfigResourceKind::ClientMetrics => write!(f, "client metrics {name}"),
            ConfigResourceKind::Group => write!(f, "group {name}"),
            ConfigResourceKind::Other(kind) => write!(f, "resource {name} of kind {kind}"),
        }
    }
}

/// Brokers refuse all of them if one is named twice, and results are told by resource.
fn check_resources<'a>(resources: impl IntoIterator<Item = &'a ConfigResource>) -> Result<()> {
    let mut seen = HashSet::new();
    for resource in resources {
        if !seen.insert(resource) {
            return Err(Error::config(format!("{resource} is named twice")));
        }
        if resource.name.is_empty() && resource.kind != ConfigResourceKind::Broker {
            return Err(Error::config(format!("{:?} without a name", resource.kind)));
        }
    }
    Ok(())
}

/// Lists resources that have settings: see
/// [`Client::list_config_resources`](crate::Client::list_config_resources).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct ListConfigResources {
    kinds: Vec<ConfigResourceKind>,
}

impl ListConfigResources {
    /// Lists the resources of these kinds; with none, of all kinds. Needs Kafka 4.1 (KIP-1142);
    /// client metrics alone, 3.7.
    pub fn new(kinds: impl IntoIterator<Item = ConfigResourceKind>) -> Self {
        Self { kinds: kinds.into_iter().collect() }
    }
}

impl Run for ListConfigResources {
    type Output = Vec<ConfigResource>;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |at: &At| {
                let is_metrics = self.kinds == [ConfigResourceKind::ClientMetrics];
                if !is_metrics {
                    let what = "listing resources other than client metrics";
                    at.needs::<ListConfigResourcesRequest>(1, what)?;
                }
                let kinds = self.kinds.iter().map(|kind| kind.code()).filter(|_| at.version > 0);
                let resource_types = kinds.collect();
                Ok(ListConfigResourcesRequest { resource_types, ..Default::default() })
            };
            let what = "list config resources";
            cluster
                .ask(&Target::Any, deadline, what, request, |response| {
                    ErrorCode(response.error_code)
                        .check()
                        .map_err(|code| Error::broker(code, what))?;
                    let resources = response.config_resources.into_iter();
                    let resources = resources.map(|resource| {
                        let kind = ConfigResourceKind::from_code(resource.resource_type);
                        ConfigResource::new(kind, resource.resource_name)
                    });
                    Ok(resources.collect())
                })
                .await
        })
    }
}
