//! What a reader's builder and handle offer, against an in-process cluster, under paused time:
//! starts and ends, topics that change, pauses, lag, stats, events.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

#[path = "support/numbers.rs"]
mod numbers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use kafkio::protocol::messages::fetch::FetchRequest;
use kafkio::protocol::messages::list_offsets::ListOffsetsRequest;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, Fault};
use kafkio::{
    Client, End, ErrorKind, IsolationLevel, OutOfRange, Reader, ReaderBuilder, ReaderEvent, Record,
    Start, Timestamp, TopicPartition,
};
use numbers::{fill, number, read_numbers};
use tokio::time::{sleep, timeout};

async fn start(topics: &[(&str, i32)]) -> (FakeCluster, Client) {
    let builder = FakeCluster::builder().in_memory().brokers(2);
    let builder = topics
        .iter()
        .fold(builder, |builder, (name, partitions)| builder.topic(*name, *partitions));
    let cluster = builder.start().await.unwrap();
    let client = cluster.client().metadata_max_age(Duration::from_secs(5)).connect().await.unwrap();
    (cluster, client)
}

/// Reads to the end of a reader that has one.
async fn all(builder: ReaderBuilder) -> Vec<usize> {
    let reader = builder.build().await.unwrap();
    let messages = reader.map_ok(|message| number(&message)).try_collect();
    timeout(Duration::from_secs(120), messages).await.expect("the reader does not end").unwrap()
}

async fn is_quiet(reader: &mut Reader) -> bool {
    timeout(Duration::from_secs(30), reader.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn starts_count_from_both_ends_and_stay_within() {
    let (cluster, client) = start(&[("t", 1)]).await;
    fill(&cluster, "t", 0, 0..10);
    cluster.delete_records("t", 0, 2);
    for (begin, first) in [
        (Start::AfterEarliest(0), 2),
        (Start::AfterEarliest(3), 5),
        (Start::BeforeLatest(1), 9),
        (Start::BeforeLatest(8), 2),
        (Start::BeforeLatest(i64::MAX), 2),
    ] {
        let mut reader = client.reader().topic("t").start(begin).build().await.unwrap();
        assert_eq!(read_numbers(&mut reader, 1).await, [first], "{begin:?}");
    }
    for begin in [Start::AfterEarliest(100), Start::BeforeLatest(0)] {
        let mut reader = client.reader().topic("t").start(begin).build().await.unwrap();
        assert!(is_quiet(&mut reader).await, "{begin:?}");
        assert_eq!(reader.handle().position("t", 0), Some(10), "{begin:?}");
    }
    for begin in [Start::AfterEarliest(-1), Start::BeforeLatest(-1)] {
        let error = client.reader().topic("t").start(begin).build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[tokio::test(start_paused = true)]
async fn a_duration_ago_is_a_start() {
    let (cluster, client) = start(&[("t", 1)]).await;
    let now = Timestamp::now().as_millis();
    for n in 0..10i64 {
        let at = Timestamp::from_millis(now - (10 - n) * 60_000);
        cluster.append("t", 0, [Record::new(n.to_string()).timestamp(at)]);
    }
    let ago = Start::Ago(Duration::from_secs(210));
    let mut reader = client.reader().topic("t").start(ago).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [7, 8, 9]);
    reader.handle().seek("t", 0, Start::Ago(Duration::from_secs(90))).unwrap();
    assert_eq!(read_numbers(&mut reader, 1).await, [9]);
    reader.handle().seek("t", 0, Start::Ago(Duration::MAX)).unwrap();
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn out_of_range_goes_to_the_nearest_or_a_time() {
    let (cluster, client) = start(&[("t", 1)]).await;
    let now = Timestamp::now().as_millis();
    for n in 0..10i64 {
        let at = Timestamp::from_millis(now - (10 - n) * 60_000);
        cluster.append("t", 0, [Record::new(n.to_string()).timestamp(at)]);
    }
    cluster.delete_records("t", 0, 4);
    let at = |offset, policy| {
        let reader = client.reader().topic("t").start(Start::Offset(offset));
        reader.on_out_of_range(policy).build()
    };
    let mut reader = at(1, OutOfRange::Nearest).await.unwrap();
    let mut events = reader.handle().events();
    assert_eq!(read_numbers(&mut reader, 1).await, [4], "before the log: at its beginning");
    let reset = ReaderEvent::Reset { at: TopicPartition::new("t", 0), from: 1, to: 4 };
    assert_eq!(events.next().now_or_never(), Some(Some(reset)));
    let mut reader = at(50, OutOfRange::Nearest).await.unwrap();
    assert!(is_quiet(&mut reader).await, "behind the log: at its end");
    assert_eq!(reader.handle().position("t", 0), Some(10));
    let mut reader = at(1, OutOfRange::Ago(Duration::from_secs(150))).await.unwrap();
    assert_eq!(read_numbers(&mut reader, 1).await, [8]);
}

#[tokio::test(start_paused = true)]
async fn only_records_before_the_end_are_read_and_the_stream_ends() {
    let (cluster, client) = start(&[("t", 3)]).await;
    // One batch of ten, single ones, and nothing.
    cluster.append("t", 0, (0..10).map(|n| Record::new(n.to_string())));
    fill(&cluster, "t", 1, 10..20);
    let reader = client.reader().topic("t").end(End::Latest).build().await.unwrap();
    fill(&cluster, "t", 0, 90..95);
    fill(&cluster, "t", 2, 95..99);
    let handle = reader.handle();
    let read = reader.map_ok(|message| number(&message)).try_collect::<Vec<_>>();
    let mut read = timeout(Duration::from_secs(60), read).await.expect("no end").unwrap();
    read.sort_unstable();
    assert_eq!(read, (0..20).collect::<Vec<_>>(), "as of the build");
    assert_eq!((handle.position("t", 0), handle.position("t", 2)), (Some(10), Some(0)));
    let reader = client.reader().partitions("t", [0]);
    assert_eq!(all(reader.clone().end(End::Offset(4))).await, [0, 1, 2, 3], "inside of a batch");
    assert_eq!(all(reader.clone().end(End::Offset(0))).await, [0; 0]);
    let middle = reader.clone().start(Start::Offset(3)).end(End::Offset(6));
    assert_eq!(all(middle).await, [3, 4, 5]);
    assert_eq!(all(reader.start(Start::Offset(6)).end(End::Offset(3))).await, [0; 0]);
    let each = client.reader().topic("t").end(End::Offset(0)).end_at("t", 1, End::Offset(2));
    assert_eq!(all(each).await, [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_is_not_written_yet_is_waited_for() {
    let (cluster, client) = start(&[("t", 1)]).await;
    fill(&cluster, "t", 0, 0..3);
    let mut reader = client.reader().topic("t").end(End::Offset(5)).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
    assert!(is_quiet(&mut reader).await);
    fill(&cluster, "t", 0, 3..9);
    assert_eq!(read_numbers(&mut reader, 2).await, [3, 4]);
    assert!(reader.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_time_range_ends() {
    let (cluster, client) = start(&[("t", 2)]).await;
    let at = |n: i64| Timestamp::from_millis(1_600_000_000_000 + n * 1_000);
    for n in 0..10 {
        cluster.append("t", 0, [Record::new(n.to_string()).timestamp(at(n))]);
    }
    let range = |from, to| {
        let reader = client.reader().topic("t").start(Start::Timestamp(at(from)));
        all(reader.end(End::Timestamp(at(to))))
    };
    assert_eq!(range(3, 6).await, [3, 4, 5]);
    assert_eq!(range(7, 100).await, [7, 8, 9], "nothing is that new");
    assert_eq!(range(50, 100).await, [0; 0]);
    let none = client.reader().topic("t").end(End::Timestamp(Timestamp::from_millis(-1)));
    assert_eq!(all(none).await, [0; 0], "as for a start, that is 1970");
}

#[tokio::test(start_paused = true)]
async fn a_range_without_records_ends_too() {
    let (cluster, client) = start(&[("t", 1)]).await;
    fill(&cluster, "t", 0, 0..10);
    cluster.delete_records("t", 0, 10);
    assert_eq!(all(client.reader().topic("t").end(End::Latest)).await, [0; 0], "all deleted");
    let late = client.reader().topic("t").start(Start::Offset(3)).end(End::Offset(7));
    assert_eq!(all(late).await, [0; 0], "its start and its end are deleted");
    let (cluster, client) = start(&[("t", 1)]).await;
    fill(&cluster, "t", 0, 0..10);
    let reader = client.reader().topic("t").end(End::Latest);
    let reader = reader.on_out_of_range(OutOfRange::Latest).build().await.unwrap();
    cluster.delete_records("t", 0, 10);
    let count = timeout(Duration::from_secs(60), reader.count()).await.expect("no end");
    assert!(count <= 10);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_has_stopped_with_an_error_holds_up_no_end() {
    let (cluster, client) = start(&[("t", 2)]).await;
    fill(&cluster, "t", 0, 0..3);
    fill(&cluster, "t", 1, 3..6);
    let _deny = cluster.on(ApiKey::FETCH, |call| {
        call.edit::<FetchRequest>(|response| {
            let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
            for data in partitions.filter(|data| data.partition_index == 1) {
                data.error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED.0;
                data.records = None;
            }
        })
    });
    let reader = client.reader().topic("t").end(End::Latest).build().await.unwrap();
    let items = timeout(Duration::from_secs(60), reader.collect::<Vec<_>>()).await.expect("no end");
    assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 3);
    assert_eq!(items.iter().filter(|item| item.is_err()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn committed_records_are_the_default() {
    let (cluster, client) = start(&[("t", 1)]).await;
    fill(&cluster, "t", 0, 0..1);
    cluster.clear_requests();
    let isolation = Arc::new(AtomicBool::new(false));
    let seen = isolation.clone();
    let _look = cluster.on(ApiKey::FETCH, move |call| {
        seen.store(call.request::<FetchRequest>().isolation_level == 1, Ordering::SeqCst);
        Fault::Pass
    });
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    assert!(isolation.load(Ordering::SeqCst));
    let all = client.reader().topic("t").isolation(IsolationLevel::ReadUncommitted);
    assert_eq!(read_numbers(&mut all.build().await.unwrap(), 1).await, [0]);
    assert!(!isolation.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn topics_that_match_are_read_and_picked_up_and_dropped() {
    let (cluster, client) =
        start(&[("orders-a", 1), ("orders-b-test", 1), ("my-orders-c", 1)]).await;
    fill(&cluster, "orders-a", 0, 0..2);
    fill(&cluster, "orders-b-test", 0, 10..12);
    fill(&cluster, "my-orders-c", 0, 20..22);
    let reader = client.reader().topics_matching("orders-.*").excluding(".*-test");
    let mut reader = reader.start(Start::Latest).build().await.unwrap();
    let handle = reader.handle();
    let mut events = handle.events();
    assert!(is_quiet(&mut reader).await);
    cluster.create_topic("orders-new", 1);
    cluster.create_topic("new-orders", 1);
    fill(&cluster, "orders-new", 0, 30..32);
    fill(&cluster, "orders-a", 0, 2..3);
    let mut read = read_numbers(&mut reader, 3).await;
    read.sort_unstable();
    assert_eq!(read, [2, 30, 31], "a new one is read from its beginning");
    assert_eq!(handle.positions().len(), 2);
    cluster.delete_topic("orders-new");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(handle.positions().len(), 1);
    handle.remove_topic("orders-a").unwrap();
    fill(&cluster, "orders-a", 0, 3..4);
    assert!(is_quiet(&mut reader).await, "removed, although it matches");
    handle.close();
    let told: Vec<_> = events.by_ref().collect().await;
    let at = |topic: &str| TopicPartition::new(topic, 0);
    for event in [
        ReaderEvent::Added(at("orders-new")),
        ReaderEvent::Removed(at("orders-new")),
        ReaderEvent::Removed(at("orders-a")),
    ] {
        assert!(told.contains(&event), "{event:?} in {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_matches_nothing_waits() {
    let (cluster, client) = start(&[]).await;
    let mut reader = client.reader().topics_matching("t[0-9]").build().await.unwrap();
    assert!(is_quiet(&mut reader).await);
    cluster.create_topic("t1", 1);
    fill(&cluster, "t1", 0, 0..2);
    assert_eq!(read_numbers(&mut reader, 2).await, [0, 1]);
    let error = client.reader().topics_matching("t[").build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().starts_with("topics_matching"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn topics_and_partitions_come_and_go_at_run_time() {
    let (cluster, client) = start(&[("t", 2), ("u", 1)]).await;
    fill(&cluster, "t", 0, 0..3);
    fill(&cluster, "t", 1, 10..13);
    fill(&cluster, "u", 0, 20..23);
    let mut reader = client.reader().partitions("t", [0]).build().await.unwrap();
    let handle = reader.handle();
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    handle.remove_partitions("t", [0]).unwrap();
    assert!(is_quiet(&mut reader).await, "what was fetched is dropped");
    assert_eq!(handle.position("t", 0), None);
    handle.add_topic("u").unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [20, 21, 22], "from where the settings say");
    handle.add_partitions("t", [1]).unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [10, 11, 12]);
    handle.add_topic("t").unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
    handle.remove_topic("u").unwrap();
    fill(&cluster, "u", 0, 23..25);
    fill(&cluster, "t", 1, 13..14);
    assert_eq!(read_numbers(&mut reader, 1).await, [13]);
    assert!(handle.remove_topic("u").is_err());
    handle.add_topic("later").unwrap();
    handle.add_partitions("never", [3]).unwrap();
    handle.remove_topic("never").unwrap();
    cluster.create_topic("later", 1);
    fill(&cluster, "later", 0, 30..31);
    assert_eq!(read_numbers(&mut reader, 1).await, [30]);
    // A removal is not undone by an addition that came before it.
    for _ in 0..10 {
        handle.add_topic("u").unwrap();
        handle.remove_topic("u").unwrap();
    }
    assert!(is_quiet(&mut reader).await);
    assert_eq!(handle.positions().len(), 3);
    let bounded = client.reader().topic("t").end(End::Latest).build().await.unwrap();
    assert_eq!(bounded.handle().add_topic("u").unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_is_neither_read_nor_fetched_and_loses_nothing() {
    let (cluster, client) = start(&[("t", 2)]).await;
    cluster.append("t", 0, (0..10).map(|n| Record::new(n.to_string())));
    cluster.append("t", 0, (10..20).map(|n| Record::new(n.to_string())));
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    assert_eq!(read_numbers(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    handle.pause("t", 0).unwrap();
    assert_eq!(handle.paused(), [TopicPartition::new("t", 0)]);
    fill(&cluster, "t", 1, 100..103);
    assert_eq!(read_numbers(&mut reader, 3).await, [100, 101, 102], "the other goes on");
    assert!(is_quiet(&mut reader).await);
    fill(&cluster, "t", 0, 20..25);
    assert_eq!(handle.position("t", 0), Some(5));
    let before = cluster.bytes_sent();
    handle.resume("t", 0).unwrap();
    assert_eq!(read_numbers(&mut reader, 15).await, (5..20).collect::<Vec<_>>());
    assert_eq!(cluster.bytes_sent(), before, "what had been fetched is not fetched again");
    assert_eq!(read_numbers(&mut reader, 5).await, (20..25).collect::<Vec<_>>());
    assert!(handle.pause("t", 9).is_err());
}

#[tokio::test(start_paused = true)]
async fn pauses_and_seeks_in_any_order_lose_and_repeat_nothing() {
    let (cluster, client) = start(&[("t", 2)]).await;
    for chunk in 0..20 {
        for partition in 0..2 {
            let numbers = chunk * 10..chunk * 10 + 10;
            cluster.append("t", partition, numbers.map(|n| Record::new(n.to_string())));
        }
    }
    let mut random = fastrand_like(7);
    let mut reader = client.reader().topic("t").partition_max_bytes(2_000).build().await.unwrap();
    let handle = reader.handle();
    let (mut next, mut paused) = ([0usize; 2], [false; 2]);
    for _ in 0..3_000 {
        let partition = random(2);
        let id = i32::try_from(partition).unwrap();
        match random(12) {
            0 => {
                handle.pause("t", id).unwrap();
                paused[partition] = true;
            }
            1 | 2 => {
                handle.resume("t", id).unwrap();
                paused[partition] = false;
            }
            3 => {
                let offset = random(150);
                handle.seek("t", id, Start::Offset(i64::try_from(offset).unwrap())).unwrap();
                next[partition] = offset;
            }
            4 if random(20) == 0 => {
                handle.resume_all().unwrap();
                handle.seek_all(Start::Earliest).unwrap();
                (next, paused) = ([0; 2], [false; 2]);
            }
            _ => {
                let Ok(Some(item)) = timeout(Duration::from_millis(50), reader.next()).await else {
                    continue;
                };
                let message = item.unwrap();
                let at = usize::try_from(message.partition()).unwrap();
                assert!(!paused[at], "paused");
                assert_eq!(number(&message), next[at]);
                next[at] += 1;
                assert_eq!(handle.position("t", message.partition()), Some(message.offset() + 1));
            }
        }
    }
    handle.resume_all().unwrap();
    let left = 400 - next[0] - next[1];
    assert_eq!(read_numbers(&mut reader, left).await.len(), left);
    assert_eq!((handle.position("t", 0), handle.position("t", 1)), (Some(200), Some(200)));
}

/// Small numbers that look random, the same in each run.
fn fastrand_like(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    }
}

#[tokio::test(start_paused = true)]
async fn lag_is_live_and_exact_on_demand() {
    let (cluster, client) = start(&[("t", 2)]).await;
    fill(&cluster, "t", 0, 0..10);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    read_numbers(&mut reader, 4).await;
    assert_eq!(handle.fetch_lag("t", 0).await.unwrap(), 6);
    handle.pause_all().unwrap();
    fill(&cluster, "t", 0, 10..20);
    fill(&cluster, "t", 1, 20..25);
    assert_eq!(handle.fetch_lag("t", 0).await.unwrap(), 16);
    assert_eq!(handle.fetch_total_lag().await.unwrap(), 21);
    assert!(handle.fetch_lag("t", 7).await.is_err());
    handle.resume_all().unwrap();
    read_numbers(&mut reader, 21).await;
    assert_eq!(handle.total_lag(), Some(0));
    assert_eq!(handle.fetch_total_lag().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn stats_and_config_tell_what_a_reader_does() {
    let (cluster, client) = start(&[("t", 1)]).await;
    cluster.append("t", 0, (0..10).map(|n| Record::new(n.to_string())));
    cluster.append("t", 0, (10..15).map(|n| Record::new(n.to_string())));
    let reader = client.reader().topic("t").buffer_bytes(1 << 20).start(Start::Offset(0));
    let mut reader = reader.build().await.unwrap();
    let handle = reader.handle();
    read_numbers(&mut reader, 15).await;
    assert!(is_quiet(&mut reader).await);
    let stats = handle.stats();
    assert_eq!((stats.batches, stats.messages, stats.errors), (2, 15, 0));
    assert_eq!((stats.partitions, stats.paused, stats.buffer_capacity), (1, 0, 1 << 20));
    assert!(stats.fetches >= 1 && stats.waits >= 1 && stats.bytes >= 15, "{stats:?}");
    assert!(stats.fetched_bytes >= stats.bytes, "{stats:?}");
    assert_eq!((stats.buffered_bytes, stats.fetch_errors), (0, 0), "{stats:?}");
    let mut another = handle.config().build().await.unwrap();
    assert_eq!(read_numbers(&mut another, 15).await.len(), 15);
}

#[tokio::test(start_paused = true)]
async fn events_tell_when_the_end_is_reached() {
    let (cluster, client) = start(&[("t", 2)]).await;
    fill(&cluster, "t", 0, 0..3);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let mut events = reader.handle().events();
    read_numbers(&mut reader, 3).await;
    assert!(is_quiet(&mut reader).await);
    let caught_up = |partition, offset| {
        let at = TopicPartition::new("t", partition);
        ReaderEvent::CaughtUp { at, offset }
    };
    let mut told = Vec::new();
    while let Some(Some(event)) = events.next().now_or_never() {
        told.push(event);
    }
    assert!(told.contains(&caught_up(0, 3)), "{told:?}");
    assert!(told.contains(&caught_up(1, 0)), "an empty one too: {told:?}");
    assert_eq!(told.len(), 2, "once each: {told:?}");
    fill(&cluster, "t", 0, 3..5);
    read_numbers(&mut reader, 2).await;
    assert!(is_quiet(&mut reader).await);
    assert!(events.by_ref().any(|event| std::future::ready(event == caught_up(0, 5))).await);
    let handle = reader.handle();
    drop(reader);
    assert!(events.next().await.is_none(), "ends with the reader");
    assert!(handle.events().next().await.is_none(), "also when it has ended before");
}

#[tokio::test(start_paused = true)]
async fn what_is_added_begins_where_it_is_told() {
    let (cluster, client) = start(&[("t", 3), ("u", 1)]).await;
    for partition in 0..3 {
        fill(&cluster, "t", partition, 0..10);
    }
    fill(&cluster, "u", 0, 0..10);
    let reader = client.reader().topic("u").partitions("t", [0]).start(Start::Offset(9));
    let reader = reader.start_of_topic("t", Start::Offset(8));
    let mut reader = reader.build().await.unwrap();
    let mut read = read_numbers(&mut reader, 3).await;
    read.sort_unstable();
    assert_eq!(read, [8, 9, 9]);
    let handle = reader.handle();
    handle.add_partitions_at("t", [(1, Start::Offset(7)), (5, Start::Offset(2))]).unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [7, 8, 9]);
    handle.remove_partitions("t", [0, 1, 5]).unwrap();
    handle.add_topic("t").unwrap();
    handle.remove_partitions("t", [2]).unwrap();
    let mut read = read_numbers(&mut reader, 4).await;
    read.sort_unstable();
    assert_eq!(read, [8, 8, 9, 9], "read again from where the settings say");
    handle.add_topic("t").unwrap();
    assert_eq!(read_numbers(&mut reader, 2).await, [8, 9], "what was removed is not new");
    handle.add_partitions_at("t", [(5, Start::Offset(2))]).unwrap();
    cluster.add_partitions("t", 6);
    fill(&cluster, "t", 5, 0..4);
    assert_eq!(read_numbers(&mut reader, 2).await, [2, 3], "also one that did not exist yet");
    for refused in [
        handle.add_topic(""),
        handle.add_partitions("", [0]),
        handle.add_partitions("t", [-1]),
        handle.add_partitions_at("t", [(0, Start::Offset(-1))]),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().starts_with("add_"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pattern_takes_over_no_chosen_partitions() {
    let (cluster, client) = start(&[("t1", 2), ("t2", 1)]).await;
    fill(&cluster, "t1", 1, 10..12);
    fill(&cluster, "t2", 0, 20..22);
    let reader = client.reader().topics_matching("t.").partitions("t1", [0]);
    let mut reader = reader.build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 2).await, [20, 21]);
    assert!(is_quiet(&mut reader).await);
    let handle = reader.handle();
    handle.remove_partitions("t1", [0]).unwrap();
    assert!(is_quiet(&mut reader).await, "removed, although it matches");
    assert!(handle.remove_topic("t9").is_ok(), "it would be read when it comes");
    assert!(handle.remove_topic("other").is_err());
}

#[tokio::test(start_paused = true)]
async fn topics_are_listed_again_soon_after_a_failure() {
    let (cluster, _) = start(&[("t1", 1)]).await;
    let client = cluster.client().metadata_max_age(Duration::from_secs(300));
    let client = client.connect().await.unwrap();
    let mut reader = client.reader().topics_matching("t.").build().await.unwrap();
    cluster.create_topic("t2", 1);
    fill(&cluster, "t2", 0, 0..1);
    sleep(Duration::from_secs(290)).await;
    let deny = cluster.on(ApiKey::METADATA, |_| Fault::Disconnect);
    sleep(Duration::from_secs(75)).await;
    drop(deny);
    let next = timeout(Duration::from_secs(30), reader.next()).await;
    assert!(next.is_ok(), "a failed listing costs no whole period");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_read_is_not_handed_out_again() {
    let (cluster, client) = start(&[("t", 1)]).await;
    for chunk in 0..3 {
        let numbers = chunk * 10..chunk * 10 + 10;
        cluster.append("t", 0, numbers.map(|n| Record::new(n.to_string())));
    }
    let mut reader = client.reader().topic("t").build().await.unwrap();
    read_numbers(&mut reader, 10).await;
    let mut batches = reader.batches();
    assert_eq!(batches.next().await.unwrap().unwrap().base_offset(), 10);
    let mut reader = batches.into_messages();
    read_numbers(&mut reader, 10).await;
    // Put aside meanwhile.
    reader.handle().pause_all().unwrap();
    assert!(is_quiet(&mut reader).await);
    reader.handle().resume_all().unwrap();
    let mut batches = reader.batches();
    assert!(timeout(Duration::from_secs(10), batches.next()).await.is_err());
    cluster.append("t", 0, (30..35).map(|n| Record::new(n.to_string())));
    let batch = batches.next().await.unwrap().unwrap();
    assert_eq!((batch.base_offset(), batch.records_in(31..33).count()), (30, 2));
    assert_eq!(batches.handle().stats().batches, 4);
    batches.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_range_of_a_topic_that_is_created_anew_is_done() {
    let (cluster, client) = start(&[("t", 1)]).await;
    fill(&cluster, "t", 0, 0..9);
    let mut reader = client.reader().topic("t").end(End::Latest).build().await.unwrap();
    reader.handle().pause_all().unwrap();
    assert!(is_quiet(&mut reader).await);
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    fill(&cluster, "t", 0, 100..102);
    sleep(Duration::from_secs(30)).await;
    reader.handle().resume_all().unwrap();
    let rest = timeout(Duration::from_secs(60), reader.collect::<Vec<_>>()).await.expect("no end");
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0].as_ref().unwrap_err().kind(), ErrorKind::DataLoss);
}

/// On real threads: what is paused and resumed while it is handed out stays in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn pauses_from_another_thread_keep_the_order() {
    const COUNT: usize = 20_000;
    let (cluster, client) = start(&[("t", 1)]).await;
    fill(&cluster, "t", 0, 0..COUNT);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    let handle = reader.handle();
    let done = Arc::new(AtomicBool::new(false));
    let is_done = done.clone();
    let pausing = std::thread::spawn(move || {
        for _ in 0..200_000 {
            let paused = handle.pause("t", 0).and_then(|()| handle.resume("t", 0));
            if paused.is_err() || is_done.load(Ordering::Relaxed) {
                break;
            }
        }
    });
    for expected in 0..COUNT {
        let message = timeout(Duration::from_secs(60), reader.next()).await.expect("stuck");
        assert_eq!(number(&message.unwrap().unwrap()), expected);
    }
    done.store(true, Ordering::Relaxed);
    pausing.join().unwrap();
}

/// The names of the rows are those of the table at `Reader`.
#[tokio::test(start_paused = true)]
async fn a_lookup_that_is_refused_is_an_error_of_its_partition() {
    let (cluster, client) = start(&[("t", 2)]).await;
    fill(&cluster, "t", 0, 0..3);
    let _deny = cluster.on(ApiKey::LIST_OFFSETS, |call| {
        call.edit::<ListOffsetsRequest>(|response| {
            let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions.filter(|it| it.partition_index == 1) {
                partition.error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED.0;
            }
        })
    });
    let reader = client.reader().topic("t").build().await.unwrap();
    let items =
        reader.take_until(Box::pin(sleep(Duration::from_secs(30)))).collect::<Vec<_>>().await;
    let errors: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    assert_eq!((items.len(), errors.len()), (4, 1), "{errors:?}");
    assert_eq!(errors[0].code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert!(errors[0].to_string().contains("t[1]"), "{}", errors[0]);
}
