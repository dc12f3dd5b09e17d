//! The settings of a reader, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::partition::Partition;
use super::{Reader, Shared};
use crate::cluster::{Source, check_duration};
use crate::error::{Error, Result};
use crate::types::{IsolationLevel, Start, TopicPartition};

/// Where to go on when the position of a partition is not in its log any more: what was there has
/// been deleted by retention, or lost with a leader (property `auto.offset.reset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutOfRange {
    /// At the oldest record that is there: nothing that is there is missed.
    #[default]
    Earliest,
    /// Behind the newest record: everything up to now is missed.
    Latest,
    /// Nowhere: the stream gives an error, and the partition waits for a seek.
    Error,
}

/// Collects the settings of a [`Reader`]; [`build`](Self::build) checks them all at once.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ReaderBuilder {
    source: Source,
    topics: Vec<Arc<str>>,
    chosen: BTreeSet<TopicPartition>,
    start: Start,
    starts: BTreeMap<TopicPartition, Start>,
    topic_timeout: Duration,
    config: Config,
}

/// What the engine needs of the settings.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) isolation: IsolationLevel,
    pub(super) out_of_range: OutOfRange,
    pub(super) min_bytes: i32,
    pub(super) max_bytes: usize,
    pub(super) partition_max_bytes: i32,
    pub(super) max_wait: Duration,
    pub(super) buffer_bytes: usize,
    pub(super) max_batch_bytes: usize,
}

impl ReaderBuilder {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            topics: Vec::new(),
            chosen: BTreeSet::new(),
            start: Start::default(),
            starts: BTreeMap::new(),
            topic_timeout: Duration::from_secs(10),
            config: Config {
                isolation: IsolationLevel::default(),
                out_of_range: OutOfRange::default(),
                min_bytes: 1,
                max_bytes: 50 << 20,
                partition_max_bytes: 1 << 20,
                max_wait: Duration::from_millis(500),
                buffer_bytes: 64 << 20,
                max_batch_bytes: 128 << 20,
            },
        }
    }

    /// Reads all partitions of a topic, also those that are added later. May be called again for
    /// more topics.
    pub fn topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Reads all partitions of these topics.
    pub fn topics<T: Into<Arc<str>>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics.extend(topics.into_iter().map(Into::into));
        self
    }

    /// Reads these partitions of a topic, and no others of it.
    pub fn partitions(
        mut self,
        topic: impl Into<Arc<str>>,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Self {
        let topic = topic.into();
        let chosen = partitions.into_iter().map(|id| TopicPartition::new(topic.clone(), id));
        self.chosen.extend(chosen);
        self
    }

    /// Where to begin. Default: [`Start::Earliest`].
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Where to begin in one partition, in place of [`start`](Self::start).
    pub fn start_at(mut self, topic: impl Into<Arc<str>>, partition: i32, start: Start) -> Self {
        self.starts.insert(TopicPartition::new(topic, partition), start);
        self
    }

    /// Which records of transactions are read (property `isolation.level`). Default: all.
    pub fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.config.isolation = isolation;
        self
    }

    /// Where to go on when a position is not in the log any more. Default:
    /// [`OutOfRange::Earliest`].
    pub fn on_out_of_range(mut self, policy: OutOfRange) -> Self {
        self.config.out_of_range = policy;
        self
    }

    /// A broker answers a fetch as soon as it has this many bytes, or after
    /// [`max_wait`](Self::max_wait) (property `fetch.min.bytes`). More saves requests and costs
    /// latency. Default: 1.
    pub fn min_bytes(mut self, bytes: u32) -> Self {
        self.config.min_bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        self
    }

    /// The most that one fetch brings (property `fetch.max.bytes`); half of the broker's share of
    /// [`buffer_bytes`](Self::buffer_bytes) if that is less. A larger single batch still comes.
    /// Default: 50 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.config.max_bytes = bytes;
        self
    }

    /// The most that one fetch brings of one partition (property `max.partition.fetch.bytes`).
    /// Default: 1 MiB.
    pub fn partition_max_bytes(mut self, bytes: u32) -> Self {
        self.config.partition_max_bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        self
    }

    /// How long a broker may wait for [`min_bytes`](Self::min_bytes) (property
    /// `fetch.max.wait.ms`). New messages come at once all the same. Default: 500 ms.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.config.max_wait = wait;
        self
    }

    /// The bytes that may be fetched ahead of the application, over all brokers: the memory that
    /// this reader takes, besides the batch that is being handed out and the messages that the
    /// application keeps (property `queued.max.messages.kbytes` of librdkafka). Default: 64 MiB.
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.config.buffer_bytes = bytes;
        self
    }

    /// The most that one batch may hold when decompressed; a larger one is an error. Default:
    /// 128 MiB.
    pub fn max_batch_bytes(mut self, bytes: usize) -> Self {
        self.config.max_batch_bytes = bytes;
        self
    }

    /// How long [`build`](Self::build) waits for a topic to appear. Default: 10 s.
    pub fn topic_timeout(mut self, timeout: Duration) -> Self {
        self.topic_timeout = timeout;
        self
    }

    /// Checks the settings, connects if there is no client yet, and begins to fetch.
    ///
    /// # Errors
    ///
    /// A wrong setting, by its name; no broker that answers; a topic or partition that does not
    /// exist.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what it has begun.
    pub async fn build(self) -> Result<Reader> {
        self.check()?;
        let cluster = self.source.cluster().await?;
        let mut topics = self.topics.clone();
        topics.extend(self.chosen.iter().map(|at| at.topic.clone()));
        topics.sort();
        topics.dedup();
        let (sender, events) = mpsc::unbounded_channel();
        let interest = cluster.track(&topics);
        let deadline = Instant::now() + self.topic_timeout;
        let mut partitions = BTreeMap::new();
        for name in &topics {
            let topic = cluster.topic(name, deadline).await?;
            let whole = self.topics.contains(name);
            for id in 0.. {
                let at = TopicPartition::new(name.clone(), id);
                if topic.partition(id).is_none() {
                    break;
                }
                if whole || self.chosen.contains(&at) {
                    let start = self.starts.get(&at).copied().unwrap_or(self.start);
                    let partition = Partition::new(at.clone(), start, topic.id, sender.clone());
                    partitions.insert(at, Arc::new(partition));
                }
            }
        }
        for (setting, at) in (self.chosen.iter().map(|at| ("partitions", at)))
            .chain(self.starts.keys().map(|at| ("start_at", at)))
        {
            if !partitions.contains_key(at) {
                let why = match cluster.metadata().leader(&at.topic, at.partition) {
                    Some(_) => "is not among what is read",
                    None => "does not exist",
                };
                return Err(Error::config(format!("{setting}: {at} {why}")));
            }
        }
        let shared = Shared {
            cluster,
            config: Arc::new(self.config),
            partitions: RwLock::new(partitions),
            whole_topics: self.topics,
            version: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            engine: Arc::new(Notify::new()),
            events: sender,
            _interest: interest,
        };
        Ok(Reader::start(shared, events))
    }

    fn check(&self) -> Result<()> {
        if self.topics.is_empty() && self.chosen.is_empty() {
            return Err(Error::config("topic: a reader needs a topic"));
        }
        if self.topics.iter().any(|topic| topic.is_empty()) {
            return Err(Error::config("topic: a topic needs a name"));
        }
        if let Some(at) = self.chosen.iter().find(|at| at.partition < 0) {
            return Err(Error::config(format!("partitions: {at} is negative")));
        }
        let config = &self.config;
        for (name, bytes) in [
            ("max_bytes", config.max_bytes),
            ("partition_max_bytes", usize::try_from(config.partition_max_bytes).unwrap_or(0)),
            ("max_batch_bytes", config.max_batch_bytes),
        ] {
            if bytes == 0 {
                return Err(Error::config(format!("{name}: must be more than zero")));
            }
        }
        if config.buffer_bytes < 1 << 16 {
            return Err(Error::config("buffer_bytes: must be at least 64 KiB"));
        }
        for (name, time) in [("max_wait", config.max_wait), ("topic_timeout", self.topic_timeout)] {
            check_duration(name, time)?;
        }
        let starts = self.starts.values().chain([&self.start]);
        if starts.into_iter().any(|start| matches!(start, Start::Offset(..0))) {
            return Err(Error::config("start: an offset is not negative"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_are_named() {
        let builder = || ReaderBuilder::new(Source::bootstrap(vec!["localhost".to_owned()]));
        let wrong = |builder: ReaderBuilder| builder.check().unwrap_err().to_string();
        assert!(wrong(builder()).starts_with("topic"));
        assert!(wrong(builder().topic("")).starts_with("topic"));
        assert!(wrong(builder().partitions("t", [-1])).starts_with("partitions"));
        assert!(wrong(builder().topic("t").buffer_bytes(1)).starts_with("buffer_bytes"));
        assert!(wrong(builder().topic("t").max_bytes(0)).starts_with("max_bytes"));
        assert!(wrong(builder().topic("t").max_wait(Duration::MAX)).starts_with("max_wait"));
        assert!(wrong(builder().topic("t").start(Start::Offset(-5))).starts_with("start"));
        assert!(builder().topic("t").check().is_ok());
    }
}
