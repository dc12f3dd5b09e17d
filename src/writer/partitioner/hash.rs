//! Partitions by the hash of the key, bit by bit as other clients choose them.

use super::{Partitioner, Partitioning};

/// Partitions by a hash of the key, for topics whose other writers do it the same way: see the
/// table at [`Partitioner`].
///
/// Records without a key go where the writer puts them, unless the partitioner is
/// [`consistent`](Self::consistent).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> kafkio::Result<()> {
/// # let cluster = kafkio::testing::FakeCluster::builder().topic("orders", 3).start().await.unwrap();
/// # let client = cluster.client().connect().await?;
/// use kafkio::HashPartitioner;
///
/// let like_sarama = HashPartitioner::fnv1a();
/// let writer = client.writer().topic("orders").partitioner(like_sarama).build().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashPartitioner {
    hash: Hash,
    is_consistent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Murmur2,
    Fnv1a,
    Fnv1aReference,
    Crc32,
}

/// Without the bit that is the sign in Java and Go.
pub(super) const POSITIVE: u32 = 0x7fff_ffff;

impl HashPartitioner {
    /// As Java's clients: murmur2, without its sign. What a writer does by default.
    pub const fn murmur2() -> Self {
        Self::new(Hash::Murmur2)
    }

    /// As Sarama's `NewHashPartitioner` and kafka-go's `Hash`: FNV-1a, of which they take the
    /// absolute value.
    pub const fn fnv1a() -> Self {
        Self::new(Hash::Fnv1a)
    }

    /// As Sarama's `NewReferenceHashPartitioner` and kafka-go's `ReferenceHash`: FNV-1a, without
    /// its sign.
    pub const fn fnv1a_reference() -> Self {
        Self::new(Hash::Fnv1aReference)
    }

    /// As librdkafka's `consistent_random`, and kafka-go's `CRC32Balancer`: CRC-32. An empty key
    /// is none.
    pub const fn crc32() -> Self {
        Self::new(Hash::Crc32)
    }

    /// Sends all records without a key to one partition, that of the empty key.
    #[must_use]
    pub const fn consistent(mut self) -> Self {
        self.is_consistent = true;
        self
    }

    const fn new(hash: Hash) -> Self {
        Self { hash, is_consistent: false }
    }
}

impl Partitioner for HashPartitioner {
    fn partition(&self, record: &Partitioning<'_>) -> Option<i32> {
        let empty_is_none = self.hash == Hash::Crc32;
        let key = record.key().filter(|key| !(empty_is_none && key.is_empty()));
        let key = key.or_else(|| self.is_consistent.then_some(&[]))?;
        let hash = match self.hash {
            Hash::Murmur2 => murmur2(key) & POSITIVE,
            Hash::Fnv1a => absolute(fnv1a(key)),
            Hash::Fnv1aReference => fnv1a(key) & POSITIVE,
            Hash::Crc32 => crc32fast::hash(key),
        };
        let partitions = u32::try_from(record.partitions()).ok()?;
        i32::try_from(hash.checked_rem(partitions)?).ok()
    }
}

/// The absolute value of what is a signed number in Go.
fn absolute(hash: u32) -> u32 {
    if hash > POSITIVE { hash.wrapping_neg() } else { hash }
}

/// `org.apache.kafka.common.utils.Utils.murmur2`.
pub(super) fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // The length of a key fits 32 bits, or the record could not be sent.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(word);
        let mut k = u32::from_le_bytes(bytes).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        for (byte, shift) in tail.iter().zip([0, 8, 16]) {
            hash ^= u32::from(*byte) << shift;
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

fn fnv1a(data: &[u8]) -> u32 {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    data.iter().fold(0x811c_9dc5, mix)
}
