//! Reads each partition in a task of its own, at its own pace, and pauses one of them for a while.

mod common;

use std::time::Duration;

use futures::TryStreamExt;
use kafkio::{Client, End, PartitionStream, Record, Result};

const TOPIC: &str = "my-partitions";

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&[TOPIC]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;
    let writer = client.writer().topic(TOPIC).build().await?;
    writer.write((0..30).map(|n| Record::new(format!("value {n}")).partition(n % 3))).await?;
    writer.close().await?;

    // With an end, so that this example ends; without, it would wait for more.
    let reader = client.reader().topic(TOPIC).end(End::Latest).build().await?;
    let handle = reader.handle();
    handle.pause(TOPIC, 0)?;
    let resume = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        println!("partition 0 goes on");
        handle.resume(TOPIC, 0)
    };
    let work = reader.partitions().try_for_each_concurrent(None, read);
    tokio::try_join!(work, resume)?;
    println!("{:?}", handle.stats());
    Ok(())
}

async fn read(mut partition: PartitionStream) -> Result<()> {
    let mut count = 0;
    while let Some(message) = partition.try_next().await? {
        count += message.value().map_or(0, |_| 1);
    }
    println!("partition {}: {count} messages", partition.partition());
    Ok(())
}
