//! What administrators ask for: partitions, records, configurations, elections. The codes and texts
//! are those of Kafka 4.3.

use super::*;
use crate::protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource as Replaced, AlterableConfig as Set,
};
use crate::protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::protocol::messages::describe_cluster::DescribeClusterRequest;
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResult,
};
use crate::protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, TopicRequest,
};
use crate::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::protocol::messages::list_config_resources::ListConfigResourcesRequest;
use crate::testing::versions::Release;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

#[tokio::test(start_paused = true)]
async fn every_version_is_answered() {
    for version in ["0.11", "1.0", "1.1", "2.3", "2.8", "3.9", "4.3"] {
        let builder = FakeCluster::builder().topic("t", 2).kafka_version(version);
        let cluster = start(builder).await;
        let release = cluster.shared().with(|state| state.settings.release);
        let mut broker = Connection::open(&cluster, 0);
        macro_rules! answer {
            ($($request:expr,)*) => {
                $(answer_all(&mut broker, release, $request).await;)*
            };
        }
        let asked = [(TOPIC, "t"), (BROKER, "0")].map(|(resource_type, name)| {
            let resource_name = name.to_owned();
            DescribeConfigsResource { resource_type, resource_name, ..Default::default() }
        });
        cluster.move_leader("t", 1, -1);
        answer!(
            DescribeConfigsRequest { resources: asked.into(), ..Default::default() },
            ElectLeadersRequest { topic_partitions: None, ..Default::default() },
            CreatePartitionsRequest::default(),
            DeleteRecordsRequest::default(),
            AlterConfigsRequest::default(),
            IncrementalAlterConfigsRequest::default(),
            DescribeClusterRequest::default(),
            DescribeTopicPartitionsRequest::default(),
            ListConfigResourcesRequest::default(),
        );
    }
}

async fn answer_all<R: Request>(broker: &mut Connection, release: Release, request: R) {
    let Some((first, last)) = release.versions(R::KEY) else { return };
    for version in first..=last {
        broker.send(version, &request).await;
        assert!(broker.receive::<R>(version).await.is_some(), "{} {version}", R::KEY);
    }
}

async fn add(broker: &mut Connection, count: i32, assigned: Option<&[&[i32]]>) -> (i16, String) {
    let assignments = assigned.map(|lists| {
        let lists = lists.iter().map(|ids| CreatePartitionsAssignment {
            broker_ids: ids.to_vec(),
            ..Default::default()
        });
        lists.collect()
    });
    let topic =
        CreatePartitionsTopic { name: "t".to_owned(), count, assignments, ..Default::default() };
    let request = CreatePartitionsRequest { topics: vec![topic], ..Default::default() };
    let result = only(broker.call(3, &request).await.results);
    (result.error_code, result.error_message.unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn partitions_are_added() {
    let cluster = start(FakeCluster::builder().brokers(3).topic("t", 2)).await;
    let mut broker = Connection::open(&cluster, 0);
    assert_eq!(add(&mut Connection::open(&cluster, 1), 3, None).await.0, 41);
    for (count, assigned, code, text) in [
        (2, None, 37, "Topic already has 2 partition(s)."),
        (-1, None, 37, "The topic t currently has 2 partition(s); -1 would not be an increase."),
        (20_000, None, 44, "Excessively large number of partitions per request."),
        (3, Some(&[&[0, 1, 2][..], &[0, 1, 2]][..]), 39, "only 2 assignment(s)"),
        (3, Some(&[&[0, 1][..]]), 39, "consistent with previous partitions, which have 3"),
        (3, Some(&[&[0, 1, 1][..]]), 39, "includes the broker 1 more than once."),
        (3, Some(&[&[0, 1, 9][..]]), 39, "broker 9, but no such broker is registered."),
        (3, Some(&[&[][..]]), 39, "an empty replica list."),
    ] {
        let (found, message) = add(&mut broker, count, assigned).await;
        assert!(found == code && message.contains(text), "{count}: {found} {message}");
    }
    assert_eq!(add(&mut broker, 4, Some(&[&[2, 0, 1], &[1, 2, 0]])).await.0, 0);
    assert_eq!((cluster.leader("t", 2), cluster.leader("t", 3)), (Some(2), Some(1)));
    assert_eq!(add(&mut broker, 6, None).await.0, 0);
    assert!(cluster.leader("t", 5).is_some());

    let topics = ["t", "t", "unknown"].map(|name| CreatePartitionsTopic {
        name: name.to_owned(),
        count: 7,
        ..Default::default()
    });
    let request = CreatePartitionsRequest { topics: topics.into(), ..Default::default() };
    let results = broker.call(0, &request).await.results;
    assert_eq!(results.iter().map(|it| it.error_code).collect::<Vec<_>>(), [42, 42, 3]);
    let topics = vec![request.topics[0].clone()];
    let request = CreatePartitionsRequest { topics, validate_only: true, ..Default::default() };
    assert_eq!(only(broker.call(1, &request).await.results).error_code, 0);
    assert_eq!(cluster.leader("t", 6), None);
}

#[tokio::test(start_paused = true)]
async fn records_are_deleted() {
    let builder = FakeCluster::builder().brokers(2).topic("t", 1).topic("compacted", 1);
    let cluster = start(builder.topic_config("compacted", "cleanup.policy", "compact")).await;
    let mut broker = Connection::open(&cluster, 0);
    broker.produce(9, batch(10, 0, 1)).await;
    for (topic, offset, expected) in [
        ("t", 4, (0, 4)),
        ("t", 2, (0, 4)),
        ("t", 11, (1, -1)),
        ("t", -2, (1, -1)),
        ("unknown", 0, (3, -1)),
        ("compacted", -1, (44, -1)),
        ("t", -1, (0, 10)),
    ] {
        let partition = DeleteRecordsPartition { offset, ..Default::default() };
        let (name, partitions) = (topic.to_owned(), vec![partition]);
        let topic = DeleteRecordsTopic { name, partitions, ..Default::default() };
        let request = DeleteRecordsRequest { topics: vec![topic], ..Default::default() };
        let deleted = only(only(broker.call(2, &request).await.topics).partitions);
        assert_eq!((deleted.error_code, deleted.low_watermark), expected, "{request:?}");
        let elsewhere = Connection::open(&cluster, 1).call(2, &request).await;
        let elsewhere = only(only(elsewhere.topics).partitions).error_code;
        assert_eq!(elsewhere, if expected.0 == 3 { 3 } else { 6 });
        if expected == (0, 4) {
            assert_eq!(broker.list_offset(7, -2).await.offset, 4);
            assert_eq!(code(broker.fetch(11, 3).await.error_code), ErrorCode::OFFSET_OUT_OF_RANGE);
        }
    }
    assert_eq!(cluster.offsets("t", 0), Some((10, 10)));
}

async fn describe(broker: &mut Connection, kind: i8, name: &str) -> DescribeConfigsResult {
    let asked = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned(),
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: vec![asked],
        include_synonyms: true,
        ..Default::default()
    };
    only(broker.call(4, &request).await.results)
}

/// Value and source of a configuration, and the sources of what it would be otherwise.
fn look(described: &DescribeConfigsResult, name: &str) -> (String, i8, Vec<i8>) {
    let config = described.configs.iter().find(|config| config.name == name).unwrap();
    let sources = config.synonyms.iter().map(|synonym| synonym.source).collect();
    (config.value.clone().unwrap_or_default(), config.config_source, sources)
}

async fn alter(
    broker: &mut Connection,
    (kind, name): (i8, &str),
    changes: &[(&str, i8, &str)],
) -> (i16, String) {
    let configs = changes.iter().map(|(name, config_operation, value)| AlterableConfig {
        name: (*name).to_owned(),
        config_operation: *config_operation,
        value: Some((*value).to_owned()),
        ..Default::default()
    });
    let resource = AlterConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned(),
        configs: configs.collect(),
        ..Default::default()
    };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let altered = only(broker.call(1, &request).await.responses);
    (altered.error_code, altered.error_message.unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn configurations_change() {
    let builder = FakeCluster::builder().brokers(2).topic("t", 1).message_max_bytes(5000);
    let cluster = start(builder).await;
    let mut broker = Connection::open(&cluster, 1);
    let topic = (TOPIC, "t");
    for (changes, code) in [
        (&[("retention.ms", 0, "5"), ("cleanup.policy", APPEND, "compact")][..], 0),
        (&[("cleanup.policy", APPEND, "compact,delete")], 0),
    ] {
        assert_eq!(alter(&mut broker, topic, changes).await.0, code, "{changes:?}");
    }
    let described = describe(&mut broker, TOPIC, "t").await;
    assert_eq!(look(&described, "retention.ms"), ("5".to_owned(), 1, vec![1]));
    assert_eq!(look(&described, "cleanup.policy"), ("delete,compact".to_owned(), 1, vec![1, 5]));
    assert_eq!(look(&described, "segment.ms"), ("604800000".to_owned(), 5, vec![]));
    assert_eq!(look(&described, "max.message.bytes"), ("5000".to_owned(), 4, vec![4, 5]));
    assert_eq!(described.configs.len(), 33);

    // One broker has another default for topics, and all have a third one.
    assert_eq!(alter(&mut broker, (BROKER, "1"), &[("log.retention.bytes", 0, "7")]).await.0, 0);
    assert_eq!(alter(&mut broker, (BROKER, ""), &[("log.retention.bytes", 0, "8")]).await.0, 0);
    let described = describe(&mut broker, TOPIC, "t").await;
    assert_eq!(look(&described, "retention.bytes"), ("7".to_owned(), 2, vec![2, 3, 5]));
    let described = describe(&mut broker, BROKER, "1").await;
    assert_eq!(look(&described, "log.retention.bytes"), ("7".to_owned(), 2, vec![2, 3, 5]));
    assert_eq!(look(&described, "log.retention.ms"), (String::new(), 5, vec![]));
    assert_eq!(look(&described, "node.id"), ("1".to_owned(), 4, vec![4]));
    let all = describe(&mut broker, BROKER, "").await.configs;
    assert_eq!((all.len(), all[0].config_source), (1, 3));

    // The old call forgets what it does not name.
    let set = Set { name: "segment.ms".to_owned(), value: Some("9".into()), ..Default::default() };
    let replaced = Replaced {
        resource_type: TOPIC,
        resource_name: "t".to_owned(),
        configs: vec![set],
        ..Default::default()
    };
    let mut request = AlterConfigsRequest {
        resources: vec![replaced],
        validate_only: true,
        ..Default::default()
    };
    for (validate_only, source) in [(true, 5), (false, 1)] {
        request.validate_only = validate_only;
        assert_eq!(only(broker.call(2, &request).await.responses).error_code, 0);
        let described = describe(&mut broker, TOPIC, "t").await;
        assert_eq!(look(&described, "segment.ms").1, source);
        assert_eq!(look(&described, "retention.ms").1, 6 - source);
    }
}

#[tokio::test(start_paused = true)]
async fn configurations_are_refused() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    let mut broker = Connection::open(&cluster, 0);
    let (topic, own) = ((TOPIC, "t"), (BROKER, "0"));
    for (resource, change, code, text) in [
        ((TOPIC, "no"), ("retention.ms", 0, "5"), 3, "The topic 'no' does not exist."),
        ((TOPIC, "n o"), ("retention.ms", 0, "5"), 17, "'n o'"),
        ((TOPIC, ""), ("retention.ms", 0, "5"), 42, "Default topic resources are not allowed."),
        (topic, ("retention.ms", 0, "abc"), 40, "retention.ms: Not a number of type LONG"),
        (topic, ("retention.ms", 0, "-5"), 40, "retention.ms: Value must be at least -1"),
        (topic, ("retention.ms", APPEND, "1"), 40, "Can't APPEND to key retention.ms because"),
        (topic, ("no.such", 0, "1"), 40, "Unknown topic config name: no.such"),
        (topic, ("no.such", SUBTRACT, "1"), 40, "Can't SUBTRACT to key no.such because"),
        (topic, ("no.such", 1, ""), 0, ""),
        (topic, ("retention.ms", 9, "1"), 42, "Unknown operations type 9"),
        (topic, ("cleanup.policy", 0, "shred"), 40, "String must be one of: compact, delete"),
        (topic, ("min.cleanable.dirty.ratio", 0, "2"), 40, "Value must be no more than 1"),
        (topic, ("preallocate", 0, "maybe"), 40, "Expected value to be either true or false"),
        (own, ("log.retention.ms", 0, "abc"), 42, "Not a number of type LONG"),
        (own, ("no.such", 0, "abc"), 0, ""),
        (own, ("num.partitions", 0, "2"), 42, "dynamically: [num.partitions]"),
        ((BROKER, "1"), ("log.retention.ms", 0, "1"), 42, "Unexpected broker id, expected 0,"),
        ((1, "t"), ("retention.ms", 0, "1"), 42, "Unknown resource type 1"),
    ] {
        let (found, message) = alter(&mut broker, resource, &[change]).await;
        assert!(found == code && message.contains(text), "{change:?}: {found} {message}");
    }
    let twice = [("retention.ms", 0, "5"), ("retention.ms", 0, "6")];
    assert_eq!(alter(&mut broker, topic, &twice).await.0, 42);
    let unknown = describe(&mut broker, BROKER, "0").await;
    let unknown = unknown.configs.iter().find(|config| config.name == "no.such").unwrap();
    assert!(unknown.is_sensitive && unknown.value.is_none());
    for (kind, name, code) in
        [(TOPIC, "no", 3), (TOPIC, "n o", 17), (BROKER, "1", 42), (16, "s", 42)]
    {
        let described = describe(&mut broker, kind, name).await;
        assert_eq!((described.error_code, described.configs.len()), (code, 0), "{name}");
    }
    let asked = DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: "t".to_owned(),
        configuration_keys: Some(vec!["retention.ms".to_owned(), "no.such".to_owned()]),
        ..Default::default()
    };
    let request = DescribeConfigsRequest { resources: vec![asked], ..Default::default() };
    let one = only(only(broker.call(1, &request).await.results).configs);
    assert_eq!((one.name.as_str(), one.synonyms.len()), ("retention.ms", 0));
}

#[tokio::test(start_paused = true)]
async fn topics_come_in_pages() {
    let builder = FakeCluster::builder().topic("a", 3).topic("b", 2).topic("c", 1);
    let cluster = start(builder).await;
    let mut broker = Connection::open(&cluster, 0);
    let mut request =
        DescribeTopicPartitionsRequest { response_partition_limit: 2, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = broker.call(0, &request).await;
        let topics = page.topics.iter().map(|topic| {
            let indexes = topic.partitions.iter().map(|it| it.partition_index);
            (topic.name.clone().unwrap(), indexes.collect::<Vec<_>>())
        });
        pages.push(topics.collect::<Vec<_>>());
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    let row = |name: &str, indexes: &[i32]| (name.to_owned(), indexes.to_vec());
    assert_eq!(
        pages,
        [
            vec![row("a", &[0, 1])],
            vec![row("a", &[2]), row("b", &[0])],
            vec![row("b", &[1]), row("c", &[0])],
        ]
    );
    request.response_partition_limit = 3;
    request.topics = ["no", "b", "n o"]
        .map(|name| TopicRequest { name: name.to_owned(), ..Default::default() })
        .into();
    let topics = broker.call(0, &request).await.topics;
    let codes: Vec<_> = topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, 17, 3]);
    request.cursor = Some(Box::new(Cursor { topic_name: "c".to_owned(), ..Default::default() }));
    broker.send(0, &request).await;
    assert!(broker.is_cut().await);
}

#[tokio::test(start_paused = true)]
async fn leaders_are_elected() {
    let cluster = start(FakeCluster::builder().brokers(3).topic("t", 2)).await;
    let mut broker = Connection::open(&cluster, 0);
    cluster.move_leader("t", 0, 1);
    let mut request = ElectLeadersRequest::default();
    let all = only(broker.call(2, &request).await.replica_election_results);
    assert_eq!((all.topic.as_str(), all.partition_result.len()), ("t", 1));
    assert_eq!((cluster.leader("t", 0), cluster.leader_epoch("t", 0)), (Some(0), Some(2)));
    cluster.stop_broker(1);
    let asked =
        TopicPartitions { topic: "t".to_owned(), partitions: vec![0, 1, 2], ..Default::default() };
    request.topic_partitions = Some(vec![asked]);
    for (election_type, expected) in [(0, [84, 80, 3]), (1, [84, 84, 3])] {
        request.election_type = election_type;
        let elected = only(broker.call(2, &request).await.replica_election_results);
        let codes: Vec<_> = elected.partition_result.iter().map(|it| it.error_code).collect();
        assert_eq!(codes, expected);
    }
    let elsewhere = Connection::open(&cluster, 2).call(2, &request).await;
    assert_eq!(code(elsewhere.error_code), ErrorCode::NOT_CONTROLLER);
}

#[tokio::test(start_paused = true)]
async fn the_cluster_is_described() {
    let cluster = start(FakeCluster::builder().brokers(3).topic("t", 2).racks(["a"])).await;
    cluster.stop_broker(2);
    let mut broker = Connection::open(&cluster, 1);
    for (include_fenced_brokers, expected) in
        [(false, [false, false].as_slice()), (true, &[false, false, true])]
    {
        let request = DescribeClusterRequest { include_fenced_brokers, ..Default::default() };
        let found = broker.call(2, &request).await;
        assert_eq!((found.cluster_id.len(), found.controller_id), (22, 0));
        assert_eq!(found.brokers.iter().map(|it| it.is_fenced).collect::<Vec<_>>(), expected);
    }
    let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
    let refused = broker.call(2, &controllers).await;
    assert_eq!(code(refused.error_code), ErrorCode::MISMATCHED_ENDPOINT_TYPE);

    for (resource_types, version, count) in [(vec![], 1, 7), (vec![TOPIC], 1, 1), (vec![], 0, 0)] {
        let request = ListConfigResourcesRequest { resource_types, ..Default::default() };
        let found = broker.call(version, &request).await;
        assert_eq!((found.error_code, found.config_resources.len()), (0, count));
    }
    let request = ListConfigResourcesRequest { resource_types: vec![3], ..Default::default() };
    assert_eq!(broker.call(1, &request).await.error_code, 35);
}
