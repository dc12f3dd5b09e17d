//! What coordinators of transactions do by themselves, in time.

use super::*;
use crate::protocol::ApiKey;
use crate::protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use crate::protocol::messages::api_versions::ApiVersionsRequest;
use crate::protocol::messages::end_txn::EndTxnRequest;
use crate::protocol::messages::init_producer_id::InitProducerIdRequest;
use crate::testing::batch::set_checksum;

const NEWEST: i16 = 5;

/// Epoch and id of the producer of the transactional id `x`.
type Producer = (i64, i16);

impl Connection {
    async fn init(&mut self, timeout_ms: i32) -> (ErrorCode, Producer) {
        let request = InitProducerIdRequest {
            transactional_id: Some("x".to_owned()),
            transaction_timeout_ms: timeout_ms,
            ..Default::default()
        };
        let given = self.call(NEWEST, &request).await;
        (code(given.error_code), (given.producer_id, given.producer_epoch))
    }

    /// Writes the first batch of a transaction, which makes its partition part of that.
    async fn begin(&mut self, (id, epoch): Producer) -> ErrorCode {
        let mut batch = BytesMut::from(&*batch(1, 0, 1));
        batch[22] |= 0x10;
        batch[43..51].copy_from_slice(&id.to_be_bytes());
        batch[51..53].copy_from_slice(&epoch.to_be_bytes());
        batch[53..57].copy_from_slice(&0i32.to_be_bytes());
        set_checksum(&mut batch, 2);
        let transactional_id = Some("x".to_owned());
        let request = ProduceRequest { transactional_id, ..produce("t", 0, batch.freeze()) };
        let written = self.call(12, &request).await;
        code(only(only(written.responses).partition_responses).error_code)
    }

    async fn end(&mut self, version: i16, producer: Producer) -> (ErrorCode, Producer) {
        let request = EndTxnRequest {
            transactional_id: "x".to_owned(),
            producer_id: producer.0,
            producer_epoch: producer.1,
            committed: true,
            ..Default::default()
        };
        let ended = self.call(version, &request).await;
        (code(ended.error_code), (ended.producer_id, ended.producer_epoch))
    }

    async fn stable_end(&mut self) -> i64 {
        self.fetch(12, 0).await.last_stable_offset
    }
}

async fn later(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(start_paused = true)]
async fn markers_come_after_the_answer() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let (_, producer) = broker.init(60_000).await;
    assert_eq!(producer, (0, 0));
    assert_eq!(broker.begin(producer).await, ErrorCode::NONE);
    assert_eq!(broker.end(NEWEST, producer).await, (ErrorCode::NONE, (0, 1)));
    assert_eq!(broker.stable_end().await, 0);
    let busy = (ErrorCode::CONCURRENT_TRANSACTIONS, (-1, -1));
    assert_eq!(broker.end(NEWEST, producer).await, busy);
    assert_eq!(broker.begin((0, 1)).await, ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(broker.init(60_000).await, busy);
    later(1).await;
    assert_eq!(broker.stable_end().await, 2);
    assert_eq!(broker.end(NEWEST, producer).await, (ErrorCode::NONE, (0, 1)));
    assert_eq!(broker.begin((0, 1)).await, ErrorCode::NONE);
}

#[tokio::test(start_paused = true)]
async fn transactions_time_out() {
    for version in ["4.3", "3.9"] {
        let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version(version)).await;
        let mut broker = Connection::open(&cluster, 0);
        let (_, producer) = broker.init(1_000).await;
        let topic = AddPartitionsToTxnTopic {
            name: "t".to_owned(),
            partitions: vec![0],
            ..Default::default()
        };
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: "x".to_owned(),
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        broker.call(3, &request).await;
        later(999).await;
        assert_eq!(cluster.offsets("t", 0), Some((0, 0)));
        later(3).await;
        assert_eq!(cluster.offsets("t", 0), Some((0, 1)), "the marker of the abort");
        assert_eq!(broker.end(4, producer).await.0, ErrorCode::PRODUCER_FENCED);
        assert_eq!(broker.init(1_000).await, (ErrorCode::NONE, (0, 2)), "{version}");
        later(10_000).await;
        assert_eq!(cluster.offsets("t", 0), Some((0, 1)), "{version}: nothing is open");
    }
}

#[tokio::test(start_paused = true)]
async fn epochs_are_used_up() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    broker.init(60_000).await;
    cluster.use_up_epochs("x");
    let last = (0, i16::MAX - 1);
    assert_eq!(broker.begin(last).await, ErrorCode::NONE);
    assert_eq!(broker.end(NEWEST, last).await, (ErrorCode::NONE, (1, 0)));
    later(1).await;
    assert_eq!(broker.end(NEWEST, last).await, (ErrorCode::NONE, (1, 0)), "a repeat");
    assert_eq!(broker.begin((1, 0)).await, ErrorCode::NONE);
    assert_eq!(broker.end(NEWEST, (1, 0)).await, (ErrorCode::NONE, (1, 1)));
    later(1).await;
    cluster.use_up_epochs("x");
    assert_eq!(broker.init(60_000).await, (ErrorCode::NONE, (2, 0)));
}

#[tokio::test(start_paused = true)]
async fn markers_wait_for_leaders() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let (_, producer) = broker.init(60_000).await;
    broker.begin(producer).await;
    cluster.move_leader("t", 0, -1);
    broker.end(4, producer).await;
    later(5_000).await;
    assert_eq!(broker.end(4, producer).await.0, ErrorCode::CONCURRENT_TRANSACTIONS);
    cluster.move_leader("t", 0, 0);
    later(100).await;
    assert_eq!(broker.end(4, producer).await.0, ErrorCode::NONE);
    assert_eq!(broker.stable_end().await, 2);
    // What is deleted needs none.
    broker.begin(producer).await;
    broker.end(4, producer).await;
    cluster.delete_topic("t");
    later(1).await;
    assert_eq!(broker.end(4, producer).await.0, ErrorCode::NONE);
}

#[tokio::test(start_paused = true)]
async fn a_marker_ends_a_long_poll() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let mut waiting = Connection::open(&cluster, 0);
    let (_, producer) = broker.init(60_000).await;
    broker.begin(producer).await;
    let request =
        FetchRequest { isolation_level: 1, max_wait_ms: 500, min_bytes: 1, ..fetch("t", 0, 0) };
    waiting.send(12, &request).await;
    later(100).await;
    let start = tokio::time::Instant::now();
    broker.end(4, producer).await;
    assert_eq!(layout(&first(waiting.receive::<FetchRequest>(12).await.unwrap())).len(), 2);
    assert_eq!(start.elapsed().as_millis(), 1);
}

/// Coordinators remember, whichever broker it is.
#[tokio::test(start_paused = true)]
async fn coordinators_move() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    let mut brokers = [0, 1].map(|id| Connection::open(&cluster, id));
    let codes = [brokers[0].init(60_000).await.0, brokers[1].init(60_000).await.0];
    let at = codes.iter().position(|code| *code == ErrorCode::NONE).unwrap();
    assert_eq!(codes[1 - at], ErrorCode::NOT_COORDINATOR);
    cluster.stop_broker(at.try_into().unwrap());
    assert_eq!(brokers[1 - at].init(60_000).await, (ErrorCode::NONE, (0, 1)));
    cluster.fail_next(ApiKey::END_TXN, [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS]);
    let failed = brokers[1 - at].end(NEWEST, (0, 1)).await;
    assert_eq!(failed.0, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
}

/// The form of brokers, which ask too whether a partition was added.
#[tokio::test(start_paused = true)]
async fn many_transactions_at_once() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    broker.init(60_000).await;
    let topic =
        AddPartitionsToTxnTopic { name: "t".to_owned(), partitions: vec![0], ..Default::default() };
    let asked = |transactional_id: &str, verify_only| AddPartitionsToTxnTransaction {
        transactional_id: transactional_id.to_owned(),
        producer_id: 0,
        producer_epoch: 0,
        verify_only,
        topics: vec![topic.clone()],
        ..Default::default()
    };
    let transactions =
        vec![asked("x", true), asked("x", false), asked("x", true), asked("y", false)];
    let request = AddPartitionsToTxnRequest { transactions, ..Default::default() };
    let results = broker.call(5, &request).await.results_by_transaction;
    let codes = results
        .iter()
        .map(|it| code(it.topic_results[0].results_by_partition[0].partition_error_code));
    let expected = [
        ErrorCode::TRANSACTION_ABORTABLE,
        ErrorCode::NONE,
        ErrorCode::NONE,
        ErrorCode::INVALID_PRODUCER_ID_MAPPING,
    ];
    assert_eq!(codes.collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_version_of_transactions_is_told() {
    for (version, level, expected) in [("4.3", 2, Some(2)), ("4.3", 0, None), ("3.9", 2, None)] {
        let builder = FakeCluster::builder().kafka_version(version).transaction_version(level);
        let cluster = start(builder).await;
        let mut broker = Connection::open(&cluster, 0);
        let told = broker.call(3, &ApiVersionsRequest::default()).await;
        let level = told.finalized_features.first().map(|it| it.max_version_level);
        assert_eq!(level, expected, "{version}");
        assert_eq!(told.supported_features.len(), usize::from(version == "4.3"));
    }
    let wrong = FakeCluster::builder().transaction_version(3).start().await.unwrap_err();
    assert!(wrong.to_string().contains("transaction_version"), "{wrong}");
}
