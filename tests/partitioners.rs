//! Partitioners: against what other clients choose, and in a writer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use kafkio::protocol::ApiKey;
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{
    HashPartitioner, LeastBytesPartitioner, Partitioner, Partitioning, Record, RecordMetadata,
    RoundRobinPartitioner, WriterBuilder,
};

const GOLDEN: &str = include_str!("golden/partitions/partitions.txt");

/// The numbers of partitions that each key was asked about.
const COUNTS: [i32; 6] = [1, 2, 3, 6, 7, 100];

const ALL: [i32; 7] = [0, 1, 2, 3, 4, 5, 6];

/// The words of the lines of one client and partitioner, without these two.
fn golden(client: &str, partitioner: &str) -> Vec<Vec<&'static str>> {
    let lines = GOLDEN.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let lines = lines.filter(|words| words[..2] == [client, partitioner]);
    let lines: Vec<_> = lines.map(|words| words[2..].to_vec()).collect();
    assert!(!lines.is_empty(), "{client} {partitioner}");
    lines
}

/// `null`, or bytes in hexadecimal digits, with a number of repetitions if it is not 1.
fn key(text: &str) -> Option<Vec<u8>> {
    let (digits, times) = text.split_once('*').unwrap_or((text, "1"));
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let bytes = || (0..digits.len()).step_by(2).map(byte).collect::<Vec<_>>();
    (text != "null").then(|| bytes().repeat(times.parse().unwrap()))
}

fn record(key: Option<Vec<u8>>) -> Record {
    let record = Record::new("value");
    key.map_or(record.clone(), |key| record.key(key))
}

#[test]
fn keys_go_where_other_clients_send_them() {
    let (murmur2, crc32) = (HashPartitioner::murmur2(), HashPartitioner::crc32());
    let (fnv1a, reference) = (HashPartitioner::fnv1a(), HashPartitioner::fnv1a_reference());
    for (client, name, ours) in [
        ("java", "BuiltInPartitioner", murmur2),
        ("kafka-go", "Murmur2Balancer", murmur2),
        ("kafka-go", "Murmur2Balancer/Consistent", murmur2.consistent()),
        ("kafka-go", "Hash", fnv1a),
        ("kafka-go", "ReferenceHash", reference),
        ("kafka-go", "CRC32Balancer", crc32),
        ("kafka-go", "CRC32Balancer/Consistent", crc32.consistent()),
        ("sarama", "NewMurmur2Partitioner", murmur2),
        ("sarama", "NewHashPartitioner", fnv1a),
        ("sarama", "NewReferenceHashPartitioner", reference),
        ("librdkafka", "murmur2", murmur2.consistent()),
        ("librdkafka", "murmur2_random", murmur2),
        ("librdkafka", "fnv1a", fnv1a.consistent()),
        ("librdkafka", "fnv1a_random", fnv1a),
        ("librdkafka", "consistent", crc32.consistent()),
        ("librdkafka", "consistent_random", crc32),
    ] {
        for words in golden(client, name) {
            let record = record(key(words[0]));
            let choose = |count| ours.partition(&Partitioning::new("t", &record, count, &[]));
            let theirs = |word: &&str| (*word != "any").then(|| word.parse().unwrap());
            let theirs: Vec<Option<i32>> = words[1..].iter().map(theirs).collect();
            assert_eq!(COUNTS.map(choose).to_vec(), theirs, "{client} {name} {}", words[0]);
        }
    }
}

#[test]
fn records_are_spread_as_kafka_go_spreads_them() {
    fn check(name: &str, ours: &impl Partitioner) {
        let theirs = golden("kafka-go", name).remove(0);
        let theirs = theirs.iter().map(|word| word.parse::<i32>().unwrap());
        // The sizes that the Go program uses too.
        let ours = (0..theirs.len()).map(|n| {
            let record = Record::new(vec![0; n * n % 101]).key("k");
            ours.partition(&Partitioning::new("t", &record, 7, &ALL)).unwrap()
        });
        assert!(ours.eq(theirs), "{name}");
    }
    check("RoundRobin", &RoundRobinPartitioner::new());
    check("RoundRobin/ChunkSize=3", &RoundRobinPartitioner::new().chunk(3));
    check("LeastBytes", &LeastBytesPartitioner::new());
}

#[test]
fn topics_are_counted_apart_and_leaders_preferred() {
    let record = Record::new("value");
    let chosen = |ours: &dyn Partitioner, topic: &str, available: &[i32]| {
        ours.partition(&Partitioning::new(topic, &record, 3, available))
    };
    let in_turn: [Box<dyn Partitioner>; 2] =
        [Box::new(RoundRobinPartitioner::new()), Box::new(LeastBytesPartitioner::new())];
    for ours in in_turn {
        let ours = &*ours;
        let first = ["a", "b", "a", "b"].map(|topic| chosen(ours, topic, &[0, 1, 2]));
        assert_eq!(first, [0, 0, 1, 1].map(Some));
        assert_eq!(chosen(ours, "a", &[2]), Some(2));
        assert!(chosen(ours, "a", &[]).is_some(), "nobody leads: any");
    }
    let growing = LeastBytesPartitioner::new();
    let mut on = |count| growing.partition(&Partitioning::new("t", &record, count, &[])).unwrap();
    assert_eq!([2, 2, 2, 3, 3, 3, 3].map(&mut on), [0, 1, 0, 0, 1, 2, 0]);
    for none in [0, -1] {
        let case = Partitioning::new("t", &record, none, &[]);
        assert_eq!(RoundRobinPartitioner::new().partition(&case), None);
        assert_eq!(HashPartitioner::crc32().consistent().partition(&case), None);
    }
}

async fn cluster() -> FakeCluster {
    let cluster = FakeCluster::builder().in_memory();
    COUNTS
        .iter()
        .fold(cluster, |cluster, n| cluster.topic(n.to_string(), *n))
        .start()
        .await
        .unwrap()
}

async fn builder(cluster: &FakeCluster) -> WriterBuilder {
    cluster.client().connect().await.unwrap().writer()
}

#[tokio::test(start_paused = true)]
async fn by_default_as_java() {
    let cluster = cluster().await;
    let writer = builder(&cluster).await.build().await.unwrap();
    for words in golden("java", "BuiltInPartitioner") {
        let to = |count: i32| record(key(words[0])).topic(count.to_string());
        let written = writer.write(COUNTS.map(to)).await.unwrap();
        let partitions: Vec<_> = written.iter().map(|it| it.partition().to_string()).collect();
        assert_eq!(partitions, words[1..], "{}", words[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_ignored() {
    let cluster = cluster().await;
    for ignore in [true, false] {
        let writer = builder(&cluster).await.topic("100").ignore_keys(ignore);
        let records = (0..20).map(|n| Record::new("value").key(n.to_string()));
        let written = writer.build().await.unwrap().write(records).await.unwrap();
        let partitions: BTreeSet<_> = written.iter().map(RecordMetadata::partition).collect();
        assert_eq!(partitions.len() == 1, ignore);
    }
}

#[tokio::test(start_paused = true)]
async fn one_s_own() {
    let cluster = cluster().await;
    let by_header = |record: &Partitioning<'_>| {
        assert_eq!((record.topic(), record.partitions()), ("7", 7));
        assert_eq!((record.key(), record.available()), (None, &ALL[..]));
        let [header] = record.headers() else { return None };
        let value = header.value().or(record.value()).unwrap();
        Some(std::str::from_utf8(value).unwrap().parse().unwrap())
    };
    let writer = builder(&cluster).await.topic("7").partitioner(by_header);
    assert!(format!("{writer:?}").contains("partitioner: Some(Partitioner)"));
    let writer = writer.build().await.unwrap();
    let to = |partition: &'static str| Record::new("value").header("to", partition);
    let free = || Record::new("value");
    let written = writer.write([to("6"), to("0"), free(), free()]).await.unwrap();
    let partitions: Vec<_> = written.iter().map(RecordMetadata::partition).collect();
    assert_eq!(partitions[..2], [6, 0]);
    assert_eq!(partitions[2], partitions[3], "the writer's choice");
    for wrong in ["7", "-1"] {
        let error = writer.send(to(wrong)).await.unwrap_err();
        let text = format!("partition: 7[{wrong}] does not exist, 7 has partitions 0 to 6");
        assert_eq!(error.to_string(), text);
    }
    let chosen = writer.write([to("6").partition(2)]).await.unwrap();
    assert_eq!(chosen[0].partition(), 2, "the record's own partition comes first");
}

#[tokio::test(start_paused = true)]
async fn without_keys_all_partitions_get_the_same() {
    fastrand::seed(1);
    let cluster = cluster().await;
    let writer = builder(&cluster).await.topic("6").batch_bytes(1_000).build().await.unwrap();
    let mut bytes = BTreeMap::new();
    for n in 0..3_000 {
        let written = writer.write([Record::new(vec![0; n % 90])]).await.unwrap();
        *bytes.entry(written[0].partition()).or_insert(0) += n % 90;
    }
    assert_eq!(bytes.len(), 6);
    assert!(bytes.values().all(|bytes| (10_000..40_000).contains(bytes)), "{bytes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_gets_less() {
    fastrand::seed(2);
    let cluster =
        FakeCluster::builder().in_memory().brokers(2).topic("t", 4).start().await.unwrap();
    let hanging = cluster.leader("t", 0).unwrap();
    let hang = move |broker| if broker == hanging { Fault::Hang } else { Fault::Pass };
    let _hook = cluster.on(ApiKey::PRODUCE, move |call| hang(call.broker));
    // How many of 1000 records, of which ten make a batch, it gets.
    let mut stuck = Vec::new();
    for (adaptive, timeout) in [(false, 0), (true, 0), (true, 20)] {
        let writer = builder(&cluster).await.topic("t").batch_bytes(1_200);
        let writer = writer.adaptive_partitioning(adaptive);
        let writer = writer.availability_timeout(Duration::from_millis(timeout));
        let writer = writer.build().await.unwrap();
        let mut deliveries = Vec::new();
        for _ in 0..1_000 {
            deliveries.push(writer.send(Record::new(vec![0; 100])).await.unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let waiting = deliveries.into_iter().map(FutureExt::now_or_never).filter(Option::is_none);
        stuck.push(waiting.count());
    }
    assert!(stuck[0] > 400 && (100..300).contains(&stuck[1]) && stuck[2] < 60, "{stuck:?}");
}
