//! Where the examples find Kafka: at the addresses on their command line, or, without any, in an
//! in-process cluster. Either way it has the topics they use.

use std::time::Duration;

use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::testing::FakeCluster;
use kafkio::{Client, Result};

/// Keeps the in-process cluster alive.
pub(crate) struct Kafka {
    pub(crate) bootstrap: Vec<String>,
    _cluster: Option<FakeCluster>,
}

/// The cluster to use, with these topics, of three partitions each.
pub(crate) async fn kafka(topics: &[&str]) -> Result<Kafka> {
    let levels = tracing_subscriber::EnvFilter::from_default_env();
    let log = tracing_subscriber::fmt().with_env_filter(levels);
    log.with_writer(std::io::stderr).init();
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    if !addresses.is_empty() {
        create(&addresses, topics).await?;
        return Ok(Kafka { bootstrap: addresses, _cluster: None });
    }
    let builder = FakeCluster::builder().brokers(3);
    let builder = topics.iter().fold(builder, |builder, topic| builder.topic(*topic, 3));
    let cluster = builder.start().await.expect("loopback sockets");
    Ok(Kafka { bootstrap: cluster.bootstrap(), _cluster: Some(cluster) })
}

/// Creates the topics that are not there yet, and waits until they have leaders.
async fn create(addresses: &[String], topics: &[&str]) -> Result<()> {
    let client = Client::builder(addresses).connect().await?;
    let new = topics.iter().map(|topic| NewTopic::new(*topic).partitions(3));
    for (_, created) in client.create_topics(new).timeout(Duration::from_secs(30)).await? {
        match created {
            Err(error) if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                return Err(error);
            }
            _ => {}
        }
    }
    let ends = |topic| (0..3).map(move |partition| (topic, partition, OffsetSpec::Latest));
    let ends = client.list_offsets(topics.iter().copied().flat_map(ends)).await?;
    ends.into_result().map(|_| ())
}
