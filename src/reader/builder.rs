//! The settings of a reader, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::events::Listeners;
use super::stats::Counters;
use super::topics::{self, Patterns, Selection};
use super::{Reader, Shared};
use crate::admin::offsets::{ListOffsets, OffsetSpec};
use crate::admin::{Operation as _, start};
use crate::cluster::{Cluster, Source, check_duration, check_topic_name};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::types::{IsolationLevel, Start, Timestamp, TopicPartition};

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
    /// As near to the position as there are records: at the oldest if it is before that, behind
    /// the newest if it is behind that.
    Nearest,
    /// At the first record that is not older than so long before now; behind the newest if there
    /// is none (KIP-1106).
    Ago(Duration),
    /// Nowhere: the stream gives an error, and the partition waits for a seek.
    Error,
}

/// Where in a partition to stop: the stream ends when each partition has been read to its end, be
/// it that nothing is there, or nothing but gaps of compaction and marks of transactions. One that
/// reads nothing, as no topic matches, or all were removed, ends at once. A topic that is deleted
/// meanwhile is waited for; once created again, it gives an error, and counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// Nowhere: the stream waits for what will be written.
    #[default]
    Never,
    /// Behind what was there when the reader was built. With [`IsolationLevel::ReadCommitted`],
    /// that is before the first transaction which was open then.
    Latest,
    /// Before this offset, which is waited for if it is not written yet.
    Offset(i64),
    /// Before the first record that is not older than this, of those that were there when the
    /// reader was built; behind all of them if there is none.
    Timestamp(Timestamp),
}

/// Collects the settings of a [`Reader`]; [`build`](Self::build) checks them all at once.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ReaderBuilder {
    source: Source,
    topics: Vec<Arc<str>>,
    chosen: BTreeSet<TopicPartition>,
    start: Start,
    topic_starts: BTreeMap<Arc<str>, Start>,
    starts: BTreeMap<TopicPartition, Start>,
    end: End,
    ends: BTreeMap<TopicPartition, End>,
    /// Topics to match, and not to match.
    patterns: (Vec<String>, Vec<String>),
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
    pub(super) rack: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            isolation: IsolationLevel::ReadCommitted,
            out_of_range: OutOfRange::default(),
            min_bytes: 1,
            max_bytes: 50 << 20,
            partition_max_bytes: 1 << 20,
            max_wait: Duration::from_millis(500),
            buffer_bytes: 64 << 20,
            max_batch_bytes: 128 << 20,
            rack: String::new(),
        }
    }
}

impl ReaderBuilder {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            topics: Vec::new(),
            chosen: BTreeSet::new(),
            start: Start::default(),
            topic_starts: BTreeMap::new(),
            starts: BTreeMap::new(),
            end: End::Never,
            ends: BTreeMap::new(),
            patterns: Default::default(),
            topic_timeout: Duration::from_secs(10),
            config: Config::default(),
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

    /// Reads all topics whose whole name matches this regular expression (syntax of the crate
    /// `regex-lite`), also those that are created later, and drops those that are deleted: names are
    /// listed once each [`metadata_max_age`](crate::ClientBuilder::metadata_max_age). Kafka's
    /// internal topics never match. May be called again for more.
    ///
    /// ```
    /// # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
    /// let reader = client.reader().topics_matching("orders-.*").excluding(".*-test").build().await?;
    /// # Ok(()) }
    /// ```
    pub fn topics_matching(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.0.push(pattern.into());
        self
    }

    /// Leaves topics out whose whole name matches this, although they match
    /// [`topics_matching`](Self::topics_matching).
    pub fn excluding(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.1.push(pattern.into());
        self
    }

    /// Where to begin. Default: [`Start::Earliest`]. Partitions and matching topics that are
    /// created later are read from their beginning, whatever this says.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Where to begin in one topic, in place of [`start`](Self::start).
    pub fn start_of_topic(mut self, topic: impl Into<Arc<str>>, start: Start) -> Self {
        self.topic_starts.insert(topic.into(), start);
        self
    }

    /// Where to begin in one partition, in place of [`start`](Self::start) and
    /// [`start_of_topic`](Self::start_of_topic).
    pub fn start_at(mut self, topic: impl Into<Arc<str>>, partition: i32, start: Start) -> Self {
        self.starts.insert(TopicPartition::new(topic, partition), start);
        self
    }

    /// Where to stop, so that the stream ends. Default: [`End::Never`]. What is created later is
    /// read only up to an [`End::Offset`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
    /// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
    /// # let client = cluster.client().connect().await?;
    /// # client.writer().topic("orders").build().await?.write(["a", "b"].map(kafkio::Record::new)).await?;
    /// use std::time::Duration;
    /// use futures::TryStreamExt;
    /// use kafkio::{End, Start};
    ///
    /// let hour = Start::Ago(Duration::from_secs(3600));
    /// let reader = client.reader().topic("orders").start(hour).end(End::Latest).build().await?;
    /// let messages: Vec<_> = reader.try_collect().await?;
    /// # assert_eq!(messages.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// Where to stop in one partition, in place of [`end`](Self::end).
    pub fn end_at(mut self, topic: impl Into<Arc<str>>, partition: i32, end: End) -> Self {
        self.ends.insert(TopicPartition::new(topic, partition), end);
        self
    }

    /// Whether only records that count are read.
    pub(crate) fn is_committed(&self) -> bool {
        self.config.isolation == IsolationLevel::ReadCommitted
    }

    /// Which records of transactions are read (property `isolation.level`). Default:
    /// [`IsolationLevel::ReadCommitted`], other than in Java and kafka-go: what a transaction took
    /// back was never meant to be read, and where there are no transactions it costs nothing. A
    /// transaction that is left open holds up what is behind it, until it ends or the brokers abort
    /// it (`transaction.max.timeout.ms`); [`Client::describe_producers`](crate::Client::describe_producers)
    /// tells whose it is.
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
    /// latency. Default: 1; at most [`max_bytes`](Self::max_bytes).
    pub fn min_bytes(mut self, bytes: u32) -> Self {
        self.config.min_bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        self
    }

    /// The most that one fetch brings (property `fetch.max.bytes`); half of the broker's share of
    /// [`buffer_bytes`](Self::buffer_bytes) if that is less. A larger single batch still comes. The
    /// reader begins with 1 MiB, which is read while it is in the processor's caches, and asks for
    /// more where a broker takes more than 10 ms to bring that. Default: 50 MiB.
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

    /// Where this reader runs (property `client.rack`): brokers that know how to choose
    /// (`replica.selector.class`) have it read from a replica there, which saves traffic between
    /// racks (KIP-392). When that replica fails or falls behind, the leader is read. Default: none,
    /// the leader is always read.
    pub fn rack(mut self, rack: impl Into<String>) -> Self {
        self.config.rack = rack.into();
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
        let patterns = Patterns::new(&self.patterns.0, &self.patterns.1)?;
        let has_patterns = !patterns.is_empty();
        let cluster = self.source.clone().cluster().await?;
        let settings = Self { source: Source::Cluster(cluster.clone()), ..self };
        let mut selection = Selection::new(patterns);
        for topic in &settings.topics {
            selection.add_topic(&cluster, topic);
        }
        for at in &settings.chosen {
            selection.add_partitions(&cluster, &at.topic, [(at.partition, None)]);
        }
        let deadline = Instant::now() + settings.topic_timeout;
        for name in selection.names() {
            cluster.topic(name, deadline).await?;
        }
        if has_patterns {
            let topics = topics::list(&cluster, settings.topic_timeout).await?;
            selection.listed(&cluster, &topics, true);
            for name in selection.names() {
                match cluster.topic(name, deadline).await {
                    // It was deleted in between, and is not read.
                    Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
                    found => drop(found?),
                }
            }
        }
        let partitions = selection.partitions(&cluster.metadata());
        settings.check_partitions(&cluster, &partitions)?;
        let limits = settings.look_up_ends(&cluster, partitions).await?;
        let (sender, chunks) = mpsc::unbounded_channel();
        let shared = Shared {
            cluster,
            config: Arc::new(settings.config.clone()),
            settings,
            limits,
            selection: Mutex::new(selection),
            has_patterns,
            partitions: RwLock::default(),
            announce: OnceLock::new(),
            version: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            failure: OnceLock::new(),
            engine: Arc::new(Notify::new()),
            chunks: sender,
            signal: AtomicWaker::new(),
            listeners: Listeners::default(),
            counters: Counters::default(),
        };
        shared.select(|_| ());
        Ok(Reader::start(shared, chunks))
    }

    /// Whether it says of each partition where it ends.
    pub(super) fn is_bounded(&self) -> bool {
        self.end != End::Never || !self.ends.is_empty()
    }

    pub(super) fn buffer_capacity(&self) -> usize {
        self.config.buffer_bytes
    }

    /// Where a partition begins that was there before the reader.
    pub(super) fn start_of(&self, at: &TopicPartition) -> Start {
        let start = self.starts.get(at).or_else(|| self.topic_starts.get(&at.topic));
        start.copied().unwrap_or(self.start)
    }

    /// Where a partition ends whose end was not looked up: all that is in it is newer than the
    /// reader.
    pub(super) fn limit_of(&self, at: &TopicPartition) -> i64 {
        match self.end_of(at) {
            End::Never => i64::MAX,
            End::Offset(offset) => offset,
            End::Latest | End::Timestamp(_) => 0,
        }
    }

    fn end_of(&self, at: &TopicPartition) -> End {
        self.ends.get(at).copied().unwrap_or(self.end)
    }

    /// Whether topics can be added while it reads: no if their ends would have to be looked up.
    pub(super) fn can_grow(&self) -> bool {
        matches!(self.end, End::Never | End::Offset(_))
    }

    async fn look_up_ends(
        &self,
        cluster: &Cluster,
        partitions: Vec<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut questions = Vec::new();
        for at in partitions {
            let mut ask = |spec| questions.push((at.topic.clone(), at.partition, spec));
            match self.end_of(&at) {
                End::Never | End::Offset(_) => {}
                End::Latest => ask(OffsetSpec::Latest),
                End::Timestamp(time) => {
                    ask(OffsetSpec::Latest);
                    // As for a start: earlier times are special to the protocol.
                    ask(OffsetSpec::Timestamp(time.max(Timestamp::from_millis(0))));
                }
            }
        }
        let mut limits = BTreeMap::new();
        if questions.is_empty() {
            return Ok(limits);
        }
        let operation = ListOffsets::new(questions).isolation(self.config.isolation);
        let found = start(cluster.clone(), operation.within(self.topic_timeout)).await?;
        for (at, found) in found.into_result()? {
            if let Some(offset) = found.offset {
                limits.entry(at).and_modify(|end| *end = offset.min(*end)).or_insert(offset);
            }
        }
        Ok(limits)
    }

    /// # Errors
    ///
    /// A setting is about a partition that is not there, or not read.
    fn check_partitions(&self, cluster: &Cluster, read: &[TopicPartition]) -> Result<()> {
        for (setting, at) in (self.chosen.iter().map(|at| ("partitions", at)))
            .chain(self.starts.keys().map(|at| ("start_at", at)))
            .chain(self.ends.keys().map(|at| ("end_at", at)))
        {
            if !read.contains(at) {
                let metadata = cluster.metadata();
                let topic = metadata.topics.get(&at.topic);
                let why = match topic.and_then(|topic| topic.partition(at.partition)) {
                    Some(_) => "is not among what is read",
                    None => "does not exist",
                };
                return Err(Error::config(format!("{setting}: {at} {why}")));
            }
        }
        if let Some(topic) =
            self.topic_starts.keys().find(|topic| read.iter().all(|at| at.topic != **topic))
        {
            let text = format!("start_of_topic: {topic} is not among what is read");
            return Err(Error::config(text));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.topics.is_empty() && self.chosen.is_empty() && self.patterns.0.is_empty() {
            return Err(Error::config("topic: a reader needs a topic"));
        }
        for topic in &self.topics {
            check_topic("topic", topic)?;
        }
        for TopicPartition { topic, partition, .. } in &self.chosen {
            check_topic("partitions", topic)?;
            check_partition("partitions", topic, *partition)?;
            if self.topics.contains(topic) {
                let text = format!("partitions: all partitions of {topic} are read");
                return Err(Error::config(text));
            }
        }
        if self.patterns.0.is_empty() && !self.patterns.1.is_empty() {
            return Err(Error::config("excluding: there is no topics_matching"));
        }
        let config = &self.config;
        let min_bytes = usize::try_from(config.min_bytes).unwrap_or(0);
        for (name, bytes) in [
            ("min_bytes", min_bytes),
            ("max_bytes", config.max_bytes),
            ("partition_max_bytes", usize::try_from(config.partition_max_bytes).unwrap_or(0)),
            ("max_batch_bytes", config.max_batch_bytes),
        ] {
            if bytes == 0 {
                return Err(Error::config(format!("{name}: must be more than zero")));
            }
        }
        if min_bytes > config.max_bytes {
            return Err(Error::config("min_bytes: must not be more than max_bytes"));
        }
        // Brokers would answer at once, with nothing.
        if config.max_wait < Duration::from_millis(1) {
            return Err(Error::config("max_wait: must be at least 1 ms"));
        }
        if config.buffer_bytes < 1 << 16 {
            return Err(Error::config("buffer_bytes: must be at least 64 KiB"));
        }
        for (name, time) in [("max_wait", config.max_wait), ("topic_timeout", self.topic_timeout)] {
            check_duration(name, time)?;
        }
        check_start("start", self.start)?;
        for start in self.topic_starts.values() {
            check_start("start_of_topic", *start)?;
        }
        for start in self.starts.values() {
            check_start("start_at", *start)?;
        }
        for (name, end) in self.ends.values().map(|end| ("end_at", *end)).chain([("end", self.end)])
        {
            if let End::Offset(offset) = end {
                check_start(name, Start::Offset(offset))?;
            }
        }
        Ok(())
    }
}

/// # Errors
///
/// No topic can have that name; `setting` is where it was said.
pub(super) fn check_topic(setting: &str, name: &str) -> Result<()> {
    check_topic_name(name).map_err(|error| Error::config(setting).with_source(error))
}

pub(super) fn check_partition(setting: &str, topic: &str, id: i32) -> Result<()> {
    match id {
        0.. => Ok(()),
        _ => Err(Error::config(format!("{setting}: {topic}[{id}] is negative"))),
    }
}

pub(super) fn check_start(setting: &str, start: Start) -> Result<()> {
    match start.fault() {
        Some(fault) => Err(Error::config(format!("{setting}: {fault}"))),
        None => Ok(()),
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
        assert!(wrong(builder().topic("t").start(Start::BeforeLatest(-5))).starts_with("start"));
        assert!(wrong(builder().topic("t").end(End::Offset(-5))).starts_with("end"));
        for negative in [
            builder().topic("t").start_at("t", 0, Start::Offset(-5)),
            builder().topic("t").start_of_topic("t", Start::Offset(-5)),
            builder().topic("t").end_at("t", 0, End::Offset(-5)),
        ]
        .map(wrong)
        .into_iter()
        .zip(["start_at: ", "start_of_topic: ", "end_at: "])
        {
            assert!(negative.0.starts_with(negative.1), "{negative:?}");
        }
        assert!(wrong(builder().partitions("", [0])).starts_with("partitions"));
        assert!(wrong(builder().topic("t").partitions("t", [0])).starts_with("partitions"));
        assert!(wrong(builder().topic("t").excluding("t")).starts_with("excluding"));
        assert!(wrong(builder().topic("t").min_bytes(0)).starts_with("min_bytes"));
        assert!(wrong(builder().topic("t").min_bytes(9).max_bytes(8)).starts_with("min_bytes"));
        assert!(wrong(builder().topic("t").max_wait(Duration::ZERO)).starts_with("max_wait"));
        assert!(builder().topic("t").check().is_ok());
        assert!(Patterns::new(&["a)|(b".to_owned()], &[]).is_err());
        let refused = Patterns::new(&["(".to_owned()], &[]).unwrap_err().to_string();
        assert!(refused.starts_with("topics_matching: \"(\""), "{refused}");
    }
}
