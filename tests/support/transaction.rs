//! A transactional producer made by hand, of the calls that such a one sends, and of batches that
//! it makes itself.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use kafkio::admin::Target;
use kafkio::admin::offsets::OffsetSpec;
use kafkio::protocol::ErrorCode;
use kafkio::protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use kafkio::protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use kafkio::protocol::messages::init_producer_id::InitProducerIdRequest;
use kafkio::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use kafkio::{Client, Timestamp, TopicPartition};

use super::{coordinated, eventually, unique, until};

/// A transactional id, and the producer that has it until another one takes it.
pub struct Producer {
    pub client: Client,
    pub id: String,
    pub producer_id: i64,
    pub epoch: i16,
}

impl Producer {
    /// Takes the transactional id.
    pub async fn begin(client: &Client, id: &str) -> Self {
        let request = InitProducerIdRequest {
            transactional_id: Some(id.to_owned()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let to = Target::Transaction(id.to_owned());
        let response = coordinated(client, to, &request, |it| it.error_code).await;
        let (producer_id, epoch) = (response.producer_id, response.producer_epoch);
        Self { client: client.clone(), id: id.to_owned(), producer_id, epoch }
    }

    /// Tells the coordinator that the transaction has this partition.
    pub async fn add(&self, at: &TopicPartition) {
        let topic = AddPartitionsToTxnTopic {
            name: at.topic.to_string(),
            partitions: vec![at.partition],
            ..Default::default()
        };
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.id.clone(),
            v3_and_below_producer_id: self.producer_id,
            v3_and_below_producer_epoch: self.epoch,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        };
        // The one before may still be being ended.
        eventually("the partition is added", async || {
            let call = self.client.send(Target::Transaction(self.id.clone()), request.clone());
            let response = call.max_version(3).await.unwrap();
            let topic = &response.results_by_topic_v3_and_below[0];
            assert_eq!(topic.name, *at.topic);
            match ErrorCode(topic.results_by_partition[0].partition_error_code) {
                ErrorCode::NONE => Some(()),
                ErrorCode::CONCURRENT_TRANSACTIONS => None,
                code => panic!("{at} was not added: {code}"),
            }
        })
        .await;
    }

    /// Writes a batch with these values; gives the offset of the first.
    pub async fn write(&self, at: &TopicPartition, first: i32, values: &[&str]) -> i64 {
        self.send(at, batch(Some((self.producer_id, self.epoch, first)), values)).await
    }

    async fn send(&self, at: &TopicPartition, batch: Bytes) -> i64 {
        let partition = produce(&self.client, Some(&self.id), at, batch).await.unwrap();
        assert_eq!(ErrorCode(partition.error_code), ErrorCode::NONE, "{partition:?}");
        partition.base_offset
    }

    /// Commits or aborts; what the coordinator says.
    pub async fn end(&self, committed: bool) -> EndTxnResponse {
        let request = EndTxnRequest {
            transactional_id: self.id.clone(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
            ..Default::default()
        };
        let call = self.client.send(Target::Transaction(self.id.clone()), request);
        call.await.unwrap()
    }
}

/// One transaction after the other.
#[allow(dead_code, reason = "not all programs of tests need it")]
pub struct Transactional {
    producer: Producer,
    /// The next sequence number of each partition.
    next: HashMap<TopicPartition, i32>,
    /// The partitions of the open transaction.
    open: Vec<TopicPartition>,
    pub is_compressed: bool,
}

#[allow(dead_code, reason = "not all programs of tests need it")]
impl Transactional {
    pub async fn begin(client: &Client) -> Self {
        let producer = Producer::begin(client, &unique("transactional")).await;
        let (next, open) = (HashMap::new(), Vec::new());
        Self { producer, next, open, is_compressed: false }
    }

    /// Makes the partition part of the transaction, which needs nothing to be written there.
    pub async fn add(&mut self, at: &TopicPartition) {
        if !self.open.contains(at) {
            self.producer.add(at).await;
            self.open.push(at.clone());
        }
    }

    /// Writes a batch with these values; gives the offset of the first.
    pub async fn write(&mut self, at: &TopicPartition, values: &[&str]) -> i64 {
        self.add(at).await;
        let next = self.next.entry(at.clone()).or_default();
        let batch = batch(Some((self.producer.producer_id, self.producer.epoch, *next)), values);
        *next += values.len() as i32;
        let batch = if self.is_compressed { compressed(&batch) } else { batch };
        self.producer.send(at, batch).await
    }

    /// Commits or aborts, and waits for the markers.
    pub async fn end(&mut self, committed: bool) {
        let open = std::mem::take(&mut self.open);
        let ends = async || {
            let specs = open.iter().map(|at| (&*at.topic, at.partition, OffsetSpec::Latest));
            let found = self.producer.client.list_offsets(specs).await.unwrap();
            let found = found.into_iter().map(|(_, found)| found.unwrap().offset.unwrap());
            found.collect::<Vec<_>>()
        };
        let expected: Vec<_> = ends().await.into_iter().map(|end| end + 1).collect();
        let ended = self.producer.end(committed).await;
        assert_eq!(ErrorCode(ended.error_code), ErrorCode::NONE);
        until("the markers are written", ends, |now| *now == expected).await;
        // With KIP-890, each transaction has an epoch of its own.
        if ended.producer_id >= 0 && ended.producer_epoch > self.producer.epoch {
            (self.producer.producer_id, self.producer.epoch) =
                (ended.producer_id, ended.producer_epoch);
            self.next.clear();
        }
    }
}

/// Sends a batch to the leader of the partition; what that says.
pub async fn produce(
    client: &Client,
    transactional_id: Option<&str>,
    at: &TopicPartition,
    batch: Bytes,
) -> kafkio::Result<PartitionProduceResponse> {
    let request = produce_request(client, transactional_id, at, batch).await?;
    let ask = async || {
        let mut response = client.send(Target::Leader(at.clone()), request.clone()).await?;
        Ok(response.responses.remove(0).partition_responses.remove(0))
    };
    let is_led = |it: &kafkio::Result<PartitionProduceResponse>| {
        it.as_ref().map_or(true, |it| it.error_code != ErrorCode::NOT_LEADER_OR_FOLLOWER.0)
    };
    // One that has just been elected may not know it yet.
    until("the leader knows that it leads", ask, is_led).await
}

/// Asks for the batch to be written to the partition.
pub async fn produce_request(
    client: &Client,
    transactional_id: Option<&str>,
    at: &TopicPartition,
    batch: Bytes,
) -> kafkio::Result<ProduceRequest> {
    let topics = client.metadata([&*at.topic]).await?;
    let data =
        PartitionProduceData { index: at.partition, records: Some(batch), ..Default::default() };
    let topic = TopicProduceData {
        name: at.topic.to_string(),
        topic_id: topics.topic(&at.topic).unwrap().id,
        partition_data: vec![data],
        ..Default::default()
    };
    Ok(ProduceRequest {
        transactional_id: transactional_id.map(str::to_owned),
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic],
        ..Default::default()
    })
}

/// The same batch with its records compressed by gzip.
#[allow(dead_code, reason = "not all programs of tests need it")]
pub fn compressed(batch: &Bytes) -> Bytes {
    use std::io::Write;

    const HEADER: usize = 61;
    let mut packed = BytesMut::from(&batch[..HEADER]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&batch[HEADER..]).unwrap();
    packed.put_slice(&gzip.finish().unwrap());
    packed[22] |= 1;
    let length = packed.len() as i32 - 12;
    packed[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&packed[21..]);
    packed[17..21].copy_from_slice(&crc.to_be_bytes());
    packed.freeze()
}

/// A batch of format 2, whose records have values and nothing else; in a transaction, of this
/// producer id, epoch and first sequence number.
pub fn batch(transaction: Option<(i64, i16, i32)>, values: &[&str]) -> Bytes {
    const TRANSACTIONAL: i16 = 1 << 4;
    match transaction {
        Some(producer) => numbered_batch(TRANSACTIONAL, producer, values),
        None => numbered_batch(0, (-1, -1, -1), values),
    }
}

/// A batch with these attributes, of this producer id, epoch and first sequence number.
pub fn numbered_batch(attributes: i16, producer: (i64, i16, i32), values: &[&str]) -> Bytes {
    let (producer_id, epoch, first) = producer;
    let now = Timestamp::now().as_millis();
    let count = values.len() as i32;
    let mut body = BytesMut::new();
    body.put_i16(attributes);
    body.put_i32(count - 1);
    body.put_i64(now);
    body.put_i64(now);
    body.put_i64(producer_id);
    body.put_i16(epoch);
    body.put_i32(first);
    body.put_i32(count);
    for (delta, value) in values.iter().enumerate() {
        // Attributes, timestamp and offset since the first; no key; the value; no headers.
        let mut record = BytesMut::new();
        record.put_u8(0);
        put_varint(&mut record, 0);
        put_varint(&mut record, delta as i32);
        put_varint(&mut record, -1);
        put_varint(&mut record, value.len() as i32);
        record.put_slice(value.as_bytes());
        put_varint(&mut record, 0);
        put_varint(&mut body, record.len() as i32);
        body.put_slice(&record);
    }
    let mut batch = BytesMut::new();
    batch.put_i64(0);
    // Counts from the leader epoch on.
    batch.put_i32(4 + 1 + 4 + body.len() as i32);
    batch.put_i32(-1);
    batch.put_i8(2);
    batch.put_u32(crc32c::crc32c(&body));
    batch.put_slice(&body);
    batch.freeze()
}

fn put_varint(dst: &mut BytesMut, value: i32) {
    let mut left = ((value << 1) ^ (value >> 31)) as u32;
    while left >= 0x80 {
        dst.put_u8(left as u8 | 0x80);
        left >>= 7;
    }
    dst.put_u8(left as u8);
}
