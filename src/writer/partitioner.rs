//! Which partition a record goes to. Pure functions of the key: which partitions have a leader, and
//! where the writer stands now, is the accumulator's knowledge.

use std::fmt;

/// Chooses the partition of a record that names none: kafka-go's `Balancer`, the property
/// `partitioner.class`.
///
/// Without one, a [`Writer`](super::Writer) sends records with the same key to the same partition,
/// by the hash that Java's clients use (murmur2), and keeps records without a key together until a
/// batch has left (KIP-480).
///
/// ```
/// use kafkio::Partitioner;
///
/// /// Urgent orders have a partition of their own.
/// #[derive(Debug)]
/// struct ByUrgency;
///
/// impl Partitioner for ByUrgency {
///     fn partition(&self, _topic: &str, key: Option<&[u8]>, _partitions: i32) -> Option<i32> {
///         (key? == b"urgent").then_some(0)
///     }
/// }
/// ```
pub trait Partitioner: fmt::Debug + Send + Sync + 'static {
    /// The partition, from 0 to `partitions - 1`; a number outside of it fails the record. `None`
    /// leaves the choice to the writer, as for a record without a key.
    ///
    /// Called once for each record, inside the call that sends it.
    fn partition(&self, topic: &str, key: Option<&[u8]>, partitions: i32) -> Option<i32>;
}

/// The hash of a key, its sign removed: modulo the number of partitions it is what Java's default
/// partitioner chooses.
pub(super) fn hash(key: &[u8]) -> u32 {
    murmur2(key) & 0x7fff_ffff
}

/// `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Java's `Utils.murmur2` and `Utils.toPositive`, of kafka-clients 4.3.0.
    #[test]
    fn hashes_as_java() {
        for (key, expected, of_12) in [
            ("", 275_646_681, 9),
            ("a", 2_731_586_172, 4),
            ("ab", 316_155_434, 2),
            ("abc", 479_470_107, 3),
            ("abcd", 2_971_317_748, 8),
            ("abcde", 461_995_741, 1),
            ("foobar", 3_504_634_814, 6),
            ("a-little-bit-long-string", 3_308_985_760, 8),
            ("a-little-bit-longer-string", 2_808_662_467, 11),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 4_236_069_325, 5),
            ("Key-A", 2_170_327_248, 4),
            ("Key-B", 3_123_132_766, 2),
            ("Key-C", 3_381_315_794, 6),
            ("äöü€", 563_110_447, 7),
        ] {
            assert_eq!(murmur2(key.as_bytes()), expected, "{key:?}");
            assert_eq!(hash(key.as_bytes()) % 12, of_12, "{key:?}");
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!((murmur2(&all), hash(&all) % 12), (2_346_620_022, 10));
        assert_eq!((murmur2(&[0xff; 7]), hash(&[0xff; 7]) % 12), (4_223_673_747, 7));
    }
}
