//! Reads the messages of a time range, and ends even if nothing was written after it.

mod common;

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::{Client, Record, Result, Start};

const TOPIC: &str = "my-topic1";

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&[TOPIC]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;
    let now = SystemTime::now();
    let hours = |hours: u64| now - Duration::from_secs(3600 * hours);
    let record = |h| Record::new(format!("{h} hours ago")).timestamp(hours(h));
    let writer = client.writer().topic(TOPIC).build().await?;
    let records = (1..=5).rev().map(|h| record(h).partition(0));
    writer.write(records).await?;
    writer.close().await?;

    let start = offset(&client, hours(4)).await?;
    let end = offset(&client, hours(2)).await?;
    let reader = client.reader().partitions(TOPIC, [0]).start(Start::Offset(start));
    let mut reader = reader.build().await?;
    let handle = reader.handle();
    // The position, and not the offsets of messages: the last ones may have been compacted away.
    while handle.position(TOPIC, 0) < Some(end) {
        let Some(message) = reader.next().await else {
            break;
        };
        let message = message?;
        if message.offset() < end {
            let value = message.value().map(String::from_utf8_lossy);
            println!("{}: {value:?}", message.offset());
        }
    }
    Ok(())
}

/// Where that time begins in partition 0; its end, if nothing is that new.
async fn offset(client: &Client, time: SystemTime) -> Result<i64> {
    for spec in [OffsetSpec::Timestamp(time.into()), OffsetSpec::Latest] {
        let found = client.list_offsets([(TOPIC, 0, spec)]).await?;
        if let Some(offset) = found.into_only()?.offset {
            return Ok(offset);
        }
    }
    Ok(0)
}
