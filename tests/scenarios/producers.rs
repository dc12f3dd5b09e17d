//! What brokers make of batches that producers number (KIP-98): each is in the log once, and none
//! is missing before it.

use bytes::Bytes;
use kafkio::admin::Target;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::admin::topics::RecordsBefore;
use kafkio::protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use kafkio::protocol::messages::produce::PartitionProduceResponse;
use kafkio::protocol::{ErrorCode, Request};
use kafkio::{Client, TopicPartition};

use crate::support::transaction::{numbered_batch, produce};
use crate::support::{Need, Outcome, TestCluster, connect, eventually, topic};

/// A producer without transactions, and the partition that it writes to.
struct Numbered {
    client: Client,
    at: TopicPartition,
    id: i64,
    epoch: i16,
}

impl Numbered {
    async fn begin(cluster: &impl TestCluster, name: &str) -> Self {
        let client = connect(cluster).await;
        let at = TopicPartition::new(topic(cluster, name, 1).await, 0);
        let given = init(&client, &InitProducerIdRequest::default(), None).await;
        assert_eq!((ErrorCode(given.error_code), given.producer_epoch), (ErrorCode::NONE, 0));
        Self { client, at, id: given.producer_id, epoch: 0 }
    }

    /// A batch of so many records, the first of which has this number.
    fn batch(&self, first: i32, count: usize) -> Bytes {
        numbered_batch(0, (self.id, self.epoch, first), &vec!["v"; count])
    }

    async fn send(&self, batch: &Bytes) -> PartitionProduceResponse {
        produce(&self.client, None, &self.at, batch.clone()).await.unwrap()
    }

    /// Writes a batch; where it is, or why it is not there.
    async fn write(&self, first: i32, count: usize) -> Result<i64, ErrorCode> {
        let response = self.send(&self.batch(first, count)).await;
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => Ok(response.base_offset),
            code => Err(code),
        }
    }

    async fn end(&self) -> i64 {
        let spec = [(&*self.at.topic, self.at.partition, OffsetSpec::Latest)];
        self.client.list_offsets(spec).await.unwrap().into_only().unwrap().offset.unwrap()
    }
}

async fn init(
    client: &Client,
    request: &InitProducerIdRequest,
    version: Option<i16>,
) -> InitProducerIdResponse {
    let last = version.unwrap_or(*InitProducerIdRequest::VERSIONS.end());
    let request = InitProducerIdRequest { transaction_timeout_ms: 60_000, ..request.clone() };
    // A broker gets its ids from the controller, and has none at first.
    eventually("there are ids", async || {
        let call = client.send(Target::Any, request.clone()).max_version(last);
        let response = call.await.unwrap();
        (!ErrorCode(response.error_code).is_retriable()).then_some(response)
    })
    .await
}

/// Each who asks gets another id; the epochs of those without a transactional id are their own
/// affair.
pub async fn ids(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let client = connect(cluster).await;
    let mut ids = Vec::new();
    let theirs = client.api_versions(0).await.unwrap()[&InitProducerIdRequest::KEY].clone();
    for version in 0..=(*theirs.end()).min(*InitProducerIdRequest::VERSIONS.end()) {
        let given = init(&client, &InitProducerIdRequest::default(), Some(version)).await;
        assert_eq!((ErrorCode(given.error_code), given.producer_epoch), (ErrorCode::NONE, 0));
        ids.push(given.producer_id);
    }
    if *theirs.end() >= 3 {
        let request =
            InitProducerIdRequest { producer_id: ids[0], producer_epoch: 0, ..Default::default() };
        let given = init(&client, &request, None).await;
        assert_eq!((ErrorCode(given.error_code), given.producer_epoch), (ErrorCode::NONE, 0));
        ids.push(given.producer_id);
        let half = InitProducerIdRequest { producer_id: ids[0], ..Default::default() };
        let given = init(&client, &half, None).await;
        assert_eq!(ErrorCode(given.error_code), ErrorCode::INVALID_REQUEST);
        assert_eq!((given.producer_id, given.producer_epoch), (-1, -1));
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() == count && ids[0] >= 0, "{ids:?}");
    let nameless =
        InitProducerIdRequest { transactional_id: Some(String::new()), ..Default::default() };
    let given = init(&client, &nameless, None).await;
    assert_eq!(ErrorCode(given.error_code), ErrorCode::INVALID_REQUEST);
    Ok(())
}

/// The last five batches are known again: with their offsets, and stored once.
pub async fn repeats(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let log = Numbered::begin(cluster, "repeats").await;
    let mut sent = Vec::new();
    let (mut sequence, mut offset) = (0, 0);
    for count in 1..=7 {
        let batch = log.batch(sequence, count);
        let written = log.send(&batch).await;
        assert_eq!((ErrorCode(written.error_code), written.base_offset), (ErrorCode::NONE, offset));
        assert_eq!(written.log_append_time_ms, -1);
        sent.push((batch, offset));
        sequence += count as i32;
        offset += count as i64;
    }
    let remembered = if cluster.version() < (1, 0) { 1 } else { 5 };
    let (forgotten, known) = sent.split_at(sent.len() - remembered);
    for (batch, offset) in known {
        let repeated = log.send(batch).await;
        assert_eq!(ErrorCode(repeated.error_code), ErrorCode::NONE, "{offset}");
        assert_eq!(repeated.base_offset, *offset);
        let time = i64::from_be_bytes(batch[35..43].try_into().unwrap());
        assert_eq!(repeated.log_append_time_ms, time, "that of the batch, of a repeat alone");
    }
    for (batch, offset) in forgotten {
        let repeated = log.send(batch).await;
        let code = ErrorCode(repeated.error_code);
        assert_eq!(code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "{offset}");
        assert_eq!(repeated.base_offset, -1);
    }
    // Neither a part of a batch, nor one that goes on behind its end, is a repeat.
    for (first, count) in [(sequence - 7, 6), (sequence - 7, 8), (sequence - 6, 6)] {
        let expected = Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(log.write(first, count).await, expected, "{first} {count}");
    }
    assert_eq!(log.end().await, offset);
    assert_eq!(log.write(sequence, 1).await, Ok(offset));
    Ok(())
}

pub async fn out_of_order(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let log = Numbered::begin(cluster, "out-of-order").await;
    assert_eq!(log.write(0, 3).await, Ok(0));
    for first in [1, 2, 4, 5, i32::MAX] {
        assert_eq!(log.write(first, 2).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    }
    assert_eq!(log.write(3, 1).await, Ok(3));
    // Another producer has numbers of its own, and what has none is not looked at.
    let other = init(&log.client, &InitProducerIdRequest::default(), None).await.producer_id;
    let other = Numbered { client: log.client.clone(), at: log.at.clone(), id: other, epoch: 0 };
    assert_eq!(other.write(0, 1).await, Ok(4));
    for offset in [5, 6] {
        let plain = numbered_batch(0, (-1, -1, -1), &["v"]);
        assert_eq!(log.send(&plain).await.base_offset, offset);
    }
    assert_eq!(log.write(4, 1).await, Ok(7));
    let invalid = if cluster.version() < (2, 4) {
        ErrorCode::CORRUPT_MESSAGE
    } else {
        ErrorCode::INVALID_RECORD
    };
    assert_eq!(log.write(-1, 1).await, Err(invalid), "an id without a number");
    assert_eq!(log.end().await, 8);
    Ok(())
}

/// A higher epoch begins at 0 again, and ends the lower ones.
pub async fn epochs(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let mut log = Numbered::begin(cluster, "epochs").await;
    assert_eq!(log.write(0, 2).await, Ok(0));
    log.epoch = 3;
    for first in [1, 2] {
        assert_eq!(log.write(first, 1).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    }
    assert_eq!(log.write(0, 2).await, Ok(2));
    assert_eq!(log.write(0, 2).await, Ok(2), "the repeat in this epoch");
    for epoch in 0..3 {
        log.epoch = epoch;
        for first in [0, 2] {
            assert_eq!(log.write(first, 2).await, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
        }
    }
    log.epoch = 3;
    assert_eq!(log.write(2, 1).await, Ok(4));
    assert_eq!(log.end().await, 5);
    Ok(())
}

/// After the largest number comes 0, within a batch and between two.
pub async fn wrapped(cluster: &impl TestCluster) -> Outcome {
    // Only since then may a producer begin anywhere.
    cluster.needs(Need::Kafka(2, 5))?;
    let log = Numbered::begin(cluster, "wrapped").await;
    assert_eq!(log.write(i32::MAX - 3, 2).await, Ok(0));
    assert_eq!(log.write(i32::MAX - 1, 2).await, Ok(2));
    assert_eq!(log.write(0, 2).await, Ok(4));
    assert_eq!(log.write(i32::MAX - 1, 2).await, Ok(2));
    assert_eq!(log.write(0, 2).await, Ok(4));
    assert_eq!(log.write(3, 1).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));

    let log = Numbered::begin(cluster, "wrapped").await;
    assert_eq!(log.write(i32::MAX - 1, 4).await, Ok(0));
    assert_eq!(log.write(i32::MAX - 1, 4).await, Ok(0));
    assert_eq!(log.write(2, 1).await, Ok(4));
    assert_eq!(log.end().await, 5);
    Ok(())
}

/// A producer that the log does not know, and that does not begin at 0.
pub async fn unknown(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let log = Numbered::begin(cluster, "unknown").await;
    match refused_if_unknown(cluster) {
        Some(code) => assert_eq!(log.write(7, 1).await, Err(code)),
        None => {
            assert_eq!(log.write(7, 1).await, Ok(0));
            assert_eq!(log.write(9, 1).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
            assert_eq!(log.write(8, 1).await, Ok(1));
        }
    }
    Ok(())
}

fn refused_if_unknown(cluster: &impl TestCluster) -> Option<ErrorCode> {
    match cluster.version() {
        (0, _) => Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
        (1, _) | (2, ..=4) => Some(ErrorCode::UNKNOWN_PRODUCER_ID),
        _ => None,
    }
}

/// A producer whose records are deleted: older brokers forget it with them (KIP-360).
pub async fn records_deleted(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    let log = Numbered::begin(cluster, "records-deleted").await;
    assert_eq!(log.write(0, 2).await, Ok(0));
    let all = [(log.at.topic.clone(), 0, RecordsBefore::HighWatermark)];
    log.client.delete_records(all).await.unwrap().into_result().unwrap();
    if cluster.version() < (2, 4) {
        assert_eq!(log.write(2, 1).await.err(), refused_if_unknown(cluster));
        assert_eq!(log.write(0, 2).await, Ok(2));
    } else {
        assert_eq!(log.write(0, 2).await, Ok(0));
        assert_eq!(log.write(3, 1).await, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
        assert_eq!(log.write(2, 1).await, Ok(2));
    }
    Ok(())
}

/// The next leader knows what was written, and so does the last one when it is back.
pub async fn leader_killed(cluster: &impl TestCluster) -> Outcome {
    cluster.needs(Need::Kafka(0, 11))?;
    cluster.needs(Need::ThreeBrokers)?;
    cluster.needs(Need::Control)?;
    let log = Numbered::begin(cluster, "leader-killed").await;
    let (first, second) = (log.batch(0, 2), log.batch(2, 2));
    assert_eq!(log.send(&first).await.base_offset, 0);
    assert_eq!(log.send(&second).await.base_offset, 2);
    let metadata = log.client.metadata([&*log.at.topic]).await.unwrap();
    let leader = metadata.topic(&log.at.topic).unwrap().partitions[0].leader.unwrap();
    cluster.kill(leader).await;
    for is_back in [false, true] {
        if is_back {
            cluster.restart(leader).await;
        }
        for (batch, offset) in [(&first, 0), (&second, 2)] {
            let repeated = eventually("there is a leader", async || {
                let sent = produce(&log.client, None, &log.at, batch.clone()).await;
                sent.ok().filter(|it| !ErrorCode(it.error_code).is_retriable())
            });
            let repeated = repeated.await;
            assert_eq!(
                (ErrorCode(repeated.error_code), repeated.base_offset),
                (ErrorCode::NONE, offset)
            );
        }
    }
    assert_eq!(log.write(4, 1).await, Ok(4));
    Ok(())
}
