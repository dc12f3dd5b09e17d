//! What a reader does about whatever goes wrong: a test for each row of the table at `Reader`, by
//! the name of the row.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, Fault};
use kafkio::transport::{Connect, Connecting, TcpConnector};
use kafkio::{Client, Error, ErrorKind, OutOfRange, Reader, ReaderBuilder, Record, Start};
use tokio::time::timeout;

/// What a reader gives within a minute.
#[derive(Debug, PartialEq)]
enum Item {
    Offset(i64),
    Error(ErrorKind, Option<ErrorCode>),
    End,
    Nothing,
}
use Item::{End, Nothing, Offset};

async fn next(reader: &mut Reader) -> Item {
    let error = |error: Error| Item::Error(error.kind(), error.code());
    match timeout(Duration::from_secs(60), reader.next()).await {
        Ok(Some(Ok(message))) => Offset(message.offset()),
        Ok(Some(Err(failed))) => error(failed),
        Ok(None) => End,
        Err(_) => Nothing,
    }
}

/// Two brokers that both have the only partition of `t`, with three records.
async fn start() -> (FakeCluster, Client) {
    let builder = FakeCluster::builder().in_memory().brokers(2).replication_factor(2);
    let cluster = builder.topic("t", 1).start().await.unwrap();
    write(&cluster, 3);
    let client = cluster.client().metadata_max_age(Duration::from_secs(5)).connect().await.unwrap();
    (cluster, client)
}

fn write(cluster: &FakeCluster, count: usize) {
    for _ in 0..count {
        cluster.append("t", 0, [Record::new("x")]);
    }
}

async fn build(builder: ReaderBuilder) -> Reader {
    builder.build().await.unwrap()
}

/// A reader that has read what is there.
async fn reader(client: &Client) -> Reader {
    let mut reader = build(client.reader().topic("t")).await;
    for offset in 0..3 {
        assert_eq!(next(&mut reader).await, Offset(offset));
    }
    reader
}

/// It stays stopped, until it is sought.
async fn has_stopped(reader: &mut Reader, at: i64) {
    assert_eq!(next(reader).await, Nothing);
    reader.handle().seek("t", 0, Start::Offset(at)).unwrap();
    assert_eq!(next(reader).await, Offset(at));
}

#[tokio::test(start_paused = true)]
async fn a_broker_dies_and_comes_back() {
    let (cluster, client) = start().await;
    let mut reader = reader(&client).await;
    for broker in cluster.brokers() {
        cluster.stop_broker(broker);
    }
    assert_eq!(next(&mut reader).await, Nothing);
    for broker in cluster.brokers() {
        cluster.start_broker(broker);
    }
    write(&cluster, 1);
    assert_eq!(next(&mut reader).await, Offset(3));
}

#[tokio::test(start_paused = true)]
async fn a_broker_does_not_answer() {
    let (cluster, client) = start().await;
    let mut reader = reader(&client).await;
    let hang = cluster.on(ApiKey::FETCH, |_| Fault::Hang);
    write(&cluster, 1);
    while next(&mut reader).await == Offset(3) {}
    write(&cluster, 1);
    assert_eq!(next(&mut reader).await, Nothing);
    drop(hang);
    assert!(matches!(next(&mut reader).await, Offset(3 | 4)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_moves() {
    let (cluster, client) = start().await;
    let mut reader = reader(&client).await;
    for offset in 3..10 {
        let leader = cluster.leader("t", 0).unwrap();
        let other = cluster.brokers().into_iter().find(|broker| *broker != leader).unwrap();
        cluster.move_leader("t", 0, other);
        write(&cluster, 1);
        assert_eq!(next(&mut reader).await, Offset(offset));
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_has_no_leader() {
    let (cluster, client) = start().await;
    let mut reader = reader(&client).await;
    cluster.move_leader("t", 0, -1);
    assert_eq!(next(&mut reader).await, Nothing);
    cluster.move_leader("t", 0, cluster.brokers()[0]);
    write(&cluster, 1);
    assert_eq!(next(&mut reader).await, Offset(3));
}

#[tokio::test(start_paused = true)]
async fn a_broker_fails_inside() {
    let (cluster, client) = start().await;
    for code in [ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode::KAFKA_STORAGE_ERROR] {
        cluster.fail_next(ApiKey::FETCH, [code, code]);
        drop(reader(&client).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_deleted() {
    let (cluster, client) = start().await;
    let mut by_name = reader(&client).await;
    let mut by_pattern = build(client.reader().topics_matching("t").start(Start::Latest)).await;
    cluster.delete_topic("t");
    assert_eq!(next(&mut by_name).await, Nothing);
    assert_eq!(next(&mut by_pattern).await, Nothing);
    assert_eq!(by_pattern.handle().positions().len(), 0);
    assert_eq!(by_name.handle().positions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_created_anew() {
    let (cluster, client) = start().await;
    let mut goes_on = reader(&client).await;
    let stops = client.reader().topic("t").start(Start::Offset(1));
    let mut stops = build(stops.on_out_of_range(OutOfRange::Error)).await;
    assert_eq!((next(&mut stops).await, next(&mut stops).await), (Offset(1), Offset(2)));
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    write(&cluster, 5);
    for reader in [&mut goes_on, &mut stops] {
        assert_eq!(next(reader).await, Item::Error(ErrorKind::DataLoss, None));
    }
    assert_eq!((next(&mut goes_on).await, next(&mut goes_on).await), (Offset(0), Offset(1)));
    has_stopped(&mut stops, 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_is_truncated() {
    let (cluster, client) = start().await;
    let mut reader = reader(&client).await;
    cluster.truncate("t", 0, 1);
    let error = next(&mut reader).await;
    assert_eq!(error, Item::Error(ErrorKind::DataLoss, None));
    write(&cluster, 1);
    assert_eq!(next(&mut reader).await, Offset(1));
}

#[tokio::test(start_paused = true)]
async fn a_position_is_not_in_the_log() {
    let (cluster, client) = start().await;
    let far = client.reader().topic("t").start(Start::Offset(99));
    assert_eq!(next(&mut build(far.clone()).await).await, Offset(0));
    let mut strict = build(far.on_out_of_range(OutOfRange::Error)).await;
    let code = Some(ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(next(&mut strict).await, Item::Error(ErrorKind::Broker, code));
    has_stopped(&mut strict, 1).await;
    drop(cluster);
}

#[tokio::test(start_paused = true)]
async fn access_is_denied() {
    let (cluster, client) = start().await;
    for key in [ApiKey::FETCH, ApiKey::LIST_OFFSETS] {
        let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        cluster.fail_next(key, [code]);
        let mut reader = build(client.reader().topic("t")).await;
        assert_eq!(next(&mut reader).await, Item::Error(ErrorKind::Broker, Some(code)), "{key:?}");
        has_stopped(&mut reader, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_damaged() {
    let (cluster, client) = start().await;
    cluster.append_raw("t", 0, damaged(3));
    write(&cluster, 1);
    let mut reader = reader(&client).await;
    assert_eq!(next(&mut reader).await, Item::Error(ErrorKind::Record, None));
    has_stopped(&mut reader, 4).await;
}

/// A batch of version 2 at that offset, whose checksum is wrong.
fn damaged(offset: i64) -> Vec<u8> {
    let mut batch = vec![0; 70];
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch[11] = 58;
    batch[16] = 2;
    batch[60] = 1;
    batch
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_too_large() {
    let (cluster, client) = start().await;
    let reader = client.reader().topic("t").start(Start::Offset(3)).max_batch_bytes(1_000);
    let compressed = client.writer().topic("t").compression(kafkio::Compression::zstd());
    let writer = compressed.build().await.unwrap();
    writer.send(vec![0; 100_000]).await.unwrap().await.unwrap();
    write(&cluster, 1);
    let mut reader = build(reader).await;
    assert_eq!(next(&mut reader).await, Item::Error(ErrorKind::Record, None));
    has_stopped(&mut reader, 4).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_cannot_be_read() {
    let (cluster, _) = start().await;
    let client = cluster.client().max_frame_size(2_000).connect().await.unwrap();
    cluster.append("t", 0, [Record::new(vec![0; 10_000])]);
    write(&cluster, 1);
    let mut reader = reader(&client).await;
    assert_eq!(next(&mut reader).await, Item::Error(ErrorKind::Protocol, None));
    has_stopped(&mut reader, 4).await;
}

/// Connects until it is told to panic.
#[derive(Debug)]
struct Panics(Arc<AtomicBool>, TcpConnector);

impl Connect for Panics {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        assert!(!self.0.load(Ordering::SeqCst), "wanted");
        self.1.connect(host, port)
    }
}

#[tokio::test]
async fn a_background_task_panics() {
    let cluster = FakeCluster::builder().topic("t", 1).start().await.unwrap();
    let panics = Arc::new(AtomicBool::new(false));
    let connector = Panics(panics.clone(), TcpConnector::default());
    let client = Client::builder(cluster.bootstrap()).connector(connector).connect().await.unwrap();
    write(&cluster, 3);
    let mut reader = reader(&client).await;
    let mut partitions = build(client.reader().topic("t").start(Start::Latest)).await.partitions();
    let mut partition = partitions.next().await.unwrap().unwrap();
    panics.store(true, Ordering::SeqCst);
    for broker in cluster.brokers() {
        cluster.cut_connections(broker);
    }
    assert_eq!(next(&mut reader).await, Item::Error(ErrorKind::Internal, None));
    assert_eq!(next(&mut reader).await, End);
    assert_eq!(partition.next().await.unwrap().unwrap_err().kind(), ErrorKind::Internal);
    assert!(partition.next().await.is_none());
    assert_eq!(partitions.next().await.unwrap().unwrap_err().kind(), ErrorKind::Internal);
    assert!(partitions.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_closed() {
    let (_cluster, client) = start().await;
    let mut reader = build(client.reader().topic("t")).await;
    assert_eq!(next(&mut reader).await, Offset(0));
    reader.handle().close();
    assert_eq!(next(&mut reader).await, End, "whatever was fetched");
    reader.close().await;
}

#[test]
fn each_row_has_its_test() {
    let root = env!("CARGO_MANIFEST_DIR");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap();
    let (docs, tests) = (read("src/reader/mod.rs"), read("tests/reader_errors.rs"));
    let table = docs.lines().skip_while(|line| !line.contains("| what happens |"));
    let rows = table.skip(2).map_while(|line| line.strip_prefix("/// | "));
    let names = rows.map(|row| row.split(" | ").next().unwrap().replace(' ', "_"));
    let missing: Vec<_> = names.filter(|name| !tests.contains(&format!("fn {name}()"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
