//! The reader against an in-process cluster that misbehaves, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

#[path = "support/numbers.rs"]
mod numbers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{FutureExt, StreamExt, TryStreamExt};
use kafkio::protocol::messages::fetch::FetchRequest;
use kafkio::protocol::messages::list_offsets::ListOffsetsRequest;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{Client, End, ErrorKind, Message, OutOfRange, Reader, Record, Start, Timestamp};
use numbers::{fill, number, read_numbers};
use tokio::time::{Instant, timeout};

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory()
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().connect().await.unwrap()
}

/// A v2 batch as a broker stores it, with the offset of its end chosen freely.
fn batch(base: i64, attributes: i16, last_offset_delta: i32, records: &[&[u8]]) -> BytesMut {
    let mut body = BytesMut::new();
    for (delta, value) in (0u8..).zip(records) {
        let length = u8::try_from(value.len()).unwrap();
        let mut record = BytesMut::new();
        record.put_slice(&[0, 0, delta * 2, 1, length * 2]);
        record.put_slice(value);
        record.put_u8(0);
        body.put_u8(u8::try_from(record.len() * 2).unwrap());
        body.put(record);
    }
    let mut checked = BytesMut::new();
    checked.put_i16(attributes);
    checked.put_i32(last_offset_delta);
    checked.put_i64(1_000);
    checked.put_i64(1_000);
    checked.put_i64(-1);
    checked.put_i16(-1);
    checked.put_i32(-1);
    checked.put_i32(i32::try_from(records.len()).unwrap());
    checked.put(body);
    let mut batch = BytesMut::new();
    batch.put_i64(base);
    batch.put_i32(i32::try_from(checked.len() + 9).unwrap());
    batch.put_i32(0);
    batch.put_i8(2);
    batch.put_u32(crc32c::crc32c(&checked));
    batch.put(checked);
    batch
}

#[test]
fn a_reader_can_be_moved_anywhere() {
    fn check<T: Unpin + Send + 'static>() {}
    fn shared<T: Send + Sync + Clone + 'static>() {}
    check::<Reader>();
    shared::<Message>();
}

#[tokio::test(start_paused = true)]
async fn a_leader_moves_and_nothing_is_lost_or_repeated() {
    let cluster = cluster().brokers(3).topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    for round in 0..6usize {
        fill(&cluster, "t", 0, round * 10..round * 10 + 10);
        assert_eq!(
            read_numbers(&mut reader, 5).await,
            (round * 10..round * 10 + 5).collect::<Vec<_>>()
        );
        let brokers = cluster.brokers();
        cluster.move_leader("t", 0, brokers[round % brokers.len()]);
        let rest = read_numbers(&mut reader, 5).await;
        assert_eq!(rest, (round * 10 + 5..round * 10 + 10).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_goes_and_comes_back() {
    let cluster = cluster().brokers(1).topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..10);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await, (0..10).collect::<Vec<_>>());
    let broker = cluster.brokers()[0];
    cluster.stop_broker(broker);
    assert!(timeout(Duration::from_secs(20), reader.next()).await.is_err(), "no error either");
    cluster.start_broker(broker);
    fill(&cluster, "t", 0, 10..20);
    assert_eq!(read_numbers(&mut reader, 10).await, (10..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_cut_at_every_byte_of_an_answer() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..3);
    for cut in 0..200 {
        cluster.once(ApiKey::FETCH, move |_| Fault::Cut(cut)).keep();
        let mut reader = client.reader().topic("t").build().await.unwrap();
        assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2], "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_that_pass_are_not_shown() {
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::LEADER_NOT_AVAILABLE,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::REPLICA_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::UNKNOWN_SERVER_ERROR,
    ] {
        let cluster = cluster().topic("t", 1).start().await.unwrap();
        let client = client(&cluster).await;
        fill(&cluster, "t", 0, 0..3);
        cluster.fail_next(ApiKey::FETCH, [code, code]);
        let mut reader = client.reader().topic("t").build().await.unwrap();
        assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_stays_is_an_item_and_a_seek_goes_on() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..3);
    cluster.fail_next(ApiKey::FETCH, [ErrorCode::TOPIC_AUTHORIZATION_FAILED]);
    let mut reader = client.reader().partitions("t", [0]).build().await.unwrap();
    let error = reader.next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(error.to_string().starts_with("fetch from t[0]"), "{error}");
    assert!(timeout(Duration::from_secs(60), reader.next()).await.is_err(), "it waits for a seek");
    reader.handle().seek("t", 0, Start::Offset(1)).unwrap();
    assert_eq!(read_numbers(&mut reader, 2).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn records_that_were_deleted_are_skipped_or_reported() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..10);
    cluster.delete_records("t", 0, 6);
    let at = |policy| {
        let builder = client.reader().topic("t").start(Start::Offset(2));
        builder.on_out_of_range(policy).build()
    };
    let mut earliest = at(OutOfRange::Earliest).await.unwrap();
    assert_eq!(read_numbers(&mut earliest, 4).await, [6, 7, 8, 9]);
    let mut error = at(OutOfRange::Error).await.unwrap();
    let failed = error.next().await.unwrap().unwrap_err();
    assert_eq!(failed.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    let mut latest = at(OutOfRange::Latest).await.unwrap();
    assert!(timeout(Duration::from_secs(5), latest.next()).await.is_err());
    fill(&cluster, "t", 0, 10..11);
    assert_eq!(read_numbers(&mut latest, 1).await, [10]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_batch_stops_its_partition_and_no_other() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..2);
    let mut damaged = batch(2, 0, 0, &[b"2"]);
    *damaged.last_mut().unwrap() ^= 1;
    cluster.append_raw("t", 0, damaged.freeze());
    fill(&cluster, "t", 0, 3..6);
    fill(&cluster, "t", 1, 100..103);
    let reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    let (mut good, mut errors) = (Vec::new(), 0);
    let mut items = reader.take_until(Box::pin(tokio::time::sleep(Duration::from_secs(30))));
    while let Some(item) = items.next().await {
        match item {
            Ok(message) => good.push(number(&message)),
            Err(error) => {
                assert!(error.to_string().contains("t[0] at offset 2"), "{error}");
                errors += 1;
            }
        }
    }
    good.sort_unstable();
    assert_eq!((good, errors), (vec![0, 1, 100, 101, 102], 1), "nothing behind the damage");
    handle.seek("t", 0, Start::Offset(3)).unwrap();
    let mut reader = items.into_inner();
    assert_eq!(read_numbers(&mut reader, 3).await, [3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn gaps_and_markers_move_the_position() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    // Two records left of ten, none left of five, and the marker of a transaction.
    cluster.append_raw("t", 0, batch(0, 0, 9, &[b"0", b"1"]).freeze());
    cluster.append_raw("t", 0, batch(10, 0, 4, &[]).freeze());
    cluster.append_raw("t", 0, batch(15, 0x30, 0, &[b"m"]).freeze());
    fill(&cluster, "t", 0, 2..3);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    let offsets = reader.by_ref().take(3).map_ok(|m| (number(&m), m.offset()));
    assert_eq!(offsets.try_collect::<Vec<_>>().await.unwrap(), [(0, 0), (1, 1), (2, 16)]);
    assert_eq!(handle.position("t", 0), Some(17));
    assert_eq!(handle.lag("t", 0), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_range_of_gaps_and_markers_ends() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    cluster.append_raw("t", 0, batch(0, 0, 9, &[b"0", b"1"]).freeze());
    cluster.append_raw("t", 0, batch(10, 0, 4, &[]).freeze());
    cluster.append_raw("t", 0, batch(15, 0x30, 0, &[b"m"]).freeze());
    let end = |end| client.reader().topic("t").end(end).build();
    for (to, count) in [(1, 1), (2, 2), (5, 2), (12, 2), (16, 2)] {
        let reader = end(End::Offset(to)).await.unwrap();
        let handle = reader.handle();
        let read = timeout(Duration::from_secs(60), reader.count()).await.expect("no end");
        assert_eq!((read, handle.position("t", 0)), (count, Some(to)), "to {to}");
    }
    let latest = end(End::Latest).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(60), latest.count()).await.expect("no end"), 2);
    let inside = client.reader().topic("t").start(Start::Offset(12)).end(End::Offset(14));
    let inside = inside.build().await.unwrap().batches();
    let batches: Vec<_> = inside.try_collect().await.unwrap();
    assert!(batches.iter().all(kafkio::Batch::is_empty), "{batches:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seek_drops_what_was_buffered() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..50);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
    for to in [40usize, 7, 0, 49, 20] {
        let start = Start::Offset(i64::try_from(to).unwrap());
        handle.seek("t", 0, start).unwrap();
        assert_eq!(handle.position("t", 0), Some(i64::try_from(to).unwrap()));
        assert_eq!(read_numbers(&mut reader, 1).await, [to]);
    }
    handle.seek("t", 0, Start::Earliest).unwrap();
    assert_eq!(read_numbers(&mut reader, 50).await, (0..50).collect::<Vec<_>>());
    assert!(handle.seek("t", 7, Start::Earliest).is_err());
    assert!(handle.seek("t", 0, Start::Offset(-1)).is_err());
}

#[tokio::test(start_paused = true)]
async fn close_wakes_who_waits() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    let closing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        handle.close();
    };
    let (end, ()) = tokio::join!(reader.next(), closing);
    assert!(end.is_none());
    assert!(reader.next().await.is_none());
    assert!(handle.seek("t", 0, Start::Earliest).is_err());
    reader.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_broker_holds_up_nobody() {
    let cluster = cluster().brokers(2).topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    assert_ne!(cluster.leader("t", 0), cluster.leader("t", 1));
    fill(&cluster, "t", 0, 0..500);
    let began = Instant::now();
    // Small fetches: a client that waits for all brokers would take half a second for each.
    let mut reader = client.reader().topic("t").partition_max_bytes(1_000).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 500).await.len(), 500);
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_cancels_next_slows_nothing_down() {
    let cluster = cluster().brokers(2).topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    fill(&cluster, "t", 0, 0..100);
    let mut seen = Vec::new();
    let began = Instant::now();
    while seen.len() < 100 {
        if let Ok(message) = timeout(Duration::from_millis(1), reader.next()).await {
            seen.push(number(&message.unwrap().unwrap()));
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{} messages", seen.len());
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_fetches_no_more_than_its_budget() {
    let cluster = cluster().brokers(2).topic("t", 4).start().await.unwrap();
    let client = client(&cluster).await;
    let writer = client.writer().topic("t").build().await.unwrap();
    for n in 0..400 {
        let record = Record::new(Bytes::from(vec![0; 10_000])).partition(n % 4);
        writer.send(record).await.unwrap().await.unwrap();
    }
    writer.close().await.unwrap();
    let before = cluster.bytes_sent();
    let mut reader = client
        .reader()
        .topic("t")
        .buffer_bytes(400_000)
        .partition_max_bytes(50_000)
        .build()
        .await
        .unwrap();
    reader.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let fetched = cluster.bytes_sent() - before;
    assert!(
        (100_000..500_000).contains(&fetched),
        "{fetched} bytes for a reader that stands still"
    );
    let rest = reader.take(399).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(rest.len(), 399);
    let fetched = cluster.bytes_sent() - before;
    assert!(fetched < 4_200_000, "{fetched} bytes for 4 000 000");
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_are_read_from_their_beginning() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = cluster.client().metadata_max_age(Duration::from_secs(5)).connect().await.unwrap();
    let reader = client.reader().topic("t").start(Start::Latest);
    let mut reader = reader.build().await.unwrap();
    assert!(reader.next().now_or_never().is_none());
    cluster.add_partitions("t", 3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    fill(&cluster, "t", 2, 0..3);
    assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_is_read_from_its_beginning() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..10);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    fill(&cluster, "t", 0, 100..103);
    let item = timeout(Duration::from_secs(60), reader.next()).await.expect("no stall").unwrap();
    let error = item.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss);
    assert!(error.to_string().starts_with("t[0]: the topic was deleted"), "{error}");
    assert_eq!(read_numbers(&mut reader, 3).await, [100, 101, 102]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_is_an_error_in_time() {
    let cluster = cluster().start().await.unwrap();
    let client = client(&cluster).await;
    let began = Instant::now();
    let reader = client.reader().topic("nowhere").topic_timeout(Duration::from_secs(3));
    let error = reader.build().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(began.elapsed() <= Duration::from_secs(4));
    let late = client.reader().topic("late").build();
    let create = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.create_topic("late", 1);
    };
    let (reader, ()) = tokio::join!(late, create);
    drop(reader.unwrap());
}

/// The old leader answers, and then its address swallows everything: what it answered must not be
/// overtaken by what the new leader has.
#[tokio::test(start_paused = true)]
async fn a_new_leader_does_not_overtake_the_old_one() {
    let cluster = cluster().brokers(2).replication_factor(2).topic("t", 1).topic("u", 1);
    let cluster = Arc::new(cluster.start().await.unwrap());
    let (old, new) = (cluster.brokers()[0], cluster.brokers()[1]);
    cluster.move_leader("t", 0, old);
    cluster.move_leader("u", 0, new);
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..6);
    let dying = Arc::new(AtomicBool::new(false));
    let flag = dying.clone();
    cluster
        .on(ApiKey::FETCH, move |call| {
            let request = call.request::<FetchRequest>();
            let offset = request.topics[0].partitions[0].fetch_offset;
            if call.broker == old && offset == 2 && !flag.swap(true, Ordering::SeqCst) {
                return Fault::Cut(1 << 20);
            }
            Fault::Pass
        })
        .keep();
    let flag = dying.clone();
    cluster
        .on(ApiKey::API_VERSIONS, move |call| {
            let is_dead = call.broker == old && flag.load(Ordering::SeqCst);
            if is_dead { Fault::Hang } else { Fault::Pass }
        })
        .keep();
    let mut reader = client.reader().topic("t").max_bytes(1).build().await.unwrap();
    let moving = async {
        while !dying.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cluster.move_leader("t", 0, new);
        // Somebody else lets the client hear of it.
        drop(client.reader().topic("u").build().await.unwrap());
    };
    let began = Instant::now();
    let (numbers, ()) = tokio::join!(read_numbers(&mut reader, 6), moving);
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_partition_whose_start_is_not_known_holds_up_no_other() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..1);
    let refuse = cluster.on(ApiKey::LIST_OFFSETS, |call| {
        call.edit::<ListOffsetsRequest>(|response| {
            let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions.filter(|partition| partition.partition_index == 1) {
                partition.error_code = ErrorCode::OFFSET_NOT_AVAILABLE.0;
            }
        })
    });
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let began = Instant::now();
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    drop(refuse);
    fill(&cluster, "t", 1, 1..2);
    assert_eq!(read_numbers(&mut reader, 1).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_an_offset_is_asked_again_and_not_at_once() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let _lie = cluster.on(ApiKey::LIST_OFFSETS, move |call| {
        count.fetch_add(1, Ordering::SeqCst);
        call.edit::<ListOffsetsRequest>(|response| {
            for topic in &mut response.topics {
                topic.partitions.iter_mut().for_each(|partition| partition.offset = -1);
            }
        })
    });
    let mut reader = client.reader().topic("t").start(Start::Latest).build().await.unwrap();
    assert!(timeout(Duration::from_secs(10), reader.next()).await.is_err());
    let asked = asked.load(Ordering::SeqCst);
    assert!((5..30).contains(&asked), "{asked} lookups in 10 s");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_taken_is_an_error_and_no_loop() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = cluster.client().max_frame_size(2_000).connect().await.unwrap();
    let writer = client.writer().topic("t").build().await.unwrap();
    writer.send(vec![1; 5_000]).await.unwrap().await.unwrap();
    cluster.clear_requests();
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let error =
        timeout(Duration::from_secs(60), reader.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(timeout(Duration::from_secs(600), reader.next()).await.is_err());
    let fetches = cluster.requests().iter().filter(|it| it.api_key == ApiKey::FETCH).count();
    assert!(fetches < 5, "{fetches} fetches");
}

#[tokio::test(start_paused = true)]
async fn times_before_1970_are_no_special_offsets() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    fill(&cluster, "t", 0, 0..3);
    let start = Start::Timestamp(Timestamp::from_millis(-1));
    let mut reader = client.reader().topic("t").start(start).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_where_topics_have_no_ids_goes_on() {
    let cluster = cluster().brokers(2).replication_factor(2).kafka_version("2.4.0").topic("t", 1);
    let cluster = cluster.start().await.unwrap();
    let client = client(&cluster).await;
    for broker in cluster.brokers().repeat(2) {
        cluster.move_leader("t", 0, broker);
    }
    fill(&cluster, "t", 0, 0..1);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    cluster.delete_topic("t");
    tokio::time::sleep(Duration::from_secs(10)).await;
    cluster.create_topic("t", 1);
    cluster.append("t", 0, [Record::new("10"), Record::new("11")]);
    assert_eq!(read_numbers(&mut reader, 1).await, [11]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_marker_is_an_error_too() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let mut damaged = batch(0, 0x30, 0, &[b"m"]);
    *damaged.last_mut().unwrap() ^= 1;
    cluster.append_raw("t", 0, damaged.freeze());
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let error = reader.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Record);
}

#[tokio::test(start_paused = true)]
async fn handles_that_outlive_their_reader_are_told() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    let client = client(&cluster).await;
    let reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    drop(reader);
    assert_eq!(handle.seek("t", 0, Start::Earliest).unwrap_err().kind(), ErrorKind::Closed);
}
