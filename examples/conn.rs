//! Writes to a partition and reads it back over one connection to its leader: kafka-go's
//! `DialLeader`, `WriteMessages` and `ReadBatch`.

mod common;

use std::time::Duration;

use kafkio::{Conn, Record, Result, Start};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["my-topic"]).await?;
    let mut conn = Conn::builder(&kafka.bootstrap)
        .request_timeout(Duration::from_secs(10))
        .dial_leader("my-topic", 0)
        .await?;

    let written = conn.write_messages(["one!", "two!", "three!"].map(Record::new)).await?;
    println!("{} records at {:?}", written.count(), written.base_offset());

    // One fetch of 10 KB to 1 MB; the broker waits half a second for that much.
    conn.seek(Start::Offset(written.base_offset().unwrap_or(0))).await?;
    let fetched = conn.read_batch(10_000, 1_000_000).await?;
    for message in fetched.messages() {
        let message = message?;
        println!("{}: {:?}", message.offset(), message.value().map(String::from_utf8_lossy));
    }

    // Message by message. A deadline is a timeout around the call: what was being read is not lost.
    conn.seek(Start::Earliest).await?;
    while let Ok(message) = timeout(Duration::from_secs(1), conn.read_message()).await {
        println!("{} of {}", message?.offset(), fetched.high_watermark());
    }
    Ok(())
}
