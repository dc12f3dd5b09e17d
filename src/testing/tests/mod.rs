//! Drives the cluster by requests encoded here, over a pipe or a socket, without the crate's own
//! connections.

mod admin;
mod faults;
mod fetch;
mod logs;
mod producers;
mod security;
mod topics;
mod transactions;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{FakeCluster, FakeClusterBuilder};
use crate::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData,
};
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse,
};
use crate::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use crate::protocol::{ErrorCode, Request, RequestHeader};
use crate::transport::Io;
use crate::wire::{Uuid, Wire, varint};

const SECOND: Duration = Duration::from_secs(1);

/// One connection.
struct Connection {
    io: Box<dyn Io>,
    sent: i32,
    received: i32,
}

impl Connection {
    /// To a broker without sockets.
    fn open(cluster: &FakeCluster, broker: i32) -> Self {
        let io = cluster.pipes().open(&format!("broker-{broker}"), 9092).expect("the broker is up");
        Self { io, sent: 0, received: 0 }
    }

    async fn tcp(address: &str) -> Self {
        let io = tokio::net::TcpStream::connect(address).await.unwrap();
        Self { io: Box::new(io), sent: 0, received: 0 }
    }

    async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.sent += 1;
        let header = RequestHeader {
            api_key: R::KEY,
            api_version: version,
            correlation_id: self.sent,
            client_id: Some("test".to_owned()),
        };
        let mut frame = crate::wire::Output::default();
        header.encode::<R>(&mut frame).unwrap();
        request.encode_body(version, &mut frame).unwrap();
        self.io.write_i32(frame.len().try_into().unwrap()).await.unwrap();
        self.io.write_all(&frame.into_bytes()).await.unwrap();
    }

    /// The body after the correlation id, which must be that of the oldest unanswered request;
    /// `None` if the connection ends.
    async fn receive_raw(&mut self) -> Option<Bytes> {
        let length = self.io.read_i32().await.ok()?;
        let mut frame = vec![0; length.try_into().unwrap()];
        self.io.read_exact(&mut frame).await.ok()?;
        let mut frame = Bytes::from(frame);
        self.received += 1;
        let id = i32::decode(&mut frame, R0).unwrap();
        assert_eq!(id, self.received);
        Some(frame)
    }

    async fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let mut frame = self.receive_raw().await?;
        if R::version(version).flexible && R::KEY.0 != 18 {
            assert_eq!(frame.split_to(1)[0], 0, "no tagged fields in the header");
        }
        Some(R::decode_response(version, frame).unwrap())
    }

    async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version).await.expect("an answer")
    }

    async fn produce(&mut self, version: i16, records: Bytes) -> PartitionProduceResponse {
        let request = produce("t", 0, records);
        only(only(self.call(version, &request).await.responses).partition_responses)
    }

    async fn fetch(&mut self, version: i16, from: i64) -> PartitionData {
        let response = self.call(version, &fetch("t", 0, from)).await;
        first(response)
    }

    async fn list_offset(&mut self, version: i16, timestamp: i64) -> ListOffsetsPartitionResponse {
        let partition =
            ListOffsetsPartition { timestamp, max_num_offsets: 9, ..Default::default() };
        let topic = ListOffsetsTopic {
            name: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let request = if version == 0 { request } else { one_offset(request) };
        only(only(self.call(version, &request).await.topics).partitions)
    }

    async fn metadata(&mut self, version: i16, topics: &[&str]) -> MetadataResponse {
        let topics = topics.iter().map(|name| MetadataRequestTopic {
            name: Some((*name).to_owned()),
            ..Default::default()
        });
        let request = MetadataRequest { topics: Some(topics.collect()), ..Default::default() };
        self.call(version, &request).await
    }

    /// Whether the broker closes the connection before it sends anything.
    async fn is_cut(&mut self) -> bool {
        self.io.read_u8().await.is_err()
    }
}

const R0: crate::wire::Version = crate::wire::Version { number: 0, flexible: false };

fn one_offset(mut request: ListOffsetsRequest) -> ListOffsetsRequest {
    request.topics[0].partitions[0].max_num_offsets = 1;
    request
}

fn produce(topic: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let data =
        PartitionProduceData { index: partition, records: Some(records), ..Default::default() };
    let topic = TopicProduceData {
        name: topic.to_owned(),
        partition_data: vec![data],
        ..Default::default()
    };
    ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
}

/// Does not wait.
fn fetch(topic: &str, partition: i32, from: i64) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        fetch_offset: from,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic =
        FetchTopic { topic: topic.to_owned(), partitions: vec![partition], ..Default::default() };
    FetchRequest { topics: vec![topic], ..Default::default() }
}

fn first(mut response: FetchResponse) -> PartitionData {
    assert_eq!((response.error_code, response.session_id), (0, 0));
    response.responses.remove(0).partitions.remove(0)
}

fn only<T>(mut items: Vec<T>) -> T {
    assert_eq!(items.len(), 1);
    items.remove(0)
}

fn code(code: i16) -> ErrorCode {
    ErrorCode(code)
}

/// A batch of version 2 with so many records of `size` bytes, at times from `time` on.
fn batch(count: i32, time: i64, size: usize) -> Bytes {
    let mut records = BytesMut::new();
    for n in 0..count {
        let mut record = BytesMut::new();
        record.put_i8(0);
        varint::put_i64(&mut record, n.into());
        varint::put_i64(&mut record, n.into());
        varint::put_i64(&mut record, -1);
        varint::put_i64(&mut record, size.try_into().unwrap());
        record.put_bytes(b'x', size);
        varint::put_i64(&mut record, 0);
        varint::put_i64(&mut records, record.len().try_into().unwrap());
        records.put(record);
    }
    let mut body = BytesMut::new();
    body.put_i16(0);
    body.put_i32(count - 1);
    body.put_i64(time);
    body.put_i64(time + i64::from(count) - 1);
    body.put_i64(-1);
    body.put_i16(-1);
    body.put_i32(-1);
    body.put_i32(count);
    body.put(records);
    let mut batch = BytesMut::new();
    batch.put_i64(0);
    batch.put_i32((9 + body.len()).try_into().unwrap());
    batch.put_i32(-1);
    batch.put_u8(2);
    batch.put_u32(crc32c::crc32c(&body));
    batch.put(body);
    batch.freeze()
}

/// A message of format 0 or 1.
fn message(magic: u8, codec: u8, offset: i64, time: i64, value: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(magic);
    body.put_u8(codec);
    if magic == 1 {
        body.put_i64(time);
    }
    body.put_i32(-1);
    body.put_i32(value.len().try_into().unwrap());
    body.put_slice(value);
    let mut message = BytesMut::new();
    message.put_i64(offset);
    message.put_i32((4 + body.len()).try_into().unwrap());
    message.put_u32(crc32fast::hash(&body));
    message.put(body);
    message.freeze()
}

/// The offset in front of each batch or message, and its size.
fn layout(data: &PartitionData) -> Vec<(i64, usize)> {
    let mut rest = data.records.clone().unwrap();
    let mut found = Vec::new();
    while rest.len() > 12 {
        let offset = i64::from_be_bytes(rest[..8].try_into().unwrap());
        let size =
            12 + usize::try_from(i32::from_be_bytes(rest[8..12].try_into().unwrap())).unwrap();
        found.push((offset, size));
        let _ = rest.split_to(size.min(rest.len()));
    }
    found
}

async fn start(builder: FakeClusterBuilder) -> FakeCluster {
    builder.in_memory().start().await.unwrap()
}

/// One broker, one topic `t` with one partition, in memory.
async fn small() -> FakeCluster {
    start(FakeCluster::builder().topic("t", 1)).await
}
