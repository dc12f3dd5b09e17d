//! Reading what transactions wrote: at `read_committed` all that was committed, once and in order,
//! and nothing else.

use std::time::Duration;

use futures::StreamExt;
use kafkio::{Client, IsolationLevel, Reader, ReaderBuilder, Record, Start, TopicPartition};
use tokio::time::timeout;

use crate::support::transaction::Transactional;
use crate::support::{
    Need, Outcome, PATIENCE, TestCluster, connect, eventually, expect_nothing, next, topic,
};

/// One partition, and what was written there.
struct Log {
    client: Client,
    at: TopicPartition,
    /// Offset, value, and whether it counts.
    written: Vec<(i64, String, bool)>,
}

impl Log {
    async fn new(cluster: &impl TestCluster, name: &str) -> Self {
        let client = connect(cluster).await;
        let at = TopicPartition::new(topic(cluster, name, 1).await, 0);
        Self { client, at, written: Vec::new() }
    }

    /// Writes outside of transactions.
    async fn write(&mut self, value: &str) {
        let writer = self.client.writer().topic(&*self.at.topic).build().await.unwrap();
        let written = writer.send(Record::new(value.to_owned())).await.unwrap().await.unwrap();
        self.written.push((written.offset().unwrap(), value.to_owned(), true));
    }

    /// Notes what was written in a transaction that will end so.
    fn note(&mut self, first: i64, values: &[&str], committed: bool) {
        let values = values.iter().map(|value| (*value).to_owned());
        self.written
            .extend((first..).zip(values).map(|(offset, value)| (offset, value, committed)));
    }

    fn reader(&self, level: IsolationLevel) -> ReaderBuilder {
        self.client.reader().topic(&*self.at.topic).isolation(level)
    }

    /// The values that a reader from this offset on must give.
    fn expected(&self, level: IsolationLevel, from: i64) -> Vec<(i64, String)> {
        let all = self.written.iter().filter(|(offset, _, committed)| {
            *offset >= from && (*committed || level == IsolationLevel::ReadUncommitted)
        });
        all.map(|(offset, value, _)| (*offset, value.clone())).collect()
    }

    /// A reader that begins there gives what it must, comes to the end, and gives nothing else.
    async fn check(&self, builder: ReaderBuilder, level: IsolationLevel, from: i64, end: i64) {
        let reader = builder.start(Start::Offset(from)).build().await.unwrap();
        self.check_reader(reader, level, from, end).await;
    }

    async fn check_reader(&self, mut reader: Reader, level: IsolationLevel, from: i64, end: i64) {
        for (offset, value) in self.expected(level, from) {
            let message = next(&mut reader).await;
            let found = std::str::from_utf8(message.value().unwrap()).unwrap();
            assert_eq!((message.offset(), found), (offset, &*value), "from {from}, {level:?}");
        }
        let handle = reader.handle();
        // Markers and what was aborted move the position too, while somebody polls.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while handle.position(&self.at.topic, 0) != Some(end) {
            expect_nothing(&mut reader, Duration::from_millis(20)).await;
            let position = handle.position(&self.at.topic, 0);
            assert!(tokio::time::Instant::now() < deadline, "{position:?} is not {end}");
        }
        expect_nothing(&mut reader, Duration::from_millis(50)).await;
        // Nobody has told the end yet to who begins there.
        assert_eq!(handle.lag(&self.at.topic, 0).unwrap_or(0), 0);
    }

    async fn check_both(&self, from: i64, end: i64) {
        for level in [IsolationLevel::ReadCommitted, IsolationLevel::ReadUncommitted] {
            self.check(self.reader(level), level, from, end).await;
        }
    }
}

pub async fn interleaved(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let mut log = Log::new(cluster, "interleaved").await;
    let at = log.at.clone();
    let [mut a, mut b, mut c] = [
        Transactional::begin(&log.client).await,
        Transactional::begin(&log.client).await,
        Transactional::begin(&log.client).await,
    ];
    // A marker without data comes first of all.
    c.add(&at).await;
    c.end(false).await;
    log.note(a.write(&at, &["a1", "a2"]).await, &["a1", "a2"], false);
    log.note(b.write(&at, &["b1"]).await, &["b1"], true);
    log.write("plain").await;
    log.note(a.write(&at, &["a3"]).await, &["a3"], false);
    log.note(c.write(&at, &["c1"]).await, &["c1"], false);
    log.note(b.write(&at, &["b2", "b3"]).await, &["b2", "b3"], true);
    c.end(false).await;
    // The same producer again, while another one's aborted transaction is open.
    log.note(c.write(&at, &["c2"]).await, &["c2"], true);
    a.end(false).await;
    b.end(true).await;
    c.end(true).await;
    log.note(a.write(&at, &["a4"]).await, &["a4"], true);
    a.end(true).await;
    for producer in [&mut a, &mut b] {
        producer.add(&at).await;
        producer.end(false).await;
    }
    log.note(b.write(&at, &["b4"]).await, &["b4"], false);
    b.end(false).await;
    let end = log.written.last().unwrap().0 + 2;
    log.check_both(0, end).await;

    // By batches too.
    let level = IsolationLevel::ReadCommitted;
    let mut batches = log.reader(level).build().await.unwrap().batches();
    let mut left = log.expected(level, 0).into_iter();
    while left.len() > 0 {
        let batch = timeout(PATIENCE, batches.next()).await.unwrap().unwrap().unwrap();
        for record in batch.records() {
            assert_eq!(Some(record.unwrap().offset()), left.next().map(|(offset, _)| offset));
        }
    }
    Ok(())
}

/// A reader may begin inside of a transaction, on a marker, or behind the first record of one that
/// was aborted.
pub async fn from_each_offset(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let mut log = Log::new(cluster, "each-offset").await;
    let at = log.at.clone();
    let mut a = Transactional::begin(&log.client).await;
    let mut b = Transactional::begin(&log.client).await;
    log.note(a.write(&at, &["a1", "a2", "a3"]).await, &["a1", "a2", "a3"], false);
    log.note(b.write(&at, &["b1", "b2"]).await, &["b1", "b2"], true);
    a.end(false).await;
    b.end(true).await;
    log.note(a.write(&at, &["a4", "a5"]).await, &["a4", "a5"], true);
    a.end(true).await;
    log.note(b.write(&at, &["b3"]).await, &["b3"], false);
    b.end(false).await;
    for from in 0..=12 {
        let level = IsolationLevel::ReadCommitted;
        log.check(log.reader(level), level, from, 12).await;
    }
    Ok(())
}

pub async fn nothing_but_markers(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let log = Log::new(cluster, "markers").await;
    let mut producer = Transactional::begin(&log.client).await;
    for committed in [false, true, false, false] {
        producer.add(&log.at).await;
        producer.end(committed).await;
    }
    log.check_both(0, 4).await;
    Ok(())
}

/// An open transaction holds up what is behind it, transactional or not.
pub async fn open(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let mut log = Log::new(cluster, "open").await;
    let at = log.at.clone();
    log.write("before").await;
    let mut producer = Transactional::begin(&log.client).await;
    log.note(producer.write(&at, &["x", "y"]).await, &["x", "y"], true);
    log.write("behind").await;

    let level = IsolationLevel::ReadCommitted;
    let mut reader = log.reader(level).build().await.unwrap();
    assert_eq!(next(&mut reader).await.offset(), 0);
    expect_nothing(&mut reader, Duration::from_millis(700)).await;
    assert_eq!(reader.handle().position(&at.topic, 0), Some(1));
    assert_eq!(reader.handle().lag(&at.topic, 0), Some(0), "there is nothing to be read yet");
    // The latest offset is where the open transaction begins.
    let mut latest = log.reader(level).start(Start::Latest).build().await.unwrap();
    let handle = latest.handle();
    eventually("the end is found", async || handle.position(&at.topic, 0)).await;
    assert_eq!(handle.position(&at.topic, 0), Some(1));
    let mut all = log.reader(IsolationLevel::ReadUncommitted).build().await.unwrap();
    for offset in 0..4 {
        assert_eq!(next(&mut all).await.offset(), offset);
    }

    producer.end(true).await;
    for reader in [&mut reader, &mut latest] {
        for offset in 1..4 {
            assert_eq!(next(reader).await.offset(), offset);
        }
    }
    log.check_both(0, 5).await;
    Ok(())
}

pub async fn compressed(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let mut log = Log::new(cluster, "compressed").await;
    let at = log.at.clone();
    let mut producer = Transactional::begin(&log.client).await;
    producer.is_compressed = true;
    for committed in [false, true, false, true] {
        for values in [["u", "v"], ["x", "y"]] {
            log.note(producer.write(&at, &values).await, &values, committed);
        }
        producer.end(committed).await;
    }
    log.check_both(0, 20).await;
    Ok(())
}

/// A transaction that was aborted is skipped, however many fetches it takes, and whichever of them
/// tells of it.
pub async fn over_many_fetches(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let mut log = Log::new(cluster, "many-fetches").await;
    let at = log.at.clone();
    let mut aborted = Transactional::begin(&log.client).await;
    let mut committed = Transactional::begin(&log.client).await;
    let value = "v".repeat(1_000);
    for _ in 0..20 {
        log.note(aborted.write(&at, &[&value]).await, &[&value], false);
        log.note(committed.write(&at, &[&value]).await, &[&value], true);
    }
    committed.end(true).await;
    aborted.end(false).await;
    let level = IsolationLevel::ReadCommitted;
    for bytes in [1_000, 2_500, 10_000] {
        let builder = log.reader(level).partition_max_bytes(bytes);
        log.check(builder, level, 0, 42).await;
    }
    Ok(())
}

/// Four producers, in any order.
pub async fn random(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let mut random = fastrand::Rng::with_seed(5);
    let mut log = Log::new(cluster, "random").await;
    let at = log.at.clone();
    let mut producers = Vec::new();
    for _ in 0..4 {
        let mut producer = Transactional::begin(&log.client).await;
        producer.is_compressed = random.bool();
        // Whether the open transaction will be committed.
        producers.push((producer, random.bool()));
    }
    for n in 0..150 {
        let (producer, fate) = &mut producers[random.usize(..4)];
        if random.u8(..6) == 0 {
            producer.add(&at).await;
            producer.end(*fate).await;
            *fate = random.bool();
        } else if random.u8(..6) == 0 {
            log.write(&format!("plain {n}")).await;
        } else {
            let values: Vec<_> = (0..random.usize(1..4)).map(|m| format!("{n}.{m}")).collect();
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            log.note(producer.write(&at, &values).await, &values, *fate);
        }
    }
    for (producer, fate) in &mut producers {
        producer.add(&at).await;
        producer.end(*fate).await;
    }
    log.write("last").await;
    let end = log.written.last().unwrap().0 + 1;
    log.check_both(0, end).await;
    let level = IsolationLevel::ReadCommitted;
    log.check(log.reader(level).partition_max_bytes(300), level, 0, end).await;
    log.check(log.reader(level), level, end / 2, end).await;
    Ok(())
}
