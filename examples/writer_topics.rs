//! One writer, several topics: each record names its own.

mod common;

use kafkio::{Record, Result, Writer};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["topic-A", "topic-B", "topic-C"]).await?;
    let writer = Writer::builder(&kafka.bootstrap).build().await?;

    let written = writer
        .write([
            Record::new("Hello World!").key("Key-A").topic("topic-A"),
            Record::new("One!").key("Key-B").topic("topic-B"),
            Record::new("Two!").key("Key-C").topic("topic-C"),
        ])
        .await?;
    for record in written {
        println!("{}[{}] at {:?}", record.topic(), record.partition(), record.offset());
    }
    writer.close().await
}
