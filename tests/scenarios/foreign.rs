//! What others have written: Apache's own producer, librdkafka's, and the cleaner of a broker.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use futures::StreamExt;
use kafkio::admin::topics::NewTopic;
use kafkio::{Client, End, IsolationLevel, Message, Record, Start, Timestamp, TimestampType};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::support::{
    Need, Outcome, PATIENCE, Skipped, TestCluster, connect, create, eventually, read, topic, unique,
};

/// The time of the first record that the Java program writes with each codec.
const TIME: i64 = 1_600_000_000_000;

/// The codecs that all programs and brokers of that version have.
fn codecs(cluster: &impl TestCluster, most: usize) -> Vec<&'static str> {
    let known = if cluster.version() >= (2, 1) { 5 } else { 4 };
    ["none", "gzip", "snappy", "lz4", "zstd"][..most.min(known)].to_vec()
}

async fn java(cluster: &impl TestCluster, what: &str, topic: &str, how: &str) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kafka/Foreign.java");
    cluster.java(program, &[what, topic, how]).await;
}

fn text(bytes: Option<&[u8]>) -> &str {
    std::str::from_utf8(bytes.unwrap()).unwrap()
}

/// Everything that is in the topic now.
async fn all(client: &Client, topic: &str, level: IsolationLevel) -> Vec<Message> {
    let reader = client.reader().topic(topic).isolation(level).end(End::Latest);
    let messages = reader.build().await.unwrap().map(Result::unwrap).collect();
    timeout(PATIENCE, messages).await.expect("the reader ends")
}

/// A topic that keeps records as old as those of the Java program: else a broker deletes them whenever
/// it happens to look, 30 s after it has started and each five minutes.
async fn keeping(cluster: &impl TestCluster, name: &str) -> String {
    let copies = i16::try_from(cluster.brokers().min(3)).unwrap();
    let topic = unique(name);
    let new = NewTopic::new(&topic).partitions(1).replication_factor(copies);
    create(cluster, new.config("retention.ms", "-1")).await;
    topic
}

/// Checks 300 records of each codec, from the offset on.
async fn check(client: &Client, topic: &str, codecs: &[&str], from: usize) -> Vec<Message> {
    let reader = client.reader().topic(topic).start(Start::Offset(from as i64));
    let messages = read(&mut reader.build().await.unwrap(), codecs.len() * 300 - from).await;
    for (message, n) in messages.iter().zip(from..) {
        let (codec, n) = (codecs[n / 300], n % 300);
        assert_eq!((text(message.key()), text(message.value())), (codec, &*format!("{codec} {n}")));
    }
    messages
}

pub async fn java_codecs(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Java)?;
    let client = connect(cluster).await;
    let topic = keeping(cluster, "java-codecs").await;
    let codecs = codecs(cluster, 5);
    java(cluster, "codecs", &topic, &codecs.join(",")).await;
    for from in [0, 1, 299, 450] {
        for (message, n) in check(&client, &topic, &codecs, from).await.iter().zip(from..) {
            assert_eq!(message.timestamp(), Timestamp::from_millis(TIME + n as i64 % 300));
            assert_eq!(message.timestamp_type(), TimestampType::CreateTime);
            assert_eq!(message.offset(), n as i64);
        }
    }
    Ok(())
}

pub async fn java_log_append_time(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Java)?;
    let client = connect(cluster).await;
    let topic = unique("java-append-time");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(1);
    create(cluster, new.config("message.timestamp.type", "LogAppendTime")).await;
    let codecs = codecs(cluster, 5);
    let before = Timestamp::now();
    java(cluster, "codecs", &topic, &codecs.join(",")).await;
    let range = before..=Timestamp::now();
    for message in check(&client, &topic, &codecs, 0).await {
        assert_eq!(message.timestamp_type(), TimestampType::LogAppendTime);
        assert!(range.contains(&message.timestamp()), "{message:?}");
    }
    Ok(())
}

/// Formats 0 and 1, into which the broker converts what a newer producer sends.
pub async fn java_old_formats(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::OldFormats)?;
    cluster.needs(Need::Java)?;
    let client = connect(cluster).await;
    let codecs = codecs(cluster, 4);
    for (format, kind) in [("0.9.0", TimestampType::None), ("0.10.0", TimestampType::CreateTime)] {
        let topic = unique("java-format");
        let new = NewTopic::new(&topic).partitions(1).replication_factor(1);
        let new = new.config("retention.ms", "-1");
        create(cluster, new.config("message.format.version", format)).await;
        java(cluster, "codecs", &topic, &codecs.join(",")).await;
        for from in [0, 350] {
            for (message, n) in check(&client, &topic, &codecs, from).await.iter().zip(from..) {
                assert_eq!((message.timestamp_type(), message.offset()), (kind, n as i64));
            }
        }
    }
    Ok(())
}

pub async fn java_transactions(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Java)?;
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let topic = keeping(cluster, "java-transactions").await;
    java(cluster, "transactions", &topic, &unique("java-id")).await;
    let committed = (0..10).step_by(2);
    let committed = committed.flat_map(|t| (0..50).map(move |n| format!("commit {t} {n}")));
    let expected: Vec<_> = committed.chain(["last".to_owned()]).collect();
    // The last markers may be on their way.
    eventually("all is committed", async || {
        let found = all(&client, &topic, IsolationLevel::ReadCommitted).await;
        let found: Vec<_> = found.iter().map(|it| text(it.value()).to_owned()).collect();
        assert!(found.len() <= expected.len() && expected.starts_with(&found), "{found:?}");
        (found.len() == expected.len()).then_some(())
    })
    .await;
    let found = all(&client, &topic, IsolationLevel::ReadUncommitted).await;
    assert_eq!(found.len(), 502);
    // From anywhere, and in small pieces.
    for from in [1, 60, 99, 101, 130, 333] {
        let left = found.iter().filter(|it| it.offset() >= from && text(it.key()) == "commit");
        let reader = client.reader().topic(&*topic).isolation(IsolationLevel::ReadCommitted);
        let reader = reader.start(Start::Offset(from)).partition_max_bytes(500);
        let offsets = left.map(Message::offset).collect::<Vec<_>>();
        let read = read(&mut reader.build().await.unwrap(), offsets.len()).await;
        assert!(read.iter().map(Message::offset).eq(offsets), "from {from}");
    }
    Ok(())
}

/// The same keys go to the same partitions.
pub async fn java_partitions(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Java)?;
    let client = connect(cluster).await;
    let topic = topic(cluster, "java-partitions", 7).await;
    java(cluster, "keys", &topic, "200").await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let records = (0..200).map(|n| Record::new("kafkio").key(format!("key {n}")));
    writer.write(records).await.unwrap();
    let mut written = BTreeMap::<_, Vec<_>>::new();
    for message in all(&client, &topic, IsolationLevel::ReadUncommitted).await {
        let key = text(message.key()).to_owned();
        written
            .entry(key)
            .or_default()
            .push((text(message.value()).to_owned(), message.partition()));
    }
    assert_eq!(written.len(), 200);
    for (key, by) in written {
        let both = matches!(&by[..], [(a, _), (b, _)] if (&**a, &**b) == ("java", "kafkio"));
        assert!(both && by[0].1 == by[1].1, "{key}: {by:?}");
    }
    Ok(())
}

/// A topic whose log was really compacted has gaps, and may have batches without records.
pub async fn compacted(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    cluster.needs(Need::Control)?;
    let client = connect(cluster).await;
    let topic = unique("compacted");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(1);
    let new = new.config("cleanup.policy", "compact").config("segment.ms", "200");
    let new = new.config("min.cleanable.dirty.ratio", "0.01");
    create(cluster, new.config("delete.retention.ms", "100")).await;
    let writer = client.writer().topic(&*topic).build().await.unwrap();
    let write = async |key: usize, n: usize| {
        let record = Record::new(n.to_string()).key(key.to_string());
        writer.send(record).await.unwrap().await.unwrap();
    };
    let records = (0..2_000).map(|n| Record::new(n.to_string()).key((n % 7 * (n % 3)).to_string()));
    writer.write(records).await.unwrap();
    let mut newest = BTreeMap::new();
    for n in 0..2_000 {
        newest.insert((n % 7 * (n % 3)).to_string(), n);
    }
    // The active segment is not cleaned: others end it.
    let mut found = Vec::new();
    for n in 2_000..2_100 {
        sleep(Duration::from_millis(500)).await;
        write(100, n).await;
        found = all(&client, &topic, IsolationLevel::ReadCommitted).await;
        if found.len() < 200 {
            break;
        }
    }
    assert!(found.len() < 200, "nothing was cleaned: {}", found.len());
    assert!(found.windows(2).all(|two| two[0].offset() < two[1].offset()));
    for (key, n) in &newest {
        let last = found.iter().rfind(|it| text(it.key()) == key).unwrap();
        assert_eq!(text(last.value()), n.to_string());
        assert_eq!(last.offset(), *n as i64);
    }
    // Positions in the gaps, and ends there.
    for from in (0..2_000).step_by(371) {
        let expected = found.iter().map(Message::offset).find(|offset| *offset >= from).unwrap();
        let reader = client.reader().topic(&*topic).start(Start::Offset(from));
        let read = read(&mut reader.clone().build().await.unwrap(), 1).await;
        assert_eq!(read[0].offset(), expected);
        let range = reader.end(End::Offset(from + 1)).build().await.unwrap();
        let count = timeout(PATIENCE, range.count()).await.expect("the reader ends");
        assert_eq!(count, usize::from(expected == from), "from {from}");
    }
    Ok(())
}

/// kcat writes by librdkafka.
pub async fn kcat(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Real)?;
    let version = Command::new("kcat").arg("-V").stdout(Stdio::null()).status().await;
    if !version.is_ok_and(|status| status.success()) {
        return Err(Skipped("needs kcat".to_owned()));
    }
    let client = connect(cluster).await;
    let topic = topic(cluster, "kcat", 1).await;
    let codecs = codecs(cluster, 5);
    for codec in &codecs {
        let mut kcat = Command::new("kcat")
            .args(["-P", "-b", &cluster.bootstrap().join(","), "-t", &topic, "-p", "0", "-K:"])
            .args(["-z", codec])
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines: String = (0..300).map(|n| format!("{codec}:{codec} {n}\n")).collect();
        let mut stdin = kcat.stdin.take().unwrap();
        stdin.write_all(lines.as_bytes()).await.unwrap();
        drop(stdin);
        assert!(kcat.wait().await.unwrap().success());
    }
    check(&client, &topic, &codecs, 0).await;
    check(&client, &topic, &codecs, 777).await;
    Ok(())
}
