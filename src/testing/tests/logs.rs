//! What is written to logs and read from them.

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use super::*;
use crate::protocol::messages::fetch::FetchRequest;
use crate::protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::testing::batch::{Header, is_intact};

#[tokio::test(start_paused = true)]
async fn what_is_produced_is_fetched_at_its_offsets() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    for (version, base) in [(3, 0), (8, 3), (12, 6)] {
        let produced = broker.produce(version, batch(3, 1000, 10)).await;
        assert_eq!((code(produced.error_code), produced.base_offset), (ErrorCode::NONE, base));
    }
    let size = batch(3, 1000, 10).len();
    for version in 4..=12 {
        let fetched = broker.fetch(version, 4).await;
        assert_eq!(fetched.high_watermark, 9);
        assert_eq!(layout(&fetched), [(3, size), (6, size)], "the batch that 4 is in comes whole");
        assert!(is_intact(&fetched.records.unwrap()[..size]));
    }
    assert_eq!(cluster.offsets("t", 0), Some((0, 9)));
    assert_eq!(layout(&broker.fetch(12, 9).await), []);
}

#[tokio::test(start_paused = true)]
async fn topics_have_ids() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let id = broker.metadata(12, &["t"]).await.topics[0].topic_id;
    let mut request = produce("", 0, batch(1, 0, 1));
    request.topic_data[0].topic_id = id;
    let produced = broker.call(13, &request).await;
    assert_eq!(produced.responses[0].topic_id, id);
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 0);
    let mut request = fetch("", 0, 0);
    for (topic_id, expected) in [(id, ErrorCode::NONE), (Uuid(7), ErrorCode::UNKNOWN_TOPIC_ID)] {
        request.topics[0].topic_id = topic_id;
        for version in 13..=18 {
            let fetched = first(broker.call(version, &request).await);
            assert_eq!(code(fetched.error_code), expected);
        }
    }
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    assert_ne!(broker.metadata(12, &["t"]).await.topics[0].topic_id, id);
}

#[tokio::test(start_paused = true)]
async fn broken_batches_are_refused() {
    let cluster = start(FakeCluster::builder().topic("t", 1).message_max_bytes(500)).await;
    let mut broker = Connection::open(&cluster, 0);
    let good = batch(2, 0, 10);
    let change = |at: usize, byte: u8, fix: bool| {
        let mut bytes = BytesMut::from(&*good);
        bytes[at] = byte;
        if fix {
            crate::testing::batch::set_checksum(&mut bytes, 2);
        }
        bytes.freeze()
    };
    let twice = Bytes::from([&*good, &*good].concat());
    let cases = [
        (change(70, 0xff, false), ErrorCode::CORRUPT_MESSAGE),
        (good.slice(..80), ErrorCode::CORRUPT_MESSAGE),
        (change(8, 0xff, false), ErrorCode::CORRUPT_MESSAGE),
        (change(16, 9, false), ErrorCode::CORRUPT_MESSAGE),
        (message(1, 0, 0, 0, b"v"), ErrorCode::INVALID_RECORD),
        (Bytes::new(), ErrorCode::INVALID_RECORD),
        (twice, ErrorCode::INVALID_RECORD),
        (change(26, 5, true), ErrorCode::INVALID_RECORD),
        (change(22, 0x20, true), ErrorCode::INVALID_RECORD),
        (batch(1, 0, 500), ErrorCode::MESSAGE_TOO_LARGE),
    ];
    for (records, expected) in cases {
        let produced = broker.produce(8, records).await;
        assert_eq!((code(produced.error_code), produced.base_offset), (expected, -1));
        assert!(produced.error_message.is_some());
    }
    let zstd = change(22, 4, true);
    let produced = broker.produce(6, zstd).await;
    assert_eq!(code(produced.error_code), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(cluster.offsets("t", 0), Some((0, 0)));
    assert_eq!(broker.produce(8, good).await.error_code, 0);
}

#[tokio::test(start_paused = true)]
async fn acks() {
    let builder = FakeCluster::builder().brokers(2).topic("t", 1);
    let cluster = start(builder.topic_config("t", "min.insync.replicas", "2")).await;
    let mut broker = Connection::open(&cluster, 0);
    let mut request = produce("t", 0, batch(1, 0, 1));
    request.acks = 2;
    let refused = broker.call(9, &request).await;
    let refused = code(refused.responses[0].partition_responses[0].error_code);
    assert_eq!(refused, ErrorCode::INVALID_REQUIRED_ACKS);

    // No answer, so the next one is that of the next request.
    request.acks = 0;
    broker.send(9, &request).await;
    broker.received += 1;
    assert_eq!(broker.produce(9, batch(1, 0, 1)).await.base_offset, 1);

    cluster.stop_broker(1);
    let produced = broker.produce(9, batch(1, 0, 1)).await;
    assert_eq!(code(produced.error_code), ErrorCode::NOT_ENOUGH_REPLICAS);

    request.topic_data[0].name = "unknown".to_owned();
    broker.send(9, &request).await;
    assert!(broker.is_cut().await, "an error without an answer ends the connection");
}

#[tokio::test(start_paused = true)]
async fn log_append_time_is_the_brokers() {
    let builder = FakeCluster::builder().topic("t", 1);
    let cluster = start(builder.topic_config("t", "message.timestamp.type", "LogAppendTime")).await;
    let mut broker = Connection::open(&cluster, 0);
    let first = broker.produce(8, batch(2, 5, 1)).await.log_append_time_ms;
    tokio::time::advance(SECOND).await;
    let second = broker.produce(8, batch(2, 5, 1)).await.log_append_time_ms;
    // The brokers' clock is the machine's while that is less than 100 ms away.
    assert!((800..1100).contains(&(second - first)), "{first} {second}");
    let records = broker.fetch(11, 0).await.records.unwrap();
    let header = Header::read(&records).unwrap();
    assert_eq!((header.max_timestamp, records[22]), (first, 0x08));
    assert!(is_intact(&records[..records.len() / 2]));
}

#[tokio::test(start_paused = true)]
async fn old_messages_get_offsets() {
    let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version("0.10.1")).await;
    let mut broker = Connection::open(&cluster, 0);
    let mut set = BytesMut::new();
    set.put(message(1, 0, 0, 50, b"a"));
    set.put(message(1, 0, 0, 60, b"b"));
    let produced = broker.produce(2, set.freeze()).await;
    assert_eq!((produced.error_code, produced.base_offset), (0, 0));
    let produced = broker.produce(2, message(1, 0, 0, 70, b"c")).await;
    assert_eq!(produced.base_offset, 2);
    let fetched = broker.fetch(3, 1).await;
    assert_eq!(layout(&fetched), [(1, 35), (2, 35)]);
    assert!(is_intact(&fetched.records.unwrap()[..35]));
    let produced = broker.produce(2, batch(1, 0, 1)).await;
    assert_eq!(code(produced.error_code), ErrorCode::CORRUPT_MESSAGE, "not known yet");
}

#[cfg(feature = "gzip")]
#[tokio::test(start_paused = true)]
async fn compressed_old_messages_are_counted() {
    use crate::record::Compression;

    let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version("0.10.1")).await;
    let mut broker = Connection::open(&cluster, 0);
    for magic in [0, 1] {
        let start = cluster.offsets("t", 0).unwrap().1;
        let mut inner = BytesMut::new();
        for n in 0..3 {
            inner.put(message(magic, 0, n, 70, b"value"));
        }
        let mut value = BytesMut::new();
        Compression::gzip().compress(&inner, magic, &mut value).unwrap();
        let produced = broker.produce(2, message(magic, 1, 2, 70, &value)).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, start));
        assert_eq!(cluster.offsets("t", 0), Some((0, start + 3)));

        let fetched = broker.fetch(3, start + 1).await;
        let records = fetched.records.clone().unwrap();
        assert_eq!(layout(&fetched), [(start + 2, records.len())]);
        assert!(is_intact(&records));
        let at = crate::testing::batch::legacy_value_at(&records, magic).unwrap();
        let inner = Compression::gzip().decompress(&records.slice(at..), magic, 1000).unwrap();
        let first = if magic == 0 { start } else { 0 };
        assert_eq!(inner[..8], first.to_be_bytes(), "absolute in format 0, relative in format 1");
    }
}

#[tokio::test(start_paused = true)]
async fn batches_do_not_fit_old_fetches() {
    let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version("2.7")).await;
    let mut broker = Connection::open(&cluster, 0);
    assert_eq!(broker.fetch(3, 0).await.error_code, 0);
    broker.produce(8, batch(1, 0, 1)).await;
    let fetched = broker.fetch(3, 0).await;
    assert_eq!(code(fetched.error_code), ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT);
}

#[tokio::test(start_paused = true)]
async fn byte_limits() {
    let cluster = start(FakeCluster::builder().topic("t", 2)).await;
    let mut broker = Connection::open(&cluster, 0);
    let size = batch(1, 0, 1000).len();
    for partition in [0, 0, 0, 1] {
        broker.call(9, &produce("t", partition, batch(1, 0, 1000))).await;
    }
    let mut request = fetch("t", 0, 0);
    let second = request.topics[0].partitions[0].clone();
    request.topics[0].partitions.push(second);
    request.topics[0].partitions[1].partition = 1;
    let sizes = |response: FetchResponse| -> Vec<usize> {
        let partitions = response.responses[0].partitions.iter();
        partitions.map(|it| it.records.as_ref().unwrap().len()).collect()
    };
    for (total, each, expected) in [
        (1 << 20, 1 << 20, [3 * size, size]),
        (1 << 20, 2 * size + 1, [2 * size, size]),
        (2 * size, 1 << 20, [2 * size, 0]),
        (3 * size + 1, 1 << 20, [3 * size, 0]),
        (1, 1, [size, 0]),
        (1 << 20, 1, [size, 0]),
    ] {
        request.max_bytes = total.try_into().unwrap();
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = each.try_into().unwrap();
        }
        assert_eq!(sizes(broker.call(12, &request).await), expected, "{total} {each}");
    }
    // The first partition with data gets its batch, not the first of the request.
    request.topics[0].partitions[0].fetch_offset = 3;
    assert_eq!(sizes(broker.call(12, &request).await), [0, size]);
}

#[tokio::test(start_paused = true)]
async fn batches_can_be_cut_like_files() {
    let cluster = start(FakeCluster::builder().topic("t", 1).cut_batches(true)).await;
    let mut broker = Connection::open(&cluster, 0);
    let size = batch(1, 0, 1000).len();
    broker.produce(9, batch(1, 0, 1000)).await;
    broker.produce(9, batch(1, 0, 1000)).await;
    let mut request = fetch("t", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = i32::try_from(size).unwrap() + 7;
    let fetched = first(broker.call(12, &request).await);
    assert_eq!(fetched.records.unwrap().len(), size + 7);
    request.topics[0].partitions[0].partition_max_bytes = 7;
    assert_eq!(layout(&first(broker.call(12, &request).await)), [(0, size)], "one whole");
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_data_or_time() {
    let cluster = small().await;
    let mut waiting = Connection::open(&cluster, 0);
    let mut broker = Connection::open(&cluster, 0);
    let request = FetchRequest { max_wait_ms: 500, min_bytes: 1, ..fetch("t", 0, 0) };
    let start = Instant::now();
    assert_eq!(layout(&first(waiting.call(12, &request).await)), []);
    assert_eq!(start.elapsed().as_millis(), 500);

    waiting.send(12, &request).await;
    tokio::time::sleep(SECOND / 5).await;
    // Another connection goes on meanwhile.
    broker.produce(9, batch(1, 0, 10)).await;
    assert_eq!(layout(&first(waiting.receive::<FetchRequest>(12).await.unwrap())).len(), 1);
    assert_eq!(start.elapsed().as_millis(), 700);

    // Less than was asked for does not end it.
    let size = i32::try_from(batch(1, 0, 10).len()).unwrap();
    let request = FetchRequest { min_bytes: 3 * size, ..request };
    waiting.send(12, &request).await;
    broker.produce(9, batch(1, 0, 10)).await;
    tokio::time::sleep(SECOND / 5).await;
    broker.produce(9, batch(1, 0, 10)).await;
    assert_eq!(layout(&first(waiting.receive::<FetchRequest>(12).await.unwrap())).len(), 3);
    assert_eq!(start.elapsed().as_millis(), 900);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_ends_a_long_poll_too() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    broker.produce(9, batch(1, 0, 1000)).await;
    broker.produce(9, batch(1, 0, 1000)).await;
    let start = Instant::now();
    let mut request =
        FetchRequest { max_wait_ms: 500, min_bytes: 1500, max_bytes: 1500, ..fetch("t", 0, 0) };
    assert_eq!(layout(&first(broker.call(12, &request).await)).len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
    request.topics[0].partitions[0].fetch_offset = 1;
    assert_eq!(layout(&first(broker.call(12, &request).await)).len(), 1);
    assert_eq!(start.elapsed().as_millis(), 500, "1000 bytes are too few");
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_its_leader() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    let mut waiting = Connection::open(&cluster, 0);
    let mut request = FetchRequest { max_wait_ms: 5000, min_bytes: 1, ..fetch("t", 0, 0) };
    request.topics[0].partitions[0].current_leader_epoch = 0;
    let start = Instant::now();
    waiting.send(12, &request).await;
    tokio::time::sleep(SECOND).await;
    cluster.move_leader("t", 0, 1);
    let fetched = first(waiting.receive::<FetchRequest>(12).await.unwrap());
    assert_eq!(code(fetched.error_code), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn answers_keep_the_order_of_requests() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let request = FetchRequest { max_wait_ms: 500, min_bytes: 1, ..fetch("t", 0, 0) };
    let start = Instant::now();
    broker.send(12, &request).await;
    broker.send(9, &produce("t", 0, batch(1, 0, 1))).await;
    assert_eq!(layout(&first(broker.receive::<FetchRequest>(12).await.unwrap())), []);
    assert_eq!(start.elapsed().as_millis(), 500, "the produce waited behind the fetch");
    assert!(broker.receive::<ProduceRequest>(9).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn offsets_out_of_range() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    for _ in 0..4 {
        broker.produce(9, batch(5, 0, 1)).await;
    }
    cluster.delete_records("t", 0, 7);
    for (offset, expected) in [
        (-1, ErrorCode::OFFSET_OUT_OF_RANGE),
        (6, ErrorCode::OFFSET_OUT_OF_RANGE),
        (7, ErrorCode::NONE),
        (20, ErrorCode::NONE),
        (21, ErrorCode::OFFSET_OUT_OF_RANGE),
    ] {
        assert_eq!(code(broker.fetch(12, offset).await.error_code), expected, "{offset}");
    }
    let fetched = broker.fetch(12, 7).await;
    assert_eq!((fetched.log_start_offset, layout(&fetched)[0].0), (7, 5));
    assert_eq!(cluster.offsets("t", 0), Some((7, 20)));
}

#[tokio::test(start_paused = true)]
async fn raw_batches_stay_as_they_are() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let mut gap = BytesMut::from(&*batch(2, 0, 1));
    crate::testing::batch::set_offset(&mut gap, 10);
    cluster.append_raw("t", 0, gap.clone());
    cluster.append_raw("t", 0, Bytes::from_static(b"damaged"));
    assert_eq!(cluster.offsets("t", 0), Some((0, 13)));
    let fetched = broker.fetch(12, 3).await.records.unwrap();
    assert_eq!(fetched, [&*gap, b"damaged"].concat());
    assert_eq!(broker.produce(9, batch(1, 0, 1)).await.base_offset, 13);
}

#[tokio::test(start_paused = true)]
async fn leader_epochs() {
    let cluster = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    let mut broker = Connection::open(&cluster, 0);
    broker.produce(9, batch(4, 0, 1)).await;
    cluster.move_leader("t", 0, 1);
    cluster.move_leader("t", 0, 0);
    broker.produce(9, batch(2, 0, 1)).await;
    assert_eq!(cluster.leader_epoch("t", 0), Some(2));
    let records = broker.fetch(12, 4).await.records.unwrap();
    assert_eq!(records[12..16], 2i32.to_be_bytes());

    let mut request = fetch("t", 0, 0);
    for (epoch, expected) in [
        (1, ErrorCode::FENCED_LEADER_EPOCH),
        (2, ErrorCode::NONE),
        (3, ErrorCode::UNKNOWN_LEADER_EPOCH),
    ] {
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        assert_eq!(code(first(broker.call(12, &request).await).error_code), expected);
    }

    let mut end_of = async |leader_epoch| {
        let partition = OffsetForLeaderPartition { leader_epoch, ..Default::default() };
        let topic = OffsetForLeaderTopic {
            topic: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() };
        let found = only(only(broker.call(4, &request).await.topics).partitions);
        assert_eq!(found.error_code, 0);
        (found.leader_epoch, found.end_offset)
    };
    assert_eq!(end_of(0).await, (0, 4));
    assert_eq!(end_of(1).await, (0, 4), "nothing was written in epoch 1");
    assert_eq!(end_of(2).await, (2, 6));
    assert_eq!(end_of(3).await, (-1, -1));

    // The log loses a part of epoch 2; what was read in it diverges.
    cluster.truncate("t", 0, 4);
    assert_eq!(cluster.offsets("t", 0), Some((0, 4)));
    let mut request = fetch("t", 0, 6);
    request.topics[0].partitions[0].last_fetched_epoch = 2;
    let diverging = first(broker.call(12, &request).await).diverging_epoch;
    assert_eq!((diverging.epoch, diverging.end_offset), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn offsets_by_name() {
    let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version("3.9")).await;
    let mut broker = Connection::open(&cluster, 0);
    broker.produce(9, batch(5, 100, 1)).await;
    broker.produce(9, batch(5, 200, 1)).await;
    cluster.delete_records("t", 0, 2);
    for version in 1..=9 {
        let latest = broker.list_offset(version, -1).await;
        assert_eq!((latest.error_code, latest.offset, latest.timestamp), (0, 10, -1));
        let earliest = broker.list_offset(version, -2).await;
        assert_eq!((earliest.error_code, earliest.offset), (0, 2));
        let expected = if version < 8 { ErrorCode::UNSUPPORTED_VERSION } else { ErrorCode::NONE };
        assert_eq!(code(broker.list_offset(version, -4).await.error_code), expected);
    }
    assert_eq!(broker.list_offset(0, -1).await.old_style_offsets, [10, 2]);
    assert_eq!(broker.list_offset(0, -2).await.old_style_offsets, [2]);
}

#[tokio::test(start_paused = true)]
async fn offsets_by_time() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    broker.produce(9, batch(5, 100, 1)).await;
    cluster.move_leader("t", 0, 0);
    broker.produce(9, batch(5, 200, 1)).await;
    broker.produce(9, batch(5, 150, 1)).await;
    for (time, timestamp, offset, epoch) in [
        (0, 100, 0, 0),
        (102, 102, 2, 0),
        (105, 200, 5, 1),
        (202, 202, 7, 1),
        (-3, 204, 9, 1),
        (205, -1, -1, -1),
    ] {
        let found = broker.list_offset(7, time).await;
        assert_eq!(
            (found.error_code, found.timestamp, found.offset, found.leader_epoch),
            (0, timestamp, offset, epoch),
            "{time}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn records_without_a_client() {
    use crate::record::Record;

    for version in ["0.10.1", "4.3"] {
        let cluster = start(FakeCluster::builder().topic("t", 1).kafka_version(version)).await;
        assert_eq!(cluster.append("t", 0, ["a", "b"].map(Record::new)), 0);
        assert_eq!(cluster.append("t", 0, [Record::new("c").key("k")]), 2);
        let messages = cluster.messages("t", 0);
        let values: Vec<_> = messages.iter().map(|it| (it.offset(), it.value().unwrap())).collect();
        assert_eq!(values, [(0, &b"a"[..]), (1, b"b"), (2, b"c")]);
        cluster.delete_records("t", 0, 1);
        assert_eq!(cluster.messages("t", 0)[0].offset(), 1);
    }
}
