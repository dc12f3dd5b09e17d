//! Compresses what is written; readers see from each batch how.

mod common;

use futures::{StreamExt, TryStreamExt};
use kafkio::{Client, Compression, Record, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let kafka = common::kafka(&["compressed"]).await?;
    let client = Client::builder(&kafka.bootstrap).connect().await?;

    for compression in [Compression::snappy(), Compression::lz4(), Compression::zstd()] {
        let writer = client.writer().topic("compressed").compression(compression).build().await?;
        writer.write((0..100).map(|n| Record::new(format!("message {n} of many alike")))).await?;
        writer.close().await?;
    }

    let reader = client.reader().topic("compressed").build().await?;
    let messages: Vec<_> = reader.take(300).try_collect().await?;
    println!("read {} messages", messages.len());
    Ok(())
}
