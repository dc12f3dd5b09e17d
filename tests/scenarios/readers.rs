//! What only some readers do: streams of partitions, patterns, changes while they run, racks; and what
//! they say of a log that was truncated.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kafkio::admin::replicas::ElectionType;
use kafkio::admin::topics::NewTopic;
use kafkio::{End, ErrorKind, Record, Start};
use tokio::time::timeout;

use crate::support::{
    Need, Outcome, PATIENCE, TestCluster, connect, create, eventually, expect_nothing, next,
    number, numbered, read_numbers, topic, unique, write,
};

fn spread(numbers: std::ops::Range<usize>, partitions: usize) -> impl Iterator<Item = Record> {
    let partition = move |n: usize| i32::try_from(n % partitions).unwrap();
    numbers.map(move |n| Record::new(n.to_string()).partition(partition(n)))
}

pub async fn partition_streams(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "streams", 3).await;
    write(&client, &topic, spread(0..3_000, 3)).await;
    let reader = client.reader().topic(&*topic).end(End::Latest).build().await.unwrap();
    let streams: Vec<_> = reader.partitions().take(3).try_collect().await.unwrap();
    let [slow, quick @ ..] = &mut *Vec::from_iter(streams) else { panic!("three partitions") };
    for stream in quick {
        let first = usize::try_from(stream.partition()).unwrap();
        let numbers = stream.map_ok(|message| number(&message)).try_collect::<Vec<_>>();
        let numbers = timeout(PATIENCE, numbers).await.expect("it ends").unwrap();
        assert!(numbers.into_iter().eq((first..3_000).step_by(3)), "whatever the slow one does");
    }
    let rest = slow.map_ok(|message| number(&message)).try_collect::<Vec<_>>();
    assert_eq!(timeout(PATIENCE, rest).await.expect("it ends").unwrap().len(), 1_000);
    Ok(())
}

pub async fn patterns(cluster: &impl TestCluster) -> Outcome {
    let client = cluster.client().metadata_max_age(Duration::from_secs(1)).connect().await.unwrap();
    let name = unique("pattern");
    for suffix in ["a", "dlq"] {
        create(cluster, NewTopic::new(format!("{name}-{suffix}")).partitions(1)).await;
        write(&client, &format!("{name}-{suffix}"), numbered(0..5)).await;
    }
    let reader = client.reader().topics_matching(format!("{name}-.*")).excluding(".*-dlq");
    let mut reader = reader.build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    let added = format!("{name}-b");
    create(cluster, NewTopic::new(&*added).partitions(1)).await;
    write(&client, &added, numbered(10..15)).await;
    let message = next(&mut reader).await;
    assert_eq!((message.topic(), number(&message)), (&*added, 10), "from its beginning");
    assert_eq!(read_numbers(&mut reader, 4).await, [11, 12, 13, 14]);
    expect_nothing(&mut reader, Duration::from_secs(1)).await;
    Ok(())
}

pub async fn changed_at_run_time(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (one, other) = (topic(cluster, "one", 2).await, topic(cluster, "other", 2).await);
    for topic in [&one, &other] {
        write(&client, topic, spread(0..20, 2)).await;
    }
    let mut reader = client.reader().partitions(&*one, [0]).build().await.unwrap();
    let handle = reader.handle();
    assert_eq!(read_numbers(&mut reader, 10).await, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    handle.add_partitions_at(&*other, [(1, Start::BeforeLatest(2))]).unwrap();
    assert_eq!(read_numbers(&mut reader, 2).await, [17, 19]);
    // What is paused or removed stays silent; what is resumed goes on where it was.
    handle.pause(&one, 0).unwrap();
    handle.remove_partitions(&other, [1]).unwrap();
    for topic in [&one, &other] {
        write(&client, topic, spread(20..30, 2)).await;
    }
    expect_nothing(&mut reader, Duration::from_secs(1)).await;
    handle.resume(&one, 0).unwrap();
    assert_eq!(read_numbers(&mut reader, 5).await, [20, 22, 24, 26, 28]);
    handle.add_topic(&*other).unwrap();
    let mut by_partition = BTreeMap::<i32, Vec<usize>>::new();
    for _ in 0..30 {
        let message = next(&mut reader).await;
        assert_eq!(message.topic(), &*other);
        by_partition.entry(message.partition()).or_default().push(number(&message));
    }
    for (partition, numbers) in by_partition {
        let first = usize::try_from(partition).unwrap();
        assert!(numbers.into_iter().eq((first..30).step_by(2)), "from the beginning, in order");
    }
    assert_eq!(handle.fetch_total_lag().await.unwrap(), 0);
    Ok(())
}

/// Reads from the follower nearby, and loses nothing when that dies.
pub async fn nearest_replica(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Racks)?;
    cluster.needs(Need::Control)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "rack", 1).await;
    let metadata = client.metadata([&topic]).await.unwrap();
    let leader = metadata.topic(&topic).unwrap().partitions[0].leader.unwrap();
    let follower = (leader + 1) % 3;
    let mut reader =
        client.reader().topic(&*topic).rack(format!("rack{follower}")).build().await.unwrap();
    for round in 0..20 {
        let numbers = round * 10..(round + 1) * 10;
        write(&client, &topic, numbered(numbers.clone())).await;
        assert!(read_numbers(&mut reader, 10).await.into_iter().eq(numbers));
        if round == 10 {
            cluster.kill(follower).await;
        }
    }
    cluster.restart(follower).await;
    write(&client, &topic, numbered(200..210)).await;
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(200..210));
    Ok(())
}

/// A follower that has missed records becomes the leader: they are lost, the reader says so, and
/// goes on where the log parts from what it has read.
pub async fn truncated(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Control)?;
    // Before, nobody can ask for such an election.
    cluster.needs(Need::Kafka(2, 4))?;
    let client = connect(cluster).await;
    let topic = unique("truncated");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(2);
    create(cluster, new.config("min.insync.replicas", "1")).await;
    let metadata = client.metadata([&topic]).await.unwrap();
    let partition = &metadata.topic(&topic).unwrap().partitions[0];
    let leader = partition.leader.unwrap();
    let follower = *partition.replicas.iter().find(|id| **id != leader).unwrap();

    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    write(&client, &topic, numbered(0..10)).await;
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(0..10));
    cluster.kill(follower).await;
    write(&client, &topic, numbered(10..20)).await;
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(10..20));
    cluster.kill(leader).await;
    let electing = async {
        eventually("the follower leads", async || {
            // As long as the controller has not missed the leader, no election is needed.
            client.elect_leaders(ElectionType::Unclean, [(&*topic, 0)]).await.ok()?;
            let metadata = client.metadata([&topic]).await.ok()?;
            let leads = metadata.topic(&topic).ok()?.partitions.first()?.leader;
            leads.filter(|leader| *leader == follower)
        })
        .await;
        write(&client, &topic, numbered(100..101)).await;
        // The cluster is whole again only with both.
        cluster.restart(leader).await;
    };
    let reading = async {
        let error = timeout(PATIENCE, reader.next()).await.expect("an item").unwrap();
        let error = error.expect_err("what was read is gone");
        assert_eq!(error.kind(), ErrorKind::DataLoss, "{error:?}");
        let message = next(&mut reader).await;
        assert_eq!((message.offset(), number(&message)), (10, 100), "{error}");
    };
    tokio::join!(cluster.restart(follower), electing, reading);
    Ok(())
}
