//! The writer's transactions, and sessions that read, process and write in them.

use std::time::Duration;

use futures::StreamExt;
use kafkio::admin::groups::CommittedOffset;
use kafkio::admin::topics::NewTopic;
use kafkio::{
    Client, ErrorKind, ExactlyOnce, IsolationLevel, Record, Result, TopicPartition,
    TransactionalWriter,
};
use tokio::time::timeout;

use crate::support::{
    Need, Outcome, PATIENCE, TestCluster, connect, create, eventually, next, number, numbered,
    topic, unique, until, write,
};

/// The numbers that count, once there are so many of them; not one more may come.
async fn committed(client: &Client, topic: &str, count: usize) -> Vec<usize> {
    let reader = client.reader().topic(topic).isolation(IsolationLevel::ReadCommitted);
    let mut reader = reader.build().await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(number(&next(&mut reader).await));
    }
    if let Ok(message) = timeout(Duration::from_millis(300), reader.next()).await {
        panic!("one too many: {message:?} behind {seen:?}");
    }
    seen.sort_unstable();
    seen
}

async fn run(writer: &mut TransactionalWriter, numbers: std::ops::Range<usize>) -> Result<()> {
    let transaction = writer.begin().await?;
    for record in numbered(numbers) {
        drop(transaction.send(record).await?);
    }
    transaction.commit().await
}

pub async fn ends(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "ends", 3).await;
    let builder = client.writer().topic(&*topic).batch_bytes(200);
    let mut writer = builder.transactional(unique("ends")).await.unwrap();
    let mut expected = Vec::new();
    for n in 0..12 {
        let numbers = n * 100..n * 100 + 40;
        match n % 4 {
            0 | 1 => {
                run(&mut writer, numbers.clone()).await.unwrap();
                expected.extend(numbers);
            }
            2 => {
                let transaction = writer.begin().await.unwrap();
                transaction.write(numbered(numbers)).await.unwrap();
                transaction.abort().await.unwrap();
            }
            // Nobody waits for anything.
            _ => {
                let transaction = writer.begin().await.unwrap();
                for record in numbered(numbers) {
                    drop(transaction.send(record).await.unwrap());
                }
            }
        }
    }
    writer.begin().await.unwrap().commit().await.unwrap();
    writer.close().await.unwrap();
    assert_eq!(committed(&client, &topic, expected.len()).await, expected);
    Ok(())
}

pub async fn fenced(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "fenced", 1).await;
    let id = unique("fenced");
    let build = || client.writer().topic(&*topic).transactional(&*id);
    let mut first = build().await.unwrap();
    run(&mut first, 0..5).await.unwrap();
    let transaction = first.begin().await.unwrap();
    transaction.write(numbered(5..10)).await.unwrap();
    let mut second = build().await.unwrap();
    run(&mut second, 10..15).await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert!(error.is_fatal() && !error.is_ambiguous(), "{error:?}");
    assert!(error.to_string().contains("another writer has taken it"), "{error}");
    assert!(first.begin().await.unwrap_err().is_fatal());
    let expected: Vec<_> = (0..5).chain(10..15).collect();
    assert_eq!(committed(&client, &topic, 10).await, expected);
    Ok(())
}

/// A coordinator aborts what takes too long. Old ones look for it once a minute only.
pub async fn timed_out(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(2, 0))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "timed-out", 1).await;
    let builder = client.writer().topic(&*topic).transaction_timeout(Duration::from_millis(500));
    let mut writer = builder.transactional(unique("timed-out")).await.unwrap();
    let transaction = writer.begin().await.unwrap();
    transaction.write(numbered(0..5)).await.unwrap();
    let reader = client.reader().topic(&*topic).isolation(IsolationLevel::ReadCommitted);
    let mut reader = reader.build().await.unwrap();
    write(&client, &topic, numbered(5..6)).await;
    assert_eq!(number(&next(&mut reader).await), 5);
    let error = transaction.commit().await.unwrap_err();
    assert!(error.is_fatal(), "{error:?}");
    assert!(error.to_string().contains("transaction_timeout"), "{error}");
    Ok(())
}

pub async fn failed(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let (topic, small) = (topic(cluster, "failed", 1).await, unique("small"));
    let new = NewTopic::new(&small).partitions(1).replication_factor(1);
    create(cluster, new.config("max.message.bytes", "1000")).await;
    let mut writer = client.writer().topic(&*topic).transactional(unique("failed")).await.unwrap();
    for n in 0..3 {
        let transaction = writer.begin().await.unwrap();
        transaction.write(numbered(n..n + 1)).await.unwrap();
        let large = Record::new(vec![0; 5_000]).topic(&*small);
        let refused = transaction.send(large).await.unwrap().await.unwrap_err();
        assert!(!refused.is_ambiguous(), "{refused:?}");
        let error = transaction.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Aborted, "{error:?}");
        run(&mut writer, 10 + n..11 + n).await.unwrap();
    }
    assert_eq!(committed(&client, &topic, 3).await, [10, 11, 12]);
    Ok(())
}

pub async fn offsets(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "offsets", 2).await;
    let (group, at) = (unique("offsets"), TopicPartition::new(&*topic, 1));
    let mut writer = client.writer().topic(&*topic).transactional(unique("offsets")).await.unwrap();
    let committed = async || {
        let listed = client.list_group_offsets([&*group]).await.unwrap();
        let listed = listed.into_only().unwrap().into_result().unwrap();
        listed.into_iter().find(|(it, _)| *it == at).and_then(|(_, it)| it)
    };
    for n in 1..4 {
        for commits in [false, true] {
            let transaction = writer.begin().await.unwrap();
            transaction.send(Record::new("x")).await.unwrap().await.unwrap();
            let text = format!("{n} {commits}");
            let offset = CommittedOffset::new(n * 10 + i64::from(commits)).metadata(&*text);
            transaction.send_offsets(&*group, [(at.clone(), offset)]).await.unwrap();
            if commits {
                transaction.commit().await.unwrap();
                let found = until("it counts", committed, |it| {
                    it.as_ref().is_some_and(|it| it.offset == n * 10 + 1)
                });
                assert_eq!(found.await.unwrap().metadata.as_deref(), Some(&*text));
            } else {
                transaction.abort().await.unwrap();
            }
        }
    }
    Ok(())
}

/// Brokers that coordinate and lead are killed while transactions go on.
pub async fn brokers_killed(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Control)?;
    let client = connect(cluster).await;
    let topic = unique("brokers-killed");
    let new = NewTopic::new(&topic).partitions(3).replication_factor(3);
    create(cluster, new.config("min.insync.replicas", "2")).await;
    let builder = client.writer().topic(&*topic).batch_bytes(300);
    let mut writer = builder.transactional(unique("killed")).await.unwrap();
    let nodes: Vec<_> = client.describe_cluster().await.unwrap().nodes.into_keys().collect();
    for (round, node) in nodes.into_iter().enumerate() {
        let numbers = round * 100..round * 100 + 50;
        let transaction = writer.begin().await.unwrap();
        transaction.write(numbered(numbers.start..numbers.end - 10)).await.unwrap();
        cluster.kill(node).await;
        transaction.write(numbered(numbers.end - 10..numbers.end)).await.unwrap();
        transaction.commit().await.unwrap();
        cluster.restart(node).await;
    }
    let expected: Vec<_> = (0..3).flat_map(|round| round * 100..round * 100 + 50).collect();
    assert_eq!(committed(&client, &topic, 150).await, expected);
    Ok(())
}

/// Sessions that are given up and begun again: each message counts once.
pub async fn session(cluster: &impl TestCluster) -> Outcome {
    const COUNT: usize = 300;
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let (from, to) = (topic(cluster, "from", 2).await, topic(cluster, "to", 2).await);
    let (group, id) = (unique("session"), unique("session"));
    write(&client, &from, numbered(0..COUNT)).await;
    let mut done = 0;
    let mut rounds = 0;
    while done < COUNT {
        let reader = client.reader().topic(&*from).build().await.unwrap();
        let writer = client.writer().topic(&*to).transactional(&*id).await.unwrap();
        let mut session = ExactlyOnce::new(reader, writer, &*group).await.unwrap();
        for _ in 0..5 {
            let mut step = session.begin().await.unwrap();
            let mut count = 0;
            while count < 15 && done + count < COUNT {
                let message = timeout(PATIENCE, step.next()).await.unwrap().unwrap().unwrap();
                drop(step.send(message.value_bytes().unwrap()).await.unwrap());
                count += 1;
            }
            rounds += 1;
            match rounds % 4 {
                0 => drop(step),
                1 => step.abort().await.unwrap(),
                _ => {
                    step.commit().await.unwrap();
                    done += count;
                }
            }
        }
        session.close().await.unwrap();
    }
    let counted = committed(&client, &to, COUNT).await;
    assert!(counted.iter().copied().eq(0..COUNT), "{counted:?}");
    eventually("the group is at the end", async || {
        let listed = client.list_group_offsets([&*group]).await.unwrap();
        let listed = listed.into_only().unwrap().into_result().unwrap();
        let sum: i64 = listed.into_iter().filter_map(|(_, it)| it).map(|it| it.offset).sum();
        (sum == COUNT as i64).then_some(())
    })
    .await;
    Ok(())
}
