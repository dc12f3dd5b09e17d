//! Requests of the protocol as they are, for what has no operation of its own.

use std::time::Duration;

use kafkio::admin::Target;
use kafkio::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use kafkio::protocol::messages::find_coordinator::FindCoordinatorRequest;
use kafkio::protocol::messages::get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest;
use kafkio::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafkio::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafkio::protocol::messages::push_telemetry::PushTelemetryRequest;
use kafkio::protocol::{ApiKey, ErrorCode, Request};
use kafkio::{Client, ErrorKind, TopicPartition};

use crate::support::transaction::batch;
use crate::support::{Need, Outcome, TestCluster, connect, eventually, next, topic, unique};

/// The versions of a call that both the brokers and this client know.
async fn versions<R: Request>(client: &Client) -> std::ops::RangeInclusive<i16> {
    let calls = client.api_versions(0).await.unwrap();
    let theirs = &calls[&R::KEY];
    let first = *theirs.start().max(R::VERSIONS.start());
    first..=*theirs.end().min(R::VERSIONS.end())
}

/// A batch made by hand comes back as it was, in every version.
pub async fn produce_and_fetch(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Headers)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "raw", 2).await;
    let at = TopicPartition::new(&*topic, 1);
    let topic_id = client.metadata([&topic]).await.unwrap().topic(&topic).unwrap().id;
    // Older versions carry older formats.
    let produce = (*versions::<ProduceRequest>(&client).await.start()).max(3)
        ..=*versions::<ProduceRequest>(&client).await.end();
    let fetch = (*versions::<FetchRequest>(&client).await.start()).max(4)
        ..=*versions::<FetchRequest>(&client).await.end();
    let sent = batch(None, &["first", "second"]);
    let mut offset = 0;
    for version in produce.clone() {
        let data =
            PartitionProduceData { index: 1, records: Some(sent.clone()), ..Default::default() };
        let data = TopicProduceData {
            name: topic.clone(),
            topic_id,
            partition_data: vec![data],
            ..Default::default()
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![data],
            ..Default::default()
        };
        let call = client.send(Target::Leader(at.clone()), request).max_version(version);
        let response = call.await.unwrap();
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(ErrorCode(partition.error_code), ErrorCode::NONE, "version {version}");
        assert_eq!((partition.index, partition.base_offset), (1, offset), "version {version}");
        offset += 2;
    }
    for version in fetch {
        let partition = FetchPartition {
            partition: 1,
            fetch_offset: offset - 2,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let request = FetchRequest {
            max_wait_ms: 500,
            min_bytes: 1,
            topics: vec![FetchTopic {
                topic: topic.clone(),
                topic_id,
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        let call = client.send(Target::Leader(at.clone()), request).max_version(version);
        let response = call.await.unwrap();
        let partition = &response.responses[0].partitions[0];
        assert_eq!(ErrorCode(partition.error_code), ErrorCode::NONE, "version {version}");
        assert_eq!((partition.partition_index, partition.high_watermark), (1, offset));
        let records = partition.records.as_ref().unwrap();
        // Brokers write their offset and epoch in front of what producers have sent.
        assert_eq!(records[..8], (offset - 2).to_be_bytes(), "version {version}");
        assert_eq!(records[16..], sent[16..], "version {version}");
    }
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    for _ in produce {
        for value in ["first", "second"] {
            assert_eq!(next(&mut reader).await.value().unwrap(), value.as_bytes());
        }
    }
    Ok(())
}

/// Of a group and of a transactional id, in every version.
pub async fn find_coordinator(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let versions = versions::<FindCoordinatorRequest>(&client).await;
    for (kind, name) in [(0, unique("group")), (1, unique("transaction"))] {
        let mut brokers = Vec::new();
        // Version 0 knows groups only.
        for version in versions.clone().filter(|version| *version > 0 || kind == 0) {
            let keys = vec![name.clone()];
            let request = FindCoordinatorRequest {
                key: if version < 4 { name.clone() } else { String::new() },
                key_type: kind,
                coordinator_keys: if version < 4 { Vec::new() } else { keys },
                ..Default::default()
            };
            // The first who asks makes brokers create the topic of it.
            let broker = eventually("there is a coordinator", async || {
                let call = client.send(Target::Any, request.clone()).max_version(version);
                let response = call.await.unwrap();
                let (code, id, port) = match response.coordinators.first() {
                    Some(found) => {
                        assert_eq!(found.key, name);
                        (found.error_code, found.node_id, found.port)
                    }
                    None => (response.error_code, response.node_id, response.port),
                };
                match ErrorCode(code) {
                    ErrorCode::NONE => Some((id, port)),
                    ErrorCode::COORDINATOR_NOT_AVAILABLE => None,
                    code => panic!("version {version}: {code}"),
                }
            });
            brokers.push(broker.await);
        }
        brokers.dedup();
        assert_eq!(brokers.len().min(1), brokers.len(), "{brokers:?}");
        let nodes = client.describe_cluster().await.unwrap().nodes;
        for (id, port) in brokers {
            assert_eq!(i32::from(nodes[&id].port), port, "{nodes:?}");
        }
    }
    Ok(())
}

/// In every version in which brokers keep offsets themselves.
pub async fn offset_fetch(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (topic, group) = (topic(cluster, "raw", 2).await, unique("raw"));
    let at = TopicPartition::new(&*topic, 1);
    let topic_id = client.metadata([&topic]).await.unwrap().topic(&topic).unwrap().id;
    client.alter_group_offsets(&group, [(at, 7)]).await.unwrap().into_only().unwrap();
    let versions = versions::<OffsetFetchRequest>(&client).await;
    for version in versions.filter(|version| *version > 0) {
        let mut request = OffsetFetchRequest::default();
        if version < 8 {
            let partition_indexes = vec![0, 1];
            let name = topic.clone();
            request.group_id = group.clone();
            let topic = OffsetFetchRequestTopic { name, partition_indexes, ..Default::default() };
            request.topics = Some(vec![topic]);
        } else {
            let topics = OffsetFetchRequestTopics {
                name: topic.clone(),
                topic_id,
                partition_indexes: vec![0, 1],
                ..Default::default()
            };
            let groups = OffsetFetchRequestGroup {
                group_id: group.clone(),
                topics: Some(vec![topics]),
                ..Default::default()
            };
            request.groups = vec![groups];
        }
        let call = client.send(Target::Group(group.clone()), request).max_version(version);
        let response = call.await.unwrap();
        let found: Vec<_> = if version < 8 {
            let partitions = &response.topics[0].partitions;
            partitions.iter().map(|it| (it.partition_index, it.committed_offset)).collect()
        } else {
            let partitions = &response.groups[0].topics[0].partitions;
            partitions.iter().map(|it| (it.partition_index, it.committed_offset)).collect()
        };
        let mut found = found;
        found.sort_unstable();
        assert_eq!(found, [(0, -1), (1, 7)], "version {version}");
    }
    Ok(())
}

/// Brokers that collect no metrics do not have the calls.
pub async fn telemetry(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let ask = GetTelemetrySubscriptionsRequest::default();
    let push = PushTelemetryRequest::default();
    let asked = client.send(Target::Any, ask).timeout(Duration::from_secs(5)).await;
    let pushed = client.send(Target::Any, push).timeout(Duration::from_secs(5)).await;
    for error in [asked.unwrap_err(), pushed.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let calls = client.api_versions(0).await.unwrap();
    assert!(!calls.contains_key(&ApiKey::PUSH_TELEMETRY));
    Ok(())
}
