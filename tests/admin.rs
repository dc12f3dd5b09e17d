//! Operations against an in-process cluster that misbehaves, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::NewTopic;
use kafkio::protocol::messages::create_topics::{
    CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{Client, ErrorKind, TopicPartition};

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory().topic("t", 1)
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().api_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn describing_a_topic_does_not_create_it() {
    for version in ["0.10.1", "0.11.0", "4.3"] {
        let cluster = cluster().kafka_version(version).auto_create_topics(true);
        let cluster = cluster.topic("other", 1).start().await.unwrap();
        let client = client(&cluster).await;
        for _ in 0..2 {
            let metadata = client.metadata(["t", "nowhere"]).await.unwrap();
            assert_eq!(metadata.topics.len(), 2, "{version}");
            assert_eq!(metadata.topic("t").unwrap().partitions.len(), 1);
            let error = metadata.topics["nowhere"].error;
            assert_eq!(error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{version}");
        }
        let metadata = client.all_metadata().await.unwrap();
        assert!(!metadata.topics.contains_key("nowhere"), "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_missing_does_not_hide_the_offsets_of_others() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let asked = [("nowhere", 0, OffsetSpec::Latest), ("t", 0, OffsetSpec::Latest)];
    let offsets = client.list_offsets(asked).await.unwrap();
    let of = |topic: &str| offsets.get(&TopicPartition::new(topic, 0)).unwrap();
    assert_eq!(of("t").as_ref().unwrap().offset, Some(0));
    let error = of("nowhere").as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
}

#[tokio::test(start_paused = true)]
async fn topics_that_are_named_twice_are_refused() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let twice = ["a", "b", "a"];
    let error = client.create_topics(twice.map(NewTopic::new)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let error = client.delete_topics(twice).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_was_created_is_told_although_the_rest_failed() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let answered = AtomicBool::new(false);
    let _hook = cluster.on(ApiKey::CREATE_TOPICS, move |_| {
        if answered.swap(true, Ordering::Relaxed) {
            return Fault::Cut(0);
        }
        let result = |name: &str, code: ErrorCode| CreatableTopicResult {
            name: name.to_owned(),
            error_code: code.0,
            ..Default::default()
        };
        Fault::answer::<CreateTopicsRequest>(CreateTopicsResponse {
            topics: vec![result("a", ErrorCode::NONE), result("b", ErrorCode::NOT_CONTROLLER)],
            ..Default::default()
        })
    });
    let topics = client.create_topics(["a", "b"].map(NewTopic::new)).await.unwrap();
    assert!(topics.get("a").unwrap().is_ok());
    let error = topics.get("b").unwrap().as_ref().unwrap_err();
    assert!(error.to_string().contains("create topic b"), "{error}");
}
