//! Tests a service against an in-process cluster, and one that breaks: put such a test beside
//! your own code. `cargo test --example testing` runs it as one.

use futures::StreamExt;
use kafkio::protocol::ApiKey;
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{Client, Record, Result};

/// The code that is to be tested: copies `count` records in upper case.
async fn shout(client: &Client, count: usize) -> Result<()> {
    let mut reader = client.reader().topic("words").build().await?.take(count);
    let writer = client.writer().topic("shouts").build().await?;
    while let Some(message) = reader.next().await {
        let message = message?;
        let text = String::from_utf8_lossy(message.value().unwrap_or_default()).to_uppercase();
        writer.send(Record::new(text)).await?.await?;
    }
    writer.close().await
}

async fn shouts_although_a_connection_breaks() -> Result<()> {
    let builder = FakeCluster::builder().brokers(3).topic("words", 1).topic("shouts", 1);
    let cluster = builder.start().await.expect("loopback sockets");
    let client = cluster.client().connect().await?;
    let words = client.writer().topic("words").build().await?;
    words.write(["a", "b", "c"].map(Record::new)).await?;

    // The first write is cut off before the broker sees it: the writer sends it again.
    let _guard = cluster.once(ApiKey::PRODUCE, |_| Fault::Disconnect);
    shout(&client, 3).await?;
    assert_eq!(cluster.offsets("shouts", 0), Some((0, 3)));

    let produced = cluster.requests().into_iter().filter(|r| r.api_key == ApiKey::PRODUCE);
    println!("{} produce requests in all", produced.count());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    shouts_although_a_connection_breaks().await
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn shouts_although_a_connection_breaks() {
        super::shouts_although_a_connection_breaks().await.unwrap();
    }
}
