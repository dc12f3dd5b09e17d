//! Writes to a topic that does not exist yet: created here, or by the broker if it is set up so.

mod common;

use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::{Client, Record, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&[]).await?;
    // With `allow_auto_topic_creation`, writing is enough where the broker has
    // `auto.create.topics.enable`. Creating the topic says how many partitions it gets.
    let client =
        Client::builder(&kafka.bootstrap).allow_auto_topic_creation(true).connect().await?;
    let created = client.create_topics([NewTopic::new("brand-new").partitions(2)]).await?;
    if let Err(error) = created.into_only() {
        if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) {
            return Err(error);
        }
    }

    // No loop around it: the writer waits until the new topic has leaders.
    let writer = client.writer().topic("brand-new").build().await?;
    let written = writer.send(Record::new("first")).await?.await?;
    println!("{}[{}] at {:?}", written.topic(), written.partition(), written.offset());
    writer.close().await
}
