//! Creates a topic, writes to it, and reads it as a stream until ctrl-c.
//!
//! `cargo run --example quickstart` needs nothing; `… -- localhost:9092` uses that broker.

mod common;

use std::time::Duration;

use futures::StreamExt;
use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::{Client, Record, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&[]).await?;
    let client = Client::builder(&kafka.bootstrap).client_id("quickstart").connect().await?;

    let created = client.create_topics([NewTopic::new("quickstart").partitions(3)]).await?;
    match created.into_only() {
        Err(error) if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) => return Err(error),
        _ => println!("topic quickstart is there"),
    }

    let writer = client.writer().topic("quickstart").build().await?;
    for n in 1..=5 {
        let record = Record::new(format!("hello {n}")).key(format!("key {n}"));
        let written = writer.send(record).await?.await?;
        println!("wrote {n} to partition {}", written.partition());
    }
    writer.close().await?;

    let reader = client.reader().topic("quickstart").build().await?;
    let shutdown = async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => println!("ctrl-c"),
            // So that the example ends by itself; a service would wait for ctrl-c alone.
            () = tokio::time::sleep(Duration::from_secs(2)) => println!("enough"),
        }
    };
    let mut messages = reader.take_until(Box::pin(shutdown));
    while let Some(message) = messages.next().await {
        let message = message?;
        let value = String::from_utf8_lossy(message.value().unwrap_or_default()).into_owned();
        println!(
            "read {value:?} from {}[{}] at {}",
            message.topic(),
            message.partition(),
            message.offset()
        );
    }
    Ok(())
}
