//! Creates a topic over a connection to the controller: kafka-go's `Controller`, `CreateTopics`.

mod common;

use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::{Conn, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&[]).await?;
    let conn = Conn::builder(&kafka.bootstrap).dial().await?;

    let controller = conn.controller().await?;
    let controller = conn.dial_broker(&controller).await?;
    println!("the controller is {:?}", controller.broker());

    let topic = NewTopic::new("conn-topic").partitions(1).replication_factor(1);
    match controller.create_topics([topic]).await?.into_only() {
        Ok(created) => println!("created: {created:?}"),
        Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
            println!("it was there");
        }
        Err(error) => return Err(error),
    }
    controller.delete_topics(&["conn-topic"]).await?.into_only()
}
