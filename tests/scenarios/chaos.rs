//! Brokers are killed, leaders moved and connections cut while a writer writes: each record is in the
//! log as its writer was told, once and in order. What is there is read twice, by kafkio and by
//! Apache's own consumer.
//!
//! `KAFKIO_CHAOS` is how many records to write, if not the default. `KAFKIO_CHAOS_SEED` is printed.

#[path = "../support/trouble/mod.rs"]
mod trouble;

use std::collections::VecDeque;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kafkio::admin::topics::NewTopic;
use kafkio::{
    Client, Delivery, End, Error, IsolationLevel, RecordMetadata, Result, TransactionalWriter,
    Writer,
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::support::{
    Need, Outcome, PATIENCE, Skipped, TestCluster, connect, create, eventually, number_of, unique,
};
use trouble::ledger::{Fate, Id, Ledger, Log};
use trouble::nemesis::Nemesis;

const PARTITIONS: i32 = 12;
const KEYS: usize = 100;

/// No batch has more than a few records: there are always some under way.
const BATCH_BYTES: usize = 200;

/// How often a long run tells how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// A record that was accepted, and its fate.
type Accepted = (Id, usize, Delivery);

async fn begin(cluster: &impl TestCluster, name: &str) -> Result<String, Skipped> {
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Control)?;
    cluster.needs(Need::Kafka(2, 4))?;
    let topic = unique(name);
    let new = NewTopic::new(&topic).partitions(PARTITIONS).replication_factor(3);
    create(cluster, new.config("min.insync.replicas", "2")).await;
    Ok(topic)
}

/// How many records to write, and how many in a second.
fn load(cluster: &impl TestCluster) -> (usize, f64) {
    let (count, rate) = if cluster.is_real() { (20_000, 700.0) } else { (5_000, 2_500.0) };
    let count = number_of("KAFKIO_CHAOS").map_or(count, |count| count as usize);
    (count, (count as f64 / 300.0).max(rate))
}

/// Transactions take longer.
fn half((count, rate): (usize, f64)) -> (usize, f64) {
    (count / 2, rate)
}

/// Takes down what has become of the records that were accepted first, while that is known.
fn tell(ledger: &mut Ledger, waiting: &mut VecDeque<Accepted>) {
    while let Some((_, _, delivery)) = waiting.front_mut() {
        let Some(result) = delivery.now_or_never() else {
            return;
        };
        let (id, fate, _) = waiting.pop_front().expect("there is one");
        told(ledger, id, fate, &result);
    }
}

fn told(ledger: &mut Ledger, id: Id, fate: usize, result: &Result<RecordMetadata>) {
    match result {
        Ok(written) => {
            ledger.tell(fate, Fate::Written);
            if let Some(offset) = written.offset() {
                ledger.place(id, (written.partition(), offset));
            }
        }
        Err(error) => ledger.tell(fate, Fate::of(error)),
    }
}

/// Writes in bursts, each record with a fate of its own.
async fn write(
    writer: &Writer,
    random: &mut fastrand::Rng,
    (count, rate): (usize, f64),
    patience: Duration,
) -> Ledger {
    let (mut ledger, mut waiting) = (Ledger::default(), VecDeque::new());
    let begin = Instant::now();
    let (mut sent, mut shown) = (0, begin);
    while sent < count {
        for _ in 0..random.usize(1..=1_000).min(count - sent) {
            let fate = ledger.begin();
            let id = ledger.send(random.usize(..KEYS), fate);
            let delivery = writer.send(id.record()).await.expect("it is accepted");
            waiting.push_back((id, fate, delivery));
            sent += 1;
        }
        tell(&mut ledger, &mut waiting);
        progress(&ledger, sent, count, &mut shown);
        sleep_until(begin + Duration::from_secs_f64(sent as f64 / rate)).await;
    }
    for (id, fate, delivery) in waiting {
        let result = timeout(patience, delivery).await;
        told(&mut ledger, id, fate, &result.expect("a delivery ends in time"));
    }
    ledger
}

fn progress(ledger: &Ledger, sent: usize, count: usize, shown: &mut Instant) {
    if shown.elapsed() > PROGRESS {
        *shown = Instant::now();
        println!("{sent} of {count} sent, {} of them acknowledged", ledger.count(Fate::Written));
    }
}

/// Everything that is in the topic, by kafkio.
async fn read(cluster: &impl TestCluster, topic: &str, level: IsolationLevel) -> Log {
    let reader = connect(cluster).await.reader().topic(topic).isolation(level).end(End::Latest);
    let mut reader = reader.build().await.unwrap();
    let mut log = Log::new();
    while let Some(message) = timeout(PATIENCE, reader.next()).await.expect("it goes on") {
        let message = message.unwrap();
        log.entry(message.partition()).or_default().push((message.offset(), Id::of(&message)));
    }
    log
}

/// The same by Apache's consumer: lines of partition, offset, key and value.
async fn read_by_java(cluster: &impl TestCluster, topic: &str, level: &str) -> Log {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kafka/Consume.java");
    let mut log = Log::new();
    for line in cluster.java(program, &[topic, level]).await.lines() {
        let numbers: Vec<i64> = line.split(' ').map(|part| part.parse().unwrap()).collect();
        let [partition, offset, key, number] = numbers[..] else { panic!("{line}") };
        let id = Id { key: key as usize, number: number as usize };
        log.entry(partition as i32).or_default().push((offset, id));
    }
    log
}

/// Holds the ledger against the log.
async fn verify(cluster: &impl TestCluster, topic: &str, ledger: &Ledger, level: IsolationLevel) {
    let log = read(cluster, topic, level).await;
    let wrong = ledger.check(&log);
    assert!(wrong.is_empty(), "{} are wrong: {:?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    if cluster.needs(Need::Java).is_ok() {
        let committed = level == IsolationLevel::ReadCommitted;
        let level = if committed { "read_committed" } else { "read_uncommitted" };
        assert!(read_by_java(cluster, topic, level).await == log, "Java reads the same");
    }
}

fn show(what: &str, ledger: &Ledger, nemesis: &Nemesis<'_, impl TestCluster>) {
    let count = |fate| ledger.count(fate);
    let (written, failed) = (count(Fate::Written), count(Fate::Failed));
    println!(
        "{what}: {written} written, {failed} not, {} unknown; {}",
        count(Fate::Unknown),
        nemesis.summary()
    );
}

pub async fn idempotent(cluster: &impl TestCluster) -> Outcome {
    let topic = begin(cluster, "chaos").await?;
    let nemesis = Nemesis::new(cluster, &topic).await;
    let mut random = fastrand::Rng::with_seed(nemesis.seed ^ 1);
    let patience = nemesis.patience();
    let client = nemesis.client().connect().await.unwrap();
    let writer = client.writer().topic(&*topic).batch_bytes(BATCH_BYTES).delivery_timeout(patience);
    let writer = writer.build().await.unwrap();
    let work = write(&writer, &mut random, load(cluster), patience + PATIENCE);
    let ledger = nemesis.during(work).await;
    show("records", &ledger, &nemesis);
    verify(cluster, &topic, &ledger, IsolationLevel::ReadUncommitted).await;
    let given_up = ledger.count(Fate::Failed) + ledger.count(Fate::Unknown);
    assert!(!nemesis.is_patient() || given_up == 0, "{given_up} were given up");
    Ok(())
}

/// A third of them are aborted.
pub async fn transactional(cluster: &impl TestCluster) -> Outcome {
    let topic = begin(cluster, "chaos-transactions").await?;
    let nemesis = Nemesis::new(cluster, &topic).await;
    let mut random = fastrand::Rng::with_seed(nemesis.seed ^ 1);
    let client = nemesis.client().api_timeout(nemesis.patience()).connect().await.unwrap();
    let id = unique("chaos");
    let work = transactions(&client, &topic, &id, &mut random, half(load(cluster)));
    let ledger = nemesis.during(work).await;
    show("transactions", &ledger, &nemesis);
    // Who takes over waits until the last one has ended.
    producer(&connect(cluster).await, &topic, &id).await;
    verify(cluster, &topic, &ledger, IsolationLevel::ReadCommitted).await;
    assert!(ledger.count(Fate::Written) > 0, "nothing was committed");
    Ok(())
}

async fn producer(client: &Client, topic: &str, id: &str) -> TransactionalWriter {
    eventually("there is a coordinator", async || {
        let writer = client.writer().topic(topic).batch_bytes(BATCH_BYTES);
        writer.transactional(id).await.ok()
    })
    .await
}

/// Writes transactions one after the other, each with one fate.
async fn transactions(
    client: &Client,
    topic: &str,
    id: &str,
    random: &mut fastrand::Rng,
    (count, rate): (usize, f64),
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut writer = producer(client, topic, id).await;
    let begin = Instant::now();
    let (mut sent, mut shown) = (0, begin);
    while sent < count {
        let fate = ledger.begin();
        let records: Vec<_> =
            (0..random.usize(1..100)).map(|_| ledger.send(random.usize(..KEYS), fate)).collect();
        sent += records.len();
        let commits = random.u8(..3) > 0;
        let (what, error) = transaction(&mut writer, &mut ledger, &records, commits).await;
        ledger.tell(fate, what);
        if error.is_some_and(|error| error.is_fatal()) {
            drop(writer);
            writer = producer(client, topic, id).await;
        }
        progress(&ledger, sent, count, &mut shown);
        sleep_until(begin + Duration::from_secs_f64(sent as f64 / rate)).await;
    }
    ledger
}

/// What has become of one transaction, and what has failed.
async fn transaction(
    writer: &mut TransactionalWriter,
    ledger: &mut Ledger,
    records: &[Id],
    commits: bool,
) -> (Fate, Option<Error>) {
    let transaction = match writer.begin().await {
        Ok(transaction) => transaction,
        Err(error) => return (Fate::Failed, Some(error)),
    };
    let mut deliveries = Vec::new();
    for id in records {
        match transaction.send(id.record()).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(_) => return (Fate::Failed, transaction.abort().await.err()),
        }
    }
    if !commits {
        return (Fate::Failed, transaction.abort().await.err());
    }
    if let Err(error) = transaction.commit().await {
        return (Fate::of(&error), Some(error));
    }
    for (id, delivery) in records.iter().zip(deliveries) {
        let written = delivery.await.expect("what is committed is written");
        if let Some(offset) = written.offset() {
            ledger.place(*id, (written.partition(), offset));
        }
    }
    (Fate::Written, None)
}
