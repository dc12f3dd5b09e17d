//! Everything that the cluster is: brokers, topics, partitions and who leads them. Plain data
//! under one lock; knows no connections and no requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::acls::Acl;
use super::log::PartitionLog;
use super::offsets::Offsets;
use super::sessions::Sessions;
use super::transactions::Transactions;
use super::versions::Release;
use crate::protocol::{ApiKey, ErrorCode};
use crate::types::Timestamp;
use crate::wire::Uuid;

/// `offsets.topic.num.partitions` and `transaction.state.log.num.partitions`
const COORDINATOR_PARTITIONS: i32 = 50;

/// The whole cluster.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) cluster_id: String,
    pub(super) brokers: BTreeMap<i32, Broker>,
    pub(super) controller: i32,
    pub(super) topics: Topics,
    /// Set for each broker; under the empty name for all.
    pub(super) broker_configs: BTreeMap<String, Values>,
    pub(super) quotas: BTreeMap<QuotaEntity, BTreeMap<String, f64>>,
    acls: Option<BTreeSet<Acl>>,
    pub(super) throttles: HashMap<ApiKey, Duration>,
    /// The fetch sessions of each broker.
    pub(super) sessions: BTreeMap<i32, Sessions>,
    pub(super) next_producer_id: i64,
    pub(super) transactions: Transactions,
    pub(super) offsets: Offsets,
    /// Rings when something may be due earlier than it was.
    pub(super) alarm: Arc<Notify>,
    random: fastrand::Rng,
    /// Virtual time moves the broker's clock too, so that tests can tell what it will say.
    started: (Instant, i64),
}

/// What the builder was told.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub(super) struct Settings {
    pub(super) release: Release,
    pub(super) auto_create_topics: bool,
    pub(super) message_max_bytes: usize,
    pub(super) default_partitions: i32,
    pub(super) replication_factor: i16,
    pub(super) cut_batches: bool,
    pub(super) authorizer: bool,
    pub(super) rack_aware: bool,
    pub(super) transaction_version: i16,
    pub(super) fetch_session_slots: usize,
}

/// One broker.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) rack: Option<String>,
    pub(super) is_up: bool,
}

/// Values by name, as they were set.
pub(super) type Values = BTreeMap<String, String>;

/// Why a request cannot be granted.
pub(super) type Refusal = (ErrorCode, String);

/// Whom a quota is for: types, and names or the default.
pub(super) type QuotaEntity = BTreeMap<String, Option<String>>;

/// Topics by name.
#[derive(Debug, Default)]
pub(super) struct Topics(pub(super) BTreeMap<String, Topic>);

/// How a request names a topic.
#[derive(Clone, Copy, Debug)]
pub(super) enum TopicRef<'a> {
    Name(&'a str),
    Id(Uuid),
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) id: Uuid,
    pub(super) configs: Values,
    pub(super) partitions: Vec<Partition>,
}

/// One partition: its log is that of all replicas, some of which may have less of it.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    pub(super) replicas: Vec<i32>,
    /// Followers that are not in sync, and where their logs end.
    pub(super) lagging: BTreeMap<i32, i64>,
    pub(super) log: PartitionLog,
}

impl State {
    pub(super) fn new(settings: Settings, brokers: BTreeMap<i32, Broker>, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let acls = settings.authorizer.then(BTreeSet::new);
        Self {
            settings,
            cluster_id: (0..22).map(|_| random.alphanumeric()).collect(),
            controller: brokers.keys().next().copied().unwrap_or(-1),
            brokers,
            topics: Topics::default(),
            broker_configs: BTreeMap::new(),
            quotas: BTreeMap::new(),
            acls,
            throttles: HashMap::new(),
            sessions: BTreeMap::new(),
            next_producer_id: 0,
            transactions: Transactions::new(),
            offsets: Offsets::default(),
            alarm: Arc::default(),
            random,
            started: (Instant::now(), Timestamp::now().as_millis()),
        }
    }

    /// The time of the brokers, in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        let (instant, millis) = self.started;
        let passed = i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
        let passed = millis.saturating_add(passed);
        // The machine's clock, which may be adjusted, unless paused time has run ahead of it.
        let clock = Timestamp::now().as_millis();
        if passed.abs_diff(clock) < 100 { clock } else { passed }
    }

    /// The brokers that are up.
    pub(super) fn live(&self) -> BTreeSet<i32> {
        let up = self.brokers.iter().filter(|(_, broker)| broker.is_up);
        up.map(|(id, _)| *id).collect()
    }

    /// Replicas for each of so many partitions, each beginning with another live broker.
    pub(super) fn place(&self, partitions: i32, first: i32, factor: i16) -> Vec<Vec<i32>> {
        let live: Vec<i32> = self.live().into_iter().collect();
        let factor = usize::try_from(factor).unwrap_or(0);
        let start = |partition: i32| usize::try_from(partition).unwrap_or(0) % live.len().max(1);
        (first..first.saturating_add(partitions))
            .map(|p| live.iter().cycle().skip(start(p)).take(factor.min(live.len())).copied())
            .map(Iterator::collect)
            .collect()
    }

    /// The replication factor for topics that do not say, as far as there are brokers for it.
    pub(super) fn default_factor(&self) -> i16 {
        let live = i16::try_from(self.live().len()).unwrap_or(i16::MAX);
        self.settings.replication_factor.min(live)
    }

    /// Creates the topic, which must not exist.
    pub(super) fn create_topic(
        &mut self,
        name: &str,
        replicas: Vec<Vec<i32>>,
        configs: Values,
    ) -> Uuid {
        // Zero would mean "none".
        let id = Uuid(self.random.u128(1..));
        let live = self.live();
        let partitions = replicas.into_iter().map(|replicas| Partition::new(replicas, &live));
        let topic = Topic { name: name.to_owned(), id, configs, partitions: partitions.collect() };
        self.topics.0.insert(name.to_owned(), topic);
        id
    }

    /// Makes the topic have so many partitions.
    pub(super) fn add_partitions(&mut self, name: &str, total: i32) {
        let Some(topic) = self.topics.0.get(name) else {
            return;
        };
        let (old, factor) = (topic.partitions.len(), topic.factor());
        let first = i32::try_from(old).unwrap_or(i32::MAX);
        self.add_replicas(name, self.place(total.saturating_sub(first), first, factor));
    }

    /// Gives the topic another partition for each of these lists of replicas.
    pub(super) fn add_replicas(&mut self, name: &str, added: Vec<Vec<i32>>) {
        let live = self.live();
        if let Some(topic) = self.topics.0.get_mut(name) {
            topic.partitions.extend(added.into_iter().map(|it| Partition::new(it, &live)));
        }
    }

    /// Deletes the topic, and what groups have committed of it.
    pub(super) fn delete_topic(&mut self, name: &str) -> Option<Topic> {
        self.offsets.forget(name);
        self.topics.0.remove(name)
    }

    /// A producer id that nobody has.
    pub(super) fn new_producer_id(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id - 1
    }

    /// The broker that keeps a group or a transaction: the same one while it is up.
    pub(super) fn coordinator(&self, key: &str) -> Option<i32> {
        let live: Vec<i32> = self.live().into_iter().collect();
        let at = usize::try_from(coordinator_partition(key)).ok()?;
        live.get(at.checked_rem(live.len())?).copied()
    }

    /// The access control entries, if there is an authorizer, and no failure.
    pub(super) fn acls(&mut self, fail: Option<ErrorCode>) -> Result<&mut BTreeSet<Acl>, Refusal> {
        match fail {
            Some(code) => Err((code, code.text().to_owned())),
            None => self.acls.as_mut().ok_or_else(|| {
                (ErrorCode::SECURITY_DISABLED, "No Authorizer is configured.".to_owned())
            }),
        }
    }

    /// Marks the broker, moves leaderships away from it if it went down, gives it those that
    /// nobody has if it came up, and moves the controller likewise.
    pub(super) fn set_up(&mut self, id: i32, is_up: bool) {
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.is_up = is_up;
        }
        self.sessions.remove(&id);
        let live = self.live();
        if !live.contains(&self.controller) {
            self.controller = live.first().copied().unwrap_or(-1);
        }
        let partitions = self.topics.0.values_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions {
            let is_led = partition.leader.is_some_and(|leader| live.contains(&leader));
            let next = partition.in_sync(&live).next();
            if !is_led && partition.leader != next {
                partition.lead(next);
            }
        }
    }
}

impl Topics {
    pub(super) fn find(&mut self, by: TopicRef<'_>) -> Result<&mut Topic, ErrorCode> {
        match by {
            TopicRef::Name(name) => {
                self.0.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            TopicRef::Id(id) => {
                let mut all = self.0.values_mut();
                all.find(|topic| topic.id == id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
            }
        }
    }

    /// The leader of the partition, and its epoch.
    pub(super) fn leader(&mut self, by: TopicRef<'_>, index: i32) -> Option<(i32, i32)> {
        let partition = self.find(by).ok()?.partition(index)?;
        Some((partition.leader?, partition.leader_epoch))
    }
}

impl Topic {
    pub(super) fn partition(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }

    /// The partition, if `broker` leads it in that epoch; -1 does not ask for any epoch.
    pub(super) fn led(
        &mut self,
        index: i32,
        broker: i32,
        epoch: i32,
    ) -> Result<&mut Partition, ErrorCode> {
        let partition = self.hosted(index, broker, epoch)?;
        if partition.leader == Some(broker) {
            Ok(partition)
        } else {
            Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        }
    }

    /// The partition, if `broker` leads or follows it in that epoch.
    pub(super) fn hosted(
        &mut self,
        index: i32,
        broker: i32,
        epoch: i32,
    ) -> Result<&mut Partition, ErrorCode> {
        let partition = self.partition(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        // A broker without a replica has no epoch to compare with.
        if !partition.replicas.contains(&broker) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        match epoch {
            0.. if epoch < partition.leader_epoch => Err(ErrorCode::FENCED_LEADER_EPOCH),
            0.. if epoch > partition.leader_epoch => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
            _ => Ok(partition),
        }
    }

    pub(super) fn factor(&self) -> i16 {
        let first = self.partitions.first();
        first.map_or(1, |it| i16::try_from(it.replicas.len()).unwrap_or(i16::MAX))
    }

    /// `message.timestamp.type`
    pub(super) fn is_log_append_time(&self) -> bool {
        self.configs.get("message.timestamp.type").is_some_and(|it| it == "LogAppendTime")
    }

    /// A number among the configurations.
    pub(super) fn number(&self, config: &str) -> Option<usize> {
        self.configs.get(config)?.parse().ok()
    }
}

impl Partition {
    fn new(replicas: Vec<i32>, live: &BTreeSet<i32>) -> Self {
        let leader = replicas.iter().copied().find(|id| live.contains(id));
        let mut log = PartitionLog::default();
        log.begin_epoch(0);
        Self { leader, leader_epoch: 0, replicas, lagging: BTreeMap::new(), log }
    }

    /// The replicas that have all of the log, and are up.
    pub(super) fn in_sync<'a>(&'a self, live: &'a BTreeSet<i32>) -> impl Iterator<Item = i32> + 'a {
        let all = self.replicas.iter().copied();
        all.filter(|id| live.contains(id) && !self.lagging.contains_key(id))
    }

    /// Where the log of this replica ends.
    pub(super) fn end(&self, replica: i32) -> i64 {
        self.lagging.get(&replica).map_or(self.log.end(), |end| self.log.end().min(*end))
    }

    /// Elects; a partition that nobody leads gets a new epoch too. What the new leader has not got
    /// is lost.
    pub(super) fn lead(&mut self, leader: Option<i32>) {
        self.leader = leader;
        self.leader_epoch += 1;
        if let Some(end) = leader.and_then(|leader| self.lagging.remove(&leader)) {
            self.log.truncate(end);
        }
        if leader.is_some() {
            self.log.begin_epoch(self.leader_epoch);
        }
    }
}

/// The partition, of the topic of a kind of coordinators, that a key belongs to.
pub(super) fn coordinator_partition(key: &str) -> i32 {
    // The hash of Java's strings, which Kafka takes.
    let hash = key.encode_utf16().fold(0i32, |h, c| h.wrapping_mul(31).wrapping_add(c.into()));
    (hash & i32::MAX) % COORDINATOR_PARTITIONS
}

/// Whether Kafka takes this as the name of a topic.
pub(super) fn is_topic_name(name: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !matches!(name, "" | "." | "..") && name.len() <= 249 && name.chars().all(is_legal)
}
