//! Lists the topics of a cluster: over one connection, as kafka-go's `ReadPartitions`, and with a
//! client.

mod common;

use kafkio::{Client, Conn, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["orders", "invoices"]).await?;

    let conn = Conn::builder(&kafka.bootstrap).dial().await?;
    for topic in conn.read_partitions(&[]).await? {
        println!("{}: {} partitions", topic.name, topic.partitions.len());
    }

    let client = Client::builder(&kafka.bootstrap).connect().await?;
    let cluster = client.all_metadata().await?;
    println!("cluster {:?}, controller {:?}", cluster.cluster_id, cluster.controller);
    for topic in cluster.topics.values() {
        let leaders: Vec<_> = topic.partitions.iter().map(|partition| partition.leader).collect();
        println!("{}: leaders {leaders:?}", topic.name);
    }
    Ok(())
}
