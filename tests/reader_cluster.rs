//! What a reader does as its cluster changes: fetch sessions (16), leader epochs and truncation
//! (17), followers (18). Goes on from `reader_subtleties.rs`, under paused time.

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

use futures::StreamExt;
use kafkio::protocol::messages::fetch::FetchRequest;
use kafkio::protocol::messages::metadata::MetadataRequest;
use kafkio::protocol::messages::offset_for_leader_epoch::OffsetForLeaderEpochRequest;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{Client, ErrorKind, OutOfRange, Reader, Start};
use support::numbers::next_error;
use support::{expect_nothing, number, numbered, read_numbers};
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

async fn start(builder: FakeClusterBuilder) -> (FakeCluster, Client) {
    let cluster = builder.in_memory().start().await.unwrap();
    let client = cluster.client().connect().await.unwrap();
    (cluster, client)
}

/// The fetches that came to the broker.
fn fetches(cluster: &FakeCluster, broker: i32) -> Vec<FetchRequest> {
    let all = cluster.requests().into_iter();
    let fetches = all.filter(|it| it.api_key == ApiKey::FETCH && it.broker == broker);
    fetches.map(|it| it.request()).collect()
}

/// The partitions that a request names.
fn named(request: &FetchRequest) -> Vec<i32> {
    request.topics.iter().flat_map(|topic| &topic.partitions).map(|it| it.partition).collect()
}

fn forgotten(request: &FetchRequest) -> Vec<i32> {
    request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn only_what_changes_is_asked_for() {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 200)).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    expect_nothing(&mut reader, 2 * SECOND).await;
    cluster.clear_requests();
    expect_nothing(&mut reader, 10 * SECOND).await;
    let idle = fetches(&cluster, 0);
    assert!((15..=25).contains(&idle.len()), "{} fetches in 10 s", idle.len());
    assert!(idle.iter().all(|it| named(it).is_empty() && it.session_id > 0));

    cluster.clear_requests();
    for n in 0..10 {
        cluster.append("t", 7, numbered(n..n + 1));
        assert_eq!(read_numbers(&mut reader, 1).await, [n]);
    }
    expect_nothing(&mut reader, SECOND).await;
    assert!(fetches(&cluster, 0).iter().all(|it| named(it).iter().all(|it| *it == 7)));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_any_more_is_forgotten() {
    let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 6)).await;
    let mut reader = client.reader().topic("t").build().await.unwrap();
    expect_nothing(&mut reader, 2 * SECOND).await;
    cluster.clear_requests();
    reader.handle().pause("t", 2).unwrap();
    cluster.move_leader("t", 4, 1);
    expect_nothing(&mut reader, 5 * SECOND).await;
    let mut all: Vec<_> = fetches(&cluster, 0).iter().flat_map(forgotten).collect();
    all.sort_unstable();
    assert_eq!(all, [2, 4]);
    cluster.append("t", 2, numbered(0..10));
    expect_nothing(&mut reader, 5 * SECOND).await;
    cluster.append("t", 4, numbered(0..10));
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(0..10));
    reader.handle().resume("t", 2).unwrap();
    let began = Instant::now();
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(0..10));
    assert!(began.elapsed() < SECOND / 10, "a long poll is not waited for: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_told() {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 1)).await;
    cluster.append("t", 0, numbered(0..6));
    cluster.append("t", 0, numbered(6..10));
    let reader = client.reader().topic("t");
    let mut reader = reader.build().await.unwrap();
    let strict = client.reader().topic("t").on_out_of_range(OutOfRange::Error);
    let mut strict = strict.build().await.unwrap();
    for reader in [&mut reader, &mut strict] {
        assert_eq!(read_numbers(reader, 10).await.len(), 10);
    }
    cluster.truncate("t", 0, 6);
    cluster.append("t", 0, numbered(16..30));
    let lost = next_error(&mut reader).await;
    assert_eq!(lost.kind(), ErrorKind::DataLoss, "{lost:?}");
    assert!(lost.to_string().contains("10") && lost.to_string().contains('6'), "{lost}");
    assert!(read_numbers(&mut reader, 14).await.into_iter().eq(16..30));

    let lost = next_error(&mut strict).await;
    assert_eq!(lost.kind(), ErrorKind::DataLoss, "{lost:?}");
    expect_nothing(&mut strict, 10 * SECOND).await;
    strict.handle().seek("t", 0, Start::Offset(8)).unwrap();
    assert!(read_numbers(&mut strict, 12).await.into_iter().eq(18..30));
}

#[tokio::test(start_paused = true)]
async fn an_unclean_election_is_found_out() {
    let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    cluster.append("t", 0, numbered(0..6));
    cluster.append("t", 0, numbered(6..10));
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    cluster.set_follower_end("t", 0, 1, 6);
    cluster.move_leader("t", 0, 1);
    let lost = next_error(&mut reader).await;
    assert_eq!(lost.kind(), ErrorKind::DataLoss, "{lost:?}");
    cluster.append("t", 0, numbered(16..20));
    assert!(read_numbers(&mut reader, 4).await.into_iter().eq(16..20));
}

/// A change of leaders alone is no loss, whatever becomes of the question.
#[tokio::test(start_paused = true)]
async fn failed_and_undefined_validations_lose_nothing() {
    for fault in 0..5 {
        let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
        cluster.append("t", 0, numbered(0..10));
        let reader = client.reader().topic("t").on_out_of_range(OutOfRange::Latest);
        let mut reader = reader.build().await.unwrap();
        assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
        let mut left = 3;
        let _fault = cluster.on(ApiKey::OFFSET_FOR_LEADER_EPOCH, move |call| {
            left -= 1;
            match (left, fault) {
                (_, 0) => call.edit::<OffsetForLeaderEpochRequest>(|response| {
                    let all = response.topics.iter_mut().flat_map(|it| &mut it.partitions);
                    all.for_each(|it| (it.leader_epoch, it.end_offset) = (-1, -1));
                }),
                (..0, _) => Fault::Pass,
                (_, 1) => Fault::Disconnect,
                (_, 2) => Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
                (_, 3) => Fault::Error(ErrorCode::UNKNOWN_SERVER_ERROR),
                _ => Fault::Error(ErrorCode::FENCED_LEADER_EPOCH),
            }
        });
        cluster.move_leader("t", 0, 1);
        cluster.append("t", 0, numbered(10..20));
        assert!(read_numbers(&mut reader, 10).await.into_iter().eq(10..20), "{fault}");
        expect_nothing(&mut reader, 5 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_seek_beats_a_validation() {
    let (cluster, client) = start(FakeCluster::builder().topic("t", 1)).await;
    cluster.append("t", 0, numbered(0..6));
    cluster.append("t", 0, numbered(6..10));
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    let _late = cluster.once(ApiKey::OFFSET_FOR_LEADER_EPOCH, |_| Fault::DelayAnswer(2 * SECOND));
    cluster.truncate("t", 0, 6);
    expect_nothing(&mut reader, SECOND).await;
    reader.handle().seek("t", 0, Start::Offset(2)).unwrap();
    assert!(read_numbers(&mut reader, 4).await.into_iter().eq(2..6), "and no error");
    expect_nothing(&mut reader, 5 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn old_metadata_moves_nobody_back() {
    let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    cluster.append("t", 0, numbered(0..10));
    cluster.move_leader("t", 0, 1);
    let mut reader = client.reader().topic("t").build().await.unwrap();
    assert_eq!(read_numbers(&mut reader, 10).await.len(), 10);
    // A broker that has not heard of the election yet.
    let _stale = cluster.on(ApiKey::METADATA, |call| {
        call.edit::<MetadataRequest>(|response| {
            let all = response.topics.iter_mut().flat_map(|it| &mut it.partitions);
            all.for_each(|it| (it.leader_id, it.leader_epoch) = (0, 0));
        })
    });
    cluster.fail_next(ApiKey::FETCH, [ErrorCode::LEADER_NOT_AVAILABLE]);
    cluster.cut_connections(1);
    cluster.clear_requests();
    cluster.append("t", 0, numbered(10..20));
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(10..20));
    assert!(fetches(&cluster, 0).is_empty(), "the old leader was asked");
}

/// Three brokers in racks of their own; the first leads.
async fn racks() -> (FakeCluster, Client, Reader) {
    let builder = FakeCluster::builder().brokers(3).racks(["a", "b", "c"]).rack_aware(true);
    let (cluster, client) = start(builder.topic("t", 1)).await;
    cluster.append("t", 0, numbered(0..10));
    let mut reader = client.reader().topic("t").rack("c").build().await.unwrap();
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(0..10));
    assert!(!fetches(&cluster, 2).is_empty(), "it leads nothing, and is read all the same");
    expect_nothing(&mut reader, SECOND).await;
    (cluster, client, reader)
}

#[tokio::test(start_paused = true)]
async fn the_replica_in_the_rack_is_read() {
    let (cluster, _client, mut reader) = racks().await;
    cluster.clear_requests();
    for n in 10..30 {
        cluster.append("t", 0, numbered(n..n + 1));
        let began = Instant::now();
        assert_eq!(read_numbers(&mut reader, 1).await, [n]);
        assert!(began.elapsed() < SECOND / 10);
    }
    assert!(fetches(&cluster, 0).len() <= 2, "the leader is left alone");
    assert!(fetches(&cluster, 1).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_lags_sends_back_to_the_leader() {
    let (cluster, _client, mut reader) = racks().await;
    cluster.set_follower_end("t", 0, 2, 5);
    cluster.append("t", 0, numbered(10..20));
    let began = Instant::now();
    assert!(read_numbers(&mut reader, 10).await.into_iter().eq(10..20), "no reset");
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    let asked = cluster.requests().into_iter().filter(|it| it.api_key == ApiKey::LIST_OFFSETS);
    assert!(asked.into_iter().all(|it| it.broker == 0), "only the leader knows offsets");
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_dies_or_errs_sends_back_to_the_leader() {
    for fault in 0..4 {
        let (cluster, _client, mut reader) = racks().await;
        let code = match fault {
            0 => {
                cluster.stop_broker(2);
                None
            }
            1 => Some(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            2 => Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            _ => Some(ErrorCode::KAFKA_STORAGE_ERROR),
        };
        let _fault = cluster.on(ApiKey::FETCH, move |call| match code {
            Some(code) if call.broker == 2 => Fault::Error(code),
            _ => Fault::Pass,
        });
        cluster.append("t", 0, numbered(10..20));
        let numbers = read_numbers(&mut reader, 10).await;
        assert!(numbers.into_iter().eq(10..20), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_replica_strands_nobody() {
    let (cluster, client) = start(FakeCluster::builder().brokers(2).topic("t", 1)).await;
    let mut left = 2;
    let _lies = cluster.on(ApiKey::FETCH, move |call| {
        left -= 1;
        if left < 0 {
            return Fault::Pass;
        }
        call.edit::<FetchRequest>(|response| {
            for it in response.responses.iter_mut().flat_map(|it| &mut it.partitions) {
                it.preferred_read_replica = 99;
                it.records = None;
            }
        })
    });
    cluster.append("t", 0, numbered(0..10));
    let mut reader = client.reader().topic("t").rack("a").build().await.unwrap();
    let first = timeout(20 * SECOND, reader.next()).await.expect("it is not stranded");
    assert_eq!(number(&first.unwrap().unwrap()), 0);
    assert!(read_numbers(&mut reader, 9).await.into_iter().eq(1..10));
}
