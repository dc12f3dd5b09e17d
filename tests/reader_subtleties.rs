//! What other clients had to learn the hard way, each with its test, under paused time.
//!
//! | what | tests here; others |
//! |---|---|
//! | positions (13) | `a_batch_may_begin_before_the_position`, `a_batch_that_is_cut_off_is_no_error`, `one_record_may_be_larger_than_every_limit`, `times_may_be_far_apart`; `reader.rs`: `gaps_and_markers_move_the_position` |
//! | old formats (14) | `the_magic_byte_tells_the_format`; scenario `codecs::old_formats` |
//! | codecs (15) | `a_bomb_is_an_error_and_harms_nobody`, `what_cannot_be_decompressed_is_an_error`; `reader.rs`: `a_damaged_batch_stops_its_partition_and_no_other` |
//! | epochs (17), followers (18) | `reader_cluster.rs`; scenario `fetches::racks` |
//! | sessions (16) | `reader_cluster.rs`: `only_what_changes_is_asked_for`, `what_is_not_wanted_any_more_is_forgotten`; here `session_errors_cost_nothing`, `without_room_for_sessions_nothing_spins`, `a_session_goes_on_over_connections`, `data_that_nobody_asked_for_is_dropped`; scenarios `fetches::sessions`, `fetches::session_errors` |
//! | read_committed (12) | `aborts_may_come_in_any_order`; scenarios `transactions::*` |
//! | resets (19) | `only_a_definite_out_of_range_resets`, `a_failed_lookup_is_no_reset`, `start_and_reset_are_two_policies` |
//! | stale operations (28) | `an_error_does_not_move_the_position`, `a_late_answer_does_not_undo_a_seek`, `a_late_lookup_does_not_undo_a_seek`, `a_seek_while_paused_counts`, `pausing_loses_and_repeats_nothing` |
//! | cancellation | `next_may_be_dropped_after_every_poll` |
//! | faults of rivals | `what_is_fetched_is_delivered`, `an_idle_partition_elsewhere_costs_nothing`; `reader.rs`: `a_tick_that_cancels_next_slows_nothing_down`; `allocations.rs`, `memory.rs` |

#![cfg(feature = "testing")]
#![allow(unreachable_pub, dead_code, reason = "the modules are shared between test programs")]
#![allow(
    clippy::pedantic,
    clippy::cast_possible_truncation,
    clippy::future_not_send,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use kafkio::protocol::messages::fetch::{FetchRequest, PartitionData};
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{
    Client, ErrorKind, IsolationLevel, OutOfRange, Reader, Record, Start, Timestamp, TimestampType,
};
use support::transaction::{batch, compressed};
use support::{expect_nothing, number, numbered, read_numbers};
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

async fn start(builder: FakeClusterBuilder) -> (FakeCluster, Client) {
    let cluster = builder.in_memory().start().await.unwrap();
    let client = cluster.client().connect().await.unwrap();
    (cluster, client)
}

/// One broker, and a topic `t` with one partition that has so many records in batches of ten.
async fn small(records: usize) -> (FakeCluster, Client) {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 1)).await;
    for first in (0..records).step_by(10) {
        cluster.append("t", 0, numbered(first..records.min(first + 10)));
    }
    (cluster, client)
}

async fn offsets(reader: &mut Reader, count: usize) -> Vec<i64> {
    support::read(reader, count).await.iter().map(kafkio::Message::offset).collect()
}

fn fetches(cluster: &FakeCluster) -> usize {
    cluster.requests().iter().filter(|it| it.api_key == ApiKey::FETCH).count()
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_begin_before_the_position() {
    let (_cluster, client) = small(30).await;
    for from in [0, 1, 9, 10, 15, 29] {
        let reader = client.reader().topic("t").start(Start::Offset(from as i64));
        let mut reader = reader.build().await.unwrap();
        assert!(read_numbers(&mut reader, 30 - from).await.into_iter().eq(from..30));
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_cut_off_is_no_error() {
    let builder = FakeCluster::builder().topic("t", 1).cut_batches(true);
    let (cluster, client) = start(builder).await;
    for n in 0..50 {
        cluster.append("t", 0, [Record::new(format!("{n:0>1000}"))]);
    }
    let mut reader = client.reader().topic("t").partition_max_bytes(2_500).build().await.unwrap();
    let began = Instant::now();
    assert!(read_numbers(&mut reader, 50).await.into_iter().eq(0..50));
    assert!(began.elapsed() < SECOND / 10, "it waits for nothing: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_record_may_be_larger_than_every_limit() {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 1)).await;
    for n in 0..4 {
        cluster.append("t", 0, [Record::new("0".repeat(500_000) + &n.to_string())]);
    }
    let reader = client.reader().topic("t").partition_max_bytes(1_000).buffer_bytes(100_000);
    let mut reader = reader.build().await.unwrap();
    assert!(read_numbers(&mut reader, 4).await.into_iter().eq(0..4));
}

/// A batch with these records: time since the first one, and value.
fn timed(base_time: i64, records: &[(i64, &str)]) -> Bytes {
    fn put(dst: &mut BytesMut, value: i64) {
        let mut left = ((value << 1) ^ (value >> 63)) as u64;
        while left >= 0x80 {
            dst.put_u8(left as u8 | 0x80);
            left >>= 7;
        }
        dst.put_u8(left as u8);
    }
    let mut whole = BytesMut::from(&batch(None, &vec![""; records.len()])[..61]);
    for (at, (delta, value)) in records.iter().enumerate() {
        let mut record = BytesMut::new();
        record.put_u8(0);
        put(&mut record, *delta);
        put(&mut record, at as i64);
        put(&mut record, -1);
        put(&mut record, value.len() as i64);
        record.put_slice(value.as_bytes());
        record.put_u8(0);
        put(&mut whole, record.len() as i64);
        whole.put(record);
    }
    let last = base_time + records.iter().map(|(delta, _)| *delta).max().unwrap();
    whole[27..35].copy_from_slice(&base_time.to_be_bytes());
    whole[35..43].copy_from_slice(&last.to_be_bytes());
    sealed(whole)
}

/// With length and checksum as they must be.
fn sealed(mut batch: BytesMut) -> Bytes {
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

/// The same batch, from another offset on.
fn moved(batch: &[u8], base_offset: i64) -> Bytes {
    let mut batch = BytesMut::from(batch);
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch.freeze()
}

#[tokio::test(start_paused = true)]
async fn times_may_be_far_apart() {
    let (cluster, client) = small(0).await;
    let far = 1 << 40;
    cluster.append_raw("t", 0, timed(1_000, &[(0, "0"), (far, "1"), (-500, "2")]));
    let mut reader = client.reader().topic("t").build().await.unwrap();
    for expected in [1_000, 1_000 + far, 500] {
        let message = support::next(&mut reader).await;
        assert_eq!(message.timestamp(), Timestamp::from_millis(expected));
    }
}

/// A message of format 0 or 1; the lowest bits of the attributes are the codec.
fn message(magic: u8, attributes: u8, offset: i64, time: i64, value: &[u8]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(magic);
    body.put_u8(attributes);
    if magic == 1 {
        body.put_i64(time);
    }
    body.put_i32(-1);
    body.put_i32(value.len() as i32);
    body.put_slice(value);
    let mut message = BytesMut::new();
    message.put_i64(offset);
    message.put_i32(4 + body.len() as i32);
    message.put_u32(crc32fast::hash(&body));
    message.put(body);
    message.freeze()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_magic_byte_tells_the_format() {
    const GZIP: u8 = 1;
    const LOG_APPEND_TIME: u8 = 8;
    let (cluster, client) = small(0).await;
    let inner = |magic, first: i64, count: i64| -> Vec<u8> {
        let all = (0..count).map(|n| message(magic, 0, first + n, 70 + n, b"inner"));
        all.flatten().collect()
    };
    // All of them in one answer: absolute offsets inside of format 0, relative ones in format 1.
    let mut log = BytesMut::new();
    log.put(message(0, 0, 0, 0, b"plain"));
    log.put(message(0, GZIP, 2, 0, &gzip(&inner(0, 1, 2))));
    log.put(message(1, 0, 3, 33, b"plain"));
    log.put(message(1, GZIP, 6, 99, &gzip(&inner(1, 0, 3))));
    log.put(message(1, GZIP | LOG_APPEND_TIME, 8, 99, &gzip(&inner(1, 0, 2))));
    log.put(moved(&timed(500, &[(0, "new"), (1, "new")]), 9));
    cluster.append_raw("t", 0, log);
    for from in 0..11 {
        let reader = client.reader().topic("t").start(Start::Offset(from));
        let mut reader = reader.build().await.unwrap();
        let expected = [
            (TimestampType::None, -1),
            (TimestampType::None, -1),
            (TimestampType::None, -1),
            (TimestampType::CreateTime, 33),
            (TimestampType::CreateTime, 70),
            (TimestampType::CreateTime, 71),
            (TimestampType::CreateTime, 72),
            (TimestampType::LogAppendTime, 99),
            (TimestampType::LogAppendTime, 99),
            (TimestampType::CreateTime, 500),
            (TimestampType::CreateTime, 501),
        ];
        for (offset, (kind, time)) in (0..).zip(expected).skip(from as usize) {
            let message = support::next(&mut reader).await;
            assert_eq!(message.offset(), offset, "from {from}");
            assert_eq!(message.timestamp_type(), kind, "{offset}");
            if kind != TimestampType::None {
                assert_eq!(message.timestamp(), Timestamp::from_millis(time), "{offset}");
            }
        }
    }
}

/// The next item is an error of that kind, and nothing spins behind it.
async fn fails(cluster: &FakeCluster, reader: &mut Reader, kind: ErrorKind) {
    let error = timeout(SECOND, reader.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    let before = fetches(cluster);
    expect_nothing(reader, 10 * SECOND).await;
    let more = fetches(cluster) - before;
    assert!(more <= 30, "{more} fetches in 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_bomb_is_an_error_and_harms_nobody() {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 2)).await;
    let zeros = "\0".repeat(20 << 20);
    cluster.append_raw("t", 0, compressed(&batch(None, &[&zeros])));
    cluster.append("t", 0, [Record::new("behind")]);
    let reader = client.reader().topic("t").max_batch_bytes(1 << 20);
    let mut reader = reader.build().await.unwrap();
    fails(&cluster, &mut reader, ErrorKind::Record).await;
    assert_eq!(reader.handle().position("t", 0), Some(0));
    cluster.append("t", 1, [Record::new("other")]);
    assert_eq!(support::next(&mut reader).await.partition(), 1);
    reader.handle().seek("t", 0, Start::Offset(1)).unwrap();
    assert_eq!(support::next(&mut reader).await.offset(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decompressed_is_an_error() {
    let (cluster, client) = small(0).await;
    let mut damaged = BytesMut::from(&*compressed(&batch(None, &["0", "1"])));
    let at = damaged.len() - 12;
    damaged[at] ^= 0x55;
    cluster.append_raw("t", 0, sealed(damaged));
    let mut reader = client.reader().topic("t").build().await.unwrap();
    fails(&cluster, &mut reader, ErrorKind::Record).await;
}

#[tokio::test(start_paused = true)]
async fn session_errors_cost_nothing() {
    for code in [
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    ] {
        let (cluster, client) = small(20).await;
        let mut reader = client.reader().topic("t").build().await.unwrap();
        assert!(read_numbers(&mut reader, 20).await.into_iter().eq(0..20));
        for first in (20..60).step_by(10) {
            cluster.fail_next(ApiKey::FETCH, [code]);
            tokio::time::sleep(SECOND).await;
            cluster.append("t", 0, numbered(first..first + 10));
            let began = Instant::now();
            let numbers = read_numbers(&mut reader, 10).await;
            assert!(numbers.into_iter().eq(first..first + 10), "{code}");
            assert!(began.elapsed() <= SECOND / 2, "{code}: {:?}", began.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_for_sessions_nothing_spins() {
    let builder = FakeCluster::builder().topic("t", 3).fetch_session_slots(0);
    let (cluster, client) = start(builder).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    expect_nothing(&mut reader, 10 * SECOND).await;
    let idle = fetches(&cluster);
    assert!((15..=25).contains(&idle), "{idle} fetches in 10 s");
    for partition in 0..3 {
        cluster.append("t", partition, numbered(0..10));
    }
    assert_eq!(read_numbers(&mut reader, 30).await.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_over_connections() {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 3)).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    for first in (0..100).step_by(10) {
        cluster.append("t", (first % 3) as i32, numbered(first..first + 10));
        assert!(read_numbers(&mut reader, 10).await.into_iter().eq(first..first + 10));
        cluster.cut_connections(0);
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_nobody_asked_for_is_dropped() {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 2)).await;
    cluster.append("t", 0, numbered(0..10));
    let _lies = cluster.on(ApiKey::FETCH, |call| {
        call.edit::<FetchRequest>(|response| {
            for topic in &mut response.responses {
                let mut twice: Vec<PartitionData> = topic.partitions.clone();
                twice.retain(|it| it.partition_index == 0);
                twice.iter_mut().for_each(|it| it.partition_index = 1);
                topic.partitions.extend(twice);
            }
        })
    });
    let mut reader = client.reader().partitions("t", [0]).build().await.unwrap();
    for message in support::read(&mut reader, 10).await {
        assert_eq!(message.partition(), 0);
    }
    expect_nothing(&mut reader, 5 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn aborts_may_come_in_any_order() {
    let (cluster, client) = small(0).await;
    let mut expected = Vec::new();
    for n in 0..12 {
        let id = n % 3;
        let first = cluster.offsets("t", 0).unwrap().1;
        let values = [n.to_string()];
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        cluster.append_raw("t", 0, moved(&batch(Some((id, 0, 0)), &values), first));
        if n % 2 == 0 {
            expected.push(first);
        }
        cluster.end_transaction("t", 0, id, 0, n % 2 == 0);
    }
    for order in 0..3 {
        let _shuffled = cluster.on(ApiKey::FETCH, move |call| {
            call.edit::<FetchRequest>(move |response| {
                let partitions = response.responses.iter_mut().flat_map(|it| &mut it.partitions);
                for aborted in partitions.filter_map(|it| it.aborted_transactions.as_mut()) {
                    match order {
                        0 => aborted.reverse(),
                        1 => aborted.sort_by_key(|it| it.producer_id),
                        // And each of them twice.
                        _ => aborted.extend(aborted.clone()),
                    }
                }
            })
        });
        let reader = client.reader().topic("t").isolation(IsolationLevel::ReadCommitted);
        let mut reader = reader.build().await.unwrap();
        assert_eq!(offsets(&mut reader, 6).await, expected, "{order}");
        expect_nothing(&mut reader, SECOND).await;
        assert_eq!(reader.handle().position("t", 0), Some(24));
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_definite_out_of_range_resets() {
    let codes = [
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_SERVER_ERROR,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
    ];
    let faults = codes.len() + 4;
    for fault in 0..faults {
        let (cluster, client) = small(30).await;
        // What hangs takes half a minute each time.
        let mut left = if fault == 1 { 1 } else { 3 };
        let _fault = cluster.on(ApiKey::FETCH, move |_| {
            left -= 1;
            match (left, fault) {
                (..0, _) => Fault::Pass,
                (_, 0) => Fault::Disconnect,
                (_, 1) => Fault::Hang,
                (_, 2) => Fault::Cut(20),
                (_, 3) => Fault::answer_bytes("what is this"),
                (_, code) => Fault::Error(codes[code - 4]),
            }
        });
        let reader = client.reader().topic("t").start(Start::Offset(5));
        let mut reader = reader.on_out_of_range(OutOfRange::Latest).build().await.unwrap();
        if fault == 3 {
            // What cannot be understood is told, and changes nothing.
            assert!(timeout(SECOND, reader.next()).await.unwrap().unwrap().is_err());
            assert_eq!(reader.handle().position("t", 0), Some(5));
            continue;
        }
        assert!(read_numbers(&mut reader, 25).await.into_iter().eq(5..30), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_lookup_is_no_reset() {
    for fault in 0..4 {
        let (cluster, client) = small(30).await;
        let mut left = if fault == 1 { 1 } else { 3 };
        let _fault = cluster.on(ApiKey::LIST_OFFSETS, move |_| {
            left -= 1;
            match (left, fault) {
                (..0, _) => Fault::Pass,
                (_, 0) => Fault::Disconnect,
                (_, 1) => Fault::Hang,
                (_, 2) => Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
                _ => Fault::Error(ErrorCode::OFFSET_NOT_AVAILABLE),
            }
        });
        let reader = client.reader().topic("t").on_out_of_range(OutOfRange::Latest);
        let mut reader = reader.build().await.unwrap();
        assert!(read_numbers(&mut reader, 30).await.into_iter().eq(0..30), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn start_and_reset_are_two_policies() {
    let (cluster, client) = small(30).await;
    let reader = client.reader().topic("t").start(Start::Latest);
    let mut reader = reader.on_out_of_range(OutOfRange::Earliest).build().await.unwrap();
    expect_nothing(&mut reader, SECOND).await;
    cluster.append("t", 0, numbered(30..40));
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(30..40));
    // What comes next is deleted before it is read.
    let hang = cluster.on(ApiKey::FETCH, |_| Fault::Disconnect);
    cluster.cut_connections(0);
    cluster.append("t", 0, numbered(40..50));
    cluster.delete_records("t", 0, 45);
    drop(hang);
    assert!(read_numbers(&mut reader, 5).await.into_iter().eq(45..50));
}

#[tokio::test(start_paused = true)]
async fn an_error_does_not_move_the_position() {
    let (cluster, client) = small(10).await;
    let mut damaged = BytesMut::from(&*moved(&batch(None, &["10"]), 10));
    *damaged.last_mut().unwrap() ^= 1;
    cluster.append_raw("t", 0, damaged.freeze());
    cluster.append("t", 0, numbered(11..20));
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    for _ in 0..3 {
        let error = timeout(SECOND, reader.next()).await.unwrap().unwrap();
        assert!(error.is_err());
        assert_eq!(handle.position("t", 0), Some(10));
        // Tried again, it is the same error.
        handle.seek("t", 0, Start::Offset(10)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_undo_a_seek() {
    for seek in [Start::Offset(25), Start::Offset(0), Start::Latest, Start::Earliest] {
        let (cluster, client) = small(30).await;
        let _late = cluster.once(ApiKey::FETCH, |_| Fault::DelayAnswer(SECOND));
        let reader = client.reader().topic("t").start(Start::Offset(5));
        let mut reader = reader.build().await.unwrap();
        expect_nothing(&mut reader, SECOND / 2).await;
        reader.handle().seek("t", 0, seek).unwrap();
        let from = match seek {
            Start::Offset(offset) => offset as usize,
            Start::Earliest => 0,
            _ => 30,
        };
        tokio::time::sleep(2 * SECOND).await;
        cluster.append("t", 0, numbered(30..40));
        assert!(read_numbers(&mut reader, 40 - from).await.into_iter().eq(from..40), "{seek:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_lookup_does_not_undo_a_seek() {
    let (cluster, client) = small(30).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
    for late in [Start::Earliest, Start::Latest, Start::Timestamp(Timestamp::from_millis(0))] {
        let _late = cluster.once(ApiKey::LIST_OFFSETS, |_| Fault::DelayAnswer(SECOND));
        handle.seek("t", 0, late).unwrap();
        expect_nothing(&mut reader, SECOND / 2).await;
        handle.seek("t", 0, Start::Offset(20)).unwrap();
        assert_eq!(number(&support::next(&mut reader).await), 20);
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(number(&support::next(&mut reader).await), 21, "{late:?}");
        assert_eq!(handle.position("t", 0), Some(22));
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_while_paused_counts() {
    let (_cluster, client) = small(30).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
    handle.pause("t", 0).unwrap();
    expect_nothing(&mut reader, SECOND).await;
    handle.seek("t", 0, Start::Offset(20)).unwrap();
    assert_eq!(handle.paused().len(), 1, "a seek resumes nothing");
    expect_nothing(&mut reader, SECOND).await;
    handle.resume("t", 0).unwrap();
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(20..30));
}

#[tokio::test(start_paused = true)]
async fn pausing_loses_and_repeats_nothing() {
    let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 4)).await;
    for partition in 0..4 {
        for n in 0..50 {
            cluster.append("t", partition, [Record::new(n.to_string())]);
        }
    }
    let reader = client.reader().topic("t").partition_max_bytes(500);
    let mut reader = reader.build().await.unwrap();
    let handle = reader.handle();
    let mut random = fastrand::Rng::with_seed(3);
    let mut next = [0; 4];
    while next.iter().sum::<usize>() < 200 {
        let partition = random.i32(0..4);
        if random.bool() {
            handle.pause("t", partition).unwrap();
        } else {
            handle.resume("t", partition).unwrap();
        }
        for _ in 0..random.usize(..8) {
            let Ok(item) = timeout(SECOND / 10, reader.next()).await else {
                break;
            };
            let message = item.unwrap().unwrap();
            let paused = handle.paused();
            let partition = message.partition();
            assert!(paused.iter().all(|it| it.partition != partition), "{partition} is paused");
            let at = &mut next[partition as usize];
            assert_eq!(number(&message), *at);
            *at += 1;
        }
    }
}

/// Polls the stream so often, each time it is woken, and lets go of the future then.
async fn polled<S: futures::Stream + Unpin>(times: usize, stream: &mut S) -> Option<S::Item> {
    let mut next = Box::pin(stream.next());
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        next.as_mut().poll(cx)
    })
    .await
}

/// Every future of every kind of stream is dropped after so many polls, while leaders move,
/// connections break and data comes; nothing is lost, repeated or held up.
#[tokio::test(start_paused = true)]
async fn next_may_be_dropped_after_every_poll() {
    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Messages,
        Batches,
        Partition,
    }
    for kind in [Kind::Messages, Kind::Batches, Kind::Partition] {
        for polls in 1..=4 {
            let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
            let reader = client.reader().topic("t").partition_max_bytes(400).build().await.unwrap();
            let offsets = |batch: &kafkio::Batch| -> Vec<i64> {
                batch.records().map(|it| it.unwrap().offset()).collect()
            };
            let mut stream: futures::stream::BoxStream<'static, Vec<i64>> = match kind {
                Kind::Messages => reader.map(|it| vec![it.unwrap().offset()]).boxed(),
                Kind::Batches => reader.batches().map(move |it| offsets(&it.unwrap())).boxed(),
                Kind::Partition => {
                    let mut all = reader.partitions();
                    let one = all.next().await.unwrap().unwrap();
                    one.map(move |it| (it.unwrap().offset(), &all).0).map(|it| vec![it]).boxed()
                }
            };
            let (mut seen, mut dropped) = (Vec::new(), 0);
            for round in 0..20usize {
                cluster.append("t", 0, numbered(round * 5..round * 5 + 5));
                match round % 5 {
                    1 => cluster.move_leader("t", 0, (round % 2) as i32),
                    3 => cluster.cut_connections(0),
                    _ => {}
                }
                while seen.len() < round * 5 + 5 {
                    match polled(polls, &mut stream).await {
                        Some(offsets) => seen.extend(offsets),
                        None => {
                            dropped += 1;
                            assert!(dropped < 20_000, "{kind:?}: stuck at {}", seen.len());
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                }
            }
            assert!(seen.into_iter().eq(0..100), "{kind:?} after {polls} polls");
            assert!(dropped > 0 || polls > 1, "nothing was dropped");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_is_delivered() {
    for partitions in [1, 8, 32] {
        let (cluster, client) = start(FakeCluster::builder().topic("t", partitions)).await;
        let value = "v".repeat(100);
        for n in 0..320 {
            let records = (0..200).map(|_| Record::new(value.clone()));
            cluster.append("t", n % partitions, records);
        }
        let before = cluster.bytes_sent();
        let mut reader = client.reader().topic("t").build().await.unwrap();
        let mut bytes = 0;
        for _ in 0..64_000 {
            // Offsets, times and lengths are seven bytes a record.
            bytes += reader.next().await.unwrap().unwrap().value().unwrap().len() as u64 + 7;
        }
        tokio::time::sleep(5 * SECOND).await;
        let sent = cluster.bytes_sent() - before;
        assert!(sent * 100 <= bytes * 105, "{partitions} partitions: {sent} bytes for {bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_partition_elsewhere_costs_nothing() {
    let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 2)).await;
    assert_ne!(cluster.leader("t", 0), cluster.leader("t", 1));
    for first in (0..20_000).step_by(100) {
        cluster.append("t", 0, numbered(first..first + 100));
    }
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let began = Instant::now();
    assert_eq!(read_numbers(&mut reader, 20_000).await.len(), 20_000);
    assert!(began.elapsed() < SECOND / 2, "{:?}", began.elapsed());
    // And what is new comes at once.
    for n in 20_000..20_020 {
        tokio::time::sleep(SECOND / 7).await;
        let began = Instant::now();
        cluster.append("t", 0, numbered(n..n + 1));
        assert_eq!(read_numbers(&mut reader, 1).await, [n]);
        assert!(began.elapsed() < Duration::from_millis(5), "{:?}", began.elapsed());
    }
}
