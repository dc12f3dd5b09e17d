//! Writes three messages to one topic: kafka-go's `Writer` and `WriteMessages`.

mod common;

use kafkio::{Record, Result, Writer};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["topic-A"]).await?;
    let writer = Writer::builder(&kafka.bootstrap).topic("topic-A").build().await?;

    let written = writer
        .write([
            Record::new("Hello World!").key("Key-A"),
            Record::new("One!").key("Key-B"),
            Record::new("Two!").key("Key-C"),
        ])
        .await?;
    for record in written {
        println!("{}[{}] at {:?}", record.topic(), record.partition(), record.offset());
    }
    writer.close().await
}
