//! How a cluster is told what to be.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::FakeCluster;
use super::broker::Shared;
use super::configs::check_config;
use super::state::{Broker, Settings, State, is_topic_name};
use super::versions::Release;

/// The port that brokers without sockets claim to have.
const PIPE_PORT: u16 = 9092;

/// Settings of a [`FakeCluster`]; see there.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
#[must_use = "a builder does nothing until it starts"]
pub struct FakeClusterBuilder {
    brokers: i32,
    racks: Vec<String>,
    topics: Vec<(String, i32)>,
    configs: Vec<(String, String, String)>,
    kafka_version: Option<String>,
    in_memory: bool,
    auto_create_topics: bool,
    message_max_bytes: usize,
    default_partitions: i32,
    replication_factor: Option<i16>,
    cut_batches: bool,
    authorizer: bool,
    rack_aware: bool,
    transaction_version: i16,
    fetch_session_slots: usize,
    request_log: bool,
    seed: u64,
}

impl FakeClusterBuilder {
    pub(super) fn new() -> Self {
        Self {
            brokers: 1,
            racks: Vec::new(),
            topics: Vec::new(),
            configs: Vec::new(),
            kafka_version: None,
            in_memory: false,
            auto_create_topics: false,
            message_max_bytes: 1_048_588,
            default_partitions: 1,
            replication_factor: None,
            cut_batches: false,
            authorizer: false,
            rack_aware: false,
            transaction_version: 2,
            fetch_session_slots: 1000,
            request_log: true,
            seed: 0,
        }
    }

    /// So many brokers, with ids from 0. Default: 1.
    pub fn brokers(mut self, count: i32) -> Self {
        self.brokers = count;
        self
    }

    /// The racks of the brokers, in turn (property `broker.rack`). Default: none.
    pub fn racks<S: Into<String>>(mut self, racks: impl IntoIterator<Item = S>) -> Self {
        self.racks = racks.into_iter().map(Into::into).collect();
        self
    }

    /// A topic that exists from the start. Its partitions are led by one broker after the other.
    pub fn topic(mut self, name: impl Into<String>, partitions: i32) -> Self {
        self.topics.push((name.into(), partitions));
        self
    }

    /// A configuration of such a topic. Those that the cluster heeds: `message.timestamp.type`,
    /// `max.message.bytes`, `min.insync.replicas`, and `cleanup.policy` as to whether records can
    /// be deleted.
    pub fn topic_config(
        mut self,
        topic: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.configs.push((topic.into(), name.into(), value.into()));
        self
    }

    /// Speaks and stores what this version of Kafka does, from `"0.10.1"` to `"4.3"`, the default.
    pub fn kafka_version(mut self, version: &str) -> Self {
        self.kafka_version = Some(version.to_owned());
        self
    }

    /// No sockets: connections are pipes in memory, so that nothing but the runtime's clock makes
    /// them wait. For tests with paused time. [`FakeCluster::client`] knows the way; nobody else
    /// can connect.
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Whether asking for a topic creates it, where the client allows that (property
    /// `auto.create.topics.enable`). The first answer says that it is not there yet, as Kafka's
    /// does. Default: no.
    pub fn auto_create_topics(mut self, enable: bool) -> Self {
        self.auto_create_topics = enable;
        self
    }

    /// The largest batch that brokers take, in bytes (property `message.max.bytes`). Default:
    /// 1 048 588.
    pub fn message_max_bytes(mut self, bytes: usize) -> Self {
        self.message_max_bytes = bytes;
        self
    }

    /// Partitions of a topic that does not say how many (property `num.partitions`). Default: 1.
    pub fn default_partitions(mut self, count: i32) -> Self {
        self.default_partitions = count;
        self
    }

    /// Replicas of a topic that does not say how many (property `default.replication.factor`).
    /// Default: 3, or as many as there are brokers.
    pub fn replication_factor(mut self, factor: i16) -> Self {
        self.replication_factor = Some(factor);
        self
    }

    /// Whether the last batch of a fetched partition is cut off at the byte limit, as Kafka does,
    /// which sends ranges of its files. Default: no, batches are whole.
    pub fn cut_batches(mut self, enable: bool) -> Self {
        self.cut_batches = enable;
        self
    }

    /// Whether there is an authorizer (property `authorizer.class.name`): access control entries can
    /// be created, listed and deleted then. Nobody is refused for them. Default: no, and those
    /// calls are answered with [`SECURITY_DISABLED`](crate::protocol::ErrorCode::SECURITY_DISABLED).
    pub fn authorizer(mut self, enable: bool) -> Self {
        self.authorizer = enable;
        self
    }

    /// Whether leaders send consumers that name their rack to an in-sync replica there (KIP-392;
    /// property `replica.selector.class`, with `RackAwareReplicaSelector`). Default: no.
    pub fn rack_aware(mut self, enable: bool) -> Self {
        self.rack_aware = enable;
        self
    }

    /// The level of the feature `transaction.version`, from 0 to 2 (KIP-890): with less than 2,
    /// clients add partitions to their transactions themselves. Brokers before 4.0 do not have it.
    /// Default: 2.
    pub fn transaction_version(mut self, level: i16) -> Self {
        self.transaction_version = level;
        self
    }

    /// How many fetch sessions each broker keeps (KIP-227; property
    /// `max.incremental.fetch.session.cache.slots`). Default: 1000.
    pub fn fetch_session_slots(mut self, count: usize) -> Self {
        self.fetch_session_slots = count;
        self
    }

    /// Whether [`FakeCluster::requests`] remembers requests; it keeps their bodies. Default: yes.
    pub fn request_log(mut self, enable: bool) -> Self {
        self.request_log = enable;
        self
    }

    /// The seed of all that is random, such as topic ids. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Starts the brokers.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for a setting that cannot be, such as a version of Kafka
    /// that the cluster does not know; or that the system has no port left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what it has started.
    pub async fn start(self) -> io::Result<FakeCluster> {
        let (settings, configs) = self.check()?;
        let mut brokers = BTreeMap::new();
        let mut listeners = Vec::new();
        for id in 0..self.brokers {
            let (host, port) = if self.in_memory {
                (format!("broker-{id}"), PIPE_PORT)
            } else {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let address = listener.local_addr()?;
                listeners.push((id, listener));
                (address.ip().to_string(), address.port())
            };
            let rack = usize::try_from(id).ok().and_then(|at| at.checked_rem(self.racks.len()));
            let rack = rack.and_then(|at| self.racks.get(at)).cloned();
            brokers.insert(id, Broker { host, port, rack, is_up: true });
        }
        let mut state = State::new(settings, brokers, self.seed);
        for ((name, partitions), configs) in self.topics.into_iter().zip(configs) {
            let replicas = state.place(partitions, 0, state.default_factor());
            state.create_topic(&name, replicas, configs);
        }
        let shared = Arc::new(Shared::new(state, self.request_log));
        // From here on dropping the cluster ends it.
        let cluster = FakeCluster::new(Arc::clone(&shared), self.in_memory);
        shared.keep_time();
        for (id, listener) in listeners {
            shared.listen(id, listener);
        }
        Ok(cluster)
    }

    /// The settings, and the configurations of each topic.
    fn check(&self) -> io::Result<(Settings, Vec<BTreeMap<String, String>>)> {
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        if !(1..=1000).contains(&self.brokers) {
            return Err(wrong(format!("brokers: {} is not from 1 to 1000", self.brokers)));
        }
        if self.default_partitions < 1 || self.replication_factor.is_some_and(|it| it < 1) {
            return Err(wrong(
                "default_partitions and replication_factor must be above 0".to_owned(),
            ));
        }
        if !(0..=2).contains(&self.transaction_version) {
            return Err(wrong("transaction_version is not from 0 to 2".to_owned()));
        }
        let mut configs = vec![BTreeMap::new(); self.topics.len()];
        for (at, (name, partitions)) in self.topics.iter().enumerate() {
            if !is_topic_name(name) || *partitions < 1 {
                return Err(wrong(format!(
                    "topic: {name:?} with {partitions} partitions cannot be"
                )));
            }
            if self.topics.iter().take(at).any(|(other, _)| other == name) {
                return Err(wrong(format!("topic: {name:?} stands twice")));
            }
        }
        for (topic, config, value) in &self.configs {
            let topics = self.topics.iter().zip(&mut configs);
            let Some((_, configs)) = topics.into_iter().find(|((name, _), _)| name == topic) else {
                return Err(wrong(format!("topic_config: there is no topic {topic:?}")));
            };
            check_config(config, value).map_err(|why| wrong(format!("topic_config: {why}")))?;
            configs.insert(config.clone(), value.clone());
        }
        let release = match &self.kafka_version {
            None => Some(Release::NEWEST),
            Some(version) => Release::parse(version),
        };
        let Some(release) = release else {
            let version = self.kafka_version.as_deref().unwrap_or_default();
            return Err(wrong(format!("kafka_version: {version:?} is not from 0.10.1 to 4.3")));
        };
        let settings = Settings {
            release,
            auto_create_topics: self.auto_create_topics,
            message_max_bytes: self.message_max_bytes,
            default_partitions: self.default_partitions,
            replication_factor: self.replication_factor.unwrap_or(3),
            cut_batches: self.cut_batches,
            authorizer: self.authorizer,
            rack_aware: self.rack_aware,
            transaction_version: self.transaction_version,
            fetch_session_slots: self.fetch_session_slots,
        };
        Ok((settings, configs))
    }
}
