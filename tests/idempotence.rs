//! Each record once and in order, whatever happens: the writer against an in-process cluster that
//! misbehaves and checks sequence numbers as Kafka does, under paused time.
//!
//! | what other clients had to learn | test |
//! |---|---|
//! | ambiguous results (1) | `what_may_be_written_is_written_once` |
//! | OUT_OF_ORDER_SEQUENCE (2) | `a_log_that_has_lost_records_gets_the_rest`, `a_refused_batch_leaves_no_gap` |
//! | ids before requests (3) | `nothing_leaves_without_an_id`; numbers and wrapping: `writer/sequence.rs` |
//! | metadata glitches, recreated topics (4) | `a_topic_made_anew_is_written_from_zero`; `writer/accumulator/tests/numbered.rs` |
//! | identical retries (5), windows and order (6) | `chaos_neither_loses_nor_repeats_nor_reorders`; `numbered.rs` |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

#[path = "support/numbers.rs"]
mod numbers;

use std::time::Duration;

use kafkio::protocol::messages::produce::{ProduceRequest, ProduceResponse};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{Acks, Client, Delivery, ErrorKind, Record, Writer, WriterBuilder};
use numbers::number;
use tokio::time::{sleep, timeout};

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory()
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().connect().await.unwrap()
}

/// A writer of small batches: many are under way at once.
async fn writer(cluster: &FakeCluster) -> Writer {
    small(client(cluster).await.writer()).build().await.unwrap()
}

fn small(builder: WriterBuilder) -> WriterBuilder {
    builder.topic("t").batch_bytes(200)
}

fn written(cluster: &FakeCluster, partition: i32) -> Vec<usize> {
    cluster.messages("t", partition).iter().map(number).collect()
}

fn record(n: usize) -> Record {
    Record::new(n.to_string()).partition(0)
}

async fn send(writer: &Writer, range: std::ops::Range<usize>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for n in range {
        deliveries.push(writer.send(record(n)).await.unwrap());
        tokio::task::yield_now().await;
    }
    deliveries
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(600), work).await.expect("the writer is stuck")
}

async fn all_written(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        soon(delivery).await.unwrap();
    }
}

/// The broker appends, and answers with this.
fn answers_with(response: &mut ProduceResponse, code: ErrorCode) {
    for partition in response.responses.iter_mut().flat_map(|it| &mut it.partition_responses) {
        (partition.error_code, partition.base_offset) = (code.0, -1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_written_is_written_once() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    let mut sent = 0;
    for code in [
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::KAFKA_STORAGE_ERROR,
    ] {
        cluster
            .once(ApiKey::PRODUCE, move |call| {
                call.edit::<ProduceRequest>(move |response| answers_with(response, code))
            })
            .keep();
        all_written(send(&writer, sent..sent + 20).await).await;
        sent += 20;
    }
    for bytes in [0, 1, 30] {
        cluster.once(ApiKey::PRODUCE, move |_| Fault::Cut(bytes)).keep();
        all_written(send(&writer, sent..sent + 20).await).await;
        sent += 20;
    }
    assert!(written(&cluster, 0).into_iter().eq(0..sent));
}

/// The answer of a leader is lost, and so many batches go to the next one that it does not remember
/// the first of them.
#[tokio::test(start_paused = true)]
async fn others_may_pass_what_is_not_answered() {
    let cluster = cluster().brokers(2).topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    all_written(send(&writer, 0..2).await).await;
    cluster.once(ApiKey::PRODUCE, |_| Fault::DelayAnswer(Duration::from_secs(100))).keep();
    let late = writer.send(record(2)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let leader = cluster.leader("t", 0).unwrap();
    cluster.move_leader("t", 0, cluster.brokers().into_iter().find(|it| *it != leader).unwrap());
    // Another topic brings the news, by way of the other broker.
    cluster.create_topic("other", 2);
    let other = (0..2).find(|it| cluster.leader("other", *it) != Some(leader)).unwrap();
    soon(writer.write([Record::new("x").topic("other").partition(other)])).await.unwrap();
    let began = tokio::time::Instant::now();
    for n in 3..20 {
        soon(writer.write([record(n)])).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(1), "nothing of it waits");
    assert_eq!(soon(late).await.unwrap().offset(), None);
    all_written(send(&writer, 20..30).await).await;
    assert!(written(&cluster, 0).into_iter().eq(0..30), "{:?}", written(&cluster, 0));
}

/// A topic whose records are kept in a format older than 0.11: no numbers there, and order by one
/// batch at a time.
#[tokio::test(start_paused = true)]
async fn old_formats_are_written_without_numbers() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    let refuse = |call: &kafkio::testing::Call| {
        let request: ProduceRequest = call.request();
        let data = &request.topic_data[0].partition_data[0];
        let batch = data.records.as_ref().unwrap();
        // The producer id stands behind the timestamps.
        if batch[43..51] == (-1i64).to_be_bytes() {
            Fault::Pass
        } else {
            Fault::Error(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT)
        }
    };
    cluster.on(ApiKey::PRODUCE, refuse).keep();
    all_written(send(&writer, 0..100).await).await;
    assert!(written(&cluster, 0).into_iter().eq(0..100));
    // Where nothing helps, that is told.
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT]);
    let error = soon(writer.write([record(100)])).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_batch_tells_where_it_is() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    cluster.once(ApiKey::PRODUCE, |_| Fault::Cut(0)).keep();
    let delivery = writer.send(record(0)).await.unwrap();
    assert_eq!(soon(delivery).await.unwrap().offset(), Some(0));
    // A broker that remembers only that it has it.
    cluster
        .once(ApiKey::PRODUCE, |call| {
            call.edit::<ProduceRequest>(|it| answers_with(it, ErrorCode::DUPLICATE_SEQUENCE_NUMBER))
        })
        .keep();
    let delivery = writer.send(record(1)).await.unwrap();
    assert_eq!(soon(delivery).await.unwrap().offset(), None);
    assert_eq!(written(&cluster, 0), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_has_lost_records_gets_the_rest() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    all_written(send(&writer, 0..40).await).await;
    cluster.truncate("t", 0, 20);
    all_written(send(&writer, 40..80).await).await;
    assert!(written(&cluster, 0).into_iter().eq((0..20).chain(40..80)));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_has_forgotten_the_producer_gets_the_rest() {
    for version in ["0.11.0", "2.3", "4.3"] {
        let cluster = cluster().kafka_version(version).topic("t", 1).start().await.unwrap();
        let writer = writer(&cluster).await;
        all_written(send(&writer, 0..20).await).await;
        cluster.forget_producers("t", 0);
        all_written(send(&writer, 20..40).await).await;
        assert!(written(&cluster, 0).into_iter().eq(0..40), "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_leaves_no_gap() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    all_written(send(&writer, 0..5).await).await;
    cluster.once(ApiKey::PRODUCE, |_| Fault::Error(ErrorCode::INVALID_RECORD)).keep();
    let deliveries = send(&writer, 5..60).await;
    let mut expected: Vec<_> = (0..5).collect();
    for (delivery, n) in deliveries.into_iter().zip(5..) {
        match soon(delivery).await {
            Ok(_) => expected.push(n),
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
                assert!(!error.is_ambiguous());
            }
        }
    }
    assert!(expected.len() < 60);
    assert_eq!(written(&cluster, 0), expected);
}

/// Makes a writer wait for its id so long: what it is given meanwhile leaves at once.
fn hold_back(cluster: &FakeCluster, time: Duration) {
    cluster.once(ApiKey::INIT_PRODUCER_ID, move |_| Fault::DelayAnswer(time)).keep();
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_lets_nothing_be_written_twice() {
    // Of two that are under way together the first is given up: both are in the log, or neither.
    for is_written in [true, false] {
        let second = Duration::from_secs(1);
        let cluster = cluster().topic("t", 1).start().await.unwrap();
        hold_back(&cluster, second * 5);
        let writer = small(client(&cluster).await.writer()).delivery_timeout(second * 10);
        let writer = writer.build().await.unwrap();
        let large = |n: usize| Record::new(format!("{n:0100}")).partition(0);
        let silent = cluster.on(ApiKey::PRODUCE, move |call| {
            if is_written {
                call.edit::<ProduceRequest>(|it| answers_with(it, ErrorCode::REQUEST_TIMED_OUT))
            } else {
                Fault::Hang
            }
        });
        let early = writer.send(large(0)).await.unwrap();
        sleep(second * 4).await;
        let late = writer.send(large(1)).await.unwrap();
        sleep(second * 2).await;
        let deaf = cluster.on(ApiKey::PRODUCE, |_| Fault::Disconnect);
        drop(silent);
        cluster.cut_connections(0);
        assert!(soon(early).await.unwrap_err().is_ambiguous());
        drop(deaf);
        soon(late).await.unwrap();
        all_written(send(&writer, 2..20).await).await;
        let first = usize::from(!is_written);
        assert!(written(&cluster, 0).into_iter().eq(first..20), "{:?}", written(&cluster, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_batch_is_the_first() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    hold_back(&cluster, Duration::from_secs(1));
    cluster.fail_next(ApiKey::PRODUCE, [ErrorCode::NOT_ENOUGH_REPLICAS]);
    let writer = writer(&cluster).await;
    all_written(send(&writer, 0..40).await).await;
    assert!(written(&cluster, 0).into_iter().eq(0..40), "{:?}", written(&cluster, 0));
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_is_written_from_zero() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    all_written(send(&writer, 0..20).await).await;
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    all_written(send(&writer, 20..40).await).await;
    assert!(written(&cluster, 0).into_iter().eq(20..40));
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_without_an_id() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let busy = [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::REQUEST_TIMED_OUT];
    cluster.fail_next(ApiKey::INIT_PRODUCER_ID, busy);
    let writer = writer(&cluster).await;
    all_written(send(&writer, 0..10).await).await;
    let requests = cluster.requests();
    let first = |key| requests.iter().position(|it| it.api_key == key).unwrap();
    assert!(first(ApiKey::INIT_PRODUCER_ID) < first(ApiKey::PRODUCE));
    assert_eq!(written(&cluster, 0).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_be_idempotent_is_told_so() {
    let cluster = cluster().kafka_version("2.7").topic("t", 1).start().await.unwrap();
    cluster
        .on(ApiKey::INIT_PRODUCER_ID, |_| Fault::Error(ErrorCode::CLUSTER_AUTHORIZATION_FAILED))
        .keep();
    let client = client(&cluster).await;
    let writer = small(client.writer()).build().await.unwrap();
    let error = match writer.send(record(0)).await {
        Ok(delivery) => soon(delivery).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.code(), Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
    assert!(error.to_string().contains("idempotent"), "{error}");
    assert!(!error.is_ambiguous());
    let writer = small(client.writer()).idempotent(false).build().await.unwrap();
    all_written(send(&writer, 0..10).await).await;
    assert!(written(&cluster, 0).into_iter().eq(0..10));
}

#[tokio::test(start_paused = true)]
async fn without_an_id_the_delivery_timeout_says_why() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    cluster
        .on(ApiKey::INIT_PRODUCER_ID, |_| Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS))
        .keep();
    let writer = small(client(&cluster).await.writer()).build().await.unwrap();
    let delivery = writer.send(record(0)).await.unwrap();
    let error = soon(delivery).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("producer id"), "{error}");
    assert!(!error.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn brokers_that_know_no_numbers_are_written_to_in_order() {
    let cluster = cluster().kafka_version("0.10.2").topic("t", 1).start().await.unwrap();
    let writer = writer(&cluster).await;
    let failed = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    cluster.fail_next(ApiKey::PRODUCE, [failed, failed]);
    all_written(send(&writer, 0..100).await).await;
    assert!(written(&cluster, 0).into_iter().eq(0..100));
}

#[tokio::test(start_paused = true)]
async fn less_than_all_acks_asks_for_no_id() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let writer = small(client(&cluster).await.writer()).acks(Acks::Leader).build().await.unwrap();
    all_written(send(&writer, 0..10).await).await;
    assert!(cluster.requests().iter().all(|it| it.api_key != ApiKey::INIT_PRODUCER_ID));
}

#[tokio::test(start_paused = true)]
async fn chaos_neither_loses_nor_repeats_nor_reorders() {
    for seed in 0..40 {
        let cluster =
            cluster().brokers(3).replication_factor(3).topic("t", 2).start().await.unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut at_broker = random.fork();
        let trouble = cluster.on(ApiKey::PRODUCE, move |call| match at_broker.u8(..20) {
            0 => Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            1 => Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS),
            2 => Fault::Cut(at_broker.usize(..60)),
            3 => Fault::Disconnect,
            4 => Fault::Delay(Duration::from_millis(at_broker.u64(..50))),
            5 => Fault::DelayAnswer(Duration::from_millis(at_broker.u64(..50))),
            6 => call.edit::<ProduceRequest>(|it| answers_with(it, ErrorCode::REQUEST_TIMED_OUT)),
            7 => call
                .edit::<ProduceRequest>(|it| answers_with(it, ErrorCode::NOT_LEADER_OR_FOLLOWER)),
            _ => Fault::Pass,
        });
        let writer = writer(&cluster).await;
        let mut deliveries = Vec::new();
        for n in 0..400 {
            let record = Record::new(n.to_string()).partition(n % 2);
            deliveries.push(writer.send(record).await.unwrap());
            match random.u8(..60) {
                0 => cluster.move_leader("t", random.i32(0..2), random.i32(0..3)),
                1 => cluster.cut_connections(random.i32(0..3)),
                2..20 => sleep(Duration::from_millis(random.u64(..20))).await,
                _ => {}
            }
        }
        all_written(deliveries).await;
        drop(trouble);
        for partition in 0..2 {
            let expected = (usize::try_from(partition).unwrap()..400).step_by(2);
            let written = written(&cluster, partition);
            assert!(written.iter().copied().eq(expected), "seed {seed}: {written:?}");
        }
    }
}
