//! Reads the messages of a time range, and ends even if nothing was written after it: kafka-go's
//! `SetOffsetAt`, with an end besides.

mod common;

use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use kafkio::{Client, End, Record, Result, Start};

const TOPIC: &str = "my-topic1";

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&[TOPIC]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;
    let now = SystemTime::now();
    let hours = |hours: u64| now - Duration::from_secs(3600 * hours);
    let record = |h| Record::new(format!("{h} hours ago")).timestamp(hours(h));
    let writer = client.writer().topic(TOPIC).build().await?;
    writer.write((1..=5).rev().map(record)).await?;
    writer.close().await?;

    let reader = client.reader().topic(TOPIC);
    let reader = reader.start(Start::Timestamp(hours(4).into()));
    let mut reader = reader.end(End::Timestamp(hours(2).into())).build().await?;
    while let Some(message) = reader.try_next().await? {
        let value = message.value().map(String::from_utf8_lossy);
        println!("{}[{}]: {value:?}", message.topic(), message.partition());
    }
    Ok(())
}
