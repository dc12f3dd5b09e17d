//! Operations while a broker is down, and after the controller has moved.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::time::Duration;

use kafkio::admin::Target;
use kafkio::admin::configs::ConfigResource;
use kafkio::admin::groups::CommittedOffset;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::{NewPartitions, NewTopic, RecordsBefore};
use kafkio::protocol::ErrorCode;
use kafkio::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use kafkio::{Client, Record, TopicPartition};
use tokio::time::Instant;

use crate::support::{
    Need, Outcome, Skipped, TestCluster, connect, create, eventually, topic, unique, write,
};

/// What the broker that the client takes for the controller says.
async fn controller_says(client: &Client) -> ErrorCode {
    let new = CreatableTopic {
        name: unique("controller"),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![new],
        timeout_ms: 5_000,
        validate_only: true,
        ..Default::default()
    };
    let response = client.send(Target::Controller, request).await.unwrap();
    ErrorCode(response.topics[0].error_code)
}

/// The controller was killed and is back, and another one is the controller: clients that know the
/// old one learn that from its answer.
pub async fn controller_moved(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Control)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::ValidateOnly)?;
    if cluster.is_real() && cluster.version() >= (3, 3) {
        return Err(Skipped("needs Kafka with ZooKeeper: later brokers forward".to_owned()));
    }
    let topic = topic(cluster, "moved", 1).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let client = connect(cluster).await;
        assert_eq!(controller_says(&client).await, ErrorCode::NONE);
        clients.push(client);
    }
    let old = clients[0].describe_cluster().await.unwrap().controller.unwrap();
    cluster.kill(old).await;
    let fresh = connect(cluster).await;
    eventually("another controller", async || {
        let now = fresh.describe_cluster().await.unwrap().controller;
        now.filter(|now| *now != old)
    })
    .await;
    cluster.restart(old).await;

    assert_eq!(controller_says(&clients[0]).await, ErrorCode::NOT_CONTROLLER);
    let created = unique("moved");
    let new = NewTopic::new(&created).partitions(1).replication_factor(1);
    clients[1].create_topics([new]).await.unwrap().into_only().unwrap();
    assert_eq!(controller_says(&clients[1]).await, ErrorCode::NONE, "it was learnt");
    let grow = [(&topic, NewPartitions::increase_to(2))];
    clients[2].create_partitions(grow).await.unwrap().into_only().unwrap();
    clients[3].delete_topics([&created]).await.unwrap().into_only().unwrap();
    Ok(())
}

/// What is asked of others must not wait for the broker that is down.
async fn at_once<T>(what: &str, call: impl IntoFuture<Output = T>) -> T {
    let start = Instant::now();
    let answer = call.await;
    let took = start.elapsed();
    println!("{what}: {took:?}");
    assert!(took < Duration::from_secs(10), "{what} took {took:?}");
    answer
}

pub async fn broker_down(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Control)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Kafka(2, 4))?;
    let client = connect(cluster).await;
    let any = topic(cluster, "down", 1).await;
    let groups: Vec<_> = (0..8).map(|_| unique("down")).collect();
    for group in &groups {
        let at = TopicPartition::new(&*any, 0);
        client.alter_group_offsets(group, [(at, 3)]).await.unwrap().into_only().unwrap();
    }
    let described = client.describe_groups(&groups).await.unwrap().into_result().unwrap();
    // Neither of those is the broker's own business: it keeps a group, and leads a partition.
    let dead = described[0].1.coordinator;
    let other = (dead + 1) % 3;
    let kept = described.iter().filter(|(_, group)| group.coordinator != dead);
    let kept: Vec<_> = kept.map(|(name, _)| name.clone()).collect();
    let topic = unique("down");
    let new = NewTopic::new(&topic).assign(0, [dead, other]).assign(1, [other, dead]);
    create(cluster, new.config("min.insync.replicas", "1")).await;
    for partition in 0..2 {
        write(&client, &topic, (0..5).map(|_| Record::new("x").partition(partition))).await;
    }

    cluster.kill(dead).await;
    let only_dead = |failed: &[(i32, kafkio::Error)]| failed.iter().all(|(id, _)| *id == dead);
    let listed = at_once("list groups", client.list_groups()).await.unwrap();
    assert!(only_dead(&listed.failed), "{listed:?}");
    let ids: BTreeSet<_> = listed.items.iter().map(|group| &group.group_id).collect();
    assert!(kept.iter().all(|group| ids.contains(group)), "{listed:?}");
    if cluster.version() >= (3, 0) {
        let listed = at_once("list transactions", client.list_transactions()).await.unwrap();
        assert!(only_dead(&listed.failed), "{listed:?}");
    }
    let dirs = at_once("log directories", client.describe_log_dirs()).await.unwrap();
    for (broker, dirs) in dirs.iter() {
        assert_eq!(dirs.is_ok(), *broker != dead, "{dirs:?}");
    }
    assert!(dirs.len() >= 2);
    let resources =
        [ConfigResource::broker(other), ConfigResource::broker(dead), ConfigResource::topic(&any)];
    let configs = client.describe_configs(resources.clone()).timeout(Duration::from_secs(3));
    let configs = at_once("settings", configs).await.unwrap();
    let is_ok = resources.map(|resource| configs.get(&resource).unwrap().is_ok());
    assert_eq!(is_ok, [true, false, true], "{configs:?}");

    // Others take over.
    let described = client.describe_groups(&groups).await.unwrap().into_result().unwrap();
    assert!(described.iter().all(|(_, group)| group.coordinator != dead), "{described:?}");
    let at = TopicPartition::new(&*any, 0);
    client.alter_group_offsets(&groups[0], [(at.clone(), 4)]).await.unwrap().into_only().unwrap();
    let offsets = client.list_group_offsets(&groups).await.unwrap().into_result().unwrap();
    for (group, offsets) in offsets {
        let expected = CommittedOffset::new(if group == groups[0] { 4 } else { 3 });
        assert_eq!(offsets.get(&at).unwrap().as_ref().unwrap(), &Some(expected), "{group}");
    }
    let asked = [0, 1].map(|partition| (&*topic, partition, OffsetSpec::Latest));
    let offsets = client.list_offsets(asked).await.unwrap().into_result().unwrap();
    assert!(offsets.iter().all(|(_, found)| found.offset == Some(5)), "{offsets:?}");
    let before = [0, 1].map(|partition| (&*topic, partition, RecordsBefore::Offset(2)));
    client.delete_records(before).await.unwrap().into_result().unwrap();
    let created = unique("down");
    let new = NewTopic::new(&created).partitions(1).replication_factor(2);
    client.create_topics([new]).await.unwrap().into_only().unwrap();

    cluster.restart(dead).await;
    eventually("all brokers answer", async || {
        let dirs = client.describe_log_dirs().await.unwrap();
        let is_whole = dirs.len() == cluster.brokers() && dirs.into_result().is_ok();
        (is_whole && client.list_groups().await.unwrap().failed.is_empty()).then_some(())
    })
    .await;
    let config = client.describe_configs([ConfigResource::broker(dead)]).await.unwrap();
    config.into_only().unwrap();
    client.delete_groups(&groups).await.unwrap().into_result().unwrap();
    Ok(())
}
