//! Chooses partitions as another client does, for topics that its writers share with ours; and by a
//! rule of one's own. The default is that of the Java client: murmur2 of the key.

mod common;

use kafkio::{Client, HashPartitioner, Partitioner, Partitioning, Record, Result, Writer};

/// Urgent orders have the last partition for themselves; the keys of others share the rest.
struct ByUrgency;

impl Partitioner for ByUrgency {
    fn partition(&self, order: &Partitioning<'_>) -> Option<i32> {
        let last = order.partitions() - 1;
        if order.headers().iter().any(|header| header.key() == "urgent") {
            return Some(last);
        }
        HashPartitioner::murmur2().partition(order)?.checked_rem(last)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["orders"]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;
    let writer = || client.writer().topic("orders");
    show("Java", writer().build().await?).await?;
    for (name, partitioner) in [
        ("librdkafka", HashPartitioner::crc32()),
        ("Sarama, kafka-go's Hash", HashPartitioner::fnv1a()),
        ("kafka-go's ReferenceHash", HashPartitioner::fnv1a_reference()),
    ] {
        show(name, writer().partitioner(partitioner).build().await?).await?;
    }
    show("by urgency", writer().partitioner(ByUrgency).build().await?).await
}

async fn show(name: &str, writer: Writer) -> Result<()> {
    let keys = ["Key-A", "Key-B", "Key-C"];
    let orders = keys.map(|key| Record::new(format!("order of {key}")).key(key));
    let urgent = Record::new("now").key("Key-D").header("urgent", "yes");
    for written in writer.write(orders.into_iter().chain([urgent])).await? {
        println!("{name}: partition {}", written.partition());
    }
    writer.close().await
}
