//! A transactional producer made by hand, of the calls that such a one sends, and of batches that
//! it makes itself.

use bytes::{BufMut, Bytes, BytesMut};
use kafkio::admin::Target;
use kafkio::protocol::ErrorCode;
use kafkio::protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
};
use kafkio::protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use kafkio::protocol::messages::init_producer_id::InitProducerIdRequest;
use kafkio::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafkio::{Client, Timestamp, TopicPartition};

use super::{coordinated, eventually};

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
        let topics = self.client.metadata([&*at.topic]).await.unwrap();
        let data = PartitionProduceData {
            index: at.partition,
            records: Some(batch(Some((self.producer_id, self.epoch, first)), values)),
            ..Default::default()
        };
        let topic = TopicProduceData {
            name: at.topic.to_string(),
            topic_id: topics.topic(&at.topic).unwrap().id,
            partition_data: vec![data],
            ..Default::default()
        };
        let request = ProduceRequest {
            transactional_id: Some(self.id.clone()),
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        let response = self.client.send(Target::Leader(at.clone()), request).await.unwrap();
        let partition = &response.responses[0].partition_responses[0];
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

/// A batch of format 2, whose records have values and nothing else; in a transaction, of this
/// producer id, epoch and first sequence number.
pub fn batch(transaction: Option<(i64, i16, i32)>, values: &[&str]) -> Bytes {
    const TRANSACTIONAL: i16 = 1 << 4;
    let (producer_id, epoch, first) = transaction.unwrap_or((-1, -1, -1));
    let now = Timestamp::now().as_millis();
    let count = values.len() as i32;
    let mut body = BytesMut::new();
    body.put_i16(if transaction.is_some() { TRANSACTIONAL } else { 0 });
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
