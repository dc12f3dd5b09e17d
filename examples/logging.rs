//! Sees what the client does: any `tracing` subscriber will do. Try `RUST_LOG=kafkio=debug`.

mod common;

use futures::TryStreamExt;
use kafkio::{Client, Record, Result};
use tracing::{Instrument, info, info_span};

#[tokio::main]
async fn main() -> Result<()> {
    // Sets up `tracing_subscriber`, with the levels that RUST_LOG asks for.
    let kafka = common::kafka(&["logged"]).await?;
    let client = Client::builder(&kafka.bootstrap).client_id("logging").connect().await?;

    let writer = client.writer().topic("logged").build().await?;
    let written = writer.send(Record::new("hello")).await?.instrument(info_span!("write")).await?;
    info!(partition = written.partition(), offset = written.offset(), "written");
    writer.close().await?;

    let mut reader = client.reader().topic("logged").build().await?;
    let message = reader.try_next().instrument(info_span!("read")).await?;
    println!("read {:?}", message.map(|message| message.offset()));
    Ok(())
}
