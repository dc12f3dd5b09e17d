//! Chooses partitions as another client does, for topics that its writers share with ours. The
//! default is that of the Java client: murmur2 of the key.

mod common;

use kafkio::{Client, Partitioner, Record, Result};

/// What another client does with a key. Without one, records go where there is room.
#[derive(Clone, Copy, Debug)]
enum Other {
    /// Sarama's `NewHashPartitioner`, kafka-go's `Hash`.
    Sarama,
    /// Sarama's `NewReferenceHashPartitioner`, kafka-go's `ReferenceHash`.
    SaramaReference,
    /// librdkafka's `consistent_random`, kafka-go's `CRC32Balancer`.
    Librdkafka,
}

impl Partitioner for Other {
    fn partition(&self, _topic: &str, key: Option<&[u8]>, partitions: i32) -> Option<i32> {
        let key = key?;
        match self {
            Self::Sarama => Some((fnv1a(key) % partitions).abs()),
            Self::SaramaReference => Some((fnv1a(key) & i32::MAX) % partitions),
            Self::Librdkafka if key.is_empty() => None,
            Self::Librdkafka => {
                i32::try_from(i64::from(crc32fast::hash(key)) % i64::from(partitions)).ok()
            }
        }
    }
}

/// FNV-1a, taken as a signed number, as Go does.
fn fnv1a(key: &[u8]) -> i32 {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    i32::from_ne_bytes(key.iter().fold(0x811c_9dc5, mix).to_ne_bytes())
}

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["shared"]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;
    for other in [Other::Sarama, Other::SaramaReference, Other::Librdkafka] {
        let writer = client.writer().topic("shared").partitioner(other).build().await?;
        for key in ["Key-A", "Key-B", "Key-C"] {
            let written = writer.send(Record::new("value").key(key)).await?.await?;
            println!("{other:?}: {key} goes to partition {}", written.partition());
        }
        writer.close().await?;
    }
    Ok(())
}
