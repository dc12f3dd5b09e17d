//! Brokers that die and come back, while a writer writes and a reader reads.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use kafkio::admin::topics::NewTopic;
use kafkio::{Client, Delivery, Reader, Record, Writer};
use tokio::time::{sleep, timeout};

use crate::support::{
    Need, Outcome, PATIENCE, TIME_LIMIT, TestCluster, connect, create, number, numbered,
    read_numbers, topic, unique, write,
};

/// Records in all, spread over the partitions in turn.
const COUNT: usize = 3_000;
const PARTITIONS: usize = 3;

/// Writes the numbers of the range at a steady pace, without waiting for their deliveries.
async fn send(writer: &Writer, numbers: std::ops::Range<usize>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for n in numbers {
        let partition = i32::try_from(n % PARTITIONS).unwrap();
        let record = Record::new(n.to_string()).partition(partition);
        deliveries.push(writer.send(record).await.unwrap());
        if n % 10 == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    deliveries
}

async fn delivered(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        let written = timeout(TIME_LIMIT, delivery).await.expect("a delivery ends in time");
        written.expect("the writer outlives the broker");
    }
}

/// Reads until all numbers up to [`COUNT`] have come, and checks their order in each partition. Without
/// idempotence, before Kafka 0.11, what was sent again may be there twice.
async fn read_all(cluster: &impl TestCluster, reader: &mut Reader) {
    let (mut seen, mut duplicates) = (vec![false; COUNT], 0);
    let mut newest = BTreeMap::new();
    let mut count = 0;
    while count < COUNT {
        let item = timeout(PATIENCE, reader.next()).await;
        let item = item.unwrap_or_else(|_| panic!("{count} of {COUNT}; {:?}", reader.handle()));
        let message = item.expect("the stream goes on").expect("no error: this is a passing state");
        let n = number(&message);
        if std::mem::replace(&mut seen[n], true) {
            duplicates += 1;
            continue;
        }
        count += 1;
        let last = newest.insert(message.partition(), n);
        let expected = last.map_or(n % PARTITIONS, |last| last + PARTITIONS);
        assert_eq!(n, expected, "the order in partition {}", message.partition());
    }
    assert!(duplicates == 0 || cluster.version() < (0, 11), "{duplicates} duplicates");
}

async fn leader(client: &Client, topic: &str) -> i32 {
    let metadata = client.metadata([topic]).await.unwrap();
    metadata.topic(topic).unwrap().partitions[0].leader.expect("a leader")
}

pub async fn leader_killed(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Control)?;
    let client = connect(cluster).await;
    let topic = unique("failover");
    let new = NewTopic::new(&topic).partitions(PARTITIONS as i32).replication_factor(3);
    create(cluster, new.config("min.insync.replicas", "2")).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let victim = leader(&client, &topic).await;
    let work = async {
        let mut deliveries = send(&writer, 0..COUNT / 3).await;
        cluster.kill(victim).await;
        deliveries.extend(send(&writer, COUNT / 3..COUNT * 2 / 3).await);
        let (rest, ()) = tokio::join!(send(&writer, COUNT * 2 / 3..COUNT), cluster.restart(victim));
        deliveries.extend(rest);
        delivered(deliveries).await;
    };
    tokio::join!(work, read_all(cluster, &mut reader));
    write(&client, &topic, numbered(COUNT..COUNT + 10)).await;
    let mut numbers = read_numbers(&mut reader, 10).await;
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(COUNT..COUNT + 10), "all is as before");
    Ok(())
}

pub async fn broker_restarted(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Control)?;
    let client = connect(cluster).await;
    let topic = unique("restart");
    let new = NewTopic::new(&topic).partitions(PARTITIONS as i32).replication_factor(1);
    create(cluster, new.config("min.insync.replicas", "1")).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    let victim = leader(&client, &topic).await;
    let work = async {
        // What is acknowledged by the only copy must be on its disk when it is killed.
        delivered(send(&writer, 0..COUNT / 2).await).await;
        let (rest, ()) = tokio::join!(send(&writer, COUNT / 2..COUNT), async {
            cluster.kill(victim).await;
            sleep(Duration::from_millis(500)).await;
            cluster.restart(victim).await;
        });
        delivered(rest).await;
    };
    tokio::join!(work, read_all(cluster, &mut reader));
    Ok(())
}

/// One address that answers is enough, wherever it stands in the list.
pub async fn bootstrap_with_dead_brokers(cluster: &impl TestCluster) -> Outcome {
    let topic = topic(cluster, "bootstrap", 1).await;
    let live = cluster.bootstrap().remove(0);
    for _ in 0..5 {
        let addresses = ["127.0.0.1:1", "no-such-host.invalid:9092", &live];
        let client = Client::builder(addresses).connect().await.unwrap();
        write(&client, &topic, numbered(0..1)).await;
    }
    let client = connect(cluster).await;
    let mut reader = client.reader().topic(&*topic).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 5).await, [0; 5]);
    Ok(())
}
