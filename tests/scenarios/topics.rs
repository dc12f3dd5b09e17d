//! Topics that come, go, come again and grow; and the calls that ask about them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use kafkio::admin::metadata::DescribeMetadata;
use kafkio::admin::offsets::{ListOffsets, OffsetSpec};
use kafkio::admin::topics::{CreateTopics, DeleteTopics, NewTopic};
use kafkio::protocol::ErrorCode;
use kafkio::{ErrorKind, Record, Timestamp, TopicPartition};
use tokio::time::{Instant, sleep, timeout};
use tower::{ServiceBuilder, ServiceExt};

use crate::support::{
    Need, Outcome, PATIENCE, TestCluster, connect, create, expect_nothing, next, number, numbered,
    read_numbers, topic, unique, write,
};

pub async fn created_late(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = unique("late");
    let reader = client.reader().topic(&*topic).topic_timeout(PATIENCE);
    let writer = async {
        sleep(Duration::from_millis(1_500)).await;
        let new = NewTopic::new(&topic).partitions(3).replication_factor(1);
        create(cluster, new).await;
        write(&client, &topic, numbered(0..30)).await;
    };
    let (reader, ()) = tokio::join!(reader.build(), writer);
    let mut numbers = read_numbers(&mut reader.unwrap(), 30).await;
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..30));
    Ok(())
}

pub async fn deleted(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (gone, stays) = (topic(cluster, "gone", 2).await, topic(cluster, "stays", 1).await);
    write(&client, &gone, numbered(0..10)).await;
    let topics = [&*gone, &*stays];
    let mut reader = client.reader().topics(topics).build().await.unwrap();
    let mut numbers = read_numbers(&mut reader, 10).await;
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..10));

    client.delete_topics([&gone]).await.unwrap().into_only().unwrap();
    expect_nothing(&mut reader, Duration::from_secs(2)).await;
    write(&client, &stays, numbered(10..20)).await;
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(10..20), "the others go on");
    let again = client.delete_topics([&gone]).await.unwrap().into_only().unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    Ok(())
}

/// Fewer records than before, so that old brokers, which give topics no ids, show it by the offset.
pub async fn recreated(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "again", 1).await;
    write(&client, &topic, numbered(0..100)).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    assert!(read_numbers(&mut reader, 100).await.into_iter().eq(0..100));
    client.delete_topics([&topic]).await.unwrap().into_only().unwrap();
    create(cluster, NewTopic::new(&topic).partitions(1).replication_factor(1)).await;
    write(&client, &topic, numbered(1_000..1_010)).await;
    // Where topics have ids, it is told.
    let mut first = timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
    if let Err(error) = &first {
        assert_eq!(error.kind(), ErrorKind::DataLoss, "{error}");
        first = timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
    }
    assert_eq!(number(&first.unwrap()), 1_000);
    assert!(read_numbers(&mut reader, 9).await.into_iter().eq(1_001..1_010));
    write(&client, &topic, numbered(1_010..1_020)).await;
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(1_010..1_020));
    Ok(())
}

pub async fn new_partitions(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Control)?;
    let client = cluster.client().metadata_max_age(Duration::from_secs(1));
    let client = client.connect().await.unwrap();
    let topic = topic(cluster, "grows", 1).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    writer.write(numbered(0..5)).await.unwrap();
    assert!(read_numbers(&mut reader, 5).await.into_iter().eq(0..5));
    cluster.add_partitions(&topic, 4).await;
    let deadline = Instant::now() + PATIENCE;
    let mut reached = BTreeSet::new();
    let mut n = 5;
    while reached.len() < 4 {
        assert!(Instant::now() < deadline, "only {reached:?} were written to");
        let record = Record::new(n.to_string()).key(n.to_string());
        let written = writer.send(record).await.unwrap().await.unwrap();
        reached.insert(written.partition());
        assert_eq!(number(&next(&mut reader).await), n, "read from the start of the partition");
        n += 1;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub async fn as_futures(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (one, two) = (unique("future-1"), unique("future-2"));
    let new =
        |name: &str, partitions| NewTopic::new(name).partitions(partitions).replication_factor(1);
    if cluster.needs(Need::ValidateOnly).is_ok() {
        let asked = client.create_topics([new(&one, 3)]).validate_only(true).await.unwrap();
        asked.into_only().unwrap();
        let error = client.metadata([&one]).await.unwrap().topic(&one).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "only validated");
    }
    let created = client.create_topics([new(&one, 3), new(&two, 1)]).await.unwrap();
    assert_eq!(created.into_result().unwrap().len(), 2);
    let again = client.create_topics([new(&one, 3)]).await.unwrap().into_only().unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
    let bad = client.create_topics([new("no/slashes", 1)]).await.unwrap().into_only().unwrap_err();
    assert_eq!(bad.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));

    write(&client, &one, (0..10).map(|_| Record::new("").partition(2))).await;
    let asked = [
        (&*one, 2, OffsetSpec::Earliest),
        (&*one, 2, OffsetSpec::Latest),
        (&*one, 0, OffsetSpec::Latest),
    ];
    let offsets = client.list_offsets(asked).await.unwrap().into_result().unwrap();
    let offsets: Vec<_> = offsets.into_iter().map(|(_, found)| found.offset).collect();
    assert_eq!(offsets, [Some(0), Some(10), Some(0)]);

    let metadata = client.metadata([&one, &two]).await.unwrap();
    assert_eq!(metadata.brokers.len(), cluster.brokers());
    let topic = metadata.topic(&one).unwrap();
    assert_eq!(topic.partitions.len(), 3);
    assert!(topic.partitions.iter().all(|partition| partition.leader.is_some()));
    let all = client.all_metadata().await.unwrap();
    assert!(all.topics.contains_key(&*one) && all.topics.contains_key(&*two));
    assert!(all.controller.is_some_and(|controller| all.brokers.contains_key(&controller)));

    client.delete_topics([&one, &two]).await.unwrap().into_result().unwrap();
    Ok(())
}

pub async fn as_services(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = unique("service");
    let service = || ServiceBuilder::new().timeout(Duration::from_secs(30)).service(client.clone());
    let new = NewTopic::new(&topic).partitions(2).replication_factor(1);
    let created = service().oneshot(CreateTopics::new([new])).await.unwrap();
    created.into_only().unwrap();
    write(&client, &topic, [Record::new("").partition(1)]).await;
    let metadata = service().oneshot(DescribeMetadata::new([&topic])).await.unwrap();
    assert_eq!(metadata.topic(&topic).unwrap().partitions.len(), 2);
    let request = ListOffsets::new([(&*topic, 1, OffsetSpec::Latest)]);
    let offsets = service().oneshot(request).await.unwrap();
    let at = TopicPartition::new(&*topic, 1);
    assert_eq!(offsets.get(&at).unwrap().as_ref().unwrap().offset, Some(1));
    let deleted = service().oneshot(DeleteTopics::new([&topic])).await.unwrap();
    deleted.into_only().unwrap();
    Ok(())
}

pub async fn offsets_by_time(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "offsets", 1).await;
    let base = Timestamp::now().as_millis() - 60_000;
    let at = |n: i64| Timestamp::from_millis(base + n * 1_000);
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    for n in [0, 1, 5, 3] {
        writer.send(Record::new("").timestamp(at(n))).await.unwrap().await.unwrap();
    }
    let find = async |spec| {
        let found = timeout(PATIENCE, client.list_offsets([(&*topic, 0, spec)]).into_future());
        found.await.unwrap().unwrap().into_only().unwrap()
    };
    assert_eq!(find(OffsetSpec::Timestamp(at(1))).await.offset, Some(1));
    assert_eq!(find(OffsetSpec::Timestamp(at(2))).await.offset, Some(2));
    assert_eq!(find(OffsetSpec::Timestamp(at(6))).await.offset, None);
    if cluster.version() >= (3, 0) {
        assert_eq!(find(OffsetSpec::MaxTimestamp).await.offset, Some(2));
    }
    Ok(())
}
