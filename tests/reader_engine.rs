//! The engine of the reader: sessions, urgent requests, the budget, new leaders, followers. Paused
//! time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

#[path = "support/numbers.rs"]
mod numbers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use kafkio::protocol::messages::fetch::FetchRequest;
use kafkio::protocol::messages::offset_for_leader_epoch::OffsetForLeaderEpochRequest;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{
    Client, Compression, End, ErrorKind, OutOfRange, PartitionStream, Partitions, Reader, Record,
    Start,
};
use numbers::{expect_nothing, fill, next_error, number, read_numbers};
use tokio::time::{Instant, sleep, timeout};

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory()
}

/// Two brokers in two racks, a reader near the follower of `t`'s only partition, and that.
async fn near_a_follower() -> (FakeCluster, Reader, i32) {
    let cluster = cluster().brokers(2).replication_factor(2).racks(["a", "b"]).rack_aware(true);
    let cluster = cluster.topic("t", 1).start().await.unwrap();
    let leader = cluster.leader("t", 0).unwrap();
    let follower = cluster.brokers().into_iter().find(|id| *id != leader).unwrap();
    let rack = if follower % 2 == 0 { "a" } else { "b" };
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").rack(rack).build().await.unwrap();
    fill(&cluster, "t", 0, 0..5);
    assert_eq!(read_numbers(&mut reader, 5).await, [0, 1, 2, 3, 4]);
    (cluster, reader, follower)
}

async fn client(cluster: &FakeCluster) -> Client {
    cluster.client().connect().await.unwrap()
}

fn fetches(cluster: &FakeCluster) -> Vec<FetchRequest> {
    let requests = cluster.requests().into_iter().filter(|it| it.api_key == ApiKey::FETCH);
    requests.map(|it| it.request::<FetchRequest>()).collect()
}

#[tokio::test(start_paused = true)]
async fn where_there_are_no_sessions_none_is_asked_for_again() {
    let cluster = cluster().topic("t", 3).start().await.unwrap();
    cluster
        .on(ApiKey::FETCH, |call| call.edit::<FetchRequest>(|response| response.session_id = 0))
        .keep();
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    for n in 0..20 {
        fill(&cluster, "t", 0, n..n + 1);
        assert_eq!(read_numbers(&mut reader, 1).await, [n]);
    }
    let asked = fetches(&cluster);
    assert!(asked.len() < 60, "{} fetches", asked.len());
    let epochs = asked.iter().filter(|it| it.session_epoch == 0).count();
    assert!(epochs <= 2, "{epochs} attempts to open a session");
    assert!(asked.iter().skip(3).all(|it| it.session_epoch == -1 && it.session_id == 0));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_end_begin_anew_and_do_not_spin() {
    for code in [
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::INCONSISTENT_TOPIC_ID,
    ] {
        let cluster = cluster().topic("t", 2).start().await.unwrap();
        fill(&cluster, "t", 0, 0..3);
        let client = client(&cluster).await;
        let mut reader = client.reader().topic("t").build().await.unwrap();
        assert_eq!(read_numbers(&mut reader, 3).await, [0, 1, 2]);
        let refuse = cluster.on(ApiKey::FETCH, move |call| {
            call.edit::<FetchRequest>(move |response| {
                response.error_code = code.0;
                response.responses.clear();
            })
        });
        cluster.clear_requests();
        assert!(timeout(Duration::from_secs(10), reader.next()).await.is_err(), "no error");
        let asked = fetches(&cluster).len();
        assert!((5..50).contains(&asked), "{code}: {asked} fetches in 10 s");
        drop(refuse);
        fill(&cluster, "t", 1, 3..5);
        let began = Instant::now();
        assert_eq!(read_numbers(&mut reader, 2).await, [3, 4], "{code}");
        assert!(began.elapsed() < Duration::from_secs(3), "{code}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_does_not_wait_for_a_long_poll() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    fill(&cluster, "t", 0, 0..10);
    let client = client(&cluster).await;
    let builder = client.reader().topic("t").max_wait(Duration::from_secs(20));
    let mut reader = builder.build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    sleep(Duration::from_secs(1)).await;
    let handle = reader.handle();
    cluster.clear_requests();
    let began = Instant::now();
    handle.seek("t", 0, Start::Offset(7)).unwrap();
    assert_eq!(read_numbers(&mut reader, 3).await, [7, 8, 9]);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    // Seeks in a loop cost no more than one request that nobody waits for at a time.
    for _ in 0..200 {
        handle.seek("t", 0, Start::Offset(10)).unwrap();
        handle.seek("t", 0, Start::Offset(9)).unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    let asked = fetches(&cluster).len();
    assert!(asked < 20, "{asked} fetches");
    handle.seek("t", 0, Start::Offset(5)).unwrap();
    assert_eq!(read_numbers(&mut reader, 5).await, [5, 6, 7, 8, 9]);
    assert!(cluster.connections(cluster.brokers()[0]) <= 4, "two to fetch, others to ask");
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_asked_at_once() {
    let cluster = cluster().brokers(3).topic("t", 3).start().await.unwrap();
    let client = client(&cluster).await;
    let builder = client.reader().topic("t").max_wait(Duration::from_secs(20));
    let mut reader = builder.build().await.unwrap();
    fill(&cluster, "t", 0, 0..1);
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    for n in 1..10 {
        sleep(Duration::from_secs(1)).await;
        let brokers = cluster.brokers();
        cluster.move_leader("t", 0, brokers[n % brokers.len()]);
        let began = Instant::now();
        fill(&cluster, "t", 0, n..n + 1);
        assert_eq!(read_numbers(&mut reader, 1).await, [n]);
        assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_decompresses_to_more_than_the_budget_is_read_bit_by_bit() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    let writer = client.writer().topic("t").compression(Compression::zstd()).build().await.unwrap();
    for n in 0..40 {
        let record = Record::new(Bytes::from(vec![0; 500_000])).partition(n % 2);
        writer.send(record).await.unwrap().await.unwrap();
    }
    writer.close().await.unwrap();
    let before = cluster.bytes_sent();
    let reader = client.reader().topic("t").buffer_bytes(1 << 20).build().await.unwrap();
    let read = timeout(Duration::from_secs(60), reader.take(40).try_collect::<Vec<_>>());
    assert_eq!(read.await.expect("it is stuck").unwrap().len(), 40);
    let fetched = cluster.bytes_sent() - before;
    assert!(fetched < 100_000, "nothing is fetched twice: {fetched} bytes");
}

#[tokio::test(start_paused = true)]
async fn records_that_a_new_leader_has_not_are_an_error() {
    for policy in [OutOfRange::Earliest, OutOfRange::Error] {
        let cluster = cluster().topic("t", 1).start().await.unwrap();
        fill(&cluster, "t", 0, 0..10);
        let client = client(&cluster).await;
        let mut reader = client.reader().topic("t").on_out_of_range(policy).build().await.unwrap();
        assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
        cluster.truncate("t", 0, 6);
        fill(&cluster, "t", 0, 60..70);
        let error = next_error(&mut reader).await;
        assert_eq!(error.kind(), ErrorKind::DataLoss);
        let text = error.to_string();
        assert!(text.starts_with("t[0] has lost records"), "{text}");
        assert!(text.contains("offset 6") && text.contains("offset 10"), "{text}");
        let position = if policy == OutOfRange::Error { 10 } else { 6 };
        assert_eq!(reader.handle().position("t", 0), Some(position));
        if policy == OutOfRange::Error {
            assert!(timeout(Duration::from_secs(60), reader.next()).await.is_err());
            reader.handle().seek("t", 0, Start::Offset(6)).unwrap();
        }
        assert_eq!(read_numbers(&mut reader, 10).await, (60..70).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_tell_is_asked_again_and_nothing_is_reset() {
    let cluster = cluster().brokers(2).replication_factor(2).topic("t", 1).start().await.unwrap();
    fill(&cluster, "t", 0, 0..10);
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let refuse = cluster.on(ApiKey::OFFSET_FOR_LEADER_EPOCH, move |call| {
        match count.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => Fault::Error(ErrorCode::UNKNOWN_LEADER_EPOCH),
            1 => Fault::Disconnect,
            _ => call.edit::<OffsetForLeaderEpochRequest>(|response| response.topics.clear()),
        }
    });
    let other = cluster.brokers().into_iter().find(|id| Some(*id) != cluster.leader("t", 0));
    cluster.move_leader("t", 0, other.unwrap());
    fill(&cluster, "t", 0, 10..12);
    assert!(timeout(Duration::from_secs(10), reader.next()).await.is_err());
    let asked = asked.load(Ordering::SeqCst);
    assert!((5..40).contains(&asked), "{asked} questions in 10 s");
    drop(refuse);
    assert_eq!(read_numbers(&mut reader, 2).await, [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_replica_strands_nobody() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    cluster
        .on(ApiKey::FETCH, |call| {
            let has_rack = call.request::<FetchRequest>().rack_id == "here";
            call.edit::<FetchRequest>(move |response| {
                let partitions = response.responses.iter_mut().flat_map(|it| &mut it.partitions);
                for partition in partitions.filter(|_| has_rack) {
                    partition.preferred_read_replica = 99;
                    partition.records = None;
                }
            })
        })
        .keep();
    fill(&cluster, "t", 0, 0..10);
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").rack("here").build().await.unwrap();
    let began = Instant::now();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(fetches(&cluster).len() < 20);
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_waits_for_a_seek_if_that_is_asked_for() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    fill(&cluster, "t", 0, 0..10);
    let client = client(&cluster).await;
    let reader = client.reader().topic("t").on_out_of_range(OutOfRange::Error);
    let mut reader = reader.build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    fill(&cluster, "t", 0, 100..120);
    assert_eq!(next_error(&mut reader).await.kind(), ErrorKind::DataLoss);
    cluster.clear_requests();
    assert!(timeout(Duration::from_secs(60), reader.next()).await.is_err());
    assert!(fetches(&cluster).is_empty(), "nobody asks for it");
    reader.handle().seek("t", 0, Start::Earliest).unwrap();
    assert_eq!(read_numbers(&mut reader, 20).await, (100..120).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_the_loops() {
    let cluster = cluster().brokers(3).topic("t", 6).start().await.unwrap();
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    fill(&cluster, "t", 0, 0..1);
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    timeout(Duration::from_secs(1), reader.close()).await.unwrap();
    cluster.clear_requests();
    sleep(Duration::from_secs(5)).await;
    assert!(fetches(&cluster).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_resume_does_not_wait_for_a_long_poll() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    let builder = client.reader().topic("t").max_wait(Duration::from_secs(20));
    let mut reader = builder.build().await.unwrap();
    fill(&cluster, "t", 0, 0..1);
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    reader.handle().pause("t", 0).unwrap();
    sleep(Duration::from_secs(30)).await;
    fill(&cluster, "t", 0, 1..3);
    assert!(timeout(Duration::from_secs(30), reader.next()).await.is_err(), "it is paused");
    let began = Instant::now();
    reader.handle().resume("t", 0).unwrap();
    assert_eq!(read_numbers(&mut reader, 2).await, [1, 2]);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_does_not_keep_the_room_of_the_others() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let text = |n: i32| Record::new(format!("{n:01000}"));
    for n in 0..300 {
        cluster.append("t", 0, [text(n)]);
    }
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").buffer_bytes(1 << 16).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    sleep(Duration::from_secs(5)).await;
    reader.handle().pause("t", 0).unwrap();
    for n in 1000..1300 {
        cluster.append("t", 1, [text(n)]);
    }
    assert_eq!(read_numbers(&mut reader, 300).await, (1000..1300).collect::<Vec<_>>());
    reader.handle().resume("t", 0).unwrap();
    assert_eq!(
        read_numbers(&mut reader, 299).await,
        (1..300).collect::<Vec<_>>(),
        "in order, all of it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_follower_nearby_is_read_and_left_when_it_fails() {
    let (cluster, mut reader, follower) = near_a_follower().await;
    sleep(Duration::from_secs(2)).await;
    cluster.clear_requests();
    fill(&cluster, "t", 0, 5..10);
    assert_eq!(read_numbers(&mut reader, 5).await, [5, 6, 7, 8, 9]);
    let asked = cluster.requests();
    let mut asked = asked.iter().filter(|it| it.api_key == ApiKey::FETCH);
    assert!(asked.all(|it| it.broker == follower), "only the follower is asked");
    cluster.stop_broker(follower);
    fill(&cluster, "t", 0, 10..15);
    let began = Instant::now();
    assert_eq!(read_numbers(&mut reader, 5).await, [10, 11, 12, 13, 14]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_idle_partitions_are_named_once() {
    let cluster = cluster().topic("t", 1000).start().await.unwrap();
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").start(Start::Offset(0)).build().await.unwrap();
    for n in 0..50 {
        fill(&cluster, "t", 7, n..n + 1);
        assert_eq!(read_numbers(&mut reader, 1).await, [n]);
    }
    let asked = fetches(&cluster);
    let topics = asked.iter().flat_map(|it| &it.topics);
    let named: usize = topics.map(|topic| topic.partitions.len()).sum();
    assert!(named < 2100, "{named} partitions named");
}

/// A partition stream that is read to this many messages.
async fn take_of(stream: &mut PartitionStream, count: usize) -> Vec<usize> {
    let messages = stream.take(count).map_ok(|message| number(&message)).try_collect();
    timeout(Duration::from_secs(120), messages).await.expect("the stream is stuck").unwrap()
}

async fn streams(reader: Reader, count: usize) -> (Partitions, Vec<PartitionStream>) {
    let mut partitions = reader.partitions();
    let mut streams: Vec<_> = partitions.by_ref().take(count).try_collect().await.unwrap();
    streams.sort_by_key(PartitionStream::partition);
    (partitions, streams)
}

/// A value that is all zeros, but for its number at the end.
fn sparse(n: usize, size: usize) -> Bytes {
    Bytes::from("0".repeat(size) + &n.to_string())
}

async fn write(client: &Client, partition: i32, numbers: std::ops::Range<usize>, size: usize) {
    let writer = client.writer().topic("t").compression(Compression::zstd()).build().await.unwrap();
    for n in numbers {
        let record = Record::new(sparse(n, size)).partition(partition);
        writer.send(record).await.unwrap().await.unwrap();
    }
    writer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_takes_nobody_along() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    fill(&cluster, "t", 0, 0..10);
    let client = client(&cluster).await;
    let reader = client.reader().topic("t").build().await.unwrap();
    let (partitions, mut streams) = streams(reader, 2).await;
    assert_eq!(take_of(&mut streams[0], 3).await, [0, 1, 2]);
    drop(streams.remove(0));
    for n in 0..20 {
        fill(&cluster, "t", 0, n..n + 1);
        fill(&cluster, "t", 1, n..n + 1);
        assert_eq!(take_of(&mut streams[0], 1).await, [n]);
    }
    // Nobody takes up what is added.
    drop(partitions);
    cluster.add_partitions("t", 3);
    sleep(Duration::from_secs(600)).await;
    fill(&cluster, "t", 2, 0..5);
    fill(&cluster, "t", 1, 20..25);
    assert_eq!(take_of(&mut streams[0], 5).await, [20, 21, 22, 23, 24]);
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_the_end_is_not_looked_at() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    fill(&cluster, "t", 0, 0..5);
    fill(&cluster, "t", 1, 0..5);
    // Damaged, and behind the end; in the first partition nothing stands just before that.
    let damage = cluster.on(ApiKey::FETCH, |call| {
        call.edit::<FetchRequest>(|response| {
            for data in response.responses.iter_mut().flat_map(|it| &mut it.partitions) {
                let mut bytes = data.records.take().unwrap_or_default().to_vec();
                let offsets = [0, 1, 2, 3, 4].map(|n: usize| n * bytes.len() / 5);
                if let Some(crc) = bytes.get_mut(offsets[3] + 17) {
                    *crc ^= 1;
                }
                data.records = Some(bytes.into());
            }
        })
    });
    let client = client(&cluster).await;
    let reader = client.reader().topic("t").end(End::Offset(3)).build().await.unwrap();
    let read = timeout(Duration::from_secs(10), reader.try_collect::<Vec<_>>());
    let read = read.await.expect("it ends").expect("no error");
    assert_eq!(read.len(), 6);
    drop(damage);
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_moves_to_another_leader() {
    let cluster = cluster().brokers(2).replication_factor(2).topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    write(&client, 0, 0..20, 200_000).await;
    let reader = client.reader().topic("t").buffer_bytes(1 << 20).build().await.unwrap();
    let (_partitions, mut streams) = streams(reader, 2).await;
    assert_eq!(take_of(&mut streams[0], 1).await, [0]);
    sleep(Duration::from_secs(5)).await;
    let other = cluster.brokers().into_iter().find(|id| Some(*id) != cluster.leader("t", 0));
    cluster.move_leader("t", 0, other.unwrap());
    sleep(Duration::from_secs(5)).await;
    write(&client, 0, 20..25, 1000).await;
    assert_eq!(take_of(&mut streams[0], 24).await, (1..25).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_makes_room_for_what_is_not_decoded() {
    let cluster = cluster().topic("t", 2).start().await.unwrap();
    let client = client(&cluster).await;
    write(&client, 0, 0..6, 400_000).await;
    let mut reader = client.reader().topic("t").buffer_bytes(1 << 20).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
    sleep(Duration::from_secs(5)).await;
    reader.handle().pause("t", 0).unwrap();
    write(&client, 1, 100..106, 400_000).await;
    assert_eq!(read_numbers(&mut reader, 6).await, (100..106).collect::<Vec<_>>());
    reader.handle().resume("t", 0).unwrap();
    assert_eq!(read_numbers(&mut reader, 5).await, (1..6).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_second_connection_that_cannot_be_made_holds_up_nothing() {
    for hangs in [true, false] {
        let cluster = cluster().topic("t", 2).start().await.unwrap();
        fill(&cluster, "t", 0, 0..10);
        let client = client(&cluster).await;
        let builder = client.reader().topic("t").max_wait(Duration::from_secs(5));
        let mut reader = builder.build().await.unwrap();
        assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
        sleep(Duration::from_millis(100)).await;
        let refuse = cluster
            .on(ApiKey::API_VERSIONS, move |_| if hangs { Fault::Hang } else { Fault::Disconnect });
        cluster.clear_requests();
        reader.handle().seek("t", 0, Start::Offset(9)).unwrap();
        sleep(Duration::from_millis(100)).await;
        for n in 0..5 {
            fill(&cluster, "t", 1, n..n + 1);
            let began = Instant::now();
            let read = read_numbers(&mut reader, if n == 0 { 2 } else { 1 }).await;
            assert!(read.contains(&n));
            assert!(began.elapsed() < Duration::from_millis(20), "{:?}", began.elapsed());
        }
        assert_eq!(reader.handle().stats().fetch_errors, 0);
        drop(refuse);
    }
}

#[tokio::test(start_paused = true)]
async fn more_is_fetched_while_an_answer_is_being_read() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    for n in 0..200 {
        cluster.append("t", 0, [Record::new(sparse(n, 1000))]);
    }
    let client = client(&cluster).await;
    let budget = 1 << 16;
    let mut reader = client.reader().topic("t").buffer_bytes(budget).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 2).await, [0, 1]);
    sleep(Duration::from_secs(1)).await;
    let asked = fetches(&cluster);
    assert!(asked.iter().any(|it| it.topics.iter().any(|it| it.partitions[0].fetch_offset > 0)));
    let most: i32 = asked.iter().map(|it| it.max_bytes).sum();
    assert!(usize::try_from(most).unwrap() <= budget, "{most} bytes");
    assert_eq!(read_numbers(&mut reader, 198).await, (2..200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_follower_refuses_is_asked_of_the_leader() {
    let (cluster, mut reader, follower) = near_a_follower().await;
    for fault in [0, 1] {
        sleep(Duration::from_secs(60)).await;
        let refuse = cluster.on(ApiKey::FETCH, move |call| match fault {
            _ if call.broker != follower => Fault::Pass,
            0 => Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
            _ => Fault::Mutate(Box::new(|_| Bytes::from_static(b"?"))),
        });
        let from = 5 + fault * 5;
        fill(&cluster, "t", 0, from..from + 5);
        assert_eq!(read_numbers(&mut reader, 5).await, (from..from + 5).collect::<Vec<_>>());
        drop(refuse);
    }
}

#[tokio::test(start_paused = true)]
async fn batches_that_overlap_repeat_nothing() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    cluster.append("t", 0, (0..5).map(|n: usize| Record::new(n.to_string())));
    // The same batch once more, as if it began three records later.
    let _edit = cluster.on(ApiKey::FETCH, |call| {
        call.edit::<FetchRequest>(|response| {
            for data in response.responses.iter_mut().flat_map(|it| &mut it.partitions) {
                let mut bytes = data.records.take().unwrap_or_default().to_vec();
                let mut again = bytes.clone();
                if let Some(offset) = again.get_mut(7) {
                    *offset += 3;
                }
                bytes.append(&mut again);
                data.records = Some(bytes.into());
            }
        })
    });
    let client = client(&cluster).await;
    let reader = client.reader().topic("t").build().await.unwrap();
    let offsets = reader.take(8).map_ok(|message| message.offset()).try_collect::<Vec<_>>();
    let offsets = timeout(Duration::from_secs(10), offsets).await.unwrap().unwrap();
    assert_eq!(offsets, (0..8).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_end_means_nothing_in_a_topic_made_anew() {
    let cluster = cluster().topic("t", 1).start().await.unwrap();
    fill(&cluster, "t", 0, 0..5);
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").end(End::Offset(10)).build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 5).await.len(), 5);
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    assert_eq!(next_error(&mut reader).await.kind(), ErrorKind::DataLoss);
    let end = timeout(Duration::from_secs(10), reader.next()).await.expect("it ends");
    assert!(end.is_none());
}

#[tokio::test(start_paused = true)]
async fn partitions_that_fail_together_come_back_together() {
    let cluster = cluster().topic("t", 500).start().await.unwrap();
    let refuse =
        cluster.on(ApiKey::LIST_OFFSETS, |_| Fault::Error(ErrorCode::LEADER_NOT_AVAILABLE));
    let client = client(&cluster).await;
    let mut reader = client.reader().topic("t").start(Start::Latest).build().await.unwrap();
    expect_nothing(&mut reader, Duration::from_secs(5)).await;
    let asked = cluster.requests().iter().filter(|it| it.api_key == ApiKey::LIST_OFFSETS).count();
    assert!((3..20).contains(&asked), "{asked} lookups");
    drop(refuse);
    expect_nothing(&mut reader, Duration::from_secs(5)).await;
    fill(&cluster, "t", 499, 0..1);
    assert_eq!(read_numbers(&mut reader, 1).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_far_away_is_asked_for_more_at_once() {
    let cluster = cluster().topic("t", 4).start().await.unwrap();
    let value = Bytes::from(vec![b'v'; 60_000]);
    for n in 0..800 {
        cluster.append("t", n % 4, [Record::new(value.clone())]);
    }
    let client = client(&cluster).await;
    let mut most = Vec::new();
    for away in [Duration::ZERO, Duration::from_millis(50)] {
        let _far = cluster.on(ApiKey::FETCH, move |_| Fault::DelayAnswer(away));
        cluster.clear_requests();
        let reader = client.reader().topic("t").end(End::Latest).build().await.unwrap();
        assert_eq!(reader.try_collect::<Vec<_>>().await.unwrap().len(), 800);
        most.push(fetches(&cluster).iter().map(|it| it.max_bytes).max().unwrap());
    }
    // Four partitions of a mebibyte each: more does not come.
    assert_eq!(most, [1 << 20, 8 << 20]);
}
