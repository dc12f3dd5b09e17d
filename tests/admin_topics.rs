//! Operations on topics, records and configs against an in-process cluster that misbehaves, under
//! paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafkio::admin::configs::{ConfigChanges, ConfigResource, ConfigResourceKind, ConfigSource};
use kafkio::admin::topics::{NewPartitions, NewTopic, RecordsBefore, TopicRef};
use kafkio::protocol::messages::create_topics::{
    CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use kafkio::protocol::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};
use kafkio::protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use kafkio::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult,
};
use kafkio::protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafkio::protocol::messages::incremental_alter_configs::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafkio::protocol::messages::list_config_resources::{
    ConfigResource as WireResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::wire::Uuid;
use kafkio::{Client, Error, ErrorKind, TopicPartition};
use tokio::time::Instant;

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory().brokers(3).topic("t", 3)
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().api_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

fn partition(id: i32) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition { partition_index: id, ..Default::default() }
}

fn page(topic: &str, ids: &[i32], next: Option<(&str, i32)>) -> Fault {
    let topic = DescribeTopicPartitionsResponseTopic {
        name: Some(topic.to_owned()),
        partitions: ids.iter().copied().map(partition).collect(),
        ..Default::default()
    };
    let next = next.map(|(name, id)| {
        let topic_name = name.to_owned();
        Box::new(Cursor { topic_name, partition_index: id, ..Default::default() })
    });
    Fault::answer::<DescribeTopicPartitionsRequest>(DescribeTopicPartitionsResponse {
        topics: vec![topic],
        next_cursor: next,
        ..Default::default()
    })
}

#[tokio::test(start_paused = true)]
async fn pages_of_partitions_are_put_together() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let asked = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::DESCRIBE_TOPIC_PARTITIONS, move |call| {
        let request = call.request::<DescribeTopicPartitionsRequest>();
        let names: Vec<_> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => {
                assert_eq!((names, request.cursor), (vec!["a", "b"], None));
                page("a", &[0, 1], Some(("a", 2)))
            }
            1 => Fault::Disconnect,
            2 => {
                assert_eq!(names, ["a", "b"]);
                assert_eq!(request.cursor.unwrap().partition_index, 2);
                page("a", &[3, 2], Some(("b", 0)))
            }
            _ => {
                assert_eq!(names, ["b"], "what is complete is not asked for again");
                page("b", &[0], None)
            }
        }
    });
    let topics = client.describe_topics(["b", "a"]).await.unwrap();
    let ids = |name: &str| -> Vec<i32> {
        let topic = topics.get(&TopicRef::from(name)).unwrap().as_ref().unwrap();
        topic.partitions.iter().map(|partition| partition.id).collect()
    };
    assert_eq!(ids("a"), [0, 1, 2, 3]);
    assert_eq!(ids("b"), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_stands_still_is_an_error() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    for next in [("t", 0), ("a", 9)] {
        let first = AtomicUsize::new(0);
        let _hook = cluster.on(ApiKey::DESCRIBE_TOPIC_PARTITIONS, move |_| {
            match first.fetch_add(1, Ordering::Relaxed) {
                0 => page("t", &[0], Some(("t", 1))),
                _ => page("t", &[1], Some(next)),
            }
        });
        let error = client.describe_topics(["t"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn topics_are_described_by_old_brokers_too() {
    for version in ["0.10.1", "2.7", "3.7"] {
        let cluster = cluster().kafka_version(version).start().await.unwrap();
        let client = client(&cluster).await;
        let topics = client.describe_topics(["nowhere", "t"]).await.unwrap();
        let topic = topics.get(&TopicRef::from("t")).unwrap().as_ref().unwrap();
        assert_eq!(topic.partitions.len(), 3, "{version}");
        assert_eq!(topic.partitions[0].eligible_leader_replicas, None);
        let error = topics.get(&TopicRef::from("nowhere")).unwrap().as_ref().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{version}");
        let listed = client.list_topics().await.unwrap();
        assert_eq!(listed.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["t"]);
    }
}

#[tokio::test(start_paused = true)]
async fn ids_need_a_broker_that_knows_them() {
    let cluster = cluster().kafka_version("2.7").start().await.unwrap();
    let client = client(&cluster).await;
    let error = client.delete_topics([Uuid(7)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(format!("{error:?}").contains("Kafka 2.8"), "{error:?}");
    // Names in the same call are described all the same.
    let both = [TopicRef::from("t"), TopicRef::from(Uuid(7))];
    let topics = client.describe_topics(both.clone()).await.unwrap();
    assert!(topics.get(&both[0]).unwrap().is_ok());
    let error = topics.get(&both[1]).unwrap().as_ref().unwrap_err();
    assert!(format!("{error:?}").contains("Kafka 3.1"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_by_name_and_id_is_found_by_both() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::DELETE_TOPICS, |_| {
        let result = |name: Option<&str>, id, code: ErrorCode| DeletableTopicResult {
            name: name.map(str::to_owned),
            topic_id: Uuid(id),
            error_code: code.0,
            ..Default::default()
        };
        Fault::answer::<DeleteTopicsRequest>(DeleteTopicsResponse {
            responses: vec![
                result(Some("a"), 1, ErrorCode::NONE),
                result(Some("b"), 2, ErrorCode::NONE),
                result(None, 3, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
            ],
            ..Default::default()
        })
    });
    let asked = [TopicRef::from("a"), Uuid(2).into(), Uuid(3).into(), Uuid(4).into()];
    let deleted = client.delete_topics(asked.clone()).await.unwrap();
    let code = |at: usize| deleted.get(&asked[at]).unwrap().as_ref().err().map(Error::code);
    assert_eq!((code(0), code(1)), (None, None));
    assert_eq!(code(2), Some(Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED)));
    let error = deleted.get(&asked[3]).unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "not in the answer: {error}");
}

#[tokio::test(start_paused = true)]
async fn topics_that_a_quota_holds_back_are_tried_again() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let asked = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::CREATE_TOPICS, move |call| {
        let request = call.request::<CreateTopicsRequest>();
        let time = asked.fetch_add(1, Ordering::Relaxed);
        let result = |name: String| CreatableTopicResult {
            error_code: match name.as_str() {
                "slow" if time < 2 => ErrorCode::THROTTLING_QUOTA_EXCEEDED.0,
                "quick" if time > 0 => panic!("asked for again"),
                _ => 0,
            },
            name,
            topic_config_error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED.0,
            ..Default::default()
        };
        let topics = request.topics.into_iter().map(|topic| result(topic.name));
        Fault::answer::<CreateTopicsRequest>(CreateTopicsResponse {
            topics: topics.collect(),
            ..Default::default()
        })
    });
    let topics = client.create_topics(["slow", "quick"].map(NewTopic::new)).await.unwrap();
    let topics = topics.into_result().unwrap();
    assert!(topics.iter().map(|(name, _)| name.as_str()).eq(["slow", "quick"]));
    let configs = topics[0].1.configs.as_ref().unwrap();
    assert_eq!(configs.as_ref().err(), Some(&ErrorCode::TOPIC_AUTHORIZATION_FAILED));
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_not_waited_for_if_that_is_not_wanted() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    cluster.fail_next(ApiKey::CREATE_TOPICS, [ErrorCode::THROTTLING_QUOTA_EXCEEDED]);
    let call = client.create_topics([NewTopic::new("slow")]).retry_on_quota_violation(false);
    let error = call.await.unwrap().into_only().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::THROTTLING_QUOTA_EXCEEDED), "{error}");
}

#[tokio::test(start_paused = true)]
async fn records_are_deleted_by_the_leader_of_the_moment() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let asked = AtomicUsize::new(0);
    let _hook = cluster.on(ApiKey::DELETE_RECORDS, move |call| {
        let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        let request = call.request::<DeleteRecordsRequest>();
        let topics = request.topics.into_iter().map(|topic| DeleteRecordsTopicResult {
            name: topic.name,
            partitions: topic
                .partitions
                .into_iter()
                .map(|partition| DeleteRecordsPartitionResult {
                    partition_index: partition.partition_index,
                    low_watermark: if partition.offset < 0 { 100 } else { partition.offset },
                    error_code: if is_first { ErrorCode::NOT_LEADER_OR_FOLLOWER.0 } else { 0 },
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        });
        Fault::answer::<DeleteRecordsRequest>(DeleteRecordsResponse {
            topics: topics.collect(),
            ..Default::default()
        })
    });
    let before = [RecordsBefore::Offset(4), RecordsBefore::HighWatermark, RecordsBefore::Offset(0)];
    let asked = before.into_iter().zip(0..).map(|(before, id)| ("t", id, before));
    let deleted = client.delete_records(asked).await.unwrap();
    let low = |id| {
        let at = TopicPartition::new("t", id);
        deleted.get(&at).unwrap().as_ref().unwrap().low_watermark
    };
    assert_eq!([low(0), low(1), low(2)], [4, 100, 0]);
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_broker_are_asked_of_it() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::DESCRIBE_CONFIGS, |call| {
        if call.broker == 1 {
            return Fault::Hang;
        }
        let result = |kind, name: String| DescribeConfigsResult {
            resource_type: kind,
            resource_name: name,
            configs: vec![DescribeConfigsResourceResult {
                name: "answered.by".to_owned(),
                value: Some(call.broker.to_string()),
                config_source: 77,
                ..Default::default()
            }],
            ..Default::default()
        };
        let request = call.request::<DescribeConfigsRequest>();
        let results = request.resources.into_iter();
        let results = results.map(|it| result(it.resource_type, it.resource_name));
        Fault::answer::<DescribeConfigsRequest>(DescribeConfigsResponse {
            results: results.collect(),
            ..Default::default()
        })
    });
    let began = Instant::now();
    let asked = [
        ConfigResource::broker(0),
        ConfigResource::broker_logger(2),
        ConfigResource::broker(1),
        ConfigResource::broker(9),
    ];
    let configs = client.describe_configs(asked.clone()).await.unwrap();
    for (resource, broker) in [(&asked[0], "0"), (&asked[1], "2")] {
        let entry = &configs.get(resource).unwrap().as_ref().unwrap()["answered.by"];
        assert_eq!(entry.value.as_deref(), Some(broker));
        assert_eq!(entry.source, ConfigSource::Other(77));
    }
    let error = configs.get(&asked[2]).unwrap().as_ref().unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let error = configs.get(&asked[3]).unwrap().as_ref().unwrap_err();
    assert!(error.to_string().contains("broker 9"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn changes_have_a_result_each_and_no_value_in_debug() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::INCREMENTAL_ALTER_CONFIGS, |call| {
        let request = call.request::<IncrementalAlterConfigsRequest>();
        let operations = request.resources.iter().flat_map(|it| &it.configs);
        let operations: Vec<_> = operations.map(|it| it.config_operation).collect();
        assert_eq!(operations, [0, 1, 2, 3, 0]);
        let result = |name: &str, code: ErrorCode| AlterConfigsResourceResponse {
            resource_type: 2,
            resource_name: name.to_owned(),
            error_code: code.0,
            error_message: Some("because".to_owned()),
            ..Default::default()
        };
        Fault::answer::<IncrementalAlterConfigsRequest>(IncrementalAlterConfigsResponse {
            responses: vec![
                result("stranger", ErrorCode::NONE),
                result("b", ErrorCode::INVALID_CONFIG),
                result("a", ErrorCode::NONE),
            ],
            ..Default::default()
        })
    });
    let [a, b] = ["a", "b"].map(ConfigResource::topic);
    let first = ConfigChanges::new(a.clone()).set("w", "secret").delete("x");
    let first = first.append("y", "secret").subtract("z", "secret");
    let second = ConfigChanges::new(b.clone()).set("w", "secret");
    let call = client.incremental_alter_configs([first, second]);
    assert!(!format!("{call:?}").contains("secret"), "{call:?}");
    let altered = call.await.unwrap();
    assert_eq!(altered.len(), 2);
    assert!(altered.get(&a).unwrap().is_ok());
    let error = altered.get(&b).unwrap().as_ref().unwrap_err();
    assert!(error.to_string().contains("because"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn lists_of_resources_from_brokers_that_know_one_kind() {
    let kinds = [ConfigResourceKind::ClientMetrics];
    let cluster = cluster().kafka_version("4.0").start().await.unwrap();
    let client = client(&cluster).await;
    let _hook = cluster.on(ApiKey::LIST_CONFIG_RESOURCES, |_| {
        let resource_name = "metrics".to_owned();
        Fault::answer::<ListConfigResourcesRequest>(ListConfigResourcesResponse {
            config_resources: vec![WireResource { resource_name, ..Default::default() }],
            ..Default::default()
        })
    });
    let listed = client.list_config_resources(kinds).await.unwrap();
    assert_eq!(listed, [ConfigResource::client_metrics("metrics")]);
    let error = client.list_config_resources([]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(format!("{error:?}").contains("Kafka 4.1"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn contradictions_are_told_before_anything_is_sent() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let topic = || ConfigResource::topic("t");
    let config = |error: Error, part: &str| {
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    let twice = [topic(), topic()];
    config(client.describe_configs(twice).await.unwrap_err(), "topic t is named twice");
    let nameless = [ConfigResource::group("")];
    config(client.describe_configs(nameless).await.unwrap_err(), "without a name");
    let twice = ConfigChanges::new(topic()).set("a", "1").delete("a");
    config(client.incremental_alter_configs([twice]).await.unwrap_err(), "setting a");
    let negative = [("t", 0, RecordsBefore::Offset(-1))];
    config(client.delete_records(negative).await.unwrap_err(), "t[0]");
    let twice = ["t", "t"].map(|topic| (topic, NewPartitions::increase_to(4)));
    config(client.create_partitions(twice).await.unwrap_err(), "named twice");
    let nobody = [("t", NewPartitions::increase_to(4).assign([]))];
    config(client.create_partitions(nobody).await.unwrap_err(), "assign");
    let none = client.describe_topics(["t"]).partitions_per_response(0);
    config(none.await.unwrap_err(), "partitions_per_response");
    assert!(client.describe_topics(Vec::<TopicRef>::new()).await.unwrap().is_empty());
}
