//! Partitions by what was sent before, whatever the keys are. Counts for each topic on its own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Partitioner, Partitioning};

/// Gives each partition that has a leader a record, or a few, in turn: kafka-go's `RoundRobin`,
/// Java's `RoundRobinPartitioner`. Keys make no difference.
///
/// Each record goes to another batch: the default keeps records without a key together, which costs
/// less, and is as even after some batches.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use kafkio::{Record, RoundRobinPartitioner};
///
/// let in_turn = RoundRobinPartitioner::new();
/// let writer = client.writer().topic("orders").partitioner(in_turn).build().await?;
/// let written = writer.write((0..6).map(|n| Record::new(format!("{n}")))).await?;
/// assert!(written.iter().map(|it| it.partition()).eq([0, 1, 2, 0, 1, 2]));
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    chunk: usize,
    /// Records so far.
    topics: PerTopic<usize>,
}

impl RoundRobinPartitioner {
    /// One record after the other.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a partition so many records before it is the next one's turn: kafka-go's `ChunkSize`.
    /// Default: 1.
    #[must_use]
    pub fn chunk(mut self, records: usize) -> Self {
        self.chunk = records;
        self
    }
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(&self, record: &Partitioning<'_>) -> Option<i32> {
        let turn = self.topics.with(record.topic(), |records| {
            let turn = *records / self.chunk.max(1);
            *records = records.wrapping_add(1);
            turn
        });
        let mut candidates = record.candidates();
        candidates.nth(turn.checked_rem(candidates.clone().count())?)
    }
}

/// Chooses the partition, of those that have a leader, to which it has sent the fewest bytes of keys
/// and values: kafka-go's `LeastBytes`. Keys make no difference otherwise.
///
/// It begins anew when the number of partitions changes, or a new one would get everything until it
/// had as much as the others.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 2).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use kafkio::{LeastBytesPartitioner, Record};
///
/// let even = LeastBytesPartitioner::new();
/// let writer = client.writer().topic("orders").partitioner(even).build().await?;
/// let written = writer.write(["a long one", "short", "so", "again"].map(Record::new)).await?;
/// assert!(written.iter().map(|it| it.partition()).eq([0, 1, 1, 1]));
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct LeastBytesPartitioner {
    /// Bytes so far, of each partition.
    topics: PerTopic<Vec<u64>>,
}

impl LeastBytesPartitioner {
    /// Nothing is sent yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Partitioner for LeastBytesPartitioner {
    fn partition(&self, record: &Partitioning<'_>) -> Option<i32> {
        let count = usize::try_from(record.partitions()).ok()?;
        let size = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len) as u64;
        self.topics.with(record.topic(), |sent| {
            if sent.len() != count {
                *sent = vec![0; count];
            }
            let with_bytes = record.candidates().filter_map(|partition| {
                let bytes = sent.get(usize::try_from(partition).ok()?)?;
                Some((*bytes, partition))
            });
            let (_, least) = with_bytes.min()?;
            *sent.get_mut(usize::try_from(least).ok()?)? +=
                size(record.key()) + size(record.value());
            Some(least)
        })
    }
}

/// Something for each topic that is written to.
#[derive(Debug, Default)]
struct PerTopic<T>(Mutex<HashMap<Box<str>, T>>);

impl<T: Default> PerTopic<T> {
    fn with<R>(&self, topic: &str, change: impl FnOnce(&mut T) -> R) -> R {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match topics.get_mut(topic) {
            Some(known) => change(known),
            None => change(topics.entry(topic.into()).or_default()),
        }
    }
}
