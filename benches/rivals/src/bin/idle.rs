//! What a reader costs that has nothing to read: a topic of 1 000 partitions, where nobody writes.
//!
//! ```text
//! idle BOOTSTRAP SECONDS
//! ```

use std::time::Duration;

use futures::StreamExt;
use kafkio::Client;
use kafkio::admin::topics::NewTopic;
use rivals::{Result, cpu_time};
use tokio::time::{sleep, timeout};

const TOPIC: &str = "idle";

#[tokio::main]
async fn main() -> Result<()> {
    let usage = "usage: idle BOOTSTRAP SECONDS";
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().ok_or(usage)?;
    let seconds: u64 = args.next().ok_or(usage)?.parse()?;
    let client = Client::builder([bootstrap.as_str()]).connect().await?;
    let created = client.create_topics([NewTopic::new(TOPIC).partitions(1_000)]).await?;
    created.into_iter().try_for_each(|(_, created)| created.map(drop))?;
    sleep(Duration::from_secs(5)).await;

    let mut reader = client.reader().topic(TOPIC).build().await?;
    let handle = reader.handle();
    // The first requests name all of them.
    let _ = timeout(Duration::from_secs(2), reader.next()).await;
    let (fetches, cpu) = (handle.stats().fetches, cpu_time());
    let _ = timeout(Duration::from_secs(seconds), reader.next()).await;
    let (fetches, cpu) = (handle.stats().fetches - fetches, cpu_time() - cpu);
    println!("{fetches} fetches and {cpu:?} of CPU in {seconds} s");
    reader.close().await;
    let gone = client.delete_topics([TOPIC]).await?;
    gone.into_iter().try_for_each(|(_, deleted)| deleted.map(drop))?;
    Ok(())
}
