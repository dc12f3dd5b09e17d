//! Operations against an in-process cluster that misbehaves, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafkio::admin::configs::{ConfigChanges, ConfigResource};
use kafkio::admin::metadata::DescribeMetadata;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::{NewTopic, TopicRef};
use kafkio::admin::{Operation, Target};
use kafkio::protocol::messages::consumer_group_describe::{
    self, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
};
use kafkio::protocol::messages::create_topics::{
    CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use kafkio::protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use kafkio::protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};
use kafkio::protocol::messages::find_coordinator::FindCoordinatorRequest;
use kafkio::protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use kafkio::protocol::messages::list_offsets::ListOffsetsRequest;
use kafkio::protocol::messages::metadata::MetadataRequest;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault, FaultGuard};
use kafkio::wire::Uuid;
use kafkio::{Client, Error, ErrorKind, TopicPartition};
use tokio::time::Instant;
use tower::ServiceExt;

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

#[tokio::test(start_paused = true)]
async fn each_call_has_the_limit_that_it_was_given() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let _hang = cluster.on(ApiKey::METADATA, |_| Fault::Hang);
    let limit = Duration::from_secs(1);
    let in_time = |began: Instant, error: Error| {
        assert!(error.is_timeout(), "{error:?}");
        assert!(began.elapsed() <= limit, "{:?}", began.elapsed());
        Instant::now()
    };
    let began = Instant::now();
    let began = in_time(began, client.metadata(["t"]).timeout(limit).await.unwrap_err());
    let raw = client.send(Target::Any, MetadataRequest::default()).timeout(limit);
    let began = in_time(began, raw.await.unwrap_err());
    let within = DescribeMetadata::new(["t"]).within(limit);
    in_time(began, client.clone().oneshot(within).await.unwrap_err());
    // Without one it is the client's.
    let began = Instant::now();
    client.metadata(["t"]).await.unwrap_err();
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
}

/// Answers as a coordinator of classic groups, whichever broker is asked.
fn describe_groups(cluster: &FakeCluster) -> FaultGuard {
    cluster.on(ApiKey::DESCRIBE_GROUPS, |call| {
        let groups = call.request::<DescribeGroupsRequest>().groups.into_iter();
        let groups = groups.map(|group_id| DescribedGroup {
            group_id,
            group_state: "Stable".to_owned(),
            protocol_type: "consumer".to_owned(),
            ..Default::default()
        });
        let groups = groups.collect();
        Fault::answer::<DescribeGroupsRequest>(DescribeGroupsResponse {
            groups,
            ..Default::default()
        })
    })
}

/// Each group is coordinated by the broker that the closure says.
fn coordinated(cluster: &FakeCluster, by: impl Fn(&str) -> i32 + Send + 'static) -> FaultGuard {
    let by = Arc::new(Mutex::new(by));
    cluster.on(ApiKey::FIND_COORDINATOR, move |call| {
        let key = call.request::<FindCoordinatorRequest>().key;
        let by = by.clone();
        call.edit::<FindCoordinatorRequest>(move |response| {
            let by = by.lock().unwrap();
            if response.coordinators.is_empty() {
                response.node_id = by(&key);
            }
            for coordinator in &mut response.coordinators {
                coordinator.node_id = by(&coordinator.key);
            }
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_broker_is_given_no_more_time_than_its_connection_waits() {
    let cluster = cluster().start().await.unwrap();
    let client = cluster.client().request_timeout(Duration::from_secs(2));
    let client = client.api_timeout(Duration::from_secs(5)).connect().await.unwrap();
    client.create_topics([NewTopic::new("a")]).await.unwrap();
    client.create_topics([NewTopic::new("b")]).timeout(Duration::from_secs(1)).await.unwrap();
    let requests = cluster.requests();
    let created = requests.iter().filter(|request| request.api_key == ApiKey::CREATE_TOPICS);
    let times = created.map(|request| request.request::<CreateTopicsRequest>().timeout_ms);
    assert_eq!(times.collect::<Vec<_>>(), [2_000, 1_000]);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_hung_is_not_asked_again_however_short_the_time_was() {
    let short = Duration::from_secs(1);
    for way in ["timeout", "dropped", "raw", "raw dropped"] {
        let cluster = cluster().brokers(3).start().await.unwrap();
        let coordinator = Arc::new(AtomicI32::new(0));
        let now = coordinator.clone();
        let _moves = coordinated(&cluster, move |_| now.load(Ordering::Relaxed));
        let works = describe_groups(&cluster);
        let client = client(&cluster).await;
        client.describe_groups(["g"]).await.unwrap().into_only().unwrap();

        drop(works);
        let _hang = cluster.on(ApiKey::DESCRIBE_GROUPS, |call| match call.broker {
            0 => Fault::Hang,
            _ => Fault::Pass,
        });
        let _works = describe_groups(&cluster);
        let request = DescribeGroupsRequest { groups: vec!["g".to_owned()], ..Default::default() };
        let call = client.describe_groups(["g"]);
        let raw = client.send(Target::Group("g".to_owned()), request);
        match way {
            "timeout" => drop(call.timeout(short).await.unwrap_err()),
            "dropped" => drop(tokio::time::timeout(short, call.into_future()).await.unwrap_err()),
            "raw" => drop(raw.timeout(short).await.unwrap_err()),
            _ => drop(tokio::time::timeout(short, raw.into_future()).await.unwrap_err()),
        }
        coordinator.store(1, Ordering::Relaxed);
        let found = client.describe_groups(["g"]).await;
        assert!(found.is_ok_and(|found| found.into_only().is_ok()), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_does_not_wait_for_a_broker_that_is_silent_or_gone() {
    for silent in [true, false] {
        let cluster = cluster().brokers(3).start().await.unwrap();
        let client = cluster.client().request_timeout(Duration::from_secs(3));
        let gone = Arc::new(AtomicBool::new(false));
        let is_gone = gone.clone();
        let _metadata = cluster.on(ApiKey::METADATA, move |call| {
            let gone = is_gone.load(Ordering::Relaxed);
            call.edit::<MetadataRequest>(move |response| {
                response.brokers.retain(|broker| !gone || broker.node_id != 2);
            })
        });
        let _hook = cluster.on(ApiKey::LIST_GROUPS, move |call| match call.broker {
            2 if silent => Fault::Hang,
            2 => {
                gone.store(true, Ordering::Relaxed);
                Fault::Disconnect
            }
            _ => Fault::answer::<ListGroupsRequest>(ListGroupsResponse::default()),
        });
        let client = client.connect().await.unwrap();
        let began = Instant::now();
        let found = client.list_groups().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(4), "{silent} {:?}", began.elapsed());
        assert!(found.failed.iter().map(|(broker, _)| *broker).eq([2]), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_of_the_old_protocol_does_not_wait_for_the_coordinator_of_another() {
    for version in ["4.3", "2.7"] {
        for groups in [["old", "hung"], ["hung", "old"]] {
            let cluster = cluster().brokers(3).kafka_version(version).start().await.unwrap();
            let _found = coordinated(&cluster, |group| i32::from(group == "hung"));
            let _old = describe_groups(&cluster);
            let _new = cluster.on(ApiKey::CONSUMER_GROUP_DESCRIBE, |call| {
                let groups = call.request::<ConsumerGroupDescribeRequest>().group_ids.into_iter();
                let groups = groups.map(|group_id| consumer_group_describe::DescribedGroup {
                    error_code: ErrorCode::GROUP_ID_NOT_FOUND.0,
                    group_id,
                    ..Default::default()
                });
                let groups = groups.collect();
                Fault::answer::<ConsumerGroupDescribeRequest>(ConsumerGroupDescribeResponse {
                    groups,
                    ..Default::default()
                })
            });
            let client = client(&cluster).await;
            let _hang = cluster.on(ApiKey::API_VERSIONS, |call| match call.broker {
                1 => Fault::Hang,
                _ => Fault::Pass,
            });
            cluster.cut_connections(1);
            let found = client.describe_consumer_groups(groups).await.unwrap();
            assert!(found.iter().map(|(group, _)| group).eq(&groups), "{version} {groups:?}");
            assert!(found.get("old").unwrap().is_ok(), "{version} {groups:?}");
            assert!(found.get("hung").unwrap().is_err(), "{version} {groups:?}");
            // Nobody answers at all: an error of the call.
            client.describe_consumer_groups(["hung"]).await.unwrap_err();
        }
    }
}

/// Brokers stand in for controllers, whose connections are no pipes.
#[tokio::test]
async fn what_controllers_change_goes_to_the_active_one() {
    let cluster = FakeCluster::builder().brokers(3).start().await.unwrap();
    let nodes = cluster.bootstrap().into_iter().zip(0..).map(|(address, broker_id)| {
        let (host, port) = address.split_once(':').unwrap();
        let (host, port) = (host.to_owned(), port.parse().unwrap());
        DescribeClusterBroker { broker_id, host, port, ..Default::default() }
    });
    let answer = DescribeClusterResponse {
        endpoint_type: 2,
        controller_id: cluster.controller(),
        brokers: nodes.collect(),
        ..Default::default()
    };
    let _controllers = cluster.on(ApiKey::DESCRIBE_CLUSTER, move |_| {
        Fault::answer::<DescribeClusterRequest>(answer.clone())
    });
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let _hook = cluster.on(ApiKey::INCREMENTAL_ALTER_CONFIGS, move |call| {
        seen.lock().unwrap().push(call.broker);
        Fault::Pass
    });
    let client = Client::controllers(cluster.bootstrap()).connect().await.unwrap();
    for _ in 0..8 {
        let resources = [ConfigResource::all_brokers(), ConfigResource::broker(99)];
        let changes = resources.map(|it| ConfigChanges::new(it).set("log.retention.ms", "1"));
        drop(client.incremental_alter_configs(changes).await.unwrap());
    }
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked, [cluster.controller(); 8]);
    let loggers = ConfigChanges::new(ConfigResource::broker_logger(99)).set("a", "INFO");
    let error = client.incremental_alter_configs([loggers]).await.unwrap().into_only();
    assert_eq!(error.unwrap_err().code(), Some(ErrorCode::BROKER_NOT_AVAILABLE));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_said_does_not_fail_the_others() {
    let cluster = cluster().kafka_version("2.3").start().await.unwrap();
    let client = client(&cluster).await;
    let id = TopicRef::Id(Uuid(7));
    let topics = client.delete_topics([TopicRef::from("t"), id.clone()]).await.unwrap();
    topics.get(&TopicRef::from("t")).unwrap().as_ref().unwrap();
    let error = topics.get(&id).unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");

    let endless = "x".repeat(40_000);
    let names = ["new", &endless];
    let topics = client.create_topics(names.map(NewTopic::new)).await.unwrap();
    topics.get("new").unwrap().as_ref().unwrap();
    let error = topics.get(&*endless).unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_name_of_a_topic_harms_nobody() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    for name in ["", &"x".repeat(250), &"x".repeat(40_000)] {
        let began = Instant::now();
        let asked = [(name, 0, OffsetSpec::Latest), ("t", 0, OffsetSpec::Latest)];
        let offsets = client.list_offsets(asked).await.unwrap();
        let of = |topic: &str| offsets.get(&TopicPartition::new(topic, 0)).unwrap();
        assert_eq!(of("t").as_ref().unwrap().offset, Some(0));
        let error = of(name).as_ref().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION), "{error}");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        let reader = client.reader().partitions(name, [0]);
        reader.build().await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn looking_up_one_coordinator_does_not_hold_up_what_is_known() {
    let cluster = cluster().brokers(3).start().await.unwrap();
    let _works = describe_groups(&cluster);
    let found = coordinated(&cluster, |_| 1);
    let client = client(&cluster).await;
    client.describe_groups(["known"]).await.unwrap().into_only().unwrap();
    drop(found);
    let _hang = cluster.on(ApiKey::FIND_COORDINATOR, |call| match call.broker {
        1 => Fault::Error(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        _ => Fault::Hang,
    });
    // Lookups begin at any of the brokers.
    for _ in 0..5 {
        let found = client.describe_groups(["new", "known"]).await.unwrap();
        assert!(found.get("known").unwrap().is_ok(), "{found:?}");
        assert!(found.get("new").unwrap().is_err(), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_does_not_wait_for_a_silent_broker() {
    let cluster = cluster().brokers(3).start().await.unwrap();
    let _works = describe_groups(&cluster);
    let _hang = cluster.on(ApiKey::FIND_COORDINATOR, |call| match call.broker {
        0 => Fault::Hang,
        _ => Fault::Pass,
    });
    let _found = coordinated(&cluster, |_| 1);
    let client = client(&cluster).await;
    for n in 0..10 {
        let began = Instant::now();
        client.describe_groups([format!("g-{n}")]).await.unwrap().into_only().unwrap();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_raw_request_does_not_wait_long_for_what_does_not_exist() {
    let cluster = cluster().start().await.unwrap();
    let client = cluster.client().connect().await.unwrap();
    let began = Instant::now();
    let absent = [("t", 7), ("nowhere", 0)];
    let absent = absent.map(|(topic, id)| Target::Leader(TopicPartition::new(topic, id)));
    for target in absent.into_iter().chain([Target::Broker(99)]) {
        let error = client.send(target, ListOffsetsRequest::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Broker, "{error:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
