//! Encoding and decoding of the messages that cost: a produced and a fetched frame, and the
//! metadata of many partitions. `cargo bench --bench codec`

#![allow(missing_docs, reason = "of the function that `criterion_group` makes")]
#![allow(clippy::unwrap_used, reason = "a benchmark that fails should say where")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kafkio::protocol::Request;
use kafkio::protocol::messages::fetch::{
    FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use kafkio::protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use kafkio::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafkio::wire::{Output, Wire};

/// As much as a fetch brings of a partition by default.
const RECORDS: Bytes = Bytes::from_static(&[7; 1 << 20]);
const PARTITIONS: i32 = 8;

fn fetch_response() -> FetchResponse {
    let partition = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1_000_000,
        aborted_transactions: Some(Vec::new()),
        records: Some(RECORDS),
        ..PartitionData::default()
    };
    FetchResponse {
        session_id: 1,
        responses: vec![FetchableTopicResponse {
            partitions: (0..PARTITIONS).map(partition).collect(),
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    }
}

fn produce_request() -> ProduceRequest {
    let partition = |index| PartitionProduceData {
        index,
        records: Some(RECORDS),
        ..PartitionProduceData::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            partition_data: (0..PARTITIONS).map(partition).collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

fn metadata_response() -> MetadataResponse {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: partition_index % 3,
        leader_epoch: 4,
        replica_nodes: vec![0, 1, 2],
        isr_nodes: vec![0, 1, 2],
        ..MetadataResponsePartition::default()
    };
    let topic = |number| MetadataResponseTopic {
        name: Some(format!("topic-{number}")),
        partitions: (0..100).map(partition).collect(),
        ..MetadataResponseTopic::default()
    };
    let broker = |node_id| MetadataResponseBroker {
        node_id,
        host: format!("broker-{node_id}.kafka.example"),
        port: 9092,
        ..MetadataResponseBroker::default()
    };
    MetadataResponse {
        brokers: (0..3).map(broker).collect(),
        cluster_id: Some("5L6g3nShT-eMCtK--X86sw".into()),
        topics: (0..10).map(topic).collect(),
        ..MetadataResponse::default()
    }
}

/// Measures both ways of `message`, in the newest version of `R`.
fn both_ways<R: Request, M: Wire>(criterion: &mut Criterion, name: &str, message: &M) {
    let version = R::version(*R::VERSIONS.end());
    let encoded = message.to_bytes(version).unwrap();

    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(encoded.len() as u64));
    let mut buffer = Output::with_capacity(encoded.len());
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            message.encode(&mut buffer, version).unwrap();
            black_box(buffer.len())
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| M::decode(&mut black_box(encoded.clone()), version).unwrap());
    });
    group.finish();
}

fn codec(criterion: &mut Criterion) {
    both_ways::<FetchRequest, _>(criterion, "fetch response, 8 MiB", &fetch_response());
    both_ways::<ProduceRequest, _>(criterion, "produce request, 8 MiB", &produce_request());
    both_ways::<MetadataRequest, _>(criterion, "metadata, 1000 partitions", &metadata_response());
}

criterion_group!(benches, codec);
criterion_main!(benches);
