//! Replicas that move between brokers and directories, and leaders that are elected.

use std::collections::BTreeMap;

use kafkio::admin::configs::{ConfigChanges, ConfigResource};
use kafkio::admin::log_dirs::{LogDir, Replica};
use kafkio::admin::replicas::{Election, ElectionType, Reassignment};
use kafkio::admin::topics::NewTopic;
use kafkio::protocol::ErrorCode;
use kafkio::{Client, ErrorKind, Record, TopicPartition};

use crate::support::{
    Need, Outcome, TestCluster, connect, create, numbered, read_numbers, unique, until, write,
};

/// A topic with these brokers for its partitions.
async fn assigned(cluster: &impl TestCluster, name: &str, brokers: &[&[i32]]) -> String {
    let topic = unique(name);
    let new = brokers.iter().zip(0..).fold(NewTopic::new(&topic), |new, (brokers, partition)| {
        new.assign(partition, brokers.iter().copied())
    });
    create(cluster, new.config("min.insync.replicas", "1")).await;
    topic
}

/// The replicas, the in-sync replicas in order of their ids, and the leader of a partition.
async fn partition(client: &Client, topic: &str, id: usize) -> (Vec<i32>, Vec<i32>, Option<i32>) {
    let metadata = client.metadata([topic]).await.unwrap();
    let partition = &metadata.topic(topic).unwrap().partitions[id];
    let mut isr = partition.isr.clone();
    isr.sort_unstable();
    (partition.replicas.clone(), isr, partition.leader)
}

/// Waits until no partition of the topic moves.
async fn settled(client: &Client, topic: &str, partitions: i32) {
    let all: Vec<_> = (0..partitions).map(|id| TopicPartition::new(topic, id)).collect();
    let list =
        async || client.list_partition_reassignments().partitions(all.clone()).await.unwrap();
    until("moves end", list, BTreeMap::is_empty).await;
}

pub async fn reassignment(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Kafka(2, 4))?;
    let client = connect(cluster).await;
    let topic = assigned(cluster, "moves", &[&[0, 1], &[0, 1]]).await;
    let at = TopicPartition::new(&*topic, 0);
    // More than one fetch of a follower takes.
    let filled = |n: usize| Record::new(format!("{n:0>60000}")).partition(0);
    write(&client, &topic, (0..60).map(filled)).await;

    // So slow that it cannot end: the move is there to be seen and cancelled.
    let broker = ConfigChanges::new(ConfigResource::broker(2));
    let slow = broker.clone().set("follower.replication.throttled.rate", "1");
    let followers = ConfigChanges::new(ConfigResource::topic(&topic));
    let followers = followers.set("follower.replication.throttled.replicas", "*");
    client.incremental_alter_configs([slow, followers]).await.unwrap().into_result().unwrap();
    let begin = || client.alter_partition_reassignments([Reassignment::new(&*topic, 0, [1, 2])]);
    begin().await.unwrap().into_only().unwrap();
    let moves = client.list_partition_reassignments().await.unwrap();
    let seen = &moves[&at];
    let mut replicas = seen.replicas.clone();
    replicas.sort_unstable();
    assert_eq!((&*replicas, &*seen.adding, &*seen.removing), (&[0, 1, 2][..], &[2][..], &[0][..]));
    let other = TopicPartition::new(&*topic, 1);
    let only = client.list_partition_reassignments().partitions(vec![other.clone()]).await.unwrap();
    assert!(only.is_empty(), "{only:?}");
    let both = client.list_partition_reassignments().partitions(vec![at.clone(), other]);
    assert_eq!(both.await.unwrap().keys().collect::<Vec<_>>(), [&at]);
    if let Some(out) =
        cluster.tool("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", &["--list"]).await
    {
        assert!(out.contains(&format!("{topic}-0: replicas:")), "{out}");
    }

    let cancel = || client.alter_partition_reassignments([Reassignment::cancel(&*topic, 0)]);
    cancel().await.unwrap().into_only().unwrap();
    settled(&client, &topic, 2).await;
    let ask = || partition(&client, &topic, 0);
    let undone = until("the move is undone", ask, |now| now.0.len() == 2).await;
    assert!(undone.0.contains(&0) && undone.0.contains(&1), "{undone:?}");
    let again = cancel().await.unwrap().into_only().unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS));

    let fast = broker.delete("follower.replication.throttled.rate");
    client.incremental_alter_configs([fast]).await.unwrap().into_only().unwrap();
    begin().await.unwrap().into_only().unwrap();
    settled(&client, &topic, 2).await;
    let now = until("the move is seen", ask, |now| now.0 == [1, 2] && now.1 == [1, 2]).await;
    assert!(now.2.is_some_and(|leader| leader != 0), "{now:?}");
    assert_eq!(partition(&client, &topic, 1).await.0, [0, 1], "the other stays");
    let mut reader = client.reader().partitions(&*topic, [0]).build().await.unwrap();
    assert!(read_numbers(&mut reader, 60).await.into_iter().eq(0..60), "all records are there");

    // More replicas than before, and fewer.
    let more = Reassignment::new(&*topic, 1, [0, 1, 2]);
    client.alter_partition_reassignments([more]).await.unwrap().into_only().unwrap();
    settled(&client, &topic, 2).await;
    let ask = || partition(&client, &topic, 1);
    until("three replicas", ask, |now| now.1 == [0, 1, 2]).await;
    let fewer = || client.alter_partition_reassignments([Reassignment::new(&*topic, 1, [2])]);
    let refused = fewer().allow_replication_factor_change(false).await.map(|it| it.into_only());
    if cluster.version() >= (4, 1) {
        let error = refused.unwrap().unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::INVALID_REPLICATION_FACTOR), "{error}");
    } else {
        let error = refused.and_then(|result| result).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(format!("{error:?}").contains("4.1"), "{error:?}");
    }
    fewer().await.unwrap().into_only().unwrap();
    settled(&client, &topic, 2).await;
    until("one replica", ask, |now| *now == (vec![2], vec![2], Some(2))).await;
    Ok(())
}

pub async fn wrong_reassignments(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Kafka(2, 4))?;
    let client = connect(cluster).await;
    let topic = assigned(cluster, "stays", &[&[0], &[0], &[0]]).await;
    let moves = [
        Reassignment::new(&*topic, 0, [1]),
        Reassignment::new(&*topic, 1, [77]),
        Reassignment::new(&*topic, 2, [2]),
        Reassignment::cancel(&*topic, 3),
        Reassignment::new("nowhere-at-all", 0, [1]),
    ];
    let results = client.alter_partition_reassignments(moves).await.unwrap();
    let codes: Vec<_> = results
        .iter()
        .map(|(at, result)| (at.partition, result.as_ref().err().map(|error| error.code())))
        .collect();
    let unknown = Some(Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let invalid = Some(Some(ErrorCode::INVALID_REPLICA_ASSIGNMENT));
    // With ZooKeeper, nobody looks whether there is such a partition.
    let is_kraft = cluster.version() >= (3, 3);
    let idle = Some(Some(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS));
    let third = if is_kraft { unknown } else { idle };
    assert_eq!(codes, [(0, None), (1, invalid), (2, None), (3, third), (0, unknown)]);
    settled(&client, &topic, 3).await;
    let ask = async || {
        [
            partition(&client, &topic, 0).await.0,
            partition(&client, &topic, 1).await.0,
            partition(&client, &topic, 2).await.0,
        ]
    };
    until("the good ones are done", ask, |now| *now == [vec![1], vec![0], vec![2]]).await;

    let twice = client.alter_partition_reassignments([Reassignment::new(&*topic, 0, [1, 1])]);
    assert_eq!(twice.await.unwrap_err().kind(), ErrorKind::Config);
    let none = client.alter_partition_reassignments([Reassignment::new(&*topic, 0, [])]);
    assert_eq!(none.await.unwrap_err().kind(), ErrorKind::Config);
    Ok(())
}

pub async fn preferred_leader(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Kafka(2, 4))?;
    let client = connect(cluster).await;
    let topic = assigned(cluster, "leads", &[&[0, 1, 2], &[1, 2, 0]]).await;
    let prefer = async |brokers: [i32; 3]| {
        let reorder = [Reassignment::new(&*topic, 0, brokers)];
        client.alter_partition_reassignments(reorder).await.unwrap().into_only().unwrap();
        settled(&client, &topic, 2).await;
        let ask = || partition(&client, &topic, 0);
        until("another order", ask, |now| now.0 == brokers && now.1.len() == 3).await
    };
    let leads = async |leader| {
        until("it leads", || partition(&client, &topic, 0), |now| now.2 == Some(leader)).await
    };
    leads(0).await;
    assert_eq!(prefer([1, 0, 2]).await.2, Some(0), "no election by itself");

    let nowhere = "nowhere-at-all";
    let elect = [(nowhere, 0), (&*topic, 0), (&*topic, 1), (&*topic, 9)];
    let results = client.elect_leaders(ElectionType::Preferred, elect).await.unwrap();
    let of = |topic: &str, id| results.get(&TopicPartition::new(topic, id)).unwrap().clone();
    assert_eq!(of(&topic, 0).unwrap(), Election::Elected);
    assert_eq!(of(&topic, 1).unwrap(), Election::NotNeeded);
    for error in [of(nowhere, 0).unwrap_err(), of(&topic, 9).unwrap_err()] {
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
    }
    leads(1).await;
    let unclean = client.elect_leaders(ElectionType::Unclean, [(&*topic, 0)]).await.unwrap();
    assert_eq!(unclean.into_only().unwrap(), Election::NotNeeded, "there is a leader");

    // All partitions of the cluster: those that need no election are not told.
    prefer([2, 1, 0]).await;
    let all = client.elect_all_leaders(ElectionType::Preferred).await.unwrap();
    let elected = all.get(&TopicPartition::new(&*topic, 0)).unwrap();
    assert_eq!(*elected.as_ref().unwrap(), Election::Elected);
    assert!(all.get(&TopicPartition::new(&*topic, 1)).is_none());
    leads(2).await;
    if let Some(out) = cluster
        .tool("org.apache.kafka.tools.TopicCommand", &["--describe", "--topic", &topic])
        .await
    {
        assert!(out.contains("Leader: 2\tReplicas: 2,1,0"), "{out}");
    }
    Ok(())
}

/// No replica is alive: neither kind of election can help, until the broker is back.
pub async fn nobody_can_lead(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Control)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Kafka(2, 4))?;
    let client = connect(cluster).await;
    let topic = assigned(cluster, "alone", &[&[2]]).await;
    write(&client, &topic, numbered(0..10)).await;
    cluster.kill(2).await;
    until("no leader", || partition(&client, &topic, 0), |now| now.2.is_none()).await;
    let codes = [
        (ElectionType::Preferred, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE),
        (ElectionType::Unclean, ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE),
    ];
    for (kind, code) in codes {
        let results = client.elect_leaders(kind, [(&*topic, 0)]).await.unwrap();
        let error = results.into_only().unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
    }
    cluster.restart(2).await;
    until("it leads again", || partition(&client, &topic, 0), |now| now.2 == Some(2)).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(0..10));
    Ok(())
}

/// What a broker keeps of a partition.
fn size(dirs: &[LogDir], at: &TopicPartition) -> Option<u64> {
    dirs.iter().find_map(|dir| dir.replicas.get(at)).map(|replica| replica.size)
}

pub async fn log_dirs(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let client = connect(cluster).await;
    if cluster.version() < (1, 0) {
        let error = client.describe_log_dirs().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(format!("{error:?}").contains("1.0"), "{error:?}");
        return Ok(());
    }
    let topic = assigned(cluster, "sizes", &[&[0], &[0]]).await;
    let at = TopicPartition::new(&*topic, 0);
    write(&client, &topic, (0..100).map(|n| Record::new(format!("{n:0>1000}")).partition(0))).await;

    let all = client.describe_log_dirs().await.unwrap().into_result().unwrap();
    assert_eq!(all.len(), cluster.brokers());
    for (broker, dirs) in &all {
        assert_eq!(dirs.len(), cluster.log_dirs(), "broker {broker}");
        for dir in dirs {
            assert!(dir.path.starts_with('/') && dir.error == ErrorCode::NONE, "{dir:?}");
            assert!(!dir.is_cordoned);
            assert_eq!(dir.total_bytes.is_some(), cluster.version() >= (3, 3), "{dir:?}");
            assert!(dir.usable_bytes <= dir.total_bytes && dir.total_bytes != Some(0), "{dir:?}");
        }
        let bytes = size(dirs, &at);
        assert_eq!(bytes.is_some(), *broker == 0, "{bytes:?} on broker {broker}");
        assert!(bytes.is_none_or(|bytes| (100_000..200_000).contains(&bytes)), "{bytes:?}");
    }

    let some = client.describe_log_dirs().brokers(vec![0, 77]).partitions(vec![at.clone()]);
    let some = some.await.unwrap();
    let dirs = some.get(&0).unwrap().as_ref().unwrap();
    let replicas: Vec<_> = dirs.iter().flat_map(|dir| &dir.replicas).collect();
    assert_eq!(replicas.len(), 1, "{replicas:?}");
    let (found, replica) = replicas[0];
    assert_eq!((found, replica.offset_lag, replica.is_future), (&at, Some(0), false));
    let error = some.get(&77).unwrap().as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::BROKER_NOT_AVAILABLE), "{error}");
    let bare = client.describe_log_dirs().partitions(Vec::new()).await.unwrap();
    assert!(
        bare.into_result().unwrap().iter().flat_map(|(_, it)| it).all(|it| it.replicas.is_empty())
    );
    let arguments = ["--describe", "--topic-list", &topic];
    if cluster.version() >= (4, 0) {
        let command = "org.apache.kafka.tools.LogDirsCommand";
        if let Some(out) = cluster.tool(command, &arguments).await {
            let told = format!("\"partition\":\"{topic}-0\",\"size\":{}", replica.size);
            assert!(out.contains(&told), "{told} in {out}");
        }
    }
    Ok(())
}

pub async fn log_dir_moves(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::LogDirs)?;
    cluster.needs(Need::Kafka(1, 0))?;
    let client = connect(cluster).await;
    let topic = assigned(cluster, "dirs", &[&[0], &[0]]).await;
    write(&client, &topic, numbered(0..1_000).map(|record| record.partition(0))).await;
    let [replica, other, missing] =
        [(0, 0), (1, 0), (5, 0)].map(|(id, broker)| Replica::new(&*topic, id, broker));
    let places = async || {
        let asked = [replica.clone(), missing.clone()];
        let found = client.describe_replica_log_dirs(asked).await.unwrap();
        let nowhere = found.get(&missing).unwrap().as_ref().unwrap();
        assert!(nowhere.current.is_none() && nowhere.future.is_none());
        found.get(&replica).unwrap().clone().unwrap()
    };
    let before = places().await.current.unwrap().0;
    let dirs = client.describe_log_dirs().brokers(vec![0]).await.unwrap().into_only().unwrap();
    let target = dirs.into_iter().map(|dir| dir.path).find(|path| *path != before).unwrap();
    let away = Replica::new(&*topic, 0, 77);
    // On another broker, if there is one.
    let elsewhere = Replica::new(&*topic, 1, if cluster.brokers() > 1 { 1 } else { 77 });
    let moves = [
        (missing.clone(), &*target),
        (elsewhere.clone(), &*target),
        (replica.clone(), &*target),
        (other.clone(), "/no/such/dir"),
        (away.clone(), &*target),
    ];
    let results = client.alter_replica_log_dirs(moves).await.unwrap();
    let code = |replica| results.get(replica).unwrap().as_ref().err().and_then(|it| it.code());
    assert_eq!(code(&replica), None);
    let none = [ErrorCode::REPLICA_NOT_AVAILABLE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION];
    assert!(code(&missing).is_some_and(|it| none.contains(&it)), "{results:?}");
    if cluster.brokers() > 1 {
        let code = code(&elsewhere);
        assert!(code == Some(none[0]) || code == Some(ErrorCode::LOG_DIR_NOT_FOUND), "{code:?}");
    }
    assert_eq!(code(&other), Some(ErrorCode::LOG_DIR_NOT_FOUND));
    assert_eq!(code(&away), Some(ErrorCode::BROKER_NOT_AVAILABLE));
    let there = until("it has moved", places, |now| {
        if let Some((path, replica)) = &now.future {
            assert!(*path == target && replica.is_future, "{now:?}");
        }
        now.current.as_ref().is_some_and(|(path, _)| *path == target)
    });
    assert!(there.await.future.is_none());
    let mut reader = client.reader().partitions(&*topic, [0]).build().await.unwrap();
    assert!(read_numbers(&mut reader, 1_000).await.into_iter().eq(0..1_000));
    Ok(())
}
