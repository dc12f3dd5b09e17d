//! What logs know of producers, where only a test can say what happens to it.

use bytes::BytesMut;

use super::*;
use crate::protocol::messages::init_producer_id::InitProducerIdRequest;
use crate::testing::batch::set_checksum;

const EPOCH: i16 = 0;

/// A batch of two records that a producer has numbered.
fn numbered(producer_id: i64, epoch: i16, sequence: i32) -> Bytes {
    let mut batch = BytesMut::from(&*batch(2, 0, 1));
    batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&sequence.to_be_bytes());
    set_checksum(&mut batch, 2);
    batch.freeze()
}

impl Connection {
    /// Where a batch with this sequence number of producer 5 is, or why it is not there.
    async fn write(&mut self, sequence: i32) -> Result<i64, ErrorCode> {
        let produced = self.produce(3, numbered(5, EPOCH, sequence)).await;
        match code(produced.error_code) {
            ErrorCode::NONE => Ok(produced.base_offset),
            code => Err(code),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn forgotten_producers_by_version() {
    for (version, expected) in [
        ("0.11", Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)),
        ("1.0", Err(ErrorCode::UNKNOWN_PRODUCER_ID)),
        ("2.4", Err(ErrorCode::UNKNOWN_PRODUCER_ID)),
        ("2.5", Ok(2)),
        ("4.3", Ok(2)),
    ] {
        let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version(version)).await;
        let mut broker = Connection::open(&cluster, 0);
        assert_eq!(broker.write(0).await, Ok(0));
        cluster.forget_producers("t", 0);
        assert_eq!(broker.write(2).await, expected, "{version}");
        let next = cluster.offsets("t", 0).unwrap().1;
        if expected.is_err() {
            assert_eq!(broker.write(0).await, Ok(next), "{version}: from 0 on, anybody may");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn old_repeats_by_version() {
    for (version, expected) in [
        ("1.0", ErrorCode::DUPLICATE_SEQUENCE_NUMBER),
        ("1.1", ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
    ] {
        let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version(version)).await;
        let mut broker = Connection::open(&cluster, 0);
        for sequence in (0..12).step_by(2) {
            assert_eq!(broker.write(sequence).await, Ok(sequence.into()));
        }
        assert_eq!(broker.write(2).await, Ok(2));
        assert_eq!(broker.write(0).await, Err(expected), "{version}");
    }
}

/// What is lost may be written again, and nothing else.
#[tokio::test(start_paused = true)]
async fn truncated_logs() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    let mut broker = Connection::open(&cluster, 0);
    for sequence in [0, 2, 4] {
        assert_eq!(broker.write(sequence).await, Ok(sequence.into()));
    }
    cluster.truncate("t", 0, 4);
    assert_eq!(broker.write(6).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(broker.write(2).await, Ok(2));
    assert_eq!(broker.write(4).await, Ok(4));
    cluster.set_follower_end("t", 0, 1, 2);
    cluster.move_leader("t", 0, 1);
    let mut broker = Connection::open(&cluster, 1);
    assert_eq!(broker.write(4).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(broker.write(0).await, Ok(0));
    assert_eq!(broker.write(2).await, Ok(2));
    cluster.stop_broker(1);
    cluster.start_broker(1);
    let mut broker = Connection::open(&cluster, 0);
    assert_eq!(broker.write(2).await, Ok(2), "brokers come and go, the log stays");
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    assert_eq!(cluster.leader("t", 0), Some(0));
    assert_eq!(broker.write(0).await, Ok(0), "another log");
}

#[tokio::test(start_paused = true)]
async fn markers_count() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    assert_eq!(broker.write(0).await, Ok(0));
    cluster.end_transaction("t", 0, 5, EPOCH, true);
    assert_eq!(broker.write(0).await, Ok(0), "known again, with a marker behind it");
    assert_eq!(broker.write(2).await, Ok(3));
    cluster.end_transaction("t", 0, 5, EPOCH + 1, false);
    assert_eq!(broker.write(4).await, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    let produced = broker.produce(3, numbered(5, EPOCH + 1, 4)).await;
    assert_eq!(code(produced.error_code), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(broker.produce(3, numbered(5, EPOCH + 1, 0)).await.base_offset, 6);
}

#[tokio::test(start_paused = true)]
async fn ids_by_version() {
    let cluster = start(FakeCluster::builder().kafka_version("0.10.2")).await;
    let mut broker = Connection::open(&cluster, 0);
    broker.send(0, &InitProducerIdRequest::default()).await;
    assert!(broker.is_cut().await, "not known yet");

    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    for expected in 0..3 {
        let given = broker.call(5, &InitProducerIdRequest::default()).await;
        assert_eq!((given.producer_id, given.producer_epoch), (expected, 0));
    }
    cluster.fail_next(crate::protocol::ApiKey::INIT_PRODUCER_ID, [ErrorCode::NOT_CONTROLLER]);
    let given = broker.call(5, &InitProducerIdRequest::default()).await;
    assert_eq!((code(given.error_code), given.producer_id), (ErrorCode::NOT_CONTROLLER, -1));
}
