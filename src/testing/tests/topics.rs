//! Brokers, topics, and who leads what.

use super::*;
use crate::protocol::ApiKey;
use crate::protocol::messages::api_versions::ApiVersionsRequest;
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use crate::protocol::messages::find_coordinator::FindCoordinatorRequest;
use crate::wire::Uuid;

#[tokio::test]
async fn over_sockets() {
    let cluster = FakeCluster::builder().brokers(2).topic("t", 2).start().await.unwrap();
    let mut brokers = Vec::new();
    for address in cluster.bootstrap() {
        brokers.push(Connection::tcp(&address).await);
    }
    let metadata = brokers[0].metadata(9, &["t"]).await;
    let addresses = metadata.brokers.iter().map(|it| format!("{}:{}", it.host, it.port));
    assert!(addresses.eq(cluster.bootstrap()));
    let produced = brokers[0].produce(9, batch(1, 0, 100_000)).await;
    assert_eq!(produced.base_offset, 0);
    assert_eq!(layout(&brokers[0].fetch(9, 0).await).len(), 1);
    assert!(cluster.bytes_sent() > 100_000);
    assert_eq!(cluster.connections(0), 1);

    let addresses = cluster.bootstrap();
    drop(cluster);
    for broker in &mut brokers {
        assert!(broker.is_cut().await);
    }
    // The runtime drops aborted tasks, and with them the listeners, in its own time.
    while tokio::net::TcpStream::connect(&addresses[0]).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_version_of_every_kafka_is_answered() {
    for version in
        ["0.10.1", "0.10.2", "0.11", "1.0", "1.1", "2.0", "2.4", "2.7", "2.8", "3.1", "4.3"]
    {
        let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version(version)).await;
        let mut broker = Connection::open(&cluster, 0);
        let versions = broker.call(0, &ApiVersionsRequest::default()).await;
        assert_eq!(versions.error_code, 0);
        let range = |key: ApiKey| {
            let mut rows = versions.api_keys.iter().filter(|row| row.api_key == key.0);
            rows.next().map_or(0..0, |row| row.min_version..row.max_version + 1)
        };
        for version in range(ApiKey::PRODUCE) {
            let records = if version < 3 { message(1, 0, 0, 0, b"v") } else { batch(1, 0, 1) };
            let mut request = produce("t", 0, records);
            request.topic_data[0].topic_id = topic_id(&cluster);
            let response = broker.call(version, &request).await;
            let produced = only(only(response.responses).partition_responses);
            assert_eq!(produced.error_code, 0, "{version}");
        }
        for version in range(ApiKey::FETCH) {
            let mut request = fetch("t", 0, 0);
            request.topics[0].topic_id = topic_id(&cluster);
            first(broker.call(version, &request).await);
        }
        for version in range(ApiKey::LIST_OFFSETS) {
            assert_eq!(broker.list_offset(version, -1).await.error_code, 0);
        }
        for version in range(ApiKey::METADATA) {
            assert_eq!(only(broker.metadata(version, &["t"]).await.topics).error_code, 0);
            let topics = if version == 0 { Some(Vec::new()) } else { None };
            let all = MetadataRequest { topics, ..Default::default() };
            assert_eq!(broker.call(version, &all).await.topics.len(), 1, "{version}");
        }
        for version in range(ApiKey::FIND_COORDINATOR) {
            let key = "group".to_owned();
            let request = if version < 4 {
                FindCoordinatorRequest { key, ..Default::default() }
            } else {
                FindCoordinatorRequest { coordinator_keys: vec![key], ..Default::default() }
            };
            let response = broker.call(version, &request).await;
            let batched = response.coordinators.first();
            assert_eq!(batched.map_or(response.node_id, |it| it.node_id), 0);
        }
        for version in range(ApiKey::CREATE_TOPICS) {
            let created = broker.call(version, &create(&format!("new-{version}"), 1, 1)).await;
            assert_eq!(only(created.topics).error_code, 0);
        }
        for version in range(ApiKey::DELETE_TOPICS) {
            let request = delete(version, "unknown");
            let deleted = only(broker.call(version, &request).await.responses);
            assert_eq!(code(deleted.error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        for version in range(ApiKey::API_VERSIONS) {
            let again = broker.call(version, &ApiVersionsRequest::default()).await;
            assert_eq!(again.api_keys, versions.api_keys);
        }
    }
}

fn topic_id(cluster: &FakeCluster) -> Uuid {
    cluster.shared().with(|state| state.topics.0["t"].id)
}

#[tokio::test(start_paused = true)]
async fn unknown_versions() {
    for (version, tells) in [("0.10.1", false), ("2.4", true)] {
        let cluster = start(FakeCluster::builder().kafka_version(version)).await;
        let mut broker = Connection::open(&cluster, 0);
        broker.send(4, &ApiVersionsRequest::default()).await;
        let body = broker.receive_raw().await.unwrap();
        let refused = ApiVersionsRequest::decode_response(0, body).unwrap();
        assert_eq!(code(refused.error_code), ErrorCode::UNSUPPORTED_VERSION);
        assert_eq!(refused.api_keys.len(), usize::from(tells));
        assert_eq!(broker.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
        broker.send(13, &MetadataRequest::default()).await;
        assert!(broker.is_cut().await);
    }
    let wrong = FakeCluster::builder().kafka_version("0.9").start().await.unwrap_err();
    assert_eq!(wrong.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn hostile_requests_end_the_connection() {
    let cluster = small().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 12],
        &[0, 0, 0, 2, 0, 3],
        &[0, 0, 0, 14, 0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let mut broker = Connection::open(&cluster, 0);
        broker.io.write_all(bytes).await.unwrap();
        assert!(broker.is_cut().await);
    }
    assert_eq!(Connection::open(&cluster, 0).metadata(9, &["t"]).await.topics.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn metadata_tells_who_leads() {
    let builder = FakeCluster::builder().brokers(3).topic("t", 3).racks(["a", "b"]);
    let cluster = start(builder.replication_factor(2)).await;
    let mut broker = Connection::open(&cluster, 2);
    let metadata = broker.metadata(12, &["t", "no", "not a name"]).await;
    assert_eq!((metadata.brokers.len(), metadata.controller_id), (3, 0));
    let racks: Vec<_> = metadata.brokers.iter().map(|it| it.rack.as_deref().unwrap()).collect();
    assert_eq!(racks, ["a", "b", "a"]);
    assert_eq!(metadata.cluster_id.unwrap().len(), 22);
    let leaders: Vec<_> = metadata.topics[0].partitions.iter().map(|it| it.leader_id).collect();
    assert_eq!(leaders, [0, 1, 2]);
    assert_eq!(metadata.topics[0].partitions[2].replica_nodes, [2, 0]);
    assert_eq!(code(metadata.topics[1].error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code(metadata.topics[2].error_code), ErrorCode::INVALID_TOPIC_EXCEPTION);

    let mut by_id = MetadataRequestTopic { topic_id: Uuid(9), name: None, ..Default::default() };
    let mut ask = async |topic: &MetadataRequestTopic| {
        let topics = Some(vec![topic.clone()]);
        only(broker.call(12, &MetadataRequest { topics, ..Default::default() }).await.topics)
    };
    assert_eq!(code(ask(&by_id).await.error_code), ErrorCode::UNKNOWN_TOPIC_ID);
    by_id.topic_id = metadata.topics[0].topic_id;
    assert_eq!(ask(&by_id).await.name.as_deref(), Some("t"));
}

#[tokio::test(start_paused = true)]
async fn a_broker_stops_and_starts() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 2).topic("u", 1)).await;
    let mut zero = Connection::open(&cluster, 0);
    let mut one = Connection::open(&cluster, 1);
    zero.metadata(9, &["t"]).await;
    cluster.stop_broker(0);
    assert!(zero.is_cut().await);
    assert!(cluster.pipes().open("broker-0", 9092).is_err());
    assert_eq!((cluster.leader("t", 0), cluster.leader_epoch("t", 0)), (Some(1), Some(1)));
    assert_eq!((cluster.leader("t", 1), cluster.leader_epoch("t", 1)), (Some(1), Some(0)));
    assert_eq!(cluster.controller(), 1);
    let metadata = one.metadata(9, &["t"]).await;
    assert_eq!((metadata.brokers.len(), metadata.controller_id), (1, 1));
    let partition = &metadata.topics[0].partitions[0];
    assert_eq!((&*partition.isr_nodes, &*partition.offline_replicas), (&[1][..], &[0][..]));
    let old = one.metadata(0, &["t"]).await;
    let old = code(old.topics[0].partitions[0].error_code);
    assert_eq!(old, ErrorCode::REPLICA_NOT_AVAILABLE);

    cluster.stop_broker(1);
    assert_eq!(cluster.leader("t", 1), None);
    cluster.start_broker(0);
    assert_eq!(cluster.leader("t", 1), Some(0), "it takes what nobody leads");
    let mut zero = Connection::open(&cluster, 0);
    assert_eq!(zero.produce(9, batch(1, 0, 1)).await.error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lonely_partition_has_no_leader_meanwhile() {
    let cluster =
        start(FakeCluster::builder().brokers(2).topic("t", 1).replication_factor(1)).await;
    cluster.stop_broker(0);
    let topic = only(Connection::open(&cluster, 1).metadata(9, &["t"]).await.topics);
    let partition = only(topic.partitions);
    assert_eq!(code(partition.error_code), ErrorCode::LEADER_NOT_AVAILABLE);
    assert_eq!(partition.leader_id, -1);
    cluster.start_broker(0);
    assert_eq!((cluster.leader("t", 0), cluster.leader_epoch("t", 0)), (Some(0), Some(2)));
}

#[tokio::test]
async fn a_stopped_broker_keeps_its_port() {
    let cluster = FakeCluster::start().await.unwrap();
    let address = cluster.bootstrap().remove(0);
    cluster.stop_broker(0);
    assert!(Connection::tcp(&address).await.is_cut().await);
    cluster.start_broker(0);
    let mut broker = Connection::tcp(&address).await;
    assert_eq!(broker.metadata(9, &[]).await.brokers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_wrong_broker_names_the_right_one() {
    let builder = FakeCluster::builder().brokers(3).topic("t", 1).replication_factor(1);
    let cluster = start(builder).await;
    cluster.move_leader("t", 0, 1);
    // Broker 0 is a follower now, and serves consumers that name no epoch.
    let mut broker = Connection::open(&cluster, 2);
    for version in [9, 10, 12] {
        let response = broker.call(version, &produce("t", 0, batch(1, 0, 1))).await;
        let nodes: Vec<_> = response.node_endpoints.iter().map(|it| it.node_id).collect();
        let produced = only(only(response.responses).partition_responses);
        assert_eq!(code(produced.error_code), ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let leader = (produced.current_leader.leader_id, produced.current_leader.leader_epoch);
        assert_eq!(
            (leader, &*nodes),
            if version < 10 { ((-1, -1), &[][..]) } else { ((1, 1), &[1][..]) }
        );
    }
    let mut request = fetch("t", 0, 0);
    request.topics[0].topic_id = topic_id(&cluster);
    for version in [12, 15, 16, 17] {
        let response = broker.call(version, &request).await;
        let nodes = response.node_endpoints.len();
        let fetched = first(response);
        assert_eq!(code(fetched.error_code), ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let leader = (fetched.current_leader.leader_id, fetched.current_leader.leader_epoch);
        assert_eq!((leader, nodes), if version < 16 { ((-1, -1), 0) } else { ((1, 1), 1) });
    }
}

#[tokio::test(start_paused = true)]
async fn topics_appear_when_asked_for() {
    for (version, expected) in
        [("2.7", ErrorCode::LEADER_NOT_AVAILABLE), ("4.3", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]
    {
        let builder = FakeCluster::builder().auto_create_topics(true).default_partitions(4);
        let cluster = start(builder.kafka_version(version)).await;
        let mut broker = Connection::open(&cluster, 0);
        let polite = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some("t".to_owned()),
                ..Default::default()
            }]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        for _ in 0..2 {
            let topic = only(broker.call(9, &polite).await.topics);
            assert_eq!(code(topic.error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        assert_eq!(code(only(broker.metadata(9, &["t"]).await.topics).error_code), expected);
        assert_eq!(only(broker.metadata(9, &["t"]).await.topics).partitions.len(), 4);
    }
}

fn create(name: &str, partitions: i32, factor: i16) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: factor,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..Default::default() }
}

fn delete(version: i16, name: &str) -> DeleteTopicsRequest {
    let name = name.to_owned();
    if version < 6 {
        return DeleteTopicsRequest { topic_names: vec![name], ..Default::default() };
    }
    let topic = DeleteTopicState { name: Some(name), ..Default::default() };
    DeleteTopicsRequest { topics: vec![topic], ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn create_topics() {
    let cluster = start(FakeCluster::builder().brokers(3).default_partitions(2)).await;
    let mut broker = Connection::open(&cluster, 0);
    let created = only(broker.call(7, &create("a", -1, -1)).await.topics);
    let facts = (created.error_code, created.num_partitions, created.replication_factor);
    assert_eq!(facts, (0, 2, 3));
    assert!(!created.topic_id.is_nil());

    let assigned = |brokers: [&[i32]; 2]| {
        let mut request = create("assigned", -1, -1);
        let brokers = brokers.iter().zip(0..).map(|(ids, index)| CreatableReplicaAssignment {
            partition_index: index,
            broker_ids: ids.to_vec(),
            ..Default::default()
        });
        request.topics[0].assignments = brokers.collect();
        request
    };
    let configured = |name: &str, value: &str| {
        let mut request = create("configured", 1, 1);
        request.topics[0].configs = vec![CreatableTopicConfig {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..Default::default()
        }];
        request
    };
    let mut overdone = assigned([&[0], &[1]]);
    overdone.topics[0].num_partitions = 2;
    for (request, expected) in [
        (create("a", 1, 1), ErrorCode::TOPIC_ALREADY_EXISTS),
        (create("b", 0, 1), ErrorCode::INVALID_PARTITIONS),
        (create("b", i32::MAX, 1), ErrorCode::POLICY_VIOLATION),
        (create("b", 1, 0), ErrorCode::INVALID_REPLICATION_FACTOR),
        (create("b", 1, 4), ErrorCode::INVALID_REPLICATION_FACTOR),
        (create("b/c", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (create("", 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (create(&"x".repeat(250), 1, 1), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (assigned([&[0, 1], &[1]]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (assigned([&[0, 0], &[1, 2]]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (assigned([&[0, 7], &[1, 2]]), ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (overdone, ErrorCode::INVALID_REQUEST),
        (configured("no.such", "1"), ErrorCode::INVALID_CONFIG),
        (configured("max.message.bytes", "many"), ErrorCode::INVALID_CONFIG),
        (configured("max.message.bytes", "90"), ErrorCode::NONE),
        (assigned([&[2, 1], &[1, 0]]), ErrorCode::NONE),
    ] {
        let created = only(broker.call(5, &request).await.topics);
        assert_eq!(code(created.error_code), expected, "{request:?}");
        assert_eq!(created.error_message.is_some(), expected != ErrorCode::NONE);
    }
    assert_eq!(cluster.leader("assigned", 0), Some(2));
    let large = produce("configured", 0, batch(1, 0, 90));
    let large = broker.call(9, &large).await.responses.remove(0).partition_responses.remove(0);
    assert_eq!(code(large.error_code), ErrorCode::MESSAGE_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn create_topics_as_a_whole() {
    let cluster = start(FakeCluster::builder().brokers(2)).await;
    let mut broker = Connection::open(&cluster, 0);
    let mut twice = create("b", 1, 1);
    twice.topics.extend(create("b", 1, 1).topics);
    let twice = broker.call(5, &twice).await.topics;
    assert!(twice.iter().all(|it| code(it.error_code) == ErrorCode::INVALID_REQUEST));
    let dry = CreateTopicsRequest { validate_only: true, ..create("b", 1, 1) };
    assert_eq!(only(broker.call(5, &dry).await.topics).error_code, 0);
    assert_eq!(cluster.offsets("b", 0), None, "only validated");
    let elsewhere = Connection::open(&cluster, 1).call(5, &create("b", 1, 1)).await;
    assert_eq!(code(only(elsewhere.topics).error_code), ErrorCode::NOT_CONTROLLER);
}

#[tokio::test(start_paused = true)]
async fn delete_topics() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1).topic("u", 1)).await;
    let mut broker = Connection::open(&cluster, 0);
    let elsewhere = Connection::open(&cluster, 1).call(6, &delete(6, "u")).await;
    assert_eq!(code(only(elsewhere.responses).error_code), ErrorCode::NOT_CONTROLLER);
    let mut by_id = delete(6, "");
    by_id.topics[0].name = None;
    for (topic_id, expected) in [
        (Uuid(7), ErrorCode::UNKNOWN_TOPIC_ID),
        (topic_id(&cluster), ErrorCode::NONE),
        (Uuid::default(), ErrorCode::INVALID_REQUEST),
    ] {
        by_id.topics[0].topic_id = topic_id;
        let deleted = only(broker.call(6, &by_id).await.responses);
        assert_eq!(code(deleted.error_code), expected);
    }
    assert_eq!(cluster.offsets("t", 0), None);
    assert_eq!(only(broker.call(5, &delete(5, "u")).await.responses).error_code, 0);
    assert_eq!(cluster.offsets("u", 0), None);
    let produced = broker.produce(9, batch(1, 0, 1)).await;
    assert_eq!(code(produced.error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[tokio::test(start_paused = true)]
async fn partitions_are_added() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    cluster.add_partitions("t", 4);
    let leaders: Vec<_> = (0..5).map(|it| cluster.leader("t", it)).collect();
    assert_eq!(leaders, [Some(0), Some(1), Some(0), Some(1), None]);
}

#[tokio::test(start_paused = true)]
async fn coordinators_stay_where_they_are() {
    let cluster = start(FakeCluster::builder().brokers(3)).await;
    let mut broker = Connection::open(&cluster, 1);
    let keys = ["a", "b", "c", "d"].map(str::to_owned);
    let request = FindCoordinatorRequest { coordinator_keys: keys.to_vec(), ..Default::default() };
    let first = broker.call(4, &request).await.coordinators;
    assert!(first.iter().zip(&keys).all(|(it, key)| it.key == *key && it.error_code == 0));
    assert!(first.iter().any(|it| it.node_id != first[0].node_id), "not all at one broker");
    assert_eq!(broker.call(6, &request).await.coordinators, first);
    let share = FindCoordinatorRequest { key_type: 2, ..request };
    let refused = broker.call(5, &share).await.coordinators.remove(0);
    assert_eq!(code(refused.error_code), ErrorCode::INVALID_REQUEST);
}
