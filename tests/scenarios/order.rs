//! Order within a partition, liveness over many partitions, and what it costs.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use kafkio::admin::topics::NewTopic;
use kafkio::{Compression, Record};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    Need, Outcome, PATIENCE, TestCluster, connect, create, expect_nothing, number, numbered, read,
    read_numbers, topic, unique, write,
};

pub async fn per_partition(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "order", 6).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let record = |n: usize| Record::new(n.to_string()).key((n % 100).to_string());
    let written = writer.write((0..5_000).map(record)).await.unwrap();
    writer.close().await.unwrap();

    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let mut next_offset = BTreeMap::new();
    let mut last_of_key = BTreeMap::new();
    for message in read(&mut reader, 5_000).await {
        let n = number(&message);
        assert_eq!(message.partition(), written[n].partition(), "where the writer said");
        assert_eq!(Some(message.offset()), written[n].offset());
        let next = next_offset.entry(message.partition()).or_insert(0);
        assert_eq!(message.offset(), *next, "in order, without gaps");
        *next += 1;
        if let Some(last) = last_of_key.insert(n % 100, (message.partition(), n)) {
            assert_eq!(last, (message.partition(), n - 100), "a key has one partition, in order");
        }
    }
    assert_eq!(next_offset.len(), 6, "100 keys reach all partitions");
    Ok(())
}

pub async fn idle_partitions(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "idle", 30).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    for round in 0..10 {
        let busy = [0, 7, 29].into_iter();
        let records = busy.map(|partition| Record::new(round.to_string()).partition(partition));
        write(&client, &topic, records).await;
        assert_eq!(read_numbers(&mut reader, 3).await, [round; 3]);
    }
    Ok(())
}

/// A 1 ms tick around `next()`, as in a `select!` loop, neither loses nor delays anything: the
/// ticks without a message do not grow with the messages.
pub async fn ticks(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = topic(cluster, "ticks", 3).await;
    let record = |n: usize| Record::new(n.to_string()).partition(n as i32 % 3);
    write(&client, &topic, (0..6_000).map(record)).await;

    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let (mut seen, mut empty, start) = (vec![false; 6_000], 0, Instant::now());
    let mut count = 0;
    while count < 6_000 {
        match timeout(Duration::from_millis(1), reader.next()).await {
            Ok(item) => {
                let n = number(&item.unwrap().unwrap());
                assert!(!std::mem::replace(&mut seen[n], true), "{n} came twice");
                count += 1;
            }
            Err(_) => empty += 1,
        }
        assert!(start.elapsed() < PATIENCE, "{count} messages and {empty} empty ticks");
    }
    assert!(empty < 5_000, "{empty} ticks without a message");
    Ok(())
}

/// Thirty and more fetches of a busy partition, while an idle one on another broker holds its long
/// poll: a reader that waits for both needs half a second for each, more than 15 seconds in all.
pub async fn idle_broker(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let topic = unique("idle-broker");
    let brokers: Vec<i32> = client.all_metadata().await.unwrap().brokers.into_keys().collect();
    let (first, last) = (brokers[0], brokers[brokers.len() - 1]);
    create(cluster, NewTopic::new(&topic).assign(0, [first]).assign(1, [last])).await;
    let writer = client.writer().topic(&*topic).batch_bytes(16 << 10).build().await.unwrap();
    let record = |n: usize| Record::new(format!("{n:0>100}")).partition(0);
    writer.write((0..20_000).map(record)).await.unwrap();

    let start = Instant::now();
    let reader = client.reader().topic(&*topic).partition_max_bytes(64 << 10);
    let numbers = read_numbers(&mut reader.build().await.unwrap(), 20_000).await;
    assert!(numbers.into_iter().eq(0..20_000));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(12), "20 000 messages took {took:?}");
    Ok(())
}

/// Readers of one client do not wait for each other's long polls: who does needs half a second for
/// each message, ten seconds in all.
pub async fn idle_readers(cluster: &impl TestCluster) -> Outcome {
    let client = connect(cluster).await;
    let (busy, idle) = (topic(cluster, "busy", 1).await, topic(cluster, "quiet", 9).await);
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(client.reader().topic(&*idle).build().await.unwrap());
    }
    sleep(Duration::from_millis(300)).await;
    let mut reader = client.reader().topic(&*busy).build().await.unwrap();
    let start = Instant::now();
    for n in 0..20 {
        write(&client, &busy, numbered(n..n + 1)).await;
        assert_eq!(read_numbers(&mut reader, 1).await, [n]);
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(8), "20 messages took {took:?}");
    for other in &mut others {
        expect_nothing(other, Duration::from_millis(1)).await;
    }
    Ok(())
}

/// A reader that is slower than the broker fetches nothing twice.
pub async fn fetched_once(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::ByteCount)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "once", 4).await;
    let writer = client.writer().topic(&*topic).compression(Compression::none());
    let writer = writer.batch_bytes(64 << 10).build().await.unwrap();
    let record = |n: usize| Record::new(vec![b'x'; 1_000]).partition(n as i32 % 4);
    let count = 8_000;
    writer.write((0..count).map(record)).await.unwrap();
    writer.close().await.unwrap();

    let before = cluster.bytes_sent().unwrap();
    let reader = client.reader().topic(&*topic).buffer_bytes(512 << 10);
    let mut reader = reader.partition_max_bytes(128 << 10).build().await.unwrap();
    for _ in 0..count / 100 {
        read(&mut reader, 100).await;
        sleep(Duration::from_millis(5)).await;
    }
    let sent = cluster.bytes_sent().unwrap() - before;
    let delivered = count as u64 * 1_000;
    assert!(sent * 100 <= delivered * 105, "{sent} bytes sent, {delivered} delivered");
    Ok(())
}
