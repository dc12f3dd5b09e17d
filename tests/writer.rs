//! The writer against an in-process cluster that misbehaves, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt, stream};
use kafkio::protocol::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceResponse,
};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{Call, FakeCluster, FakeClusterBuilder, Fault};
use kafkio::transport::{Connect, Connecting, TcpConnector};
use kafkio::{Acks, Client, Compression, Error, ErrorKind, Record, Writer};
use tokio::time::{Instant, timeout};

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory()
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().connect().await.unwrap()
}

async fn writer(cluster: &FakeCluster, topic: &str) -> Writer {
    client(cluster).await.writer().topic(topic).build().await.unwrap()
}

fn values(cluster: &FakeCluster, topic: &str, partition: i32) -> Vec<String> {
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    cluster.messages(topic, partition).iter().map(|message| text(message.value())).collect()
}

/// The values, each once, in the order of their first appearance.
fn distinct(cluster: &FakeCluster, topic: &str, partition: i32) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    values(cluster, topic, partition)
        .into_iter()
        .filter(|value| seen.insert(value.clone()))
        .collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

fn record(n: usize) -> Record {
    Record::new(n.to_string()).partition(0)
}

fn produces(cluster: &FakeCluster) -> usize {
    cluster.requests().iter().filter(|request| request.api_key == ApiKey::PRODUCE).count()
}

/// No test waits longer than this, in paused time.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(600), work).await.expect("the writer is stuck")
}

#[tokio::test(start_paused = true)]
async fn writes_and_tells_where() {
    let cluster = cluster().brokers(3).topic("t", 6).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    for n in 0..20 {
        let delivery = writer.send(Record::new(n.to_string()).key("k")).await.unwrap();
        let written = soon(delivery).await.unwrap();
        assert_eq!((written.topic(), written.offset()), ("t", Some(n)));
    }
    let written = writer.write((0..100).map(|n| Record::new(n.to_string()))).await.unwrap();
    assert_eq!(written.len(), 100);
    let total: i64 = (0..6).map(|partition| cluster.offsets("t", partition).unwrap().1).sum();
    assert_eq!(total, 120);
    writer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn records_that_are_sent_together_share_requests() {
    let cluster = cluster().topic("t", 4).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    let records = (0..1000).map(|n| Record::new(n.to_string()).partition(n % 4));
    soon(writer.write(records)).await.unwrap();
    assert!(produces(&cluster) <= 10, "{} requests", produces(&cluster));
}

#[tokio::test(start_paused = true)]
async fn survives_a_leader_that_moves_while_it_writes() {
    let cluster = cluster().brokers(3).topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    let mut deliveries = Vec::new();
    for n in 0..300 {
        if n % 50 == 25 {
            let leader = cluster.leader("t", 0).unwrap();
            let next = cluster.brokers().into_iter().find(|id| *id != leader).unwrap();
            cluster.move_leader("t", 0, next);
        }
        deliveries.push(writer.send(record(n)).await.unwrap());
        tokio::task::yield_now().await;
    }
    for delivery in deliveries {
        soon(delivery).await.unwrap();
    }
    assert_eq!(distinct(&cluster, "t", 0), numbers(0..300));
}

#[tokio::test(start_paused = true)]
async fn survives_a_broker_that_dies_and_comes_back() {
    let cluster = cluster().brokers(1).topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    soon(writer.write([record(0)])).await.unwrap();
    cluster.stop_broker(0);
    let mut deliveries = Vec::new();
    for n in 1..50 {
        deliveries.push(writer.send(record(n)).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(deliveries[0].now_or_never_ref().is_none());
    cluster.start_broker(0);
    for delivery in deliveries {
        soon(delivery).await.unwrap();
    }
    assert_eq!(values(&cluster, "t", 0), numbers(0..50));
}

/// Polls without taking.
trait NowOrNeverRef {
    fn now_or_never_ref(&mut self) -> Option<()>;
}

impl NowOrNeverRef for kafkio::Delivery {
    fn now_or_never_ref(&mut self) -> Option<()> {
        self.now_or_never().map(drop)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_means_once_or_twice_but_in_order_if_not_idempotent() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").idempotent(false);
    let writer = builder.build().await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    // Every third request is handled and not answered, every other third not handled.
    let _hook =
        cluster.on(ApiKey::PRODUCE, move |_| match count.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Fault::Cut(0),
            1 => Fault::Disconnect,
            _ => Fault::Pass,
        });
    for round in 0..10 {
        let records = (round * 10..round * 10 + 10).map(record);
        soon(writer.write(records)).await.unwrap();
    }
    assert_eq!(distinct(&cluster, "t", 0), numbers(0..100));
    assert_eq!(values(&cluster, "t", 0).len(), 200);
}

#[tokio::test(start_paused = true)]
async fn every_retriable_code_is_retried_in_order() {
    let codes = (-1..=133).map(ErrorCode).filter(|code| code.is_retriable());
    for code in codes {
        let cluster = cluster().topic("t", 1).start().await.unwrap();
        let writer = writer(&cluster, "t").await;
        cluster.fail_next(ApiKey::PRODUCE, [code, code]);
        let mut deliveries = Vec::new();
        for n in 0..10 {
            deliveries.push(writer.send(record(n)).await.unwrap());
            tokio::task::yield_now().await;
        }
        for delivery in deliveries {
            soon(delivery).await.unwrap_or_else(|error| panic!("{code}: {error}"));
        }
        assert_eq!(values(&cluster, "t", 0), numbers(0..10), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_definite_error_is_told_and_not_retried() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::TOPIC_AUTHORIZATION_FAILED]);
    let error = soon(writer.write([record(0)])).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(error.to_string().starts_with("produce to t[0] on broker"), "{error}");
    assert!(!error.is_ambiguous() && !error.is_retriable());
    soon(writer.write([record(1)])).await.unwrap();
    assert_eq!(values(&cluster, "t", 0), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn an_unexpected_failure_of_the_broker_is_ambiguous() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::UNKNOWN_SERVER_ERROR]);
    assert!(soon(writer.write([record(0)])).await.unwrap_err().is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_split() {
    let cluster = cluster().topic("t", 1).message_max_bytes(2000).start().await.unwrap();
    for compression in [Compression::none(), Compression::lz4()] {
        let writer = client(&cluster).await.writer().topic("t").compression(compression);
        let writer = writer.build().await.unwrap();
        let start = cluster.offsets("t", 0).unwrap().1;
        let mut random = fastrand::Rng::with_seed(7);
        let mut value = |n: usize| {
            let noise: String =
                std::iter::repeat_with(|| random.alphanumeric()).take(100).collect();
            Record::new(format!("{n} {noise}"))
                .partition(0)
                .timestamp(kafkio::Timestamp::from_millis(5))
        };
        let records: Vec<_> = (0..200).map(&mut value).collect();
        let written = soon(writer.write(records)).await.unwrap();
        for (n, metadata) in (0..).zip(&written) {
            let offset = metadata.offset().unwrap();
            assert_eq!(offset, start + n);
            let message = &cluster.messages("t", 0)[usize::try_from(offset).unwrap()];
            assert!(message.value().unwrap().starts_with(format!("{n} ").as_bytes()));
            assert_eq!(message.timestamp().as_millis(), 5);
        }
        let error = writer.write([Record::new(vec![b'x'; 0]), value_of(3000)]).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    }
}

fn value_of(size: usize) -> Record {
    let mut random = fastrand::Rng::with_seed(9);
    Record::new(std::iter::repeat_with(|| random.u8(..)).take(size).collect::<Vec<_>>())
        .partition(0)
}

#[tokio::test(start_paused = true)]
async fn too_large_a_record_is_refused_at_once() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    let error = writer.send(Record::new(vec![0; 1_000_000])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("batch_bytes") && error.to_string().contains("1000012"));
    soon(writer.write([Record::new(vec![0; 999_900])])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_delivery_timeout_and_is_ambiguous() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t");
    let writer = builder.delivery_timeout(Duration::from_secs(10)).build().await.unwrap();
    // The very first batch goes alone.
    soon(writer.write([record(8)])).await.unwrap();
    let hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Hang);
    let began = Instant::now();
    let sent = writer.send(record(0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut behind = Vec::new();
    for n in 1..7 {
        behind.push(writer.send(record(n)).await.unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let error = soon(sent).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!(error.is_ambiguous() && error.is_timeout(), "{error}");
    for (delivery, n) in behind.into_iter().zip(1..) {
        let error = soon(delivery).await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), 11);
        // Five batches are under way, and what is behind them is not.
        assert!(error.is_ambiguous() == (n < 5) && error.is_timeout(), "{n}: {error}");
    }
    drop(hook);
    // The connection dies of its silence, and the writer goes on.
    tokio::time::sleep(Duration::from_secs(60)).await;
    soon(writer.write([record(7)])).await.unwrap();
    assert_eq!(values(&cluster, "t", 0), ["8", "7"]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_not_ambiguous() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t");
    let writer = builder.delivery_timeout(Duration::from_secs(10)).build().await.unwrap();
    cluster.stop_broker(0);
    let error = soon(writer.write([record(0)])).await.unwrap_err();
    assert!(error.is_timeout() && !error.is_ambiguous(), "{error}");
    assert!(error.to_string().contains("t[0]"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn only_the_named_records_are_blamed() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").linger(Duration::from_millis(5));
    let writer = builder.build().await.unwrap();
    let _hook = cluster.once(ApiKey::PRODUCE, refuse_the_second);
    let mut deliveries = Vec::new();
    for n in 0..3 {
        deliveries.push(writer.send(record(n)).await.unwrap());
    }
    let mut errors = Vec::new();
    for delivery in deliveries {
        errors.push(soon(delivery).await.unwrap_err());
    }
    assert!(errors[1].to_string().contains("no key") && !errors[1].is_retriable());
    assert!(!errors[0].to_string().contains("no key") && errors[0].is_retriable());
    assert!(errors.iter().all(|error| error.code() == Some(ErrorCode::INVALID_RECORD)));
}

/// The answer of a broker that does not like the second record (KIP-467).
fn refuse_the_second(call: &Call) -> Fault {
    let request = call.request::<ProduceRequest>();
    let topic = &request.topic_data[0];
    let partition = PartitionProduceResponse {
        error_code: ErrorCode::INVALID_RECORD.0,
        record_errors: vec![BatchIndexAndErrorMessage {
            batch_index: 1,
            batch_index_error_message: Some("no key".to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    Fault::answer::<ProduceRequest>(ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    })
}

#[tokio::test(start_paused = true)]
async fn records_that_are_refused_after_a_lost_answer_may_be_written() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").linger(Duration::from_millis(5));
    let writer = builder.build().await.unwrap();
    let lost = AtomicBool::new(false);
    let _hook = cluster.on(ApiKey::PRODUCE, move |call| {
        if lost.swap(true, Ordering::Relaxed) { refuse_the_second(call) } else { Fault::Cut(0) }
    });
    let first = writer.send(record(0)).await.unwrap();
    let second = writer.send(record(1)).await.unwrap();
    for delivery in [first, second] {
        let error = soon(delivery).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD), "{error}");
        assert!(error.is_ambiguous(), "{error:?}");
    }
    assert_eq!(values(&cluster, "t", 0), numbers(0..2));
}

#[tokio::test(start_paused = true)]
async fn writers_of_one_client_do_not_wait_for_each_other() {
    let cluster = cluster().topic("t", 1).topic("u", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let slow = client.writer().topic("t").build().await.unwrap();
    let quick = client.writer().topic("u").build().await.unwrap();
    let _hook = cluster.once(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(10)));
    let waits = slow.send(record(0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    soon(quick.write([record(0)])).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    soon(waits).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_budget_blocks_and_goes_on() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").batch_bytes(1000).buffer_bytes(1000);
    let writer = builder.build().await.unwrap();
    let hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(1)));
    let mut accepted = Vec::new();
    let refused = loop {
        match writer.try_send(record(accepted.len())) {
            Ok(delivery) => accepted.push(delivery),
            Err((record, error)) => break (record, error),
        }
    };
    assert_eq!(refused.0, record(accepted.len()));
    assert!(refused.1.is_timeout() && refused.1.to_string().contains("buffer_bytes"));
    // A send that is dropped while it waits is not accepted, and leaves no hole.
    let mut dropped = Box::pin(writer.send(Record::new("dropped").partition(0)));
    assert!(dropped.as_mut().now_or_never().is_none());
    drop(dropped);
    let count = accepted.len();
    let began = Instant::now();
    accepted.push(soon(writer.send(record(count))).await.unwrap());
    assert!(began.elapsed() >= Duration::from_secs(1));
    drop(hook);
    for delivery in accepted {
        soon(delivery).await.unwrap();
    }
    assert_eq!(values(&cluster, "t", 0), numbers(0..count + 1));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_was_never_polled_is_not_accepted() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    drop(writer.send(Record::new("never")));
    writer.close().await.unwrap();
    assert!(values(&cluster, "t", 0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_full_budget_ends_the_linger() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").batch_bytes(1000).buffer_bytes(1000);
    let writer = builder.linger(Duration::from_secs(60)).build().await.unwrap();
    let began = Instant::now();
    for n in 0..100 {
        drop(soon(writer.send(record(n))).await.unwrap());
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    // Neither `write` nor `flush` lingers.
    soon(writer.write([record(100)])).await.unwrap();
    let delivery = writer.send(record(101)).await.unwrap();
    soon(writer.flush()).await.unwrap();
    assert!(delivery.now_or_never().unwrap().is_ok());
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn linger_gathers() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").linger(Duration::from_millis(50));
    let writer = builder.build().await.unwrap();
    let began = Instant::now();
    let mut deliveries = Vec::new();
    for n in 0..10 {
        deliveries.push(writer.send(record(n)).await.unwrap());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for delivery in deliveries {
        soon(delivery).await.unwrap();
    }
    assert_eq!(produces(&cluster), 1);
    let elapsed = began.elapsed().as_millis();
    assert!((50..80).contains(&elapsed), "{elapsed} ms");
}

#[tokio::test(start_paused = true)]
async fn flush_waits_for_what_was_before_it_and_no_more() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    let _hook = cluster.on(ApiKey::PRODUCE, move |call| {
        let request = call.request::<ProduceRequest>();
        let second = request.topic_data[0].partition_data.iter().any(|data| data.index == 1);
        if second { Fault::Hang } else { Fault::Delay(Duration::from_secs(1)) }
    });
    let before = writer.send(record(0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut flush = Box::pin(writer.flush());
    assert!(flush.as_mut().now_or_never().is_none());
    // What comes after it is not answered.
    let after = writer.send(Record::new("after").partition(1)).await.unwrap();
    let began = Instant::now();
    soon(flush).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(before.now_or_never().unwrap().is_ok());
    assert!(timeout(Duration::from_secs(5), writer.flush()).await.is_err());
    assert!(after.now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn close_drains_for_all_handles() {
    let cluster = cluster().brokers(2).topic("t", 4).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").linger(Duration::from_secs(60));
    let writer = builder.build().await.unwrap();
    let other = writer.clone();
    let mut deliveries = Vec::new();
    for n in 0..100 {
        deliveries.push(other.send(Record::new(n.to_string())).await.unwrap());
    }
    soon(writer.close()).await.unwrap();
    for delivery in deliveries {
        assert!(delivery.now_or_never().unwrap().is_ok());
    }
    let error = other.send(Record::new("late")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(other.try_send(Record::new("late")).unwrap_err().1.kind(), ErrorKind::Closed);
    assert!(soon(other.close()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn close_wakes_those_who_wait_for_room() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").batch_bytes(200).buffer_bytes(200);
    let writer = builder.build().await.unwrap();
    let _hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(1)));
    while writer.try_send(record(0)).is_ok() {}
    let other = writer.clone();
    let mut waiting = Box::pin(other.send(record(1)));
    assert!(waiting.as_mut().now_or_never().is_none());
    soon(writer.close()).await.unwrap();
    assert_eq!(soon(waiting).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_gives_up_and_tells_so() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    let _hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Hang);
    let sent = writer.send(record(0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let waiting = writer.send(record(1)).await.unwrap();
    drop(writer);
    let error = sent.now_or_never().unwrap().unwrap_err();
    assert!(error.kind() == ErrorKind::Closed && error.is_ambiguous(), "{error:?}");
    let error = waiting.now_or_never().unwrap().unwrap_err();
    assert!(error.kind() == ErrorKind::Closed && !error.is_ambiguous(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn works_as_a_sink() {
    let cluster = cluster().brokers(2).topic("t", 3).topic("u", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let writer = client.writer().topic("t").build().await.unwrap();
    let records =
        stream::iter(0..500).map(|n| Ok::<_, Error>(Record::new(n.to_string()).partition(n % 3)));
    soon(records.forward(writer.clone())).await.unwrap();
    let total: usize = (0..3).map(|partition| values(&cluster, "t", partition).len()).sum();
    assert_eq!(total, 500);

    // Each record to a topic of its own choice, which nobody has asked for before.
    let mut sink = client.writer().build().await.unwrap().buffer(10);
    for n in 0..20 {
        let topic = if n % 2 == 0 { "t" } else { "u" };
        soon(sink.feed(record(n).topic(topic))).await.unwrap();
    }
    soon(sink.close()).await.unwrap();
    let odd: Vec<_> = (0..20).filter(|n| n % 2 == 1).map(|n| n.to_string()).collect();
    assert_eq!(values(&cluster, "u", 0), odd);

    // Other handles are still open.
    let mut fan = writer.clone().fanout(writer.clone());
    let mut more = stream::iter([Ok(record(0)), Ok(record(1))]);
    soon(fan.send_all(&mut more)).await.unwrap();
    soon(writer.close()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_forwarded_to_a_writer() {
    let cluster = cluster().topic("from", 1).topic("to", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let source = client.writer().topic("from").build().await.unwrap();
    soon(source.write((0..100).map(record))).await.unwrap();
    let reader = client.reader().topic("from").build().await.unwrap();
    let writer = client.writer().topic("to").build().await.unwrap();
    let copy = reader.take(100).map_ok(|message| message.to_record()).forward(writer);
    soon(copy).await.unwrap();
    assert_eq!(values(&cluster, "to", 0), numbers(0..100));
}

#[tokio::test(start_paused = true)]
async fn a_sink_stays_within_its_budget_and_one_record() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").batch_bytes(1000).buffer_bytes(1000);
    let mut writer = builder.build().await.unwrap();
    let hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_secs(1)));
    let mut fed = 0;
    while writer.feed(Record::new(vec![b'x'; 300]).partition(0)).now_or_never().is_some() {
        fed += 1;
    }
    assert_eq!(fed, 4, "three fit, and one goes beyond");
    drop(hook);
    for n in 0..100 {
        soon(writer.feed(record(n))).await.unwrap();
    }
    soon(SinkExt::<Record>::flush(&mut writer)).await.unwrap();
    assert_eq!(values(&cluster, "t", 0).len(), 104);
}

#[tokio::test(start_paused = true)]
async fn a_sink_tells_each_failure_once() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let mut writer = writer(&cluster, "t").await;
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::INVALID_TIMESTAMP]);
    SinkExt::feed(&mut writer, record(0)).await.unwrap();
    let error = soon(SinkExt::<Record>::flush(&mut writer)).await.unwrap_err();
    assert!(error.to_string().contains("t[0]"), "{error}");
    soon(SinkExt::<Record>::flush(&mut writer)).await.unwrap();
    soon(SinkExt::send(&mut writer, record(1))).await.unwrap();
    soon(SinkExt::<Record>::close(&mut writer)).await.unwrap();
    let error = SinkExt::send(&mut writer, record(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(values(&cluster, "t", 0), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_has_to_acknowledge() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let builder = client(&cluster).await.writer().topic("t").acks(Acks::None);
    let writer = builder.build().await.unwrap();
    for n in 0..100 {
        let written = soon(soon(writer.send(record(n))).await.unwrap()).await.unwrap();
        assert_eq!(written.offset(), None);
    }
    writer.close().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(values(&cluster, "t", 0), numbers(0..100));
}

#[tokio::test(start_paused = true)]
async fn an_idle_or_dead_broker_delays_only_its_own_partitions() {
    let cluster = cluster().brokers(2).topic("t", 2).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    let leaders = [0, 1].map(|partition| cluster.leader("t", partition).unwrap());
    assert_ne!(leaders[0], leaders[1]);
    let slow = leaders[1];
    let _hook =
        cluster.on(
            ApiKey::PRODUCE,
            move |call| {
                if call.broker == slow { Fault::Hang } else { Fault::Pass }
            },
        );
    let hanging = writer.send(Record::new("x").partition(1)).await.unwrap();
    let began = Instant::now();
    for n in 0..100 {
        soon(writer.send(record(n)).await.unwrap()).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(hanging);
}

#[tokio::test(start_paused = true)]
async fn topics_that_do_not_exist_are_waited_for_and_then_told() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let error = soon(client.writer().topic("nope").build()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let writer = client.writer().build().await.unwrap();
    let error = soon(writer.send(Record::new("x").topic("nope"))).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let error = writer.send(Record::new("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let late = async { writer.send(Record::new("late").topic("late")).await?.await };
    let create = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cluster.create_topic("late", 1);
    };
    let (late, ()) = soon(futures::future::join(late, create)).await;
    assert_eq!(late.unwrap().topic(), "late");
    // `try_send` does not wait, but asks.
    assert!(writer.try_send(Record::new("x").topic("t")).unwrap_err().1.is_retriable());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(soon(writer.try_send(Record::new("x").topic("t")).unwrap()).await.is_ok());
    let error = writer.send(Record::new("x").topic("t").partition(1)).await.unwrap_err();
    assert!(error.to_string().contains("t has partitions 0 to 0"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn goes_on_when_its_topic_is_created_anew() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    soon(writer.write([record(0)])).await.unwrap();
    cluster.delete_topic("t");
    let delivery = writer.send(record(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    cluster.create_topic("t", 1);
    soon(delivery).await.unwrap();
    assert_eq!(values(&cluster, "t", 0), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn uses_partitions_that_are_added() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = cluster.client().metadata_max_age(Duration::from_secs(5)).connect().await.unwrap();
    let writer = client.writer().topic("t").build().await.unwrap();
    assert!(writer.send(Record::new("x").partition(3)).await.is_err());
    cluster.add_partitions("t", 4);
    tokio::time::sleep(Duration::from_secs(10)).await;
    soon(writer.write([Record::new("x").partition(3)])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn old_brokers_get_their_own_formats() {
    for (version, headers) in [("0.10.1", false), ("0.11.0", true), ("2.7.1", true), ("4.3", true)]
    {
        let cluster = cluster().kafka_version(version).topic("t", 1).start().await.unwrap();
        for compression in [Compression::none(), Compression::gzip()] {
            let builder = client(&cluster).await.writer().topic("t").compression(compression);
            let writer = builder.build().await.unwrap();
            soon(writer.write((0..10).map(record))).await.unwrap();
            let with_header = writer.write([record(0).header("h", "v")]);
            match soon(with_header).await {
                Ok(_) => assert!(headers, "{version}"),
                Err(error) => {
                    assert!(!headers, "{version}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                }
            }
        }
        assert_eq!(distinct(&cluster, "t", 0), numbers(0..10), "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn works_as_a_service() {
    use tower::{Service, ServiceExt};
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let mut writer = writer(&cluster, "t").await;
    let first = ServiceExt::<Record>::ready(&mut writer).await.unwrap().call(record(0));
    let second = ServiceExt::<Record>::ready(&mut writer).await.unwrap().call(record(1));
    let (first, second) = soon(futures::future::join(first, second)).await;
    assert_eq!((first.unwrap().offset(), second.unwrap().offset()), (Some(0), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_in_select_loses_nothing() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster, "t").await;
    let _hook = cluster.on(ApiKey::PRODUCE, |_| Fault::Delay(Duration::from_millis(100)));
    let mut delivery = writer.send(record(0)).await.unwrap();
    let mut ticks = 0;
    let written = loop {
        tokio::select! {
            written = &mut delivery => break written,
            () = tokio::time::sleep(Duration::from_millis(1)) => ticks += 1,
        }
    };
    assert_eq!(written.unwrap().offset(), Some(0));
    assert!(ticks > 50);
}

/// A connector that can be made to panic.
#[derive(Debug)]
struct Panics(Arc<AtomicBool>, TcpConnector);

impl Connect for Panics {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        assert!(!self.0.load(Ordering::Relaxed), "the connector panics");
        self.1.connect(host, port)
    }
}

#[tokio::test]
async fn a_panic_in_the_background_is_told_to_all() {
    let cluster = FakeCluster::builder().topic("t", 2).start().await.unwrap();
    let panics = Arc::new(AtomicBool::new(false));
    let connector = Panics(panics.clone(), TcpConnector::default());
    let client = Client::builder(cluster.bootstrap()).connector(connector).connect().await.unwrap();
    let writer = client.writer().topic("t").build().await.unwrap();
    panics.store(true, Ordering::Relaxed);
    let delivery = writer.send(record(0)).await.unwrap();
    let error = soon(delivery).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    assert!(!error.is_ambiguous());
    assert_eq!(writer.send(record(1)).await.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(soon(writer.close()).await.unwrap_err().kind(), ErrorKind::Internal);
}
