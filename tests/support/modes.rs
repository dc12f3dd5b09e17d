//! The in-process cluster in the ways in which transactions differ, and what counts there.

use std::time::Duration;

use futures::StreamExt;
use kafkio::testing::{FakeCluster, FakeClusterBuilder};
use kafkio::{IsolationLevel, Message};
use tokio::time::timeout;

/// Releases and levels of `transaction.version`.
pub(crate) const MODES: [(&str, i16); 4] =
    [("4.3.0", 2), ("4.3.0", 0), ("2.4.0", 0), ("0.11.0", 0)];

pub(crate) fn builder((release, level): (&str, i16)) -> FakeClusterBuilder {
    FakeCluster::builder().in_memory().kafka_version(release).transaction_version(level)
}

/// What readers of committed records see of a topic, as long as more comes.
pub(crate) async fn committed_messages(cluster: &FakeCluster, topic: &str) -> Vec<Message> {
    let client = cluster.client().connect().await.unwrap();
    let reader = client.reader().topic(topic).isolation(IsolationLevel::ReadCommitted);
    let mut reader = reader.build().await.unwrap();
    let mut seen = Vec::new();
    while let Ok(message) = timeout(Duration::from_secs(5), reader.next()).await {
        seen.push(message.unwrap().unwrap());
    }
    seen
}

/// Far longer than any recovery takes.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(900), work).await.expect("it is stuck")
}
