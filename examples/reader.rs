//! Reads one partition from an offset on: kafka-go's `NewReader`, `SetOffset(42)`, `ReadMessage`.

mod common;

use futures::{StreamExt, TryStreamExt};
use kafkio::{Client, Reader, Record, Result, Start};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["my-topic"]).await?;
    fill(&kafka.bootstrap).await?;

    let reader = Reader::builder(&kafka.bootstrap)
        .partitions("my-topic", [0])
        .start(Start::Offset(42))
        .build()
        .await?;
    let handle = reader.handle();

    let mut messages = reader.take(8);
    while let Some(message) = messages.try_next().await? {
        let value = message.value().map(String::from_utf8_lossy).unwrap_or_default();
        println!("message at offset {}: {value}", message.offset());
    }
    println!("next: {:?}, lag: {:?}", handle.position("my-topic", 0), handle.lag("my-topic", 0));
    Ok(())
}

/// Makes sure that there is something at offset 42.
async fn fill(bootstrap: &[String]) -> Result<()> {
    let client = Client::builder(bootstrap).connect().await?;
    let writer = client.writer().topic("my-topic").build().await?;
    writer.write((0..50).map(|n| Record::new(format!("value {n}")).partition(0))).await?;
    writer.close().await
}
