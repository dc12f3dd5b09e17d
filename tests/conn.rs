//! One connection against an in-process cluster that misbehaves, under paused time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::task::noop_waker;
use kafkio::protocol::{ApiKey, ErrorCode};
use kafkio::testing::{FakeCluster, FakeClusterBuilder, Fault};
use kafkio::{Acks, ErrorKind, PartitionConn, ReadBatch, Record, Result, Start};
use tokio::time::{Instant, sleep};

fn cluster() -> FakeClusterBuilder {
    FakeCluster::builder().in_memory().topic("t", 1)
}

async fn leader(cluster: &FakeCluster) -> PartitionConn {
    let conn = cluster.client().conn().request_timeout(Duration::from_secs(5));
    conn.dial_leader("t", 0).await.unwrap()
}

async fn write(conn: &PartitionConn, value: &'static str) -> Result<Option<i64>> {
    Ok(conn.write_messages([Record::new(value)]).await?.base_offset())
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_is_ambiguous_and_not_sent_again() {
    for fault in [|| Fault::Cut(0), || Fault::Disconnect, || Fault::Hang] {
        let cluster = cluster().start().await.unwrap();
        let conn = leader(&cluster).await;
        let _guard = cluster.once(ApiKey::PRODUCE, move |_| fault());
        let error = write(&conn, "a").await.unwrap_err();
        assert!(error.is_ambiguous(), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("Produce to broker 0 at "), "{text}");

        // The connection has ended, and says so; what was never sent is not ambiguous.
        assert!(conn.conn().is_closed());
        let error = write(&conn, "b").await.unwrap_err();
        assert!(!error.is_ambiguous() && error.is_retriable(), "{error:?}");
        let sent = cluster.requests().into_iter().filter(|r| r.api_key == ApiKey::PRODUCE);
        assert_eq!(sent.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_a_timeout() {
    let cluster = cluster().start().await.unwrap();
    let mut conn = leader(&cluster).await;
    conn.seek(Start::Earliest).await.unwrap();
    let _guard = cluster.on(ApiKey::FETCH, |_| Fault::Hang);
    let began = Instant::now();
    let error = conn.read_message().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    // The time for the request, and what the broker may wait for data.
    assert_eq!(began.elapsed().as_millis(), 5500);
}

#[tokio::test(start_paused = true)]
async fn the_leader_that_took_over_is_named() {
    let cluster = cluster().brokers(2).start().await.unwrap();
    let mut conn = leader(&cluster).await;
    assert_eq!(write(&conn, "a").await.unwrap(), Some(0));
    let (old, new) = (conn.conn().broker().id, 1 - conn.conn().broker().id);
    cluster.move_leader("t", 0, new);

    let moved = format!("broker {new} leads it now");
    let error = write(&conn, "b").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(error.to_string().contains(&moved), "{error}");
    conn.set_offset(0);
    // It has become a follower, and those serve consumers (KIP-392).
    assert_eq!(conn.read_message().await.unwrap().offset(), 0);
    assert_eq!(conn.conn().broker().id, old);

    let next = conn.conn().leader("t", 0).await.unwrap();
    assert_eq!(next.conn().broker().id, new);
    assert_eq!(write(&next, "b").await.unwrap(), Some(1));
}

/// Each read is dropped after so many polls, and the next one goes on; nothing is lost or read
/// twice, whichever way the read goes.
#[tokio::test(start_paused = true)]
async fn reads_may_be_dropped_at_every_await() {
    for polls in 1..12 {
        let cluster = cluster().start().await.unwrap();
        let mut conn = leader(&cluster).await;
        for value in ["0", "1", "2", "3", "4", "5"] {
            write(&conn, value).await.unwrap();
        }
        let (mut seen, mut round) = (Vec::new(), 0);
        while seen.len() < 6 {
            round += 1;
            assert!(round < 1000, "no progress with {polls} polls");
            if seen.len() % 2 == 0 {
                seen.extend(
                    partly(conn.read_message(), polls).await.map(|message| message.offset()),
                );
            } else {
                // Small, so that each fetch brings one batch.
                let read = conn.read_batch_with(ReadBatch::new(1, 1));
                let fetched = partly(read, polls).await;
                let messages = fetched.iter().flat_map(kafkio::Fetched::messages);
                seen.extend(messages.map(|message| message.unwrap().offset()));
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5], "{polls} polls");
        assert_eq!(conn.offset(), Some(6));
    }
}

/// Polls so often at most, with time for the broker in between.
async fn partly<T>(work: impl Future<Output = Result<T>>, polls: usize) -> Option<T> {
    let mut work = Box::pin(work);
    for _ in 0..polls {
        if let Poll::Ready(done) = work.poll_unpin(&mut Context::from_waker(&noop_waker())) {
            return Some(done.unwrap());
        }
        sleep(Duration::from_micros(100)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn calls_overlap() {
    let cluster = cluster().start().await.unwrap();
    let mut conn = leader(&cluster).await;
    let all = ["a", "b", "c"].map(|value| write(&conn, value));
    let offsets = futures::future::try_join_all(all).await.unwrap();
    assert_eq!(offsets, [Some(0), Some(1), Some(2)]);

    conn.set_required_acks(Acks::None);
    assert_eq!(write(&conn, "d").await.unwrap(), None);
    assert_eq!(conn.read_last_offset().await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn writing_nothing_asks_nobody() {
    let cluster = cluster().start().await.unwrap();
    let conn = leader(&cluster).await;
    let written = conn.write_messages([]).await.unwrap();
    assert_eq!((written.count(), written.base_offset()), (0, None));
    assert!(cluster.requests().iter().all(|request| request.api_key != ApiKey::PRODUCE));
}

#[tokio::test(start_paused = true)]
async fn the_first_address_that_answers_is_taken() {
    let cluster = cluster().brokers(3).start().await.unwrap();
    cluster.stop_broker(0);
    cluster.stop_broker(2);
    for _ in 0..8 {
        let conn = cluster.client().conn().dial().await.unwrap();
        assert_eq!(conn.brokers().await.unwrap().len(), 1);
    }
    cluster.stop_broker(1);
    let error = cluster.client().conn().dial().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.to_string().starts_with("dial "), "{error}");
}
