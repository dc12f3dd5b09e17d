//! Which partition a record goes to: the trait for one's own rules, and what a rule is told. Which
//! partitions have a leader, and where the writer stands now, is the accumulator's knowledge.
//!
//! | file | what it knows |
//! |---|---|
//! | `hash.rs` | hashes of keys, as other clients compute them |
//! | `balance.rs` | round robin, least bytes |
//! | `sticky.rs` | where records without a key go (KIP-794) |

mod balance;
mod hash;
mod sticky;

pub use balance::{LeastBytesPartitioner, RoundRobinPartitioner};
pub use hash::HashPartitioner;
pub(super) use sticky::{Adaptive, Sticky, pick};

use std::fmt;

use crate::record::{Header, Record};

/// Chooses the partition of a record that names none: kafka-go's `Balancer`, the property
/// `partitioner.class`. Closures are partitioners too.
///
/// Without one, a [`Writer`](super::Writer) does as Java's clients do. Records with the same key
/// go to the same partition, by the murmur2 hash of the key. Records without a key go to one
/// partition until about [`batch_bytes`](super::WriterBuilder::batch_bytes) were put there, then to
/// another one at random, the likelier the fewer batches wait for it (KIP-794).
///
/// | kafka-go | Sarama | librdkafka | here |
/// |---|---|---|---|
/// | `Murmur2Balancer{}` | `NewMurmur2Partitioner` | `murmur2_random` | the default |
/// | `Murmur2Balancer{Consistent: true}` | | `murmur2` | [`HashPartitioner::murmur2`]`().consistent()` |
/// | `Hash{}` | `NewHashPartitioner` | `fnv1a_random` | [`HashPartitioner::fnv1a`] |
/// | | | `fnv1a` | [`HashPartitioner::fnv1a`]`().consistent()` |
/// | `ReferenceHash{}` | `NewReferenceHashPartitioner` | | [`HashPartitioner::fnv1a_reference`] |
/// | `CRC32Balancer{}` | | `consistent_random`, its default | [`HashPartitioner::crc32`] |
/// | `CRC32Balancer{Consistent: true}` | `NewConsistentCRCHashPartitioner` | `consistent` | [`HashPartitioner::crc32`]`().consistent()` |
/// | `RoundRobin{ChunkSize}`, its default | `NewRoundRobinPartitioner` | | [`RoundRobinPartitioner`] |
/// | `LeastBytes{}` | | | [`LeastBytesPartitioner`] |
/// | `BalancerFunc` | `PartitionerConstructor` | `partitioner_cb` | a closure, or this trait |
/// | | `NewManualPartitioner` | the argument `partition` | [`Record::partition`] |
///
/// Where others take a partition at random for each record without a key, ours leaves the choice to
/// the writer: fuller batches, and as even.
///
/// ```
/// use kafkio::{Partitioner, Partitioning};
///
/// /// Urgent orders have the last partition for themselves.
/// struct ByUrgency;
///
/// impl Partitioner for ByUrgency {
///     fn partition(&self, record: &Partitioning<'_>) -> Option<i32> {
///         (record.key()? == b"urgent").then_some(record.partitions() - 1)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// let writer = client.writer().topic("orders").partitioner(ByUrgency).build().await?;
/// let first = |_: &Partitioning<'_>| Some(0);
/// let other = client.writer().topic("orders").partitioner(first).build().await?;
/// # Ok(()) }
/// ```
pub trait Partitioner: Send + Sync + 'static {
    /// The partition, from 0 to `record.partitions() - 1`; a number outside of it fails the call
    /// that sends the record. `None` leaves the choice to the writer, as for a record without a
    /// key.
    ///
    /// Called once for each record, inside the call that sends it.
    fn partition(&self, record: &Partitioning<'_>) -> Option<i32>;
}

impl<F> Partitioner for F
where
    F: Fn(&Partitioning<'_>) -> Option<i32> + Send + Sync + 'static,
{
    fn partition(&self, record: &Partitioning<'_>) -> Option<i32> {
        self(record)
    }
}

impl fmt::Debug for dyn Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partitioner")
    }
}

/// What a [`Partitioner`] decides about: a record, and the partitions of its topic.
#[derive(Clone, Copy, Debug)]
pub struct Partitioning<'a> {
    topic: &'a str,
    record: &'a Record,
    partitions: i32,
    available: &'a [i32],
}

impl<'a> Partitioning<'a> {
    /// A case to try a partitioner on.
    ///
    /// ```
    /// use kafkio::{HashPartitioner, Partitioner, Partitioning, Record};
    ///
    /// let record = Record::new("12.50 EUR").key("order-7");
    /// let case = Partitioning::new("orders", &record, 3, &[0, 1, 2]);
    /// assert_eq!(HashPartitioner::crc32().partition(&case), Some(2));
    /// ```
    pub fn new(topic: &'a str, record: &'a Record, partitions: i32, available: &'a [i32]) -> Self {
        Self { topic, record, partitions, available }
    }

    /// The topic, whether the record or the writer names it.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The key of the record.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.record.key.as_deref()
    }

    /// The value of the record.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.record.value.as_deref()
    }

    /// The headers of the record.
    pub fn headers(&self) -> &'a [Header] {
        &self.record.headers
    }

    /// How many partitions the topic has, with or without a leader: what hashes are taken modulo.
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The partitions that have a leader, as far as the writer knows, in order. What goes to others
    /// has to wait until they have one.
    pub fn available(&self) -> &'a [i32] {
        self.available
    }

    /// The available partitions; if there are none, all.
    fn candidates(&self) -> impl Iterator<Item = i32> + Clone + use<'a> {
        let all = if self.available.is_empty() { self.partitions } else { 0 };
        self.available.iter().copied().chain(0..all)
    }
}

/// The hash of a key that the default partitioner takes modulo the number of partitions.
pub(super) fn default_hash(key: &[u8]) -> u32 {
    hash::murmur2(key) & hash::POSITIVE
}
