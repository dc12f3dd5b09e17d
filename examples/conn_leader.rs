//! Finds the leader of a partition through a connection to any broker, and connects to it.

mod common;

use kafkio::{Conn, Record, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["my-topic"]).await?;
    let conn = Conn::builder(&kafka.bootstrap).dial().await?;
    for broker in conn.brokers().await? {
        println!("broker {} at {}:{}", broker.id, broker.host, broker.port);
    }

    for topic in conn.read_partitions(&["my-topic"]).await? {
        for partition in &topic.partitions {
            let leader = conn.leader("my-topic", partition.id).await?;
            let written = leader.write_messages([Record::new("to the leader")]).await?;
            let broker = leader.conn().broker().id;
            println!("partition {} at broker {broker}: {written:?}", partition.id);
        }
    }
    Ok(())
}
