//! Log directories: what each broker keeps where, and moves replicas from one to another.
//!
//! ```no_run
//! # // The in-process cluster has no directories.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! use kafkio::admin::log_dirs::Replica;
//!
//! for (broker, dirs) in client.describe_log_dirs().await?.into_result()? {
//!     for dir in dirs {
//!         let size: u64 = dir.replicas.values().map(|replica| replica.size).sum();
//!         println!("broker {broker} keeps {size} bytes in {}", dir.path);
//!     }
//! }
//! let replica = Replica::new("orders", 0, 2);
//! client.alter_replica_log_dirs([(replica.clone(), "/disk2")]).await?.into_only()?;
//! let dirs = client.describe_replica_log_dirs([replica]).await?.into_only()?;
//! println!("in {:?}, on its way to {:?}", dirs.current, dirs.future);
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::sealed::{Context, Run};
use super::{PerItem, Results, Running, by_topic, check_once, each_partition, setters};
use crate::cluster::{Answers, At, Split, Target, check_response, split};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use crate::protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse,
};
use crate::types::TopicPartition;

/// One copy of a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Replica {
    /// The partition.
    pub at: TopicPartition,
    /// The broker that holds the copy.
    pub broker: i32,
}

impl Replica {
    /// The copy of this partition on that broker.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32, broker: i32) -> Self {
        Self { at: TopicPartition::new(topic, partition), broker }
    }
}

/// `orders[3] on broker 1`
impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on broker {}", self.at, self.broker)
    }
}

/// Describes the directories of brokers: see
/// [`Client::describe_log_dirs`](crate::Client::describe_log_dirs).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeLogDirs {
    brokers: Option<Vec<i32>>,
    partitions: Option<Vec<TopicPartition>>,
}

impl DescribeLogDirs {
    /// Describes the directories of all brokers, with all that is in them. Needs Kafka 1.0
    /// (KIP-113).
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(DescribeLogDirs {
    /// Only these brokers. Default: all.
    brokers: Vec<i32> => |this, value| this.brokers = Some(value);
    /// Only these partitions; with none, the directories alone. Default: all.
    partitions: Vec<TopicPartition> => |this, value| this.partitions = Some(value);
});

/// A directory of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogDir {
    /// Its absolute path.
    pub path: String,
    /// `NONE`, or why it cannot be used: `KAFKA_STORAGE_ERROR` where it is offline.
    pub error: ErrorCode,
    /// The size of its volume in bytes, from Kafka 3.3 on (KIP-827).
    pub total_bytes: Option<u64>,
    /// What is free on its volume in bytes, from Kafka 3.3 on.
    pub usable_bytes: Option<u64>,
    /// Whether it takes no new replicas (KIP-1066). Always `false` before Kafka 4.3.
    pub is_cordoned: bool,
    /// What it holds.
    pub replicas: BTreeMap<TopicPartition, LogDirReplica>,
}

/// A copy of a partition in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogDirReplica {
    /// The bytes of its segments.
    pub size: u64,
    /// How many offsets it is behind: the high watermark, or if it is future the current copy.
    pub offset_lag: Option<u64>,
    /// Whether it is to take the place of the copy in another directory of this broker.
    pub is_future: bool,
}

/// The request for these partitions.
fn request<'a>(
    partitions: Option<impl Iterator<Item = &'a TopicPartition>>,
) -> DescribeLogDirsRequest {
    let topic = |(topic, partitions): (&str, _)| DescribableLogDirTopic {
        topic: topic.to_owned(),
        partitions,
        ..Default::default()
    };
    let topics = |partitions| by_topic(partitions).into_iter().map(topic).collect();
    DescribeLogDirsRequest {
        topics: partitions.map(|partitions| topics(partitions.map(|at| (at, at.partition)))),
        ..Default::default()
    }
}

/// The error at the top of a response, and its directories.
fn dirs(response: DescribeLogDirsResponse) -> (i16, Vec<LogDir>) {
    let code = match response.error_code {
        // What a broker before version 3 says to a principal who may not ask.
        0 if response.results.is_empty() => ErrorCode::CLUSTER_AUTHORIZATION_FAILED.0,
        code => code,
    };
    let known = |value: i64| u64::try_from(value).ok();
    let dirs = response.results.into_iter().map(|dir| {
        let mut replicas = BTreeMap::new();
        let topics = dir.topics.into_iter().map(|it| (it.name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            let replica = LogDirReplica {
                size: known(it.partition_size).unwrap_or_default(),
                offset_lag: known(it.offset_lag),
                is_future: it.is_future_key,
            };
            replicas.insert(at, replica);
        }
        LogDir {
            path: dir.log_dir,
            error: ErrorCode(dir.error_code),
            total_bytes: known(dir.total_bytes),
            usable_bytes: known(dir.usable_bytes),
            is_cordoned: dir.is_cordoned,
            replicas,
        }
    });
    (code, dirs.collect())
}

impl Split for DescribeLogDirs {
    type Item = i32;
    type Key = i32;
    type Request = DescribeLogDirsRequest;
    type Value = Vec<LogDir>;
    const WHAT: &'static str = "describe the log directories of broker";

    fn key(&self, item: &i32) -> i32 {
        *item
    }

    fn target(&self, item: &i32) -> Target {
        Target::Broker(*item)
    }

    #[inline]
    fn request(&self, _: &[i32], _: &At) -> Result<DescribeLogDirsRequest> {
        Ok(request(self.partitions.as_ref().map(|partitions| partitions.iter())))
    }

    #[inline]
    fn answers(
        &self,
        _: &[i32],
        response: DescribeLogDirsResponse,
        answers: &mut Answers<i32, Vec<LogDir>>,
    ) {
        let (code, dirs) = dirs(response);
        answers.insert(answers.broker, code, None, dirs);
    }
}

impl Run for DescribeLogDirs {
    type Output = Results<i32, Vec<LogDir>>;

    fn check(&self) -> Result<()> {
        check_once("broker", self.brokers.iter().flatten())
    }

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            if let Some(brokers) = self.brokers.clone() {
                return split(&cluster, deadline, &self, brokers).await.map(Results::new);
            }
            let request = |at: &At| Split::request(&self, &[], at);
            let read = |response| {
                let (code, dirs) = dirs(response);
                check_response(code, None).map(|()| dirs)
            };
            let what = "describe log directories";
            cluster.ask_every(deadline, what, request, read).await.map(Results::new)
        })
    }
}

/// Tells in which directories replicas are: see
/// [`Client::describe_replica_log_dirs`](crate::Client::describe_replica_log_dirs).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeReplicaLogDirs {
    replicas: Vec<Replica>,
}

impl DescribeReplicaLogDirs {
    /// Tells where these replicas are. Needs Kafka 1.0 (KIP-113).
    pub fn new(replicas: impl IntoIterator<Item = Replica>) -> Self {
        Self { replicas: replicas.into_iter().collect() }
    }
}

/// Where a replica is. Nowhere, if its broker has no such replica. Where a directory of the broker
/// is offline and the replica is in none of the others, the error of that directory takes the place
/// of this: the broker cannot tell whether it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaLogDirs {
    /// The path of the directory that it is in, and the replica.
    pub current: Option<(String, LogDirReplica)>,
    /// The path of the directory that it is moving to, and what is there by now.
    pub future: Option<(String, LogDirReplica)>,
}

impl Split for DescribeReplicaLogDirs {
    type Item = Replica;
    type Key = Replica;
    type Request = DescribeLogDirsRequest;
    type Value = ReplicaLogDirs;
    const WHAT: &'static str = "describe the log directories of";

    fn key(&self, item: &Replica) -> Replica {
        item.clone()
    }

    fn target(&self, item: &Replica) -> Target {
        Target::Broker(item.broker)
    }

    #[inline]
    fn request(&self, items: &[Replica], _: &At) -> Result<DescribeLogDirsRequest> {
        Ok(request(Some(items.iter().map(|replica| &replica.at))))
    }

    #[inline]
    fn answers(
        &self,
        items: &[Replica],
        response: DescribeLogDirsResponse,
        answers: &mut Answers<Replica, ReplicaLogDirs>,
    ) {
        let (code, dirs) = dirs(response);
        let failed = dirs.iter().find(|dir| dir.error != ErrorCode::NONE).map(|dir| dir.error.0);
        for item in items {
            let mut found = ReplicaLogDirs::default();
            for dir in &dirs {
                if let Some(replica) = dir.replicas.get(&item.at) {
                    let place =
                        if replica.is_future { &mut found.future } else { &mut found.current };
                    *place = Some((dir.path.clone(), replica.clone()));
                }
            }
            // It may well be in the directory that cannot be looked into.
            let code = match failed {
                Some(failed) if code == 0 && found == ReplicaLogDirs::default() => failed,
                _ => code,
            };
            answers.insert(item.clone(), code, None, found);
        }
    }
}

impl PerItem for DescribeReplicaLogDirs {
    fn items(&self) -> Vec<Self::Item> {
        self.replicas.clone()
    }

    fn check(&self) -> Result<()> {
        check_once("replica", self.replicas.iter())
    }
}

/// Moves replicas between directories: see
/// [`Client::alter_replica_log_dirs`](crate::Client::alter_replica_log_dirs).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AlterReplicaLogDirs {
    moves: Vec<(Replica, String)>,
}

impl AlterReplicaLogDirs {
    /// Moves each of these replicas to the directory of this absolute path. Needs Kafka 1.0
    /// (KIP-113).
    pub fn new<P: Into<String>>(moves: impl IntoIterator<Item = (Replica, P)>) -> Self {
        let moves = moves.into_iter().map(|(replica, path)| (replica, path.into()));
        Self { moves: moves.collect() }
    }
}

impl Split for AlterReplicaLogDirs {
    type Item = (Replica, String);
    type Key = Replica;
    type Request = AlterReplicaLogDirsRequest;
    type Value = ();
    const WHAT: &'static str = "move the replica";

    fn key(&self, (replica, _): &Self::Item) -> Replica {
        replica.clone()
    }

    fn target(&self, (replica, _): &Self::Item) -> Target {
        Target::Broker(replica.broker)
    }

    #[inline]
    fn request(&self, items: &[Self::Item], _: &At) -> Result<AlterReplicaLogDirsRequest> {
        let mut dirs = BTreeMap::<_, Vec<_>>::new();
        for (replica, path) in items {
            dirs.entry(path).or_default().push((&replica.at, replica.at.partition));
        }
        let topic = |(name, partitions): (&str, _)| AlterReplicaLogDirTopic {
            name: name.to_owned(),
            partitions,
            ..Default::default()
        };
        let dir = |(path, replicas): (&String, Vec<_>)| AlterReplicaLogDir {
            path: path.clone(),
            topics: by_topic(replicas).into_iter().map(topic).collect(),
            ..Default::default()
        };
        let dirs = dirs.into_iter().map(dir).collect();
        Ok(AlterReplicaLogDirsRequest { dirs, ..Default::default() })
    }

    #[inline]
    fn answers(
        &self,
        _: &[Self::Item],
        response: AlterReplicaLogDirsResponse,
        answers: &mut Answers<Replica, ()>,
    ) {
        let topics = response.results.into_iter().map(|it| (it.topic_name, it.partitions));
        for (at, it) in each_partition(topics, |it| it.partition_index) {
            answers.insert(Replica { at, broker: answers.broker }, it.error_code, None, ());
        }
    }
}

impl PerItem for AlterReplicaLogDirs {
    fn items(&self) -> Vec<Self::Item> {
        self.moves.clone()
    }

    fn check(&self) -> Result<()> {
        if let Some((replica, _)) = self.moves.iter().find(|(_, path)| path.is_empty()) {
            return Err(Error::config(format!("{} {replica}: the path is empty", Self::WHAT)));
        }
        check_once("replica", self.moves.iter().map(|(replica, _)| replica))
    }
}
